#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# What one turn of the event loop has for Redis leaves in one call for each
# project and currency, and each payout of it is answered, aborted, refused and
# reported as if it had been alone.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Time::HiRes ();

use Gate::Env qw( read_file wait_until );
use Gate::FakeRedis;
use Gate::Gateway;
use Gate::Http;
use Gate::Http2;
use Gate::Payouts qw( :all );
use Gate::Proxy;

my $proxy = Gate::Proxy->run(to => $redis->socket_path());
my $way = Gate::Proxy->run(to => $up->socket_path(), name => 'way');

sub conf {
    my ($address) = @_;

    return $Gate::Outbound::http_config . "gate_redis $address;";
}

my $through = conf('unix:$TEST_NGINX_PROXY_SOCKET timeout=10s');

my $gateway = Gate::Gateway->new(http => $through,
                                 server => $Gate::Payouts::config . <<'_EOC_');
    location /dry/ {
        gate_sign            kz;
        gate_limits          dry_run;
        proxy_pass           http://gate;
    }
    location /default/ {
        gate_sign            kz;
        gate_limits          on;
        gate_limits_default  allow;
        proxy_pass           http://gate;
    }
    location /way/ {
        gate_sign            kz;
        gate_limits          on;
        proxy_pass           http://unix:$TEST_NGINX_WAY_SOCKET;
    }
    location = /alive {
        return 204;
    }
_EOC_

$Gate::Payouts::to = $gateway->socket_path();

# --- turns of the event loop

# A worker that stands still finds all that has come, at once.

sub stop_worker {
    my ($worker) = $gateway->workers();

    kill 'STOP', $worker;

    wait_until(10, sub {
        (read_file("/proc/$worker/stat") // '') =~ /\) T/;
    }) or die "the worker does not stop\n";

    return $worker;
}

sub in_one_turn {
    my ($code) = @_;

    my $worker = stop_worker();

    my $done = eval { $code->(); 1 };
    my $error = $@;

    kill 'CONT', $worker;

    die $error if !$done;
}

# Connections that the worker has accepted.

sub connections {
    my ($n) = @_;

    my @conns = map { Gate::Http::Connection->new($gateway->socket_path()) }
                    1 .. $n;

    $_->request(uri => '/alive') for @conns;

    return @conns;
}

# Payouts of one turn; returns when all are on their way to Redis, and none has
# got there.

sub payouts {
    my (@requests) = @_;

    my @conns = connections(scalar @requests);

    $proxy->hold();

    in_one_turn(sub {
        $conns[$_]->send(Gate::Http::bytes_of({ request_of(
            @{ $requests[$_] }) })) for 0 .. $#conns;
    });

    held_are(scalar @requests);

    return @conns;
}

# An entry's key is in a call once for each payout, and for each report.

sub held_are {
    my ($n) = @_;

    wait_until(20, sub { entries_held() >= $n })
        or die 'held: ' . entries_held() . " of $n\n";
}

sub entries_held {
    return $proxy->held('gate:payout:') + $proxy->held('gate:dry:payout:');
}

sub calls_are {
    my ($name, $calls) = @_;

    is($proxy->held('EVALSHA'), $calls, "$name: calls");
}

sub answers {
    my ($name, $conns, $expected, $ids) = @_;

    for my $i (0 .. $#$conns) {
        next if !defined $expected->[$i];

        check_answer($conns->[$i]->answer(timeout => 20), $expected->[$i],
                     "$name: $ids->[$i]", id => $ids->[$i]);
    }
}

# Asks, lets the calls go, and compares the answers.

sub pay {
    my ($name, $calls, $requests, $expected) = @_;

    my @conns = payouts(@$requests);

    calls_are($name, $calls);
    $proxy->go();
    answers($name, \@conns, $expected, [map { $_->[0] } @$requests]);
}

sub lines {
    my ($state, @ids) = @_;

    return join '', map { "$_ $state\n" } sort @ids;
}

sub left {
    my ($name, $ledger, $totals) = @_;

    holds($name, 'ledger', \&ledger, $ledger);
    holds($name, 'totals', \&totals, $totals);
}

sub block {
    my ($name, $code, %opt) = @_;

    # a new worker has to be connected before it can be held up
    wait_until(20, sub { post_payout('first', 1)->{status} ne '503' });

    # reports of what was before
    wait_until(20, sub { ledger() !~ /reserved/ });

    $redis->cmd('FLUSHDB');
    set_limits("KZT day=100000 max=500\nUSD day=1000");
    $up->reset();

    eval { $code->($name); 1 } or fail("$name: $@");

    $proxy->go();
    $gateway->is_clean($name, $opt{expected});
}

# --- what leaves together

sub one_call {
    my ($name) = @_;

    pay($name, 1, [map { ["p$_", 10] } 10 .. 29], [('200') x 20]);
    left($name, lines('accepted 10', map { "p$_" } 10 .. 29), 'KZT 200/20');
    is($up->count(), 20, "$name: reached Gate");
}

sub groups {
    my ($name) = @_;

    my $dry = '/dry/v2/payment/mobile/payout';
    my $default = '/default/v2/payment/mobile/payout';

    pay($name, 5, [
        ['a', 10], ['b', 10, cur => 'USD'], ['c', 10, at => $dry], ['d', 10],
        ['e', 10, at => $default], ['f', 10, cur => 'EUR', at => $default],
        ['g', 10, cur => 'USD'], ['h', 10, at => $dry],
    ], [('200') x 8]);

    left($name, lines('accepted 10', qw( a b d e f g ))
                . "dry c accepted 10\ndry h accepted 10\n",
         "EUR 10/1\nKZT 30/3\nUSD 20/2\ndry KZT 20/2\n");
}

sub more_than_fit {
    my ($n, $calls) = @_;

    return sub {
        my ($name) = @_;

        my @ids = map { sprintf 'p%03d', $_ } 1 .. $n;

        pay($name, $calls, [map { [$_, 10] } @ids], [('200') x $n]);
        left($name, lines('accepted 10', @ids), "KZT ${n}0/$n");
    };
}

# In the order in which they came, as one after another.

sub limits {
    my ($name) = @_;

    set_limits('KZT day=500 min=10 max=300');

    pay($name, 1,
        [['a', 200], ['b', 301], ['c', 200], ['d', 101], ['e', 100],
         ['f', 9], ['g', 10]],
        ['200', '400 limit_max 300', '200', undef, '200',
         '400 limit_min 10', undef]);

    left($name, lines('accepted 200', qw( a c )) . "e accepted 100\n",
         'KZT 500/3');
    is($up->count(), 3, "$name: reached Gate");
}

# What a refused payout of a batch hears is what it hears alone.

sub same_refusals {
    my ($name) = @_;

    set_limits('KZT day=500 min=10 max=300 hour_count=9');
    post_payout('first', 300);

    my @requests = (['a', 301], ['b', 9], ['c', 201], ['first', 299],
                    ['d', 1, cur => 'EUR']);
    my @conns = payouts(@requests);

    $proxy->go();

    for my $i (0 .. $#conns) {
        my ($here, $alone) = map {
            my $res = $_;
            join "\n", $res->{status}, $res->{body}, map {
                "$_: " . ($res->{headers}{$_} // '')
            } qw( content-type x-gate-source x-result );
        } $conns[$i]->answer(), post_payout(@{ $requests[$i] });

        is($here, $alone, "$name: $requests[$i][0]");
        like($here, qr/^4/, "$name: is refused");
    }
}

sub one_payment_id {
    my ($name) = @_;

    pay($name, 1, [['a', 10], ['a', 10], ['a', 11], ['b', 20], ['a', 10]],
        ['200', '200 repeat', '409 duplicate', '200', '200 repeat']);

    left($name, "a accepted 10\nb accepted 20\n", 'KZT 30/2');
    is($up->count(), 4, "$name: reached Gate");
}

# --- members that go

sub leaves {
    my ($name) = @_;

    my @conns = payouts(map { ["p$_", 10] } 1 .. 5);
    my $before = () = $gateway->log_text() =~ /prematurely closed/g;

    $_->close() for @conns[1, 3];

    wait_until(10, sub {
        (() = $gateway->log_text() =~ /prematurely closed/g) >= $before + 2;
    }) or die "nginx does not notice\n";

    $proxy->go();
    answers($name, \@conns, ['200', undef, '200', undef, '200'],
            [map { "p$_" } 1 .. 5]);
    left($name, "p1 accepted 10\np2 released 0\np3 accepted 10\n"
                . "p4 released 0\np5 accepted 10\n", 'KZT 30/3');
    is($up->count(), 3, "$name: reached Gate");
}

sub all_leave {
    my ($name) = @_;

    my @conns = payouts(map { ["p$_", 10] } 1 .. 3);
    my $before = () = $gateway->log_text() =~ /prematurely closed/g;

    $_->close() for @conns;

    wait_until(10, sub {
        (() = $gateway->log_text() =~ /prematurely closed/g) >= $before + 3;
    }) or die "nginx does not notice\n";

    $proxy->go();
    left($name, lines('released 0', map { "p$_" } 1 .. 3), 'KZT 0/0');
    is($up->count(), 0, "$name: reached Gate");
}

# A stream that is reset in the same turn: Redis never hears of its payout.

sub leaves_before {
    my ($name) = @_;

    my @conns = connections(2);
    my %req = request_of('gone', 10);

    $proxy->hold();

    my $h2 = Gate::Http::Connection->new($gateway->h2_path());

    # it is accepted when it is answered
    $h2->send(Gate::Http2::hello());
    $h2->_fill(Time::HiRes::time() + 10) or die "no HTTP/2\n";

    in_one_turn(sub {
        $conns[0]->send(Gate::Http::bytes_of({ request_of('a', 10) }));
        $h2->send(Gate::Http2::frames(
            %req, reset => 1,
            headers => [['content-type', 'application/json']]));
        $conns[1]->send(Gate::Http::bytes_of({ request_of('b', 10) }));
    });

    held_are(2);
    calls_are($name, 1);
    $proxy->go();
    answers($name, \@conns, ['200', '200'], ['a', 'b']);
    left($name, lines('accepted 10', 'a', 'b'), 'KZT 20/2');
}

# --- what becomes of the call

my $away = '503 redis_unavailable';

# Redis has done it all, and nobody hears of it.

sub reply_is_lost {
    my ($name) = @_;

    my @conns = payouts(map { ["p$_", 10] } 1 .. 5);

    $redis->freeze();
    $proxy->go();
    wait_until(10, sub { entries_held() == 0 });
    $proxy->cut();

    answers($name, \@conns, [($away) x 5], [map { "p$_" } 1 .. 5]);
    $redis->thaw();

    left($name, lines('released 0', map { "p$_" } 1 .. 5), 'KZT 0/0');
    is($up->count(), 0, "$name: reached Gate");

    # the reservations are void, and the payouts are not
    wait_until(10, sub { post_payout('x', 1)->{status} eq '200' });
    check_answer(post_payout('p1', 10), '200', "$name: again", id => 'p1');
}

sub never_sent {
    my ($name) = @_;

    my @conns = payouts(map { ["p$_", 10] } 1 .. 5);

    $proxy->cut();
    $proxy->go();

    answers($name, \@conns, [($away) x 5], [map { "p$_" } 1 .. 5]);
    wait_until(10, sub { (() = ledger() =~ /^p\d released/mg) == 5 });
    holds($name, 'ledger', sub { join '', grep { /^p/ } ledger() =~ /.*\n/g },
          lines('released -', map { "p$_" } 1 .. 5));
    is($up->count(), 0, "$name: reached Gate");
}

sub scripts_are_lost {
    my ($name) = @_;

    $redis->cmd('SCRIPT', 'FLUSH');
    pay($name, 1, [map { ["p$_", 10] } 1 .. 5], [('200') x 5]);
    left($name, lines('accepted 10', map { "p$_" } 1 .. 5), 'KZT 50/5');
}

sub reload {
    my ($name) = @_;

    my @conns = payouts(map { ["p$_", 10] } 1 .. 5);

    # what the new worker says to Redis is held up, too
    $gateway->signal('HUP');
    wait_until(20, sub { $gateway->old_workers() == 1 });

    $proxy->go();
    answers($name, \@conns, [('200') x 5], [map { "p$_" } 1 .. 5]);
    left($name, lines('accepted 10', map { "p$_" } 1 .. 5), 'KZT 50/5');
    wait_until(20, sub { !$gateway->old_workers() });
}

# --- reports

# Answers of Gate that come in one turn are told together.

sub reports {
    my ($name) = @_;

    my @ids = map { "p$_" } 10 .. 29;
    my $at = '/way/v2/payment/mobile/payout';

    $way->hold();

    my @conns = payouts(map { [$_, 10, at => $at] } @ids);

    $proxy->go();
    wait_until(20, sub { $way->held('"payment_id"') >= 20 })
        or die "not on their way to Gate\n";

    $proxy->hold();
    in_one_turn(sub {
        $way->go();
        $up->wait_for(20, 20);
        $way->accepted();
    });

    held_are(20);
    cmp_ok($proxy->held('EVALSHA'), '<', 5, "$name: calls");
    $proxy->go();
    answers($name, \@conns, [('200') x 20], \@ids);
    left($name, lines('accepted 10', @ids), 'KZT 200/20');
}

# --- replies that cannot be believed

my $window = '$19\r\n2026112114 20261116';

sub shapes {
    my $fake = Gate::FakeRedis->run('shapes');
    my $told = 'EVALSHA/4 *4\r\n$14\r\nnoted accepted\r\n$0\r\n\r\n:1\r\n{name}';
    my $good = "*5\\r\\n\$2\\r\\nok\\r\\n$window\\r\\n\$0\\r\\n\\r\\n:1\\r\\n{name}";

    $gateway->start(http => conf('unix:' . $fake->socket_path()
                                 . ' timeout=5s'));
    $up->reset();

    $fake->mode("EVALSHA/6 $good\n$told");
    wait_until(20, sub { post_payout('a', 1)->{status} eq '200' });
    is(post_payout('b', 1)->{status}, 200, 'a good one');

    my %shapes = (
        'a verdict too many' => "*6\\r\\n\$2\\r\\nok\\r\\n\$2\\r\\nok\\r\\n$window"
                                . '\r\n$0\r\n\r\n:1\r\n{name}',
        'no verdict'         => "*4\\r\\n$window\\r\\n\$0\\r\\n\\r\\n:1\\r\\n{name}",
        'a number'           => "*5\\r\\n:1\\r\\n$window\\r\\n\$0\\r\\n\\r\\n:1\\r\\n{name}",
        'an empty list'      => "*5\\r\\n*0\\r\\n$window\\r\\n\$0\\r\\n\\r\\n:1\\r\\n{name}",
        'a list of a list'   => "*5\\r\\n*1\\r\\n*1\\r\\n\$2\\r\\nok\\r\\n$window\\r\\n\$0"
                                . '\r\n\r\n:1\r\n{name}',
        'no era'             => "*4\\r\\n\$2\\r\\nok\\r\\n$window\\r\\n:1\\r\\n{name}",
        'a number of text'   => "*5\\r\\n\$2\\r\\nok\\r\\n$window\\r\\n\$0\\r\\n\\r\\n"
                                . '$1\r\n1\r\n{name}',
        'only a name'        => '*1\r\n{name}',
    );

    for my $name (sort keys %shapes) {
        my $count = $up->count();
        my $before = () = $gateway->log_text() =~ /reply of another shape/g;

        $fake->mode("EVALSHA/6 $shapes{$name}\n$told");
        check_answer(post_payout('c', 1), $away, "shape: $name", id => 'c');
        is($up->count(), $count, "$name: not sent");

        my $noticed = wait_until(10, sub {
            (() = $gateway->log_text() =~ /reply of another shape/g) > $before
        });
        ok($noticed, "$name: told");

        $fake->mode("EVALSHA/6 $good\n$told");
        wait_until(20, sub { post_payout('a', 1)->{status} eq '200' });
    }

    # an error of the script: all of its members are told of
    $fake->mode("EVALSHA/6 $good\nEVALSHA/4 -ERR odd");
    is(post_payout('d\\nd', 1)->{status}, 200, 'sent');
    $gateway->wait_log(qr/redis refused "outcome" of "\S+:d%0ad": ERR odd/,
                       'who is concerned is logged');

    $gateway->quit('shapes');
    $fake->stop();
}

$gateway->start();

block('one call', \&one_call);
block('groups', \&groups);
block('64', more_than_fit(64, 1));
block('65', more_than_fit(65, 2));
block('130', more_than_fit(130, 3));
block('limits', \&limits);
block('refusals', \&same_refusals);
block('one payment_id', \&one_payment_id);
block('one leaves', \&leaves);
block('all leave', \&all_leave);
block('leaves before', \&leaves_before);
block('reports', \&reports);
block('reply lost', \&reply_is_lost,
      expected => qr/is unavailable|is available again/);
block('never sent', \&never_sent,
      expected => qr/is unavailable|is available again/);
block('NOSCRIPT', \&scripts_are_lost, expected => qr/was loaded again/);
block('reload', \&reload);

$gateway->quit('batches');

shapes();

done_testing();
