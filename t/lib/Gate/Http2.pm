package Gate::Http2;

# Copyright (C) nginx-gate authors
#
# One HTTP/2 request without TLS.  curl may take the end of a stream whose
# request it has not yet sent for an error; this client reads what there is.
#
#     my $res = Gate::Http2::request(uri => '/v2/payout', body => $body,
#         headers => [['content-type', 'application/json']], length => 1);
#
# length: 1 sends a content-length.  pieces: sizes of the DATA frames.
# cut: resets the stream after that many bytes of the body.  reset: after the
# whole request.  hello() and frames() are its bytes, in two parts.
#
# An answer: status, body, end (the stream ended properly), reset (the error
# code of an RST_STREAM, or undef), error (undef, "timeout", "closed").
# Headers other than the status are not decoded.

use strict;
use warnings;

use Time::HiRes ();

use Gate::Http;

use constant {
    DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6,
    END_STREAM => 1, END_HEADERS => 4, ACK => 1, CANCEL => 8,
};

sub _frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}

# literals that are not indexed, in plain bytes

sub _header {
    my ($name, $value) = @_;

    my $out = "\0";

    for my $text ($name, $value) {
        my $length = length $text;

        $out .= $length < 127 ? chr $length
                              : "\x7f" . _integer($length - 127);
        $out .= $text;
    }

    return $out;
}

sub _integer {
    my ($n) = @_;

    my $out = '';

    while ($n >= 128) {
        $out .= chr($n % 128 + 128);
        $n = int($n / 128);
    }

    return $out . chr $n;
}

sub hello {
    return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . _frame(SETTINGS, 0, 0, '');
}

sub frames {
    my (%req) = @_;

    my $body = $req{body} // '';
    my @headers = ([':method', $req{method} // 'POST'], [':scheme', 'http'],
                   [':path', $req{uri}], [':authority', 'localhost'],
                   @{ $req{headers} // [] });

    push @headers, ['content-length', length $body] if $req{length};

    my $out = _frame(HEADERS, END_HEADERS | ($body eq '' ? END_STREAM : 0),
                     1, join '', map { _header(@$_) } @headers);

    my $left = defined $req{cut} ? substr $body, 0, $req{cut} : $body;
    my @sizes = @{ $req{pieces} // [] };

    while ($left ne '') {
        my $piece = substr $left, 0, shift @sizes // 16384, '';
        my $last = $left eq '' && !defined $req{cut};

        $out .= _frame(DATA, $last ? END_STREAM : 0, 1, $piece);
    }

    $out .= _frame(RST_STREAM, 0, 1, pack 'N', CANCEL)
        if defined $req{cut} || $req{reset};

    return $out;
}

sub request {
    my (%req) = @_;

    my $conn = Gate::Http::Connection->new($req{to});
    my $res = { status => '', body => '' };
    my $end = Time::HiRes::time() + ($req{timeout} // 10);

    $conn->send(hello() . frames(%req));

    # a reset stream has no answer: a ping tells that it was seen
    $conn->send(_frame(PING, 0, 0, 'is there')) if defined $req{cut};

    while (!_done($res)) {
        next if _take_frame($conn, $res);

        if ($conn->{eof}) {
            $res->{error} = 'closed';

        } elsif (!$conn->_fill($end)) {
            $res->{error} = 'timeout';
        }
    }

    $conn->close();

    return $res;
}

sub _done {
    my ($res) = @_;

    return $res->{end} || defined $res->{reset} || $res->{error}
           || $res->{pong};
}

sub _take_frame {
    my ($conn, $res) = @_;

    return 0 if length $conn->{in} < 9;

    my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $conn->{in};
    my $length = $high * 65536 + $low;

    return 0 if length $conn->{in} < 9 + $length;

    my $payload = substr $conn->{in}, 9, $length;
    substr $conn->{in}, 0, 9 + $length, '';

    if ($type == SETTINGS && !($flags & ACK)) {
        $conn->send(_frame(SETTINGS, ACK, 0, ''));

    } elsif ($type == PING && $flags & ACK) {
        $res->{pong} = 1;
    }

    _stream_frame($res, $type, $flags, $payload) if $stream == 1;

    return 1;
}

sub _stream_frame {
    my ($res, $type, $flags, $payload) = @_;

    $res->{status} = _status($payload) if $type == HEADERS;
    $res->{body} .= $payload if $type == DATA;
    $res->{reset} = unpack 'N', $payload if $type == RST_STREAM;
    $res->{end} = 1 if ($type == HEADERS || $type == DATA)
                       && $flags & END_STREAM;
}

# Of the static table, or a literal that nginx does not compress; a change of
# the table's size may come first.

my %indexed = (8 => 200, 9 => 204, 10 => 206, 11 => 304, 12 => 400,
               13 => 404, 14 => 500);

sub _status {
    my ($block) = @_;

    $block =~ s/\A\x20//;

    return $1 if $block =~ /\A[\x08\x18\x48]\x03(\d{3})/;

    return $indexed{ord($block) & 0x7f} // '';
}

1;
