package Gate::Harness::Request;

# Copyright (C) nginx-gate authors
#
# The requests of a block: the bytes that they are, and how they are sent.

use strict;
use warnings;

use Gate::Env qw( scratch spawn wait_child stop_child read_file write_file
                  which );
use Gate::Harness::Config;
use Gate::Http;

*Set = \%Gate::Harness::Config::Set;
our %Set;

# The requests of a block, each a list of packets.

sub requests {
    my ($block) = @_;

    my $raw = $block->raw_request;

    return ref $raw ? $raw : [$raw] if defined $raw;

    if (my $list = $block->pipelined_requests) {
        return [ join '', map {
            _bytes_of($block, $list->[$_], $_,
                      $_ == $#$list ? 'close' : 'keep-alive')
        } 0 .. $#$list ];
    }

    my $request = $block->request
                  // die $block->name . " - no --- request section\n";
    my @list = ref $request ? @$request : $request;

    return map { [ _bytes_of($block, $list[$_], $_, 'close') ] } 0 .. $#list;
}

# --- bytes

sub _headers {
    my ($block, $i) = @_;

    my $more = $block->more_headers // '';

    $more = $more->[$i] // die $block->name . " - no headers for request $i\n"
        if ref $more;

    return join '', map { "$_\r\n" } split /\n+/, $more;
}

# Spaces around a body are none of it, unless the block says how long it is.

sub _bytes_of {
    my ($block, $text, $i, $connection) = @_;

    $text =~ /\A\s*(\S+) *(\S*) *(\S*) *\n?/
        or die $block->name . " - bad request line\n";

    my ($method, $uri, $version) = ($1, $2, $3);
    my $body = substr $text, $+[0];
    my $more = _headers($block, $i);
    my $head = join ' ', $method, $uri eq '' ? '/' : $uri,
                         $version eq '' ? 'HTTP/1.1' : $version;

    $head .= "\r\n";
    $head .= "Host: localhost\r\n" if $more !~ /^Host:/mi;
    $head .= "Connection: $connection\r\n" if $more !~ /^Connection/mi;
    $head .= $more;

    if ($body ne '' && $more !~ /^(?:Content-Length|Transfer-Encoding):/mi) {
        $body =~ s/\A\s+|\s+\z//g;
        $head .= 'Content-Length: ' . length($body) . "\r\n";
    }

    return "$head\r\n$body";
}

# --- sending

# Returns the answers: as many as there were requests in the packets, or as
# could be had; then one has "error".

sub answers {
    my ($block, $packets) = @_;

    return _curl($packets->[0]) if defined $block->http2;

    my $conn = Gate::Http::Connection->new();
    my $count = @{ $block->pipelined_requests // [1] };
    my %how = (timeout => $Set{timeout},
               head => scalar($packets->[0] =~ /\A\s*HEAD\s/));
    my @answers;

    _send($conn, $block->raw_request_middle_delay // 0, @$packets);

    # who closes has done all that there is to do for the request
    eval {
        push @answers, $conn->answer(%how) // die "closed\n"
            while @answers < $count;
        $conn->closed($Set{timeout}) or die "the connection stays open\n";
        1;
    } or push @answers, _none($@);

    $conn->close();

    return @answers;
}

sub _none { return { status => '', headers => {}, body => '', error => $_[0] } }

# The answer may come before the request is sent, and with an error.

sub _send {
    my ($conn, $delay, @packets) = @_;

    for my $i (0 .. $#packets) {
        select undef, undef, undef, $delay if $i > 0;
        eval { $conn->send($packets[$i]); 1 } or return;
    }
}

# --- HTTP/2

sub _curl {
    my ($bytes) = @_;

    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    my ($line, @headers) = split /\r\n/, $head;
    my ($method, $uri) = split / /, $line;
    my $out = scratch() . '/curl.out';

    push @headers, map { "$_:" } qw( User-Agent Accept ),
        grep({ $head !~ /^Content-Type:/mi } 'Content-Type');

    my @body = $body eq '' ? ()
               : ('--data-binary', '@' . write_file('curl.data', $body));

    unlink $out;

    my $pid = spawn([which('curl') // die("no curl\n"), '-isS',
                     '--http2-prior-knowledge', '--max-time', $Set{timeout},
                     $method eq 'HEAD' ? '-I' : ('-X', $method), @body,
                     map({ ('-H', $_) } grep { !/^Connection:/i } @headers),
                     "http://127.0.0.1:$ENV{TEST_NGINX_SERVER_PORT}$uri"],
                    out => $out);
    my $status = wait_child($pid, $Set{timeout} + 5);

    stop_child($pid, 'KILL') if !defined $status;

    my $answer = read_file($out) // '';

    return Gate::Http::parse(\$answer, $method eq 'HEAD', 1)
           // _none("curl: $answer");
}

1;
