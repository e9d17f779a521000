use strict;
use warnings;

use lib 't/lib';

# Copyright (C) nginx-gate authors
#
# The harness itself, on nginx without the module: every section that suites
# use, and, where this harness runs them, that failing assertions fail.

BEGIN { $ENV{TEST_NGINX_LOAD_MODULES} = '' }

use Gate::Env;
use Gate::SelfTest;
use Gate::Upstream;
use Test::Nginx::Socket;

our $upstream = Gate::Upstream->run();

repeat_each(2);

# per block and run: status, body, one line of a log; what differs is added
plan tests => repeat_each() * (blocks() * 3 + 21) + Gate::SelfTest::count();

Gate::SelfTest::run();

no_long_string();
run_tests();

__DATA__

=== TEST 1: status, headers, body, quiet log
--- config
    location /t {
        add_header X-One 1;
        return 200 "hello\n";
    }
--- request
GET /t
--- response_headers
X-One: 1
! X-Two
--- response_body
hello
--- no_error_log
[error]



=== TEST 2: headers by pattern, log by text and by pattern
--- config
    location /t {
        return 404 "none\n";
    }

    location /gone {
        root $TEST_NGINX_SCRATCH;
    }
--- request
GET /gone/file
--- error_code: 404
--- response_headers_like
Content-Type: text/.*
Server: nginx.*
--- response_body_like: 404 Not Found
--- error_log eval
["open()", qr/No such file or \w+/]



=== TEST 3: body without a line end, ports and variables
--- config
    location /t {
        return 200 "$server_port";
    }
--- request
GET /t
--- response_body chomp
$TEST_NGINX_SERVER_PORT
--- no_error_log
[error]



=== TEST 4: what is sent with a body
--- config
    location /t {
        proxy_pass http://unix:$TEST_NGINX_UPSTREAM_SOCKET:/echo;
    }
--- request
POST /t
{"a":1}
--- more_headers
Content-Type: application/json
--- response_headers
X-Echo-Method: POST
X-Echo-Content-Length: 7
X-Echo-Length: 7
--- response_body chomp
{"a":1}
--- no_error_log
[error]



=== TEST 5: several requests, headers for each
--- config
    location /t {
        return 200 "$http_x_a $request_method\n";
    }
--- request eval
["GET /t", "DELETE /t"]
--- more_headers eval
["X-A: one", "X-A: two"]
--- error_code eval
[200, 200]
--- response_body eval
["one GET\n", "two DELETE\n"]
--- no_error_log
[error]



=== TEST 6: raw request in packets
--- config
    location /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_UPSTREAM_PORT;
    }
--- raw_request eval
["POST /t HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
 "Transfer-Encoding: chunked\r\n\r\n3\r\nab", "c\r\n", "0\r\n\r\n"]
--- raw_request_middle_delay: 0.01
--- response_body chomp
abc
--- no_error_log
[error]



=== TEST 7: pipelined requests
--- config
    location /t {
        return 200 "$arg_n\n";
    }
--- pipelined_requests eval
["GET /t?n=1", "POST /t?n=2\nbody"]
--- response_body eval
["1\n", "2\n"]
--- no_error_log
[error]



=== TEST 8: a filter of the body
--- config
    location /t {
        return 200 "abc";
    }
--- request
GET /t
--- response_body_filters eval: sub { length $_[0] }
--- response_body: 3
--- no_error_log
[error]



=== TEST 9: nginx that must not start
--- config
    location /t {
        no_such_directive on;
    }
--- request
GET /t
--- must_die
--- error_log
unknown directive "no_such_directive"
[emerg]



=== TEST 10: files of the block
--- config
    location /t {
        root $TEST_NGINX_HTML_DIR;
    }
--- user_files
>>> t/a.txt
port $TEST_NGINX_SERVER_PORT
>>> t/b.txt
second
--- request eval
["GET /t/a.txt", "GET /t/b.txt"]
--- response_body eval
["port $ENV{TEST_NGINX_SERVER_PORT}\n", "second\n"]
--- response_headers eval
["Content-Length: " . length("port $ENV{TEST_NGINX_SERVER_PORT}\n"),
 "Content-Length: 7"]
--- no_error_log
[error]



=== TEST 11: code before the requests
--- config
    location /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_UPSTREAM_PORT;
    }
--- init
$::upstream->reset()->script('status=201', 'status=201; close');
--- request
GET /t
--- error_code: 201
--- response_headers_like
X-Echo-Count: [12]
--- no_error_log
[error]



=== TEST 12: HTTP/2
--- config
    location /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_UPSTREAM_PORT;
    }
--- http2
--- request
POST /t
{"over":"h2"}
--- more_headers
Content-Type: application/json
--- response_headers
X-Echo-Length: 13
--- response_body chomp
{"over":"h2"}
--- no_error_log
[error]



=== TEST 13: HEAD
--- config
    location /t {
        return 200 "other\n";
    }
--- request
HEAD /t
--- response_headers
Content-Length: 6
--- response_body
--- no_error_log
[error]
