# Copyright (C) nginx-gate authors
#
# One payout sent more than once: what is counted, and what each copy's
# answer, or its absence, takes back.

use strict;
use warnings;

use Test::More;

use Model;

my @RELEASED = qw( refused released decline error reversed );
my @LIVE = qw( reserved unknown accepted success partially_paid_out );

# a payout of 100 in this state, made the way the module makes it

sub in_state {
    my ($ledger, $id, $state) = @_;

    my $copy = $ledger->copy();

    $ledger->reserve($id, 100, digest => 'd', copy => $copy);

    my %report = (accepted => ['accepted'], unknown => ['unknown', '500'],
                  refused => ['refused', '3104'], released => ['release']);

    if ($report{$state}) {
        $ledger->outcome($id, $copy, @{ $report{$state} });

    } elsif ($state ne 'reserved') {
        $ledger->outcome($id, $copy, 'accepted');
        $ledger->settle($id, 'success', op => 1) if $state eq 'reversed';
        $ledger->settle($id, $state, op => 1,
                        paid => $state eq 'partially_paid_out' ? 40 : '');
    }

    is($ledger->entry($id)->{state}, $state, "made: $state");

    return $copy;
}

sub sent_again {
    my ($ledger) = @_;

    $ledger->limits(day => 100000, max => 100);

    for my $state (@LIVE) {
        $ledger->clear()->limits(day => 100, max => 100);
        in_state($ledger, 'p', $state);

        my $before = $ledger->everything();

        is_deeply([ $ledger->reserve('p', 100, digest => 'e') ],
                  ['duplicate', $state], "$state: another body is refused");

        for my $other ([99], [100, currency => 'USD'],
                       [100, endpoint => 'card'])
        {
            is_deeply([ $ledger->reserve('p', @$other, digest => 'd',
                                         default => 'allow') ],
                      ['duplicate', $state], "$state: the same digest, but for"
                      . " @$other");
        }

        # dollars are listed now
        $ledger->{redis}->cmd('HDEL', $ledger->used_key(), 'USD');
        $ledger->{redis}->cmd('HINCRBY', $ledger->era_key(), 'seq', -1);
        is($ledger->everything(), $before, "$state: and changes nothing");

        is_deeply([ $ledger->reserve('p', 100, digest => 'd') ], ['repeat'],
                  "$state: the same body passes");
        is($ledger->totals(), '100/1 100/1 100/1 100/1',
           "$state: it is counted once");

        $ledger->limits(max => 1, day => 1);
        is(($ledger->reserve('p', 100, digest => 'd'))[0], 'repeat',
           "$state: whatever the limits are now");
        is(Model::wrong($ledger), '', "$state: what is counted");
    }
}

sub new_attempt {
    my ($ledger) = @_;

    for my $state (@RELEASED) {
        for my $digest (qw( d e )) {
            my $name = "$state, " . ($digest eq 'd' ? 'the same' : 'another')
                       . ' body';

            $ledger->clear()->limits(day => 100);
            in_state($ledger, 'p', $state);
            is($ledger->totals(), '0/0 0/0 0/0 0/0', "$name: released");

            is_deeply([ $ledger->reserve('p', 100, digest => $digest) ],
                      ['ok'], "$name: a new attempt");
            is($ledger->entry('p')->{attempts}, 2, "$name: the second");
            is($ledger->totals(), '100/1 100/1 100/1 100/1',
               "$name: counted");
            is(($ledger->reserve('q', 1))[0], 'limit_day',
               "$name: the limit is reached");
        }

        $ledger->clear()->limits(day => 100);
        in_state($ledger, 'p', $state);
        $ledger->reserve('q', 1);

        my $before = $ledger->everything();

        is(($ledger->reserve('p', 100, digest => 'd'))[0], 'limit_day',
           "$state: a new attempt is checked");
        is($ledger->everything(), $before,
           "$state: a refused attempt changes nothing");
    }
}

sub attempt_of_another_currency {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    in_state($ledger, 'p', 'refused');

    $ledger->{currency} = 'USD';
    $ledger->limits(day => 1000);
    $ledger->reserve('p', 7, digest => 'usd', copy => 'x');
    is($ledger->totals(), '7/1 7/1 7/1 7/1', 'counted in its currency');

    $ledger->outcome('p', 'x', 'refused', '3104');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'released in its currency');

    $ledger->{currency} = 'KZT';
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'and only there');
}

# [ reports of copies a, b and c in their order ], verdicts, state, total

my @STORIES = (
    [ 'one copy, accepted', ['a accepted'], 'noted', 'accepted', 100 ],
    [ 'one copy, refused', ['a refused 3104'], 'released', 'refused', 0 ],
    [ 'one copy, never left', ['a release'], 'released', 'released', 0 ],
    [ 'one copy, no answer', ['a unknown'], 'noted', 'unknown', 100 ],
    [ 'one copy, 10105', ['a refused 10105'], 'kept', 'unknown', 100 ],
    [ 'a crash', [], '', 'reserved', 100 ],
    [ 'two, one refused', ['a refused 3104', 'b'], 'kept', 'reserved', 100 ],
    [ 'two, both refused', ['a refused 3104', 'b refused 3104'],
      'kept released', 'refused', 0 ],
    [ 'two, none left', ['a release', 'b release'], 'kept released',
      'released', 0 ],
    [ 'refused and never left', ['a refused 3104', 'b release'],
      'kept released', 'refused', 0 ],
    [ 'never left and refused', ['a release', 'b refused 3104'],
      'kept released', 'refused', 0 ],
    [ 'refused, accepted', ['a refused 3104', 'b accepted'], 'kept noted',
      'accepted', 100 ],
    [ 'accepted, refused', ['a accepted', 'b refused 3104'], 'noted kept',
      'accepted', 100 ],
    [ 'accepted, 10105', ['a accepted', 'b refused 10105'], 'noted kept',
      'accepted', 100 ],
    [ '10105, accepted', ['a refused 10105', 'b accepted'], 'kept noted',
      'accepted', 100 ],
    [ '10105, refused', ['a refused 10105', 'b refused 3104'], 'kept kept',
      'unknown', 100 ],
    [ '10105, never left', ['a refused 10105', 'b release'], 'kept kept',
      'unknown', 100 ],
    [ 'no answer, refused', ['a unknown', 'b refused 3104'], 'noted kept',
      'unknown', 100 ],
    [ 'refused, no answer', ['a refused 3104', 'b unknown'], 'kept noted',
      'unknown', 100 ],
    [ 'no answer, never left', ['a unknown', 'b release'], 'noted kept',
      'unknown', 100 ],
    [ 'no answer, accepted', ['a unknown', 'b accepted'], 'noted noted',
      'accepted', 100 ],
    [ 'accepted, no answer', ['a accepted', 'b unknown'], 'noted noted',
      'accepted', 100 ],
    [ 'one twice refused, the other under way',
      ['a refused 3104', 'a refused 3104', 'b'], 'kept again', 'reserved',
      100 ],
    [ 'one twice refused, then the other',
      ['a refused 3104', 'a refused 3104', 'b refused 3104', 'b release'],
      'kept again released again', 'refused', 0 ],
    [ 'no answer, then one', ['a unknown', 'a accepted'], 'noted noted',
      'accepted', 100 ],
    [ 'no answer, then a refusal', ['a unknown', 'a refused 3104'],
      'noted released', 'refused', 0 ],
    [ 'an answer, then none', ['a accepted', 'a unknown'], 'noted again',
      'accepted', 100 ],
    [ 'an answer, then a refusal', ['a accepted', 'a refused 3104'],
      'noted again', 'accepted', 100 ],
    [ 'three, the last decides',
      ['a refused 1005', 'b release', 'c refused 3104'],
      'kept kept released', 'refused', 0 ],
    [ 'three, one was accepted',
      ['a refused 1005', 'b accepted', 'c refused 3104'],
      'kept noted kept', 'accepted', 100 ],
);

# the same of a payment_id that Gate has closed

my @CLOSED_STORIES = (
    [ 'one copy, 10105', ['a refused 10105'], 'released', 'refused', 0 ],
    [ 'two, both 10105', ['a refused 10105', 'b refused 10105'],
      'kept released', 'refused', 0 ],
    [ '10105, refused', ['a refused 10105', 'b refused 3104'],
      'kept released', 'refused', 0 ],
    [ 'refused, 10105', ['a refused 3104', 'b refused 10105'],
      'kept released', 'refused', 0 ],
    [ '10105, never left', ['a refused 10105', 'b release'],
      'kept released', 'refused', 0 ],
    [ '10105, a crash', ['a refused 10105', 'b'], 'kept', 'reserved', 100 ],
    [ '10105, no answer', ['a refused 10105', 'b unknown'], 'kept released',
      'refused', 0 ],
    [ 'no answer, 10105', ['a unknown', 'b refused 10105'], 'noted released',
      'refused', 0 ],
);

sub stories {
    my ($ledger) = @_;

    story($ledger, $_) for @STORIES;
    story($ledger, $_, 'decline') for @CLOSED_STORIES;
    story($ledger, $_, 'reversed') for @CLOSED_STORIES;
    story($ledger, $_, 'error') for @STORIES;
}

sub story {
    my ($ledger, $story, $before) = @_;

    my ($name, $reports, $verdicts, $state, $total) = @$story;
    my %seen;
    my @got;

    $ledger->clear()->limits(day => 1000);

    if ($before) {
        $name = "after $before: $name";
        in_state($ledger, 'p', $before);
    }

    $seen{ substr $_, 0, 1 } = 1 for @$reports, 'a';
    $ledger->reserve('p', 100, digest => 'd', copy => $_)
        for sort keys %seen;

    for my $report (@$reports) {
        my ($copy, $action, $code) = split ' ', $report;

        next if !$action;
        push @got, ($ledger->outcome('p', $copy, $action, $code))[0];
    }

    is("@got", $verdicts, "$name: verdicts");
    is($ledger->entry('p')->{state}, $state, "$name: state");
    is($ledger->used('day:20261121'), $total ? "$total/1" : '0/0',
       "$name: total");
    is(Model::wrong($ledger), '', "$name: what is counted");
}

# What "10105" of a new attempt says, after attempts that ended so.

sub existing_payment_id {
    my ($ledger) = @_;

    for my $case ([[qw( decline )], 'refused'],
                  [[qw( reversed )], 'refused'],
                  [[qw( error )], 'unknown'],
                  [[qw( refused )], 'unknown'],
                  [[qw( released )], 'unknown'],
                  [[qw( error decline )], 'refused'],
                  [[qw( decline error )], 'refused'],
                  [[qw( decline refused )], 'refused'],
                  [[qw( decline released )], 'refused'],
                  [[qw( error refused )], 'unknown'])
    {
        my ($states, $state) = @$case;
        my $name = "after @$states";

        $ledger->clear()->limits(day => 1000);

        for my $n (0 .. $#$states) {
            my $copy = $ledger->copy();

            $ledger->reserve('p', 100, copy => $copy);

            if ($states->[$n] =~ /^(?:refused|released)$/) {
                $ledger->outcome('p', $copy, $states->[$n] eq 'refused'
                                 ? ('refused', '3104') : 'release');

            } else {
                $ledger->outcome('p', $copy, 'accepted');
                $ledger->settle('p', 'success', op => 20 + $n)
                    if $states->[$n] eq 'reversed';
                $ledger->settle('p', $states->[$n], op => 20 + $n);
            }

            is($ledger->entry('p')->{state}, $states->[$n], "$name: made");
        }

        # whatever the body, and however often
        for my $amount (100, 30) {
            last if $amount == 30 && $state ne 'refused';

            $ledger->reserve('p', $amount, copy => "x$amount");
            $ledger->outcome('p', "x$amount", 'refused', '10105');

            my $total = $state eq 'refused' ? '0/0' : "$amount/1";

            is($ledger->entry('p')->{state}, $state, "$name: $amount");
            is($ledger->totals(), "$total $total $total $total",
               "$name: total of $amount");
        }
    }
}

# What Gate tells after such a refusal: news of the old operation, or of a new
# one, which it should not have.

sub closed_and_told {
    my ($ledger) = @_;

    for my $case (['decline', 1, 'again', 'refused', '0/0'],
                  ['processing', 1, 'stale', 'refused', '0/0'],
                  ['success', 1, 'settled', 'success', '100/1'],
                  ['processing', 2, 'updated', 'accepted', '30/1'],
                  ['partially_paid_out', 2, 'settled', 'partially_paid_out',
                   '100/1'],
                  ['decline', 2, 'settled', 'decline', '0/0'])
    {
        my ($status, $op, $word, $state, $total) = @$case;
        my $name = "$status of operation $op";

        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100, copy => 'a');
        $ledger->settle('p', 'decline', op => 1);
        $ledger->reserve('p', 30, copy => 'b');
        $ledger->outcome('p', 'b', 'refused', '10105');

        is_deeply([ ($ledger->settle('p', $status, op => $op,
                                     paid => 100))[1, 3] ],
                  [$word, $state], $name);
        is($ledger->used('day:20261121'), $total, "$name: total");
        is(Model::wrong($ledger), '', "$name: what is counted");
    }
}

sub refused_code {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    in_state($ledger, 'p', 'refused');

    my $entry = $ledger->entry('p');

    is("@$entry{qw( code counted payout )}",
       '3104 0 100 KZT mobile 2026112100 20261116',
       'the code is kept, and what was asked for');

    $ledger->reserve('p', 100, digest => 'd');
    is($ledger->entry('p')->{code}, undef, 'a new attempt has no code');

    $ledger->settle('p', 'error', op => 5);
    $ledger->reserve('p', 100, digest => 'e', copy => 'z', endpoint => 'card');
    $entry = $ledger->entry('p');
    delete $entry->{copies};

    is_deeply($entry, {
        state => 'reserved', payout => '100 KZT card 2026112100 20261116',
        digest => 'e', counted => 100, attempts => 3, past => '5=error!/0',
    }, 'of earlier attempts, it only knows the operations');
}

sub late_reports {
    my ($ledger) = @_;

    for my $action (qw( refused release unknown accepted )) {
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100, digest => 'd', copy => 'first');
        $ledger->settle('p', 'error', op => 1);
        is($ledger->state('p'), 'error', "$action: made");
        $ledger->reserve('p', 100, digest => 'd', copy => 'second');

        is_deeply([ $ledger->outcome('p', 'first', $action, '3104') ],
                  ['again', 'reserved'],
                  "$action of the first attempt says nothing of the second");
        is($ledger->used('day:20261121'), '100/1', "$action: still counted");
        is(Model::wrong($ledger), '', "$action: what is counted");

        is(($ledger->outcome('p', 'second', 'refused', '3104'))[0],
           'released', "$action: its own report does");
    }
}

# What a callback has settled, a later answer does not change.

sub callback_was_first {
    my ($ledger) = @_;

    for my $status (qw( success decline error reversed partially_paid_out )) {
        for my $action (qw( accepted refused unknown release )) {
            $ledger->clear()->limits(day => 1000);
            $ledger->reserve('p', 100, copy => 'a');
            $ledger->settle('p', $status, paid => $status =~ /^[sp]/ ? 100
                            : '');

            my $total = $ledger->used('day:20261121');
            my ($word, $state) = $ledger->outcome('p', 'a', $action, '3104');

            like($word, qr/^(?:noted|kept)$/, "$status, then $action");
            is($state, $status, 'state stays');
            is($ledger->used('day:20261121'), $total, 'total stays');
            is(Model::wrong($ledger), '', 'what is counted');
        }
    }

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a');
    $ledger->settle('p', 'processing');
    is_deeply([ $ledger->outcome('p', 'a', 'refused', '3104') ],
              ['kept', 'accepted'], 'what Gate works on is not taken back');
}

# Gate takes a payment_id again after "error"; the copy that it took may have
# passed as a repeat of the one that failed.

sub taken_after_error {
    my ($ledger) = @_;

    $ledger->limits(day => 100);
    $ledger->reserve('p', 100, digest => 'd', copy => $_) for qw( a b );
    $ledger->outcome('p', 'a', 'accepted');
    $ledger->settle('p', 'error', op => 47);
    is($ledger->used('day:20261121'), '100/1', 'the other may be taken');
    is(($ledger->reserve('q', 1))[0], 'limit_day', 'so nothing else fits');

    is_deeply([ $ledger->outcome('p', 'b', 'accepted') ],
              ['noted', 'accepted'], 'taken after an error');
    is($ledger->used('day:20261121'), '100/1', 'still counted once');
    is(($ledger->settle('p', 'success', op => 48))[2], 'accepted', 'and live');
    is($ledger->used('day:20261121'), '100/1', 'success counts it no more');

    $ledger->clear()->limits(day => 100);
    $ledger->reserve('p', 100, digest => 'd', copy => $_) for qw( a b );
    $ledger->settle('p', 'error', op => 47);
    is(($ledger->outcome('p', 'a', 'accepted'))[0], 'noted',
       'an error overtook the first acceptance');
    is($ledger->used('day:20261121'), '100/1', 'b may be taken');
    is(($ledger->outcome('p', 'b', 'accepted'))[0], 'noted',
       'the second one is');
    $ledger->settle('p', 'error', op => 48);
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'both have ended');
}

sub operator {
    my ($ledger) = @_;

    for my $state (qw( reserved unknown accepted )) {
        $ledger->clear()->limits(day => 1000);
        in_state($ledger, 'p', $state);

        is_deeply([ $ledger->outcome('p', '-', 'free', 'ops-17') ],
                  ['released', 'released'], "$state is freed");
        is($ledger->totals(), '0/0 0/0 0/0 0/0', "$state: not counted");
        is($ledger->entry('p')->{hand}, 'free:ops-17@1795219200',
           'who has done it, and when');
        is($ledger->open(), '', 'nothing is open');

        my $before = $ledger->everything();

        is(($ledger->outcome('p', '-', 'free', 'x'))[0], 'gone',
           "$state is freed once");
        is($ledger->everything(), $before, "$state: nothing changed");
    }

    for my $state (qw( success decline refused )) {
        $ledger->clear()->limits(day => 1000);
        in_state($ledger, 'p', $state);

        my $before = $ledger->everything();

        is_deeply([ $ledger->outcome('p', '-', 'free', 'x') ],
                  ['gone', $state], "$state is not the operator's");
        is($ledger->everything(), $before, "$state: nothing changed");
    }

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a');
    $ledger->outcome('p', '-', 'free', 'x');
    is(($ledger->outcome('p', 'a', 'accepted'))[0], 'counted',
       'an answer corrects an operator');
    is($ledger->used('day:20261121'), '100/1', 'counted again');

    in_state($ledger, 'r', 'partially_paid_out');
    is_deeply([ $ledger->outcome('r', '-', 'free', 'x') ],
              ['released', 'partially_paid_out'], 'a part that was paid');
    is($ledger->used('day:20261121'), '140/2', 'stays counted');
    $ledger->settle('r', 'partially_paid_out', op => 9, paid => 5);
    is($ledger->used('day:20261121'), '145/2', 'as do parts that come late');
    is(Model::wrong($ledger), '', 'what is counted');

    is_deeply([ $ledger->outcome('none', '-', 'free', 'x') ], ['gone'],
              'of a payment that nobody knows');
}

# A command that timed out may be executed after the release that followed it.

sub overtaken {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    is_deeply([ $ledger->outcome('p', 'a', 'release') ], ['gone', 'released'],
              'a release before its reserve');
    cmp_ok($ledger->{redis}->cmd('TTL', $ledger->entry_key('p')), '>', 0,
           'its mark expires');

    $ledger->reserve('q', 1);

    my $before = $ledger->everything();

    is_deeply([ $ledger->reserve('p', 100, copy => 'a') ], ['void'],
              'the reserve is void');
    is($ledger->everything(), $before, 'and changes nothing');

    is(($ledger->reserve('p', 100, copy => 'b'))[0], 'ok',
       'another copy is not');
    is(($ledger->reserve('p', 100, copy => 'a'))[0], 'void',
       'the first one still is');

    $ledger->outcome('p', 'c', 'release');
    is(($ledger->reserve('p', 100, copy => 'c'))[0], 'void',
       'also beside a live one');
    is($ledger->entry('p')->{state}, 'reserved', 'which is untouched');

    is_deeply([ $ledger->outcome('x', 'a', 'refused', '1') ], ['gone'],
              'only a release leaves a mark');
    is($ledger->{redis}->cmd('EXISTS', $ledger->entry_key('x')), 0,
       'of what is not known');
}

sub lost_reply {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd', copy => 'a');
    is(($ledger->reserve('p', 100, digest => 'd', copy => 'a'))[0], 'repeat',
       'a reserve may be sent twice');
    is($ledger->entry('p')->{copies}, 'a@1795219200', 'it is one copy');
    is(($ledger->outcome('p', 'a', 'release'))[0], 'released',
       'one release takes it back');

    $ledger->reserve('p', 100, digest => 'd', copy => $_) for 'aa', 'a-';
    is(($ledger->outcome('p', 'a', 'accepted'))[0], 'again',
       'names of copies are compared whole and as text');
    is($ledger->entry('p')->{copies}, 'aa@1795219200 a-@1795219200 a=r',
       'both are under way');
}

sub other_day {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 1000);
    $ledger->at(1795219200 + 9 * 86400 + 86399);    # 2026-11-30 23:59:59
    $ledger->reserve('p', 100, copy => 'a');
    $ledger->reserve('q', 10);
    $ledger->at(1795219200 + 10 * 86400);
    $ledger->reserve('r', 1);
    is($ledger->totals(), '1/1 1/1 111/3 1/1', 'the week of both days');
    $ledger->outcome('p', 'a', 'refused', '3104');
    is($ledger->totals(), '1/1 1/1 11/2 1/1',
       'released where it was counted, not in the windows of today');
    $ledger->settle('q', 'success', sum => 20);
    is($ledger->totals(), '1/1 1/1 21/2 1/1', 'so is what was paid in excess');

    # an attempt is counted on its own day
    $ledger->reserve('p', 100);
    is($ledger->totals(), '101/2 101/2 121/3 101/2', 'the next attempt');
    is(Model::wrong($ledger), '', 'what is counted');

    $ledger->at(1795219200 + 45 * 86400)->settle('p', 'success');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'not in a later month');
}

# An operator's hand, or a Redis that lost what it said: totals and entries do
# not fit, and nothing goes below zero.

sub lost_totals {
    my ($ledger, $redis) = @_;

    my $key = $ledger->used_key();

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a');
    $redis->cmd('HSET', $key, 'KZT', $redis->cmd('HGET', $key, 'KZT')
                =~ s{(day:)100/1}{${1}30/0}r =~ s{(hour:)}{${1}1}r);

    is(($ledger->outcome('p', 'a', 'refused', '3104'))[0], 'released',
       'released although a total is less');
    is($ledger->totals(), '1000/0 0/0 0/0 0/0', 'which never goes below 0');

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a');
    $redis->cmd('DEL', $key);
    is(($ledger->outcome('p', 'a', 'refused', '3104'))[0], 'released',
       'released although there is no total');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'which is made anew');
}

# What Redis has lost comes back with the news that a copy brings.

sub lost_entry {
    my ($ledger, $redis) = @_;

    for my $case (['accepted', 'counted', 'accepted'],
                  ['unknown', 'counted', 'unknown'])
    {
        my ($action, $word, $state) = @$case;

        $ledger->clear()->limits(day => 100);
        $ledger->reserve('p', 100, digest => 'd', copy => 'a');
        $redis->cmd('DEL', $ledger->entry_key('p'), $ledger->used_key(),
                    $ledger->open_key());

        is_deeply([ $ledger->outcome('p', 'a', $action) ], [$word, $state],
                  "$action: counted again");
        is($ledger->used('day:20261121'), '100/1', 'in its windows');
        is("@{ $ledger->entry('p') }{qw( payout digest )}",
           '100 KZT mobile 2026112100 20261116 d', 'as it was');
        is($ledger->open(), 'p', 'and is open');
        is(($ledger->reserve('q', 1))[0], 'limit_day', 'against the limit');
        is(($ledger->reserve('p', 100, digest => 'd'))[0], 'repeat',
           'the same body is a repeat');
        cmp_ok($redis->cmd('TTL', $ledger->entry_key('p')), '>',
               Ledger::TTL - 20, 'it expires');
        is(Model::wrong($ledger), '', 'what is counted');
    }

    $ledger->clear()->limits(day => 100);
    $ledger->reserve('q', 1);
    $ledger->outcome('p', 'a', 'release');

    is_deeply([ $ledger->outcome('p', 'b', 'accepted') ],
              ['counted', 'accepted'], 'beside the name of another copy');

    my $before = $ledger->everything();

    for my $other ('99 KZT mobile', '100 USD mobile', '100 KZT card') {
        is_deeply([ $ledger->outcome('p', 'x', 'accepted', '',
                                     payout => "$other 2026112100 20261116") ],
                  ['bad_argument', 'payout accepted'],
                  "another payout is there: $other");
    }

    is($ledger->everything(), $before, 'nothing changed');
}

# A payout that was sent while Redis was away, where limits let that pass.

sub sent_unasked {
    my ($ledger) = @_;

    $ledger->limits(day => 100);
    is_deeply([ $ledger->outcome('p', 'a', 'accepted', '',
                                 payout => '100 KZT mobile 0 0') ],
              ['counted', 'accepted'], 'counted');
    is($ledger->totals(), '100/1 100/1 100/1 100/1', 'in the windows of now');
    is(($ledger->reserve('q', 1))[0], 'limit_day', 'against the limit');
    is(Model::wrong($ledger), '', 'what is counted');
}

# A copy that has not reported for 10 minutes is lost with its worker.

sub no_report {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd', copy => 'a');
    $ledger->at(1795219200 + 601);
    is($ledger->state('p'), 'reserved', 'nobody has looked');
    is(($ledger->reserve('p', 100, digest => 'd', copy => 'b'))[0], 'repeat',
       'sent again');
    is($ledger->entry('p')->{copies}, 'b@1795219801 a=l1795219200', 'it is lost');
    is($ledger->state('p'), 'unknown', 'and the payment unknown');
    $ledger->outcome('p', 'b', 'refused', '3104');
    is($ledger->used('day:20261121'), '100/1', 'what it did may be paid');
    is(($ledger->outcome('p', 'a', 'accepted'))[1], 'accepted',
       'it may report after all');
    is(Model::wrong($ledger), '', 'what is counted');
}

# The index of payments that Gate should be asked about.

sub index_of_open {
    my ($ledger, $redis) = @_;

    my $score = sub { $redis->cmd('ZSCORE', $ledger->open_key(), $_[0]) };

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a', digest => 'd');
    is($score->('p'), 1795219290, 'in 90 seconds');
    $ledger->at(1795219210);
    $ledger->reserve('p', 100, copy => 'b', digest => 'd');
    is($score->('p'), 1795219290, 'a repeat does not put it off');
    $ledger->outcome('p', 'a', 'accepted');
    is($score->('p'), 1795219290, 'nor does an answer');
    $ledger->settle('p', 'processing');
    is($score->('p'), 1795219290, 'nor a callback');
    $ledger->settle('p', 'success');
    is($score->('p'), 1795219290, 'a copy is still open');
    $ledger->outcome('p', 'b', 'unknown');
    is($ledger->open(), '', 'nothing may come any more');

    $ledger->reserve('q', 100, copy => 'c', digest => 'd');
    $ledger->outcome('q', 'c', 'unknown');
    is($score->('q'), 1795219225, 'soon, where there is no answer');
    $ledger->reserve('q', 100, copy => 'e', digest => 'd');
    is($score->('q'), 1795219225, 'a repeat does not put that off');

    $ledger->reserve_all([ map { ["r$_", 1] } 1 .. 3 ]);
    is($ledger->open(), 'q r1 r2 r3', 'each payout of a call');
    is($redis->cmd('EXISTS', $ledger->open_key('gate:dry:')), 0,
       'nothing of dry runs');
}

# The payouts of one call, each as if it were alone.

sub one_call {
    my ($ledger) = @_;

    $ledger->limits(day => 100, max => 60);

    is_deeply([ $ledger->reserve_all([
        ['a', 50, digest => 'd', copy => 'a1'], ['b', 61],
        ['a', 50, digest => 'd', copy => 'a2'], ['c', 40],
        ['a', 50, digest => 'e'], ['d', 20], ['e', 10],
        ['x', 0], ['f', 1] ]) ],
        [ 'ok', ['limit_max', 60], 'repeat', 'ok', ['duplicate', 'reserved'],
          ['limit_day', 86400, 100, 90], 'ok', ['bad_argument', 'amount'],
          ['limit_day', 86400, 100, 100] ], 'in their order');
    is($ledger->totals(), '100/3 100/3 100/3 100/3', 'counted');
    is($ledger->entry('a')->{copies}, 'a1@1795219200 a2@1795219200',
       'both copies of one payment_id');
    is($ledger->open(), 'a c e', 'open');
    is(Model::wrong($ledger), '', 'what is counted');

    is_deeply([ $ledger->outcome_all(['a', 'a1', 'release'],
                                     ['c', 'c', 'nonsense'],
                                     ['a', 'a2', 'refused', '3104'],
                                     ['b', 'x', 'refused', '1']) ],
              ['kept reserved', 'bad_argument action', 'released refused',
               'gone'], 'so are reports');
    is($ledger->totals(), '50/2 50/2 50/2 50/2', 'taken back');

    # a payment_id that comes again in the call, and changes nothing
    for my $other ([ 50, digest => 'e' ], [ 50, digest => 'd', copy => 'a' ]) {
        $ledger->clear()->limits(day => 100);
        $ledger->reserve_all([ ['a', 50, digest => 'd', copy => 'a'],
                               ['a', @$other] ]);
        is($ledger->open(), 'a', 'it is open');
        is(Model::wrong($ledger), '', 'what is counted');
    }

    # one after the other gives the same
    my @payouts = map { [ "p" . int($_ / 2), 1 + $_ % 5, digest => 'd' . $_ % 2,
                          copy => "k$_" ] } 0 .. 63;

    $ledger->clear()->limits(hour => 50, day_count => 20, max => 4);
    my @alone = map { my @verdict = $ledger->reserve(@$_);
                      @verdict > 1 ? \@verdict : $verdict[0] } @payouts;
    my $alone = $ledger->{redis}->dump('gate:[pu]*');

    $ledger->clear()->limits(hour => 50, day_count => 20, max => 4);
    is_deeply([ $ledger->reserve_all(\@payouts) ], \@alone,
              '64 at once are told what each is told alone');
    is($ledger->{redis}->dump('gate:[pu]*'), $alone, 'and leave the same');
    is_deeply([ $ledger->reserve_all([ @payouts, ['z', 1] ]) ],
              [ (['bad_argument', 'keys']) x 65 ], '65 are too many');
}

# A dry run is the same scripts with keys of its own.

sub dry_run {
    my ($ledger) = @_;

    $ledger->limits(day => 100);
    $ledger->{prefix} = 'gate:dry:';
    is(($ledger->reserve('p', 100, digest => 'd'))[0], 'ok', 'a dry run');
    is(($ledger->reserve('q', 1))[0], 'limit_day', 'has its own totals');

    $ledger->{prefix} = 'gate:';
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'and nobody else\'s');
    is(($ledger->reserve('p', 100, digest => 'd'))[0], 'ok',
       'what a dry run has let through is counted');
    is(($ledger->reserve('q', 1))[0], 'limit_day', 'and limited');

    $ledger->clear()->limits(day => 100);
    $ledger->reserve('p', 100, digest => 'd');
    $ledger->{prefix} = 'gate:dry:';
    is(($ledger->reserve('p', 100, digest => 'e'))[0], 'ok',
       'a dry run does not see live payouts');
}

sub copies_tests {
    return (
        [ 'the same payout again', \&sent_again ],
        [ 'a new attempt', \&new_attempt ],
        [ 'a new attempt in another currency', \&attempt_of_another_currency ],
        [ 'copies and their answers', \&stories ],
        [ 'code 10105 in a later attempt', \&existing_payment_id ],
        [ 'news after code 10105', \&closed_and_told ],
        [ 'code of a refusal', \&refused_code ],
        [ 'reports of an earlier attempt', \&late_reports ],
        [ 'a callback was first', \&callback_was_first ],
        [ 'taken after an error', \&taken_after_error ],
        [ 'an operator frees', \&operator ],
        [ 'a release overtakes its reserve', \&overtaken ],
        [ 'a reply is lost', \&lost_reply ],
        [ 'the next day', \&other_day ],
        [ 'totals that are gone or less', \&lost_totals ],
        [ 'an entry that is gone', \&lost_entry ],
        [ 'a copy that was sent without asking', \&sent_unasked ],
        [ 'a copy that never reports', \&no_report ],
        [ 'what is open', \&index_of_open ],
        [ 'payouts of one call', \&one_call ],
        [ 'dry run', \&dry_run ],
    );
}

1;
