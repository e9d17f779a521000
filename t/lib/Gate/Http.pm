package Gate::Http;

# Copyright (C) nginx-gate authors
#
# HTTP/1.1 for suites that need more than one request at a time, that leave
# early, or that watch a connection.
#
#     my $res = Gate::Http::post('/v2/payout', $body, headers => [...]);
#     my @all = Gate::Http::parallel(\@requests, concurrency => 64);
#
# A request is a hash:
#
#     to        port number or path of a unix socket, default nginx
#     method, uri, headers (list of "Name: value" lines), body
#     chunks    list of pieces: the body is sent chunked
#     raw       the whole request as bytes, instead of the above
#     timeout   seconds for everything, default 10
#     leave     'sent', or seconds after sending: close without an answer
#     cut       leave after that many bytes of the request
#     rst       1: leave by a reset
#
# An answer: status ('' when none came), head, headers (by lower-case name),
# body, interim (statuses of 1xx answers), error (undef, or "timeout",
# "closed", "left", "connect: ..."), time (seconds).

use strict;
use warnings;

use Errno qw( EAGAIN EINTR EINPROGRESS );
use Fcntl qw( F_GETFL F_SETFL O_NONBLOCK );
use Socket;
use Time::HiRes ();

sub get  { my ($uri, %opt) = @_; return request(uri => $uri, %opt) }

sub post {
    my ($uri, $body, %opt) = @_;

    return request(method => 'POST', uri => $uri, body => $body, %opt);
}

sub request {
    my (%req) = @_;

    return (parallel([\%req]))[0];
}

# --- requests

sub bytes_of {
    my ($req) = @_;

    return $req->{raw} if defined $req->{raw};

    my @headers = @{ $req->{headers} // [] };
    my $method = $req->{method} // 'GET';
    my $body = $req->{body} // '';

    push @headers, 'Host: localhost' if !grep { /^Host:/i } @headers;
    push @headers, 'Connection: close' if !grep { /^Connection:/i } @headers;

    if ($req->{chunks}) {
        push @headers, 'Transfer-Encoding: chunked';
        $body = join '', map { sprintf "%x\r\n%s\r\n", length $_, $_ }
                             @{ $req->{chunks} }, '';

    } elsif (($body ne '' || $method eq 'POST')
             && !grep { /^Content-Length:/i } @headers)
    {
        push @headers, 'Content-Length: ' . length $body;
    }

    return join("\r\n", "$method " . ($req->{uri} // '/') . ' HTTP/1.1',
                @headers, '', '') . $body;
}

# --- connections

# A non-blocking socket, connecting or connected.

sub open_socket {
    my ($to) = @_;

    $to //= $ENV{TEST_NGINX_SERVER_PORT};

    my ($family, $addr) = $to =~ m{/}
        ? (AF_UNIX, pack_sockaddr_un($to))
        : (AF_INET, pack_sockaddr_in($to, INADDR_LOOPBACK));

    socket my $sock, $family, SOCK_STREAM, 0 or return undef;

    # a unix socket whose queue is full would not wait, but say EAGAIN
    if ($family == AF_UNIX) {
        connect $sock, $addr or return undef;
    }

    fcntl $sock, F_SETFL, fcntl($sock, F_GETFL, 0) | O_NONBLOCK
        or return undef;

    if ($family == AF_INET) {
        connect $sock, $addr or $! == EINPROGRESS or return undef;
    }

    return $sock;
}

sub _start {
    my ($req) = @_;

    my $now = Time::HiRes::time();
    my $out = bytes_of($req);
    my $job = {
        req   => $req,
        start => $now,
        end   => $now + ($req->{timeout} // 10),
        in    => '',
        out   => defined $req->{cut} ? substr $out, 0, $req->{cut} : $out,
        head  => ($req->{method} // '') eq 'HEAD',
    };

    $job->{sock} = open_socket($req->{to});

    if (!$job->{sock}) {
        $job->{error} = "connect: $!";
        $job->{done} = 1;
    }

    return $job;
}

sub _close {
    my ($job, $error) = @_;

    setsockopt $job->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)
        if $job->{req}{rst} && ($error // '') eq 'left';

    close $job->{sock} if $job->{sock};

    $job->{sock} = undef;
    $job->{error} //= $error;
    $job->{done} = 1;
}

sub _sent {
    my ($job) = @_;

    my $leave = defined $job->{req}{cut} ? 'sent' : $job->{req}{leave};
    return if !defined $leave;

    if ($leave eq 'sent') {
        _close($job, 'left');
        return;
    }

    $job->{leave_at} = Time::HiRes::time() + $leave;
}

sub _writable {
    my ($job) = @_;

    my $n = syswrite $job->{sock}, $job->{out};

    if (!defined $n) {
        return if $! == EAGAIN || $! == EINTR;

        # an answer may be there to be read all the same
        $job->{write_error} = "$!";
        $job->{out} = '';
        return;
    }

    substr $job->{out}, 0, $n, '';
    _sent($job) if $job->{out} eq '';
}

sub _readable {
    my ($job) = @_;

    my $n = sysread $job->{sock}, $job->{in}, 65536, length $job->{in};

    return if !defined $n && ($! == EAGAIN || $! == EINTR);

    my $eof = !$n;
    my $why = defined $n ? 'closed' : "closed: $!";

    $why = "closed: $job->{write_error}" if defined $job->{write_error};

    $job->{answer} = parse(\$job->{in}, $job->{head}, $eof);

    _close($job, undef) if $job->{answer};
    _close($job, $why) if $eof && !$job->{done};
}

# --- the loop

sub parallel {
    my ($requests, %opt) = @_;

    local $SIG{PIPE} = 'IGNORE';

    my $limit = $opt{concurrency} // 64;
    my (@active, @jobs);
    my $next = 0;

    while ($next < @$requests || @active) {
        while ($next < @$requests && @active < $limit) {
            my $job = _start($requests->[$next++]);

            push @jobs, $job;
            push @active, $job;
        }

        _turn(\@active);

        $opt{on_done}->(_answer($_)) for
            $opt{on_done} ? grep { $_->{done} } @active : ();

        @active = grep { !$_->{done} } @active;
    }

    return map { _answer($_) } @jobs;
}

sub _next_time {
    my ($job) = @_;

    my $at = $job->{leave_at};

    return defined $at && $at < $job->{end} ? $at : $job->{end};
}

sub _turn {
    my ($active) = @_;

    my ($r, $w) = ('', '');
    my $now = Time::HiRes::time();
    my $until = $now + 60;

    for my $job (grep { !$_->{done} } @$active) {
        my $fd = fileno $job->{sock};

        vec($r, $fd, 1) = 1;
        vec($w, $fd, 1) = 1 if $job->{out} ne '';

        $until = _next_time($job) if _next_time($job) < $until;
    }

    my $wait = $until > $now ? $until - $now : 0;
    $wait = 0 if grep { $_->{done} } @$active;

    my $n = select $r, $w, undef, $wait;
    ($r, $w) = ('', '') if $n <= 0;

    $now = Time::HiRes::time();

    for my $job (grep { !$_->{done} } @$active) {
        my $fd = fileno $job->{sock};

        _writable($job) if vec $w, $fd, 1;
        _readable($job) if !$job->{done} && vec $r, $fd, 1;

        next if $job->{done} || $now < _next_time($job);

        _close($job, $now >= $job->{end} ? 'timeout' : 'left');
    }
}

sub _answer {
    my ($job) = @_;

    $job->{time} //= Time::HiRes::time() - $job->{start};

    return $job->{result} //= {
        status  => '',
        head    => '',
        headers => {},
        body    => '',
        interim => [],
        %{ $job->{answer} // {} },
        error   => $job->{error},
        time    => $job->{time},
        request => $job->{req},
    };
}

# --- answers

# Takes the first answer off the bytes, or returns undef when it is not yet
# complete.

sub parse {
    my ($in, $is_head, $eof) = @_;

    my @interim;
    my $start = 0;

    while (1) {
        pos($$in) = $start;
        $$in =~ /\G(HTTP\S+ (\d+).*?\r\n)\r\n/gcs or return undef;

        my ($head, $status, $body_start) = ($1, $2, pos $$in);

        if ($status < 200 && $status != 101) {
            push @interim, $status;
            $start = $body_start;
            next;
        }

        my %headers;

        while ($head =~ /^([^:\s]+):[ \t]*(.*?)\r$/mg) {
            my $name = lc $1;
            $headers{$name} = defined $headers{$name} ? "$headers{$name}, $2"
                                                      : $2;
        }

        my $res = { status => $status, head => $head, headers => \%headers,
                    interim => \@interim };

        my $end = _body($res, $in, $body_start, $is_head, $eof);
        return undef if !defined $end;

        substr $$in, 0, $end, '';
        return $res;
    }
}

# Fills in the body and returns where it ends.

sub _body {
    my ($res, $in, $start, $is_head, $eof) = @_;

    my $length = $res->{headers}{'content-length'};
    $res->{body} = '';

    return $start if $is_head || $res->{status} =~ /^(?:1..|204|304)$/;

    if (($res->{headers}{'transfer-encoding'} // '') =~ /chunked/i) {
        return chunks($res, $in, $start);
    }

    if (defined $length) {
        return undef if length $$in < $start + $length;
        $res->{body} = substr $$in, $start, $length;
        return $start + $length;
    }

    return undef if !$eof;
    $res->{body} = substr $$in, $start;

    return length $$in;
}

sub chunks {
    my ($res, $in, $start) = @_;

    my $body = '';
    pos($$in) = $start;

    while ($$in =~ /\G([0-9A-Fa-f]+)[^\r\n]*\r\n/gc) {
        my $size = hex $1;
        my $at = pos $$in;

        if ($size == 0) {
            $$in =~ /\G(?:[^\r\n]+\r\n)*\r\n/gc or return undef;
            $res->{body} = $body;
            return pos $$in;
        }

        return undef if length $$in < $at + $size + 2;

        $body .= substr $$in, $at, $size;
        pos($$in) = $at + $size + 2;
    }

    return undef;
}

# --- a connection that the suite holds

package Gate::Http::Connection;

sub new {
    my ($class, $to) = @_;

    my $sock = Gate::Http::open_socket($to) or die "cannot connect: $!\n";

    return bless { sock => $sock, in => '' }, $class;
}

sub send {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while ($bytes ne '') {
        vec(my $w = '', fileno $self->{sock}, 1) = 1;
        select undef, $w, undef, 10 or die "cannot send: timeout\n";

        my $n = syswrite $self->{sock}, $bytes;
        substr $bytes, 0, $n, '' if defined $n;

        die "cannot send: $!\n" if !defined $n && !$!{EAGAIN};
    }

    return $self;
}

sub request {
    my ($self, %req) = @_;

    $req{headers} = ['Connection: keep-alive', @{ $req{headers} // [] }];
    $self->send(Gate::Http::bytes_of(\%req));

    return $self->answer(timeout => $req{timeout},
                         head => ($req{method} // '') eq 'HEAD');
}

# The next answer, or undef when the connection ends before it is complete.

sub answer {
    my ($self, %opt) = @_;

    my $end = Time::HiRes::time() + ($opt{timeout} // 10);

    while (1) {
        my $res = Gate::Http::parse(\$self->{in}, $opt{head}, $self->{eof});
        return $res if $res || $self->{eof};

        $self->_fill($end) or die "no answer: timeout\n";
    }
}

# Whether the other side closes within the time.

sub closed {
    my ($self, $timeout) = @_;

    my $end = Time::HiRes::time() + ($timeout // 10);

    while (!$self->{eof}) {
        $self->_fill($end) or return 0;
    }

    return 1;
}

sub _fill {
    my ($self, $end) = @_;

    my $wait = $end - Time::HiRes::time();
    return 0 if $wait <= 0;

    vec(my $r = '', fileno $self->{sock}, 1) = 1;
    select $r, undef, undef, $wait or return 0;

    my $n = sysread $self->{sock}, $self->{in}, 65536, length $self->{in};
    $self->{eof} = 1 if defined $n ? $n == 0 : !$!{EAGAIN};

    return 1;
}

sub half_close {
    my ($self) = @_;

    shutdown $self->{sock}, 1;

    return $self;
}

sub close {
    my ($self, $rst) = @_;

    setsockopt $self->{sock}, Socket::SOL_SOCKET(), Socket::SO_LINGER(),
               pack('ii', 1, 0) if $rst;

    CORE::close $self->{sock};
    $self->{eof} = 1;

    return $self;
}

1;
