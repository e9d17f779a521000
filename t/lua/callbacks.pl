# Copyright (C) nginx-gate authors
#
# Verified callbacks: what they settle, what they move, and that one that
# comes twice, late or after a crash does no harm.

use strict;
use warnings;

use Test::More;

my @STATES = qw( reserved unknown accepted refused released success decline
                 error reversed partially_paid_out );

my @PENDING = ('processing', 'awaiting retry', 'awaiting clarification');

my %LEGAL = map { $_ => 1 } ('success reversed', 'decline success',
                             'error success');

# what must come of a callback in a state: ledger, state after, total of 100

sub expected {
    my ($state, $status) = @_;

    my $open = $state =~ /^(?:reserved|unknown|accepted)$/;
    my $taken_back = $state =~ /^(?:refused|released)$/;
    my $counted = $open || $state =~ /^(?:success|partially_paid_out)$/;

    if (grep { $_ eq $status } @PENDING) {
        return ('updated', 'accepted', 100) if $open || $taken_back;
        return ('stale', $state, $counted ? 100 : 0);
    }

    return ('stale', $state, $counted ? 100 : 0)
        if !$open && !$taken_back && $state ne $status
           && !$LEGAL{"$state $status"};

    return ('settled', $status,
            $status =~ /^(?:success|partially_paid_out)$/ ? 100 : 0);
}

sub every_move {
    my ($ledger) = @_;

    for my $state (@STATES) {
        for my $status (@PENDING, qw( success decline error reversed
                                      partially_paid_out ))
        {
            my $name = "$state, then $status";

            $ledger->clear()->limits(day => 1000);
            in_state($ledger, 'p', $state);

            my ($word, $to, $total) = expected($state, $status);
            my $before = $ledger->everything();
            my @reply = $ledger->settle('p', $status, op => 77);

            is("@reply[0 .. 4]", "forward $word $state $to $total",
               "$name: reply");
            is($ledger->used('month:202611'), $total, "$name: total");
            is($ledger->used('month_count:202611'), $total ? 1 : 0,
               "$name: count");
            is($ledger->entry('p')->{state}, $to, "$name: state");
            is($ledger->everything(), $before, "$name: nothing changed")
                if $word eq 'stale';

            my $after = $ledger->entry('p');
            @reply = $ledger->settle('p', $status, op => 77);
            is($ledger->used('month:202611'), $total, "$name: once more");
            is_deeply($ledger->entry('p'), $after, "$name: the same entry");
        }
    }
}

sub recounted {
    my ($ledger) = @_;

    for my $state (qw( decline error refused released )) {
        $ledger->clear()->limits(day => 100);
        in_state($ledger, 'p', $state);
        $ledger->reserve('q', 90);

        my @reply = $ledger->settle('p', 'success', op => 77);

        is("@reply[1 .. 5]", "settled $state success 100 recounted",
           "$state to success is told");
        is($ledger->used('day:20261121'), 190, 'counted over the limit');
        is($ledger->used('day_count:20261121'), 2, 'and as a payout');
    }

    $ledger->clear()->limits(day => 100);
    in_state($ledger, 'p', 'refused');
    is(($ledger->settle('p', 'processing'))[5], 'recounted',
       'Gate works on what it had refused: told, too');
}

sub amounts {
    my ($ledger) = @_;

    # status, paid, currency: counted, notes
    for my $case (['success', 100, 'KZT', 100, ''],
                  ['success', '', 'KZT', 100, ''],
                  ['success', 90, 'KZT', 90, 'adjusted'],
                  ['success', 120, 'KZT', 120, 'adjusted'],
                  ['success', 90, '', 90, 'adjusted'],
                  ['success', 90, 'USD', 100, 'currency'],
                  ['success', '9007199254740993', 'KZT', '9007199254740993',
                   'adjusted'],
                  ['success', '-5', 'KZT', 100, ''],
                  ['success', '1.5', 'KZT', 100, ''],
                  ['success', '010', 'KZT', 100, ''],
                  ['success', '99999999999999999999', 'KZT', 100, ''],
                  ['partially_paid_out', 40, 'KZT', 40, ''],
                  ['partially_paid_out', '', 'KZT', 100, ''],
                  ['partially_paid_out', 40, 'USD', 100, 'currency'],
                  ['decline', 100, 'KZT', 0, ''],
                  ['error', 100, 'USD', 0, ''])
    {
        my ($status, $paid, $currency, $counted, $notes) = @$case;
        my $name = "$status of \"$paid\" $currency";

        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100);
        $ledger->reserve('q', 7);

        my @reply = $ledger->settle('p', $status, paid => $paid,
                                    currency => $currency);

        is("$reply[4] $reply[5]", "$counted $notes", "$name: reply");
        is($ledger->used('day:20261121'), $counted eq '9007199254740993'
           ? '9007199254741000' : $counted + 7, "$name: total");
        is($ledger->used('day_count:20261121'), $counted ? 2 : 1,
           "$name: count");
    }
}

sub paid_in_parts {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->settle('p', 'partially_paid_out', op => 1, paid => 0);
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'nothing of it was paid');

    $ledger->settle('p', 'partially_paid_out', op => 2);
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'an unknown part changes nothing');

    $ledger->settle('p', 'partially_paid_out', op => 3, paid => 30);
    is($ledger->totals(), '30/1 30/1 30/1 30/1', 'then a part');

    $ledger->settle('p', 'partially_paid_out', op => 4, paid => 50);
    is($ledger->totals(), '50/1 50/1 50/1 50/1', 'and more');

    is(($ledger->settle('p', 'partially_paid_out', op => 3, paid => 30))[1],
       'again', 'a redelivery of the first part');
    is($ledger->totals(), '50/1 50/1 50/1 50/1', 'takes nothing back');
    is(($ledger->reserve('p', 100))[0], 'repeat', 'it is live');

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->settle('p', 'success', op => 1, paid => 80);
    $ledger->settle('p', 'reversed', op => 2);
    is($ledger->totals(), '0/0 0/0 0/0 0/0',
       'reversed releases what was counted, not what was asked');

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->settle('p', 'decline', op => 1);
    $ledger->settle('p', 'success', op => 2, paid => 120);
    is($ledger->totals(), '120/1 120/1 120/1 120/1',
       'success after decline counts what was paid');
}

# Where a callback does not list all operations, each brings its own part.

sub paid_by_operations {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd');
    $ledger->settle('p', 'processing', op => 1, part => 30);
    is($ledger->used('day:20261121'), 100, 'under way: all is counted');

    $ledger->settle('p', 'partially_paid_out', op => 2, part => 25);
    is($ledger->totals(), '55/1 55/1 55/1 55/1', 'the sum of both operations');

    $ledger->settle('p', 'partially_paid_out', op => 2, part => 25,
                    digest => 'x');
    $ledger->settle('p', 'partially_paid_out', op => 3, part => 0);
    is($ledger->used('day:20261121'), 55, 'each counts once');

    $ledger->settle('p', 'partially_paid_out', op => 4, part => 10);
    is($ledger->used('day:20261121'), 65, 'a third one');

    $ledger->settle('p', 'partially_paid_out', op => 5, part => 1, paid => 70);
    is($ledger->used('day:20261121'), 70, 'a whole sum is taken as it is');

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->settle('p', 'partially_paid_out', op => 2, part => 25);
    is(join(' ', ($ledger->settle('p', 'processing', op => 1,
                                  part => 30))[1 .. 5]),
       'stale partially_paid_out partially_paid_out 55 adjusted',
       'a part that comes late is still counted');
    is($ledger->totals(), '55/1 55/1 55/1 55/1', 'in all windows');
    $ledger->settle('p', 'processing', op => 1, part => 30);
    is($ledger->totals(), '55/1 55/1 55/1 55/1', 'and once');

    $ledger->settle('p', 'partially_paid_out', op => 3, paid => 80);
    $ledger->settle('p', 'processing', op => 4, part => 20);
    is($ledger->totals(), '80/1 80/1 80/1 80/1', 'the whole sum has it');
    $ledger->settle('p', 'partially_paid_out', op => 5, part => 1);
    is($ledger->totals(), '80/1 80/1 80/1 80/1', 'no part lowers it');

    for my $part ('', 0, '-4', 'x', '9999999999999999') {
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100);
        $ledger->settle('p', 'partially_paid_out', part => $part);
        is($ledger->used('day:20261121'), 100,
           "a part of \"$part\" is not known: all is kept");
    }

    for my $status (qw( success decline )) {
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100);
        $ledger->settle('p', $status, op => 1);

        my $before = $ledger->everything();

        $ledger->settle('p', 'processing', op => 2, part => 150);
        is($ledger->everything(), $before, "$status has no late parts");
    }

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd');
    $ledger->settle('p', 'processing', op => 1, part => 30);
    $ledger->settle('p', 'error', op => 1);
    $ledger->reserve('p', 100, digest => 'd');
    $ledger->settle('p', 'partially_paid_out', op => 2, part => 25);
    is($ledger->used('day:20261121'), 25, 'parts are of one attempt');
}

sub news_of_another_day {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->reserve('q', 7);
    $ledger->at(1795219200 + 3 * 86400)->reserve('r', 1);
    $ledger->settle('p', 'decline', op => 1);

    is(join(' ', map { $ledger->used($_) } qw( hour:2026112100 day:20261121
            week:20261116 month:202611 )), '7 7 7 8',
       'released where it was counted');

    $ledger->settle('p', 'success', op => 2);
    is(join(' ', map { $ledger->used($_) } qw( hour:2026112100 day:20261121
            week:20261116 month:202611 )), '107 107 107 108',
       'counted again where it was counted');
    is($ledger->totals(), '1/1 1/1 1/1 108/3', 'not in the windows of today');

    $ledger->{redis}->cmd('DEL', $ledger->used_prefix()
                          . "KZT:$_:20261121") for qw( day day_count );
    $ledger->settle('p', 'reversed', op => 3);
    is($ledger->used('day:20261121'), undef, 'a window that is gone stays so');
    is($ledger->used('month:202611'), 8, 'the others are right');

    $ledger->{redis}->cmd('SET', $ledger->used_prefix() . 'KZT:month:202611',
                          5, 'KEEPTTL');
    $ledger->settle('q', 'decline', op => 4);
    is($ledger->used('month:202611'), 0, 'a total never goes below 0');
}

sub unknown_payout {
    my ($ledger) = @_;

    my $before = $ledger->everything();

    is_deeply([ $ledger->settle('p', 'decline') ],
              ['forward', 'unknown', '', '', '', '', ''],
              'a payout made elsewhere is forwarded');
    is($ledger->everything(), $before, 'and leaves nothing');

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $before = $ledger->everything();
    is(($ledger->settle('p', 'external processing'))[1], 'ignored',
       'a status that payouts do not have');
    is($ledger->everything(), $before, 'changes nothing');

    $ledger->outcome('x', 'c', 'release');
    is(($ledger->settle('x', 'success'))[1], 'unknown',
       'the mark of a release is no payout');
}

# A redelivery about an attempt that is over must not touch the next one.

sub earlier_attempt {
    my ($ledger) = @_;

    for my $status (qw( decline error reversed )) {
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100, digest => 'd');
        $ledger->settle('p', 'success', op => 1) if $status eq 'reversed';
        $ledger->settle('p', $status, op => 2, digest => 'x');
        $ledger->reserve('p', 100, digest => 'd');

        for my $digest (qw( x y )) {
            is(($ledger->settle('p', $status, op => 2,
                                digest => $digest))[1], 'again',
               "$status again: of the first attempt");
        }

        is(($ledger->settle('p', 'processing', op => 2))[1], 'again',
           'so is whatever its operation did before');
        is($ledger->entry('p')->{state}, 'reserved', 'the second is live');
        is($ledger->used('day:20261121'), 100, 'and counted');

        is(($ledger->settle('p', $status, op => 3))[1], 'settled',
           'its own operation settles it');
        is($ledger->used('day:20261121'), 0, 'and releases');

        $ledger->reserve('p', 100, digest => 'd');
        is(($ledger->settle('p', $status, op => $_))[1], 'again',
           "operation $_ is over in the third attempt") for 2, 3;
        is(($ledger->settle('p', 'success', op => 3))[1], 'settled',
           'but money that moved after all settles');
    }

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd');
    $ledger->settle('p', 'decline', op => '', digest => 'x');
    $ledger->reserve('p', 100, digest => 'd');
    is(($ledger->settle('p', 'decline', op => '', digest => 'x'))[1], 'again',
       'without an operation id the digest counts');
    is(($ledger->settle('p', 'decline', op => '', digest => 'y'))[1],
       'settled', 'another one is news');
}

sub duplicates {
    my ($ledger, $redis) = @_;

    my @callback = ('p', 'decline', identity => 'i');

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);

    is(($ledger->settle(@callback, owner => 'a'))[0], 'forward',
       'the first copy is forwarded');

    my $before = $ledger->everything();
    my @reply = $ledger->settle(@callback, owner => 'b');

    is($reply[0], 'busy', 'the second has to wait');
    cmp_ok($reply[6], '>', 0, 'and is told how long');
    cmp_ok($reply[6], '<=', Ledger::OWNED, 'at most');
    is($ledger->everything(), $before, 'busy: nothing changed');

    is(($ledger->settle(@callback, owner => 'a'))[0], 'forward',
       'the owner may ask twice');
    is_deeply([ $ledger->mark('i', 'a', 'delivered') ], ['ok'], 'delivered');
    cmp_ok($redis->cmd('TTL', $ledger->mark_key('i')), '>',
           Ledger::KEPT - 20, 'for as long as Gate may resend');

    $before = $ledger->everything();
    is_deeply([ $ledger->settle(@callback, owner => 'b') ],
              ['duplicate', ('') x 6], 'a duplicate');
    is($ledger->everything(), $before, 'duplicate: nothing changed');

    is(($ledger->settle('p', 'decline', identity => 'j', op => 48,
                        owner => 'b'))[0], 'forward',
       'a changed callback is news');
    is($ledger->used('day:20261121'), 0, 'released once');
}

sub failed_delivery {
    my ($ledger, $redis) = @_;

    my @callback = ('p', 'decline', identity => 'i');

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->reserve('q', 100);
    $ledger->settle(@callback, owner => 'a');

    is_deeply([ $ledger->mark('i', 'b', $_) ], ['lost'],
              "$_: not by another one") for qw( failed delivered );
    is_deeply([ $ledger->mark('i', 'a', 'failed') ], ['ok'], 'failed');

    my @reply = $ledger->settle(@callback, owner => 'b');
    is("@reply[0, 1]", 'forward again', 'the next delivery is forwarded');
    is($ledger->used('day:20261121'), 100, 'released once');

    is_deeply([ $ledger->mark('i', 'a', 'failed') ], ['lost'],
              'the first owner has nothing to say now');

    # a killed worker: its mark and its lane expire
    $redis->cmd('DEL', $ledger->mark_key('i'), $ledger->lane_key('i'));
    is(($ledger->settle(@callback, owner => 'c'))[0], 'forward',
       'no callback is lost with its worker');

    $redis->cmd('DEL', $ledger->mark_key('i'));
    is_deeply([ $ledger->mark('i', 'c', 'failed') ], ['ok'],
              'failed after the mark expired');
    is($redis->cmd('EXISTS', $ledger->mark_key('i')), 0, 'leaves no mark');
    is_deeply([ $ledger->mark('i', 'c', 'delivered') ], ['ok'],
              'delivered after the mark expired');
    is(($ledger->settle(@callback, owner => 'd'))[0], 'duplicate',
       'is delivered');
}

sub stale_with_owner {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->settle('p', 'success', owner => 'a');

    my $before = $ledger->everything();

    is_deeply([ $ledger->settle('p', 'processing', owner => 'a') ],
              ['stale', 'stale', 'success', 'success', 100, '', ''],
              'stale news is not forwarded');
    is($ledger->everything(), $before, 'stale: nothing changed, no mark');
    is(($ledger->settle('p', 'processing'))[0], 'forward',
       'but it is without the duplicate check');
}

# A service that fails, a newer callback, then the older one again.

sub overtaken_news {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->settle('p', 'decline', op => 1, identity => 'i', owner => 'a');
    $ledger->mark('i', 'a', 'failed');
    $ledger->settle('p', 'success', op => 2, identity => 'j', owner => 'b');
    $ledger->mark('j', 'b', 'delivered');

    is(($ledger->settle('p', 'decline', op => 1, identity => 'i',
                        owner => 'c'))[0], 'stale',
       'decline after the service took success');
    is($ledger->used('day:20261121'), 100, 'which is still counted');
}

sub stream {
    my ($ledger, $redis) = @_;

    my $stream = 'gate:stream:{1234}';
    my $body = "{\"a\":\"\xd0\xba\x00\"}";
    my @callback = ('p', 'decline', identity => 'i', stream => $stream,
                    body => $body);

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);

    my @reply = $ledger->settle(@callback, owner => 'a');

    is("@reply[0, 1]", 'streamed settled', 'streamed and settled');

    my $items = $redis->cmd('XRANGE', $stream, '-', '+');

    is_deeply($items, [ [ $reply[6], [
        project_id => 1234, payment_id => 'p', status => 'decline',
        body => $body, received => '1795219200250' ] ] ], 'the item');
    is(($ledger->settle(@callback, owner => 'b'))[0], 'duplicate',
       'it is delivered with that');
    cmp_ok($redis->cmd('TTL', $ledger->mark_key('i')), '>',
           Ledger::KEPT - 20, 'for as long as Gate may resend');

    is(($ledger->settle('p', 'processing', stream => $stream,
                        owner => 'a'))[0], 'stale', 'stale news');
    is(($ledger->settle('p', 'success', op => 48, identity => 'k',
                        stream => $stream))[0], 'streamed',
       'without the duplicate check');
    is($redis->cmd('EXISTS', $ledger->mark_key('k')), 0, 'there is no mark');
    is($redis->cmd('XLEN', $stream), 2, 'two items');

    for my $i (1 .. 500) {
        $ledger->settle("q$i", 'success', stream => $stream, cap => 100,
                        owner => 'a');
    }

    my $length = $redis->cmd('XLEN', $stream);

    cmp_ok($length, '>=', 100, 'the cap keeps at least as many');
    cmp_ok($length, '<', 300, 'and not many more');
}

sub bad_stream {
    my ($ledger, $redis) = @_;

    my $stream = 'gate:stream:{1234}';

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $redis->cmd('SET', $stream, 'x');

    ok(!eval { $ledger->settle('p', 'decline', identity => 'i',
                               stream => $stream, owner => 'a') },
       'a stream that is none is an error');
    is($redis->cmd('EXISTS', $ledger->mark_key('i')), 0, 'without a mark');

    $redis->cmd('DEL', $stream);
    is(($ledger->settle('p', 'decline', identity => 'i', stream => $stream,
                        owner => 'a'))[0], 'streamed', 'Gate comes again');
    is($ledger->used('day:20261121'), 0, 'released once');
}

sub dry_run_settles {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->{prefix} = 'gate:dry:';
    $ledger->reserve('p', 100);
    $ledger->reserve('q', 50);
    $ledger->{prefix} = 'gate:';
    $ledger->reserve('q', 50);

    my @reply = $ledger->settle('p', 'decline');

    is("@reply[1 .. 5]", 'settled reserved decline 0 dry',
       'a payout of a dry run');
    is($ledger->totals(), '50/1 50/1 50/1 50/1', 'takes nothing from others');

    is(($ledger->settle('q', 'decline'))[5], '', 'a payout of both');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'is released in one');
    $ledger->{prefix} = 'gate:dry:';
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'and in the other');
    $ledger->{prefix} = 'gate:';
}

sub entries_outlive {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 1000);

    for my $write (sub { $ledger->reserve('p', 100, copy => 'b') },
                   sub { $ledger->outcome('p', 'a', 'unknown') },
                   sub { $ledger->outcome('p', 'b', 'accepted') },
                   sub { $ledger->settle('p', 'processing') },
                   sub { $ledger->settle('p', 'success') })
    {
        $ledger->reserve('p', 100, copy => 'a');
        $redis->cmd('EXPIRE', $ledger->entry_key('p'), 50);
        $write->();
        cmp_ok($redis->cmd('TTL', $ledger->entry_key('p')), '>',
               Ledger::TTL - 20, 'each change prolongs an entry');
    }
}

sub callbacks_tests {
    return (
        [ 'every move', \&every_move ],
        [ 'counted again', \&recounted ],
        [ 'amounts of callbacks', \&amounts ],
        [ 'paid in parts', \&paid_in_parts ],
        [ 'paid by operations', \&paid_by_operations ],
        [ 'callbacks of another day', \&news_of_another_day ],
        [ 'unknown payouts', \&unknown_payout ],
        [ 'callbacks of an earlier attempt', \&earlier_attempt ],
        [ 'duplicates', \&duplicates ],
        [ 'deliveries that fail', \&failed_delivery ],
        [ 'stale', \&stale_with_owner ],
        [ 'a newer callback was first', \&overtaken_news ],
        [ 'stream', \&stream ],
        [ 'a stream that is none', \&bad_stream ],
        [ 'dry run and callbacks', \&dry_run_settles ],
        [ 'entries outlive what may come', \&entries_outlive ],
    );
}

1;
