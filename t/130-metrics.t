#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Metrics: what each request adds, in both formats, over workers and reloads;
# and that strangers cannot add series.  Also what gate_limits_status tells.

use strict;
use warnings;

use lib 't/lib';

use Gate::Callbacks qw( $service $old_key callback signed_text
                        send_callback add_secrets );
use Gate::Dead;
use Gate::Env qw( read_file which write_file write_key wait_until );
use Gate::FakeRedis;
use Gate::Http;
use Gate::Outbound qw( $kz_key json workers workers_are_new
                       workers_are_gone by_worker signal_nginx change_conf );
use Gate::Payouts qw( $redis %answers post_payout body_of set_limits orders );
use Gate::Prometheus;
use Test::Nginx::Socket 'no_plan';

our $fake = Gate::FakeRedis->run();

our $http_config = $Gate::Callbacks::http_config . <<'_EOC_';
    gate_zone           gate 256k;
    gate_secret_check   100ms;
    gate_redis          unix:$TEST_NGINX_REDIS_SOCKET timeout=500ms;
    proxy_read_timeout  5s;
_EOC_

our $without_redis = $Gate::Callbacks::http_config . <<'_EOC_';
    gate_zone  gate 256k;
_EOC_

our $many = <<'_EOC_' . join '', map { <<"_EOP_" } 1 .. 6;
    gate_zone  gate 64k;
    upstream gate {
        server unix:$TEST_NGINX_UPSTREAM_SOCKET;
    }
_EOC_
    gate_project p$_ {
        id           100$_;
        secret_file  \$TEST_NGINX_KEYS/kz.key;
    }
_EOP_

our $status = <<'_EOC_';
    location = /status {
        gate_status;
    }
_EOC_

our $config = $status . <<'_EOC_';
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
    location /any/v2/ {
        gate_sign    $arg_project;
        proxy_pass   http://gate;
    }
    location /silent/v2/ {
        gate_sign           kz;
        proxy_read_timeout  50ms;
        proxy_pass          http://unix:$TEST_NGINX_SILENT_SOCKET;
    }
    location = /callbacks {
        gate_verify       kz ua;
        gate_deduplicate  on;
        proxy_pass        http://service/taken;
    }
    location = /limits {
        gate_limits_status;
    }
    add_header X-Result $gate_result always;
_EOC_

our $plain = $status . <<'_EOC_';
    location /v2/ {
        gate_sign    $arg_project;
        proxy_pass   http://gate;
    }
_EOC_

# --- what is counted

sub metrics {
    my $res = Gate::Http::get('/status');

    return Gate::Prometheus::parse($res->{body});
}

my $families = qr/^gate_(?:payouts|payout_amount_minor|limits_dry_run
                         |callbacks|callbacks_verified)_total\b/x;

sub growth {
    my ($before, $pattern) = @_;

    my $now = metrics()->{series};
    my @grown;

    for my $name (sort grep { /$pattern/ } keys %$now) {
        my $more = $now->{$name} - ($before->{$name} // 0);
        push @grown, "$name +$more" if $more;
    }

    return join '', map { s/^gate_//; "$_\n" } @grown;
}

# The code adds this, and nothing else.

sub adds {
    my ($name, $expected, $code) = @_;

    $expected =~ s/^\s+//mg;

    my $before = metrics()->{series};
    my $got = '';

    $code->();

    wait_until(10, sub { ($got = growth($before, $families)) eq $expected });
    Test::More::is($got, $expected, $name);
}

sub value_of { return metrics()->{series}{ $_[0] } // 'none' }

# Waits until it is so.

sub is_value {
    my ($series, $expected, $name) = @_;

    my $got;

    wait_until(10, sub { ($got = value_of($series)) eq $expected });
    Test::More::is($got, $expected, $name // $series);
}

# --- requests

sub pay {
    my ($id, $amount, $status, %opt) = @_;

    my $res = post_payout($id, $amount, %opt);

    Test::More::is($res->{status}, $status, "payout $id: status");

    return $res;
}

sub callback_is {
    my ($status, $id, $state, %opt) = @_;

    my $text = callback($id, $state, %opt);

    $text = signed_text($text, %opt) if ($opt{key} // '') ne 'none';
    Test::More::is(send_callback($text, %opt)->{status}, $status,
                   "callback $id $state: status");
}
# --- reload

sub reload_with {
    my @old = workers();

    change_conf(splice @_, 0, 2) while @_;
    signal_nginx('HUP');
    Test::More::ok(workers_are_new(@old), 'reload');
    workers_are_gone(@old);
}

# --- both formats

sub series_of_json {
    my ($text) = @_;

    my %series;

    for my $item (@{ json($text) }) {
        my $labels = $item->{labels};
        my $name = $item->{name};

        $name .= '{' . join(',', map { "$_=\"$labels->{$_}\"" }
                                 sort keys %$labels) . '}' if %$labels;
        $series{$name} = $item->{value} + 0;
    }

    return \%series;
}

sub formats_agree {
    my ($text, $json);

    wait_until(10, sub {
        $text = metrics()->{series};
        $json = series_of_json(
            Gate::Http::get('/status?format=json')->{body});

        $_ += 0 for values %$text;

        return lines_of($text) eq lines_of($json);
    });

    Test::More::is(lines_of($json), lines_of($text), 'the same figures');
    Test::More::cmp_ok(scalar keys %$json, '>', 60, 'and many of them');
}

# Where Prometheus is installed, its own word on it.

sub promtool_agrees {
    my $promtool = which('promtool') // return;
    my $text = Gate::Http::get('/status')->{body};
    my $file = write_file('metrics', $text);

    my $said = `$promtool check metrics < $file 2>&1`;

    Test::More::is("$? $said", '0 ', 'promtool check metrics');
}

sub lines_of { my $h = $_[0]; return join '', map { "$_ $h->{$_}\n" } sort keys %$h }

# --- limits

sub limits_of {
    my ($args) = @_;

    return Gate::Http::get("/limits?$args");
}

sub is_window {
    my ($limits, $name, $limit, $used, $left, $until) = @_;

    my $got = $limits->{$name};

    Test::More::is_deeply(
        [ map { $got->{$_} } qw( limit used remaining until ) ],
        [ $limit, $used, $left, $until ], "$name: limit, used, remaining");
    Test::More::is($got->{reset} - $limits->{time},
                   Gate::Payouts::left_of_window($name =~ s/_count//r,
                                                 $limits->{time}, 0),
                   "$name: reset");
}

# --- a suite

Gate::Outbound::suite();

add_block_preprocessor(sub {
    my ($block) = @_;

    return if defined $block->must_die;

    $block->set_value('http_config', $http_config) if !$block->http_config;
    $block->set_value('config', $config) if !$block->config;

    if (!$block->request) {
        $block->set_value('request', 'GET /status');
        $block->set_value('response_headers',
                          'Content-Type: text/plain; version=0.0.4;'
                          . ' charset=utf-8');
        $block->set_value('response_body_like', '\A# HELP gate_payouts_total');
    }

    $block->set_value('reached', 'any');
    $redis->start();
    $redis->cmd('FLUSHALL');
});

Test::Nginx::Socket::workers(2);
no_root_location();

run_tests();

__DATA__

=== TEST 1: payouts by endpoint and result, amounts by currency
--- no_error_log
[alert]
[crit]
--- error_log
upstream prematurely closed connection
upstream timed out
--- after eval
sub {
    $::redis->cmd('FLUSHALL');
    ::set_limits('KZT max=500');

    ::adds('accepted', <<'_EOC_', sub {
        payout_amount_minor_total{currency="KZT",project="kz",result="sent"} +400
        payouts_total{endpoint="mobile",project="kz",result="ok"} +1
_EOC_
        ::pay('a', 400, 200);
    });

    ::adds('sent again', <<'_EOC_', sub {
        payout_amount_minor_total{currency="KZT",project="kz",result="sent"} +400
        payouts_total{endpoint="mobile",project="kz",result="repeat"} +1
_EOC_
        ::pay('a', 400, 200);
    });

    ::adds('refused here', <<'_EOC_', sub {
        payout_amount_minor_total{currency="KZT",project="kz",result="refused"} +902
        payout_amount_minor_total{currency="USD",project="kz",result="refused"} +7
        payouts_total{endpoint="mobile",project="kz",result="duplicate"} +1
        payouts_total{endpoint="mobile",project="kz",result="limit_max"} +1
        payouts_total{endpoint="mobile",project="kz",result="no_limits"} +1
_EOC_
        ::pay('a', 401, 409);
        ::pay('b', 501, 400);
        ::pay('c', 7, 400, cur => 'USD');
    });

    ::adds('refused by Gate, or not answered', <<'_EOC_', sub {
        payout_amount_minor_total{currency="KZT",project="kz",result="sent"} +6
        payouts_total{endpoint="mobile",project="kz",result="gate_error"} +1
        payouts_total{endpoint="mobile",project="kz",result="upstream_error"} +1
        payouts_total{endpoint="mobile",project="kz",result="upstream_timeout"} +1
_EOC_
        ::pay('d', 1, 400, up => 'refused');
        ::pay('e', 2, 502, up => 'drop');
        ::pay('f', 3, 504, at => '/silent/v2/payment/mobile/payout');
    });

    ::adds('unread, unknown', <<'_EOC_', sub {
        payout_amount_minor_total{currency="KZT",project="kz",result="refused"} +1
        payout_amount_minor_total{currency="KZT",project="kz",result="sent"} +5
        payouts_total{endpoint="card",project="kz",result="missing_field"} +1
        payouts_total{endpoint="mobile",project="kz",result="bad_json"} +1
        payouts_total{endpoint="mobile",project="kz",result="bad_method"} +1
        payouts_total{endpoint="mobile",project="unknown",result="unknown_project"} +2
        payouts_total{endpoint="other",project="kz",result="ok"} +1
        payouts_total{endpoint="status",project="kz",result="ok"} +1
_EOC_
        local $::Gate::Payouts::bodies{bad} = '{"general":';
        local $::Gate::Payouts::bodies{status}
            = '{"general":{"payment_id":"s"}}';

        ::pay('g', 1, 422, body => 'bad');
        ::pay('h', 1, 400, at => '/v2/payment/card/payout');
        ::pay('s', 1, 200, body => 'status', at => '/v2/payment/status');
        ::pay('i', 5, 200, at => '/any/v2/payment/strange/payout?project=kz');
        ::pay('j', 1, 403, at => '/any/v2/payment/mobile/payout?project=xy');
        ::pay('k', 1, 403, at => '/any/v2/payment/mobile/payout');
        Test::More::is(Gate::Http::get('/v2/payment/mobile/payout')->{status},
                       405, 'GET');
    });
}



=== TEST 2: clients that leave while Redis is asked
--- http_config eval
$::http_config =~ s/timeout=500ms/timeout=30s/r . <<'_EOC_';
    log_format  results $gate_result;
    access_log  logs/results.log results;
_EOC_
--- after eval
sub {
    my $logged = sub {
        my $file = "$ENV{TEST_NGINX_SERVROOT}/logs/results.log";

        return scalar(() = Gate::Env::read_file($file) =~ /^client_left$/mg);
    };
    my $before = $logged->();

    $::redis->freeze();

    ::adds('left', <<'_EOC_', sub {
        callbacks_total{project="kz",result="client_left",status="decline"} +1
        callbacks_verified_total{key="current",project="kz"} +1
        payout_amount_minor_total{currency="KZT",project="kz",result="refused"} +7
        payouts_total{endpoint="mobile",project="kz",result="client_left"} +1
_EOC_
        ::post_payout('a', 7, leave => 'sent');
        ::send_callback(::signed_text(::callback('a', 'decline')),
                        leave => 'sent');
    });

    Test::More::is($logged->() - $before, 2, 'and logged');
    $::redis->thaw();
}



=== TEST 3: a dry run counts what would have been refused
--- after eval
sub {
    $::redis->cmd('FLUSHALL');
    ::set_limits('KZT max=500');

    ::adds('dry run', <<'_EOC_', sub {
        limits_dry_run_total{project="kz",result="limit_max"} +1
        payout_amount_minor_total{currency="KZT",project="kz",result="sent"} +1001
        payouts_total{endpoint="mobile",project="kz",result="ok"} +2
_EOC_
        ::pay('a', 500, 200, at => '/dry/v2/payment/mobile/payout');
        ::pay('b', 501, 200, at => '/dry/v2/payment/mobile/payout');
    });
}



=== TEST 4: currencies that are unknown; amounts over 32 bits
--- after eval
sub {
    my $at = '/any/v2/payment/mobile/payout?project=kz';

    ::adds('amounts', <<'_EOC_', sub {
        payout_amount_minor_total{currency="AED",project="kz",result="sent"} +1
        payout_amount_minor_total{currency="JPY",project="kz",result="sent"} +20000000000000
        payout_amount_minor_total{currency="ZWG",project="kz",result="sent"} +2
        payout_amount_minor_total{currency="other",project="kz",result="sent"} +7
        payouts_total{endpoint="mobile",project="kz",result="ok"} +7
_EOC_
        ::pay('a', '10000000000000', 200, cur => 'JPY', at => $at);
        ::pay('b', '10000000000000', 200, cur => 'JPY', at => $at);
        ::pay('c', 1, 200, cur => 'AED', at => $at);
        ::pay('d', 2, 200, cur => 'ZWG', at => $at);
        ::pay('e', 3, 200, cur => 'AAA', at => $at);
        ::pay('f', 3, 200, cur => 'ZZZ', at => $at);
        ::pay('g', 1, 200, cur => 'KZS', at => $at);
    });
}



=== TEST 5: callbacks by status and result, and the keys that verified them
--- after eval
sub {
    $::redis->cmd('FLUSHALL');

    ::adds('callbacks', <<'_EOC_', sub {
        callbacks_total{project="kz",result="duplicate",status="success"} +1
        callbacks_total{project="kz",result="ok",status="awaiting clarification"} +1
        callbacks_total{project="kz",result="ok",status="other"} +1
        callbacks_total{project="kz",result="ok",status="success"} +1
        callbacks_total{project="kz",result="service_error",status="decline"} +1
        callbacks_verified_total{key="current",project="kz"} +5
_EOC_
        ::callback_is(200, 'a', 'success');
        Gate::Payouts::holds('taken', 'marks', \&Gate::Callbacks::marks,
                             "a delivered\n");
        ::callback_is(200, 'a', 'success');
        ::callback_is(200, 'b', 'awaiting clarification');
        ::callback_is(200, 'c', 'newly invented');
        ::callback_is(502, 'd', 'decline', svc => 'broken');
    });

    ::adds('refused ones', <<'_EOC_', sub {
        callbacks_total{project="kz",result="bad_signature",status="none"} +1
        callbacks_total{project="kz",result="unsigned",status="none"} +1
        callbacks_total{project="unknown",result="bad_json",status="none"} +1
        callbacks_total{project="unknown",result="unknown_project",status="none"} +1
_EOC_
        ::callback_is(403, 'e', 'success', key => 'wrong');
        ::callback_is(403, 'e', 'success', key => 'none');
        ::callback_is(403, 'e', 'success', proj => 77);
        Test::More::is(::send_callback('{"a":1,"a":2}')->{status}, 400,
                       'no JSON');
    });

    my $used = 'gate_key_last_used_timestamp_seconds{key="%s",project="ua"}';
    my $before = time;

    ::adds('two keys', <<'_EOC_', sub {
        callbacks_total{project="ua",result="ok",status="success"} +2
        callbacks_verified_total{key="current",project="ua"} +1
        callbacks_verified_total{key="previous",project="ua"} +1
_EOC_
        ::callback_is(200, 'f', 'success', proj => 123, key => 'ua');
        ::callback_is(200, 'g', 'success', proj => 123, key => 'old');
    });

    for my $key (qw( current previous )) {
        my $when = ::value_of(sprintf $used, $key);
        Test::More::ok($when >= $before - 1 && $when <= time + 1,
                       "when the $key key was used");
    }
}



=== TEST 6: all workers count together
--- after eval
sub {
    my @pids;

    ::adds('a payout by each worker', <<'_EOC_', sub {
        payout_amount_minor_total{currency="KZT",project="kz",result="sent"} +20
        payouts_total{endpoint="mobile",project="kz",result="ok"} +2
_EOC_
        @pids = keys %{ ::by_worker(sub {
            ::pay('x', 10, 200, at => '/any/v2/payment/mobile/payout?project=kz');
        }) };
    });

    Test::More::is(scalar @pids, 2, 'two workers');

    for my $worker (0, 1) {
        ::is_value("gate_redis_connected{worker=\"$worker\"}", 1);
    }
}



=== TEST 7: strangers cannot add series
--- after eval
sub {
    my $at = '/any/v2/payment/mobile/payout?project=';
    my $known = ::metrics()->{series};
    my @odd = ("\\\"", "\\n", '{}', '%0a', '\u000a', 'kz"} 1');

    local $::Gate::Payouts::bodies{odd};

    for my $i (0 .. 29) {
        my $text = $odd[$i % @odd] . $i;
        my $code = CORE::join '', map { chr 65 + ($i * $_ + $_) % 26 } 3, 7, 11;

        ::pay("id$i", 1, 200, cur => $code, at => "${at}kz");
        ::pay("id$i", 1, 403, at => $at . $text =~ s/[^\w]/_/gr);
        ::pay("id$i", 1, 200, at => "/any/v2/payment/s$i/payout?project=kz");
        $::Gate::Payouts::bodies{odd} = ::body_of($text, 1) =~ s/KZT/$text/r;
        ::post_payout('x', 1, body => 'odd', at => "${at}kz");
        ::send_callback(::callback($text =~ s/[\\"]//gr, "status $i"));
    }

    my $parsed = ::metrics();
    my @new = grep { !exists $known->{$_} } keys %{ $parsed->{series} };

    # one for each known currency at most, and a few for results
    Test::More::cmp_ok(scalar(grep { !/payout_amount/ } @new), '<', 10,
                       'few new series');
    Test::More::is(CORE::join(' ', grep {
            !/^gate_\w+\{(?:(?:currency="(?:[A-Z]{3}|other)"|endpoint="[a-z]+"|project="(?:kz|unknown)"|result="[a-z_]+"|status="(?:none|other)"),?)+\}$/
        } @new), '', 'all of known labels');
}



=== TEST 8: histograms have a place for every request
--- after eval
sub {
    $::redis->cmd('FLUSHALL');
    ::set_limits('KZT max=500');

    my $before = ::metrics()->{series};
    my $expected = <<'_EOC_';
answer_seconds_bucket{le="+Inf"} +3
answer_seconds_count +3
redis_seconds_bucket{le="+Inf"} +3
redis_seconds_count +3
sign_seconds_bucket{le="+Inf"} +4
sign_seconds_count +4
_EOC_

    ::pay('a', 1, 200);
    ::pay('b', 501, 400);
    ::pay('c', 1, 200, up => 'ok');
    ::pay('d', 2, 200, at => '/any/v2/payment/mobile/payout?project=kz');

    my $got;
    Gate::Env::wait_until(10, sub {
        $got = ::growth($before, qr/^gate_\w+_seconds_(?:bucket\{le="\+Inf"\}|count)/);
        return $got eq $expected;
    });
    Test::More::is($got, $expected, 'counts');

    my $sums = ::growth($before, qr/_seconds_sum/);
    Test::More::like($sums, qr/^answer_seconds_sum \+|^redis_seconds_sum \+0\.\d|sign_seconds_sum \+/m, 'sums');
}



=== TEST 9: Redis goes away, and comes back
--- after eval
sub {
    ::is_value("gate_redis_connected{worker=\"$_\"}", 1) for 0, 1;

    my $before = ::metrics()->{series};

    $::redis->stop();
    ::is_value("gate_redis_connected{worker=\"$_\"}", 0) for 0, 1;
    ::pay('a', 1, 503);
    Test::More::ok(Gate::Env::wait_until(10, sub {
        my $more = ::growth($before, qr/redis_(?:refused|failures)_total/);
        return $more =~ /^redis_failures_total \+[2-9]/m
               && $more =~ /^redis_refused_total \+1$/m;
    }), 'failures and refused commands are counted');

    $::redis->start();
    ::is_value("gate_redis_connected{worker=\"$_\"}", 1) for 0, 1;
    ::set_limits('KZT max=500');
    ::pay('a', 1, 200);

    Test::More::ok(Gate::Env::wait_until(10, sub {
        my $more = ::growth($before, qr/redis_(?:connects|commands|errors)_total/);
        return $more =~ /^redis_connects_total \+2$/m
               && $more =~ /^redis_commands_total \+[1-9]/m;
    }), 'connects and commands are counted');

    for my $gauge (qw( in_flight pending )) {
        ::is_value("gate_redis_$gauge\{worker=\"$_\"}", 0) for 0, 1;
    }
}
--- no_error_log
[alert]
[crit]
--- error_log
gate redis



=== TEST 10: JSON has the same figures
--- after eval
sub {
    ::pay('a', 5, 200, at => '/any/v2/payment/mobile/payout?project=kz');
    ::callback_is(200, 'j', 'success');
    ::formats_agree();
    ::promtool_agrees();
}



=== TEST 11: JSON as such
--- request
GET /status?format=json
--- response_headers
Content-Type: application/json
--- response_body_like eval
qr/\A\[(?:\r\n\{"name":"gate_\w+","labels":\{(?:"\w+":"[^"\\]*",?)*\},"value":[\d.]+\},?)+\]\r\n\z/



=== TEST 12: HEAD, and other methods
--- request eval
["HEAD /status", "POST /status\nx", "PUT /status\nx"]
--- error_code eval
[200, 405, 405]
--- response_headers eval
["Content-Type: text/plain; version=0.0.4; charset=utf-8",
 "Content-Type: text/html", "Content-Type: text/html"]
--- response_body_like eval
['^$', '405 Not Allowed', '405 Not Allowed']



=== TEST 13: reload: figures stay, projects come and go
--- after eval
sub {
    my $at = '/any/v2/payment/mobile/payout?project=';
    my $ok = 'gate_payouts_total{endpoint="mobile",project="%s",result="ok"}';

    ::pay('a', 5, 200, at => "${at}kz");
    ::pay('b', 5, 200, at => "${at}ua");
    my $kz = ::value_of(sprintf $ok, 'kz');
    my $ua = ::value_of(sprintf $ok, 'ua');
    my $loaded = ::value_of('gate_key_loaded_timestamp_seconds{key="current",project="kz"}');

    ::reload_with(qr/gate_project ua \{\s+id +123;/, "gate_project by {\nid 124;",
                  qr/worker_processes +2;/, 'worker_processes 1;',
                  qr/gate_verify +kz ua;/, 'gate_verify kz by;');
    ::pay('c', 5, 200, at => "${at}kz");
    ::pay('d', 5, 200, at => "${at}by");
    ::is_value(sprintf($ok, 'kz'), $kz + 1);
    ::is_value(sprintf($ok, 'by'), $ENV{BY} = ($ENV{BY} // 0) + 1);
    Test::More::is(::value_of(sprintf $ok, 'ua'), 'none', 'ua is gone');
    ::is_value(sprintf($ok, '123'), $ua);
    ::is_value('gate_redis_connected{worker="0"}', 1);
    Test::More::is(::value_of('gate_redis_connected{worker="1"}'), 'none',
                   'one worker only');
    ::is_value('gate_key_loaded_timestamp_seconds{key="current",project="kz"}',
               $loaded);

    ::reload_with(qr/gate_project by \{\s+id +124;/, "gate_project ua {\nid 123;",
                  qr/worker_processes 1;/, 'worker_processes 2;',
                  qr/gate_verify +kz by;/, 'gate_verify kz ua;');
    ::pay('e', 5, 200, at => "${at}ua");
    ::is_value(sprintf($ok, 'ua'), $ua + 1);
    ::is_value('gate_redis_connected{worker="1"}', 1);
}



=== TEST 14: keys: generation and time
--- after eval
sub {
    my %name = map {
        ($_ => "gate_key_${_}{key=\"%s\",project=\"ua\"}")
    } qw( generation loaded_timestamp_seconds );
    my $ua = $Gate::Outbound::ua_key;
    my $generation = sub { ::value_of(sprintf $name{generation}, $_[0]) };
    my ($current, $previous) = map { $generation->($_) }
                                   qw( current previous );

    # a second worker, a little later, would count the key before once more
    ::reload_with(qr/worker_processes +2;/, 'worker_processes 1;');

    Gate::Env::write_key('ua.key', 'key-of-ua-another-1');
    ::is_value(sprintf($name{generation}, 'current'), $current + 1);
    Gate::Env::write_key('ua.key', "$ua\n");
    ::is_value(sprintf($name{generation}, 'current'), $current + 2);

    my $when = ::value_of(sprintf $name{loaded_timestamp_seconds}, 'current');
    Test::More::ok($when >= time - 5 && $when <= time + 1, 'when it was read');

    unlink "$ENV{TEST_NGINX_KEYS}/ua.old";
    ::is_value(sprintf($name{loaded_timestamp_seconds}, 'previous'), 0);
    Gate::Env::write_key('ua.old', $::old_key);
    ::is_value(sprintf($name{generation}, 'previous'), $previous + 2);
    Test::More::is($generation->('current'), $current + 2, 'the other stays');

    # workers that read the same files have not another key
    ::reload_with(qr/worker_processes 1;/, 'worker_processes 2;');
    Test::More::is($generation->('current'), $current + 2, 'the same key');
}



=== TEST 15: a zone that is too small: payouts pass, and that is counted
--- http_config eval: $::many
--- config eval: $::plain
--- after eval
sub {
    for my $i (1 .. 6) {
        ::pay("p$i", 5, 200, at => "/v2/payment/mobile/payout?project=p$i");
    }
    ::pay('p9', 5, 403, at => '/v2/payment/mobile/payout?project=p9');

    my $series = ::metrics()->{series};
    my @there = grep { /^gate_key_generation.*current/ } keys %$series;
    my $dropped = $series->{gate_zone_dropped_projects_total};

    Test::More::cmp_ok($dropped, '>', 0, 'projects without counters');
    Test::More::is(@there + $dropped, 6, 'are those that are not shown');
}



=== TEST 16: without gate_redis
--- http_config eval: $::without_redis
--- config eval: $::plain
--- after eval
sub {
    ::pay('a', 5, 200, at => '/v2/payment/mobile/payout?project=kz');
    ::is_value('gate_payouts_total{endpoint="mobile",project="kz",result="ok"}',
               $ENV{PLAIN} = ($ENV{PLAIN} // 0) + 1);
    Test::More::is(CORE::join(' ', grep { /redis_(?!seconds)/ }
                                   keys %{ ::metrics()->{series} }), '',
                   'nothing of Redis');
}



=== TEST 17: gate_limits_status
--- after eval
sub {
    $::redis->cmd('FLUSHALL');
    ::set_limits('KZT min=1 max=500 hour=600 day=9223372036854775807'
                 . ' week_count=3');
    ::pay('a', 400, 200);
    ::pay('b', 150, 200);

    my $res = ::limits_of('project=kz&currency=KZT');

    Test::More::is($res->{status}, 200, 'status');
    Test::More::is($res->{headers}{'content-type'}, 'application/json', 'type');

    my $limits = ::json($res->{body});

    Test::More::is_deeply([ map { $limits->{$_} } qw( project project_id currency min max ) ],
                          [ 'kz', 1234, 'KZT', 1, 500 ], 'what and for whom');
    Test::More::ok($limits->{limits}, 'there are limits');
    Test::More::cmp_ok(abs($limits->{time} - time), '<', 60, 'time');

    ::is_window($limits, 'hour', 600, 550, 50);
    ::is_window($limits, 'day', '9223372036854775807', 550, '9223372036854775257');
    ::is_window($limits, 'week', undef, 550, undef);
    ::is_window($limits, 'month', undef, 550, undef);
    ::is_window($limits, 'hour_count', undef, 2, undef);
    ::is_window($limits, 'day_count', undef, 2, undef);
    ::is_window($limits, 'week_count', 3, 2, 1);
    ::is_window($limits, 'month_count', undef, 2, undef);

    Test::More::ok(exists $limits->{$_} && !defined $limits->{$_}, "$_: null")
        for qw( stopped era min_until max_until );
    Test::More::cmp_ok($limits->{seq}, '>', 2, 'calls that wrote');

    Test::More::like($res->{body}, qr/"limit":9223372036854775807,/,
                     'exact digits');

    my ($soon, $late) = map { $limits->{time} + $_ } -60, 86400 * 9;

    $::redis->cmd('HSET', 'gate:limits:{1234}:KZT',
                  max => "700 until $late then 500", month_count => 9,
                  hour => "900 until $late then -",
                  day => "900 until $soon then 800",
                  week_count => "1 until $soon then -");
    $::redis->cmd('HSET', 'gate:stop:{1234}', 'KZT', 'by "treasury"');
    $limits = ::json(::limits_of('project=kz&currency=KZT')->{body});

    Test::More::is("@$limits{qw( max max_until stopped )}",
                   qq(700 $late by "treasury"), 'until a time; stopped');
    ::is_window($limits, 'hour', 900, 550, 350, $late);
    ::is_window($limits, 'day', 800, 550, 250);
    ::is_window($limits, 'week_count', undef, 2, undef);
    ::is_window($limits, 'month_count', 9, 2, 7);

    my $other = ::json(::limits_of('currency=USD&project=1234')->{body});
    Test::More::ok(!$other->{limits}, 'by id: no limits');
    Test::More::is($other->{day}{used}, 0, 'nothing used');
}



=== TEST 18: gate_limits_status: who asks wrongly
--- request eval
["GET /limits", "GET /limits?project=kz", "GET /limits?currency=KZT",
 "GET /limits?project=kz&currency=kzt", "GET /limits?project=kz&currency=KZTT",
 "GET /limits?project=nobody&currency=KZT", "GET /limits?project=&currency=KZT",
 "POST /limits?project=kz&currency=KZT\nx", "HEAD /limits?project=kz&currency=KZT"]
--- error_code eval
[400, 400, 400, 400, 400, 404, 404, 405, 200]
--- response_headers eval
[('Content-Type: text/html') x 8, 'Content-Type: application/json']
--- response_body_like eval
[('400 Bad Request') x 5, ('404 Not Found') x 2, '405 Not Allowed', '^$']



=== TEST 19: gate_limits_status: whatever Redis holds, JSON comes
--- after eval
sub {
    $::redis->cmd('FLUSHALL');
    ::set_limits('KZT max=12x hour=007 day=-5 week=1e3');
    ::pay('a', 5, 503);

    my $names = ::json(::limits_of('project=kz&currency=KZT')->{body});

    Test::More::is($names->{max}, 'invalid', 'max');
    Test::More::is($names->{$_}{limit}, 'invalid', "$_: limit")
        for qw( hour day week );

    ::set_limits('KZT max=12 hour=7 day=5 week=13');
    ::pay('a', 5, 200);

    my $total = $::redis->cmd('HGET', 'gate:used:{1234}', 'KZT');

    for my $value ('1"2', '1,"x":2', '007', '-', '-3', 'x' x 100, "\n") {
        $::redis->cmd('HSET', 'gate:used:{1234}', 'KZT',
                      $total =~ s{month:5/}{month:$value/}r);
        my $got = ::json(::limits_of('project=kz&currency=KZT')->{body});
        Test::More::is($got->{month}{used}, $value eq '007' ? 7 : 'invalid',
                       'used: ' . $value =~ s/\n/LF/r);
    }

    $::redis->cmd('HSET', 'gate:used:{1234}', 'KZT', $total);
    $::redis->cmd('HSET', 'gate:stop:{1234}', '*', "a\"\\\n\x07\xff" . 'x' x 999);
    Test::More::like(::json(::limits_of('project=kz&currency=KZT')->{body})
                     ->{stopped}, qr/^a"/, 'a stop');

    $::redis->cmd('DEL', 'gate:used:{1234}');
    $::redis->cmd('SET', 'gate:used:{1234}', 'b');
    Test::More::is(::limits_of('project=kz&currency=KZT')->{status}, 503,
                   'another type');
}
--- no_error_log
[alert]
[crit]



=== TEST 20: gate_limits_status: a Redis that answers something else
--- http_config eval: $::http_config =~ s/unix:\S+REDIS_SOCKET/unix:$ENV{TEST_NGINX_SCRATCH}\/fake.sock/r
--- no_error_log
[alert]
[crit]
--- after eval
sub {
    my $item = sub { return '\r\n$' . length($_[0]) . '\r\n' . $_[0] };
    my $texts = '*67' . $item->('1') x 66 . '\r\n{name}';

    # as status.lua answers, but for the names of limits
    my $names = sub {
        my $reply = '*67' . $item->('ok') . '\r\n:9' . $item->('') x 2
                    . $item->('1') . '\r\n:10';

        $reply .= $item->($_) . $item->('1') x 4 . '\r\n:9' for @_;

        return $reply . '\r\n{name}';
    };

    my @known = qw( hour day week month );
    push @known, map { "${_}_count" } @known;
    unshift @known, 'min', 'max';

    for my $reply ('-ERR no', '*1\r\n{name}', '*2\r\n*-1\r\n{name}',
                   '*67' . '\r\n$-1' x 66 . '\r\n{name}', $texts,
                   $names->(@known) =~ s/:10/:9/r,
                   $names->(('x' x 33) x 10), $names->(('x' x 9000) x 10),
                   $names->('ho"r', @known[1 .. 9]),
                   $names->('', @known[1 .. 9]),
                   '+OK')
    {
        $::fake->mode("EVALSHA $reply");
        Test::More::is(::limits_of('project=kz&currency=KZT')->{status}, 503,
                       substr $reply, 0, 16);
    }

    # the last reply was to nobody's question, and closed the connection
    $::fake->mode('EVALSHA ' . $names->(@known));
    Test::More::ok(Gate::Env::wait_until(10, sub {
        ::limits_of('project=kz&currency=KZT')->{status} == 200
    }), 'as it should be');
    $::fake->mode('');
}
--- error_log
gate redis



=== TEST 21: gate_limits_status: Redis is away, or slow, or the client leaves
--- http_config eval: $::http_config =~ s/timeout=500ms/timeout=2s/r
--- after eval
sub {
    ::is_value("gate_redis_connected{worker=\"$_\"}", 1) for 0, 1;

    $::redis->freeze();
    my $conn = Gate::Http::Connection->new();
    $conn->send("GET /limits?project=kz&currency=KZT HTTP/1.1\r\nHost: x\r\n\r\n");
    my $log = "$ENV{TEST_NGINX_SERVROOT}/logs/error.log";
    my $from = -s $log;
    $conn->close();
    Test::More::ok(Gate::Env::wait_until(10, sub {
        substr(Gate::Outbound::slurp($log), $from) =~ /client prematurely closed connection/;
    }), 'it is noticed that a client left');
    Test::More::is(::limits_of('project=kz&currency=KZT')->{status}, 503,
                   'no answer in time');
    $::redis->thaw();
    Test::More::ok(Gate::Env::wait_until(10, sub {
        ::limits_of('project=kz&currency=KZT')->{status} eq '200';
    }), 'it is there');

    $::redis->stop();
    Test::More::is(::limits_of('project=kz&currency=KZT')->{status}, 503,
                   'Redis is away');
    $::redis->start();
    Test::More::ok(Gate::Env::wait_until(10, sub {
        ::limits_of('project=kz&currency=KZT')->{status} eq '200';
    }), 'it is back');
}
--- no_error_log
[alert]
[crit]
--- error_log
gate redis



=== TEST 22: Gate's name is not resolved, or nobody is asked at all
--- config eval
$::config . 'location /name/ { gate_sign kz; proxy_pass http://$arg_host; }
             location /none/ { gate_sign kz; }'
--- after eval
sub {
    ::adds('not asked', <<'_EOC_', sub {
        payout_amount_minor_total{currency="KZT",project="kz",result="sent"} +2
        payouts_total{endpoint="mobile",project="kz",result="upstream_error"} +2
_EOC_
        ::pay('a', 1, 502, at => '/name/v2/payment/mobile/payout?host=gate.invalid');
        ::pay('b', 1, 404, at => '/none/v2/payment/mobile/payout');
    });
}
--- no_error_log
[alert]
[crit]
--- error_log
no resolver defined to resolve gate.invalid



=== TEST 23: gate_limits_status, a part of a page
--- user_files
>>> page.html
A<!--# include virtual="/limits?project=kz&currency=KZT" -->B
--- config eval: $::config . 'location = /page.html { ssi on; }'
--- request
GET /page.html
--- response_body_like: ^A\{"project":"kz".*\}\}\r\nB\n\z



=== TEST 24: names that metrics could not hold
--- http_config
    gate_project unknown {
        id           1;
        secret_file  $TEST_NGINX_KEYS/kz.key;
    }
--- config
--- must_die
--- error_log
invalid project name "unknown" in "gate_project"



=== TEST 25: a name that is too long
--- http_config eval
"gate_project " . "x" x 65 . " { id 1; secret_file \$TEST_NGINX_KEYS/kz.key; }"
--- config
--- must_die
--- error_log
invalid project name
