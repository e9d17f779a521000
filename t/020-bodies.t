#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Whatever way a body comes, and whatever way it goes on, Gate gets the same
# bytes: those of the service with both fields put in, and their length.

use strict;
use warnings;

use lib 't/lib';

use Gate::Dead;
use Gate::Env;
use Gate::Http;
use Gate::Http2;
use Gate::Outbound qw( :all );
use Gate::Upstream;
use Test::Nginx::Socket 'no_plan';

our $second = Gate::Upstream->run(name => 'second');

# A request in packets: the body is cut at these offsets.

sub packets {
    my ($body, @cuts) = @_;

    my @packets = ("POST $path HTTP/1.1\r\nHost: localhost\r\n"
                   . "Connection: close\r\n$type\r\n"
                   . 'Content-Length: ' . length($body) . "\r\n\r\n");
    my $from = 0;

    for my $cut (@cuts, length $body) {
        push @packets, substr $body, $from, $cut - $from;
        $from = $cut;
    }

    return \@packets;
}

sub chunked {
    my ($body, $size, $extension, $trailer) = @_;

    my $bytes = "POST $path HTTP/1.1\r\nHost: localhost\r\n"
                . "Connection: close\r\n$type\r\n"
                . "Transfer-Encoding: chunked\r\n\r\n";

    for (my $at = 0; $at < length $body; $at += $size) {
        my $piece = substr $body, $at, $size;

        $bytes .= sprintf "%x%s\r\n%s\r\n", length $piece, $extension // '',
                          $piece;
    }

    return "${bytes}0\r\n" . ($trailer // '') . "\r\n";
}

# Every attempt brought these bytes.

sub attempts {
    my ($count, $expected, @servers) = @_;

    my @requests = map { $_->requests() } @servers;
    my @seen = grep { $_->{complete} } @requests;

    Test::More::is(scalar @requests, $count, 'attempts');

    for my $request (@seen) {
        Test::More::is($request->{body}, $expected, 'bytes of an attempt');
        Test::More::is($request->{headers}{'content-length'},
                       length $expected, 'length of an attempt');
    }

    $_->reset() for @servers;
}

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: at once with the head
--- raw_request eval: CORE::join('', @{ ::packets($::payout) })
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 2: after the head
--- raw_request eval: ::packets($::payout)
--- raw_request_middle_delay: 0.01
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 3: in pieces, in the middle of names, values and escapes
--- raw_request eval: ::packets($::payout, 1, 5, 13, 14, 40, 41, length($::payout) - 1)
--- raw_request_middle_delay: 0.002
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 4: part of it with the head, the rest in other buffers
--- config eval: ::location('client_body_buffer_size 8k;')
--- raw_request eval
my $packets = ::packets(::payout_of(6000), 100, 3000);
[$packets->[0] . $packets->[1], @$packets[2 .. 3]]
--- raw_request_middle_delay: 0.01
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(6000)
--- after eval: sub { ::framed_by_length(::signed_payout_of(6000)) }
--- no_error_log
[error]
[alert]
a client request body is buffered to a temporary file



=== TEST 5: in a temporary file
--- config eval: ::location('client_body_buffer_size 1k;')
--- request eval: "POST $::path\n" . ::payout_of(20000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(20000)
--- error_log
a client request body is buffered to a temporary file
--- after eval: sub { ::framed_by_length(::signed_payout_of(20000)) }



=== TEST 6: in a temporary file in any case
--- config eval: ::location('client_body_in_file_only clean;')
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- error_log
a client request body is buffered to a temporary file
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 7: in a temporary file that stays
--- config eval: ::location('client_body_in_file_only on;')
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 8: in one buffer in any case
--- config eval: ::location('client_body_in_single_buffer on; client_body_buffer_size 64k;')
--- request eval: "POST $::path\n" . ::payout_of(20000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(20000)
--- after eval: sub { ::framed_by_length(::signed_payout_of(20000)) }



=== TEST 9: white space around it stays
--- raw_request eval: CORE::join('', @{ ::packets(" \r\n\t$::payout\n\n ") })
--- response_headers
! X-Gate-Source
--- response_body eval: " \r\n\t$::signed\n\n "
--- after eval: sub { ::framed_by_length(" \r\n\t$::signed\n\n ") }



=== TEST 10: chunked
--- raw_request eval: ::chunked($::payout, 10000)
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 11: chunked, byte by byte
--- raw_request eval: ::chunked($::payout, 1)
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 12: chunked, with an extension and a trailer
--- raw_request eval: ::chunked($::payout, 100, ';a=b', "X-Trailer: y\r\n")
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    ::framed_by_length($::signed);
    Test::More::unlike($::up->last_request()->{head}, qr/trailer/i,
                       'no trailer');
}



=== TEST 13: chunked, in a temporary file
--- config eval: ::location('client_body_buffer_size 1k;')
--- raw_request eval: ::chunked(::payout_of(20000), 3001)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(20000)
--- after eval: sub { ::framed_by_length(::signed_payout_of(20000)) }



=== TEST 14: chunked, in packets
--- raw_request eval
[ unpack '(a97)*', ::chunked($::payout, 61) ]
--- raw_request_middle_delay: 0.002
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 15: an empty chunked body
--- raw_request eval: ::chunked('', 1)
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body eval
::refusal('gw_json', 'body is not acceptable JSON: unexpected end of text at byte 0', 1234)



=== TEST 16: an empty body
--- raw_request eval: CORE::join('', @{ ::packets('') })
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body eval
::refusal('gw_json', 'body is not acceptable JSON: unexpected end of text at byte 0', 1234)



=== TEST 17: the body waits for 100 Continue
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $conn = Gate::Http::Connection->new();
    my ($head, $body) = @{ ::packets($::payout) };

    $head =~ s/\r\n\r\n/\r\nExpect: 100-continue\r\n\r\n/;
    $conn->send($head);

    while ($conn->{in} !~ /\r\n\r\n/ && !$conn->{eof}) {
        $conn->_fill(time() + 10) or last;
    }

    Test::More::is($conn->{in}, "HTTP/1.1 100 Continue\r\n\r\n", 'go on');

    my $res = $conn->send($body)->answer();

    Test::More::is($res->{status}, 200, 'status');
    Test::More::is($res->{body}, $::signed, 'body');
    ::framed_by_length($::signed);
}



=== TEST 18: HTTP/2
--- http2
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 19: HTTP/2, in a temporary file
--- config eval: ::location('client_body_buffer_size 1k;')
--- http2
--- request eval: "POST $::path\n" . ::payout_of(70000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(70000)
--- after eval: sub { ::framed_by_length(::signed_payout_of(70000)) }



=== TEST 20: HTTP/2, with and without a length, in frames of all sizes
--- http2
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    for my $length (0, 1) {
        for my $pieces ([], [1, 2, 3], [(1) x 50]) {
            my $res = Gate::Http2::request(
                uri => $::path, body => $::payout, length => $length,
                headers => [['content-type', 'application/json']],
                pieces => $pieces);

            Test::More::is($res->{status}, 200, 'status');
            Test::More::is($res->{body}, $::signed, 'body');
            Test::More::ok($res->{end}, 'the stream ends');
            ::framed_by_length($::signed);
        }
    }
}



=== TEST 21: HTTP/2, without a body
--- http2
--- request
POST /v2/info/x
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body eval
::refusal('gw_json', 'body is not acceptable JSON: unexpected end of text at byte 0', 1234)



=== TEST 22: HTTP/1.0
--- request eval: "POST $::path HTTP/1.0\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }



=== TEST 23: pipelined
--- pipelined_requests eval
[ map { "POST $::path\n" . ::payout_of($_) } 400, 3000, 500, 2500, 600 ]
--- response_headers eval: [ ('! X-Gate-Source') x 5 ]
--- error_code eval: [ (200) x 5 ]
--- response_body eval
[ map { ::signed_payout_of($_) } 400, 3000, 500, 2500, 600 ]



=== TEST 24: pipelined, refusals in between
--- pipelined_requests eval
[ "POST $::path\n$::payout", "POST $::path\n\{\"a\":1,}",
  "GET $::path", "POST $::path\n$::payout" ]
--- response_headers eval
[ '! X-Gate-Source', 'X-Gate-Source: gateway', 'X-Gate-Source: gateway',
  '! X-Gate-Source' ]
--- error_code eval: [ 200, 422, 405, 200 ]
--- response_body eval: [ $::signed, qr/gw_json/, qr/gw_method/, $::signed ]



=== TEST 25: one connection, one after another, in all shapes
--- config eval
::location('client_body_buffer_size 1k;')
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $conn = Gate::Http::Connection->new();

    for my $size (300, 5000, 400, 50000, 300) {
        for my $chunked (0, 1) {
            my $body = ::payout_of($size);
            my $res = $conn->request(
                method => 'POST', uri => $::path,
                headers => [$::type],
                $chunked ? (chunks => [unpack '(a1111)*', $body])
                         : (body => $body));

            Test::More::is($res && $res->{body}, ::signed_payout_of($size),
                           "$size bytes, chunked $chunked");
        }
    }

    $conn->close();
}



=== TEST 26: connections to Gate are kept
--- http_config eval
my $text = $::http_config;
$text =~ s/(UPSTREAM_SOCKET;)/$1 keepalive 4;/;
$text
--- config eval
::location('proxy_http_version 1.1;', 'proxy_set_header Connection "";')
--- request eval: [ ("POST $::path\n$::payout") x 3 ]
--- error_code eval: [ 200, 200, 200 ]
--- response_headers_like eval: [ map { "X-Echo-Connection: \\d+\\.\\d+" } 1 .. 3 ]
--- response_body eval: [ ($::signed) x 3 ]
--- after eval
sub {
    my @requests = $::up->requests();
    my %connections = map { $_->{connection} => 1 } @requests;
    Test::More::is(scalar keys %connections, 1, 'one connection to Gate');
    ::framed_by_length($::signed);
}



=== TEST 27: without buffering of requests
--- config eval: ::location('proxy_request_buffering off;', 'proxy_http_version 1.1;')
--- request eval: "POST $::path\n" . ::payout_of(30000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(30000)
--- after eval: sub { ::framed_by_length(::signed_payout_of(30000)) }



=== TEST 28: without buffering of requests, chunked
--- config eval: ::location('proxy_request_buffering off;', 'proxy_http_version 1.1;')
--- raw_request eval: ::chunked(::payout_of(30000), 7001)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(30000)
--- after eval: sub { ::framed_by_length(::signed_payout_of(30000)) }



=== TEST 29: the first server is dead
--- http_config eval
my $text = $::http_config;
$text =~ s/server unix.*?;/server unix:$ENV{TEST_NGINX_REFUSING_SOCKET}; $& /;
$text
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::framed_by_length($::signed) }
--- no_error_log
[alert]
[crit]



=== TEST 30: the first server closes after it has read everything
--- http_config eval
my $text = $::http_config;
$text =~ s/server unix.*?;/$& max_fails=0; server unix:$ENV{TEST_NGINX_SECOND_SOCKET} max_fails=0;/;
$text =~ s/; max_fails/ max_fails/;
$text
--- config eval: ::location('proxy_next_upstream error timeout non_idempotent;')
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- reached: any
--- after eval
sub {
    ::attempts($::second->count() + $::up->count(), $::signed, $::up, $::second);

    for my $order ('drop', 'reset') {
        $_->script($order) for $::up, $::second;

        my $res = Gate::Http::post($::path, $::payout,
                                   headers => [$::type]);

        Test::More::is($res->{status}, 502, "both servers: $order");
        ::attempts(2, $::signed, $::up, $::second);

        $res = Gate::Http::post($::path, $::payout,
                                headers => [$::type]);

        Test::More::is($res->{body}, $::signed, "after: $order");
        ::attempts(1, $::signed, $::up, $::second);
    }
}
--- no_error_log
[alert]
[crit]



=== TEST 31: a retry of a body from a file, of several buffers
--- http_config eval
my $text = $::http_config;
$text =~ s/server unix.*?;/server unix:$ENV{TEST_NGINX_UPSTREAM_SOCKET} max_fails=0; server unix:$ENV{TEST_NGINX_SECOND_SOCKET} backup;/;
$text
--- config eval
::location('proxy_next_upstream error timeout non_idempotent http_500;',
           'client_body_buffer_size 1k;')
--- request eval: "POST $::path\n" . ::payout_of(9000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(9000)
--- after eval
sub {
    ::attempts(1, ::signed_payout_of(9000), $::up);

    for my $order ('drop', 'reset', 'status=500', 'early; drop', 'early; reset') {
        for my $chunked (0, 1) {
            $::up->script($order);

            my $body = ::payout_of(9000);
            my $res = Gate::Http::request(
                method => 'POST', uri => $::path,
                headers => [$::type],
                $chunked ? (chunks => [unpack '(a2777)*', $body])
                         : (body => $body));

            Test::More::is($res->{status}, 200, "$order: status");
            Test::More::is($res->{body}, ::signed_payout_of(9000),
                           "$order: body");
            Test::More::is($::second->count(), 1, "$order: second server");
            ::attempts(2, ::signed_payout_of(9000), $::up, $::second);
        }
    }
}
--- no_error_log
[alert]
[crit]



=== TEST 32: a payout is not sent twice on our own
--- config eval: ::location('proxy_next_upstream off;')
--- http_config eval
my $text = $::http_config;
$text =~ s/server unix.*?;/server unix:$ENV{TEST_NGINX_UPSTREAM_SOCKET} max_fails=0; server unix:$ENV{TEST_NGINX_SECOND_SOCKET} backup;/;
$text
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: drop
--- error_code: 502
--- response_body_like: 502 Bad Gateway
--- response_headers
! X-Gate-Source
--- reached: 1
--- after eval
sub { Test::More::is($::second->count(), 0, 'second server') }
--- no_error_log
[alert]
[crit]



=== TEST 33: large bodies
--- config eval: ::location('client_body_buffer_size 16k;', 'proxy_buffers 8 64k;')
--- request eval: "POST $::path\n" . ::payout_of(1500000)
--- response_headers eval
"X-Echo-Length: " . length(::signed_payout_of(1500000))
--- response_body_filters eval: sub { Digest::SHA::sha1_hex($_[0]) }
--- response_body eval: Digest::SHA::sha1_hex(::signed_payout_of(1500000))



=== TEST 34: a large body in memory
--- config eval: ::location('client_body_buffer_size 4m;')
--- request eval: "POST $::path\n" . ::payout_of(1500000)
--- response_headers eval
"X-Echo-Length: " . length(::signed_payout_of(1500000))
--- response_body_filters eval: sub { Digest::SHA::sha1_hex($_[0]) }
--- response_body eval: Digest::SHA::sha1_hex(::signed_payout_of(1500000))



=== TEST 35: a body that nginx lets through, and that is too large to parse
--- config eval: ::location('client_max_body_size 0;', 'client_body_buffer_size 1m;')
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    return if $::large_sent++;

    my $res = Gate::Http::post('/v2/info/x', ' ' x (64 * 1024 * 1024) . '{}',
                               headers => [$::type], timeout => 60);

    Test::More::is($res->{status}, 413, 'status');
    Test::More::is($res->{headers}{'x-gate-source'}, 'gateway', 'source');
    Test::More::is($res->{body}, ::refusal('gw_too_large',
                   'request body is too large', 1234), 'body');
}



=== TEST 36: many members
--- config eval: ::location('client_body_buffer_size 1m; gate_max_values 65536;')
--- request eval
"POST /v2/info/x\n{\"general\":{}" . CORE::join('', map { ",\"k$_\":[$_,{}]" } 1 .. 5000) . '}'
--- response_headers
! X-Gate-Source
--- response_body eval
my @lines = map { "k$_:0:$_" } 1 .. 5000;
'{"general":{"project_id":1234,"signature":"'
. ::signature($::kz_key, 'general:project_id:1234', @lines) . '"}'
. CORE::join('', map { ",\"k$_\":[$_,{}]" } 1 .. 5000) . '}'
