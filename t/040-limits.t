#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Limits of payouts: each one at its exact boundary, what a refusal says, and
# what Redis holds afterwards.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( wait_until );
use Gate::Outbound qw( log_text );
use Gate::Payouts qw( :all );
use Test::Nginx::Socket 'no_plan';

$bodies{info} = '{}';
$bodies{status} = '{"general":{"payment_id":"s"}}';
$bodies{clarify} = '{"general":{"payment_id":"s"},"additional_data":{}}';
$bodies{no_payment} = '{"general":{"payment_id":"n"}}';
$bodies{no_id} = '{"payment":{"amount":5,"currency":"KZT"}}';
$bodies{text} = '{"general":{"payment_id":"t"},"payment":{"amount":"5",'
                . '"currency":"KZT"}}';
$bodies{bare} = '{"general":{"payment_id":"b"},"payment":{"amount":5,'
                . '"currency":"KZT"}}';

$bodies{part} = '{"general":{"payment_id":"a"},"payment":{"amount":6}}';
$bodies{zero} = '{"general":{"payment_id":"a"},"payment":{"amount":0,'
                . '"currency":"KZT"}}';
$bodies{foreign} = '{"general":{"payment_id":"f"},"payment":'
                   . '{"recipient_amount":6,"recipient_currency":"KZT"}}';
$bodies{double} = '{"general":{"payment_id":"f"},"payment":{"amount":1,'
                  . '"currency":"KZT","recipient_amount":6}}';

# Two ways: /v2/ decides, /dry/v2/ tells what it would have decided.

our $two_ways = <<'_EOC_';
    location /v2/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    location /dry/v2/ {
        gate_sign    kz;
        gate_limits  dry_run;
        proxy_pass   http://gate;
    }
    add_header X-Result $gate_result always;
_EOC_

our $unchecked = <<'_EOC_';
    gate_validate off;
    location / {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    add_header X-Result $gate_result always;
_EOC_

# Adds to the money totals that are there.

sub add_to_totals {
    my ($more) = @_;

    my $used = $redis->hash('gate:used:{1234}');

    for my $currency (keys %$used) {
        my $text = $used->{$currency};

        $text =~ s{([a-z]+:)(\d+)/}{$1 . ($2 + $more) . '/'}ge;
        $redis->cmd('HSET', 'gate:used:{1234}', $currency, $text);
    }
}

# Totals have the names of this moment, and stay until its hour ends.

sub windows_are {
    my ($offset) = @_;

    my $used = $redis->hash('gate:used:{1234}')->{KZT};
    my $now = $redis->cmd('TIME')->[0];
    my ($hour, $day, $month, $year, $weekday)
        = (gmtime $now + $offset)[2 .. 6];
    my ($mday, $mmonth, $myear)
        = (gmtime $now + $offset - (($weekday + 6) % 7) * 86400)[3 .. 5];

    my $window = sprintf '%04d%02d%02d%02d %04d%02d%02d',
                         $year + 1900, $month + 1, $day, $hour,
                         $myear + 1900, $mmonth + 1, $mday;

    Test::More::like($used, qr/ window:$window hour:/, 'names of windows');

    my $till = $used =~ /^2 till:(\d+) / ? $1 : 0;

    Test::More::is($till - $now, left_of_window('hour', $now, $offset),
                   'until the hour ends');
}

# A body that no limit can judge does not leave.

sub refused_for {
    my ($body, $path, $message) = @_;

    my $sent = $Gate::Outbound::up->count();
    my $res = post_payout('x', 1, body => $body, at => $path);

    Test::More::is($res->{status}, 400, "$body at $path");
    Test::More::is($res->{headers}{'x-result'}, 'invalid_field', 'result');
    Test::More::like($res->{body}, qr/"code":"2004","message":"\Q$message\E"/,
                     'message');
    Test::More::is($Gate::Outbound::up->count(), $sent, 'not sent');
}

# So many copies are under way, or attempts have ended, as nobody can do in a
# test.

sub copies_are {
    my ($id, $n) = @_;

    my $now = $redis->cmd('TIME')->[0];

    $redis->cmd('HSET', "gate:payout:{1234}:$id", 'state', 'reserved',
                'copies', join ' ', map { "c$_\@$now" } 1 .. $n);
}

sub attempts_are {
    my ($id, $n) = @_;

    # the outcome of the one before
    wait_until(10, sub { Gate::Payouts::ledger() =~ /^$id refused/m });

    $redis->cmd('HSET', "gate:payout:{1234}:$id", 'state', 'error', 'counted',
                0, 'ops', join ' ', map { "$_=error!/0" } 1 .. $n);
}

sub until_is {
    my ($seconds) = @_;

    $redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'max', '5 until '
                . ($redis->cmd('TIME')->[0] + $seconds) . ' then 3');
}

sub is_logged {
    my ($text) = @_;

    Test::More::like(log_text(), qr/\Q$text\E/, "logged: $text");
}

sub in_project {
    my ($id) = @_;

    my @keys = sort @{ $redis->cmd('KEYS', 'gate:*') };

    Test::More::is(scalar(grep { !/\{$id\}/ } @keys), 0,
                   "all keys are of project $id");
    Test::More::is(scalar @keys, 5, 'limits, entry, totals, index and era');
}

Gate::Payouts::suite();

no_root_location();

run_tests();

__DATA__

=== TEST 1: a payout under all limits
--- limits
KZT min=1 max=1000 hour=1000 day=1000 week=1000 month=1000
--- steps
a 1000 -> 200
--- ledger
a accepted 1000
--- totals
KZT 1000/1



=== TEST 2: min
--- limits
KZT min=100
--- steps
a 100 -> 200
b 99 -> 400 limit_min 100
c 1 -> 400 limit_min 100
--- ledger
a accepted 100
--- totals
KZT 100/1



=== TEST 3: max
--- limits
KZT max=100
--- steps
a 100 -> 200
b 101 -> 400 limit_max 100
c 10000000000000 -> 400 limit_max 100
--- ledger
a accepted 100
--- totals
KZT 100/1



=== TEST 4: hour
--- limits
KZT hour=1000
--- steps
a 400 -> 200
b 601 -> 429 limit_hour 1000
c 600 -> 200
d 1 -> 429 limit_hour 1000
--- ledger
a accepted 400
c accepted 600
--- totals
KZT 1000/2



=== TEST 5: day
--- limits
KZT day=1000
--- steps
a 400 -> 200
b 601 -> 429 limit_day 1000
c 600 -> 200
d 1 -> 429 limit_day 1000
--- ledger
a accepted 400
c accepted 600
--- totals
KZT 1000/2



=== TEST 6: week
--- limits
KZT week=1000
--- steps
a 400 -> 200
b 601 -> 429 limit_week 1000
c 600 -> 200
d 1 -> 429 limit_week 1000
--- ledger
a accepted 400
c accepted 600
--- totals
KZT 1000/2



=== TEST 7: month
--- limits
KZT month=1000
--- steps
a 400 -> 200
b 601 -> 429 limit_month 1000
c 600 -> 200
d 1 -> 429 limit_month 1000
--- ledger
a accepted 400
c accepted 600
--- totals
KZT 1000/2



=== TEST 8: hour_count
--- limits
KZT hour_count=2
--- steps
a 1 -> 200
b 10000000000000 -> 200
c 1 -> 429 limit_hour_count 2
--- ledger
a accepted 1
b accepted 10000000000000
--- totals
KZT 10000000000001/2



=== TEST 9: day_count
--- limits
KZT day_count=1
--- steps
a 1 -> 200
b 1 -> 429 limit_day_count 1
--- ledger
a accepted 1
--- totals
KZT 1/1



=== TEST 10: week_count
--- limits
KZT week_count=1
--- steps
a 1 -> 200
b 1 -> 429 limit_week_count 1
--- ledger
a accepted 1
--- totals
KZT 1/1



=== TEST 11: month_count
--- limits
KZT month_count=1
--- steps
a 1 -> 200
b 1 -> 429 limit_month_count 1
--- ledger
a accepted 1
--- totals
KZT 1/1



=== TEST 12: all or nothing: what the last window refuses is in none
--- limits
KZT hour=1000 day=1000 week=1000 month=500 hour_count=9
--- steps
a 500 -> 200
b 1 -> 429 limit_month 500
c 1 -> 429 limit_month 500
--- ledger
a accepted 500
--- totals
KZT 500/1



=== TEST 13: of several windows that refuse, the one that lasts longest
--- limits
KZT hour=10 day=10 week_count=1 month=1000
--- steps
a 10 -> 200
b 1 -> 429 limit_week_count 1
--- ledger
a accepted 10
--- totals
KZT 10/1



=== TEST 14: a limit of 0 lets nothing through
--- limits
KZT day=0
USD max=0
EUR month_count=0
--- steps
a 1 -> 429 limit_day 0
b 1 cur=USD -> 400 limit_max 0
c 1 cur=EUR -> 429 limit_month_count 0
--- ledger
--- totals
EUR 0/0
KZT 0/0
USD 0/0



=== TEST 15: a currency's totals are its own
--- limits
KZT day=100
USD day=100
--- steps
a 100 -> 200
b 1 -> 429 limit_day 100
c 100 cur=USD -> 200
d 1 cur=USD -> 429 limit_day 100
--- ledger
a accepted 100
c accepted 100
--- totals
KZT 100/1
USD 100/1



=== TEST 16: a project's limits are its own
--- config
    location /v2/ {
        gate_sign    ua;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    add_header X-Result $gate_result always;
--- limits
KZT max=1
--- steps
! $::redis->cmd('DEL', 'gate:limits:{1234}:KZT')
! $::redis->cmd('HSET', 'gate:limits:{123}:KZT', 'max', 50)
a 50 -> 200
--- finally eval
sub { ::in_project(123) }



=== TEST 17: a currency without limits is refused
--- limits
KZT day=100
--- steps
a 1 cur=USD -> 400 no_limits
--- ledger
--- totals



=== TEST 18: gate_limits_default allow: counted all the same
--- config
    gate_limits_default allow;
    location /v2/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    add_header X-Result $gate_result always;
--- limits
KZT max=1
--- steps
a 7 cur=USD -> 200
b 8 cur=USD -> 200
c 2 -> 400 limit_max 1
--- ledger
a accepted 7
b accepted 8
--- totals
KZT 0/0
USD 15/2



=== TEST 19: a limit that is no number fails closed
--- limits
KZT day=12x
--- steps
a 1 -> 503 bad_limit
--- ledger
--- totals
--- no_error_log
[alert]
--- finally eval
sub {
    ::is_logged('limits of project 1234 for KZT in redis cannot be used, its'
                . ' payouts are refused: bad_limit "day" "12x"');
}



=== TEST 20: so do negative, decimal, padded, empty and too great ones
--- limits
KZT max=-1
USD max=1.5
EUR max=007
GBP max=
JPY max=9223372036854775808
--- steps
a 1 -> 503 bad_limit
b 1 cur=USD -> 503 bad_limit
c 1 cur=EUR -> 503 bad_limit
d 1 cur=GBP -> 503 bad_limit
e 1 cur=JPY -> 503 bad_limit
--- ledger
--- totals
--- no_error_log
[alert]



=== TEST 21: and a name that is none; but notes may stand there
--- limits
KZT max=5 dayly=5
USD max=5 _comment=agreed
--- steps
a 1 -> 503 bad_limit
b 5 cur=USD -> 200
c 6 cur=USD -> 400 limit_max 5
--- ledger
b accepted 5
--- totals
USD 5/1
--- no_error_log
[alert]
--- finally eval
sub { ::is_logged('bad_limit "dayly" ""') }



=== TEST 22: a bad limit is no trouble for others
--- limits
KZT day=x
USD day=10
--- steps
a 1 -> 503 bad_limit
b 10 cur=USD -> 200
--- ledger
b accepted 10
--- totals
USD 10/1
--- no_error_log
[alert]



=== TEST 23: a total that is no number fails closed
--- limits
KZT day=100
--- steps
a 1 -> 200
! $::redis->cmd('HSET', 'gate:used:{1234}', 'KZT', 'x')
b 1 -> 503 bad_limit
--- ledger
a accepted 1
--- no_error_log
[alert]
--- finally eval
sub { ::is_logged('bad_total "KZT" "": mend that field of the hash') }



=== TEST 24: a limit that changes counts for the next payout
--- limits
KZT day=100
--- steps
a 100 -> 200
b 1 -> 429 limit_day 100
! $::redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'day', 150)
b 50 -> 200
! $::redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'day', 10)
c 1 -> 429 limit_day 10
! $::redis->cmd('HDEL', 'gate:limits:{1234}:KZT', 'day'); $::redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'max', 5)
c 5 -> 200
--- ledger
a accepted 100
b accepted 50
c accepted 5
--- totals
KZT 155/3



=== TEST 25: totals are exact beyond 2^53
--- limits
KZT day=9007199254740995
--- steps
a 1 -> 200
! ::add_to_totals('9007199254740992')
b 3 -> 429 limit_day 9007199254740995
c 1 -> 200
d 2 -> 429 limit_day 9007199254740995
e 1 -> 200
f 1 -> 429 limit_day 9007199254740995
--- ledger
a accepted 1
c accepted 1
e accepted 1
--- totals
KZT 9007199254740995/3



=== TEST 26: to the last number that Redis can hold, and not beyond
--- limits
KZT month=9223372036854775807
--- steps
a 1 -> 200
! ::add_to_totals('9223372036854775800')
b 7 -> 429 limit_month 9223372036854775807
c 6 -> 200
d 1 -> 429 limit_month 9223372036854775807
! $::redis->cmd('HDEL', 'gate:limits:{1234}:KZT', 'month'); $::redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'min', 1)
e 1 -> 503 bad_limit
--- ledger
a accepted 1
c accepted 6
--- totals
KZT 9223372036854775807/2
--- no_error_log
[alert]



=== TEST 27: windows are those of UTC, and expire
--- limits
KZT day=100
--- steps
a 100 -> 200
b 1 -> 429 limit_day 100
--- finally eval
sub { ::windows_are(0) }



=== TEST 28: a calendar to the east
--- more_http
    gate_limits_timezone +05:00;
--- offset: 18000
--- limits
KZT day=100
USD hour=100
EUR week=100
GBP month=100
--- steps
a 100 -> 200
b 1 -> 429 limit_day 100
c 101 cur=USD -> 429 limit_hour 100
d 101 cur=EUR -> 429 limit_week 100
e 101 cur=GBP -> 429 limit_month 100
--- finally eval
sub { ::windows_are(18000) }



=== TEST 29: a calendar to the west, with half an hour
--- more_http
    gate_limits_timezone -09:30;
--- offset: -34200
--- limits
KZT day=100
USD hour=100
EUR week=100
GBP month=100
--- steps
a 100 -> 200
b 1 -> 429 limit_day 100
c 101 cur=USD -> 429 limit_hour 100
d 101 cur=EUR -> 429 limit_week 100
e 101 cur=GBP -> 429 limit_month 100
--- finally eval
sub { ::windows_are(-34200) }



=== TEST 30: a calendar fourteen hours ahead
--- more_http
    gate_limits_timezone +14:00;
--- offset: 50400
--- limits
KZT month_count=1
USD week_count=0
--- steps
a 100 -> 200
b 1 -> 429 limit_month_count 1
c 1 cur=USD -> 429 limit_week_count 0
--- finally eval
sub { ::windows_are(50400) }



=== TEST 31: endpoints that move no money need no limits
--- steps
s 0 at=/v2/info/mobile/payout/list body=info -> 200
s 0 at=/v2/payment/status body=status -> 200
s 0 at=/v2/payment/clarification body=clarify -> 200
s 0 at=/v2/info/available_methods_for_merchant/list body=info -> 200
p 1 -> 400 no_limits
--- ledger
--- totals



=== TEST 32: nor a Redis
--- http_config eval
my $http = $Gate::Payouts::http_config;
$http =~ s/REDIS_SOCKET timeout=5s/SCRATCH\/nothing/; $http
--- steps
s 0 at=/v2/info/mobile/payout/list body=info -> 200
s 0 at=/v2/payment/status body=status -> 200
p 1 -> 503 redis_unavailable
--- no_error_log
[alert]



=== TEST 33: without validation limits hold all the same
--- config eval: $::unchecked
--- limits
KZT max=5
--- steps
b 5 body=bare -> 200
c 6 -> 400 limit_max 5
n 0 body=no_payment -> 400 invalid_field
t 0 body=text -> 400 invalid_field
--- ledger
b accepted 5
--- totals
KZT 5/1



=== TEST 34: a payment to a path that nobody knows is a payout
--- config eval: $::unchecked
--- limits
KZT max=5
--- steps
b 5 body=bare at=/v2/payment/brand-new/payout -> 200
c 6 at=/v2/payment/brand-new/thing -> 400 limit_max 5
d 6 at=/other -> 400 limit_max 5
n 0 body=no_payment at=/v2/payment/brand-new/thing -> 200
n 0 body=no_payment at=/v2/payment/brand-new/payout -> 400 invalid_field
--- ledger
b accepted 5
--- totals
KZT 5/1



=== TEST 35: a path in disguise is a payout's
--- config eval: $::unchecked
--- limits
KZT max=5
--- steps
c 6 at=/v2/x/../info/mobile/payout/list -> 400 limit_max 5
d 6 at=/v2/info/%6dobile/payout/list -> 400 limit_max 5
e 6 at=//v2/info/mobile/payout/list -> 400 limit_max 5
--- ledger
--- totals
KZT 0/0



=== TEST 36: a payout without an id cannot be counted
--- config eval: $::unchecked
--- limits
KZT max=5
--- steps
! $::res = ::post_payout('x', 5, body => 'no_id')
! Test::More::is($::res->{status}, 400, 'status')
! Test::More::is($::res->{headers}{'x-result'}, 'invalid_field', 'result')
! Test::More::like($::res->{body}, qr/"code":"2004".*general payment_id/, 'body')
--- ledger
--- totals



=== TEST 37: dry_run decides, logs and never refuses
--- config eval: $::two_ways
--- limits
KZT min=2 max=100 day=150
--- steps
a 100 at=/dry/v2/payment/mobile/payout -> 200
b 101 at=/dry/v2/payment/mobile/payout -> 200 limit_max_dry_run
c 1 at=/dry/v2/payment/mobile/payout -> 200 limit_min_dry_run
d 51 at=/dry/v2/payment/mobile/payout -> 200 limit_day_dry_run
e 9 cur=USD at=/dry/v2/payment/mobile/payout -> 200 no_limits_dry_run
--- ledger
dry a accepted 100
--- totals
dry KZT 100/1
--- error_log
payout "b" of project "kz" passes in spite of "limit_max"
payout "c" of project "kz" passes in spite of "limit_min"
payout "d" of project "kz" passes in spite of "limit_day"
payout "e" of project "kz" passes in spite of "no_limits"



=== TEST 38: dry_run and bad limits, and a payment_id used again
--- config eval: $::two_ways
--- limits
KZT day=100
USD day=x
--- steps
a 1 cur=USD at=/dry/v2/payment/mobile/payout -> 200 bad_limit_dry_run
b 60 at=/dry/v2/payment/mobile/payout -> 200
b 60 at=/dry/v2/payment/mobile/payout -> 200 repeat
b 61 at=/dry/v2/payment/mobile/payout -> 200 duplicate_dry_run
--- ledger
dry b accepted 60
--- totals
dry KZT 60/1
--- no_error_log
[alert]



=== TEST 39: dry_run has totals of its own, in both directions
--- config eval: $::two_ways
--- limits
KZT day=100
--- steps
a 100 at=/dry/v2/payment/mobile/payout -> 200
b 100 -> 200
c 1 -> 429 limit_day 100
d 1 at=/dry/v2/payment/mobile/payout -> 200 limit_day_dry_run
--- ledger
b accepted 100
dry a accepted 100
--- totals
KZT 100/1
dry KZT 100/1



=== TEST 40: a payout of a dry run is new where limits are enforced
--- config eval: $::two_ways
--- limits
KZT day=100
--- steps
a 60 at=/dry/v2/payment/mobile/payout -> 200
a 60 -> 200
b 60 at=/dry/v2/payment/mobile/payout -> 200 limit_day_dry_run
b 60 -> 429 limit_day 100
--- ledger
a accepted 60
dry a accepted 60
--- totals
KZT 60/1
dry KZT 60/1



=== TEST 41: a Redis that is away does not stop a dry run
--- config eval: $::two_ways
--- http_config eval
my $http = $Gate::Payouts::http_config;
$http =~ s/REDIS_SOCKET timeout=5s/SCRATCH\/nothing/; $http
--- steps
a 60 at=/dry/v2/payment/mobile/payout -> 200 redis_unavailable_dry_run
a 60 -> 503 redis_unavailable
--- no_error_log
[alert]



=== TEST 42: a redirect does not lead around the limits
--- config
    location /free/ {
        gate_sign        kz;
        proxy_pass       http://unix:$TEST_NGINX_SCRATCH/nobody;
        error_page       502 = @enforced;
    }
    location /dry/ {
        gate_sign        kz;
        gate_limits      dry_run;
        proxy_pass       http://unix:$TEST_NGINX_SCRATCH/nobody;
        error_page       502 = @enforced;
    }
    location @enforced {
        gate_sign        kz;
        gate_limits      on;
        proxy_pass       http://gate;
    }
    add_header X-Result $gate_result always;
--- limits
KZT max=5
--- steps
a 6 at=/free/v2/payment/mobile/payout -> 502 upstream_error
b 6 at=/dry/v2/payment/mobile/payout -> 502 upstream_error
i 0 body=info at=/free/v2/info/mobile/payout/list -> 200
--- ledger
--- totals
dry KZT 0/0
--- no_error_log
[alert]
--- error_log
a payout came by a redirect to a location with "gate_limits on"



=== TEST 43: a redirect is not counted twice
--- config
    location /v2/ {
        gate_sign        kz;
        gate_limits      on;
        proxy_pass       http://unix:$TEST_NGINX_SCRATCH/nobody;
        error_page       502 = @second;
    }
    location @second {
        gate_sign        kz;
        gate_limits      on;
        proxy_pass       http://gate;
    }
    add_header X-Result $gate_result always;
--- limits
KZT day_count=1
--- steps
a 6 -> 200
b 6 -> 429 limit_day_count 1
--- ledger
a accepted 6
--- totals
KZT 6/1
--- no_error_log
[alert]



=== TEST 44: off in a location within one that has limits
--- config
    gate_limits on;
    location /v2/ {
        gate_sign        kz;
        proxy_pass       http://gate;

        location /v2/payment/card {
            gate_sign    kz;
            gate_limits  off;
            proxy_pass   http://gate;
        }
    }
    add_header X-Result $gate_result always;
--- limits
KZT max=5
--- steps
a 6 -> 400 limit_max 5
b 6 at=/v2/payment/card-p2p/payout -> 200
--- ledger
--- totals
KZT 0/0



=== TEST 45: over HTTP/2
--- http2
--- limits
KZT day=100
--- request eval
['POST /v2/payment/mobile/payout
' . ::body_of('a', 100), 'POST /v2/payment/mobile/payout
' . ::body_of('b', 1)]
--- more_headers
Content-Type: application/json
X-Upstream: type=application/json; body=done
--- error_code eval: [200, 429]
--- response_body eval
['done', ::refusal_body('limit_day', 100, 'b')]
--- response_headers eval
['! X-Gate-Source
X-Result: ok', 'X-Gate-Source: gateway
X-Result: limit_day']
--- reached: any
--- ledger
a unknown 100
--- totals
KZT 100/1



=== TEST 46: gate_limits without gate_redis
--- config
    location /v2/ {
        gate_limits on;
    }
--- must_die
--- error_log
"gate_limits" without "gate_redis"



=== TEST 47: dry_run without gate_redis
--- config
    gate_limits dry_run;
--- must_die
--- error_log
"gate_limits" without "gate_redis"



=== TEST 48: gate_limits takes on, off and dry_run
--- config
    gate_limits maybe;
--- must_die
--- error_log
invalid value "maybe"



=== TEST 49: gate_limits_default takes deny and allow
--- config
    gate_limits_default ask;
--- must_die
--- error_log
invalid value "ask"



=== TEST 50: gate_limits_on_error takes deny and allow
--- config
    gate_limits_on_error ask;
--- must_die
--- error_log
invalid value "ask"



=== TEST 51: gate_limits_timezone with a name
--- http_config
    gate_limits_timezone Asia/Almaty;
--- config
--- must_die
--- error_log
invalid offset "Asia/Almaty" in "gate_limits_timezone": use utc or +HH:MM



=== TEST 52: gate_limits_timezone with too many hours
--- http_config
    gate_limits_timezone +15:00;
--- config
--- must_die
--- error_log
invalid offset "+15:00" in "gate_limits_timezone"



=== TEST 53: gate_limits_timezone with too many minutes
--- http_config
    gate_limits_timezone +05:60;
--- config
--- must_die
--- error_log
invalid offset "+05:60" in "gate_limits_timezone"



=== TEST 54: gate_limits_timezone without a sign
--- http_config
    gate_limits_timezone 05:00;
--- config
--- must_die
--- error_log
invalid offset "05:00" in "gate_limits_timezone"



=== TEST 55: gate_limits_timezone twice
--- http_config
    gate_limits_timezone utc;
    gate_limits_timezone +05:00;
--- config
--- must_die
--- error_log
"gate_limits_timezone" directive is duplicate



=== TEST 56: gate_ledger_ttl shorter than callbacks may come
--- http_config
    gate_ledger_ttl 11d;
--- config
--- must_die
--- error_log
"gate_ledger_ttl" must be at least 12 days



=== TEST 57: what cannot be a payout passes uncounted, all else is counted
--- config eval: $::unchecked
--- limits
KZT max=5
--- steps
a 0 body=part at=/v2/payment/card/capture -> 200
a 0 body=part at=/v2/payment/card/refund -> 200
a 0 body=zero at=/v2/payment/card/account_verification -> 200
a 0 body=no_id at=/v2/session/applepay -> 200
b 5 body=bare at=/v2/payment/card/refund -> 200
c 6 at=/v2/payment/card/capture -> 400 limit_max 5
a 0 body=part -> 400 invalid_field
t 0 body=text at=/v2/payment/card/refund -> 400 invalid_field
--- ledger
b accepted 5
--- totals
KZT 5/1



=== TEST 58: an amount that limits do not know is not sent
--- config eval: $::unchecked
--- limits
KZT max=5
--- steps
! ::refused_for('foreign', '/v2/payment/card/money_transfer/out', 'payment has an amount that limits do not know: only payment.amount is counted')
! ::refused_for('double', '/v2/payment/card/money_transfer/out', 'payment has an amount that limits do not know: only payment.amount is counted')
! ::refused_for('double', '/v2/payment/mobile/payout', 'payment has an amount that limits do not know: only payment.amount is counted')
! ::refused_for('bare', '/v2/info/x', 'payment must not have an amount here: nothing is paid by this path, and it would not be counted')
--- ledger
--- totals



=== TEST 59: a limit makes no lines of its own
--- steps
! $::redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'day', "1\n\e[31m\xc2\x9b31m\xff")
a 1 -> 503 bad_limit
--- ledger
--- no_error_log
[alert]
--- finally eval
sub { ::is_logged('bad_limit "day" "1%0a%1b[31m%c2%9b31m%ff"') }



=== TEST 60: payouts that an operator has stopped
--- config
    location /v2/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    location /dry/ {
        gate_sign    kz;
        gate_limits  dry_run;
        proxy_pass   http://gate;
    }
    add_header X-Result $gate_result always;
--- limits
KZT max=5
USD max=5
--- steps
! $::redis->cmd('HSET', 'gate:stop:{1234}', 'KZT', 'ann, TICKET-9')
a 1 -> 503 stopped
b 1 cur=USD -> 200
c 1 at=/dry/v2/payment/mobile/payout -> 200 stopped_dry_run
! $::redis->cmd('HSET', 'gate:stop:{1234}', '*', 'bob')
d 1 cur=USD -> 503 stopped
! $::redis->cmd('DEL', 'gate:stop:{1234}')
a 1 -> 200
d 1 cur=USD -> 200
--- ledger
a accepted 1
b accepted 1
d accepted 1
--- totals
KZT 1/1
USD 2/2
--- no_error_log
TICKET
--- finally eval
sub {
    ::is_logged('payouts of project 1234 in KZT are stopped by an operator: who'
                . ' and why is in "gate:stop:{1234}" in redis');
}



=== TEST 61: as many copies of a payout as may be under way
--- limits
KZT max=5
--- steps
a 1 -> 200
! ::copies_are('a', 31)
a 1 -> 200 repeat
! ::copies_are('a', 32)
a 1 -> 503 busy
b 1 -> 200
--- ledger
a reserved 1
b accepted 1
--- totals
KZT 2/2



=== TEST 62: more attempts than a payment_id can have
--- limits
KZT max=5
--- steps
a 1 up=refused -> 400 relayed
! ::attempts_are('a', 47)
a 1 up=refused -> 400 relayed
! ::attempts_are('a', 48)
a 1 -> 409 worn
b 1 -> 200
--- ledger
a error 0
b accepted 1
--- totals
KZT 1/1



=== TEST 63: another version has written the ledger
--- limits
KZT max=5
--- steps
! $::redis->cmd('HSET', 'gate:era:{1234}', 'era', '1')
a 1 -> 503 bad_limit
--- ledger
--- totals
--- no_error_log
[alert]
--- finally eval
sub { ::is_logged('bad_layout "" "": another version has written this ledger') }



=== TEST 64: a limit that ends by itself
--- steps
! ::until_is(3600)
a 4 -> 200
b 6 -> 400 limit_max 5
! ::until_is(-1)
c 4 -> 400 limit_max 3
--- ledger
a accepted 4
--- totals
KZT 4/1
