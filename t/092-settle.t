#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Callbacks settle the ledger: every status from every state, payouts that are
# paid in parts or in another amount, and callbacks that come too early, too
# late, or for what is not known.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( wait_until );
use Gate::Callbacks qw( :all );
use Gate::Http;
use Gate::Ledger qw( entry open_copies move_to );
use Gate::Outbound qw( log_text );
use Gate::Payouts qw( $redis $up body_of holds ledger totals );
use Test::Nginx::Socket 'no_plan';

our $on = ways("gate_deduplicate on;\n");
our $off = ways();

$Gate::Callbacks::http_config .= $Gate::Callbacks::redis_config;
$Gate::Callbacks::config = $on;

# --- every status from every state

my @statuses = ('success', 'decline', 'error', 'reversed',
                'partially_paid_out', 'processing', 'awaiting retry',
                'awaiting clarification');

# How a payout of 400 gets into a state, and what is counted then.  The one
# callback of that operation is the other one's elder.

my %ways_to = (
    accepted => [['pay X 400 -> 200'], 400],
    unknown  => [['pay X 400 up=drop -> 502 nginx'], 400],
    refused  => [['pay X 400 up=refused -> 400 relayed'], 0],
    map({ my $s = $_;
          my $part = $s eq 'partially_paid_out' ? ' paid=150' : '';
          $s => [['pay X 400 -> 200',
                  "X $s$part note=before -> forward settled"],
                 { success => 400, partially_paid_out => 400
                 }->{$s} // 0] } @statuses[0 .. 4]),
);

# From, status of the same operation, settlement, state, counted: what is not
# here is stale, and changes nothing.  An error says that another operation may
# begin, whenever it comes.

my @moves = map { [split /\s*\|\s*/] } grep { /\S/ } split /\n/, <<'_EOT_';
accepted | success                | settled | success            | 400
accepted | decline                | settled | decline            | 0
accepted | error                  | settled | error              | 0
accepted | reversed               | settled | reversed           | 0
accepted | partially_paid_out     | settled | partially_paid_out | 400
accepted | processing             | updated | accepted           | 400
accepted | awaiting retry         | updated | accepted           | 400
accepted | awaiting clarification | updated | accepted           | 400
unknown  | success                | settled | success            | 400
unknown  | decline                | settled | decline            | 0
unknown  | error                  | settled | error              | 0
unknown  | reversed               | settled | reversed           | 0
unknown  | partially_paid_out     | settled | partially_paid_out | 400
unknown  | processing             | updated | accepted           | 400
unknown  | awaiting retry         | updated | accepted           | 400
unknown  | awaiting clarification | updated | accepted           | 400
refused  | success                | settled | success            | 400
refused  | decline                | settled | decline            | 0
refused  | error                  | settled | error              | 0
refused  | reversed               | settled | reversed           | 0
refused  | partially_paid_out     | settled | partially_paid_out | 400
refused  | processing             | updated | accepted           | 400
refused  | awaiting retry         | updated | accepted           | 400
refused  | awaiting clarification | updated | accepted           | 400
success  | success                | again   | success            | 400
success  | reversed               | settled | reversed           | 0
decline  | decline                | again   | decline            | 0
decline  | error                  | again   | decline            | 0
decline  | success                | settled | success            | 400
decline  | reversed               | settled | reversed           | 0
decline  | partially_paid_out     | settled | partially_paid_out | 400
error    | error                  | again   | error              | 0
error    | decline                | again   | error              | 0
error    | success                | settled | success            | 400
error    | reversed               | settled | error              | 0
error    | partially_paid_out     | settled | success            | 150
reversed | reversed               | again   | reversed           | 0
reversed | error                  | stale   | error              | 0
partially_paid_out | partially_paid_out | again   | partially_paid_out | 400
partially_paid_out | success            | settled | success            | 400
partially_paid_out | reversed           | settled | reversed           | 0
_EOT_

my %move = map { ("$_->[0] $_->[1]" => $_) } @moves;

sub id_of {
    my ($from, $status) = @_;

    return "$from-" . $status =~ tr/ /-/r;
}

# The steps of one row, with a payout for each column.

sub steps_from {
    my ($from, $stale) = @_;

    my $steps = '';

    for my $status (@statuses) {
        my $id = id_of($from, $status);
        my $move = $move{"$from $status"};
        my $part = $status eq 'partially_paid_out' ? ' paid=150' : '';

        $steps .= "$_\n" =~ s/\bX\b/$id/gr for @{ $ways_to{$from}[0] };
        $steps .= "$id $status$part -> "
                  . ($move && $move->[2] ne 'stale' ? "forward $move->[2]"
                                                    : $stale) . "\n";

        # what is not answered from the mark changes nothing, either
        $steps .= "$id $status$part -> forward again\n"
            if $move && $move->[2] eq 'settled' && $stale =~ /forward/;
    }

    return $steps;
}

sub holds_from {
    my ($from) = @_;

    my %lines;

    for my $status (@statuses) {
        my $id = id_of($from, $status);
        my $move = $move{"$from $status"};
        my ($state, $counted) = $move ? @$move[3, 4]
                                      : ($from, $ways_to{$from}[1]);

        $lines{$id} = [$state, $counted];
    }

    return %lines;
}

sub ledger_from {
    my %lines = holds_from(@_);

    return join '', map { "$_ @{ $lines{$_} }\n" } sort keys %lines;
}

sub totals_from {
    my %lines = holds_from(@_);
    my ($sum, $n) = (0, 0);

    for my $line (values %lines) {
        $sum += $line->[1];
        $n++ if $line->[1];
    }

    return "KZT $sum/$n\n";
}

# --- what is logged

sub is_logged {
    my ($level, $text) = @_;

    Test::More::ok(scalar(grep { /\[$level\]/ && /\Q$text\E/ }
                          split /\n/, log_text()), "[$level] $text");
}

sub is_not_logged {
    my ($text) = @_;

    Test::More::unlike(log_text(), qr/\Q$text\E/, "not logged: $text");
}

# --- a payout that Gate is still answering

sub overtaken {
    my ($id, $answer, @statuses) = @_;

    my $count = $up->count();
    my $conn = Gate::Http::Connection->new();

    $conn->send(Gate::Http::bytes_of({
        method => 'POST', uri => '/v2/payment/mobile/payout',
        body => body_of($id, 400),
        headers => ['Content-Type: application/json', 'Connection: close',
                    'X-Upstream: ' . orders(%$answer, delay => 400)] }));

    $up->wait_for($count + 1);

    for my $status (@statuses) {
        post("$id $status", signed_text(callback($id, $status, amount => 400)),
             'forward', project => 1234, id => $id);
    }

    my $state = entry($redis, $id)->{state};
    my $res = $conn->answer();

    Test::More::is($res->{status}, $answer->{status}, "$id: Gate's answer");

    # the outcome is told after the answer
    wait_until(10, sub { !open_copies(entry($redis, $id)) });

    return $state;
}

# --- another day

sub make_older {
    my ($id) = @_;

    move_to($redis, '2026010112 20251229', $id);
}

# --- counters

our $before;

sub counted {
    my $text = Gate::Http::get('/status')->{body};
    my %n;

    $n{"$1 $2"} = $3 while $text =~ /^gate_settlements_total
        \{project="(\w+)",settlement="(\w+)"\}[ ](\d+)$/mgx;

    return \%n;
}

sub grown {
    my $now = counted();

    return CORE::join ', ', map {
        my $more = $now->{$_} - ($before->{$_} // 0);
        $more ? "$_ $more" : ();
    } sort keys %$now;
}

# --- a callback whose amount is no integer, as the signature does not tell

our $unread = 0;

sub unread_post {
    my ($id, $status, %opt) = @_;

    my $text = callback($id, $status, amount => 400, note => 'unread '
                        . ($opt{again} ? $unread : ++$unread));

    $text =~ s/"sum":\{"amount":400/"sum":{"amount":400.0/ or die;

    return post("$status again", signed_text($text), 'duplicate',
                project => 1234, id => $id) if $opt{again};

    return post("$status unread", signed_text($text), 'unread',
                project => 1234, id => $id, payment_status => $status,
                why => 'payment.sum.amount must be an integer',
                with => { at => $opt{at} // '/callbacks' });
}

Gate::Callbacks::suite();

run_tests();

__DATA__

=== TEST 1: from accepted
--- steps eval: ::steps_from('accepted', 'stale stale')
--- ledger eval: ::ledger_from('accepted')
--- totals eval: ::totals_from('accepted')



=== TEST 2: from unknown
--- steps eval: ::steps_from('unknown', 'stale stale')
--- ledger eval: ::ledger_from('unknown')
--- totals eval: ::totals_from('unknown')
--- error_log
upstream prematurely closed connection
--- no_error_log
recounted



=== TEST 3: from refused: the money moves after all
--- steps eval: ::steps_from('refused', 'stale stale')
--- finally eval
sub {
    ::is_logged('error', 'payout "refused-success" of project "kz" goes from "refused" to "success": recounted, 400 is counted now');
    ::is_logged('error', 'payout "refused-partially_paid_out" of project "kz" goes from "refused" to "partially_paid_out": recounted, 400 is counted now');
    ::is_logged('error', 'payout "refused-processing" of project "kz" goes from "refused" to "accepted": recounted, 400 is counted now');
    ::is_not_logged('"refused-decline" of project "kz" goes');
}
--- errors
--- ledger eval: ::ledger_from('refused')
--- totals eval: ::totals_from('refused')



=== TEST 4: from success
--- steps eval: ::steps_from('success', 'stale stale')
--- ledger eval: ::ledger_from('success')
--- totals eval: ::totals_from('success')
--- error_log
callback "success-decline" of project "kz" says "decline" after "success": it changes nothing
callback "success-awaiting-retry" of project "kz" says "awaiting retry" after "success": it changes nothing
--- no_error_log
[error]
[alert]



=== TEST 5: from decline
--- steps eval: ::steps_from('decline', 'stale stale')
--- finally eval
sub {
    ::is_logged('error', 'payout "decline-success" of project "kz" goes from "decline" to "success": recounted, 400 is counted now');
}
--- errors
--- ledger eval: ::ledger_from('decline')
--- totals eval: ::totals_from('decline')



=== TEST 6: from error
--- steps eval: ::steps_from('error', 'stale stale')
--- finally eval
sub {
    ::is_logged('error', 'payout "error-success" of project "kz" goes from "error" to "success": recounted, 400 is counted now');
}
--- errors
--- ledger eval: ::ledger_from('error')
--- totals eval: ::totals_from('error')



=== TEST 7: from reversed
--- steps eval: ::steps_from('reversed', 'stale stale')
--- ledger eval: ::ledger_from('reversed')
--- totals eval: ::totals_from('reversed')



=== TEST 8: from partially_paid_out
--- steps eval: ::steps_from('partially_paid_out', 'stale stale')
--- ledger eval: ::ledger_from('partially_paid_out')
--- totals eval: ::totals_from('partially_paid_out')



=== TEST 9: without gate_deduplicate a stale one is forwarded and named so
--- config eval: $::off
--- steps eval
CORE::join '', map { ::steps_from($_, 'forward stale stale') } qw( accepted success reversed partially_paid_out )
--- ledger eval
CORE::join '', sort map { /.*\n/g } map { ::ledger_from($_) } qw( accepted success reversed partially_paid_out )



=== TEST 10: without gate_deduplicate, from decline and error
--- config eval: $::off
--- steps eval
CORE::join '', map { ::steps_from($_, 'forward stale stale') } qw( decline error )
--- errors
--- ledger eval
CORE::join '', sort map { /.*\n/g } map { ::ledger_from($_) } qw( decline error )



=== TEST 11: paid in parts, an operation each
--- steps
pay p 1000                                          -> 200
p partially_paid_out op=1 paid=300                  -> forward settled
p partially_paid_out op=2 paid=200                  -> forward settled
! holds('two parts, and more to come', 'totals', \&totals, "KZT 1000/1\n")
p partially_paid_out op=3 paid=100                  -> forward settled
p partially_paid_out op=3 paid=100                  -> duplicate
p partially_paid_out op=2 paid=200                  -> duplicate
p processing op=4                                   -> forward updated
p partially_paid_out op=4 opst=decline paid=70      -> forward settled
! holds('four parts, and more to come', 'totals', \&totals, "KZT 1000/1\n")
p partially_paid_out op=5 opst=decline paid=330     -> forward settled
--- ledger
p partially_paid_out 600
--- totals
KZT 600/1
--- error_log
goes from "partially_paid_out" to "partially_paid_out": adjusted, 600 is counted now
--- no_error_log
[error]
[alert]



=== TEST 12: paid in parts, with a list of all operations
--- steps
pay p 1000                                          -> 200
pay q 1000                                          -> 200
p partially_paid_out op=2 paid=200 ops=1:success:300,2:success:200,3:decline:500 -> forward settled
q partially_paid_out op=2 paid=700 ops=1:decline:300,2:decline:700 opst=decline -> forward settled
--- ledger
p partially_paid_out 500
q decline 0
--- totals
KZT 500/1



=== TEST 13: a list that the signature does not see releases nothing
--- steps
pay p 1000                                          -> 200
! my $t = signed_text(callback('p', 'partially_paid_out', amount => 1000, opst => 'processing')); post('empty', $t =~ s/^\{/{"operations":[],/r, 'forward', project => 1234, id => 'p')
! holds('nothing known', 'totals', \&totals, "KZT 1000/1\n")
pay q 1000                                          -> 200
! my $t = signed_text(callback('q', 'partially_paid_out', amount => 1000, paid => 300, op => 48)); post('empty objects', $t =~ s/^\{/{"operations":[{},{}],/r, 'forward', project => 1234, id => 'q')
--- ledger
p accepted 1000
q partially_paid_out 1000
--- totals
KZT 2000/2



=== TEST 14: another amount than asked for
--- steps
pay a 400                     -> 200
pay b 400                     -> 200
pay c 400                     -> 200
pay d 400                     -> 200
a success amount=350          -> forward settled
b success amount=450          -> forward settled
c success amount=0            -> forward settled
d processing amount=100       -> forward updated
d decline amount=100          -> forward settled
a reversed amount=350         -> forward settled
pay e 400                     -> 200
e processing amount=100       -> forward updated
e decline amount=400          -> forward settled
--- finally eval
sub {
    ::is_logged('warn', 'payout "a" of project "kz" goes from "accepted" to "success": adjusted, 350 is counted now');
    ::is_logged('warn', 'payout "b" of project "kz" goes from "accepted" to "success": adjusted, 450 is counted now');
    ::is_logged('warn', 'payout "c" of project "kz" goes from "accepted" to "success": adjusted, 0 is counted now');
}
--- ledger
a reversed 0
b success 450
c success 0
d decline 400
e decline 0
--- totals
KZT 850/2



=== TEST 15: another currency than asked for
--- steps
pay a 400                     -> 200
a success amount=9 cur=USD    -> forward settled
--- finally eval
sub {
    ::is_logged('warn', 'payout "a" of project "kz" goes from "accepted" to "success": currency, 400 is counted now');
}
--- ledger
a success 400
--- totals
KZT 400/1



=== TEST 16: no amount at all
--- steps
pay a 400                     -> 200
pay b 400                     -> 200
! post('no sum', signed_text(callback('a', 'success') =~ s/"sum\w*":\{.*?\},//gr), 'forward', project => 1234, id => 'a')
! post('no sum but the operation\'s', signed_text(callback('b', 'success', paid => 350) =~ s/"sum":\{.*?\},//r), 'forward', project => 1234, id => 'b')
--- ledger
a success 400
b success 350
--- totals
KZT 750/2



=== TEST 17: counted again past the limit, which then refuses others
--- limits
KZT day=500
--- steps
pay a 400        -> 200
a decline        -> forward settled
pay b 400        -> 200
a success op=48  -> forward settled
pay c 1          -> 429 limit_day 500
a reversed op=49 -> forward settled
pay c 101        -> 429 limit_day 500
a reversed op=48 -> forward settled
pay c 100        -> 200
pay d 1          -> 429 limit_day 500
b decline        -> forward settled
pay d 400        -> 200
--- finally eval
sub {
    ::is_logged('error', 'payout "a" of project "kz" goes from "decline" to "success": recounted, 400 is counted now');
}
--- errors
--- ledger
a reversed 0
b decline 0
c accepted 100
d accepted 400
--- totals
KZT 500/2



=== TEST 18: what the ledger does not know
--- steps
x success          -> forward unknown
x success          -> duplicate
x decline          -> forward unknown
y processing       -> forward unknown
z some-new-status  -> forward ignored
--- ledger
--- totals



=== TEST 19: a status that is none of a payout's
--- steps
pay a 400          -> 200
a partially_refunded -> forward ignored
a success          -> forward settled
--- ledger
a success 400
--- totals
KZT 400/1



=== TEST 20: of another project
--- steps
pay a 400                -> 200
a decline proj=123       -> forward unknown
a decline                -> forward settled
--- ledger
a decline 0
--- totals
KZT 0/0



=== TEST 21: a second attempt after an error, and callbacks of the first
--- steps
pay a 400             -> 200
a error op=1          -> forward settled
pay a 300             -> 200
a error op=1 amount=400 note=late -> forward again
a decline op=1        -> forward again
a success op=2        -> forward settled
a error op=1 note=very-late -> forward again
--- ledger
a success 300
--- totals
KZT 300/1



=== TEST 22: callbacks that overtake the synchronous answer
--- steps
! is(overtaken('a', $Gate::Payouts::answers{ok}, 'success'), 'success', 'state before the answer')
! is(overtaken('b', $Gate::Payouts::answers{ok}, 'processing', 'decline'), 'decline', 'state before the answer')
! is(overtaken('c', $Gate::Payouts::answers{refused}, 'success'), 'success', 'state before the answer')
! is(overtaken('d', $Gate::Payouts::answers{ok}, 'processing'), 'accepted', 'state before the answer')
! is(overtaken('e', $Gate::Payouts::answers{exists}, 'decline'), 'decline', 'state before the answer')
! is(overtaken('f', $Gate::Payouts::answers{ok}, 'success', 'reversed'), 'reversed', 'state before the answer')
--- ledger
a success 400
b decline 0
c success 400
d accepted 400
e decline 0
f reversed 0
--- totals
KZT 1200/3



=== TEST 23: released where it was counted, also on another day
--- steps
pay a 400        -> 200
! make_older('a')
pay b 100        -> 200
a decline        -> forward settled
--- ledger
a decline 0
b accepted 100
--- totals
KZT 100/1



=== TEST 24: with Redis away nothing is settled until it is back
--- http_config eval
my $http = $Gate::Callbacks::http_config;
$http =~ s/timeout=5s/timeout=700ms/;
$http
--- config eval: $::off
--- steps
pay a 400        -> 200
! $::redis->freeze()
a decline        -> redis_unavailable -
! $::redis->thaw()
! my $t = signed_text(callback('a', 'decline', amount => 400)); my $res; wait_until(15, sub { ($res = send_callback($t))->{status} != 503 }); is($res->{status}, 200, 'status')
--- errors
--- ledger
a decline 0
--- totals
KZT 0/0



=== TEST 25: without gate_redis callbacks pass, and are not settled
--- http_config eval
my $http = $Gate::Callbacks::http_config;
$http =~ s/^ *gate_redis.*\n//m;
$http
--- config
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
--- steps
a success        -> forward -
a success        -> forward -
--- ledger



=== TEST 26: a dry run's payout
--- config
    location /v2/ {
        gate_sign    kz;
        gate_limits  dry_run;
        proxy_pass   http://gate;
    }
    location = /callbacks {
        gate_verify       kz ua;
        gate_deduplicate  on;
        proxy_pass        http://service/taken;
    }
--- steps
pay a 400        -> 200
a decline        -> forward settled
--- ledger
dry a decline 0
--- totals
dry KZT 0/0



=== TEST 27: what the ledger made of callbacks is counted
--- more_http
    gate_zone gate 1m;
--- config eval
$::on . <<'_EOC_'
    location = /forward {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
    location = /status {
        gate_status;
    }
_EOC_
--- steps
pay a 400                         -> 200
! $::before = counted()
a processing                      -> forward updated
a success                         -> forward settled
a success                         -> duplicate -
a success at=/forward             -> forward again
a decline                         -> stale stale
a decline at=/forward             -> forward stale stale
x success                         -> forward unknown
y success proj=123                -> forward unknown
a new-status                      -> forward ignored
! unread_post('a', 'decline') for 1 .. 2
! unread_post('a', 'decline', again => 1)
! is(grown(), 'kz again 1, kz ignored 1, kz settled 1, kz stale 2, kz unknown 1, kz unread 2, kz updated 1, ua unknown 1', 'counters')
--- errors
--- no_error_log
[alert]



=== TEST 28: what cannot be read settles nothing, and the true one does
--- steps
pay a 400                         -> 200
! unread_post('a', $_) for qw( decline error reversed success partially_paid_out processing )
! holds('counted', 'ledger', \&ledger, "a accepted 400\n")
a decline                         -> forward settled
! unread_post('a', 'success'); unread_post('a', 'success', again => 1) for 1 .. 2
--- ledger
a decline 0
--- totals
KZT 0/0
--- errors
--- no_error_log
[alert]



=== TEST 29: ids in digits, no values and spaces settle as they should
--- steps
pay 47 400                        -> 200
pay b 400                         -> 200
pay c 400                         -> 200
! my $t = callback('47', 'decline', amount => 400); $t =~ s/"id":"47"/"id":47/; $t =~ s/1234/"1234"/; $t =~ s/"id":47,"type"/"id":"47","type"/; is(send_callback(signed_text($t))->{headers}{'x-settlement'}, 'settled', 'settlement')
! my $t = callback('b', 'success', amount => 400); $t =~ s/"operation":\{.*\},"account":\{.*?\}/"operation":[],"operations":null,"account":[]/; $t =~ s/"type":"payout"/"type":null/; is(send_callback(signed_text($t))->{headers}{'x-settlement'}, 'settled', 'settlement')
c partially paid out paid=150     -> forward settled
--- ledger
47 decline 0
b success 400
c partially_paid_out 400
--- totals
KZT 800/2



=== TEST 30: with Redis away what cannot be read is passed on, if so configured
--- http_config eval: $Gate::Callbacks::http_config =~ s/timeout=5s/timeout=700ms/r
--- config eval: $::on . '    location = /forward { gate_verify kz; gate_callback_on_error forward; proxy_pass http://service/taken; }'
--- steps
pay a 400        -> 200
! $::redis->freeze()
! unread_post('a', 'decline', at => '/forward')
! $::redis->thaw()
! my $t = signed_text(callback('a', 'processing', amount => 400)); my $res; wait_until(15, sub { ($res = send_callback($t))->{status} != 503 }); is($res->{headers}{'x-settlement'}, 'updated', 'settlement')
--- ledger
a accepted 400
--- errors
--- no_error_log
[alert]



=== TEST 31: a state that somebody wrote into the ledger makes no lines of its own
--- steps
pay a 400        -> 200
a reversed       -> forward settled
! $::redis->cmd('HSET', 'gate:payout:{1234}:a', 'state', "odd\n\e[31m\xc2\x9b31m\xff")
a success        -> stale stale
--- errors
--- error_log
says "success" after "odd%0a%1b[31m%c2%9b31m%ff": it changes nothing



=== TEST 32: of a payment of another type, with the id of a payout
--- config eval
$::on . '    location = /forward { gate_verify kz; proxy_pass http://service/taken; }'
--- steps
pay a 400                               -> 200
a decline type=purchase                 -> forward ignored
a decline type=purchase                 -> duplicate -
a decline type=purchase at=/forward     -> forward ignored
a error type=refund op=48               -> forward ignored
a reversed type=purchase                -> forward ignored
a success type=purchase amount=300      -> forward ignored
a partially_paid_out type=Payout paid=1 -> forward ignored
a processing type=purchase              -> forward ignored
! holds('counted', 'ledger', \&ledger, "a accepted 400\n")
a decline                               -> forward settled
a success type=purchase op=48           -> forward ignored
x success type=purchase                 -> forward ignored
--- ledger
a decline 0
--- totals
KZT 0/0



=== TEST 33: with Redis away, one of another type is passed on, and settles nothing later
--- http_config eval: $Gate::Callbacks::http_config =~ s/timeout=5s/timeout=700ms/r
--- config eval: $::on . '    location = /forward { gate_verify kz; gate_callback_on_error forward; proxy_pass http://service/taken; }'
--- steps
pay a 400        -> 200
! $::redis->freeze()
a decline type=purchase at=/forward -> forward
! $::redis->thaw()
! my $t = signed_text(callback('a', 'processing', amount => 400)); my $res; wait_until(15, sub { ($res = send_callback($t))->{status} != 503 }); is($res->{headers}{'x-settlement'}, 'updated', 'settlement')
--- ledger
a accepted 400
--- errors
--- no_error_log
[alert]
