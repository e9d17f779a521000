#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# The proof that limits hold: two gateways with two workers each, one Redis,
# the simulator of Gate; payouts at the same time for three times what the
# limit allows, sent again, given up by their clients, answered with errors
# or not at all, while workers and Redis are killed.
#
# What Gate has accepted never exceeds the limit, nothing that it accepted is
# not counted, and once all payouts are settled the totals are what was paid,
# to the unit.
#
# GATE_SEED repeats a run, GATE_PAYOUTS makes it longer.

use strict;
use warnings;

use lib 't/lib';

use List::Util qw( sum0 shuffle );
use Test::More;

use Gate::Env qw( root read_file write_key wait_until );
use Gate::Gateway;
use Gate::Http;
use Gate::Ledger ();
use Gate::Redis;
use Gate::Sim;
use Gate::Upstream;

# at the same time
use constant CLIENTS => 48;

my $seed = $ENV{GATE_SEED} // 20261121;
my $payouts = $ENV{GATE_PAYOUTS} // 800;

srand $seed;

my $limit = 270 * $payouts;     # the mean payout has 500, and is sent once
my $key = 'key-of-kz-8d5a0b1e';
my $path = '/v2/payment/mobile/payout';

write_key('kz.key', $key);

my $redis = Gate::Redis->run(appendonly => 1);
my $service = Gate::Upstream->run(name => 'service');

# --- gateways

# The calendar's noon is now: no window ends while this runs.

sub offset {
    my $half_hours = int((12.5 * 3600 - time % 86400) / 1800);

    # from -12:00 to +14:00
    $half_hours -= 48 if $half_hours > 28;
    $half_hours += 48 if $half_hours < -24;

    return sprintf '%s%02d:%02d', $half_hours < 0 ? '-' : '+',
                   abs($half_hours) / 2, abs($half_hours) % 2 * 30;
}

my $offset = offset();

my $http = <<"_EOC_";
    gate_redis            unix:\$TEST_NGINX_REDIS_SOCKET timeout=1s;
    gate_limits_timezone  $offset;

    gate_project kz {
        id           1234;
        secret_file  \$TEST_NGINX_KEYS/kz.key;
    }
_EOC_

my $server = <<'_EOC_';
        location /v2/ {
            gate_sign            kz;
            gate_limits          on;
            proxy_pass           http://unix:$TEST_NGINX_SIM_SOCKET;
            proxy_read_timeout   500ms;
        }
        location /callbacks {
            gate_verify          kz;
            gate_deduplicate     on;
            proxy_pass           http://unix:$TEST_NGINX_SERVICE_SOCKET;
        }
_EOC_

my @gateways = map {
    Gate::Gateway->new(name => $_, workers => 2, http => $http,
                       server => $server)
} qw( a b );

my $sim = Gate::Sim->run(
    projects => { 1234 => $key },
    args => ['--seed', $seed, '--callback-url', 'http://unix:'
             . $gateways[1]->socket_path() . ':/callbacks',
             '--callback-delay', '0', '--time-scale', '0.01']);

# --- what Gate does

# Each fault for its share of the payments, chosen by the seed.

sub set_faults {
    my @faults = (
        { drop => 'before' }, { drop => 'after' },
        { reset => 'before' }, { reset => 'after' },
        { answer => { http => 500, code => '500' } },
        { answer => { http => 500, code => '500', accept => \1 } },
        { answer => { http => 400, code => '3104' } },
        { answer => { http => 403, code => '403' } },
        { cut => 150 },
        { delay_ms => 40 }, { delay_before_ms => 40 },
        { delay_ms => 700 },
    );

    # no news before all is over
    $sim->control('POST', 'defaults', { hold => \1 });
    $sim->control('POST', 'faults',
                  [ map { { %$_, probability => 0.04, count => 0 } } @faults ]);
}

sub accepted {
    my $payments = $sim->control('GET', 'payments')->{payments};

    return { map { $_->{payment_id} => $_ } @$payments };
}

# --- what services do

sub body {
    my ($id, $amount) = @_;

    return "{\"general\":{\"payment_id\":\"$id\"},"
           . '"customer":{"id":"c1","ip_address":"198.51.100.47",'
           . '"first_name":"John","last_name":"Doe",'
           . '"email":"johndoe@example.com"},'
           . '"account":{"number":"71234567890"},'
           . "\"payment\":{\"amount\":$amount,\"currency\":\"KZT\"}}";
}

sub request {
    my ($id, $amount, %opt) = @_;

    my $to = $gateways[ rand @gateways ];

    return { to => $to->socket_path(), method => 'POST', uri => $path,
             headers => ['Content-Type: application/json'],
             body => body($id, $amount), timeout => 30,
             id => $id, amount => $amount, %opt };
}

# Clients that go away: when they have sent everything, a little later, in
# the middle of the request; politely or not.

sub whims {
    return () if rand() > 0.2;

    my $kind = int rand 3;

    return (($kind == 0 ? (leave => 'sent')
           : $kind == 1 ? (leave => rand 0.05)
           :              (cut => 1 + int rand 500)), rst => int rand 2);
}

# All requests in their order: some payouts are sent again, at once or later,
# some with another amount.

sub requests {
    my @all;

    for my $n (1 .. $payouts) {
        my ($id, $amount) = ("p$n", 1 + int rand 999);

        push @all, [ $n, request($id, $amount, whims()) ];

        while (rand() < 0.35) {
            my $later = $n + (rand() < 0.5 ? 0.1 : rand 100);
            my $other = rand() < 0.1 ? 1 + int rand 999 : $amount;

            push @all, [ $later, request($id, $other, whims()) ];
        }
    }

    return map { $_->[1] } sort { $a->[0] <=> $b->[0] } @all;
}

# --- what happens meanwhile

sub restart_redis {
    my ($how) = @_;

    $how eq 'kill' ? $redis->kill9() : $redis->stop();
    $redis->start();
}

my @answers;

my %events = (
    'a worker of the first gateway is killed'
        => sub { $gateways[0]->kill_worker(0) },
    'another one' => sub { $gateways[0]->kill_worker(1) },
    'a worker of the second gateway is killed'
        => sub { $gateways[1]->kill_worker(int rand 2) },
    'a worker is killed without Redis' => sub {
        $redis->kill9();
        $gateways[1]->kill_worker(0);
        $redis->start();
    },
    'Redis is killed'    => sub { restart_redis('kill') },
    'Redis is restarted' => sub { restart_redis('stop') },
    'Redis hangs' => sub {
        $redis->freeze();
        Gate::Http::parallel([ map { request("hung$_", 500) } 1 .. 4 ]);
        $redis->thaw();
    },
    'a gateway is reloaded' => sub { $gateways[0]->reload() },
    'scripts are flushed'   => sub { $redis->cmd('SCRIPT', 'FLUSH') },
);

sub used {
    my ($window) = @_;

    my ($name, $count) = $window =~ /^([a-z]+)(_count)?$/;
    my @used = split m{/}, Gate::Ledger::used($redis, 'KZT', $name);

    return $used[$count ? 1 : 0] // 0;
}

my $greatest = 0;

# Each event has its place in the sequence of answers.

sub storm {
    my @all = requests();

    my @plan = shuffle(sort keys %events);
    my $every = @all / (@plan + 1);

    note(scalar(@all) . " requests, seed $seed");

    Gate::Http::parallel(\@all, concurrency => CLIENTS, on_done => sub {
        push @answers, $_[0];

        if (@answers % 16 == 0) {
            my $used = used('day');
            $greatest = $used if $used > $greatest;
        }

        return if !@plan || @answers < (keys(%events) + 1 - @plan) * $every;

        my $event = shift @plan;

        note("$event after " . @answers . ' requests');
        $events{$event}->();
    });

    is(scalar @plan, 0, 'all events took place');
}

# What found no Redis is sent again, as the answer says.

sub again {
    my @some = map { $_->{request} } grep { $_->{status} eq '503' } @answers;

    note(scalar(@some) . ' requests again');

    push @answers, Gate::Http::parallel(\@some, concurrency => CLIENTS);
}

# Until nothing more fits: the last units are taken one by one.

sub fill {
    my $n = 0;

    $sim->control('DELETE', 'faults');

    for my $amount (100, 10, 1) {
        while ($n < 5000) {
            my @some = map { request('f' . ++$n, $amount) } 1 .. 16;
            my @res = Gate::Http::parallel(\@some);

            push @answers, @res;
            last if !grep { $_->{status} eq '200' } @res;
        }
    }

    note("$n more to fill it up");
}

# --- the ledger

sub entries {
    my $entries = Gate::Ledger::entries($redis);

    # one that was void before it came has no amount
    $_->{counted} //= 0 for values %$entries;

    return $entries;
}

my %live = map { $_ => 1 } qw( reserved unknown accepted );

sub totals_are {
    my ($name, $amount, $count) = @_;

    for my $window (qw( hour day week month )) {
        is(used($window), $amount, "$name: $window");
        is(used("${window}_count"), $count, "$name: ${window}_count");
    }
}

# Lists that must be empty.

sub none {
    my ($name, @wrong) = @_;

    is("@wrong[0 .. ($#wrong > 20 ? 20 : $#wrong)]", '', $name);
}

sub check_after_storm {
    my ($entries, $accepted) = @_;

    my @live = grep { $live{ $entries->{$_}{state} // '' } }
               sort keys %$entries;
    my %answered = map { $_->{request}{id} => 1 }
                   grep { $_->{status} eq '200' } @answers;
    my $sum = sum0(map { $_->{amount} } values %$accepted);
    my $counted = sum0(map { $entries->{$_}{counted} } @live);

    cmp_ok($sum, '<=', $limit, "accepted $sum, limit $limit");
    cmp_ok($greatest, '<=', $limit, 'no total was ever over the limit');
    # how far it is used up depends on how many clients a busy machine lost

    cmp_ok($counted, '<=', $limit, 'no more than the limit is counted');
    cmp_ok($counted, '>', 0.7 * $limit, 'most of the limit is used up');
    totals_are('after the storm', $counted, scalar @live);

    none('what Gate accepted is counted',
         grep { !$entries->{$_} || !$live{ $entries->{$_}{state} }
                || $entries->{$_}{counted} != $accepted->{$_}{amount} }
              sort keys %$accepted);
    none('what is called accepted was accepted',
         grep { $entries->{$_}{state} eq 'accepted' && !$accepted->{$_} }
              @live);
    none('what was answered 200 is called accepted',
         grep { $entries->{$_}{state} ne 'accepted'
                && !(() = Gate::Ledger::open_copies($entries->{$_})) }
              sort keys %answered);
    none('only killed workers left copies under way', under_way($entries));

    my %states;
    $states{ $entries->{$_}{state} // 'void' }++ for keys %$entries;
    note(join ', ', map { "$states{$_} $_" } sort keys %states);

    # a run without these would prove little
    cmp_ok($states{$_} // 0, '>', 5, "there are $_ ones")
        for qw( accepted unknown refused );
}

# Copies of which Redis was not told what became of them, but for those of
# killed workers.

sub under_way {
    my ($entries) = @_;

    my %killed = map { $_ => 1 } map { $_->killed_names() } @gateways;

    return grep { !$killed{ (split /-/)[0] } }
           map { Gate::Ledger::open_copies($_) } values %$entries;
}

# --- settling

sub final_outcome { return (qw( success success success decline ))[rand 4] }

sub settle {
    my ($entries, $accepted) = @_;

    my $root = root();
    my $outcome = `'$root/util/assemble-lua' '$root/src/ledger/lua/outcome.lua'`;

    for my $id (sort keys %$accepted) {
        $sim->control('POST', 'settle', { payment_id => $id,
                                          outcome => final_outcome() });
    }

    $sim->control('GET', 'wait?for=idle&timeout=50');

    # what Gate does not know was not paid
    for my $id (grep { !$accepted->{$_} } sort keys %$entries) {
        my $reply = $redis->eval_lua(
            $outcome, [(map { Gate::Ledger::key($_) } qw( used era open )),
                       Gate::Ledger::key('payout', last => $id)],
            'suite', 0, 3456000, '', 'free', 'suite', '', '');

        like($reply->[0], qr/^(?:released|kept|noted|gone)/, "$id: by hand");
    }
}

sub check_settled {
    my ($entries, $payments) = @_;

    my @paid = grep { $payments->{$_}{status} eq 'success' }
               sort keys %$payments;

    totals_are('settled', sum0(map { $payments->{$_}{amount} } @paid),
               scalar @paid);

    none('entries say what Gate says',
         grep { $entries->{$_}{state} ne $payments->{$_}{status} }
              sort keys %$payments);
    none('nothing is left open',
         grep { $live{ $entries->{$_}{state} // '' } } sort keys %$entries);
}

# --- the course of it

$redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'day', $limit, 'month', $limit,
            'max', 1000, 'day_count', 1000000);

set_faults();
$_->start() for @gateways;

storm();
again();
fill();

# outcomes that waited for Redis, and requests that go on without a client
wait_until(20, sub { !under_way(entries()) });

$_->quit("gateway $_->{name}", qr/ exited on signal 9/) for @gateways;

my $accepted = accepted();

check_after_storm(entries(), $accepted);

$gateways[1]->start();
settle(entries(), $accepted);
check_settled(entries(), accepted());
$gateways[1]->quit('the second gateway again', qr/ exited on signal 9/);

diag("GATE_SEED=$seed") if !Test::More->builder->is_passing;

done_testing();
