#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Delivery of verified callbacks: only the service's 2xx is "delivered", all
# else makes Gate come again; the bytes are the same, headers from outside do
# not pass as ours, and nothing of the service's answer gets out.

use strict;
use warnings;

use lib 't/lib';

use Gate::Dead;
use Gate::Env qw( root read_file wait_until scratch );
use Gate::Callbacks qw( :all );
use Gate::Http;
use Gate::Outbound qw( log_text );
use Gate::Upstream;
use Test::Nginx::Socket 'no_plan';

our $second = Gate::Upstream->run(name => 'second');

our $text = signed_text(callback('p', 'success'));
our $number = 0;
our @kz = (project => 1234, id => 'p');

for my $status (200, 201, 202, 204, 226, 299, 300, 301, 302, 303, 304, 307,
                400, 401, 403, 404, 405, 409, 413, 418, 422, 429, 499, 500,
                501, 502, 503, 504, 599)
{
    $answers{"s$status"} = { status => $status, type => 'text/html',
                             body => '<b>from the service</b>' };
}

%answers = (
    %answers,
    chatty => { status => 200, header => [
        'Set-Cookie: session=1', 'X-Powered-By: service', 'Location: /x',
        'ETag: "1"', 'Last-Modified: Sat, 21 Nov 2026 10:00:00 GMT',
        'Cache-Control: max-age=60', 'Link: </x>', 'Retry-After: 9',
        'X-Result: forged', 'X-Gate-Source: service', 'Accept-Ranges: bytes',
        'Content-Encoding: gzip', 'Content-Language: en',
        'WWW-Authenticate: Basic realm=x', 'Refresh: 1', 'Expires: 0',
        'X-Settlement: forged', 'Content-Range: bytes 0-1/2' ] },
    angry   => { status => 401, header => [
        'WWW-Authenticate: Basic realm=x', 'Set-Cookie: session=1' ] },
    moved   => { status => 302, header => ['Location: http://inside/x'] },
    big     => { status => 200, body => 'x' x 300000 },
    chunked => { status => 200, body => 'x' x 5000, chunked => 1 },
    cut     => { status => 200, body => 'x' x 5000, cut => 100 },
    jump    => { status => 200, header => ['X-Accel-Redirect: /page'] },
    expire  => { status => 200, header => ['X-Accel-Expires: 100'] },
);

sub posts {
    my ($name, $word, %with) = @_;

    return post($name, $text, $word, @kz, with => \%with);
}

# Where nothing can be said of the service.

sub unserved {
    my ($name, %with) = @_;

    my $log = -s "$ENV{TEST_NGINX_SERVROOT}/logs/error.log";
    my $res = send_callback($text, %with);

    check($name, $res, 'unserved', @kz, log => $log);
}

# --- conf.example's inbound part, on sockets of this suite

our ($example_http, $example_location) = ('', '');

for (scalar read_file(root() . '/conf.example')) {
    my ($location) = /(location = \/callbacks\/gate \{.*?\n        \}\n)/s;

    $location =~ s/gate_verify kz cards;/gate_verify kz ua;/ or die;
    $location =~ s/allow 203[^;]*;.*/allow 127.0.0.1;/ or die;
    $location =~ s/gate_deduplicate on;// or die;
    $location =~ s{http://payout_service/callbacks/gate}
                  {http://service/taken} or die;

    my ($zone) = /(limit_req_zone[^;]*callbacks[^;]*;)/;

    $example_location = $location;
    $example_http = $zone;
}

my @forged = map { "X-Gate-$_: forged" } qw( Project Project-Id Payment-Id
    Callback-Status Operation Result Callback-Stale );

sub ours_only {
    my ($callback, %expected) = @_;

    for my $case (sub { $_[0] }, sub { lc $_[0] }, sub { uc $_[0] }) {
        my $res = send_callback(signed_text($callback), at => '/callbacks/gate',
                                headers => [map { $case->($_) } @forged]);
        my $head = $service->last_request()->{head};

        Test::More::is($res->{status}, 200, 'status')
            or Test::More::diag($res->{body});
        Test::More::unlike($head, qr/forged/i, 'nothing forged');

        my @got = $head =~ /^(x-gate-[^:]*: [^\r]*)/mig;

        Test::More::is(join("\n", sort @got),
                       join("\n", sort map { "X-Gate-$_: $expected{$_}" }
                                  keys %expected), 'our headers');
    }
}

Gate::Callbacks::suite();

run_tests();

__DATA__

=== TEST 1: every 2xx is taken
--- steps
p success svc=s200  -> forward
p success svc=s201  -> forward
p success svc=s202  -> forward
p success svc=s204  -> forward
p success svc=s226  -> forward
p success svc=s299  -> forward



=== TEST 2: redirects and refusals of the service are not
--- steps
p success svc=s300  -> failed
p success svc=s301  -> failed
p success svc=s302  -> failed
p success svc=s303  -> failed
p success svc=s304  -> failed
p success svc=s307  -> failed
p success svc=s400  -> failed
p success svc=s401  -> failed
p success svc=s403  -> failed
p success svc=s404  -> failed
p success svc=s405  -> failed
p success svc=s409  -> failed
p success svc=s413  -> failed
p success svc=s418  -> failed
p success svc=s422  -> failed
p success svc=s429  -> failed
p success svc=s499  -> failed



=== TEST 3: nor are its errors
--- steps
p success svc=s500  -> failed
p success svc=s501  -> failed
p success svc=s502  -> failed
p success svc=s503  -> overload
p success svc=s504  -> failed
p success svc=s599  -> failed
--- error_log
callback "p" of project "kz" not delivered: the service answered 500, Gate will send it again
callback "p" of project "kz" not delivered: the service answered 503, Gate will send it again
--- no_error_log
[error]
[alert]



=== TEST 4: no answer, or not the whole head of one
--- steps
p success svc=drop  -> failed
p success svc=reset -> failed
--- error_log
while reading response header from upstream
--- no_error_log
[alert]



=== TEST 5: a service that is not there
--- config
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://unix:$TEST_NGINX_REFUSING_SOCKET:/taken;
    }
    location = /tcp {
        gate_verify  kz ua;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_REFUSING_PORT/taken;
    }
--- steps
! unserved('refused')
! unserved('refused over TCP', at => '/tcp')
--- error_log
Connection refused
--- no_error_log
[alert]



=== TEST 6: a service that takes its time
--- config
    location = /callbacks {
        gate_verify         kz ua;
        proxy_read_timeout  100ms;
        proxy_pass          http://service/taken;
    }
--- steps
p success svc=hang  -> failed
--- error_log
upstream timed out
--- no_error_log
[alert]



=== TEST 7: an answer whose body is large or chunked
--- steps
p success svc=big     -> forward
p success svc=chunked -> forward



=== TEST 8: a service that breaks off after 200 has taken it
--- steps
! my $res = send_callback($::text, svc => 'cut'); is($res->{status}, 200, 'status'); is($res->{body}, answer_body('forward', @::kz), 'body')
--- errors
--- no_error_log
[alert]



=== TEST 9: headers of the service do not get out
--- steps
p success svc=chatty -> forward
p success svc=angry  -> failed
p success svc=moved  -> failed
p success svc=expire -> forward



=== TEST 10: an inner redirect is no delivery
--- config
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
    location = /page {
        default_type  text/html;
        return        200 page;
    }
--- steps
p success svc=jump -> failed



=== TEST 11: pages in place of the service's answer
--- config
    error_page 500 502 503 504 =200 /page;
    error_page 404 = /page;
    location = /callbacks {
        gate_verify             kz ua;
        proxy_intercept_errors  on;
        proxy_pass              http://service/taken;
    }
    location = /gone {
        gate_verify             kz ua;
        proxy_pass              http://unix:$TEST_NGINX_REFUSING_SOCKET;
    }
    location = /page {
        default_type  text/html;
        return        200 page;
    }
--- steps
p success svc=s500 -> failed
p success svc=s503 -> failed
p success svc=s404 -> failed
p success          -> forward
! unserved('refused', at => '/gone')
--- error_log
Connection refused
--- no_error_log
[alert]



=== TEST 12: pages in place of a refusal
--- config
    error_page 400 403 405 =200 /page;
    error_page 503 =204 /page;
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
    location = /page {
        default_type  text/html;
        return        200 page;
    }
--- steps
! for my $case (['{', 400], [callback('p', 'success'), 403], [signed_text(callback('p', 'success', proj => 9)), 403]) { my $res = send_callback($case->[0]); is($res->{status}, $case->[1], 'status'); is($res->{body}, 'page', 'body') }
! my $res = send_callback($::text, method => 'PUT'); is($res->{status}, 405, 'status')
p success -> forward



=== TEST 13: a second service that takes it
--- config
    location = /callbacks {
        error_page 502 504 = @second;
        gate_verify  kz ua;
        proxy_pass   http://unix:$TEST_NGINX_REFUSING_SOCKET:/taken;
    }
    location @second {
        proxy_pass   http://unix:$TEST_NGINX_SECOND_SOCKET;
    }
    location = /next {
        gate_verify          kz ua;
        proxy_next_upstream  error timeout non_idempotent;
        proxy_pass           http://both/taken;
    }
--- more_http
    upstream both {
        server unix:$TEST_NGINX_REFUSING_SOCKET;
        server unix:$TEST_NGINX_SERVICE_SOCKET backup;
    }
--- steps
! my $n = $::second->count(); my $res = send_callback($::text); is($res->{status}, 200, 'status'); is($res->{body}, answer_body('forward', @::kz), 'body'); is($::second->count() - $n, 1, 'the second has it'); is($::second->last_request()->{body}, $::text, 'the same bytes'); is($::second->last_request()->{method}, 'POST', 'method')
! posts('next one of a group', 'forward', at => '/next')
! my $res = send_callback($::text, svc => 's500'); is($res->{status}, 502, 'the second refuses')
--- error_log
Connection refused
--- no_error_log
[alert]



=== TEST 14: a redirect to a service of another project
--- config
    location = /callbacks {
        error_page 502 = @second;
        gate_verify  kz;
        proxy_pass   http://unix:$TEST_NGINX_REFUSING_SOCKET:/taken;
    }
    location @second {
        gate_verify  ua;
        proxy_pass   http://unix:$TEST_NGINX_SECOND_SOCKET;
    }
--- steps
! my $n = $::second->count(); my $res = send_callback($::text); is($res->{status}, 403, 'status'); is($::second->count() - $n, 0, 'the second has not got it')
--- error_log
refused with "unknown_project"
--- no_error_log
[alert]



=== TEST 15: an answer from a cache is no delivery
--- more_http
    proxy_cache_path $TEST_NGINX_SCRATCH/cache keys_zone=c:1m;
--- config
    location = /callbacks {
        gate_verify          kz ua;
        proxy_cache          c;
        proxy_cache_methods  POST;
        proxy_cache_key      $request_uri;
        proxy_cache_valid    any 1h;
        proxy_ignore_headers Set-Cookie Cache-Control Expires;
        proxy_pass           http://service/taken;
    }
--- steps
! my $at = '/callbacks?' . ++$::number; my $n = $::service->count(); is(join(' ', map { send_callback($::text, at => $at)->{status} } 1 .. 3), '200 502 502', 'status'); is($::service->count() - $n, 1, 'one was forwarded')



=== TEST 16: nobody is there to take it
--- config
    location = /callbacks {
        gate_verify   kz ua;
        default_type  text/html;
    }
    location = /index/ {
        gate_verify  kz ua;
        index        x.html;
    }
--- steps
! unserved('a static file')
! unserved('an index', at => '/index/')
--- error_log
the service answered 404
--- errors
--- no_error_log
[alert]



=== TEST 17: headers and settings of conf.example
--- http_config eval
my $http = $Gate::Callbacks::http_config;
$http =~ s/^ *(?:proxy_set_header|add_header) .*\n//mg;
"$http\n    server_tokens off;\n    add_header X-Result \$gate_result always;\n    $::example_http"
--- config eval: $::example_location =~ s/\{/{\n    client_max_body_size 64k;/r
--- steps
! ours_only(callback('p', 'success'), Project => 'kz', 'Project-Id' => 1234, 'Payment-Id' => 'p', 'Callback-Status' => 'success', Operation => 'payout', Result => 'ok')
! ours_only('{"project_id":123,"recurring":{"id":1}}' =~ s/123/1234/r, Project => 'kz', 'Project-Id' => 1234, Result => 'ok')
! my $big = signed_text(callback('p', 'success', note => 'x' x 70000)); my $n = $::service->count(); is(send_callback($big, at => '/callbacks/gate')->{status}, 413, 'too large'); is($::service->count() - $n, 0, 'not forwarded')
! my $res = send_callback('{', at => '/callbacks/gate'); is($res->{headers}{server}, 'nginx', 'no version')
--- errors
--- no_error_log
[alert]



=== TEST 18: conf.example does not let others in
--- http_config eval
"$Gate::Callbacks::http_config\n$::example_http"
--- config eval: $::example_location =~ s/allow 127.0.0.1/allow 203.0.113.0\/24/r
--- steps
! my $n = $::service->count(); my $res = send_callback($::text, at => '/callbacks/gate'); is($res->{status}, 403, 'status'); is($::service->count() - $n, 0, 'not forwarded'); unlike($res->{body}, qr/gw_/, 'nothing was read')
--- error_log
access forbidden by rule
--- no_error_log
[alert]



=== TEST 19: conf.example's limit of requests makes Gate come again
--- http_config eval
"$Gate::Callbacks::http_config\n" . $::example_http =~ s/rate=200/rate=1/r
--- config eval: $::example_location =~ s/allow 203[^;]*/allow 127.0.0.1/r =~ s/burst=500/burst=1/r
--- steps
! my %seen; $seen{send_callback($::text, at => '/callbacks/gate')->{status}}++ for 1 .. 6; ok($seen{503} >= 3, 'told to come again'); is(($seen{200} // 0) + $seen{503}, 6, 'nothing else')
--- error_log
limiting requests
--- no_error_log
[alert]



=== TEST 20: Gate leaves before the service has answered
--- steps
! my $n = $::service->count(); my $conn = Gate::Http::Connection->new(); $conn->send(Gate::Http::bytes_of({ method => 'POST', uri => '/callbacks', body => $::text, headers => ['X-Upstream: hang=1'] })); $::service->wait_for($n + 1); my $log = length log_text(); $conn->close(); wait_until(10, sub { substr(log_text(), $log) =~ /client prematurely closed/ }); posts('the next one', 'forward')
--- error_log
client prematurely closed connection



=== TEST 21: without buffering, and with the whole answer in memory
--- config
    location = /callbacks {
        proxy_buffering  off;
        gate_verify      kz ua;
        proxy_pass       http://service/taken;
    }
--- steps
p success svc=s200    -> forward
p success svc=big     -> forward
p success svc=chunked -> forward
p success svc=s500    -> failed



=== TEST 22: with gzip, ranges and conditions
--- config
    location = /callbacks {
        gzip             on;
        gzip_types       *;
        gzip_min_length  1;
        gate_verify      kz ua;
        proxy_pass       http://service/taken;
    }
--- steps
! my $res = send_callback($::text, headers => ['Range: bytes=0-1', 'If-None-Match: "1"', 'If-Modified-Since: Sat, 21 Nov 2026 10:00:00 GMT'], svc => 'chatty'); is($res->{status}, 200, 'status'); is($res->{body}, answer_body('forward', @::kz), 'body')
! my $res = send_callback($::text, headers => ['Accept-Encoding: gzip']); is($res->{status}, 200, 'status'); is($res->{headers}{'content-encoding'}, 'gzip', 'gzip is the administrator\'s')
