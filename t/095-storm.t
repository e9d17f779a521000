#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# A storm: payouts through a gateway of two workers, callbacks that the
# simulator repeats, reorders and sends early, a service that fails, is slow
# and breaks off, workers that are killed, and a Redis that is restarted.  After
# it, each payout's final state has reached the service, in a legal order, and
# the ledger is right to the unit.
#
# GATE_SEED makes another storm.

use strict;
use warnings;

use lib 't/lib';

use Time::HiRes ();

use Gate::Env qw( scratch spawn stop_child wait_child wait_until write_file
                  write_key read_file which at_end );
use Gate::Http;
use Gate::Ledger qw( entry open_copies age );
use Gate::Payouts ();
use Gate::Redis;
use Gate::Service;
use Gate::Sim;

use Test::More;

use constant {
    PAYOUTS => 240, BATCHES => 6, REDELIVERED => 90, LOCK => '700ms',
};

my $seed = $ENV{GATE_SEED} // 47;
my $slow = $ENV{TEST_NGINX_BINARY} =~ /asan/ ? 3 : 1;
my $dir = scratch() . '/nginx';
my $public = "$dir/public.sock";
my $inner = "$dir/inner.sock";
my $log = "$dir/error.log";

srand $seed;
diag("GATE_SEED=$seed");

mkdir $dir, 0755;

my $key = 'key-of-the-storm';
my $redis = Gate::Redis->run(name => 'ledger', appendonly => 1);
my $service = Gate::Service->run(name => 'taker',
                                 args => ['--seed', $seed, '--log', 'off']);
my $sim = Gate::Sim->run(name => 'gate', projects => { 1234 => $key },
    args => ['--callback-url', "http://unix:$public:/callbacks",
             '--seed', $seed, '--callback-delay', '0.02',
             '--callback-timeout', '5', '--time-scale', '0.004',
             '--log', 'off']);

# --- nginx

sub conf {
    my $load = $ENV{TEST_NGINX_LOAD_MODULES}
               ? "load_module $ENV{TEST_NGINX_LOAD_MODULES};" : '';
    my $user = $> == 0 ? 'user root;' : '';
    my $gate = $sim->socket_path();
    my $taker = $service->socket_path();
    my $ledger = $redis->socket_path();
    my $file = write_key('storm.key', $key);

    return <<"END";
$load
$user
daemon off;
worker_processes 2;
pid $dir/nginx.pid;
error_log $log info;
events { worker_connections 1024; }
http {
    access_log $dir/access.log;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;

    gate_redis unix:$ledger timeout=2s;
    gate_project kz { id 1234; secret_file $file; }

    proxy_http_version 1.1;
    proxy_next_upstream off;

    server {
        listen unix:$inner;
        gate_limits on;
        location /v2/ {
            gate_sign                  kz;
            proxy_ignore_client_abort  on;
            proxy_pass                 http://unix:$gate:;
        }
        location = /v2/payment/status {
            gate_sign             kz;
            gate_verify_response  on;
            proxy_pass            http://unix:$gate:;
        }
    }

    server {
        listen unix:$public;
        location = /callbacks {
            gate_verify            kz;
            gate_deduplicate       on;
            gate_deduplicate_lock  ${\LOCK};
            proxy_read_timeout     400ms;
            proxy_pass             http://unix:$taker:/taken;
        }
    }
}
END
}

my $nginx;

sub workers {
    my $text = read_file("/proc/$nginx/task/$nginx/children") // '';

    return grep { (read_file("/proc/$_/cmdline") // '') =~ /worker process/ }
           split ' ', $text;
}

sub start_nginx {
    my $file = write_file("$dir/nginx.conf", conf());

    $nginx = spawn([$ENV{TEST_NGINX_BINARY}, '-p', "$dir/", '-e', $log,
                    '-c', $file], out => "$dir/out", death_signal => 'TERM');
    at_end(sub { stop_child($nginx, 'TERM') if $nginx });

    wait_until(20, sub { workers() == 2 && -S $public })
        or die "nginx did not start\n" . (read_file($log) // '')
               . (read_file("$dir/out") // '');
}

sub kill_worker {
    my ($one) = workers();

    kill 'KILL', $one;
    wait_until(10, sub { !grep { $_ == $one } workers() });
    wait_until(10, sub { workers() == 2 }) or die "no new worker\n";
}

# --- what Gate makes of the payouts

my @plans = (
    [35, sub { return { outcome => 'success' } }, 'success'],
    [20, sub { return { outcome => 'decline' } }, 'decline'],
    [5,  sub { return { outcome => 'error' } }, 'error'],
    [10, sub { return { steps => ['processing', 'success', 'reversed'] } },
         'reversed'],
    [8,  sub { return { steps => ['processing', 'decline', 'success'] } },
         'success'],
    [8,  sub { return { steps => ['awaiting retry', 'processing', 'success'] }
             }, 'success'],
    [6,  sub { return { outcome => { status => 'success',
                                     amount => 1 + int(rand 5000) } } },
         'success'],
    [8,  sub { return { outcome => { status => 'partially_paid_out',
               paid => [map { 1 + int(rand 90) } 1 .. 1 + int(rand 4)] } } },
         'partially_paid_out'],
);

my (%amount, %final);

# A decline after a success would be an error of Gate's, so that only news whose
# order does not matter are reordered.

sub plan_of {
    my ($id) = @_;

    my $dice = int rand 100;
    my $plan;

    for my $choice (@plans) {
        $dice -= $choice->[0];
        next if $dice >= 0;

        $plan = $choice->[1]->();
        $final{$id} = $choice->[2];
        last;
    }

    $plan->{payment_id} = $id;
    $plan->{path} = '/payout';
    $plan->{early} = JSON::PP::true() if rand() < 0.25;
    $plan->{copies} = 2 + int(rand 2) if rand() < 0.3;
    $plan->{concurrent} = JSON::PP::true() if rand() < 0.5;
    $plan->{reorder} = rand() < 0.5 ? 'shuffle' : 'reverse'
        if $final{$id} eq 'partially_paid_out' && rand() < 0.5
           || ($plan->{steps} && "@{ $plan->{steps} }" =~ /retry/
               && rand() < 0.5);
    $plan->{drop} = 'after' if rand() < 0.1;
    $plan->{delay_ms} = int(rand 100) if rand() < 0.2;

    return $plan;
}

# --- payouts: sent again until Gate has them

my %answered;

sub request_of {
    my ($id) = @_;

    return { to => $inner, method => 'POST', timeout => 30,
             uri => '/v2/payment/mobile/payout', id => $id,
             headers => ['Content-Type: application/json'],
             body => Gate::Payouts::body_of($id, $amount{$id}) };
}

sub send_payouts {
    my ($events, @ids) = @_;

    my $done = 0;
    my %at = %$events;

    Gate::Http::parallel([ map { request_of($_) } @ids ], concurrency => 12,
        on_done => sub {
            my ($res) = @_;

            $answered{ $res->{request}{id} } = 200 if $res->{status} eq '200';

            my $event = delete $at{ ++$done } or return;
            $event->();
        });
}

# --- the storm

my @ids = map { sprintf 'storm_%03d', $_ } 1 .. PAYOUTS;

$amount{$_} = 100 + int(rand 10000) for @ids;
$redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'day', 10 ** 12);
$sim->control('POST', 'faults', [ map { plan_of($_) } @ids ]);
$service->control('POST', 'behaviour', [
    { probability => 0.12, status => 500 },
    { probability => 0.08, status => 503 },
    { probability => 0.06, fate => 'reset' },
    { probability => 0.06, fate => 'drop' },
    { probability => 0.06, fate => 'drop-after' },
    { probability => 0.05, fate => 'reset-after' },
    { probability => 0.05, delay_ms => 600, fate => 'drop' },
    { probability => 0.25, delay_ms => 40 },
]);

start_nginx();

my $started = Time::HiRes::time();
my $size = PAYOUTS / BATCHES;
my %events = (
    1 => { 20 => \&kill_worker },
    2 => { 15 => sub { $redis->freeze(); $redis->thaw() } },
    3 => { 10 => sub { $redis->restart() }, 30 => \&kill_worker },
    4 => { 25 => sub { kill 'HUP', $nginx } },
    5 => { 10 => \&kill_worker, 30 => sub { $redis->kill9()->start() } },
);

for my $batch (0 .. BATCHES - 1) {
    send_payouts($events{$batch} // {},
                 @ids[$batch * $size .. ($batch + 1) * $size - 1]);
}

pass(sprintf 'sent in %.1f s', Time::HiRes::time() - $started);

# Whoever got no answer, or was told to come again, asks for the state, and
# sends the same payout again if Gate has none.

sub unknown_to_gate {
    my ($id) = @_;

    my $res = Gate::Http::post('/v2/payment/status',
        "{\"general\":{\"payment_id\":\"$id\"}}", to => $inner, timeout => 30,
        headers => ['Content-Type: application/json']);

    $answered{$id} = 200 if $res->{body} =~ /"payment":\{/;

    return $res->{body} =~ /"3061"/;
}

my $resent = 0;

for my $round (1 .. 20) {
    my @left = grep { !$answered{$_} } @ids or last;
    my @gone = grep { unknown_to_gate($_) } @left;

    $resent += @gone;
    send_payouts({}, @gone);
}

diag("$resent payouts were sent again");

is(scalar(grep { !$answered{$_} } @ids), 0, 'Gate has every payout');

# old news again, and then no more faults

$sim->control('POST', 'redeliver', { payment_id => $_ })
    for @ids[map { int rand @ids } 1 .. REDELIVERED / 6];

$service->control('POST', 'behaviour', {});
$sim->control('GET', "wait?for=idle&timeout=" . 25 * $slow);
pass(sprintf 'calm after %.1f s', Time::HiRes::time() - $started);

# --- what has come of it

my %payment = map { $_->{payment_id} => $_ }
              @{ $sim->control('GET', 'payments')->{payments} };
my $states = $service->control('GET', 'states');

my %legal = map { $_ => 1 } 'success reversed', 'decline success',
                            'error success';
my %is_final = map { $_ => 1 } qw( success decline error reversed
                                   partially_paid_out );

sub order_of {
    my ($id) = @_;

    my @bad;
    my $last = '';

    for my $status (@{ $states->{$id} // [] }) {
        push @bad, "$last, $status"
            if $is_final{$last} && $last ne $status
               && !$legal{"$last $status"};

        $last = $status;
    }

    push @bad, "ends with $last" if $last ne $final{$id};

    return @bad;
}

is(scalar(keys %payment), PAYOUTS, 'payments at Gate');
is(join(' ', grep { $payment{$_}{status} ne $final{$_} } @ids), '',
   'all of them are final at Gate');

is(join(' ', grep { my $id = $_;
                    !grep { $_ eq $final{$id} } @{ $states->{$id} // [] }
                  } @ids), '', 'every final state reached the service');

my @wrong = map { my $id = $_; map { "$id: $_" } order_of($id) } @ids;
is(join("\n", @wrong), '', 'in a legal order, the final one last');

# Of payouts in parts more may come until Gate has told all operations of them;
# workers that were killed have left copies.  The ledger knows which to ask for.

sub to_ask { return @{ $redis->cmd('ZRANGE', 'gate:open:{1234}', 0, -1) } }

# notes may still be on their way
wait_until(10, sub { !grep { $final{$_} ne 'partially_paid_out' } to_ask() });

my %in_parts = map { $_ => 1 }
               grep { $final{$_} eq 'partially_paid_out' } @ids;

is(join(' ', grep { !$in_parts{$_} && !open_copies(entry($redis, $_)) }
             to_ask()), '', 'only what is paid in parts is open');
is(scalar(grep { $in_parts{$_} } to_ask()), scalar keys %in_parts,
   'all of these are');

age($redis, 3600);
unknown_to_gate($_) for to_ask();

sub paid {
    my ($id) = @_;

    return 0 if $final{$id} !~ /^(?:success|partially_paid_out)$/;

    return $payment{$id}{paid};
}

my ($sum, $count) = (0, 0);

for my $id (@ids) {
    $sum += paid($id);
    $count++ if paid($id);
}

my $ledger = '';
$ledger .= "$_ $final{$_} " . paid($_) . "\n" for sort @ids;

$Gate::Payouts::redis = $redis;

wait_until(10, sub { Gate::Payouts::ledger() eq $ledger });

is(Gate::Payouts::ledger(), $ledger, 'the ledger');
is(Gate::Payouts::totals(), "KZT $sum/$count\n", 'totals to the unit');
is(join(' ', to_ask()), '', 'nothing is open');

my ($stats) = $sim->control('GET', 'stats');
cmp_ok($stats->{callbacks_tried}, '>', PAYOUTS * 1.5,
       "it was a storm: $stats->{callbacks_tried} tries,"
       . " $stats->{callbacks_delivered} delivered");

kill 'QUIT', $nginx;
my $status = wait_child($nginx, 20);
undef $nginx;
is($status, 0, 'nginx ends');

my @bad = grep { /\[(?:alert|emerg|crit)\]|Sanitizer|runtime error/
                 && !/exited on signal 9/ }
          map { split /^/ } read_file($log) // '', read_file("$dir/out") // '';
is(join('', @bad[0 .. ($#bad > 20 ? 20 : $#bad)]), '', 'no trouble logged');
is(scalar(grep { /71234567890|johndoe|$key/ }
          split /^/, read_file($log) // ''), 0, 'nothing personal in the log');

done_testing();
