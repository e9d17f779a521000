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
plan tests => repeat_each() * (blocks() * 3 + 25) + 2
            + Gate::SelfTest::count();

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



=== TEST 2: code and headers by pattern, log by text and by pattern
--- config
    location /t {
        return 404 "none\n";
    }

    location /gone {
        root $TEST_NGINX_SCRATCH;
    }
--- request
GET /gone/file
--- error_code_like chomp
^4\d4$
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



=== TEST 6: one request in several packets
--- config
    location /t {
        proxy_request_buffering off;
        proxy_http_version 1.1;
        proxy_pass http://127.0.0.1:$TEST_NGINX_UPSTREAM_PORT;
    }
--- request eval
[["PO", "ST /t\nab", { value => "cd", delay_before => 0.05 }]]
--- response_body chomp
abcd
--- no_error_log
[error]



=== TEST 7: raw request in packets
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



=== TEST 8: pipelined requests
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



=== TEST 9: chunked answer, headers as they came
--- no_http2
--- config
    location /t {
        proxy_http_version 1.1;
        proxy_set_header X-Upstream "chunked; slow=10; body=abcdef";
        proxy_pass http://127.0.0.1:$TEST_NGINX_UPSTREAM_PORT;
    }
--- request
GET /t
--- raw_response_headers_like: Transfer-Encoding: chunked\r\n
--- raw_response_headers_unlike: \nContent-Length
--- response_body: abcdef
--- no_error_log
[error]



=== TEST 10: the body must not match
--- config
    location /t {
        return 200 "secret-free\n";
    }
--- request
GET /t
--- response_body_unlike: password
--- no_error_log
[error]



=== TEST 11: filters of the body
--- config
    location /t {
        return 200 "abc";
    }
--- request
GET /t
--- response_body_filters: uc length
--- response_body: 3
--- no_error_log
[error]



=== TEST 12: JSON in any order
--- config
    location /t {
        return 200 '{"b":1,"a":[2,{"d":3,"c":4}]}';
    }
--- request
GET /t
--- response_body_json_sort
--- response_body
{"a":[2,{"c":4,"d":3}],"b":1}
--- no_error_log
[error]



=== TEST 13: nginx that must not start
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



=== TEST 14: nginx that must not start, with its exit code
--- main_config
    worker_rlimit_nofile many;
--- config
--- request
GET /t
--- must_die: 1
--- error_log eval
["invalid number", qr/worker_rlimit_nofile/]



=== TEST 15: main and http level
--- main_config
    env GATE_HARNESS=yes;
--- http_config
    map $arg_a $mapped {
        default  none;
        yes      some;
    }
--- config
    location /t {
        return 200 "$mapped\n";
    }
--- request
GET /t?a=yes
--- response_body
some
--- no_error_log
[error]



=== TEST 16: files of the block
--- config
    location /t {
        root $TEST_NGINX_HTML_DIR;
    }
--- user_files
>>> t/a.txt
port $TEST_NGINX_SERVER_PORT
>>> t/b.txt 202001020304.05
second
--- request eval
["GET /t/a.txt", "GET /t/b.txt"]
--- response_body eval
["port $ENV{TEST_NGINX_SERVER_PORT}\n", "second\n"]
--- response_headers eval
["Content-Length: " . length("port $ENV{TEST_NGINX_SERVER_PORT}\n"),
 "Last-Modified: Thu, 02 Jan 2020 03:04:05 GMT"]
--- no_error_log
[error]



=== TEST 17: code before the requests
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



=== TEST 18: lines of the log, in order
--- config
    location /t {
        root $TEST_NGINX_SCRATCH;
    }
--- request
GET /t/absent
--- error_code: 404
--- response_body_like: Not Found
--- grep_error_log eval
qr/\w+\(\) "[^"]+absent" failed \(2: [\w ]+\)/
--- grep_error_log_out eval
qr/^open\(\) "\S+absent" failed \(2: No such file or directory\)\n$/



=== TEST 19: a client that leaves
--- config
    location /t {
        proxy_set_header X-Upstream hang;
        proxy_pass http://127.0.0.1:$TEST_NGINX_UPSTREAM_PORT;
    }
--- request
GET /t
--- timeout: 100ms
--- abort
--- ignore_response
--- no_error_log
[error]
[crit]
[alert]



=== TEST 20: the access log
--- no_http2
--- config
    location /t {
        return 200 "ok\n";
    }
--- request
GET /t?seen
--- response_body
ok
--- access_log
GET /t?seen HTTP/1.1
--- no_access_log
POST



=== TEST 21: lines that come when nginx ends
--- config
    location /t {
        return 200 "ok\n";
    }
--- request
GET /t
--- response_body
ok
--- shutdown_error_log
exiting
--- no_shutdown_error_log
[alert]
--- no_error_log
[error]



=== TEST 22: HTTP/2
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
--- raw_response_headers_like: ^HTTP/2 200
--- response_headers
X-Echo-Length: 13
--- response_body chomp
{"over":"h2"}
--- no_error_log
[error]



=== TEST 23: half-closed client
--- config
    location /t {
        return 200 "late\n";
    }
--- request
GET /t
--- shutdown: 1
--- response_body
late
--- no_error_log
[error]



=== TEST 24: a version that is not there
--- config
    location /t {
        return 500;
    }
--- request
GET /t
--- skip_nginx: 3: > 0.5.0: any nginx is newer



=== TEST 25: HEAD and free ports
--- http_config
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
        return 200 "other\n";
    }
--- config
    location /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    }
--- request
HEAD /t
--- response_headers
Content-Length: 6
--- response_body
--- no_error_log
[error]
