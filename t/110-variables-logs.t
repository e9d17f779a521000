#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Variables in headers and logs, whatever a payment_id holds; and with debug
# logging on, nothing secret or personal in any log.

use strict;
use warnings;

use lib 't/lib';

use Gate::Dead;
use Gate::Env;
use Gate::Http;
use Gate::Http2;
use Gate::Outbound qw( :all );
use Test::Nginx::Socket 'no_plan';

our $log_config = $http_config . <<'_EOC_';
    log_format gate escape=json
        '{"project":"$gate_project","project_id":"$gate_project_id",'
        '"payment_id":"$gate_payment_id","operation":"$gate_operation",'
        '"amount":"$gate_amount","currency":"$gate_currency",'
        '"result":"$gate_result","status":$status}';

    log_format plain '[$gate_payment_id] [$gate_result] [$gate_amount]';

    map $gate_result $color {
        default  red;
        ok       green;
        ""       none;
    }
_EOC_

our $config = <<'_EOC_';
    access_log logs/access.log;
    access_log logs/gate.log gate;
    access_log logs/plain.log plain;

    add_header X-Gate "$gate_project|$gate_project_id|$gate_payment_id|$gate_operation|$gate_amount|$gate_currency|$gate_result" always;
    add_header X-Color "$color" always;

    location /v2/ {
        set               $early "<$gate_result>";
        gate_sign         kz;
        proxy_pass        http://gate;
        proxy_set_header  X-Id       $gate_payment_id;
        proxy_set_header  X-Project  $gate_project/$gate_project_id;
        proxy_set_header  X-Amount   "$gate_amount $gate_currency";
        proxy_set_header  X-Result   "$early $gate_result";
        client_max_body_size 10k;
    }

    location /nobody/ {
        gate_sign         $http_x_nobody;
        proxy_pass        http://gate;
    }

    location /dead/ {
        gate_sign         kz;
        proxy_pass        http://unix:$TEST_NGINX_REFUSING_SOCKET;
        error_page        502 @gate_error;
    }

    location /silent/ {
        gate_sign           kz;
        proxy_read_timeout  20ms;
        proxy_pass          http://unix:$TEST_NGINX_SILENT_SOCKET;
        error_page          504 @gate_error;
    }

    location /redirected/ {
        gate_sign         kz;
        try_files         $uri @again;
    }

    location /mirrored/ {
        gate_sign         kz;
        mirror            /mirror;
        proxy_pass        http://gate;
    }

    location = /mirror {
        internal;
        proxy_pass        http://gate;
    }

    location /file/ {
        gate_sign                 kz;
        client_body_in_file_only  clean;
        proxy_pass                http://gate;
    }

    location @again {
        gate_sign         kz;
        proxy_pass        http://gate;
    }

    location @gate_error {
        gate_error;
    }

    location /plain/ {
        proxy_pass        http://gate;
    }
_EOC_

sub last_lines { return (Gate::Suite::new_lines($_[0], 0, $_[1]))[-$_[1] .. -1] }

sub with_id {
    my ($id) = @_;

    my $body = $payout;
    $body =~ s/payment_47/$id/;

    return $body;
}

# Lines of what Gate gets, and of a refusal, when the id is harmless.

sub lines_in {
    my ($head) = @_;

    return scalar(() = $head =~ /\r\n/g);
}

my @usual;

sub usual_lines {
    return @usual if @usual;

    Gate::Http::post($path, with_id('x'), headers => [$type]);
    my $res = Gate::Http::post($path, with_id('x') =~ s/KZT/kzt/r,
                               headers => [$type]);

    return @usual = (lines_in($up->last_request()->{head}),
                     lines_in($res->{head}));
}

# A client has its answer before nginx writes the log: once a later request is
# in the log, all earlier ones are.

my $marks = 0;

sub lines_of_log {
    my $id = 'mark_' . ++$marks;

    Gate::Http::post($path, with_id($id), headers => [$type]);
    Gate::Env::wait_until(5, sub { log_text('gate.log') =~ /"$id".*\n/ });

    return scalar(() = log_text('gate.log') =~ /\n/g);
}

# One payout with this id, spelled in JSON: what headers and logs say of it.

sub check_id {
    my ($spelled, $safe, $what) = @_;

    my ($lines, $refused_lines) = usual_lines();
    my $before = lines_of_log();
    my $res = Gate::Http::post($path, with_id($spelled), headers => [$type]);

    Test::More::is($res->{status}, 200, "$what: status");
    Test::More::is($res->{headers}{'x-gate'},
                   "kz|1234|$safe|payout|100000|KZT|ok", "$what: header");

    my $request = $up->last_request();

    Test::More::is($request->{headers}{'x-id'}, $safe, "$what: Gate's header");
    Test::More::is(lines_in($request->{head}), $lines,
                   "$what: lines of the head");

    # the same id, refused
    my $bad = with_id($spelled);
    $bad =~ s/KZT/kzt/;
    $res = Gate::Http::post($path, $bad, headers => [$type]);

    Test::More::is($res->{status}, 400, "$what: status of the refusal");
    Test::More::is(eval { json($res->{body})->{payment_id} },
                   utf8_of($safe), "$what: the refusal is JSON");
    Test::More::is(lines_in($res->{head}), $refused_lines,
                   "$what: lines of the answer's head");

    my @entries = map { eval { json($_) } // {} } last_lines('gate.log',
                                                             $before + 2);

    Test::More::is(scalar @entries, $before + 2, "$what: lines of the log");
    Test::More::is($entries[-2]{payment_id}, utf8_of($safe), "$what: in JSON");
    Test::More::is($entries[-1]{result}, 'invalid_field', "$what: result");

    my @refused = grep { / refused with "invalid_field"/ }
                  split /\n/, log_text();

    Test::More::is(index($refused[-1], '"' . $safe . '" of project "kz"') > 0,
                   1, "$what: in one line of the error log");
}

sub utf8_of {
    my ($bytes) = @_;

    my $text = $bytes;
    utf8::decode($text);

    return $text;
}

sub all_logs {
    return CORE::join '', map { slurp($_) }
                               glob "$ENV{TEST_NGINX_SERVROOT}/logs/*";
}

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: a payout
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
X-Gate: kz|1234|payment_47|payout|100000|KZT|ok
X-Color: green
--- response_body eval: $::signed
--- after eval
sub {
    my $headers = $::up->last_request()->{headers};

    Test::More::is($headers->{'x-id'}, 'payment_47', 'id');
    Test::More::is($headers->{'x-project'}, 'kz/1234', 'project');
    Test::More::is($headers->{'x-amount'}, '100000 KZT', 'amount');
    Test::More::is($headers->{'x-result'}, '<> ok', 'result, before and after');

    my ($line) = ::last_lines('gate.log', 1);

    Test::More::is_deeply(eval { ::json($line) }, {
        project => 'kz', project_id => '1234', payment_id => 'payment_47',
        operation => 'payout', amount => '100000', currency => 'KZT',
        result => 'ok', status => 200 }, 'line of the log');

    ($line) = ::last_lines('plain.log', 1);
    Test::More::is($line, '[payment_47] [ok] [100000]', 'plain line');
}



=== TEST 2: operations
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval
[ map { "POST /v2/$_->[0]\n$_->[1]" }
  ['payment/status', '{"general":{"payment_id":"p"}}'],
  ['payment/clarification', '{"general":{"payment_id":"p"},"additional_data":{}}'],
  ['info/mobile/payout/list', '{}'],
  ['info/available_methods_for_merchant/list', '{}'],
  ['payment/x', '{"payment":{"amount":7,"currency":"USD"}}'],
  ['payment/x/payout', '{"general":{"payment_id":"p"},"payment":{"amount":10000000000000,"currency":"JPY"}}'] ]
--- error_code eval: [ (200) x 6 ]
--- response_headers eval
[ map { "X-Gate: kz|1234|$_|ok" } 'p|status||', 'p|clarification||',
  '|info||', '|info||', '|other|7|USD', 'p|payout|10000000000000|JPY' ]
--- response_body_like eval: [ ('"signature":"') x 6 ]



=== TEST 3: results of refusals
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval
[ "GET $::path", "POST $::path\n{}", "POST $::path\n{}", "POST $::path\n{",
  "POST $::path\n" . '{"general":{"payment_id":"p"}}',
  "POST $::path\n" . '{"general":{"payment_id":"p"},"payment":{"amount":0}}',
  "POST /nobody/x\n{}", "POST $::path\n" . ($::payout =~ s/"payment_id"/"project_id":7,$&/r) ]
--- more_headers eval
[ $::type, 'Content-Type: text/plain', "$::type\nContent-Encoding: gzip",
  ($::type) x 5 ]
--- error_code eval: [ 405, 415, 415, 422, 400, 400, 403, 403 ]
--- response_headers eval
[ map { "X-Gate: $_\nX-Color: red" }
  'kz|1234||payout|||bad_method', 'kz|1234||payout|||bad_content_type',
  'kz|1234||payout|||bad_encoding', 'kz|1234||payout|||bad_json',
  'kz|1234|p|payout|||missing_field', 'kz|1234|p|payout|||invalid_field',
  '|||other|||unknown_project', 'kz|1234|payment_47|payout|100000|KZT|other_project' ]
--- response_body_like eval: [ ('"status":"error"') x 8 ]



=== TEST 4: Gate fails
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval
[ "POST /dead$::path\n$::payout", "POST /silent$::path\n$::payout" ]
--- error_code eval: [ 502, 504 ]
--- response_headers eval
[ map { "X-Gate: kz|1234|payment_47|payout|100000|KZT|$_" }
      qw( upstream_error upstream_timeout ) ]
--- response_body_like eval: [ ('gw_upstream') x 2 ]
--- no_error_log
[alert]



=== TEST 5: after redirects
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval: "POST /redirected$::path\n$::payout"
--- response_headers
X-Gate: kz|1234|payment_47|payout|100000|KZT|ok
--- response_body eval: $::signed



=== TEST 6: where nothing is signed
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval: "POST /plain$::path\n$::payout"
--- response_headers eval
"X-Gate: ||||||\nX-Color: none"
--- response_body eval: $::payout
--- after eval
sub {
    my ($line) = ::last_lines('plain.log', 1);
    Test::More::is($line, '[-] [-] [-]', 'plain line');
}



=== TEST 7: a request that never was one
--- http_config eval: $::log_config
--- config eval: $::config
--- raw_request eval: "POST $::path HTTP/1.1\r\nContent-Length: x\r\n\r\n"
--- error_code: 400
--- response_headers
! X-Gate-Source
--- response_body_like: 400 Bad Request



=== TEST 8: hostile ids
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
X-Gate: kz|1234|payment_47|payout|100000|KZT|ok
--- response_body eval: $::signed
--- after eval
sub {
    ::check_id('a\r\nX-Injected: 1\r\n\r\nb', 'a%0d%0aX-Injected: 1%0d%0a%0d%0ab', 'CR LF');
    ::check_id('a\nb\tc\u0000d\u001b[31m\u007f', 'a%0ab%09c%00d%1b[31m%7f', 'control characters');
    ::check_id('a\"b\\\\c\/d\'e', 'a"b\\c/d\'e', 'quotes');
    ::check_id('","result":"ok","x":"' =~ s/"/\\"/gr, '","result":"ok","x":"', 'JSON');
    ::check_id('$gate_project%0d%0a$host', '$gate_project%0d%0a$host', 'variables and escapes');
    ::check_id("\xd0\x96" x 255, "\xd0\x96" x 255, '255 letters');
    ::check_id('\ud83d\ude00' x 255, "\xf0\x9f\x98\x80" x 255, '255 characters of 4 bytes');
    ::check_id('\u0001' x 255, '%01' x 255, '255 control characters');
    ::check_id('\u0080\u0085\u2028', "%c2%80%c2%85\xe2\x80\xa8", 'other line ends');
    ::check_id('\u009b31m\u009f\u00a0', "%c2%9b31m%c2%9f\xc2\xa0", 'what steers a terminal');
    ::check_id('<script>{{x}}</script>', '<script>{{x}}</script>', 'HTML');
}



=== TEST 9: hostile ids over HTTP/2
--- http2
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval: "POST $::path\n" . ::with_id('a\r\nX-Injected: 1')
--- response_headers
X-Gate: kz|1234|a%0d%0aX-Injected: 1|payout|100000|KZT|ok
! X-Injected
--- response_body_like eval: '^\{"general":\{"project_id":1234,'



=== TEST 10: nothing secret or personal in any log
--- http_config eval: $::log_config
--- config eval: $::config
--- request eval: "POST $::path\n$::mobile"
--- response_headers
X-Color: green
--- response_body_like: "signature":"
--- after eval
sub {
    my ($body) = @_;

    my ($signature) = $body =~ /"signature":"([^"]+)"/;
    my @fields = ($signature, 'customer_123', '198.51.100.47', 'not-a-number',
                  'not-a-name', 'not.an.e-mail', '4000001234567890', 'AAAA-old');

    my @requests = map {
        my $from = $_;
        map { { method => 'POST', uri => "$from$::path", body => $_,
                headers => [$::type] } }
            $::mobile, $::payout, ::payout_of(5000);
    } '', '/dead', '/silent', '/redirected', '/mirrored', '/file';

    # refused, for what personal fields hold, and for their bytes
    for my $change (
        sub { s/71234567890/not-a-number/ },
        sub { s/"John"/["not-a-name"]/ },
        sub { s/johndoe\@example.com/not.an.e-mail/ },
        sub { s/198.51.100.47/not-a-number/ },
        sub { s/"email"/"email":"not.an.e-mail","email"/ },
        sub { s/John/John\xff/ }, sub { s/Doe/Doe\\ud800/ },
        sub { s/Doe"/Doe/ }, sub { s/}\z// }, sub { $_ .= 'not-a-name' },
        sub { s/"payment_id"/"project_id":7,"signature":"AAAA-old",$&/ },
        sub { s/"currency":"KZT"/"card":{"pan":"4000001234567890"}/ })
    {
        local $_ = $::payout;
        $change->();
        push @requests, { method => 'POST', uri => $::path, body => $_,
                          headers => [$::type] };
    }

    push @requests, { method => 'POST', uri => '/v2/payment/card/payout/token',
                      body => $::card, headers => [$::type] },
        { method => 'POST', uri => $::path, body => ::payout_of(20000),
          headers => [$::type] },
        { method => 'POST', uri => $::path, chunks => [unpack '(a50)*', $::payout],
          headers => [$::type] },
        { method => 'PUT', uri => $::path, body => $::payout, headers => [$::type] },
        { method => 'POST', uri => $::path, body => $::payout },
        map { { method => 'POST', uri => $::path, body => $::payout, cut => 300,
                headers => [$::type], rst => $_ } } 0, 1;

    my @answers = Gate::Http::parallel(\@requests, concurrency => 8);
    my %statuses = map { $_->{status} => 1 } @answers;

    Test::More::is(CORE::join(' ', sort keys %statuses),
                   ' 200 400 403 405 413 415 422 502 504', 'all kinds of answers');

    Gate::Http2::request(uri => $::path, body => $::mobile,
        headers => [['content-type', 'application/json']], cut => $_) for 100, 400;
    Gate::Http2::request(uri => $::path, body => $::mobile);

    my $logs = ::all_logs();

    Test::More::like($logs, qr/\[debug\]/, 'debugging is on');
    Test::More::cmp_ok(length $logs, '>', 50000, 'logs are there');
    Test::More::is(::secret_in($logs, @fields), undef, 'what must not be in them');

    for my $answer (grep { ($_->{headers}{'x-gate-source'} // '') eq 'gateway' } @answers) {
        Test::More::is(::secret_in("$answer->{head}$answer->{body}", @fields), undef,
                       'nor in an answer of the gateway');
    }
}
--- no_error_log
[alert]
--- reached: 1
