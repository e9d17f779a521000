package Gate::Upstream::Server;

# Copyright (C) nginx-gate authors
#
# The child process of Gate::Upstream.

use strict;
use warnings;

use parent 'Gate::Loop';

use Errno qw( EAGAIN EINTR );
use JSON::PP ();
use Time::HiRes ();

use Gate::Http;

my $json = JSON::PP->new->latin1->canonical->allow_nonref;

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        conns => {}, next_conn => 0, control => $opt{ctl},
        requests => [], script => [], always => '',
    }, $class;

    $self->listen(@opt{qw( unix ctl port )});

    return $self;
}

sub accepted {
    my ($self, $sock, $address) = @_;

    my $ctl = $address eq $self->{control};

    $self->add($sock, ctl => $ctl, in => '', served => 0,
               id => $ctl ? 0 : ++$self->{next_conn});
}

sub readable {
    my ($self, $conn) = @_;

    my $n = sysread $conn->{sock}, $conn->{in}, 65536, length $conn->{in};

    return if !defined $n && ($! == EAGAIN || $! == EINTR);
    return if $n;

    # a request that will never be complete is worth knowing, too
    if (my $request = $conn->{request}) {
        $request->{body} .= $conn->{in} if !$request->{chunked};
    }

    $conn->{eof} = 1;
    $self->close($conn) if !@{ $conn->{out} };
}

# Everything that can be done on a connection now.

sub step {
    my ($self, $conn) = @_;

    while (!$conn->{closed}) {
        if (@{ $conn->{out} }) {
            defined $self->write($conn) or return;
            next;
        }

        return if $conn->{hang};

        if ($conn->{last}) {
            $self->close($conn);
            return;
        }

        $self->_request($conn) or return;
    }
}

# --- requests

# Takes what there is of the next request; true when something was done.

sub _request {
    my ($self, $conn) = @_;

    my $request = $conn->{request};

    if (!$request) {
        $request = $self->_head($conn) or return 0;
        $conn->{request} = $request;

        if ($request->{orders}{early}) {
            $conn->{last} = 1;
            return $self->_answer($conn, $request);
        }
    }

    _body($conn, $request) or return 0;

    $request->{complete} = 1;
    $conn->{request} = undef;

    return $self->_answer($conn, $request);
}

sub _head {
    my ($self, $conn) = @_;

    $conn->{in} =~ s/\A((\S+) (\S+) HTTP\/1\.(\d)\r\n.*?\r\n)\r\n//s
        or $conn->{in} =~ s/\A((\S+) (\S+) HTTP\/1\.(\d)\r\n)\r\n//
        or return undef;

    my $request = { head => $1, method => $2, uri => $3, minor => $4,
                    headers => {}, body => '', complete => 0,
                    connection => $conn->{id} };

    while ($request->{head} =~ /^([^:\s]+):[ \t]*(.*?)\r$/mg) {
        $request->{headers}{lc $1} = $2;
    }

    my $headers = $request->{headers};

    $request->{chunked} = ($headers->{'transfer-encoding'} // '')
                          =~ /chunked/i ? 1 : 0;
    $request->{left} = $headers->{'content-length'} // 0;

    $self->_record($conn, $request) if !$conn->{ctl};

    return $request;
}

sub _record {
    my ($self, $conn, $request) = @_;

    push @{ $self->{requests} }, $request;

    $request->{number} = @{ $self->{requests} };
    $request->{on_connection} = ++$conn->{served};

    my $orders = $request->{headers}{'x-upstream'}
                 // shift @{ $self->{script} } // $self->{always};

    $request->{orders} = _parse_orders($orders);
}

sub _body {
    my ($conn, $request) = @_;

    return _chunks($conn, $request) if $request->{chunked};

    my $piece = substr $conn->{in}, 0, $request->{left}, '';

    $request->{body} .= $piece;
    $request->{left} -= length $piece;

    return $request->{left} == 0;
}

sub _chunks {
    my ($conn, $request) = @_;

    my $end = Gate::Http::chunks($request, \$conn->{in}, 0) // return 0;
    substr $conn->{in}, 0, $end, '';

    return 1;
}

# --- answers

my %known = map { $_ => 1 } qw( status reason type body before after header delay
                                chunked slow length cut close drop reset early
                                hang );

sub _parse_orders {
    my ($text) = @_;

    my %orders = (header => []);

    for my $part (split /;\s*/, $text // '') {
        my ($key, $value) = split /=/, $part, 2;

        $value //= 1;
        $value =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;

        $orders{unknown} = $key if !$known{$key};

        $key eq 'header' ? push @{ $orders{header} }, $value
                         : ($orders{$key} = $value);
    }

    return \%orders;
}

sub _answer {
    my ($self, $conn, $request) = @_;

    if ($conn->{ctl}) {
        return _send($conn, $request, 200, [], $self->_control($request));
    }

    my $orders = $request->{orders};
    my $at = Time::HiRes::time() + ($orders->{delay} // 0) / 1000;

    if ($orders->{hang}) {
        $conn->{hang} = 1;
        return 1;
    }

    if ($orders->{drop} || $orders->{reset}) {
        push @{ $conn->{out} }, { at => $at, bytes => '',
                                  close => $orders->{reset} ? 'reset' : 1 };
        return 1;
    }

    return _send($conn, $request, 500, [],
                 "unknown order \"$orders->{unknown}\"\n")
        if defined $orders->{unknown};

    return $self->_by_orders($conn, $request, $orders, $at);
}

sub _echo_headers {
    my ($request) = @_;

    my $headers = $request->{headers};

    return (
        "X-Echo-Method: $request->{method}",
        "X-Echo-Uri: $request->{uri}",
        'X-Echo-Length: ' . length $request->{body},
        'X-Echo-Content-Length: ' . ($headers->{'content-length'} // ''),
        'X-Echo-Transfer-Encoding: '
            . ($headers->{'transfer-encoding'} // ''),
        "X-Echo-Count: $request->{number}",
        "X-Echo-Connection: $request->{connection}.$request->{on_connection}",
    );
}

sub _by_orders {
    my ($self, $conn, $request, $orders, $at) = @_;

    my $type = $orders->{type} // $request->{headers}{'content-type'}
               // 'text/plain';

    return _send($conn, $request, $orders->{status} // 200,
                 ["Content-Type: $type", _echo_headers($request),
                  @{ $orders->{header} }],
                 $orders->{body} // join('', $orders->{before} // '',
                                         $request->{body},
                                         $orders->{after} // ''),
                 $orders, $at);
}

sub _send {
    my ($conn, $request, $status, $headers, $body, $orders, $at) = @_;

    my $no_body = $request->{method} eq 'HEAD' || $status =~ /^(?:1..|[23]04)$/;
    my $close = $orders->{close} || $orders->{cut} || $request->{minor} == 0
                || ($request->{headers}{connection} // '') =~ /close/i;
    my @headers = (@$headers, 'Connection: '
                              . ($close ? 'close' : 'keep-alive'));

    $conn->{last} = 1 if $close;

    push @headers, $orders->{chunked}
        ? 'Transfer-Encoding: chunked'
        : 'Content-Length: ' . ($orders->{length} // length $body)
        if $status !~ /^(?:1..|204)$/;

    my $reason = $orders->{reason} // 'Status';
    my $head = join "\r\n", "HTTP/1.1 $status $reason", @headers, '', '';

    $body = '' if $no_body;
    $body = substr $body, 0, $orders->{cut} if defined $orders->{cut};

    _queue($conn, $head, $body, $orders // {}, $at // 0);

    return 1;
}

sub _queue {
    my ($conn, $head, $body, $orders, $at) = @_;

    my @pieces = $body eq '' ? () : ($body);
    my $slow = ($orders->{slow} // 0) / 1000;

    if ($slow && length $body > 1) {
        my $half = int(length($body) / 2);
        @pieces = (substr($body, 0, $half), substr $body, $half);
    }

    if ($orders->{chunked}) {
        @pieces = map { sprintf "%x\r\n%s\r\n", length $_, $_ } @pieces;
        push @pieces, "0\r\n\r\n" if !defined $orders->{cut};
    }

    # head and body in one write, as a fast server does
    @pieces = (join '', $head, @pieces) if !$slow;
    unshift @pieces, $head if $slow;

    for my $piece (@pieces) {
        push @{ $conn->{out} }, { at => $at, bytes => $piece };
        $at += $slow;
    }
}

# --- what the suite asks

sub _control {
    my ($self, $request) = @_;

    my $data = $json->decode($request->{body});
    my $uri = $request->{uri};
    my $out = 1;

    if ($uri eq '/requests') {
        $out = [ map { { %$_, orders => undef } } @{ $self->{requests} } ];

    } elsif ($uri eq '/count') {
        $out = @{ $self->{requests} };

    } elsif ($uri eq '/script') {
        $self->{script} = $data;

    } elsif ($uri eq '/always') {
        $self->{always} = $data;

    } elsif ($uri eq '/reset') {
        $self->{requests} = [];
        $self->{script} = [];
        $self->{always} = '';
    }

    return $json->encode($out);
}

1;
