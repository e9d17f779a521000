#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Clients, workers and gateways that go while Redis is asked: nothing crashes
# or leaks, nothing reaches Gate, what was reserved is released, and whoever
# stays gets an answer.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Gate::Env qw( wait_until );
use Gate::Gateway;
use Gate::Http;
use Gate::Http2;
use Gate::Ledger ();
use Gate::Payouts qw( :all );
use Gate::Proxy;

my $proxy = Gate::Proxy->run(to => $redis->socket_path());

my $gateway = Gate::Gateway->new(
    http   => $Gate::Outbound::http_config . <<'_EOC_',
    gate_redis unix:$TEST_NGINX_PROXY_SOCKET timeout=10s;
_EOC_
    server => $Gate::Payouts::config . <<'_EOC_');
    location /left/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
        post_action  /action;
    }
    location /patient/ {
        gate_sign                  kz;
        gate_limits                on;
        proxy_ignore_client_abort  on;
        proxy_pass                 http://gate;
    }
    location /unserved/ {
        gate_sign                  kz;
        gate_limits                on;
        proxy_ignore_client_abort  on;
    }
    location = /limits {
        gate_limits_status;
        post_action  /action;
    }
    location = /action {
        internal;
        proxy_set_header    X-Upstream hang;
        proxy_read_timeout  500ms;
        proxy_pass          http://gate;
    }
_EOC_

$Gate::Payouts::to = $gateway->socket_path();

# --- requests that wait for Redis

# Gives bytes to connections; returns when all requests are on their way to
# Redis, and none has got there.  What a payout asks has the key of its entry
# once, whatever it shares a call with.

sub waiting {
    my ($bytes, $conns, $count, $word) = @_;

    $word //= 'gate:payout:';

    $proxy->hold();
    $conns->[$_]->send($bytes->[$_]) for 0 .. $#$conns;

    wait_until(20, sub { $proxy->held($word) >= $count })
        or die 'held: ' . $proxy->held($word) . " of $count\n";

    return @$conns;
}

sub payouts_waiting {
    my (@requests) = @_;

    return waiting([ map { Gate::Http::bytes_of({ request_of(@$_) }) }
                         @requests ],
                   [ map { Gate::Http::Connection->new($gateway
                                                       ->socket_path()) }
                         @requests ],
                   scalar @requests);
}

my $log_end = 0;

sub new_log { return substr $gateway->log_text(), $log_end }

sub noticed {
    my ($name, $count) = @_;

    my $found = wait_until(10, sub {
        (() = new_log() =~ /client prematurely closed connection/g) >= $count;
    });

    ok($found, "$name: nginx knows that the client has left");
}

# An empty ledger, a limit, a gateway; and what must be true in the end.

sub block {
    my ($name, $code, %opt) = @_;

    # a new worker has to be connected before it can be held up
    wait_until(20, sub { post_payout('first', 1)->{status} ne '503' });
    wait_until(20, sub { ledger() !~ / reserved / });

    $redis->cmd('FLUSHALL');
    set_limits('KZT day=1000 max=500');
    $up->reset();
    $log_end = length $gateway->log_text();

    eval { $code->($name); 1 } or fail("$name: $@");

    $proxy->go();

    my $res = post_payout('last', 1);

    check_answer($res, '200', "$name: the next payout", id => 'last');
    $redis->cmd('DEL', 'gate:payout:{1234}:last');

    is($up->count(), 1 + ($opt{reached} // 0), "$name: what reached Gate");
    $gateway->is_clean($name, $opt{expected});
}

# --- a client leaves

sub leaves {
    my ($how) = @_;

    return sub {
        my ($name) = @_;

        my ($conn) = payouts_waiting(['a', 100]);

        $how->($conn);
        noticed($name, 1);

        $proxy->go();
        holds($name, 'ledger', \&ledger, 'a released 0');
        holds($name, 'totals', \&totals, 'KZT 0/0');
    };
}

# nginx goes on with the request in another location.

sub leaves_with_action {
    my ($name) = @_;

    my ($conn) = payouts_waiting(['a', 100, at =>
                                  '/left/v2/payment/mobile/payout']);

    $conn->close();
    noticed($name, 1);
    $up->wait_for(1);

    $proxy->go();
    holds($name, 'ledger', \&ledger, 'a released 0');
    holds($name, 'totals', \&totals, 'KZT 0/0');
}

# The setting of proxy_pass holds while Redis is asked, too.

sub is_patient {
    my ($how, $stays) = @_;

    return sub {
        my ($name) = @_;

        my ($conn) = payouts_waiting(['a', 100, at =>
                                      '/patient/v2/payment/mobile/payout']);

        $how->($conn);

        # what came before is seen by now: there is one worker
        Gate::Http::get('/', to => $gateway->socket_path());

        $proxy->go();
        check_answer($conn->answer(), '200', "$name: answer") if $stays;
        holds($name, 'ledger', \&ledger, 'a accepted 100');
        holds($name, 'totals', \&totals, 'KZT 100/1');
        unlike(new_log(), qr/prematurely closed/, "$name: nobody has left");
    };
}

# There is nothing to be patient for without proxy_pass.

sub is_not_patient {
    my ($name) = @_;

    my ($conn) = payouts_waiting(['a', 100, at =>
                                  '/unserved/v2/payment/mobile/payout']);

    $conn->half_close();
    noticed($name, 1);
    $proxy->go();
    holds($name, 'ledger', \&ledger, 'a released 0');
}

sub limits_with_action {
    my ($name) = @_;

    my $bytes = Gate::Http::bytes_of({
        method => 'GET', uri => '/limits?project=kz&currency=KZT' });
    my ($conn) = waiting([$bytes], [Gate::Http::Connection->new(
                                        $gateway->socket_path())], 1,
                         'EVALSHA');

    $conn->close();
    noticed($name, 1);
    $up->wait_for(1);

    $proxy->go();
    wait_until(10, sub { new_log() =~ /upstream timed out/ });
}

sub stays_beside {
    my ($name) = @_;

    my @conns = payouts_waiting(map { ["p$_", 10] } 10 .. 49);

    $conns[$_]->close($_ % 4 == 0) for map { 2 * $_ } 0 .. 19;
    noticed($name, 20);
    $proxy->go();

    for my $n (map { 2 * $_ + 1 } 0 .. 19) {
        check_answer($conns[$n]->answer(), '200', "$name: " . ($n + 10));
    }

    holds($name, 'ledger', \&ledger, join "\n", map {
        'p' . ($_ + 10) . ($_ % 2 ? ' accepted 10' : ' released 0')
    } 0 .. 39);
    holds($name, 'totals', \&totals, 'KZT 200/20');
}

sub was_refused {
    my ($name) = @_;

    my ($conn) = payouts_waiting(['a', 501]);

    $conn->close();
    noticed($name, 1);
    $proxy->go();
    holds($name, 'ledger', \&ledger, '');
    holds($name, 'totals', \&totals, 'KZT 0/0');
}

# A copy of a payout that Gate has: the reservation is not the copy's own.

sub was_a_copy {
    my ($name) = @_;

    check_answer(post_payout('a', 100), '200', "$name: the first copy");

    my ($conn) = payouts_waiting(['a', 100]);

    $conn->close();
    noticed($name, 1);
    $proxy->go();

    my @open;

    wait_until(10, sub {
        @open = grep { $_ eq 'open' }
                values %{ Gate::Ledger::entry($redis, 'a')->{copies} };
        return !@open;
    });

    is(scalar @open, 0, "$name: no copy is under way");
    holds($name, 'ledger', \&ledger, 'a accepted 100');
    holds($name, 'totals', \&totals, 'KZT 100/1');
}

sub comes_again {
    my ($name) = @_;

    my ($conn) = payouts_waiting(['a', 100]);

    $conn->close();
    noticed($name, 1);
    $proxy->go();
    holds($name, 'ledger', \&ledger, 'a released 0');

    check_answer(post_payout('a', 100), '200', "$name: the next attempt");
    holds($name, 'totals', \&totals, 'KZT 100/1');
}

# Redis never answers; what it gets in the end is in the order that nobody
# wants: the release, and then the reservation.

sub redis_is_lost {
    my ($name) = @_;

    my ($conn) = payouts_waiting(['a', 100]);

    $conn->close();
    noticed($name, 1);
    $proxy->cut();
    $proxy->go();

    my $entry = sub { return ledger() =~ /^a (?:void|released)/ };

    ok(wait_until(20, $entry), "$name: Redis is told") or diag(ledger());
    holds($name, 'totals', \&totals, '');
}

sub incomplete {
    my ($name) = @_;

    my $bytes = Gate::Http::bytes_of({ request_of('a', 100) });
    my $conn = Gate::Http::Connection->new($gateway->socket_path());

    $conn->send(substr $bytes, 0, length($bytes) - 1);
    $conn->close();

    wait_until(10, sub { new_log() =~ /client prematurely closed/ });
    like(new_log(), qr/client prematurely closed/, "$name: noticed");
    holds($name, 'ledger', \&ledger, '');
    holds($name, 'totals', \&totals, '');
}

sub pipelined {
    my ($name) = @_;

    my $conn = Gate::Http::Connection->new($gateway->socket_path());
    my $keep = sub {
        my %req = request_of(@_);
        push @{ $req{headers} }, 'Connection: keep-alive';
        return Gate::Http::bytes_of(\%req);
    };

    waiting([$keep->('a', 100) . $keep->('b', 501) . $keep->('c', 50)],
            [$conn], 1);
    $proxy->go();

    check_answer($conn->answer(), '200', "$name: a");
    check_answer($conn->answer(), '400 limit_max 500', "$name: b", id => 'b');
    check_answer($conn->answer(), '200', "$name: c");
    holds($name, 'ledger', \&ledger, "a accepted 100\nc accepted 50");
    $conn->close();
}

# What is ready in one turn of the event loop leaves in one write, and its
# answers come in one read.  Redis counts both; this suite's own are known.

sub io_of_redis {
    my ($reads, $writes) = $redis->cmd('INFO', 'stats')
        =~ /^total_reads_processed:(\d+)\r\ntotal_writes_processed:(\d+)/m;

    return ($reads, $writes);
}

sub shares_calls {
    my ($name) = @_;

    # not through the proxy, which would join what comes at the same time
    my $http = $gateway->{http};
    $gateway->reload(http => $http =~ s/PROXY_SOCKET/REDIS_SOCKET/r);

    my @conns = map { Gate::Http::Connection->new($gateway->socket_path()) }
                1 .. 30;
    my $ask = sub {
        my ($n, $amount) = @_;
        my %req = request_of("p$n", $amount);
        push @{ $req{headers} }, 'Connection: keep-alive';
        return Gate::Http::bytes_of(\%req);
    };

    # known to the worker, and idle
    for my $n (0 .. 29) {
        $conns[$n]->send($ask->($n, 501));
        check_answer($conns[$n]->answer(), '400 limit_max 500', "$name: $n",
                     id => "p$n");
    }

    my ($worker) = $gateway->workers();
    my ($reads, $writes) = io_of_redis();

    kill 'STOP', $worker;
    $conns[$_]->send($ask->($_, 502)) for 0 .. 29;
    kill 'CONT', $worker;

    is($_->answer()->{status}, 400, "$name: answered") for @conns;

    my ($reads_after, $writes_after) = io_of_redis();

    # one of each is that of INFO; a write of 9 kB may be read in two
    cmp_ok($reads_after - $reads - 1, '<=', 3, "$name: reads of 30 payouts");
    cmp_ok($writes_after - $writes - 1, '<=', 3, "$name: writes");
    $_->close() for @conns;
    $gateway->reload(http => $http);
}

# --- HTTP/2

sub h2_bytes {
    my (@payout) = @_;

    my %req = request_of(@payout);

    return Gate::Http2::hello() . Gate::Http2::frames(
        uri => $req{uri}, body => $req{body}, length => 1,
        headers => [ map { my ($name, $value) = split /: /, $_, 2;
                           [lc $name, $value] } @{ $req{headers} } ]);
}

sub h2_waiting {
    return waiting([h2_bytes(@_)],
                   [Gate::Http::Connection->new($gateway->h2_path())], 1);
}

sub h2_leaves {
    my ($how) = @_;

    return sub {
        my ($name) = @_;

        my ($conn) = h2_waiting('a', 100);

        $how->($conn);
        noticed($name, 1) if $how != \&h2_reset;

        $proxy->go();
        holds($name, 'ledger', \&ledger, 'a released 0');
        holds($name, 'totals', \&totals, 'KZT 0/0');
        $conn->close();
    };
}

sub h2_reset {
    my ($conn) = @_;

    # RST_STREAM of stream 1, and a PING: its answer says that nginx knows
    my $seen = length $conn->{in};

    $conn->send("\0\0\4\3\0\0\0\0\1\0\0\0\10" . "\0\0\10\6\0\0\0\0\0pingpong");
    wait_until(10, sub { $conn->_fill(Time::HiRes::time() + 0.05);
                         $conn->{in} =~ /pingpong/ })
        or die "no answer to a ping\n";
}

sub h2_stays {
    my ($name) = @_;

    my ($conn) = h2_waiting('a', 100);

    $proxy->go();
    wait_until(10, sub { $conn->_fill(Time::HiRes::time() + 0.05);
                         $conn->{in} =~ /"status":"success"/ });

    like($conn->{in}, qr/"status":"success"/, "$name: Gate's answer");
    holds($name, 'ledger', \&ledger, 'a accepted 100');
    $conn->close();
}

# --- a worker is killed

sub killed {
    my ($name) = @_;

    my @conns = payouts_waiting(['a', 100], ['b', 200]);
    my ($worker) = $gateway->workers();

    # Redis has got them, the worker has not got the answers
    $redis->freeze();
    $proxy->go();
    wait_until(10, sub { $proxy->held('gate:payout:') == 0 });
    $gateway->kill_worker();
    $redis->thaw();

    ok($_->closed(), "$name: the client knows") for @conns;

    holds($name, 'ledger', \&ledger, "a reserved 100\nb reserved 200");
    holds($name, 'totals', \&totals, 'KZT 300/2');

    # what is not known stays counted, and may be sent again
    check_answer(post_payout('a', 100), '200 repeat', "$name: again");
    check_answer(post_payout('c', 701), '400 limit_max 500',
                 "$name: over max", id => 'c');
    holds($name, 'ledger', \&ledger, "a accepted 100\nb reserved 200");
    holds($name, 'totals', \&totals, 'KZT 300/2');
}

# --- reload and quit

sub reloaded {
    my ($name) = @_;

    my @conns = payouts_waiting(map { ["p$_", 10] } 10 .. 29);

    # new workers connect to Redis themselves, which nobody passes on now
    $gateway->reload();
    is(scalar $gateway->old_workers(), 1, "$name: the old worker waits");
    $proxy->go();

    check_answer($_->answer(), '200', "$name: answer") for @conns;

    ok(wait_until(20, sub { !$gateway->old_workers() }),
       "$name: the old worker exits");
    holds($name, 'totals', \&totals, 'KZT 200/20');
    holds($name, 'ledger', \&ledger,
          join "\n", map { "p$_ accepted 10" } 10 .. 29);
}

sub quit_with {
    my ($name, $answers) = @_;

    my @conns = payouts_waiting(map { ["p$_", 10] } 10 .. 29);

    $gateway->signal('QUIT');
    wait_until(10, sub { !$gateway->workers() });
    $answers->();

    return @conns;
}

sub quits {
    my ($name) = @_;

    my @conns = quit_with($name, sub { $proxy->go() });

    check_answer($_->answer(), '200', "$name: answer") for @conns;
    $gateway->ended($name);
    holds($name, 'totals', \&totals, 'KZT 200/20');
    holds($name, 'ledger', \&ledger,
          join "\n", map { "p$_ accepted 10" } 10 .. 29);
    $gateway->start();
}

sub quits_after_leaving {
    my ($name) = @_;

    my @conns = payouts_waiting(map { ["p$_", 10] } 10 .. 29);

    $_->close() for @conns;
    noticed($name, 20);
    $gateway->signal('QUIT');
    wait_until(10, sub { !$gateway->workers() });
    $proxy->go();

    $gateway->ended($name);
    holds($name, 'totals', \&totals, 'KZT 0/0');
    holds($name, 'ledger', \&ledger,
          join "\n", map { "p$_ released 0" } 10 .. 29);
    $gateway->start();
}

# Redis goes away and comes back while the worker exits.

sub quits_without_redis {
    my ($name) = @_;

    my @conns = quit_with($name, sub { $proxy->cut(); $proxy->go() });

    check_answer($conns[$_]->answer(), '503 redis_unavailable',
                 "$name: answer", id => 'p' . ($_ + 10)) for 0 .. $#conns;
    $gateway->ended($name);
    holds($name, 'totals', \&totals, '');
    $gateway->start();
}

# --- all of them

$gateway->start();

block('a client closes', leaves(sub { $_[0]->close() }));
block('a client resets', leaves(sub { $_[0]->close(1) }));
block('a client half-closes', leaves(sub { $_[0]->half_close() }));
block('a client half-closes, and is to be answered',
      is_patient(sub { $_[0]->half_close() }, 1), reached => 1);
block('a client closes, and the payout is not stopped',
      is_patient(sub { $_[0]->close() }, 0), reached => 1);
block('a client half-closes, without proxy_pass', \&is_not_patient);
block('nginx goes on without the client', \&leaves_with_action, reached => 1);
block('the same with limits', \&limits_with_action, reached => 1);
block('some leave, some stay', \&stays_beside, reached => 20);
block('the payout was refused anyway', \&was_refused);
block('it was a copy of another payout', \&was_a_copy, reached => 1);
block('the payout comes again', \&comes_again, reached => 1);
block('the connection to Redis is lost', \&redis_is_lost);
block('the request is not complete', \&incomplete);
block('payouts of one turn', \&shares_calls);
block('pipelined requests', \&pipelined, reached => 2);

block('HTTP/2: a client closes', h2_leaves(sub { $_[0]->close() }));
block('HTTP/2: a stream is reset', h2_leaves(\&h2_reset));
block('HTTP/2: a client stays', \&h2_stays, reached => 1);

block('reload', \&reloaded, reached => 20);
block('quit', \&quits, reached => 20);
block('quit after clients have left', \&quits_after_leaving);
block('quit while Redis goes away', \&quits_without_redis);

# the master reports it as an alert, from here on
block('a worker is killed', \&killed, reached => 1,
      expected => qr/ exited on signal 9/);

$gateway->quit('the end', qr/ exited on signal 9/);

done_testing();
