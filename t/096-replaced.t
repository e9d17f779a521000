#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Servers whose answers are replaced: nobody waits for the rest of what they
# say, neither a client, nor its connection, nor a worker that quits.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::UNIX;
use Test::More;
use Time::HiRes ();

use Gate::Callbacks qw( callback signed_text );
use Gate::Env qw( at_end fork_child read_file scratch stop_child wait_until
                  write_file );
use Gate::Gateway;
use Gate::Http;
use Gate::Http2;

# --- a server that never comes to an end

# What it says is in the path: /stall (headers, and no body), /half (a part of
# the body), /flood (a body without end), /pieces (headers, and the body once
# the client has got our answer).  It writes down the end of each connection: how many requests it
# had, and how many bytes it took.

my $socket = scratch() . '/endless.sock';
my $journal = scratch() . '/endless.log';
my $go = scratch() . '/go';

sub endless {
    my ($listener) = @_;

    local $SIG{CHLD} = 'IGNORE';
    local $SIG{PIPE} = 'IGNORE';

    while (my $conn = $listener->accept()) {
        if (fork) {
            close $conn;
            next;
        }

        my ($requests, $sent) = (0, 0);

        while (my $path = read_request($conn)) {
            $requests++;
            $sent += answer_of($conn, $path) // 0;
        }

        open my $out, '>>', $journal or die "cannot write: $!\n";
        syswrite $out, "requests=$requests sent=$sent\n";
        exit 0;
    }
}

sub read_request {
    my ($conn) = @_;

    my $in = '';

    while ($in !~ /\r\n\r\n/) {
        sysread $conn, $in, 65536, length $in or return undef;
    }

    my ($path) = $in =~ m{^POST /(\w+)};
    my ($length) = $in =~ /^Content-Length: (\d+)/mi;

    while (length($in) - index($in, "\r\n\r\n") - 4 < $length) {
        sysread $conn, $in, 65536, length $in or return undef;
    }

    return $path;
}

my %length = (pieces => 5, stall => 5, half => 10, flood => 1_000_000_000);

sub answer_of {
    my ($conn, $path) = @_;

    syswrite $conn, "HTTP/1.1 201 Made\r\nContent-Type: text/plain\r\n"
                    . "Content-Length: $length{$path}\r\n\r\n";

    if ($path eq 'pieces') {
        wait_until(5, sub { -e $go });
        return syswrite $conn, 'piece';
    }

    return 0 if $path eq 'stall';
    return syswrite $conn, 'half' if $path eq 'half';

    my $sent = 0;

    while (my $n = syswrite $conn, 'x' x 65536) {
        $sent += $n;
    }

    return $sent;
}

my $listener = IO::Socket::UNIX->new(Local => $socket, Listen => 64)
    or die "cannot listen: $!\n";
my $pid = fork_child(sub { endless($listener) });

at_end(sub { stop_child($pid, 'KILL') });
close $listener;
chmod 0777, $socket;

sub ends { return split /^/, read_file($journal) // '' }

# --- the gateway

my $server = join '', map { <<"_EOC_" } '', 'unbuffered';
    location /$_/callbacks/ {
        gate_verify         kz;
        proxy_http_version  1.1;
        proxy_set_header    Connection "";
        proxy_read_timeout  60s;
        @{[ $_ && 'proxy_buffering off;' ]}
        proxy_pass          http://endless/;
    }
    location /$_/v2/ {
        gate_sign             kz;
        gate_verify_response  on;
        proxy_http_version    1.1;
        proxy_set_header      Connection "";
        proxy_read_timeout    60s;
        @{[ $_ && 'proxy_buffering off;' ]}
        proxy_pass            http://endless/;
    }
_EOC_

$server =~ s{location //}{location /}g;

my $gateway = Gate::Gateway->new(server => $server, http => <<"_EOC_");
    gate_project kz {
        id           1234;
        secret_file  \$TEST_NGINX_KEYS/kz.key;
    }
    upstream endless {
        server unix:$socket;
        keepalive 4;
    }
    keepalive_timeout  60s;
_EOC_

my $number = 0;

sub request_to {
    my ($at, $what) = @_;

    my $text = $at =~ /callbacks/
        ? signed_text(callback('p' . ++$number, 'success'))
        : '{"general":{"payment_id":"p"}}';

    return (method => 'POST', uri => "$at$what", body => $text,
            headers => ['Content-Type: application/json'], timeout => 20);
}

# A callback is taken with 201; that is no status of an answer of Gate's.

my @ways = (['/callbacks/', 200], ['/v2/', 502],
            ['/unbuffered/callbacks/', 200], ['/unbuffered/v2/', 502]);

# --- tests

$gateway->start();

sub answers_at_once {
    my ($at, $status, $what) = @_;

    my $name = "$at$what";
    my $conn = Gate::Http::Connection->new($gateway->socket_path());
    my $start = Time::HiRes::time();
    my $ends = ends();

    for my $n (1 .. 3) {
        my $res = $conn->request(request_to($at, $what));

        is($res->{status}, $status, "$name: answer $n");
        is($res->{headers}{'x-gate-source'}, 'gateway', "$name: ours $n");
        like($res->{body}, qr/^\{.*\}\r\n$/, "$name: body $n");
    }

    cmp_ok(Time::HiRes::time() - $start, '<', 5, "$name: nobody waits");

    ok(wait_until(10, sub { ends() >= $ends + 3 }),
       "$name: the server is let go");

    my @new = (ends())[$ends .. $ends + 2];

    is(scalar(grep { /requests=1 / } @new), 3, "$name: not kept alive");

    my ($most) = sort { $b <=> $a } map { /sent=(\d+)/ } @new;

    cmp_ok($most, '<', 10_000_000, "$name: not much is read");
    $conn->close();
}

for my $way (@ways) {
    answers_at_once(@$way, $_) for qw( stall half flood );
}

# A server that writes its answer in pieces keeps its connection, if it is not
# slow; the machine may be.

for my $way (@ways) {
    my ($at, $status) = @$way;
    my $conn = Gate::Http::Connection->new($gateway->socket_path());
    my ($kept, @got);

    wait_until(20, sub {
        my $ends = ends();

        for (1 .. 2) {
            unlink $go;
            push @got, $conn->request(request_to($at, 'pieces'))->{status};
            write_file($go, '');
        }

        # the second request has ended, too
        $conn->request(request_to($at, 'pieces'));

        return $kept = (ends() == $ends);
    });

    ok($kept, "$at: pieces, the connection is kept");
    is("@got[0, 1]", "$status $status", "$at: pieces, answers");
    $conn->close();
}

# The client takes its answer and leaves; or leaves without it.

for my $way (@ways) {
    my ($at) = @$way;
    my $ends = ends();

    for my $wait (1, 0) {
        my $conn = Gate::Http::Connection->new($gateway->socket_path());

        $conn->send(Gate::Http::bytes_of({ request_to($at, 'flood') }));
        $conn->answer() if $wait;
        $conn->close();
    }

    ok(wait_until(10, sub { ends() >= $ends + 2 }),
       "$at: the client has left, and the server is let go");
}

# HTTP/2.

for my $way (@ways) {
    my ($at, $status) = @$way;

    for my $what (qw( stall flood )) {
        my %req = request_to($at, $what);
        my $res = Gate::Http2::request(
            to => $gateway->h2_path(), uri => $req{uri}, length => 1,
            headers => [['content-type', 'application/json']],
            body => $req{body});

        is($res->{status}, $status, "HTTP/2 $at$what");
    }
}

# A worker that quits.

{
    my @conns = map { Gate::Http::Connection->new($gateway->socket_path()) }
                1 .. 4;
    my @what = qw( stall half flood stall );

    $conns[$_]->send(Gate::Http::bytes_of({
        request_to($ways[$_][0], $what[$_]) })) for 0 .. 3;

    is($conns[$_]->answer()->{status}, $ways[$_][1], "quit: answer $_")
        for 0 .. 3;

    $gateway->quit('quit');
    $_->close() for @conns;
}

done_testing();
