#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# A Redis that is away, hangs, is slow, forgets, or refuses: payouts are
# refused as the configuration says, administrators read one line for each
# change, and once it is back everything is as it should be.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Gate::Env qw( scratch wait_until );
use Gate::FakeRedis;
use Gate::Gateway;
use Gate::Http;
use Gate::Ledger ();
use Gate::Payouts qw( :all );
use Gate::Proxy;

my $proxy = Gate::Proxy->run(to => $redis->socket_path());

# /v2/ refuses where limits cannot be checked, /allow/v2/ does not.

my $server = $Gate::Payouts::config . <<'_EOC_';
        location /allow/v2/ {
            gate_sign             kz;
            gate_limits           on;
            gate_limits_on_error  allow;
            proxy_pass            http://gate;
        }
_EOC_

my $allow = '/allow/v2/payment/mobile/payout';
my $away = '503 redis_unavailable';

my $gateway = Gate::Gateway->new(server => $server);

$Gate::Payouts::to = $gateway->socket_path();

# --- what is asked and expected

sub conf {
    my ($address) = @_;

    return $Gate::Outbound::http_config . "gate_redis $address;";
}

my $direct = conf('unix:$TEST_NGINX_REDIS_SOCKET timeout=5s');
my $impatient = conf('unix:$TEST_NGINX_PROXY_SOCKET timeout=300ms');
my $patient = conf('unix:$TEST_NGINX_PROXY_SOCKET timeout=5s');

# The first payout that finds Redis again.

sub works_again {
    my ($name) = @_;

    my $res;

    wait_until(20, sub {
        ($res = post_payout('again', 1))->{status} eq '200'
    });

    check_answer($res, '200', "$name: works again", id => 'again');

    # a report that comes behind it would bring it back
    wait_until(20, sub { ledger() =~ /^again accepted/m });
    Gate::Ledger::forget($redis, 'again');
}

sub lines {
    my ($name, $down, $up) = @_;

    is($gateway->count_log(qr/gate_redis "\S+" is unavailable: /), $down,
       "$name: lines of its loss");
    is($gateway->count_log(qr/gate_redis "\S+" is available again/), $up,
       "$name: lines of its return");
}

# A fresh ledger and a fresh nginx; at the end, a Redis that works.

sub block {
    my ($name, $http, $code) = @_;

    $redis->cmd('FLUSHALL');
    set_limits('KZT max=500');
    $up->reset();

    unlink "$gateway->{dir}/error.log";
    $gateway->start(http => $http);

    eval { $code->($name); 1 } or fail("$name: $@");

    $gateway->quit($name);
}

# --- Redis is not there

sub dead_at_start {
    my ($name) = @_;

    $redis->stop();
    $gateway->quit("$name: before");
    unlink "$gateway->{dir}/error.log";
    $gateway->start();
    wait_until(10, sub { $gateway->log_text() =~ /is unavailable/ });

    pays($name, $away, 'a', 10);
    pays($name, $away, 'b', 501);
    pays($name, '200 redis_unavailable', 'c', 501, at => $allow);
    is($up->count(), 1, "$name: what reached Gate");
    like($gateway->log_text(),
         qr/"c" of project "kz" passes in spite of "redis_unavailable"/,
         "$name: logged");

    $redis->start();
    set_limits('KZT max=500');
    works_again($name);
    pays($name, '200', 'a', 10);
    pays($name, '400 limit_max 500', 'b', 501);
    holds($name, 'ledger', \&ledger, 'a accepted 10');
    holds($name, 'totals', \&totals, 'KZT 10/1');
    lines($name, 1, 1);
}

sub killed {
    my ($name) = @_;

    pays($name, '200', 'a', 10);
    $redis->cmd('SAVE');
    $redis->kill9();

    my @res = map { post_payout("b$_", 10) } 1 .. 10;

    check_answer($_, $away, "$name: dead", id => $_->{request}{id}) for @res;
    pays($name, '200 redis_unavailable', 'c', 10, at => $allow);

    $redis->start();
    works_again($name);
    pays($name, '200 repeat', 'a', 10);
    pays($name, '200', 'b1', 10);
    holds($name, 'ledger', \&ledger, "a accepted 10\nb1 accepted 10");
    holds($name, 'totals', \&totals, 'KZT 20/2');
    lines($name, 1, 1);
}

# A connection that was idle, and worked long enough, is simply made anew.

sub restarted {
    my ($name) = @_;

    for my $round (1 .. 3) {
        $redis->cmd('SAVE');
        $redis->restart();
        works_again("$name $round");
        pays("$name $round", '200', "p$round", 10);
    }

    holds($name, 'totals', \&totals, 'KZT 30/3');
    lines($name, 3, 3);
}

sub killed_while_asked {
    my ($name) = @_;

    $redis->cmd('SAVE');
    $redis->freeze();

    my @conns = map { Gate::Http::Connection->new($gateway->socket_path()) }
                1 .. 20;

    $conns[$_ - 1]->send(Gate::Http::bytes_of({ request_of("p$_", 10) }))
        for 1 .. 20;

    # timeout=5s: it is the loss of the connection that ends the waiting
    my $start = Time::HiRes::time();

    # a process that is stopped can be killed, and gets no farther
    kill 'KILL', $redis->pid();
    $redis->kill9();

    check_answer($conns[$_ - 1]->answer(), $away, "$name: p$_", id => "p$_")
        for 1 .. 20;
    cmp_ok(Time::HiRes::time() - $start, '<', 4, "$name: without delay");

    $redis->start();
    works_again($name);
    holds($name, 'totals', \&totals, 'KZT 0/0');
    lines($name, 1, 1);
}

# --- Redis does not answer

sub hangs {
    my ($name) = @_;

    $redis->freeze();

    my $start = Time::HiRes::time();

    pays($name, $away, 'a', 100);
    cmp_ok(Time::HiRes::time() - $start, '<', 3, "$name: in time");

    # the next ones do not wait for what is known to hang
    $start = Time::HiRes::time();
    pays($name, $away, "b$_", 100) for 1 .. 5;
    pays($name, '200 redis_unavailable', 'c', 100, at => $allow);

    $redis->thaw();
    works_again($name);

    # what Redis found in its socket does not count
    pays($name, '200', 'd', 100);
    ok(wait_until(20, sub { ledger() !~ /(?:reserved|unknown)/ }),
       "$name: nothing is left reserved") or diag(ledger());
    holds($name, 'totals', \&totals, 'KZT 100/1');
    lines($name, 1, 1);
}

# Slower than the default timeout.

sub is_slow {
    my ($name) = @_;

    $proxy->delay(150);
    pays($name, '200', 'a', 10);
    pays($name, '400 limit_max 500', 'b', 501);
    holds($name, 'ledger', \&ledger, 'a accepted 10');
    lines($name, 0, 0);
    $proxy->delay(0);
}

# Answers that come too late are nobody's: each payout gets its own.

sub is_too_slow {
    my ($name) = @_;

    my %want = map { ("m$_" => $_ % 2 ? '200' : '400 limit_max 500') } 1 .. 60;
    my $ask = sub {
        return Gate::Http::parallel([ map {
            { request_of("m$_", $_ % 2 ? $_ : 500 + $_) }
        } @_ ]);
    };

    for my $round (1 .. 3) {
        $proxy->delay(250);

        my @res = $ask->(1 .. 20);

        is(scalar(grep { $_->{status} ne '503' } @res), 0,
           "$name $round: all are refused in time");
        $proxy->delay(0);

        my $n = 0;

        wait_until(20, sub {
            @res = $ask->(1 .. 60);
            return !grep { $_->{status} eq '503' } @res;
        }) or fail("$name $round: does not recover");

        for my $res (@res) {
            my $id = $res->{request}{id};
            my ($status, $word, $limit) = split ' ', $want{$id};
            my $body = defined $word ? refusal_body($word, $limit, $id)
                                     : $answers{ok}{body};

            $n += $res->{status} eq $status && $res->{body} eq $body;
        }

        is($n, 60, "$name $round: every payout has its own answer");
    }

    # each odd one, once
    ok(wait_until(20, sub { ledger() !~ /(?:reserved|unknown)/ }),
       "$name: outcomes are told");
    holds($name, 'totals', \&totals, 'KZT 900/30');
}

# --- Redis forgets, and refuses

sub forgets_scripts {
    my ($name) = @_;

    pays($name, '200', 'a', 10);
    $redis->cmd('SCRIPT', 'FLUSH');
    pays($name, '200', 'b', 10);
    $redis->cmd('SCRIPT', 'FLUSH');

    my @res = Gate::Http::parallel([ map { { request_of("p$_", 10) } }
                                     1 .. 40 ]);

    is(scalar(grep { $_->{status} eq '200' } @res), 40, "$name: all pass");
    pays($name, '200 repeat', 'a', 10);
    holds($name, 'totals', \&totals, 'KZT 420/42');
    ok(wait_until(10, sub { ledger() !~ /(?:reserved|unknown)/ }),
       "$name: all are accepted");
    like($gateway->log_text(), qr/script "reserve" was loaded again/,
         "$name: logged");
    lines($name, 0, 0);
}

# Redis refuses to run the script: nothing is counted, and nobody has to
# reconnect for it to work again, nor to wait.

sub refuses {
    my ($error, $begin, $end) = @_;

    return sub {
        my ($name) = @_;

        pays($name, '200', 'a', 10);
        $begin->();

        pays($name, $away, "b$_", 20) for 1 .. 4;
        pays($name, '200 redis_unavailable', 'c', 20, at => $allow);
        like($gateway->log_text(), qr/is unavailable: .*$error/,
             "$name: the reason is logged");

        $end->();
        works_again($name);
        pays($name, '200', 'b1', 20);
        holds($name, 'ledger', \&ledger, "a accepted 10\nb1 accepted 20");
        holds($name, 'totals', \&totals, 'KZT 30/2');
        lines($name, 1, 1);
    };
}

sub out_of_memory {
    $redis->cmd('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    $redis->cmd('CONFIG', 'SET', 'maxmemory', '100000');
}

# Loads its data again, one key in a while.

my $other;

sub is_loading {
    $redis->pipeline(map { ['SET', "x:$_", 'x' x 100] } 1 .. 3000);
    $redis->cmd('CONFIG', 'SET', 'loading-process-events-interval-bytes',
                1024);
    $redis->cmd('CONFIG', 'SET', 'key-load-delay', 2000);

    $other = IO::Socket::UNIX->new(Peer => $redis->socket_path());
    print {$other} "DEBUG RELOAD\r\n";
    $other->flush();

    wait_until(10, sub { ($redis->error_of('PING') // '') =~ /^LOADING/ })
        or die "Redis does not load\n";
}

sub has_loaded {
    $redis->cmd('CONFIG', 'SET', 'key-load-delay', 0);
    wait_until(10, sub { !defined $redis->error_of('PING') })
        or die "Redis does not end to load\n";
}

# A directory that is gone: snapshots fail, and writes are refused.

sub cannot_save {
    my $dir = scratch() . '/gone';

    mkdir $dir;
    $redis->cmd('CONFIG', 'SET', 'dir', $dir);
    $redis->cmd('CONFIG', 'SET', 'save', '3600 1000000');
    rmdir $dir;
    $redis->error_of('BGSAVE');
    wait_until(10, sub {
        $redis->cmd('INFO', 'persistence') =~ /rdb_last_bgsave_status:err/
    }) or die "the snapshot does not fail\n";
}

sub can_save {
    $redis->cmd('CONFIG', 'SET', 'dir', $redis->{dir});
    $redis->cmd('CONFIG', 'SET', 'save', '');
}

# A connection whose script never ends keeps Redis busy.

my $busy;

sub is_busy {
    $redis->cmd('CONFIG', 'SET', 'lua-time-limit', 10);

    $busy = IO::Socket::UNIX->new(Peer => $redis->socket_path());
    print {$busy} "EVAL \"while true do end\" 0\r\n";
    $busy->flush();

    wait_until(10, sub { ($redis->error_of('PING') // '') =~ /^BUSY/ })
        or die "Redis is not busy\n";
}

# New connections are refused a password that they do not have.

sub asks_a_password {
    my ($name) = @_;

    pays($name, '200', 'a', 10);
    $redis->cmd('CONFIG', 'SET', 'requirepass', 'other');
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    # what broke the connection is not why there is no other
    $gateway->wait_log(qr/does not let us in: PING failed: NOAUTH/,
                       "$name: why it stays away");
    pays($name, $away, "b$_", 20) for 1 .. 4;
    unlike($gateway->log_text(), qr/other/, "$name: no password in the log");

    $redis->cmd('CONFIG', 'SET', 'requirepass', '');
    works_again($name);
    holds($name, 'totals', \&totals, 'KZT 10/1');
    lines($name, 1, 1);
    is($gateway->count_log(qr/does not let us in/), 1, "$name: said once");
}

# One payout's entry is no hash: it is refused, others are not.

sub wrong_type {
    my ($name) = @_;

    $redis->cmd('SET', 'gate:payout:{1234}:bad', 'x');

    pays($name, '503 bad_limit', 'bad', 10);
    pays($name, '503 bad_limit', 'bad', 10);
    pays($name, '200', 'good', 10);
    like($gateway->log_text(), qr/: bad_entry "" "": mend the entry of that/,
         "$name: logged");

    $redis->cmd('DEL', 'gate:payout:{1234}:bad');
    pays($name, '200', 'bad', 10);
    holds($name, 'ledger', \&ledger, "bad accepted 10\ngood accepted 10");

    # limits that are none
    $redis->cmd('SET', 'gate:limits:{1234}:USD', 'x');
    pays($name, $away, 'c', 10, cur => 'USD');
    $redis->cmd('DEL', 'gate:limits:{1234}:USD');
    set_limits('USD max=10');
    pays($name, '200', 'c', 10, cur => 'USD');
    holds($name, 'totals', \&totals, "KZT 20/2\nUSD 10/1");
}

# What was refused while Redis had no memory is told when it has.

sub outcome_refused {
    my ($name) = @_;

    my $conn = Gate::Http::Connection->new($gateway->socket_path());
    my %req = request_of('a', 10, up => 'refused');

    $req{headers}[1] =~ s/^X-Upstream: /X-Upstream: delay=200; /;
    $conn->send(Gate::Http::bytes_of(\%req));
    $up->wait_for(1);
    out_of_memory();

    is($conn->answer()->{status}, 400, "$name: Gate refuses");
    $gateway->wait_log(qr/is unavailable: .*OOM/, "$name: so does Redis");
    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

    holds($name, 'ledger', \&ledger, 'a refused 0');
    holds($name, 'totals', \&totals, 'KZT 0/0');
}

# An entry that somebody has damaged; a payment_id may hold a line end.

sub outcome_impossible {
    my ($name) = @_;

    my $conn = Gate::Http::Connection->new($gateway->socket_path());
    my %req = request_of('a\\nb', 10, up => 'refused');

    $req{headers}[1] =~ s/^X-Upstream: /X-Upstream: delay=200; /;
    $conn->send(Gate::Http::bytes_of(\%req));
    $up->wait_for(1);
    $redis->cmd('SET', "gate:payout:{1234}:a\nb", 'x');

    is($conn->answer()->{status}, 400, "$name: Gate refuses");
    $gateway->wait_log(qr/redis\ could\ not\ note\ that\ payout\ "a%0ab"
                          \ of\ project\ 1234\ is\ "refused":\ "bad_entry/x,
                       "$name: is logged in one line");
}

# A Redis that says everything twice: the second "ok" is nobody's, and no
# payout passes by it.

sub says_it_twice {
    my ($name) = @_;

    my $fake = Gate::FakeRedis->run('twice');
    my $between = Gate::Proxy->run(name => 'between',
                                   to => $fake->socket_path());

    # a refusal, as nothing comes after it
    my $rest = '$19\r\n2026112114 20261116\r\n$0\r\n\r\n:1\r\n{name}';

    $fake->mode("EVALSHA *5\\r\\n\$9\\r\\nno_limits\\r\\n$rest");
    $gateway->quit("$name: before");
    unlink "$gateway->{dir}/error.log";
    $gateway->start(http => conf('unix:' . $between->socket_path()
                                 . ' timeout=5s'));
    ok(wait_until(20, sub { post_payout('first', 10)->{status} == 400 }),
       "$name: connected");

    $between->hold();

    my $count = $up->count();
    my @clients;

    for my $id (qw( a b c )) {
        my $conn = Gate::Http::Connection->new($gateway->socket_path());

        $conn->send(Gate::Http::bytes_of({ request_of($id, 10) }));
        push @clients, $conn;
        wait_until(20, sub { $between->held('EVALSHA') >= @clients })
            or die "not asked\n";
    }

    $fake->mode("EVALSHA/6 twice *5\\r\\n\$2\\r\\nok\\r\\n$rest");
    $between->go();

    is(join(' ', map { $_->answer()->{status} } @clients), '200 503 503',
       "$name: one of three passes");
    is($up->count() - $count, 1, "$name: one has reached Gate");
    $gateway->wait_log(qr/is unavailable: reply to another call/,
                       "$name: is told");

    # reports, however many a call has, need not come again
    $fake->mode('EVALSHA -ERR odd');
    $gateway->quit("$name: done");
    $between->stop();
    $fake->stop();
    unlink "$gateway->{dir}/error.log";
    $gateway->start(http => $direct);
}

# --- all of them

block('dead at the start', $direct, \&dead_at_start);
block('killed', $direct, \&killed);
block('restarted', $direct, \&restarted);
block('killed while it is asked', $direct, \&killed_while_asked);

block('hangs', conf('unix:$TEST_NGINX_REDIS_SOCKET timeout=1s'), \&hangs);
block('slow', $patient, \&is_slow);
block('too slow', $impatient, \&is_too_slow);

block('scripts are flushed', $direct, \&forgets_scripts);
block('OOM', $direct, refuses('OOM', \&out_of_memory,
    sub { $redis->cmd('CONFIG', 'SET', 'maxmemory', 0) }));
block('READONLY', $direct, refuses('READONLY',
    sub { $redis->cmd('REPLICAOF', '127.0.0.1', 1) },
    sub { $redis->cmd('REPLICAOF', 'NO', 'ONE') }));
block('MASTERDOWN', $direct, refuses('MASTERDOWN',
    sub { $redis->cmd('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
          $redis->cmd('REPLICAOF', '127.0.0.1', 1) },
    sub { $redis->cmd('REPLICAOF', 'NO', 'ONE') }));
block('LOADING', $direct, refuses('LOADING', \&is_loading, \&has_loaded));
block('NOREPLICAS', $direct, refuses('NOREPLICAS',
    sub { $redis->cmd('CONFIG', 'SET', 'min-replicas-to-write', 1) },
    sub { $redis->cmd('CONFIG', 'SET', 'min-replicas-to-write', 0) }));
block('MISCONF', $direct, refuses('MISCONF', \&cannot_save, \&can_save));
block('BUSY', $direct, refuses('BUSY', \&is_busy,
    sub { $redis->cmd('SCRIPT', 'KILL') }));
block('NOAUTH', $direct, \&asks_a_password);
block('WRONGTYPE', $direct, \&wrong_type);
block('an outcome is refused', $direct, \&outcome_refused);
block('says everything twice', $direct, \&says_it_twice);
block('a damaged entry is refused', $direct, \&outcome_impossible);

done_testing();
