#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# gate_callback_stream: callbacks go to a Redis stream in the step that
# settles and marks them, and are answered 200 only when they are there.

use strict;
use warnings;

use lib 't/lib';

use Time::HiRes ();

use Gate::Env qw( wait_until );
use Gate::Callbacks qw( :all );
use Gate::Http;
use Gate::Outbound qw( log_text );
use Gate::Payouts qw( $redis holds ledger totals );
use Test::Nginx::Socket 'no_plan';

our @kz = (project => 1234, id => 'a');

sub stream {
    my ($name, $more) = @_;

    my $config = ways("gate_callback_stream $name;\n" . ($more // ''));
    $config =~ s/proxy_pass   http:\/\/service\/taken;\n//;

    return $config;
}

our $stream = stream('callbacks');
our $once = stream('callbacks', "gate_deduplicate on;\n");
our $capped = stream('callbacks maxlen=100');
our $endless = stream('callbacks maxlen=0');

$Gate::Callbacks::http_config .= $Gate::Callbacks::redis_config;
$Gate::Callbacks::config = $once;

our $text = signed_text(callback('a', 'success', amount => 400));

# --- what is in the stream

sub entries {
    my ($name) = @_;

    return map { my ($id, $fields) = @$_; { id => $id, @$fields } }
           @{ $redis->cmd('XRANGE', $name // 'callbacks', '-', '+') };
}

sub in_stream {
    my ($count, $name) = @_;

    Test::More::is(scalar(entries($name)), $count, "$count in the stream");
}

sub last_is {
    my ($text, %expected) = @_;

    my ($entry) = reverse entries();
    my $now = Time::HiRes::time() * 1000;

    Test::More::is(delete $entry->{body}, $text, 'body: the same bytes');

    my $received = delete $entry->{received};
    my ($ms) = delete($entry->{id}) =~ /^(\d+)-\d+$/;

    Test::More::ok($received =~ /^\d{13}$/ && $received <= $now + 1000
                   && $received > $now - 60000, "received: $received");
    Test::More::ok(abs($ms - $received) <= 5000, 'about the time of its id');
    Test::More::is_deeply($entry, \%expected, 'the other fields');
}

# The commands of the documentation.

sub consume {
    $redis->cmd('XGROUP', 'CREATE', 'callbacks', 'payouts', 0, 'MKSTREAM');

    post('first', $text, 'streamed', @kz);
    post('second', signed_text(callback('a', 'reversed', amount => 400)),
         'streamed', @kz);

    my $got = $redis->cmd('XREADGROUP', 'GROUP', 'payouts', 'worker-1',
                          'COUNT', 10, 'BLOCK', 5000, 'STREAMS', 'callbacks',
                          '>');
    my @entries = @{ $got->[0][1] };

    Test::More::is(scalar(@entries), 2, 'a consumer gets both');
    Test::More::is({ @{ $entries[0][1] } }->{body}, $text, 'in order');

    Test::More::is($redis->cmd('XACK', 'callbacks', 'payouts',
                               $entries[0][0]), 1, 'one is acknowledged');

    my $claimed = $redis->cmd('XAUTOCLAIM', 'callbacks', 'payouts',
                              'worker-2', 0, 0);

    Test::More::is(scalar(@{ $claimed->[1] }), 1,
                   'another consumer takes over the other one');
    Test::More::is($claimed->[1][0][0], $entries[1][0], 'its id');

    $got = $redis->cmd('XREADGROUP', 'GROUP', 'payouts', 'worker-1', 'COUNT',
                       10, 'STREAMS', 'callbacks', '>');
    Test::More::is($got, undef, 'nothing is new');
}

# As many copies at once.

sub copies {
    my ($count) = @_;

    my @res = Gate::Http::parallel([ map { { method => 'POST', body => $text,
        uri => '/callbacks', timeout => 20 } } 1 .. $count ],
        concurrency => $count);

    Test::More::is(scalar(grep { $_->{status} == 200 } @res), $count,
                   "$count copies: all 200");
}

sub fill {
    my ($count) = @_;

    my @texts = map { signed_text(callback("f$_", 'processing')) } 1 .. 3;
    my @res = Gate::Http::parallel([ map { { method => 'POST',
        uri => '/callbacks', body => $texts[$_ % 3] } } 1 .. $count ],
        concurrency => 16);

    Test::More::is(scalar(grep { $_->{status} == 200 } @res), $count,
                   "$count callbacks: all 200");
}

Gate::Callbacks::suite();

run_tests();

__DATA__

=== TEST 1: in the stream, marked and settled
--- steps
pay a 400            -> 200
a success            -> streamed settled
! in_stream(1); last_is($::text, project_id => 1234, payment_id => 'a', status => 'success')
a success            -> duplicate -
! in_stream(1)
a reversed           -> streamed settled
! in_stream(2)
a success note=late  -> stale stale
! in_stream(2)
x decline proj=123   -> streamed unknown
! in_stream(3); last_is(signed_text(callback('x', 'decline', proj => 123), key => 'ua'), project_id => 123, payment_id => 'x', status => 'decline')
pay b 400            -> 200
b decline type=refund -> streamed ignored
! in_stream(4); last_is(signed_text(callback('b', 'decline', amount => 400, type => 'refund')), project_id => 1234, payment_id => 'b', status => 'decline')
--- ledger
a reversed 0
b accepted 400
--- totals
KZT 400/1
--- marks
a delivered
a delivered
b delivered
x delivered



=== TEST 2: without gate_deduplicate everything goes there
--- config eval: $::stream
--- steps
pay a 400            -> 200
a success            -> streamed settled
a success            -> streamed again
a decline            -> streamed stale
! in_stream(3)
--- ledger
a success 400
--- marks



=== TEST 3: bytes of any kind
--- steps
! my $t = callback('a', 'success', note => "\\u0000\\n\x{d0}\x{9f} \\ud83d\\ude00"); $t = signed_text($t) =~ s/,/ ,\n\t/gr; post('odd bytes', $t, 'streamed', @::kz); last_is($t, project_id => 1234, payment_id => 'a', status => 'success')
! my $t = signed_text(callback('a', 'success', note => 'x' x 500000)); post('500 KB', $t, 'streamed', @::kz); last_is($t, project_id => 1234, payment_id => 'a', status => 'success')
! my $t = signed_text('{"project_id":1234,"recurring":{"id":7}}'); post('no payment', $t, 'streamed', project => 1234); last_is($t, project_id => 1234, payment_id => '', status => '')



=== TEST 4: nothing unverified gets there
--- steps
! post('tampered', $::text =~ s/Success/Sucess/r, 'bad_signature', project => 1234)
! post('unsigned', callback('a', 'success'), 'unsigned', project => 1234)
! in_stream(0)
! is($::redis->dump('gate:*') =~ s/^gate:limits.*\n//mgr, '', 'Redis has nothing of it')



=== TEST 5: copies at the same time
--- steps
! copies(16); in_stream(1)
--- marks
a delivered



=== TEST 6: a consumer group
--- steps
! consume()



=== TEST 7: an approximate cap
--- config eval: $::capped
--- steps
! fill(600); my $n = entries(); ok($n >= 100 && $n < 400, "$n are left")



=== TEST 8: no cap
--- config eval: $::endless
--- steps
! fill(300); in_stream(300)



=== TEST 9: Redis is not there: Gate comes again
--- steps
pay a 400            -> 200
! $::redis->stop()
! my $res; wait_until(10, sub { ($res = send_callback($::text))->{headers}{'x-result'} }); is($res->{status}, 503, 'status'); is($res->{headers}{'retry-after'}, 5, 'Retry-After'); is($res->{body}, answer_body('redis_unavailable', @::kz), 'body')
! $::redis->start(); my $res; wait_until(15, sub { ($res = send_callback($::text))->{status} != 503 }); is($res->{status}, 200, 'status'); in_stream(1)
a success amount=400 -> duplicate -
--- errors
--- no_error_log
[alert]



=== TEST 10: Redis does not answer: not 200 until it has it
--- http_config eval: $Gate::Callbacks::http_config =~ s/timeout=5s/timeout=700ms/r
--- steps
pay a 400            -> 200
! $::redis->freeze()
a success            -> redis_unavailable -
! $::redis->thaw(); my $res; wait_until(15, sub { ($res = send_callback($::text))->{status} != 503 }); is($res->{status}, 200, 'status'); in_stream(1)
--- errors
--- no_error_log
[alert]
--- ledger
a success 400
--- totals
KZT 400/1
--- marks
a delivered



=== TEST 11: Redis is full: neither settled, nor marked, nor appended
--- steps
pay a 400            -> 200
! wait_until(10, sub { ledger() eq "a accepted 400\n" })
! $::redis->cmd('CONFIG', 'SET', 'maxmemory', 1)
a decline            -> redis_unavailable -
! in_stream(0); is(marks(), '', 'no mark'); is(ledger(), "a accepted 400\n", 'not settled')
! $::redis->cmd('CONFIG', 'SET', 'maxmemory', 0)
a decline            -> streamed settled
! in_stream(1)
--- errors
--- no_error_log
[alert]
--- ledger
a decline 0



=== TEST 12: the name is taken by something else
--- steps
! $::redis->cmd('SET', 'callbacks', 'x')
a success            -> redis_unavailable -
! $::redis->cmd('DEL', 'callbacks')
a success            -> streamed unknown
! in_stream(1)
--- errors
--- no_error_log
[alert]



=== TEST 13: forward mode is none for a stream
--- http_config eval: $Gate::Callbacks::http_config =~ s/timeout=5s/timeout=700ms/r
--- config eval: ::stream('callbacks', 'gate_callback_on_error forward;')
--- steps
! $::redis->freeze()
a success            -> redis_unavailable -
! $::redis->thaw()
--- errors
--- no_error_log
[alert]



=== TEST 14: Gate leaves before Redis has answered
--- steps
! $::redis->freeze(); my $log = length log_text(); my $conn = Gate::Http::Connection->new(); $conn->send(Gate::Http::bytes_of({ method => 'POST', uri => '/callbacks', body => $::text })); wait_until(10, sub { substr(log_text(), $log) =~ /gate inbound handler/ }); $conn->close(); wait_until(10, sub { substr(log_text(), $log) =~ /http request cleanup|client prematurely closed/ }); $::redis->thaw()
! wait_until(10, sub { entries() == 1 }); in_stream(1)
a success amount=400 -> duplicate -
! in_stream(1)
--- marks
a delivered



=== TEST 15: two streams
--- config eval
::stream('callbacks', "gate_deduplicate on;\n") . 'location = /other { gate_verify ua; gate_callback_stream other; }'
--- steps
a success                    -> streamed unknown
b success proj=123 at=/other -> streamed unknown
! in_stream(1); in_stream(1, 'other')



=== TEST 16: "if" in its location
--- config eval
::stream('callbacks', "gate_deduplicate on;\n" . 'if ($request_method = POST) { set $post 1; }')
--- steps
a success -> streamed unknown
! in_stream(1)
--- marks
a delivered



=== TEST 17: what cannot be read is there, too, and settles nothing
--- steps
pay a 400            -> 200
! our $u = signed_text(callback('a', 'decline', amount => 400) =~ s/400/400.0/r); $::log = -s "$ENV{TEST_NGINX_SERVROOT}/logs/error.log"; is(send_callback($::u)->{headers}{'x-settlement'}, 'unread', 'settlement')
! like(substr(log_text(), $::log), qr/\[error\] .*callback "a" of project "kz" is passed on, but settles nothing: it could not be read: payment.sum.amount must be an integer,/, 'told'); in_stream(1)
! last_is($::u, project_id => 1234, payment_id => 'a', status => 'decline')
! post('again', $::u, 'duplicate', @::kz); in_stream(1)
--- ledger
a accepted 400
--- marks
a delivered
--- errors
--- no_error_log
[alert]
