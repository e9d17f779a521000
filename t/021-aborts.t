#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Clients that leave, stop, or say too much: nothing of an unfinished request
# reaches Gate, and nothing of it stays.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( wait_until );
use Gate::Http;
use Gate::Http2;
use Gate::Outbound qw( :all );
use Test::Nginx::Socket 'no_plan';

# A request in two parts.

sub parts {
    my ($body) = @_;

    return ("POST $path HTTP/1.1\r\nHost: localhost\r\n"
            . "Connection: close\r\n$type\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n", $body);
}

# The worker has forgotten all about clients that left: the next is served.

sub still_serves {
    my $res = Gate::Http::post($path, $payout,
                               headers => [$type]);

    Test::More::is($res->{status}, 200, 'the worker serves');
    Test::More::is($res->{body}, $signed, 'the worker signs');
}

sub no_connections_left {
    my $gone = wait_until(10, sub {
        my $res = Gate::Http::get('/connections');
        return $res->{body} =~ /Active connections: 1 /;
    });

    Test::More::ok($gone, 'no connection is left');
}

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: clients that leave while they send
--- config eval
::location('client_body_buffer_size 1k;')
. 'location = /connections { stub_status; }'
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $before = $::up->count();
    my $body = ::payout_of(9000);
    my @requests;

    for my $rst (0, 1) {
        for my $cut (20, 100, 200, 300, 1000, 5000, 9000) {
            push @requests, { cut => $cut, rst => $rst, method => 'POST',
                uri => $::path, headers => [$::type],
                $cut % 200 ? (chunks => [unpack '(a500)*', $body])
                           : (body => $body) };
        }
    }

    my @answers = Gate::Http::parallel(\@requests);

    Test::More::is(scalar(grep { $_->{error} ne 'left' } @answers), 0, 'all left');
    ::no_connections_left();
    Test::More::is($::up->count(), $before, 'nothing reached Gate');
    ::still_serves();
}



=== TEST 2: clients that leave while they send, over HTTP/2
--- config eval
::location('client_body_buffer_size 1k;')
--- http2
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $before = $::up->count();

    for my $cut (1, 500, 5000) {
        my $res = Gate::Http2::request(
            uri => $::path, body => ::payout_of(9000), cut => $cut,
            headers => [['content-type', 'application/json']]);

        Test::More::is($res->{status}, '', 'no answer');
        Test::More::ok($res->{pong}, 'the connection lives');
    }

    Test::More::is($::up->count(), $before, 'nothing reached Gate');

    my $res = Gate::Http2::request(
        uri => $::path, body => $::payout,
        headers => [['content-type', 'application/json']]);
    Test::More::is($res->{body}, $::signed, 'the worker signs');
}



=== TEST 3: clients that leave while Gate thinks
--- config eval
::location('proxy_ignore_client_abort off;')
. 'location = /connections { stub_status; }'
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $before = $::up->count();

    my @conns = map {
        my $conn = Gate::Http::Connection->new();
        $conn->send(Gate::Http::bytes_of({ method => 'POST',
            uri => $::path, body => $::payout,
            headers => [$::type, 'X-Upstream: hang'] }));
        $conn;
    } 1 .. 4;

    $::up->wait_for($before + 4);
    $_->close() for @conns[0, 1];
    $_->close(1) for @conns[2, 3];

    ::no_connections_left();
    ::still_serves();
}



=== TEST 4: clients that leave while Gate thinks: the payout goes on
--- config eval
::location('proxy_ignore_client_abort on;')
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $before = $::up->count();
    my $res = Gate::Http::post($::path, ::payout_of(5000),
        headers => [$::type], leave => 'sent');

    Test::More::is($res->{error}, 'left', 'the client left');
    Test::More::ok($::up->wait_for($before + 1), 'Gate got it');
    Test::More::ok(Gate::Env::wait_until(10, sub { $::up->last_request()->{complete} }),
                   'all of it');
    ::framed_by_length(::signed_payout_of(5000));
}



=== TEST 5: a client that stops sending is not waited for
--- config eval
::location('client_body_timeout 50ms;')
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $before = $::up->count();
    my $conn = Gate::Http::Connection->new();

    my ($head, $body) = ::parts($::payout);
    $conn->send($head . substr $body, 0, 10);

    Test::More::ok($conn->closed(10), 'nginx closes');
    Test::More::is($::up->count(), $before, 'nothing reached Gate');
}



=== TEST 6: a false length
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $before = $::up->count();

    # a body with one byte less than it says, and the end of the connection
    my ($head, $body) = ::parts($::payout);
    my $conn = Gate::Http::Connection->new();
    $conn->send($head . substr $body, 0, -1)->half_close();

    Test::More::ok($conn->closed(10), 'nginx closes');
    Test::More::is($::up->count(), $before, 'nothing reached Gate');
}
