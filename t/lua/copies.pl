# Copyright (C) nginx-gate authors
#
# One payout sent more than once: what is counted, and what each copy's
# answer, or its absence, takes back.

use strict;
use warnings;

use Test::More;

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
            is_deeply([ $ledger->reserve('p', @$other, digest => 'd') ],
                      ['duplicate', $state], "$state: the same digest, but for"
                      . " @$other");
        }

        is($ledger->everything(), $before, "$state: and changes nothing");

        is_deeply([ $ledger->reserve('p', 100, digest => 'd') ],
                  ['repeat', 1, $state], "$state: the same body passes");
        is($ledger->totals(), '100/1 100/1 100/1 100/1',
           "$state: it is counted once");

        $ledger->limits(max => 1, day => 1);
        is(($ledger->reserve('p', 100, digest => 'd'))[0], 'repeat',
           "$state: whatever the limits are now");
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
                      ['ok', 2], "$name: a new attempt");
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
    [ 'one copy, 10105', ['a refused 10105'], 'noted', 'unknown', 100 ],
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
    [ 'accepted, 10105', ['a accepted', 'b refused 10105'], 'noted settled',
      'accepted', 100 ],
    [ '10105, accepted', ['a refused 10105', 'b accepted'], 'noted noted',
      'accepted', 100 ],
    [ '10105, refused', ['a refused 10105', 'b refused 3104'], 'noted kept',
      'unknown', 100 ],
    [ 'no answer, refused', ['a unknown', 'b refused 3104'], 'noted kept',
      'unknown', 100 ],
    [ 'refused, no answer', ['a refused 3104', 'b unknown'], 'kept noted',
      'unknown', 100 ],
    [ 'no answer, never left', ['a unknown', 'b release'], 'noted kept',
      'unknown', 100 ],
    [ 'no answer, accepted', ['a unknown', 'b accepted'], 'noted noted',
      'accepted', 100 ],
    [ 'accepted, no answer', ['a accepted', 'b unknown'], 'noted settled',
      'accepted', 100 ],
    [ 'one twice refused, the other under way',
      ['a refused 3104', 'a refused 3104', 'b'], 'kept gone', 'reserved',
      100 ],
    [ 'one twice refused, then the other',
      ['a refused 3104', 'a refused 3104', 'b refused 3104', 'b release'],
      'kept gone released gone', 'refused', 0 ],
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
    [ '10105, no answer', ['a refused 10105', 'b unknown'], 'kept noted',
      'unknown', 100 ],
    [ 'no answer, 10105', ['a unknown', 'b refused 10105'], 'noted kept',
      'unknown', 100 ],
    [ '10105, accepted', ['a refused 10105', 'b accepted'], 'kept noted',
      'accepted', 100 ],
    [ 'accepted, 10105', ['a accepted', 'b refused 10105'], 'noted kept',
      'accepted', 100 ],
    [ '10105 as an answer that is none', ['a unknown 10105'], 'noted',
      'unknown', 100 ],
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
    is($ledger->used('day:20261121'), $total, "$name: total");
    is($ledger->used('day_count:20261121'), $total ? 1 : 0,
       "$name: count");
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
                  [[qw( decline error )], 'unknown'],
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
                $ledger->settle('p', 'success', op => 10 + $n)
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

    for my $case (['decline', 1, 'again', 'refused', 0],
                  ['processing', 1, 'again', 'refused', 0],
                  ['success', 1, 'settled', 'success', 100],
                  ['processing', 2, 'updated', 'accepted', 30],
                  ['partially_paid_out', 2, 'settled', 'partially_paid_out',
                   100],
                  ['decline', 2, 'settled', 'decline', 0])
    {
        my ($status, $op, $word, $state, $total) = @$case;
        my $name = "$status of operation $op";

        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100, copy => 'a');
        $ledger->settle('p', 'decline', op => 1, digest => 'x');
        $ledger->reserve('p', 30, copy => 'b');
        $ledger->outcome('p', 'b', 'refused', '10105');

        is_deeply([ ($ledger->settle('p', $status, op => $op,
                                     paid => 100))[1, 3] ],
                  [$word, $state], $name);
        is($ledger->used('day:20261121'), $total, "$name: total");
    }
}

sub refused_code {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    in_state($ledger, 'p', 'refused');

    my $entry = $ledger->entry('p');

    is("@$entry{qw( code counted amount )}", '3104 0 100',
       'the code is kept, and what was asked for');

    $ledger->reserve('p', 100, digest => 'd');
    is($ledger->entry('p')->{code}, undef, 'a new attempt has no code');

    $ledger->settle('p', 'error', op => 5, digest => 'x');
    $ledger->reserve('p', 100, digest => 'd', copy => 'z');

    is_deeply($ledger->entry('p'), {
        state => 'reserved', amount => 100, currency => 'KZT',
        endpoint => 'mobile', digest => 'd', flight => 'z', attempts => 3,
        window => '2026112100 20261116', created => 1795219200,
        past => '5:error:x ',
    }, 'of earlier attempts, it only knows the operations');
}

sub late_reports {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    my $first = in_state($ledger, 'p', 'error');

    $ledger->reserve('p', 100, digest => 'd', copy => 'second');

    for my $action (qw( refused release unknown accepted )) {
        $ledger->outcome('p', $first, $action, '3104');
        is($ledger->entry('p')->{state}, 'reserved',
           "$action of the first attempt says nothing of the second");
        is($ledger->used('day:20261121'), 100, "$action: still counted");
    }

    is(($ledger->outcome('p', 'second', 'refused', '3104'))[0], 'released',
       'its own report does');
}

sub callback_was_first {
    my ($ledger) = @_;

    for my $status (qw( success decline error partially_paid_out )) {
        for my $action (qw( accepted refused unknown release )) {
            $ledger->clear()->limits(day => 1000);
            $ledger->reserve('p', 100, copy => 'a');
            $ledger->settle('p', $status, paid => $status eq 'success'
                            ? 100 : 40);

            my $total = $ledger->used('day:20261121');

            is_deeply([ $ledger->outcome('p', 'a', $action, '3104') ],
                      ['settled', $status], "$status, then $action");
            is($ledger->used('day:20261121'), $total, 'total stays');
            is($ledger->entry('p')->{state}, $status, 'state stays');
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
    $ledger->settle('p', 'error');
    $ledger->reserve('q', 60);

    is_deeply([ $ledger->outcome('p', 'b', 'accepted') ],
              ['counted', 'accepted'], 'taken after an error');
    is($ledger->used('day:20261121'), 160, 'counted, over the limit or not');
    is(($ledger->settle('p', 'success', op => 48))[2], 'accepted',
       'and live again');
    is($ledger->used('day:20261121'), 160, 'success counts it no more');

    $ledger->clear()->limits(day => 100);
    $ledger->reserve('p', 100, digest => 'd', copy => $_) for qw( a b );
    $ledger->settle('p', 'error');
    is(($ledger->outcome('p', 'a', 'accepted'))[0], 'settled',
       'an error overtook the first acceptance');
    is(($ledger->outcome('p', 'b', 'accepted'))[0], 'counted',
       'the second one is news');
}

sub operator {
    my ($ledger) = @_;

    for my $state (qw( reserved unknown accepted )) {
        $ledger->clear()->limits(day => 1000);
        in_state($ledger, 'p', $state);

        is_deeply([ $ledger->outcome('p', '-', 'free', 'ops-17') ],
                  ['released', 'released'], "$state is freed");
        is($ledger->totals(), '0/0 0/0 0/0 0/0', "$state: not counted");
        is($ledger->entry('p')->{code}, 'ops-17', 'the reason is kept');
        is(($ledger->outcome('p', '-', 'free', ''))[0], 'gone',
           "$state is freed once");
    }

    for my $state (qw( success partially_paid_out decline refused )) {
        $ledger->clear()->limits(day => 1000);
        in_state($ledger, 'p', $state);

        my $before = $ledger->everything();

        is_deeply([ $ledger->outcome('p', '-', 'free', '') ],
                  ['gone', $state], "$state is not the operator's");
        is($ledger->everything(), $before, "$state: nothing changed");
    }

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a');
    $ledger->outcome('p', '-', 'free', '');
    is(($ledger->outcome('p', 'a', 'accepted'))[0], 'counted',
       'an answer corrects an operator');
    is($ledger->used('day:20261121'), 100, 'counted again');
}

# A command that timed out may be executed after the release that followed it.

sub overtaken {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    is_deeply([ $ledger->outcome('p', 'a', 'release') ], ['gone', ''],
              'a release before its reserve');
    cmp_ok($ledger->{redis}->cmd('TTL', $ledger->entry_key('p')), '>', 0,
           'its mark expires');

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

    is_deeply([ $ledger->outcome('x', 'a', 'refused', '1') ], ['gone', ''],
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
    is($ledger->entry('p')->{flight}, 'a', 'it is one copy');
    is(($ledger->outcome('p', 'a', 'release'))[0], 'released',
       'one release takes it back');

    $ledger->reserve('p', 100, digest => 'd', copy => 'aa');
    $ledger->reserve('p', 100, digest => 'd', copy => 'a.');
    is(($ledger->outcome('p', 'a', 'release'))[0], 'gone',
       'names of copies are compared whole and as text');
    is($ledger->entry('p')->{flight}, 'aa a.', 'both are under way');
}

sub other_day {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 1000);
    $ledger->at(1795219200 + 9 * 86400 + 86399);    # 2026-11-30 23:59:59
    $ledger->reserve('p', 100, copy => 'a');
    $ledger->reserve('q', 10);
    $ledger->at(1795219200 + 10 * 86400);
    $ledger->reserve('r', 1);
    $ledger->outcome('p', 'a', 'refused', '3104');

    is(join(' ', map { $ledger->used($_) } qw( hour:2026113023 day:20261130
            month:202611 day_count:20261130 month_count:202611 )),
       '10 10 10 1 1', 'released where it was counted');
    is(join(' ', map { $ledger->used($_) } qw( hour:2026120100 day:20261201
            month:202612 )), '1 1 1', 'not in the windows of today');
    is($ledger->used('week:20261130'), 11, 'but in the week of both days');
}

sub lost_windows {
    my ($ledger, $redis) = @_;

    my $prefix = $ledger->used_prefix() . 'KZT:';

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a');
    $redis->cmd('DEL', "${prefix}hour:2026112100");
    $redis->cmd('SET', "${prefix}day:20261121", 30, 'KEEPTTL');
    $redis->cmd('SET', "${prefix}week:20261116", 'x', 'KEEPTTL');

    is(($ledger->outcome('p', 'a', 'refused', '3104'))[0], 'released',
       'released although a window is gone');
    is($ledger->used('hour:2026112100'), undef, 'it is not made again');
    is($ledger->used('day:20261121'), 0, 'a total never goes below 0');
    cmp_ok($redis->cmd('TTL', "${prefix}day:20261121"), '>', 0,
           'and still expires');
    is($ledger->used('week:20261116'), 'x', 'what is no number is left alone');
    is($ledger->used('month:202611'), 0, 'the others are right');
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
        [ 'windows that are gone or wrong', \&lost_windows ],
        [ 'dry run', \&dry_run ],
    );
}

1;
