#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# gate_deduplicate: what a service has taken is not sent to it again, and what
# it has not taken is never lost, whatever happens in between.

use strict;
use warnings;

use lib 't/lib';

use Time::HiRes ();

use Gate::Env qw( wait_until );
use Gate::Callbacks qw( :all );
use Gate::Http;
use Gate::Outbound qw( log_text nginx_pid );
use Gate::Payouts qw( $redis holds ledger totals );
use Test::Nginx::Socket 'no_plan';

%Gate::Callbacks::answers = (%Gate::Callbacks::answers,
                             late => { delay => 200 });

our $on = ways("gate_deduplicate on;\n");
our $off = ways();
our $forward = ways("gate_deduplicate on; gate_callback_on_error forward;\n");
our $brief = ways("gate_deduplicate on; gate_deduplicate_lock 400ms;\n");

$Gate::Callbacks::http_config .= $Gate::Callbacks::redis_config;
$Gate::Callbacks::config = $on;

our $conn;
our $text = signed_text(callback('a', 'success', amount => 400));

# A callback that the service has, and does not answer.

sub in_flight {
    my ($text, %order) = @_;

    my $count = $service->count();
    my $conn = Gate::Http::Connection->new();

    $conn->send(Gate::Http::bytes_of({
        method => 'POST', uri => '/callbacks', body => $text,
        headers => ['X-Upstream: '
                    . orders(%order ? %order : (hang => 1))] }));

    $service->wait_for($count + 1);

    return $conn;
}

# Sends it until it is not told to come again; how often, and the answer.

sub until_taken {
    my ($text, @again) = @_;

    my ($tries, $res) = (0);

    wait_until(15, sub {
        $tries++;
        $res = send_callback($text);
        return $res->{status} != 503;
    });

    return ($res, $tries);
}

sub taken_once {
    my ($name, $text, $from) = @_;

    my ($res) = until_taken($text);

    Test::More::is($res->{status}, 200, "$name: taken at last");
    Test::More::cmp_ok($service->count(), '>', $from, "$name: the service has"
                       . ' it');
    Test::More::is($service->last_request()->{body}, $text,
                   "$name: the same bytes");

    # by a worker, perhaps, that is not connected yet
    my ($count, $log);

    wait_until(15, sub {
        ($count, $log) = ($service->count(), length log_text());
        $res = send_callback($text);
        return $res->{status} != 503;
    });

    check("$name: again", $res, 'duplicate', text => $text, count => $count,
          log => $log, project => 1234, id => 'a');
}

sub copies_at_once {
    my ($count) = @_;

    my $from = $service->count();
    my @res = Gate::Http::parallel([ map { {
        method => 'POST', uri => '/callbacks', body => $text,
        headers => ['X-Upstream: delay=200'], timeout => 20 } } 1 .. $count ],
        concurrency => $count);

    my @busy = grep { $_->{status} == 503 } @res;
    my @ok = grep { $_->{status} == 200 } @res;

    Test::More::is($service->count() - $from, 1, 'one was forwarded');
    Test::More::is(@busy + @ok, $count, '200 or 503');
    Test::More::cmp_ok(scalar(@ok), '>=', 1, 'one is delivered');
    Test::More::is(scalar(grep { $_->{body} ne answer_body('busy',
        project => 1234, id => 'a') || $_->{headers}{'retry-after'}
        !~ /^[1-9]\d*$/ } @busy), 0, 'the others are told to come again');
    Test::More::is(scalar(grep {
        ($_->{headers}{'x-result'} // '') !~ /^(?:ok|duplicate)$/ } @ok), 0,
        'delivered now, or before');
}

sub kill_workers {
    my @old = Gate::Outbound::workers();

    kill 'KILL', @old;

    wait_until(10, sub {
        my @now = Gate::Outbound::workers();
        my %old = map { $_ => 1 } @old;
        return @now == @old && !grep { $old{$_} } @now;
    }) or die "no new workers\n";
}

sub ttl_is {
    my ($min, $max) = @_;

    my ($key) = @{ $redis->cmd('KEYS', 'gate:callback:*') };
    my $ttl = defined $key ? $redis->cmd('PTTL', $key) : -9;

    Test::More::ok($ttl > $min && $ttl <= $max, "lives $ttl ms");
}

Gate::Callbacks::suite();

workers(2);

run_tests();

__DATA__

=== TEST 1: taken once, then answered without the service
--- steps
pay a 400      -> 200
a success      -> forward settled
a success      -> duplicate -
a success      -> duplicate -
--- ledger
a success 400
--- totals
KZT 400/1
--- marks
a delivered



=== TEST 2: a changed callback is news
--- steps
pay a 400           -> 200
a processing        -> forward updated
a processing        -> duplicate -
a processing op=48  -> forward updated
a success           -> forward settled
a success note=x    -> forward again
a success note=x    -> duplicate -
a success op=48     -> forward settled
a success           -> duplicate -
a reversed          -> forward settled
a reversed op=48    -> forward settled
a success           -> duplicate -
--- error_log
goes from "success" to "success": recounted adjusted, 800 is counted now
--- no_error_log
[alert]
--- ledger
a reversed 0
--- totals
KZT 0/0



=== TEST 3: of another payment, of another project
--- steps
a success           -> forward unknown
b success           -> forward unknown
a success proj=123  -> forward unknown
a success proj=123  -> duplicate -
a success proj=123 key=old -> duplicate -
a success           -> duplicate -
--- marks
a delivered
a delivered
b delivered



=== TEST 4: the same document in other bytes, and another one of the same string
--- steps
! post('as it came', $::text, 'forward', project => 1234, id => 'a')
! post('spaced', $::text =~ s/:/ : /r, 'duplicate', project => 1234, id => 'a')
! post('escaped', $::text =~ s/Success/\\u0053uccess/r, 'duplicate', project => 1234, id => 'a')
! post('an empty list more', $::text =~ s/^\{/{"x":[],/r, 'forward', project => 1234, id => 'a')



=== TEST 5: what the service does not take comes again
--- steps
pay a 400              -> 200
a decline svc=broken   -> failed settled
a decline svc=drop     -> failed again
a decline svc=reset    -> failed again
a decline              -> forward again
a decline              -> duplicate -
--- error_log
while reading response header from upstream
--- no_error_log
[alert]
--- ledger
a decline 0
--- totals
KZT 0/0
--- marks
a delivered



=== TEST 6: the mark is set by the service's 2xx, not before
--- steps
! my $conn = in_flight($::text); is(marks(), "a claimed\n", 'claimed'); ttl_is(0, 60000); post('a copy', $::text, 'busy', project => 1234, id => 'a'); is(marks(), "a claimed\n", 'still claimed'); $conn->close(); holds('left', 'marks', \&marks, '')
a success amount=400 -> forward unknown
--- marks
a delivered
--- error_log
client prematurely closed connection
--- no_error_log
[error]
[alert]



=== TEST 7: copies at the same time
--- steps
! copies_at_once(2)
! post('later', $::text, 'duplicate', project => 1234, id => 'a')
! $::redis->cmd('FLUSHALL'); copies_at_once(24)
! post('later', $::text, 'duplicate', project => 1234, id => 'a')
--- marks
a delivered



=== TEST 8: callbacks of a payment do not overtake each other
--- steps
pay a 400            -> 200
! $::conn = in_flight($::text)
a reversed           -> busy -
a processing         -> busy -
b success            -> forward unknown
! is(ledger(), "a success 400\n", 'not settled by what could not be delivered')
! $::conn->close(); wait_until(10, sub { $::redis->cmd('EXISTS', 'gate:lane:{1234}:a') == 0 })
a success            -> forward again
a reversed           -> forward settled
a success            -> duplicate -
--- ledger
a reversed 0
--- error_log
client prematurely closed connection
--- no_error_log
[error]
[alert]



=== TEST 9: a copy is told how long the other one may take
--- steps
! my $conn = in_flight($::text); my $wait = send_callback($::text)->{headers}{'retry-after'}; ok($wait > 50 && $wait <= 61, "Retry-After: $wait"); $conn->close(); holds('left', 'marks', \&marks, '')
--- error_log
client prematurely closed connection



=== TEST 10: the service is slower than the mark lives
--- config eval: $::brief
--- steps
! my $n = $::service->count(); my $conn = in_flight($::text); my ($res, $tries) = until_taken($::text); is($res->{status}, 200, 'delivered by a copy'); ok($tries > 1, 'which had to wait'); is($::service->count() - $n, 2, 'forwarded twice'); is(marks(), "a delivered\n", 'marked'); my $log = length log_text(); $conn->close(); wait_until(10, sub { substr(log_text(), $log) =~ /client prematurely closed/ })
! is(marks(), "a delivered\n", 'the first one does not take the mark away')
--- error_log
client prematurely closed connection



=== TEST 11: a worker killed while the service has it
--- config eval: $::brief
--- steps
pay a 400 -> 200
! my $n = $::service->count(); my $conn = in_flight($::text); kill_workers(); is($conn->answer(), undef, 'no answer'); taken_once('killed', $::text, $n + 1); is($::service->count() - $n, 2, 'delivered again')
--- error_log
exited on signal 9
--- errors
--- ledger
a success 400
--- totals
KZT 400/1
--- marks
a delivered



=== TEST 12: a worker killed before the service has it
--- config eval: $::brief
--- steps
pay a 400 -> 200
! my $n = $::service->count(); my $log = length log_text(); $::redis->freeze(); my $conn = Gate::Http::Connection->new(); $conn->send(Gate::Http::bytes_of({ method => 'POST', uri => '/callbacks', body => $::text })); wait_until(10, sub { substr(log_text(), $log) =~ /gate inbound handler/ }); kill_workers(); $::redis->thaw(); is($conn->answer(), undef, 'no answer'); taken_once('killed', $::text, $n)
--- error_log
exited on signal 9
--- errors
--- ledger
a success 400
--- totals
KZT 400/1
--- marks
a delivered



=== TEST 13: a reload while the service has it
--- steps
pay a 400 -> 200
! my $n = $::service->count(); my @old = Gate::Outbound::workers(); my $conn = in_flight($::text, delay => 600); kill 'HUP', nginx_pid(); Gate::Outbound::workers_are_new(@old); my $res = send_callback($::text); is($res->{status}, 503, 'a copy in a new worker'); $res = $conn->answer(); is($res->{status}, 200, 'the old worker delivers'); taken_once('reload', $::text, $n); is($::service->count() - $n, 1, 'once')
--- ledger
a success 400
--- marks
a delivered



=== TEST 14: Redis is not there
--- steps
pay a 400      -> 200
! $::redis->stop()
! my $n = $::service->count(); my ($res) = (send_callback($::text)); ($res) = send_callback($::text) if $res->{status} != 503; is($res->{status}, 503, 'status'); is($res->{headers}{'retry-after'}, 5, 'Retry-After'); is($res->{body}, answer_body('redis_unavailable', project => 1234, id => 'a'), 'body'); is($::service->count() - $n, 0, 'not forwarded')
! $::redis->start()
! my $n = $::service->count(); taken_once('back', $::text, $n)
--- errors
--- no_error_log
[alert]
--- marks
a delivered



=== TEST 15: Redis does not answer
--- http_config eval
my $http = $Gate::Callbacks::http_config;
$http =~ s/timeout=5s/timeout=700ms/;
$http
--- steps
pay a 400      -> 200
! $::redis->freeze()
a success      -> redis_unavailable -
a success      -> redis_unavailable -
! $::redis->thaw()
! my $n = $::service->count(); taken_once('back', $::text, $n); is($::service->count() - $n, 1, 'delivered once')
--- errors
--- no_error_log
[alert]
--- ledger
a success 400
--- totals
KZT 400/1
--- marks
a delivered



=== TEST 16: Redis is full
--- steps
pay a 400      -> 200
! $::redis->cmd('CONFIG', 'SET', 'maxmemory', 1)
a decline      -> redis_unavailable -
! $::redis->cmd('CONFIG', 'SET', 'maxmemory', 0)
a decline      -> forward settled
--- errors
--- no_error_log
[alert]
--- ledger
a decline 0
--- totals
KZT 0/0



=== TEST 17: scripts are gone
--- steps
pay a 400      -> 200
! $::redis->cmd('SCRIPT', 'FLUSH')
a success      -> forward settled
! $::redis->cmd('SCRIPT', 'FLUSH')
a success      -> duplicate -
--- marks
a delivered



=== TEST 18: Redis does not answer, forward: settled later
--- http_config eval
my $http = $Gate::Callbacks::http_config;
$http =~ s/timeout=5s/timeout=700ms/;
$http
--- config eval: $::forward
--- steps
pay a 400           -> 200
pay b 300           -> 200
! holds('paid', 'ledger', \&ledger, "a accepted 400\nb accepted 300\n")
! $::redis->freeze()
a decline           -> forward -
b success amount=250 -> forward -
b success amount=250 svc=broken -> failed -
! $::redis->thaw()
! holds('back', 'ledger', \&ledger, "a decline 0\nb success 250\n"); holds('back', 'totals', \&totals, "KZT 250/1\n"); holds('back', 'marks', \&marks, "a delivered\nb delivered\n")
! holds('told', 'log', sub { Gate::Suite::log_text() =~ /adjusted, 250 is counted now/ ? "yes\n" : 'no' }, 'yes')
a decline           -> duplicate -
b success amount=250 -> duplicate -
--- error_log
goes from "accepted" to "success": adjusted, 250 is counted now
--- errors
--- no_error_log
[alert]



=== TEST 19: Redis is full, forward: settled later
--- config eval: $::forward
--- steps
pay a 400      -> 200
! $::redis->cmd('CONFIG', 'SET', 'maxmemory', 1)
a decline      -> forward -
! $::redis->cmd('CONFIG', 'SET', 'maxmemory', 0)
--- errors
--- no_error_log
[alert]
--- ledger
a decline 0
--- totals
KZT 0/0
--- marks
a delivered



=== TEST 20: how long marks live
--- config eval: $::on . 'location = /hour { gate_verify kz; gate_deduplicate on; gate_deduplicate_ttl 1h; gate_deduplicate_lock 5s; proxy_pass http://service/taken; }'
--- steps
a success      -> forward unknown
! holds('marked', 'marks', \&marks, "a delivered\n"); ttl_is(12 * 86400000 - 60000, 12 * 86400000); $::redis->cmd('FLUSHALL')
a success at=/hour -> forward unknown
! holds('marked', 'marks', \&marks, "a delivered\n"); ttl_is(3600000 - 60000, 3600000)
! $::redis->cmd('PEXPIRE', $::redis->cmd('KEYS', 'gate:callback:*')->[0], 1); wait_until(5, sub { !@{ $::redis->cmd('KEYS', 'gate:callback:*') } })
a success at=/hour -> forward unknown
! $::redis->cmd('FLUSHALL'); my $conn = in_flight($::text); ttl_is(5000, 60000); $conn->close(); holds('left', 'marks', \&marks, '')



=== TEST 21: what is not about a payment has an identity, too
--- steps
! my $t = signed_text('{"project_id":1234,"recurring":{"id":7,"status":"active"}}'); post('news', $t, 'forward', project => 1234); post('again', $t, 'duplicate', project => 1234); post('other', signed_text('{"project_id":1234,"recurring":{"id":8,"status":"active"}}'), 'forward', project => 1234)



=== TEST 22: without gate_deduplicate there are no marks
--- config eval: $::off
--- steps
a success      -> forward unknown
a success      -> forward unknown
a success      -> forward unknown
--- marks
