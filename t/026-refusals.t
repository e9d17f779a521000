#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Every refusal that needs no Redis: status, code, body, headers, and that
# nothing of a refused request reaches Gate.  nginx's own errors come in the
# same shape through gate_error.

use strict;
use warnings;

use lib 't/lib';

use Gate::Dead;
use Gate::Env qw( read_file root );
use Gate::FakeRedis;
use Gate::Http;
use Gate::Http2;
use Gate::Outbound qw( :all );
use Test::Nginx::Socket 'no_plan';

our $fake = Gate::FakeRedis->run();

our $gate_error = <<'_EOC_';
    error_page 400 404 405 413 500 502 503 504 @gate_error;

    location @gate_error {
        gate_error;
        add_header  X-Result "$gate_result" always;
    }

    location /v2/ {
        client_max_body_size 2k;
        gate_sign   kz;
        proxy_pass  http://gate;
    }

    location /dead/ {
        gate_sign   kz;
        proxy_pass  http://unix:$TEST_NGINX_REFUSING_SOCKET;
    }

    location /silent/ {
        gate_sign           kz;
        proxy_read_timeout  50ms;
        proxy_pass          http://unix:$TEST_NGINX_SILENT_SOCKET;
    }

    location /busy/ {
        gate_sign  kz;
        return     503;
    }
_EOC_

our $upstream_error = 'no valid answer from Gate: '
    . Gate::Outbound::may_be_paid();
our $upstream_timeout = 'no answer from Gate in time: '
    . Gate::Outbound::may_be_paid();
our $internal = 'the gateway could not process the request: '
    . Gate::Outbound::may_be_paid();
our $no_method = refusal('gw_method', 'method is not allowed: use POST', 1234);
our $no_type = refusal('gw_content_type',
                       'Content-Type must be application/json', 1234);
our $no_encoding = refusal('gw_content_type',
                           'Content-Encoding is not supported: '
                           . 'send the body without compression', 1234);

sub not_json {
    my ($reason, $offset) = @_;

    return refusal('gw_json', "body is not acceptable JSON: $reason at byte "
                              . $offset, 1234);
}

# [body, reason, offset]

my @json;

sub json_table { @json = @_; return }
sub json_requests { return [ map { "POST /v2/info/x\n$_->[0]" } @json ] }
sub json_bodies { return [ map { not_json(@$_[1, 2]) } @json ] }

# Requests on one connection that is kept.

# nginx's own errors, as in conf.example

our ($example_pages) = read_file(root() . '/conf.example')
    =~ /^(\s+error_page\s.*?)^\s+# Prometheus/ms
    or die "no error_page in conf.example\n";

sub all_on_one_connection {
    my $conn = Gate::Http::Connection->new();

    my $ask = sub {
        my ($method, $body, @headers) = @_;

        my $res = $conn->request(method => $method, uri => '/v2/info/x',
                                 body => $body, headers => \@headers);

        return $res ? $res->{status} : 'closed';
    };

    my $type = 'Content-Type: application/json';

    my @got = (
        $ask->('POST', '{}', $type),
        $ask->('POST', '{', $type),
        $ask->('POST', '{}'),
        $ask->('POST', '{}', $type, 'Content-Encoding: gzip'),
        $ask->('POST', '{"general":{"project_id":1}}', $type),
        $ask->('POST', '{"general":[]}', $type),
        $ask->('PUT', '{}', $type),
        $ask->('GET', ''),
        $ask->('POST', '{}', $type),
    );

    $conn->close();

    return "@got";
}

# What a client sends behind a request that is answered with 400.

our $socket = "$ENV{TEST_NGINX_SCRATCH}/close.sock";

sub sends_more {
    my ($body) = @_;

    my $conn = Gate::Http::Connection->new($socket);

    $conn->send(Gate::Http::bytes_of({
        method => 'POST', uri => '/v2/info/x', body => $body,
        headers => ['Content-Type: application/json', 'Connection: close'] }));

    my $res = $conn->answer();

    Test::More::is($res ? $res->{status} : 'closed', 400, "$body: status");
    Test::More::ok($conn->closed(), "$body: no more answers");
    Test::More::ok(eval { $conn->send('more'); 1 }, "$body: more is taken")
        or Test::More::diag($@);

    $conn->close();
}

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: methods other than POST
--- request eval
[ map { "$_ /v2/payment/mobile/payout" }
      qw( GET PUT DELETE OPTIONS PATCH PROPFIND NONSENSE ) ]
--- error_code eval: [ (405) x 7 ]
--- response_headers eval
[ ("X-Gate-Source: gateway
Allow: POST
Content-Type: application/json
Content-Length: " . length $::no_method) x 7 ]
--- response_body eval: [ ($::no_method) x 7 ]



=== TEST 2: HEAD has no body
--- request
HEAD /v2/payment/mobile/payout
--- error_code: 405
--- response_headers eval
"X-Gate-Source: gateway
Allow: POST
Content-Type: application/json
Content-Length: " . length $::no_method
--- response_body



=== TEST 3: another method with a good body
--- request eval: "PUT /v2/payment/mobile/payout\n$::payout"
--- error_code: 405
--- response_headers
X-Gate-Source: gateway
Allow: POST
--- response_body eval: $::no_method



=== TEST 4: content types that are not JSON
--- request eval
[ ("POST /v2/payment/mobile/payout\n$::payout") x 10 ]
--- more_headers eval
[ 'X-No: type', map { "Content-Type: $_" } '', 'text/plain', 'text/json',
  'application/x-www-form-urlencoded', 'application/jsonx', 'application/jso',
  'application/json, text/plain', 'application/problem+json',
  ' application / json' ]
--- error_code eval: [ (415) x 10 ]
--- response_headers eval
[ ("X-Gate-Source: gateway
! Allow
Content-Type: application/json
Content-Length: " . length $::no_type) x 10 ]
--- response_body eval: [ ($::no_type) x 10 ]



=== TEST 5: content types that are
--- request eval
[ ("POST /v2/payment/mobile/payout\n$::payout") x 7 ]
--- more_headers eval
[ map { "Content-Type: $_" } 'application/json', 'Application/JSON',
  'application/json;charset=utf-8', 'application/json; charset="UTF-8"',
  'application/json ; charset=windows-1251', "application/json\t;x=y",
  'application/json;' ]
--- response_headers eval: [ ('! X-Gate-Source') x 7 ]
--- error_code eval: [ (200) x 7 ]
--- response_body eval: [ ($::signed) x 7 ]



=== TEST 6: encoded bodies
--- request eval
[ ("POST /v2/payment/mobile/payout\n$::payout") x 6 ]
--- more_headers eval
[ map { "Content-Type: application/json\n$_" }
  'Content-Encoding: gzip', 'content-encoding: deflate',
  'Content-Encoding: identity, gzip',
  "Content-Encoding: identity\nContent-Encoding: br",
  'Content-Encoding: x-identity', 'CONTENT-ENCODING: identity;q=1' ]
--- error_code eval: [ (415) x 6 ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json") x 6 ]
--- response_body eval: [ ($::no_encoding) x 6 ]



=== TEST 7: identity is no encoding
--- request eval
[ ("POST /v2/payment/mobile/payout\n$::payout") x 2 ]
--- more_headers eval
[ map { "Content-Type: application/json\nContent-Encoding: $_" }
      qw( identity Identity ) ]
--- response_headers eval: [ ('! X-Gate-Source') x 2 ]
--- error_code eval: [ 200, 200 ]
--- response_body eval: [ ($::signed) x 2 ]



=== TEST 8: unparsable JSON, by byte
--- request eval
::json_table(
    ['{', 'unexpected end of text', 1],
    ['{"a":1', 'unexpected end of text', 6],
    ['{"a":"b', 'unexpected end of text', 7],
    ['{"a":1}}', 'trailing bytes', 7],
    ['{"a":1} {}', 'trailing bytes', 8],
    ['[]', 'top level is not an object', 0],
    ['"a"', 'top level is not an object', 0],
    ['17', 'top level is not an object', 0],
    ['{a:1}', 'unexpected token', 1],
    ["{'a':1}", 'unexpected token', 1],
    ['{"a":1,}', 'unexpected token', 7],
    ['{"a" 1}', 'unexpected token', 5],
    ['{"a":01}', 'unexpected token', 6],
    ['{"a":.5}', 'unexpected token', 5],
    ['{"a":+1}', 'unexpected token', 5],
    ['{"a":NaN}', 'unexpected token', 5],
    ['{"a":True}', 'unexpected token', 5],
    ['{"a":1/**/}', 'unexpected token', 6],
    ["\xef\xbb\xbf{}", 'byte order mark', 0],
    ["{\"a\":\"\x01\"}", 'control character', 6],
    ["{\"a\":\"\n\"}", 'control character', 6],
    ["{\"a\":\"\0\"}", 'control character', 6],
);
::json_requests()
--- error_code eval: [ (422) x @{ ::json_bodies() } ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json") x @{ ::json_bodies() } ]
--- response_body eval: ::json_bodies()
--- reached: 0



=== TEST 9: ambiguous JSON, by byte
--- request eval
::json_table(
    ['{"a":1,"a":2}', 'duplicate key', 7],
    ['{"a":1,"\u0061":2}', 'duplicate key', 7],
    ['{"general":{},"x":0,"general":{}}', 'duplicate key', 20],
    ["{\"a\":\"\xc0\xaf\"}", 'invalid UTF-8', 6],
    ["{\"a\":\"\xed\xa0\x80\"}", 'invalid UTF-8', 6],
    ["{\"a\":\"\xff\"}", 'invalid UTF-8', 6],
    ["{\"a\":\"\xf5\x80\x80\x80\"}", 'invalid UTF-8', 6],
    ['{"a":"\ud800"}', 'lone surrogate', 6],
    ['{"a":"x\udc00"}', 'lone surrogate', 7],
    ['{"a":"\ud800\u0041"}', 'lone surrogate', 6],
);
::json_requests()
--- error_code eval: [ (422) x @{ ::json_bodies() } ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json") x @{ ::json_bodies() } ]
--- response_body eval: ::json_bodies()
--- reached: 0



=== TEST 10: no body at all
--- raw_request eval
"POST /v2/info/x HTTP/1.1\r
Host: localhost\r
Connection: close\r
Content-Type: application/json\r
\r
"
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body eval: ::not_json('unexpected end of text', 0)



=== TEST 11: nesting over the default limit
--- request eval
my $in = '{"a":' x 31 . '{}' . '}' x 31;
my $over = '{"a":' x 32 . '{}' . '}' x 32;
["POST /off/v2/info/x\n$in", "POST /off/v2/info/x\n$over"]
--- config
    location /off/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
--- error_code eval: [ 200, 422 ]
--- response_headers eval: [ '! X-Gate-Source', 'X-Gate-Source: gateway' ]
--- response_body eval
[ qr/^\{"general":/, ::not_json('nesting is too deep', 160) ]



=== TEST 12: nesting over a configured limit
--- config
    gate_max_depth 3;

    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }

    location /v2/deep/ {
        gate_sign       kz;
        gate_max_depth  4;
        proxy_pass      http://gate;
    }
--- request eval
[ "POST /v2/info/x\n" . '{"a":[[1]]}', "POST /v2/info/x\n" . '{"a":[[{}]]}',
  "POST /v2/deep/info/x\n" . '{"a":[[{}]]}' ]
--- error_code eval: [ 200, 422, 200 ]
--- response_headers eval
[ '! X-Gate-Source', 'X-Gate-Source: gateway', '! X-Gate-Source' ]
--- response_body eval
[ qr/^\{"general":/, ::not_json('nesting is too deep', 7), qr/^\{"general":/ ]



=== TEST 13: nesting without end is no problem
--- request eval: "POST /v2/info/x\n" . '[' x 100000
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body eval: ::not_json('top level is not an object', 0)



=== TEST 14: nesting without end in an object
--- request eval: "POST /v2/info/x\n" . '{"a":' x 100000
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body eval: ::not_json('nesting is too deep', 160)



=== TEST 15: another project's id
--- request eval
my @bodies = ('{"general":{"project_id":123,"payment_id":"p"}}',
              '{"general":{"payment_id":"p","project_id":4294967295}}');
[ (map { "POST /v2/info/x\n$_" } @bodies),
  "POST /v2/info/available_methods_for_merchant/list\n" . '{"project_id":123}' ]
--- error_code eval: [ 403, 403, 403 ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json") x 3 ]
--- response_body eval
my $text = "project_id is another project's: leave it out";
[ ::refusal('gw_project', $text, 1234, 'p'),
  ::refusal('gw_project', $text, 1234, 'p'),
  ::refusal('gw_project', $text, 1234) ]



=== TEST 16: a project_id that is none
--- request eval
[ map { "POST /v2/info/x\n{\"general\":{\"project_id\":$_}}" }
      '"1234"', '0', '-1234', '1234.0', '1.234e3', '4294968530', 'null',
      '{}', '[1234]', 'true' ]
--- error_code eval: [ (400) x 10 ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json") x 10 ]
--- response_body eval
[ (::refusal('2004', 'general.project_id must be an integer '
                     . 'from 1 to 4294967295', 1234)) x 10 ]



=== TEST 17: refusals keep the connection
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    Test::More::is(::all_on_one_connection(),
                   '200 422 415 415 403 400 405 405 200', 'all answers');
}



=== TEST 18: the answers of Gate are left alone
--- request eval
[ map { "POST /v2/info/x\n{}" } 1 .. 4 ]
--- more_headers eval
[ map { "Content-Type: application/json\nX-Upstream: status=$_; body=%7B$_%7D%0A" }
      400, 403, 422, 500 ]
--- config
    error_page 400 403 422 500 502 @gate_error;

    location @gate_error {
        gate_error;
    }

    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
--- error_code eval: [ 400, 403, 422, 500 ]
--- response_headers eval: [ ('! X-Gate-Source') x 4 ]
--- response_body eval: [ map { "{$_}\n" } 400, 403, 422, 500 ]
--- reached: 1



=== TEST 19: error_page replaces our answers
--- config
    error_page 405 /405.json;
    error_page 422 =418 @teapot;
    error_page 403 =200 /403.json;
    error_page 400 http://127.0.0.1/help;

    location @teapot {
        add_header  X-Why "$gate_result" always;
        return 418 "teapot\n";
    }

    location ~ \.json$ {
        add_header    X-Why "$gate_result" always;
        root          $TEST_NGINX_HTML_DIR;
        default_type  application/vnd.error;
    }

    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
--- user_files
>>> 405.json
{"ours":405}
>>> 403.json
{"ours":403}
--- request eval
[ "GET /v2/info/x", "POST /v2/info/x\n{", "POST /v2/info/x\n" . '{"general":{"project_id":1}}',
  "POST /v2/info/x\n" . '{"general":1}' ]
--- error_code eval: [ 405, 418, 200, 302 ]
--- response_headers eval
[ "X-Why: bad_method\n! X-Gate-Source\nContent-Type: application/vnd.error",
  "X-Why: bad_json\n! X-Gate-Source",
  "X-Why: other_project\n! X-Gate-Source\nContent-Type: application/vnd.error",
  "Location: http://127.0.0.1/help\n! X-Gate-Source" ]
--- response_body eval
[ qq/{"ours":405}\n/, "teapot\n", qq/{"ours":403}\n/, qr/302 Found/ ]
--- reached: 0



=== TEST 20: an error_page of other errors leaves ours alone
--- config
    error_page 401 404 502 /other;

    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
--- request
POST /v2/info/x
{
--- error_code: 422
--- response_headers
X-Gate-Source: gateway
--- response_body eval: ::not_json('unexpected end of text', 1)



=== TEST 21: our refusals through gate_error are the same
--- config eval: $::gate_error
--- request eval
[ "GET /v2/info/x", "POST /v2/payment/mobile/payout\n" . '{"general":{"payment_id":"p"}}' ]
--- error_code eval: [ 405, 400 ]
--- response_headers eval
[ "X-Gate-Source: gateway\nAllow: POST\nX-Result: bad_method",
  "X-Gate-Source: gateway\n! Allow\nX-Result: missing_field" ]
--- response_body eval
[ $::no_method, ::refusal('2004', 'payment.amount is required', 1234, 'p') ]



=== TEST 22: nginx's 413
--- config eval: $::gate_error
--- request eval: "POST /v2/payment/mobile/payout\n" . ::payout_of(2049)
--- error_code: 413
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: too_large
--- response_body eval: ::refusal('gw_too_large', 'request body is too large')
--- no_error_log
[alert]
[crit]



=== TEST 23: the largest body
--- config eval: $::gate_error
--- request eval: "POST /v2/payment/mobile/payout\n" . ::payout_of(2048)
--- response_headers
! X-Gate-Source
--- response_body eval: ::signed_payout_of(2048)



=== TEST 24: nginx's 413 in a chunked body
--- config eval: $::gate_error
--- raw_request eval
"POST /v2/payment/mobile/payout HTTP/1.1\r
Host: localhost\r
Connection: close\r
Content-Type: application/json\r
Transfer-Encoding: chunked\r
\r
400\r\n" . substr(::payout_of(2049), 0, 1024) . "\r\n401\r\n"
. substr(::payout_of(2049), 1024) . "\r\n0\r\n\r\n"
--- error_code: 413
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: too_large
--- response_body eval: ::refusal('gw_too_large', 'request body is too large')
--- no_error_log
[alert]
[crit]



=== TEST 25: nginx's 413 in a chunked body that comes late
--- config eval: $::gate_error
--- raw_request eval
["POST /v2/payment/mobile/payout HTTP/1.1\r
Host: localhost\r
Connection: close\r
Content-Type: application/json\r
Transfer-Encoding: chunked\r
\r
400\r\n" . substr(::payout_of(2049), 0, 1024) . "\r\n",
"401\r\n" . substr(::payout_of(2049), 1024) . "\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.02
--- error_code: 413
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: too_large
--- response_body eval: ::refusal('gw_too_large', 'request body is too large')
--- no_error_log
[alert]
[crit]



=== TEST 26: nginx's 413 over HTTP/2, with and without a length
--- config eval: $::gate_error
--- http2
--- request
POST /v2/info/x
{}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- after eval
sub {
    for my $length (1, 0) {
        my $res = Gate::Http2::request(
            uri => '/v2/payment/mobile/payout', length => $length,
            headers => [['content-type', 'application/json']],
            body => ::payout_of(2049), pieces => [1000, 500]);

        Test::More::is($res->{status}, 413, 'status');
        Test::More::is($res->{body}, ::refusal('gw_too_large',
                                               'request body is too large'),
                       'body');
        Test::More::ok($res->{end}, 'the stream ends properly');
    }
}
--- no_error_log
[alert]
[crit]



=== TEST 27: Gate refuses the connection
--- config eval: $::gate_error
--- request eval: "POST /dead/v2/payment/mobile/payout\n$::payout"
--- error_code: 502
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: upstream_error
--- response_body eval: ::refusal('gw_upstream', $::upstream_error, 1234, 'payment_47')
--- no_error_log
[alert]
--- error_log
connect() to unix:



=== TEST 28: Gate refuses the connection, over HTTP/2
--- config eval: $::gate_error
--- http2
--- request eval: "POST /dead/v2/payment/mobile/payout\n$::payout"
--- error_code: 502
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: upstream_error
--- response_body eval: ::refusal('gw_upstream', $::upstream_error, 1234, 'payment_47')
--- no_error_log
[alert]



=== TEST 29: Gate does not answer
--- config eval: $::gate_error
--- request eval: "POST /silent/v2/payment/mobile/payout\n$::payout"
--- error_code: 504
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: upstream_timeout
--- response_body eval: ::refusal('gw_upstream', $::upstream_timeout, 1234, 'payment_47')
--- no_error_log
[alert]
[crit]
--- error_log
upstream timed out



=== TEST 30: Gate does not answer, over HTTP/2
--- config eval: $::gate_error
--- http2
--- request eval: "POST /silent/v2/payment/mobile/payout\n$::payout"
--- error_code: 504
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: upstream_timeout
--- response_body eval: ::refusal('gw_upstream', $::upstream_timeout, 1234, 'payment_47')
--- no_error_log
[alert]
[crit]



=== TEST 31: Gate drops the connection, before and after the body
--- config eval: $::gate_error
--- request eval
[ ("POST /v2/payment/mobile/payout\n$::payout") x 4 ]
--- more_headers eval
[ map { "Content-Type: application/json\nX-Upstream: $_" }
      'drop', 'reset', 'early; drop', 'early; reset' ]
--- error_code eval: [ (502) x 4 ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json\nX-Result: upstream_error") x 4 ]
--- response_body eval
[ (::refusal('gw_upstream', $::upstream_error, 1234, 'payment_47')) x 4 ]
--- reached: 1
--- no_error_log
[alert]
[crit]



=== TEST 32: Gate's answer is cut off: the client must see that
--- config eval: $::gate_error
--- request
POST /v2/info/x
{}
--- after eval
sub {
    my $res = Gate::Http::post('/v2/info/x', '{}', headers =>
        ['Content-Type: application/json', 'X-Upstream: cut=10']);
    Test::More::is($res->{status}, '', 'no complete answer');
    Test::More::like($res->{error}, qr/^closed/, 'but an end');
}
--- response_body_like: ^\{"general":
--- response_headers
! X-Gate-Source
--- no_error_log
[alert]
[crit]



=== TEST 33: other errors of nginx
--- config eval: $::gate_error
--- request eval
[ "POST /busy/v2/info/x\n{}", "POST /nowhere\n{}", "GET /nowhere" ]
--- error_code eval: [ 503, 404, 404 ]
--- response_headers eval
[ map { "X-Gate-Source: gateway\nContent-Type: application/json\nX-Result: $_" }
  qw( internal_error bad_request bad_request ) ]
--- response_body eval
[ ::refusal('gw_internal', $::internal),
  (::refusal('gw_request', 'the gateway does not take this request: see the status')) x 2 ]
--- no_error_log
[alert]
[crit]



=== TEST 34: a request that nginx itself does not accept
--- config eval: $::gate_error
--- raw_request eval
"POST /v2/info/x HTTP/1.1\r
Host: localhost\r
Content-Length: x\r
\r
"
--- error_code: 400
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
--- response_body eval
::refusal('gw_request', 'the gateway does not take this request: see the status')



=== TEST 35: gate_error by its own name
--- config
    location /e {
        gate_error;
    }
--- request eval
[ "GET /e", "POST /e\n$::payout" ]
--- error_code eval: [ 404, 404 ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json") x 2 ]
--- response_body eval
[ (::refusal('gw_request', 'the gateway does not take this request: see the status')) x 2 ]



=== TEST 36: error_page loses the status: a refusal has its own, nothing else seems refused
--- config
    error_page 422 502 504 = @gate_error;

    location @gate_error {
        gate_error;
    }

    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
--- request eval
[ "POST /v2/info/x\n{", "POST /v2/payment/mobile/payout\n$::payout" ]
--- more_headers
Content-Type: application/json
X-Upstream: drop
--- error_code eval: [ 422, 502 ]
--- response_headers eval
[ ("X-Gate-Source: gateway\nContent-Type: application/json") x 2 ]
--- response_body eval
[ ::not_json('unexpected end of text', 1),
  ::refusal('gw_upstream', $::upstream_error, 1234, 'payment_47') ]
--- reached eval: "any"
--- no_error_log
[alert]



=== TEST 37: an error of Gate's that is intercepted does not seem the gateway's refusal
--- config eval
$::gate_error =~ s/proxy_pass  http:\/\/gate;/proxy_intercept_errors on; $&/r
--- request eval: "POST /v2/payment/mobile/payout\n$::payout"
--- more_headers
Content-Type: application/json
X-Upstream: status=400; body=%7B%22status%22:%22error%22,%22code%22:%2210105%22%7D
--- error_code: 502
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
X-Result: upstream_error
--- response_body eval: ::refusal('gw_upstream', $::upstream_error, 1234, 'payment_47')
--- reached: 1



=== TEST 38: what Redis says of the time to wait is bounded
--- http_config eval
"$::http_config\n    gate_redis unix:$ENV{TEST_NGINX_SCRATCH}/fake.sock;\n"
--- config
    location /v2/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
--- request eval
"POST /v2/info/x\n{}"
--- response_body_like: ^\{"general":
--- after eval
sub {
    my @waits = map {
        $::fake->mode('EVALSHA *5\r\n*3\r\n$10\r\nlimit_hour\r\n:' . $_ . '\r\n$1\r\n5\r\n'
                      . '$0\r\n\r\n$0\r\n\r\n:0\r\n{name}');

        my $res = Gate::Http::post('/v2/payment/mobile/payout', $::payout,
                                   headers => ['Content-Type: application/json']);

        "$res->{status} " . ($res->{headers}{'retry-after'} // 'none');
    } qw( -7 -9223372036854775808 1 60 9223372036854775807 );

    $::fake->mode('');

    Test::More::is(CORE::join(', ', @waits),
                   '429 1, 429 1, 429 1, 429 60, 429 2764800', 'times');
}



=== TEST 39: more values than may be
--- config
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
    location /few/ {
        gate_sign        kz;
        gate_max_values  4;
        proxy_pass       http://gate;
    }
--- request eval
[ "POST /v2/info/x\n{\"a\":[" . CORE::join(',', (1) x 4094) . ']}',
  "POST /v2/info/x\n{\"a\":[" . CORE::join(',', (1) x 4095) . ']}',
  "POST /v2/info/x\n{\"a\":[" . CORE::join(',', ('{}') x 4095) . ']}',
  "POST /few/v2/info/x\n" . '{"a":1,"b":{"c":null}}',
  "POST /few/v2/info/x\n" . '{"a":1,"b":{"c":[{}]}}' ]
--- error_code eval: [ 200, 413, 413, 200, 413 ]
--- response_body eval
my $many = ::refusal('gw_too_large', 'request body has too many values', 1234);
[ qr/^\{"general":/, $many, $many, qr/^\{"general":/, $many ]



=== TEST 40: refusals through an error_page keep the connection, and what they were
--- config eval
'add_header X-Asked "$request_method $uri" always;' . $::example_pages . '
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }'
--- request
POST /v2/info/x
{"general":1}
--- error_code: 400
--- response_headers
X-Gate-Source: gateway
X-Asked: POST /v2/info/x
--- response_body eval: ::refusal('2004', 'general must be an object', 1234)
--- after eval
sub {
    Test::More::is(::all_on_one_connection(),
                   '200 422 415 415 403 400 405 405 200', 'all answers');
}



=== TEST 41: also one that closes: the client may still be sending
--- config eval
"listen unix:$::socket; lingering_time 60s; lingering_timeout 60s;"
. $::example_pages . '
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }'
--- request
POST /v2/info/x
{"general":1}
--- error_code: 400
--- response_headers
X-Gate-Source: gateway
--- response_body eval: ::refusal('2004', 'general must be an object', 1234)
--- after eval
sub {
    ::sends_more('{"general":1}');
    ::sends_more('{"general":{"payment_id":1}}');
}



=== TEST 42: what is no request is answered with 400, and logged at info only
--- config eval
$::example_pages . '
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }'
--- raw_request eval
"\"name\":\"Ivan\",\"number\":\"4111111111111111\"}\r\n\r\n"
--- error_code: 400
--- response_headers
X-Gate-Source: gateway
--- response_body eval
::refusal('gw_request', 'the gateway does not take this request: see the status')
--- no_error_log eval
qr/\[(?!info|debug)\w+\].*4111111111111111/
