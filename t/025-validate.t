#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# gate_validate through nginx: which rules a request's path selects, and how
# a refusal names the field.  The whole table of fields is a unit test's.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env;
use Gate::Outbound qw( :all );
use Test::Nginx::Socket 'no_plan';

our $modes = <<'_EOC_';
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }

    location /V2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }

    location /off/ {
        gate_sign      kz;
        gate_validate  off;
        proxy_pass     http://gate;
    }

    location /strict/ {
        gate_validate  strict;
        gate_sign      kz;
        proxy_pass     http://gate;
    }
_EOC_

# The payout with a part of it replaced.

sub but {
    my ($from, $to) = @_;

    my $body = $payout;
    $body =~ s/\Q$from\E/$to/ or die "no $from\n";

    return $body;
}

# Many requests of one block: lists of [path, body, refusal or undef].

my @table;

sub table { @table = @_; return }

sub requests {
    return [ map { "POST $_->[0]\n$_->[1]" } @table ];
}

sub codes {
    return [ map { defined $_->[2] ? 400 : 200 } @table ];
}

sub sources {
    return [ map { defined $_->[2] ? 'X-Gate-Source: gateway'
                                   : '! X-Gate-Source' } @table ];
}

sub bodies {
    return [ map { defined $_->[2] ? $_->[2] : qr/"project_id":1234,/ }
                 @table ];
}

# [path, body, message]

sub bad {
    my ($path, $body, $message, $payment_id) = @_;

    return [$path, $body, refusal('2004', $message, 1234,
                                  @_ > 3 ? $payment_id : 'payment_47')];
}

sub mobile { return bad($path, but($_[0], $_[1]), @_[2 .. $#_]) }

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: required fields that are missing
--- config eval: $::modes
--- request eval
::table(
    ::mobile('"payment_id":"payment_47"', '', 'general.payment_id is required', undef),
    ::mobile('"general":{"payment_id":"payment_47"},', '', 'general.payment_id is required', undef),
    ::mobile('"amount":100000', '"x":1', 'payment.amount is required'),
    ::mobile('"currency":"KZT",', '', 'payment.currency is required'),
    ::mobile('"id":"customer_123",', '', 'customer.id is required'),
    ::mobile('"ip_address":"198.51.100.47",', '', 'customer.ip_address is required'),
    ::mobile('"first_name":"John",', '', 'customer.first_name is required'),
    ::mobile('"last_name":"Doe",', '', 'customer.last_name is required'),
    ::mobile(',"email":"johndoe@example.com"', '', 'customer.email is required'),
    ::mobile('"number":"71234567890"', '', 'account.number is required'),
    ::mobile('"account":{"number":"71234567890"},', '', 'account.number is required'),
    ['/v2/payment/mobile/payout', $::payout],
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()
--- reached: any
--- after eval
sub { Test::More::cmp_ok($::up->count(), '<=', 2, 'only the good one reached Gate') }



=== TEST 2: wrong types and ranges
--- config eval: $::modes
--- request eval
my $amount = 'payment.amount must be an integer from 1 to 10000000000000';
my $id = 'general.payment_id must be a string of 1 to 255 characters';
::table(
    (map { ::mobile('100000', $_, $amount) }
         '0', '-1', '1.0', '1e5', '"100000"', 'null', 'true', '[]', '{}',
         '10000000000001', '18446744073709551617'),
    (map { ::mobile('"KZT"', $_, 'payment.currency must be three capital letters (ISO 4217)') }
         qw( "kzt" "KZ" "KZTT" "" 398 null )),
    (map { ::mobile('"payment_47"', $_, $id, undef) }
         '""', '47', 'null', '["payment_47"]', '"' . 'x' x 256 . '"'),
    (map { ::mobile('"71234567890"', $_, 'account.number must be a string of 4 to 24 digits') }
         qw( 71234567890 "+71234567890" "123" "" ), '"7 123 456 78 90"'),
    (map { ::mobile('"198.51.100.47"', $_, 'customer.ip_address must be an IPv4 or IPv6 address') }
         qw( "198.51.100" "198.51.100.256" "" "localhost" 1 )),
    ::mobile('{"payment_id":"payment_47"}', '[]', 'general must be an object', undef),
    ::mobile('{"currency":"KZT","amount":100000}', '"x"', 'payment must be an object'),
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()



=== TEST 3: values at their limits
--- config eval: $::modes
--- request eval
my $path = '/v2/payment/mobile/payout';
::table(
    [$path, ::but('100000', '1')],
    [$path, ::but('100000', '10000000000000')],
    [$path, ::but('payment_47', 'x' x 255)],
    [$path, ::but('payment_47', "\xd0\x96" x 255)],
    [$path, ::but('payment_47', '\u0416' x 255)],
    [$path, ::but('payment_47', "\xf0\x9f\x98\x80" x 255)],
    [$path, ::but('198.51.100.47', '2001:db8::47')],
    [$path, ::but('71234567890', '1' x 24)],
    [$path, ::but('71234567890', '1234')],
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()



=== TEST 4: what is required depends on the path
--- config eval: $::modes
--- request eval
my $general = '{"general":{"payment_id":"payment_47"}}';
my $money = '{"general":{"payment_id":"payment_47"},"payment":{"amount":1,"currency":"KZT"}}';
::table(
    ['/v2/payment/status', $general],
    ::bad('/v2/payment/status', '{}', 'general.payment_id is required', undef),
    ::bad('/v2/payment/clarification', $general, 'additional_data is required'),
    ['/v2/payment/clarification', '{"general":{"payment_id":"payment_47"},"additional_data":{}}'],
    ['/v2/info/mobile/payout/list', '{}'],
    ['/v2/info/available_methods_for_merchant/list', '{}'],
    ['/v2/info/x/y/z', '{}'],
    ['/v2/payment/unheard-of', $general],
    ['/v2/payment/unheard-of/payout', $money],
    ::bad('/v2/payment/unheard-of/payout', $general, 'payment.amount is required'),
    ::bad('/v2/payment/card/payout/token', $money, 'customer.id is required'),
    ::bad('/v2/payment/sbp-p2p/payout', $money, 'customer is required'),
    ::bad('/v2/payment/cash/x/payout', $money, 'customer.ip_address is required'),
    ::bad('/v2/payment/mobile/payout?x=/v2/info/y', $money, 'customer.id is required'),
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()
--- reached: any



=== TEST 5: a path that Gate may read in another way is a payout's
--- config eval: $::modes
--- request eval
::table(map { ::bad($_, '{"general":{"payment_id":"payment_47"}}', 'payment.amount is required') }
    '/v2/payment/%73tatus', '/v2//payment/status', '/v2/payment/./status',
    '/v2/info/../payment/status', '/v2/payment/status#x',
    '/v2/info/%2e%2e/payment/mobile/payout', '/v2/info/..%2fpayment/mobile/payout',
    '/v2/payment/mobile/payout/', '/v2/v2/payment/payout', '/V2/payment/payout',
    '/v2/info/..;/payment/mobile/payout', '/v2/info/x;y/..', '/v2/info/..\\payment/mobile/payout');
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()



=== TEST 6: "off" asks for JSON only
--- config eval: $::modes
--- request eval
::table(
    ['/off/v2/payment/mobile/payout', '{}'],
    ['/off/v2/payment/mobile/payout', '{"0":{},"":[],"00":{"":{"0":1}}}'],
    ['/off/v2/payment/mobile/payout', '{"payment":{"amount":-1,"currency":7},"general":{"payment_id":[]}}'],
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()



=== TEST 7: "off" still needs an object to put the fields into
--- config eval: $::modes
--- request
POST /off/v2/payment/mobile/payout
{"general":[]}
--- error_code: 400
--- response_headers
X-Gate-Source: gateway
Content-Type: application/json
--- response_body eval: ::refusal('2004', 'general must be an object', 1234)



=== TEST 8: "strict" asks for what a method's page lists
--- config eval: $::modes
--- request eval
my $path = '/strict/v2/payment/card/payout/token';
my $named = $::card;
$named =~ s/("ip_address")/"first_name":"John","middle_name":"J","last_name":"Doe",$1/;
my $empty = $named;
$empty =~ s/"J"/""/;
::table(
    ['/v2/payment/card/payout/token', $::card],
    ::bad($path, $::card, 'customer.first_name is required'),
    ::bad($path, $empty, 'customer.middle_name must not be empty'),
    [$path, $named],
    ['/v2/payment/card/payout/token', $empty],
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()
--- reached: any



=== TEST 9: a path without money takes no payout, which nobody would count
--- config eval: $::modes
--- request eval
my $here = 'payment must not have an amount here: nothing is paid by this path, and it would not be counted';
my $beside = 'customer must not be here beside an amount: nothing is paid by this path, and the body could be a payout';
my $foreign = ::but('"amount":100000', '"recipient_amount":100000');
::table(
    (map { my $prefix = $_;
           map { ::bad("$prefix$_", $::payout, $here) }
               '/v2/info/x', '/v2/info/mobile/payout/list', '/v2/info/banks/list', '/v2/payment/status',
               '/v2/payment/clarification', '/v2/info/available_methods_for_merchant/list' }
         '', '/off', '/strict'),
    (map { ::bad($_, $foreign, $here) } '/v2/info/x', '/v2/payment/status'),
    ::bad('/v2/payment/status', ::but('100000', '"100000"'), $here),
    (map { ::bad($_, $::payout, $beside) } '/v2/info/banks/kaspi/payout/list',
         '/v2/info/banks/a/b/payout/list', '/v2/info/available_p2p_method_list'),
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()



=== TEST 10: but what belongs there passes
--- config eval: $::modes
--- request eval
my $general = '"general":{"payment_id":"payment_47"}';
my $money = '"payment":{"amount":1,"currency":"KZT"}';
my $nothing = '"payment":{"amount":0,"currency":"KZT"}';
::table(
    ['/v2/info/banks/kaspi/payout/list', "{$general,$money}"],
    ['/v2/info/banks/a/b/payout/list', "{$general,$money}"],
    ['/v2/info/available_p2p_method_list', "{$general,$money}"],
    ['/v2/info/banks/kaspi/sale/list', "{$general,$nothing,\"customer\":{\"ip_address\":\"198.51.100.47\"}}"],
    ['/v2/payment/card/capture', "{$general,\"payment\":{\"amount\":1}}"],
    ['/v2/payment/card/refund', "{$general,\"payment\":{\"amount\":1,\"description\":\"d\"}}"],
    ['/v2/payment/card/account_verification', "{$general,$nothing}"],
    ['/v2/session/applepay', "{\"general\":{\"domain_name\":\"d\"},$money}"],
    ::bad('/v2/payment/mobile/payout', ::but('100000', '0'),
          'payment.amount must be an integer from 1 to 10000000000000'),
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()
--- reached: any



=== TEST 11: no request tells a status, which Gate alone does, with the same key
--- config eval: $::modes
--- request eval
my $out = 'must not be in a request: leave it out, only Gate tells the status of a payment';
my $hidden = sub { "a key or string must not put \\\";$_[0]\\\" into what is signed: only Gate tells the status of a payment" };
my $tells = ::but('"amount":100000', '"amount":100000,"id":"payment_47","status":"decline","sum":{"amount":100000,"currency":"KZT"}');
my $note = sub { ::but('"amount":100000', "\"amount\":100000,\"description\":\"$_[0]\"") };
my $top = sub { $::payout =~ s/^\{/{$_[0],/r };
my $asks = '{"general":{"payment_id":"payment_47"}';
::table(
    (map { ::bad("$_/v2/payment/mobile/payout", $tells, "payment.status $out") } '', '/off', '/strict'),
    (map { ::bad($::path, $top->("\"status\":$_"), "status $out") } '"success"', 'null', '[1]', '{"a":1}'),
    ::bad($::path, $top->('"operation":{"status":"success"}'), "operation.status $out"),
    ::bad($::path, $top->('"operations":[{"id":1},{"status":"success"}]'), "operations.status $out"),
    ::bad('/off/v2/payment/mobile/payout', ::but('{"currency":"KZT","amount":100000}', '"status:decline"'), "payment.status $out"),
    ::bad('/v2/payment/status', "$asks,\"payment\":{\"status\":\"success\"}}", "payment.status $out"),
    ::bad('/v2/payment/clarification', "$asks,\"additional_data\":{},\"status\":\"x\"}", "status $out"),
    ::bad($::path, $note->('x;payment:id:payment_47;payment:status:decline'), $hidden->('payment:status:')),
    ::bad($::path, $note->('x\\u003bpayment:status:decline'), $hidden->('payment:status:')),
    ::bad($::path, $note->('x;operation:status:success'), $hidden->('operation:status:')),
    ::bad($::path, $note->('x;operations:12:status:success'), $hidden->('operations:0:status:')),
    ::bad($::path, $top->('"x;payment":{"status":"decline"}'), $hidden->('payment:status:')),
    ::bad('/v2/payment/clarification', "$asks,\"additional_data\":{\"a\":\"b;status:success\"}}", $hidden->('status:')),
    ['/v2/payment/clarification', "$asks,\"additional_data\":{\"status\":\"x\",\"payment\":{\"status\":1}}}"],
    [$::path, $note->('Order 5; status: paid; payment:status:ok;Status:x;payment:card')],
    [$::path, $top->('"operation":{"id":1},"Status":"x","status":[]')],
);
::requests()
--- error_code eval: ::codes()
--- response_headers eval: ::sources()
--- response_body eval: ::bodies()
--- reached: any
