#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Payouts are signed on their way: what Gate gets is what the service sent,
# byte for byte, but for the fields that are put in.  The canonical strings
# are spelled out here; the simulator judges signatures on its own.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( write_key read_file root );
use Gate::Outbound qw( :all );
use Gate::Sim;
use Test::Nginx::Socket 'no_plan';

our $sim = Gate::Sim->run(projects => { 1234 => $kz_key, 123 => $ua_key });

our $sim_config = <<'_EOC_';
    location /v2/ {
        gate_sign   $http_x_project;
        proxy_pass  http://unix:$TEST_NGINX_SIM_SOCKET;
    }
_EOC_

our $by_variable = <<'_EOC_';
    location /v2/ {
        gate_sign   $http_x_project;
        proxy_pass  http://gate;
        add_header  X-Project "$gate_project/$gate_project_id" always;
    }
_EOC_

# What conf.example says of requests to Gate, without TLS.

our ($example) = read_file(root() . '/conf.example')
    =~ /^( +proxy_http_version 1\.1;\n +proxy_set_header   Host .*?)^ +proxy_ssl/ms;

our $signed_mobile = signed($mobile, $kz_key, 1234, lines_of());

our @card_lines = (
    'customer:id:customer_123', 'customer:ip_address:198.51.100.47',
    'general:payment_id:payment_47', 'general:project_id:123',
    'payment:amount:10000', 'payment:currency:USD',
    'token:pkmawa3khb7wninntq8g8q3592fjjxwvzfebwbegqkl1c16akpgo6sgxac6wulz7',
);

our $signed_card = signed($card, $ua_key, 123, @card_lines);

# What the simulator got last is this body; the next request finds it new.

sub received_by_sim {
    my ($expected) = @_;

    my $requests = $sim->control('GET', 'requests')->{requests};

    Test::More::is(scalar @$requests, 1, 'one request came');
    Test::More::is($requests->[0]{body}, $expected, 'what Gate received');

    $sim->control('POST', 'reset');
}

# The canonical string that a request of /v2/info/ with these lines has.

sub info {
    my ($before, $after, @lines) = @_;

    return $before . '"project_id":1234,"signature":"'
           . signature($kz_key, @lines) . '"' . $after;
}

# Keys that differ in their last bytes only.

our $plain_body = '{"general":{}}';
our $key_config = <<'_EOC_';
    location /v2/ {
        gate_sign   p;
        proxy_pass  http://gate;
    }
_EOC_

sub key_http_config {
    my ($name, $bytes) = @_;

    write_key("$name.key", $bytes);

    return <<"_EOC_";
    gate_project p {
        id           1234;
        secret_file  \$TEST_NGINX_KEYS/$name.key;
    }

    upstream gate {
        server unix:\$TEST_NGINX_UPSTREAM_SOCKET;
    }
_EOC_
}

sub signed_with {
    my ($key) = @_;

    return '{"general":{"project_id":1234,"signature":"'
           . signature($key, 'general:project_id:1234') . '"}}';
}

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: the payout to a mobile number
--- request eval
"POST /v2/payment/mobile/payout\n$::mobile"
--- response_headers eval
"X-Echo-Method: POST
X-Echo-Uri: /v2/payment/mobile/payout
X-Echo-Length: " . length($::signed_mobile) . "
X-Echo-Content-Length: " . length($::signed_mobile) . "
X-Echo-Transfer-Encoding:
! X-Gate-Source"
--- response_body eval: $::signed_mobile



=== TEST 2: the payout by a card's token
--- config
    location /v2/ {
        gate_sign   ua;
        proxy_pass  http://gate;
    }
--- request eval
"POST /v2/payment/card/payout/token\n$::card"
--- response_headers eval
"X-Echo-Uri: /v2/payment/card/payout/token
X-Echo-Content-Length: " . length($::signed_card)
--- response_body eval: $::signed_card



=== TEST 3: Gate accepts the payout to a mobile number
--- config eval: $::sim_config
--- request eval
"POST /v2/payment/mobile/payout\n$::mobile"
--- more_headers
Content-Type: application/json
X-Project: kz
--- response_headers_like
Content-Type: application/json.*
--- response_body_like: "status":\s*"success".*"project_id":\s*1234,\s*"payment_id":\s*"payment_47"
--- reached: 0
--- after eval: sub { ::received_by_sim($::signed_mobile) }



=== TEST 4: Gate accepts the payout by a card's token
--- config eval: $::sim_config
--- request eval
"POST /v2/payment/card/payout/token\n$::card"
--- more_headers
Content-Type: application/json
X-Project: ua
--- response_body_like: "status":\s*"success".*"project_id":\s*123,\s*"payment_id":\s*"payment_47"
--- reached: 0
--- after eval: sub { ::received_by_sim($::signed_card) }



=== TEST 5: Gate tells the operators to who sends an empty object
--- config eval: $::sim_config
--- request
POST /v2/info/mobile/payout/list
{}
--- more_headers
Content-Type: application/json
X-Project: kz
--- response_body_like: ACTIV.*ALTEL.*BEELINE.*KCELL.*TELE2
--- reached: 0
--- after eval
sub {
    ::received_by_sim(::info('{"general":{', '}}',
                             'general:project_id:1234'));
}



=== TEST 6: Gate tells the methods: both fields stand at the top level
--- config eval: $::sim_config
--- request
POST /v2/info/available_methods_for_merchant/list
{"directions":["payout"]}
--- more_headers
Content-Type: application/json
X-Project: kz
--- response_body_like: .
--- response_headers_like
Content-Type: application/json.*
--- reached: 0
--- after eval
sub {
    ::received_by_sim(::info('{', ',"directions":["payout"]}',
                             'directions:0:payout', 'project_id:1234'));
}



=== TEST 7: Gate accepts both orders' documents, lists of more than 10 items
--- config eval: $::sim_config
--- request eval
"POST /v2/info/mobile/payout/list\n"
. '{"general":{},"list":[' . CORE::join(',', 0 .. 11) . '],"a:b":1.10,"n":null}'
--- more_headers
Content-Type: application/json
X-Project: kz
--- response_body_like: ACTIV
--- reached: 0
--- after eval
sub {
    ::received_by_sim(::info('{"general":{', '},"list":['
        . CORE::join(',', 0 .. 11) . '],"a:b":1.10,"n":null}',
        'a::b:1.1', 'general:project_id:1234',
        (map { "list:$_:$_" } 0 .. 11), 'n:'));
}



=== TEST 8: an empty object at the top level
--- request
POST /v2/info/available_methods_for_merchant/list
{}
--- response_body eval
::info('{', '}', 'project_id:1234')



=== TEST 9: "general" is created before what is there
--- request
POST /v2/info/mobile/payout/list
{ "a" : [ ] , "b" : { } }
--- response_body eval
::info('{"general":{', '}, "a" : [ ] , "b" : { } }', 'general:project_id:1234')



=== TEST 10: "general" without members, with white space
--- request eval
"POST /v2/info/mobile/payout/list\n{\n\t\"general\" : { \n } \n}"
--- response_body eval
::info("{\n\t\"general\" : {", " \n } \n}", 'general:project_id:1234')



=== TEST 11: "general" at the end, and others of its name deeper
--- request
POST /v2/info/mobile/payout/list
{"x":{"general":{"y":"z"}},"general":{"referrer_url":"u"}}
--- response_body eval
::info('{"x":{"general":{"y":"z"}},"general":{', ',"referrer_url":"u"}}',
       'general:project_id:1234', 'general:referrer_url:u',
       'x:general:y:z')



=== TEST 12: "general" spelled with escapes
--- request
POST /v2/info/mobile/payout/list
{"\u0067ener\u0061l":{"payment_id":"caf\u00e9 \ud83d\ude00\n\/"}}
--- response_body eval
::info('{"\u0067ener\u0061l":{',
       ',"payment_id":"caf\u00e9 \ud83d\ude00\n\/"}}',
       "general:payment_id:caf\xc3\xa9 \xf0\x9f\x98\x80\n/",
       'general:project_id:1234')



=== TEST 13: the client's signature is replaced where it stood
--- request
POST /v2/info/mobile/payout/list
{"general":{"referrer_url":"u" , "signature" : "AAAA" , "terminal_callback_url":"t"}}
--- response_body eval
'{"general":{"project_id":1234,"referrer_url":"u" , "signature" : "'
. ::signature($::kz_key, 'general:project_id:1234', 'general:referrer_url:u',
              'general:terminal_callback_url:t')
. '" , "terminal_callback_url":"t"}}'



=== TEST 14: the client's signature and project_id
--- request
POST /v2/info/mobile/payout/list
{"general":{"signature":"AAAA","project_id":1234}}
--- response_body eval
'{"general":{"signature":"'
. ::signature($::kz_key, 'general:project_id:1234') . '","project_id":1234}}'



=== TEST 15: the client's project_id alone
--- request
POST /v2/info/mobile/payout/list
{"general":{ "project_id" : 1234 }}
--- response_body eval
'{"general":{"signature":"' . ::signature($::kz_key, 'general:project_id:1234')
. '", "project_id" : 1234 }}'



=== TEST 16: whatever the client's signature was: null, a number, an object
--- request eval
["POST /v2/info/mobile/payout/list\n" . '{"general":{"signature":null}}',
 "POST /v2/info/mobile/payout/list\n" . '{"general":{"signature":0}}',
 "POST /v2/info/mobile/payout/list\n"
 . '{"general":{"signature":{"signature":[1,{"a":"b"}]}}}']
--- response_body eval
my $body = '{"general":{"project_id":1234,"signature":"'
           . ::signature($::kz_key, 'general:project_id:1234') . '"}}';
[$body, $body, $body]
--- error_code eval: [200, 200, 200]



=== TEST 17: a signature at the top level is not the payout's
--- request
POST /v2/info/mobile/payout/list
{"signature":"A","x":{"signature":"B","frame_mode":"C","y":1},"general":{}}
--- response_body eval
::info('{"signature":"A","x":{"signature":"B","frame_mode":"C","y":1},'
       . '"general":{', '}}', 'general:project_id:1234', 'x:y:1')



=== TEST 18: the client's signature at the top level of the methods' list
--- request
POST /v2/info/available_methods_for_merchant/list
{"project_id":1234,"general":{"signature":"A","x":1},"signature":"B"}
--- response_body eval
'{"project_id":1234,"general":{"signature":"A","x":1},"signature":"'
. ::signature($::kz_key, 'general:x:1', 'project_id:1234') . '"}'



=== TEST 19: numbers, literals and spelling stay as they are
--- request
POST /v2/info/mobile/payout/list
{"a":1.10,"b":1E3,"c":-0,"d":12345678901234567890,"e":true,"f":false,"g":null,"h":"\u0041","i":0.00001,"general":{}}
--- response_body eval
::info('{"a":1.10,"b":1E3,"c":-0,"d":12345678901234567890,"e":true,"f":false,'
       . '"g":null,"h":"\u0041","i":0.00001,"general":{', '}}',
       'a:1.1', 'b:1000', 'c:0', 'd:1.2345678901235E+19', 'e:1', 'f:0', 'g:',
       'general:project_id:1234', 'h:A', 'i:1.0E-5')



=== TEST 20: natural order
--- request eval
"POST /v2/info/mobile/payout/list\n"
. '{"general":{},"l":[' . CORE::join(',', 1 .. 12) . ']}'
--- response_body eval
::info('{"general":{', '},"l":[' . CORE::join(',', 1 .. 12) . ']}',
       'general:project_id:1234', map { "l:$_:" . ($_ + 1) } 0 .. 11)



=== TEST 21: bytewise order
--- config
    gate_sort bytes;

    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
--- request eval
"POST /v2/info/mobile/payout/list\n"
. '{"general":{},"l":[' . CORE::join(',', 1 .. 12) . ']}'
--- response_body eval
::info('{"general":{', '},"l":[' . CORE::join(',', 1 .. 12) . ']}',
       'general:project_id:1234',
       map { "l:$_:" . ($_ + 1) } sort { $a cmp $b } 0 .. 11)



=== TEST 22: a project by name, by id
--- config eval: $::by_variable
--- request eval
[ map { "POST /v2/info/mobile/payout/list\n{}" } 1 .. 4 ]
--- more_headers eval
[ map { "Content-Type: application/json\nX-Project: $_" } qw( kz 1234 ua 123 ) ]
--- response_headers eval
[ map { "X-Project: $_" } qw( kz/1234 kz/1234 ua/123 ua/123 ) ]
--- response_body eval
my $kz = ::info('{"general":{', '}}', 'general:project_id:1234');
my $ua = '{"general":{"project_id":123,"signature":"'
         . ::signature($::ua_key, 'general:project_id:123') . '"}}';
[ $kz, $kz, $ua, $ua ]
--- error_code eval: [ 200, 200, 200, 200 ]



=== TEST 23: no project: empty, unknown, not quite an id
--- config eval: $::by_variable
--- request eval
[ map { "POST /v2/info/mobile/payout/list\n{}" } 1 .. 9 ]
--- more_headers eval
[ map { "Content-Type: application/json\nX-Project: $_" }
      '', 'KZ', 'kzz', '01234', '+1234', '1234.0', '0x7b', '4294968530',
      '18446744073709551739' ]
--- response_headers eval
[ map { "X-Gate-Source: gateway\nX-Project: /" } 1 .. 9 ]
--- response_body eval
[ map { ::refusal('gw_project', 'no project is configured for this request') }
      1 .. 9 ]
--- error_code eval: [ (403) x 9 ]



=== TEST 24: a variable within a name
--- config
    location ~ ^/(..)(/v2/.*)$ {
        gate_sign   "k${arg_last}";
        proxy_pass  http://gate;
    }
--- request
POST /kz/v2/info/mobile/payout/list?last=z
{}
--- response_headers
X-Echo-Uri: /kz/v2/info/mobile/payout/list?last=z
--- response_body eval
::info('{"general":{', '}}', 'general:project_id:1234')



=== TEST 25: a nested location inherits; "off" forwards as it came
--- config
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;

        location /v2/info/ {
            proxy_pass  http://gate;
        }

        location /v2/info/plain/ {
            gate_sign   off;
            proxy_pass  http://gate;
        }
    }
--- request eval
["POST /v2/info/a\n{}", "POST /v2/info/plain/a\n{}"]
--- response_body eval
[::info('{"general":{', '}}', 'general:project_id:1234'), '{}']
--- error_code eval: [200, 200]



=== TEST 26: the path is rewritten: the endpoint is what Gate sees
--- config
    location /gate/ {
        rewrite     ^/gate(/.*)$ $1 break;
        gate_sign   kz;
        proxy_pass  http://gate;
        add_header  X-Operation $gate_operation;
    }
--- request
POST /gate/v2/info/available_methods_for_merchant/list
{}
--- response_headers
X-Echo-Uri: /v2/info/available_methods_for_merchant/list
X-Operation: info
--- response_body eval
::info('{', '}', 'project_id:1234')



=== TEST 27: other content handlers see the new length
--- config
    location /v2/ {
        gate_sign         kz;
        proxy_pass        http://gate;
        proxy_set_header  X-Len $content_length;
        proxy_set_header  X-Upstream "header=X-Length%3A $content_length";
    }
--- request
POST /v2/info/mobile/payout/list
{}
--- response_headers eval
"X-Length: " . length(::info('{"general":{', '}}', 'general:project_id:1234'))
--- response_body eval
::info('{"general":{', '}}', 'general:project_id:1234')



=== TEST 28: a body that the configuration puts together
--- config
    location /v2/ {
        gate_sign         kz;
        proxy_pass        http://gate;
        proxy_set_body    "<$request_body>";
        client_body_buffer_size 1k;
    }
--- request
POST /v2/info/mobile/payout/list
{}
--- response_headers
! X-Gate-Source
--- response_body eval
'<' . ::info('{"general":{', '}}', 'general:project_id:1234') . '>'



=== TEST 29: within "if" and "limit_except"
--- config
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;

        if ($arg_way = ua) {
            proxy_pass  http://gate;
        }

        limit_except POST {
            deny  all;
        }
    }
--- request eval
[ "POST /v2/info/x?way=ua\n{}", "POST /v2/info/x\n{}", "PUT /v2/info/x\n{}" ]
--- error_code eval: [ 200, 200, 403 ]
--- response_headers eval: [ ('! X-Gate-Source') x 3 ]
--- response_body eval
my $body = ::info('{"general":{', '}}', 'general:project_id:1234');
[ $body, $body, qr/403 Forbidden/ ]
--- no_error_log
[alert]



=== TEST 30: access control comes first
--- config
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
        deny        all;
    }
--- request
POST /v2/info/x
{
--- error_code: 403
--- response_headers
! X-Gate-Source
--- response_body_like: 403 Forbidden
--- no_error_log
[alert]
gate outbound



=== TEST 31: a key without a line end
--- http_config eval: ::key_http_config('plain', 'key')
--- config eval: $::key_config
--- request eval
"POST /v2/info/x\n$::plain_body"
--- response_body eval: ::signed_with('key')



=== TEST 32: a key's trailing newline is not part of it
--- http_config eval: ::key_http_config('lf', "key\n")
--- config eval: $::key_config
--- request eval
"POST /v2/info/x\n$::plain_body"
--- response_body eval: ::signed_with('key')



=== TEST 33: CR LF at the end
--- http_config eval: ::key_http_config('crlf', "key\r\n")
--- config eval: $::key_config
--- request eval
"POST /v2/info/x\n$::plain_body"
--- response_body eval: ::signed_with('key')



=== TEST 34: only one line end is taken off, and nothing else
--- http_config eval: ::key_http_config('bytes', "\tk\xff\0 y \n\n")
--- config eval: $::key_config
--- request eval
"POST /v2/info/x\n$::plain_body"
--- response_body eval: ::signed_with("\tk\xff\0 y \n")



=== TEST 35: a key longer than a block of SHA-512
--- http_config eval: ::key_http_config('long', "0123456789abcdef" x 16)
--- config eval: $::key_config
--- request eval
"POST /v2/info/x\n$::plain_body"
--- response_body eval: ::signed_with("0123456789abcdef" x 16)



=== TEST 36: one signature does not leak into the next request
--- config eval: $::by_variable
--- pipelined_requests eval
[ map { "POST /v2/info/x\n{\"n\":$_}" } 1 .. 6 ]
--- more_headers eval
[ map { "Content-Type: application/json\nX-Project: "
        . ($_ % 2 ? 'kz' : 'nobody') } 1 .. 6 ]
--- response_body eval
[ map { $_ % 2 ? ::info('{"general":{', "},\"n\":$_}",
                        'general:project_id:1234', "n:$_")
               : ::refusal('gw_project',
                           'no project is configured for this request')
      } 1 .. 6 ]
--- error_code eval
[ map { $_ % 2 ? 200 : 403 } 1 .. 6 ]



=== TEST 37: what could mean another path, method or type does not reach Gate
--- config eval
"location /v2/ { set \$gate_name gate; gate_sign kz; proxy_pass http://gate; $::example }"
--- request eval
"POST /v2/payment/mobile/payout\n$::payout"
--- more_headers
Content-Type: application/json; charset=x
X-Original-URL: /v2/forged
X-Rewrite-Url: /v2/forged
X-HTTP-METHOD-OVERRIDE: FORGED
Upgrade: forged
HTTP2-Settings: forged
X-Other: passes
--- response_body eval: $::signed
--- after eval
sub {
    my $head = $::up->last_request()->{head};

    Test::More::unlike($head, qr/forged|upgrade|settings/i, 'none of it came');
    Test::More::is(CORE::join('|', $head =~ /^(content-type:.*)\r$/mig), 'Content-Type: application/json', 'one type');
    Test::More::like($head, qr/^X-Other: passes\r$/m, 'the rest did');
}
