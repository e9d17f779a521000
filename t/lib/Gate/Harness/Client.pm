package Gate::Harness::Client;

# Copyright (C) nginx-gate authors
#
# Sends a request of a block and reads the answer.

use strict;
use warnings;

use Errno qw( EAGAIN EINTR EINPROGRESS );
use Fcntl qw( F_GETFL F_SETFL O_NONBLOCK );
use Socket;
use Time::HiRes ();

use Gate::Env qw( spawn stop_child wait_child read_file which );
use Gate::Harness::Config;

*Set = \%Gate::Harness::Config::Set;
our %Set;

sub seconds {
    my ($text) = @_;

    return undef if !defined $text;

    return $text =~ /^\s*([\d.]+)\s*ms\s*$/ ? $1 / 1000
         : $text =~ /^\s*([\d.]+)\s*s?\s*$/ ? $1 : $text;
}

sub _timeout {
    my ($block) = @_;

    return (seconds($block->timeout) // $Set{timeout})
           * $Gate::Harness::Config::Scale;
}

# Returns (bytes, error): what the server sent, and what went wrong.

sub send_request {
    my ($block, $packets) = @_;

    return _curl($block, $packets) if Gate::Harness::Config::is_http2($block);

    my $addr = $block->server_addr_for_client // $Set{server_addr};
    my $sock = _connect($addr, $Set{client_port});

    return ('', "cannot connect to $addr:$Set{client_port}: $!") if !$sock;

    my $state = {
        sock    => $sock,
        packets => [@$packets],
        out     => '',
        in      => '',
        delay   => scalar $block->raw_request_middle_delay,
        idle    => _timeout($block),
        half    => scalar $block->shutdown,
        first   => 1,
    };

    my $error = _exchange($state);
    close $sock;

    $error = undef if defined $error && defined $block->abort;

    return ($state->{in}, $error);
}

sub _connect {
    my ($addr, $port) = @_;

    my $ip = inet_aton($addr) // return undef;

    socket my $sock, AF_INET, SOCK_STREAM, 0 or return undef;

    # nginx listens already: on the loopback this does not wait
    connect $sock, pack_sockaddr_in($port, $ip) or return undef;
    fcntl $sock, F_SETFL, fcntl($sock, F_GETFL, 0) | O_NONBLOCK
        or return undef;

    return $sock;
}

sub _exchange {
    my ($state) = @_;

    local $SIG{PIPE} = 'IGNORE';

    my $fd = fileno $state->{sock};
    my $resume = 0;

    while (1) {
        my $now = Time::HiRes::time();

        if ($state->{out} eq '' && @{ $state->{packets} } && $now >= $resume) {
            $resume = _next_packet($state, $now);
        }

        my $wait = $state->{idle};
        $wait = $resume - $now if $resume > $now;

        vec(my $r = '', $fd, 1) = 1;
        my $w = $state->{out} ne '' && $now >= $resume ? $r : '';

        my $n = select $r, $w, undef, $wait;

        if ($n == 0) {
            next if $resume > $now;
            return 'client socket timed out';
        }

        next if $n < 0;

        # the answer may come before the request is sent, and with an error
        _write($state) if $w ne '' && vec $w, $fd, 1;

        return undef if vec($r, $fd, 1) && !_read($state);
    }
}

# Takes the next packet; returns the time when it may be sent.

sub _next_packet {
    my ($state, $now) = @_;

    my $packet = shift @{ $state->{packets} };
    my $delay = $packet->{delay_before} // $state->{delay} // 0;

    $delay = 0 if $state->{first};
    $state->{first} = 0;
    $state->{out} = $packet->{value};

    return $now + $delay;
}

sub _write {
    my ($state) = @_;

    my $n = syswrite $state->{sock}, $state->{out};

    if (!defined $n) {
        return if $! == EAGAIN || $! == EINTR;

        # nobody reads any more
        $state->{out} = '';
        $state->{packets} = [];
        return;
    }

    substr $state->{out}, 0, $n, '';

    if ($state->{out} eq '' && !@{ $state->{packets} }
        && defined $state->{half})
    {
        shutdown $state->{sock}, $state->{half} =~ /(\d)/ ? $1 : 1;
    }
}

sub _read {
    my ($state) = @_;

    my $n = sysread $state->{sock}, $state->{in}, 65536, length $state->{in};

    return 1 if !defined $n && ($! == EAGAIN || $! == EINTR);

    return $n;
}

# --- HTTP/2 by curl

sub _curl_args {
    my ($block, $bytes) = @_;

    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    my ($line, @headers) = split /\r\n/, $head;
    my ($method, $uri) = split / /, $line;

    my $port = $Set{client_port};
    my $addr = $block->server_addr_for_client // $Set{server_addr};
    my $proto = $block->curl_protocol // 'http';

    my @args = ('-i', '-sS', '--http2-prior-knowledge',
                map { ('-H', "$_:") } qw( User-Agent Accept Host ));

    push @args, $method eq 'HEAD' ? '-I'
              : $method eq 'GET'  ? () : ('-X', $method);
    push @args, map { ('-H', $_) } grep { !/^Connection\s*:/i } @headers;

    if ($body ne '') {
        push @args, '-H', 'Content-Type:'
            if !grep { /^Content-Type\s*:/i } @headers;

        my $file = Gate::Env::write_file('curl.data', $body);
        push @args, '--data-binary', "\@$file";
    }

    push @args, split ' ', $block->curl_options // '';

    return (@args, '--max-time', _timeout($block), "$proto://$addr:$port$uri");
}

sub _curl {
    my ($block, $packets) = @_;

    my $bytes = join '', map { $_->{value} } @$packets;
    my $out = Gate::Env::scratch() . '/curl.out';

    unlink $out;

    my $pid = spawn([which('curl') // 'curl', _curl_args($block, $bytes)],
                    out => $out);
    my $status = wait_child($pid, _timeout($block) + 5);

    stop_child($pid, 'KILL') if !defined $status;

    my $answer = read_file($out) // '';

    # the message is the last line, after whatever was received
    if (!defined $status || $status != 0) {
        my $expected = $block->curl_error;
        my $ok = !defined $expected ? 0
               : ref $expected      ? $answer =~ $expected
               :                      index($answer, $expected) >= 0;

        return ('', $ok || defined $block->abort ? undef
                                                 : "curl failed: $answer");
    }

    return ($answer, undef);
}

# --- answers

# Returns (response, rest of the bytes).  A response has code, headers (list
# of pairs), raw (the head as it came), body, and error.

sub parse_response {
    my ($bytes, $is_head) = @_;

    my $res = { code => '', headers => [], raw => '', body => '' };

    if ($bytes !~ /\A(.*?\r\n)\r\n/s) {
        $res->{body} = $bytes;
        $res->{code} = $1 if $bytes =~ m{\AHTTP/\S+ (\d+)};
        return ($res, '');
    }

    $res->{raw} = $1;
    my $rest = substr $bytes, $+[0];

    $res->{code} = $1 if $res->{raw} =~ m{\AHTTP/\S+ (\d+)};

    for my $line (split /\r\n/, $res->{raw}) {
        push @{ $res->{headers} }, [$1, $2] if $line =~ /^([^:\s]+):\s*(.*)$/;
    }

    return ($res, '') if $res->{code} eq '304' || $res->{code} eq '101';

    return _body($res, $rest, $is_head);
}

sub _body {
    my ($res, $rest, $is_head) = @_;

    my $length = header($res, 'Content-Length');

    if ((header($res, 'Transfer-Encoding') // '') eq 'chunked') {
        ($res->{body}, $rest, $res->{error}) = _unchunk($rest);
        return ($res, $rest);
    }

    if (defined $length && $length =~ /^\d+$/ && length $rest >= $length) {
        $res->{body} = substr $rest, 0, $length;
        return ($res, substr $rest, $length);
    }

    $res->{body} = $rest;
    $res->{warning} = "body truncated: $length expected, got " . length $rest
        if defined $length && !$is_head;

    return ($res, '');
}

sub header {
    my ($res, $name) = @_;

    my @values = map { $_->[1] } grep { lc $_->[0] eq lc $name }
                                      @{ $res->{headers} };

    return @values ? join ', ', @values : undef;
}

# Returns (body, what follows, error).

sub _unchunk {
    my ($raw) = @_;

    my $body = '';

    while ($raw =~ /\G[ \t]*([A-Fa-f0-9]+)[ \t]*(?:;[^\r\n]*)?\r\n/gc) {
        my $size = hex $1;

        if ($size == 0) {
            $raw =~ /\G(?:[^\r\n]+\r\n)*\r\n/gc
                or return ($body, '', 'bad end of chunks');

            return ($body, substr($raw, pos $raw), undef);
        }

        my $start = pos $raw;

        return ($body, '', 'chunk is not complete')
            if length $raw < $start + $size + 2;
        return ($body, '', 'no line end after a chunk')
            if substr($raw, $start + $size, 2) ne "\r\n";

        $body .= substr $raw, $start, $size;
        pos($raw) = $start + $size + 2;
    }

    my $left = substr $raw, pos $raw // 0;

    return ($body, '', 'no last chunk, but "' . substr($left, 0, 80) . '"');
}

1;
