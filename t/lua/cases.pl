# Copyright (C) nginx-gate authors
#
# What goes wrong where money is counted by the state of a payment alone: each
# story is one in which something that Gate holds or has paid was not counted,
# or news was lost.

use strict;
use warnings;

use Test::More;

use Model;

# a copy of payment p, sent; with an action, what came of it

sub sent {
    my ($ledger, $id, $copy, $action, $code) = @_;

    my ($verdict) = $ledger->reserve($id, 100, digest => 'd', copy => $copy);

    $ledger->outcome($id, $copy, $action, $code) if $action;

    return $verdict;
}

sub counted_is {
    my ($ledger, $total, $name) = @_;

    is($ledger->totals(), join(' ', ($total) x 4), $name);
}

# Copy a became operation 1, which ended in error; copy b is operation 2.

sub error_of_one_copy {
    my ($ledger) = @_;

    for my $b ('accepted', 'unknown', '', 'late') {
        for my $first ('b', 'error') {
            my $name = 'b is ' . ($b || 'never heard of') . ", $first first";

            $ledger->clear()->limits(day => 100);
            sent($ledger, 'p', 'a', 'accepted');
            is(sent($ledger, 'p', 'b'), 'repeat', "$name: sent again");

            my $report = sub { $ledger->outcome('p', 'b', $b) };

            $report->() if $first eq 'b' && $b =~ /^[au]/;
            $ledger->settle('p', 'error', op => 1);
            $report->() if $first ne 'b' && $b =~ /^[au]/;

            counted_is($ledger, '100/1', "$name: still counted");
            is(($ledger->reserve('q', 100))[0], 'limit_day',
               "$name: the limit is reached");

            $ledger->at(1795219200 + 700) if $b eq 'late';
            $ledger->outcome('p', 'b', 'accepted') if $b eq 'late';
            counted_is($ledger, '100/1', "$name: so it stays");

            is(($ledger->settle('p', 'processing', op => 2,
                                owner => 'o'))[0], 'forward',
               "$name: a service hears of operation 2");
            is(($ledger->settle('p', 'decline', op => 2,
                                owner => 'o'))[0], 'forward',
               "$name: and of its end");
            counted_is($ledger, '0/0', "$name: which frees it")
                if $b =~ /^[au]/;
            $ledger->at(1795219200);
        }
    }
}

sub ten_alive {
    my ($ledger) = @_;

    $ledger->limits(day => 100);

    my $alive = 0;

    for my $n (1 .. 10) {
        my ($verdict) = $ledger->reserve("p$n", 100, digest => 'd',
                                         copy => "a$n");

        next if $verdict ne 'ok';

        $ledger->outcome("p$n", "a$n", 'accepted');
        $ledger->reserve("p$n", 100, digest => 'd', copy => "b$n");
        $ledger->outcome("p$n", "b$n", 'accepted');
        $ledger->settle("p$n", 'error', op => $n);
        $alive++;
    }

    is($alive, 1, 'under a limit of 100, one payout of 100 is alive');
}

# An operator frees what Gate does not have, and it is sent once more.

sub freed_and_sent {
    my ($ledger) = @_;

    $ledger->limits(day => 100);
    sent($ledger, 'p', 'a', 'unknown');
    $ledger->outcome('p', '', 'free', 'ops');
    is(sent($ledger, 'p', 'b', 'accepted'), 'ok', 'a new attempt');
    $ledger->settle('p', 'error', op => 1);
    counted_is($ledger, '100/1', 'the error may be that of a, which came late');

    is(($ledger->settle('p', 'processing', op => 2, owner => 'o'))[0],
       'forward', 'operation 2 is news');
    counted_is($ledger, '100/1', 'and lives');
    $ledger->settle('p', 'error', op => 2);
    counted_is($ledger, '0/0', 'both have ended');
}

# Redis has lost the reservation, or another call has freed it.

sub acceptance_is_certain {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 100);
    sent($ledger, 'p', 'a');
    $redis->cmd('DEL', $ledger->entry_key('p'), $ledger->used_key(),
                $ledger->open_key());
    is(($ledger->outcome('p', 'a', 'accepted'))[0], 'counted',
       'accepted, and not known');
    counted_is($ledger, '100/1', 'it is counted');

    $ledger->clear()->limits(day => 100);
    sent($ledger, 'p', 'a', 'accepted');
    sent($ledger, 'p', 'b');
    $ledger->settle('p', 'error', op => 1);
    $ledger->outcome('p', '', 'free', 'ops');
    is(($ledger->outcome('p', 'b', 'accepted'))[0], 'counted',
       'accepted after it was freed');
    counted_is($ledger, '100/1', 'it is counted');
}

sub parts_lower_nothing {
    my ($ledger) = @_;

    my $part = sub {
        $ledger->settle('p', $_[2] // 'partially_paid_out', op => $_[0],
                        paid => $_[1], sum => 100);
    };

    $ledger->limits(day => 1000);
    sent($ledger, 'p', 'a', 'accepted');
    $part->(1, 70);
    counted_is($ledger, '100/1', 'the rest may come');
    $part->(1, 40);
    counted_is($ledger, '100/1', 'also where an older one says less');
    $part->(2, 30);
    counted_is($ledger, '100/1', 'all is paid');
    $part->(1, 40);
    counted_is($ledger, '100/1', 'once more the old one');

    $ledger->clear()->limits(day => 1000000);
    $ledger->reserve('p', 500000, copy => 'a');
    $ledger->outcome('p', 'a', 'accepted');
    $part->(1, 180000);
    counted_is($ledger, '500000/1', 'between the first part and the last');
    $part->(2, 120000);
    counted_is($ledger, '500000/1', 'and the next');
    $part->(3, 200000, 'success');
    counted_is($ledger, '500000/1', 'until it is paid');
}

sub reversed_first {
    my ($ledger) = @_;

    for my $end (qw( decline error )) {
        $ledger->clear()->limits(day => 1000);
        sent($ledger, 'p', 'a', 'accepted');
        $ledger->settle('p', $end, op => 1);

        is(($ledger->settle('p', 'reversed', op => 1, owner => 'o'))[0],
           'forward', "$end, then reversed: a service hears of it");
        is($ledger->state('p'), 'reversed', 'it is reversed') if $end ne
            'error';
        is(($ledger->settle('p', 'success', op => 1, owner => 'o'))[0],
           'stale', 'the success before that is older');
        counted_is($ledger, '0/0', 'nothing was paid');
    }
}

sub reversed_in_an_earlier_attempt {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    sent($ledger, 'p', 'a', 'accepted');
    $ledger->settle('p', 'success', op => 1, identity => 'i', owner => 'o');
    $ledger->settle('p', 'reversed', op => 1, identity => 'j', owner => 'o');
    is(sent($ledger, 'p', 'b'), 'ok', 'a new attempt');
    is(($ledger->settle('p', 'success', op => 1, identity => 'i',
                        owner => 'o'))[0], 'stale',
       'the success that was taken back comes late');
    counted_is($ledger, '100/1', 'only the new attempt is counted');
    is($ledger->state('p'), 'reserved', 'which nothing has settled');
}

sub recount_over_all_integers {
    my ($ledger) = @_;

    my $most = '9223372036854775807';

    $ledger->limits(_ => '');
    sent($ledger, 'p', 'a', 'accepted');
    $ledger->settle('p', 'decline', op => 1);
    $ledger->reserve('q', $most, copy => 'c');
    $ledger->settle('p', 'success', op => 1);
    is($ledger->used('day:20261121'), '9223372036854775907/2',
       'the sum is exact, whatever it is');
    $ledger->settle('p', 'reversed', op => 1);
    is($ledger->used('day:20261121'), "$most/1", 'and is taken back from it');
    $ledger->outcome('q', 'c', 'refused', '3104');
    counted_is($ledger, '0/0', 'nothing is left');
}

sub both_paid {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    sent($ledger, 'p', 'a', 'accepted');
    $ledger->settle('p', 'error', op => 1);
    sent($ledger, 'p', 'b', 'accepted');
    $ledger->settle('p', 'success', op => 1);
    counted_is($ledger, '200/1', 'one is paid after all, the other is alive');
    $ledger->settle('p', 'success', op => 2);
    counted_is($ledger, '200/1', 'both are paid');
    $ledger->settle('p', 'reversed', op => 1);
    counted_is($ledger, '100/1', 'one is taken back');
    is(Model::wrong($ledger), '', 'what is counted');
}

sub too_many_copies {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    is(sent($ledger, 'p', "a$_"), $_ == 1 ? 'ok' : 'repeat', "copy $_")
        for 1 .. 32;

    my $before = $ledger->everything();

    is(sent($ledger, 'p', 'b'), 'busy', 'one more is not sent');
    is($ledger->everything(), $before, 'nothing changed');
    $ledger->outcome('p', 'a1', 'unknown');
    is(sent($ledger, 'p', 'b'), 'repeat', 'when one has reported, it is');
}

# A cluster moves a slot by key: a script must be given each one that it
# touches, and a payment has the same ones whatever the hour.

sub declared_keys {
    my ($ledger, $redis) = @_;

    my @keys = map { "~$_" } map {
        my $prefix = $_;
        map { $prefix . $_ } 'used:{1234}', 'open:{1234}', 'payout:{1234}:p';
    } 'gate:', 'gate:dry:';

    push @keys, map { "~$_" } $ledger->limits_key(), $ledger->stop_key(),
                $ledger->era_key(), $ledger->mark_key('i'),
                $ledger->lane_key('p'), 'stream', Ledger::CLOCK;
    $redis->cmd('ACL', 'SETUSER', 'default', 'resetkeys', @keys);

    my $ran = eval {
        for my $now (1795219200, 1795219200 + 3600, 1796083200) {
            for my $prefix ('gate:', 'gate:dry:') {
                $ledger->{prefix} = $prefix;
                $ledger->at($now)->limits(day => 1000);
                sent($ledger, 'p', "$now$_", $_, '10105')
                    for qw( accepted refused unknown release );
                $ledger->settle('p', $_, op => 1, identity => 'i',
                                owner => 'o')
                    for qw( processing error decline success reversed );
                $ledger->settle('p', 'success', op => 1, identity => 'i',
                                owner => 'x', stream => 'stream');
                $ledger->mark('p', 'i', 'o', 'failed');
                $ledger->outcome('p', '', 'free', 'ops');
                $ledger->status();
            }
        }
        1;
    };
    my $error = $@;

    $redis->cmd('ACL', 'SETUSER', 'default', 'allkeys');
    $ledger->{prefix} = 'gate:';
    ok($ran, 'no script touches a key that it was not given') or diag($error);
}

# "Transaction not found" and the like are no news of any operation.

sub gate_knows_nothing {
    my ($ledger) = @_;

    for my $status (qw( error decline success reversed partially_paid_out )) {
        for my $made ('accepted', 'unknown', 'refused 10105', '') {
            $ledger->clear()->limits(day => 100);
            sent($ledger, 'p', 'a', split / /, $made);

            for my $complete ('', 1) {
                $ledger->settle('p', $status, ops => '', sum => '',
                                complete => $complete);
                counted_is($ledger, '100/1', "$status without an operation, "
                           . ($made || 'no report') . ": counted ($complete)");
            }
        }
    }
}

# A callback of a purchase or a refund with a payout's id.

sub other_kinds {
    my ($ledger) = @_;

    $ledger->limits(day => 100);
    sent($ledger, 'p', 'a', 'accepted');

    my $before = $ledger->everything();

    for my $status ('', 'refunded', 'partially paid', 'external error',
                    'canceled', 'partially reversed')
    {
        is(join(' ', ($ledger->settle('p', $status,
                                      ops => '1=success/5'))[0, 1]),
           'forward ignored', "\"$status\" is forwarded");
        is($ledger->everything(), $before, 'and changes nothing');
    }
}

sub cases_tests {
    return (
        [ 'an error of one copy while another lives', \&error_of_one_copy ],
        [ 'ten payouts alive under the limit of one', \&ten_alive ],
        [ 'freed by hand, then sent again', \&freed_and_sent ],
        [ 'an acceptance of what is not known', \&acceptance_is_certain ],
        [ 'a late part lowers what was paid', \&parts_lower_nothing ],
        [ 'reversed is told before success', \&reversed_first ],
        [ 'a success that an earlier attempt took back',
          \&reversed_in_an_earlier_attempt ],
        [ 'a recount past the largest integer', \&recount_over_all_integers ],
        [ 'both operations of a payment are paid', \&both_paid ],
        [ 'copies without end', \&too_many_copies ],
        [ 'keys that a script was not given', \&declared_keys ],
        [ 'an answer that knows nothing', \&gate_knows_nothing ],
        [ 'another kind of payment with the id', \&other_kinds ],
    );
}

1;
