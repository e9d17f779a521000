#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Internal redirects and subrequests: a payout is signed once, by the first
# location that signs; it goes on as it is, or it is refused, but it never
# hangs, and never leaves unsigned from a location that signs.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env;
use Gate::Http;
use Gate::Outbound qw( :all );
use Gate::Upstream;
use Test::Nginx::Socket 'no_plan';

our $second = Gate::Upstream->run(name => 'second');

our $upstream_error = refusal('gw_upstream', 'no valid answer from Gate: '
    . Gate::Outbound::may_be_paid(), 1234, 'payment_47');
our $internal = 'the gateway could not process the request: '
    . Gate::Outbound::may_be_paid();

our $callback = '{"project_id":1234,"payment":{"id":"p","type":"payout",'
    . '"status":"success","sum":{"amount":1,"currency":"KZT"}},"signature":"'
    . signature($kz_key, qw( payment:id:p payment:status:success
                             payment:sum:amount:1 payment:sum:currency:KZT
                             payment:type:payout project_id:1234 )) . '"}';

our $second_server = <<'_EOC_';
    location @second {
        proxy_set_header X-Upstream "";
        gate_sign   kz;
        proxy_pass  http://unix:$TEST_NGINX_SECOND_SOCKET;
    }

    location @other {
        gate_sign   ua;
        proxy_pass  http://unix:$TEST_NGINX_SECOND_SOCKET;
    }

    location @plain {
        proxy_set_header X-Upstream "";
        proxy_pass  http://unix:$TEST_NGINX_SECOND_SOCKET;
    }

    location /second/ {
        gate_sign   kz;
        proxy_pass  http://unix:$TEST_NGINX_SECOND_SOCKET;
    }
_EOC_

sub config { return $second_server . CORE::join "\n", @_, '' }

sub signing { return config(location(@_)) }

# What the second server got: these bodies, and as POST.

sub second_got {
    my (@bodies) = @_;

    $second->wait_for(scalar @bodies);

    my @requests = $second->requests();

    Test::More::is(scalar @requests, scalar @bodies,
                   'requests of the second server');

    for my $i (0 .. $#requests) {
        Test::More::is($requests[$i]{body}, $bodies[$i], 'its body');
        Test::More::is($requests[$i]{method}, 'POST', 'its method');
    }

    $second->reset();
}

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: try_files leads to a location that signs
--- config eval
::config('location /v2/ { try_files $uri @second; }')
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- reached: 0
--- after eval: sub { ::second_got($::signed) }



=== TEST 2: try_files from a location that signs to another one
--- config eval
::signing('try_files $uri @second;')
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- reached: 0
--- after eval: sub { ::second_got($::signed) }



=== TEST 3: try_files from a location that signs to one that does not
--- config eval
::signing('try_files $uri @plain;')
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- reached: 0
--- after eval: sub { ::second_got($::signed) }



=== TEST 4: try_files to another URI
--- config eval
::signing('try_files $uri /second$uri;')
--- request eval: "POST $::path\n$::payout"
--- response_headers eval: "X-Echo-Uri: /second$::path"
--- response_body eval: $::signed
--- reached: 0
--- after eval: sub { ::second_got($::signed) }



=== TEST 5: try_files in a location that signs, over HTTP/2, with a file
--- http2
--- config eval
::signing('try_files $uri @second; client_body_in_file_only clean;')
--- request eval: "POST $::path\n" . ::payout_of(20000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(20000)
--- reached: 0
--- after eval: sub { ::second_got(::signed_payout_of(20000)) }



=== TEST 6: try_files, chunked
--- config eval
::signing('try_files $uri @second;')
--- raw_request eval
"POST $::path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r
Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
. sprintf("%x\r\n%s\r\n0\r\n\r\n", length $::payout, $::payout)
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- reached: 0
--- after eval: sub { ::second_got($::signed) }



=== TEST 7: a refused request is not tried elsewhere
--- config eval
::signing('try_files $uri @second;')
--- request
POST /v2/info/x
{
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body_like: gw_json
--- after eval: sub { ::second_got() }



=== TEST 8: try_files to another project's location
--- config eval
::signing('try_files $uri @other;')
--- request eval: "POST $::path\n$::payout"
--- error_code: 403
--- response_headers
X-Gate-Source: gateway
--- response_body_like: "code":"gw_project"
--- error_log
a redirect leads to a location of another project
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 9: rewrite to a location that signs
--- config eval
::signing() . ::config('location /api/ { rewrite ^/api(.*)$ /v2$1 last; }') =~ s/\Q$::second_server\E//r
--- request eval
my $uri = $::path;
$uri =~ s/v2/api/;
"POST $uri\n$::payout"
--- response_headers eval: "X-Echo-Uri: $::path"
--- response_body eval: $::signed



=== TEST 10: an index
--- config eval
::config('location /v2/ { gate_sign kz; root $TEST_NGINX_HTML_DIR; index nothing /second/x; }')
--- user_files
>>> v2/x
--- request
POST /v2/
{}
--- response_headers
X-Echo-Uri: /second/x
! X-Gate-Source
--- response_body_like: ^\{"general":\{"project_id":1234,"signature":"[^"]{88}"\}\}$
--- reached: 0
--- after eval: sub { $::second->reset() }



=== TEST 11: Gate fails, a second location of the same project
--- config eval
::signing('error_page 502 = @second;')
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: drop
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- reached: 1
--- no_error_log
[alert]
--- after eval: sub { ::second_got($::signed) }



=== TEST 12: the same, in other ways
--- config eval
::signing('error_page 502 = @second;')
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    for my $order ('drop', 'reset', 'early; drop') {
        for my $size (300, 9000) {
            $::up->script($order);
            my $res = Gate::Http::post($::path, ::payout_of($size),
                headers => ['Content-Type: application/json']);

            Test::More::is($res->{status}, 200, "$order: status");
            Test::More::is($res->{body}, ::signed_payout_of($size), "$order: body");
            ::second_got(::signed_payout_of($size));
        }
    }
}
--- no_error_log
[alert]



=== TEST 13: Gate fails, a second location that does not sign
--- config eval
::signing('error_page 502 = @plain;')
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    $::up->script('drop');
    my $res = Gate::Http::post($::path, $::payout,
        headers => ['Content-Type: application/json']);

    Test::More::is($res->{status}, 200, 'status');
    Test::More::is($res->{body}, $::signed, 'body');
    ::second_got($::signed);
}
--- no_error_log
[alert]



=== TEST 14: Gate's own error is intercepted
--- config eval
::signing('proxy_intercept_errors on; error_page 500 = @second;')
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    $::up->script('status=500');
    my $res = Gate::Http::post($::path, $::payout,
        headers => ['Content-Type: application/json']);

    Test::More::is($res->{status}, 200, 'status');
    Test::More::is($res->{body}, $::signed, 'body');
    ::second_got($::signed);
}
--- no_error_log
[alert]



=== TEST 15: Gate may have got it: another project's location gets nothing, and nobody hears that it was refused
--- config eval
::signing('error_page 502 @other;')
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: drop
--- error_code: 502
--- response_headers
X-Gate-Source: gateway
! Allow
--- response_body eval: $::upstream_error
--- reached: 1
--- no_error_log
[alert]
--- error_log
a redirect leads to a location of another project
--- after eval: sub { ::second_got() }



=== TEST 16: the same, where the location gives the status
--- config eval
::signing('error_page 502 = @other;')
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: reset
--- error_code: 502
--- response_headers
X-Gate-Source: gateway
--- response_body eval: $::upstream_error
--- reached: 1
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 17: nginx makes a GET of it: that is no payout
--- config eval
::signing('error_page 502 /second/x;')
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: drop
--- error_code: 502
--- response_headers
X-Gate-Source: gateway
--- response_body eval: $::upstream_error
--- reached: 1
--- no_error_log
[alert]
--- error_log
a redirect makes a "GET" request of the payout
--- after eval: sub { ::second_got() }



=== TEST 18: X-Accel-Redirect to a named location
--- config eval: ::signing()
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: header=X-Accel-Redirect%3A @plain
--- response_body eval: $::signed
--- response_headers
! X-Gate-Source
--- reached: 1
--- after eval: sub { ::second_got($::signed) }



=== TEST 19: X-Accel-Redirect to a location that signs, as GET
--- config eval: ::signing()
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: header=X-Accel-Redirect%3A /second/x
--- error_code: 502
--- response_body eval: $::upstream_error
--- response_headers
X-Gate-Source: gateway
--- reached: 1
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 20: a refusal's error_page in a location that signs
--- config eval
::signing('error_page 400 403 405 422 = @second;')
--- request eval
[ "POST /v2/info/x\n{", "GET $::path", "POST $::path\n" . '{"general":1}' ]
--- error_code eval: [ 422, 405, 400 ]
--- response_headers eval: [ ('X-Gate-Source: gateway') x 3 ]
--- response_body eval: [ qr/gw_json/, qr/gw_method/, qr/2004/ ]
--- after eval: sub { ::second_got() }



=== TEST 21: error pages without end
--- config eval
::signing('recursive_error_pages on; error_page 422 = /v2/again;')
--- request
POST /v2/info/x
{
--- error_code: 500
--- response_headers
! X-Gate-Source
--- response_body_like: 500 Internal Server Error
--- no_error_log
[alert]
[crit]



=== TEST 22: a body that cannot be read, an error_page in a location that signs
--- config eval
::signing('client_max_body_size 100; error_page 413 = @second;')
--- raw_request eval
"POST $::path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r
Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
. sprintf("%x\r\n%s\r\n0\r\n\r\n", length $::payout, $::payout)
--- error_code: 500
--- response_headers
X-Gate-Source: gateway
--- response_body eval: ::refusal('gw_internal', $::internal)
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 23: the same, with the status
--- config eval
::signing('client_max_body_size 100; error_page 413 @second;')
--- raw_request eval
["POST $::path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r
Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
sprintf("%x\r\n%s\r\n0\r\n\r\n", length $::payout, $::payout)]
--- raw_request_middle_delay: 0.02
--- error_code: 413
--- response_headers
X-Gate-Source: gateway
--- response_body eval: ::refusal('gw_too_large', 'request body is too large')
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 24: mirror gets the signed body
--- config eval
::signing('mirror /mirror;')
. 'location = /mirror { internal; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval: sub { ::second_got($::signed) }



=== TEST 25: mirror in a location that signs, too; twice; from a file
--- config eval
::signing('mirror /mirror; mirror /mirror; client_body_in_file_only clean;')
. 'location = /mirror { internal; gate_sign kz; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request eval: "POST $::path\n" . ::payout_of(20000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(20000)
--- after eval: sub { ::second_got((::signed_payout_of(20000)) x 2) }



=== TEST 26: what is refused is not mirrored
--- config eval
::signing('mirror /mirror;')
. 'location = /mirror { internal; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request
POST /v2/info/x
{
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body_like: gw_json
--- after eval: sub { ::second_got() }



=== TEST 27: a mirror does not send unsigned to a location that signs
--- config
    location /plain/ {
        mirror      /v2/payment/mobile/payout;
        proxy_pass  http://gate;
    }

    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://unix:$TEST_NGINX_SECOND_SOCKET;
    }
--- request eval: "POST /plain/\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::payout
--- error_log
a subrequest is not signed
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 28: auth_request comes before
--- config eval
::signing('auth_request /auth;')
. 'location = /auth { internal; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET;
      proxy_pass_request_body off; proxy_method POST; proxy_set_header Content-Length ""; }'
--- request eval: "POST $::path\n" . ::payout_of(5000)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(5000)
--- after eval: sub { ::second_got('') }



=== TEST 29: auth_request denies
--- config eval
::signing('auth_request /auth;')
. 'location = /auth { internal; return 403; }'
--- request eval: "POST $::path\n$::payout"
--- error_code: 403
--- response_headers
! X-Gate-Source
--- response_body_like: 403 Forbidden
--- no_error_log
[alert]



=== TEST 30: auth_request to a location that signs does not reach Gate
--- config eval
::signing('auth_request /auth;')
. 'location = /auth { gate_sign kz; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request eval: "POST $::path\n$::payout"
--- error_code: 403
--- response_headers
! X-Gate-Source
--- response_body_like: 403 Forbidden
--- no_error_log
[alert]
--- error_log
a subrequest is not signed
--- after eval: sub { ::second_got() }



=== TEST 31: SSI in an answer
--- config eval
::signing('ssi on; ssi_types *;')
. 'location = /part { proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET;
      proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header X-Upstream "body=part"; }'
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: body=%3C!--%23 include virtual=%22/part%22 --%3E:%3C!--%23 include virtual=%22/part%22 --%3E
--- response_headers
! X-Gate-Source
--- response_body chomp
part:part
--- after eval
sub {
    Test::More::is($::up->last_request()->{body}, $::signed, 'signed once');
    $::second->reset();
}



=== TEST 32: SSI in an answer asks a location that signs
--- config eval
::signing('ssi on; ssi_types *;')
. 'location = /part { gate_sign kz; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET;
      proxy_method POST; proxy_set_header X-Upstream "body=part"; }'
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: body=%3C!--%23 include virtual=%22/part%22 --%3E
--- response_headers
! X-Gate-Source
--- response_body chomp
part
--- after eval: sub { ::second_got($::signed) }



=== TEST 33: a callback is not sent to Gate by a redirect
--- config eval
::config('location /callbacks { gate_verify kz; try_files $uri @second; }')
--- request eval: "POST /callbacks\n$::callback"
--- error_code: 502
--- response_body_like: "code":"gw_service"
--- response_headers
! X-Echo-Uri
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 34: a payout is not a callback by a redirect
--- config eval
::signing('try_files $uri @callbacks;')
. 'location @callbacks { gate_verify kz; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request eval: "POST $::path\n$::payout"
--- error_code: 403
--- response_headers
! X-Echo-Uri
--- response_body_like: 403
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 35: the error of a mirror is not that of the payout
--- config eval
::signing('mirror /mirror; add_header X-Result "$gate_result";')
. 'error_page 503 @gate_error; location @gate_error { gate_error; }
   location = /mirror { internal; return 503; }'
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
X-Result: ok
--- response_body eval: $::signed



=== TEST 36: nor that of the callback
--- config eval
::config('location /callbacks { gate_verify kz; mirror /mirror; add_header X-Result "$gate_result";
      proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }')
. 'error_page 503 @gate_error; location @gate_error { gate_error; }
   location = /mirror { internal; return 503; }'
--- request eval: "POST /callbacks\n$::callback"
--- response_headers
X-Gate-Source: gateway
X-Result: ok
--- response_body_like: ^\{"status":"success","code":"0",
--- reached: 0
--- after eval: sub { ::second_got($::callback) }



=== TEST 37: an error of auth_request: the payout never left
--- config eval
::signing('auth_request /auth;')
. 'error_page 500 502 @gate_error; location @gate_error { gate_error; add_header X-Result "$gate_result" always; }
   location = /auth { internal; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET;
      proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header X-Upstream drop; }'
--- request eval: "POST $::path\n$::payout"
--- error_code: 500
--- response_headers
X-Gate-Source: gateway
X-Result: internal_error
--- response_body eval: ::refusal('gw_internal', $::internal)
--- no_error_log
[alert]
--- error_log
auth request unexpected status: 502
--- after eval: sub { $::second->reset() }



=== TEST 38: an error of a part of an answer does not end the answer
--- config eval
::signing('ssi on; ssi_types *; add_header X-Result "$gate_result";')
. 'error_page 503 @gate_error; location @gate_error { gate_error; }
   location = /part { return 503; }'
--- request eval: "POST $::path\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: body=%3C!--%23 include virtual=%22/part%22 --%3E:end
--- response_headers
! X-Gate-Source
X-Result: ok
--- response_body eval
::refusal('gw_internal', $::internal) . ':end'



=== TEST 39: a mirror does not send to a location of another project
--- config eval
::signing('mirror /mirror;')
. 'location = /mirror { internal; gate_sign ua; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- error_log
a subrequest is not signed for its location
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 40: nor to the service of another project
--- config eval
::config('location /callbacks { gate_verify kz ua; mirror /mirror; proxy_pass http://gate; }')
. 'location = /mirror { internal; gate_verify ua; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request eval: "POST /callbacks\n$::callback"
--- response_headers
X-Gate-Source: gateway
--- response_body_like: ^\{"status":"success","code":"0",
--- error_log
a subrequest is not verified for its location
--- no_error_log
[alert]
--- after eval: sub { ::second_got() }



=== TEST 41: but to that of its own
--- config eval
::config('location /callbacks { gate_verify kz ua; mirror /mirror; proxy_pass http://gate; }')
. 'location = /mirror { internal; gate_verify kz; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- request eval: "POST /callbacks\n$::callback"
--- response_headers
X-Gate-Source: gateway
--- response_body_like: ^\{"status":"success","code":"0",
--- after eval: sub { ::second_got($::callback) }
