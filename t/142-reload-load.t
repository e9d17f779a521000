#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Under load: a reload every second for 30 seconds fails no request; a worker
# that is killed takes its own requests with it, and nothing else.  In both
# cases the ledger is right to the unit in the end.
#
# During the reloads there are two loads.  wrk has a connection for each
# request, and must not count a single error.  A connection that nginx has kept
# may be closed when its next request is just on the way, which wrk would count;
# Gate::Load has such connections, too, and tells these cases from failures.
#
# GATE_RELOAD_SECONDS makes it shorter or longer.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Gate::Env qw( wait_until );
use Gate::Gateway;
use Gate::Http;
use Gate::Ledger qw( totals );
use Gate::Load;
use Gate::Outbound qw( $kz_key $path lines_of );
use Gate::Payouts qw( $redis $up body_of set_limits );
use Gate::Wrk;

my $seconds = $ENV{GATE_RELOAD_SECONDS} // 30;

my @headers = ('Content-Type: application/json',
               'X-Upstream: status=200; type=application/json; '
                   . 'before={"status":"success","sent":; after=}');

my $gw = Gate::Gateway->new(workers => 2,
    http => <<'_EOC_', server => <<'_EOS_')->start();
    gate_redis  unix:$TEST_NGINX_REDIS_SOCKET timeout=5s;
    gate_zone   gate 256k;

    gate_project kz {
        id           1234;
        secret_file  $TEST_NGINX_KEYS/kz.key;
    }

    upstream gate {
        server     unix:$TEST_NGINX_UPSTREAM_SOCKET;
        keepalive  8;
    }
    proxy_http_version  1.1;
    proxy_set_header    Connection "";
_EOC_
        location /v2/ {
            gate_sign    kz;
            gate_limits  on;
            proxy_pass   http://gate;
        }
        location /status {
            gate_status;
        }
_EOS_

sub body { return body_of($_[0], 3) }

# What Gate must get: it accepts a payout, and says what it got.

sub signed {
    my ($id) = @_;

    return Gate::Outbound::signed(body($id), $kz_key, 1234,
        lines_of('customer:id' => 'c1', 'general:payment_id' => $id,
                 'payment:amount' => 3));
}

sub accepted { return '{"status":"success","sent":' . signed($_[0]) . '}' }

sub payout {
    my ($id) = @_;

    return { uri => $path, body => body($id), id => $id, timeout => 20,
             headers => \@headers };
}

sub verdict {
    my ($res) = @_;

    return $res->{error} // "status $res->{status}" if $res->{status} ne '200';

    return $res->{body} eq accepted($res->{request}{id}) ? 'ok'
                                                         : 'another body';
}

sub count_by_verdict {
    my %count;

    $count{ verdict($_) }++ for @_;

    return \%count;
}

# --- the ledger

my $all_of_it = <<'_EOC_';
local all = {}
for _, key in ipairs(redis.call('KEYS', 'gate:payout:*')) do
    local entry = redis.call('HMGET', key, 'state', 'payout', 'counted',
                             'copies')
    local open = {}
    for name in (entry[4] or ''):gmatch('([^ @]+)@') do
        open[#open + 1] = name
    end
    all[#all + 1] = key:match('[^:]*$')
    all[#all + 1] = table.concat({ tostring(entry[1]),
                                   entry[3] or entry[2]:match('^%d+'),
                                   unpack(open) }, ' ')
end
return all
_EOC_

# What became of each is told to Redis after the answer.  Only a worker that
# was killed leaves copies under way, and they stay counted.

sub is_told {
    my ($entry, $killed) = @_;

    my ($state, $counted, @open) = split ' ', $entry;

    return $counted eq '3' && !(grep { !$killed->{ (split /-/)[0] } } @open)
           && ($state eq 'accepted' || $state eq 'reserved' && @open);
}

sub ledger_is {
    my ($name, @ids) = @_;

    my %killed = map { ($_ => 1) } $gw->killed_names();
    my (%state, @bad);

    wait_until(10, sub {
        %state = @{ $redis->cmd('EVAL', $all_of_it, 0) };
        @bad = grep { !is_told($state{$_} // '- -', \%killed) } @ids;
        return !@bad;
    });

    is(scalar keys %state, scalar @ids, "$name: so many payouts in the ledger");
    is(scalar @bad, 0, "$name: each of them")
        or diag(join "\n", map { "$_: " . ($state{$_} // '-') } @bad);

    is(totals($redis), sprintf("KZT %d/%d\n", 3 * @ids, scalar @ids),
       "$name: totals are their sum");
}

# Windows end on the hour: not while this runs.

sub calm {
    my ($need) = @_;

    wait_until($need + 10, sub {
        my $left = 3600 - $redis->cmd('TIME')->[0] % 3600;
        return $left > $need;
    });

    $redis->cmd('FLUSHALL');
    set_limits('KZT day=10000000000');
}

sub old_workers_are_gone {
    my ($name) = @_;

    ok(wait_until(20, sub { !$gw->old_workers() }), "$name: no old workers");
}

# --- reload every second

calm($seconds + 20);

my $wrk = Gate::Wrk->start(port => $gw->port(), uri => $path,
    headers => \@headers, body => body('w000000000'),
    seconds => $seconds + 1);

my $reloads = 0;
my @answers = Gate::Load::run(
    seconds => $seconds + 0.5, to => $gw->socket_path(),
    request => sub { return payout("r$_[0]") },
    every => [1, sub {
        $gw->signal('HUP');
        $reloads++;

        # it keeps what it got
        $up->reset();
    }]);

my $told = $wrk->finish();

diag("$told->{made} requests of wrk and " . scalar(@answers)
     . " others, $reloads reloads, "
     . scalar(grep { $_->{again} } @answers) . ' on a connection just closed');

cmp_ok($reloads, '>=', $seconds - 3, 'a reload every second');
cmp_ok($gw->count_log(qr/\[notice\] \d+#\d+: reconfiguring$/m), '>=',
       $reloads - 3, 'nginx has reloaded as often');

my $bodies = delete $told->{bodies};
my $made = delete $told->{made};

cmp_ok($made, '>', 20 * $seconds, 'wrk was at work');
is_deeply($told, { answered => $made, map { ($_ => 0) }
                   qw( connect read write timeout status ) },
          'wrk: no error, every request is answered');

my @ids = map { sprintf 'w%09d', $_ } 1 .. $made;
my %expected = map { (accepted($_) => 1) } @ids;

is(scalar(grep { $_->[0] eq '200' && delete $expected{ $_->[1] } } @$bodies),
   $made, 'wrk: each payout is signed rightly');

is_deeply(count_by_verdict(@answers), { ok => scalar @answers },
          'the others: no request failed');
old_workers_are_gone('reload');

push @ids, map { $_->{request}{id} } @answers;
ledger_is('reload', @ids);

# one whose answer was lost is counted as "ok", and then as "repeat"

my $counted;

wait_until(10, sub {
    my $res = Gate::Http::get('/status', to => $gw->socket_path());

    ($counted) = $res->{body} =~ /^gate_payouts_total\{project="kz",endpoint="mobile",result="ok"\} (\d+)$/m;

    return $counted == @ids;
});
is($counted, scalar @ids, 'metrics have counted each of them once');

# --- a worker dies

calm(40);

my (@killed, %lost);
@answers = Gate::Load::run(
    seconds => 4.5, to => $gw->socket_path(),
    request => sub { return payout("k$_[0]") },
    every => [1, sub { push @killed, $gw->kill_worker(scalar @killed) }]);

my $count = count_by_verdict(@answers);
my $ok = delete $count->{ok};

diag("$ok requests, " . scalar(@killed) . ' workers killed, lost: '
     . (join(', ', map { "$count->{$_} $_" } sort keys %$count) || 'none'));

cmp_ok(scalar @killed, '>=', 3, 'workers were killed');
cmp_ok($ok, '>', 100, 'the others went on');
is(scalar(grep { !/^closed/ } keys %$count), 0,
   'what was lost was lost with its connection');

# each client may have had a request there
my $lost = @answers - $ok;
cmp_ok($lost, '<=', @killed * (Gate::Load::CLIENTS + Gate::Load::KEPT),
       'no more than a worker can have had');

# who got no answer asks again, as Gate allows
my @again = Gate::Http::parallel([
    map { { to => $gw->socket_path(), method => 'POST', %{ $_->{request} } } }
    grep { verdict($_) ne 'ok' } @answers ]);

is_deeply(count_by_verdict(@again), @again ? { ok => scalar @again } : {},
          'lost requests are answered when they are sent again');
ledger_is('killed', map { $_->{request}{id} } @answers);

$gw->quit('the end', qr/exited on signal 9|control process|open socket #\d+ left/);

done_testing();
