# Copyright (C) nginx-gate authors
#
# Verified callbacks: what they settle, what they move, and that one that
# comes twice, late or after a crash does no harm.

use strict;
use warnings;

use Test::More;

use Model;

my @STATES = qw( reserved unknown accepted refused released success decline
                 error reversed partially_paid_out );

my @PENDING = ('processing', 'awaiting retry', 'awaiting clarification');

# what must come of a callback about another operation in a state, with one
# copy that was accepted: ledger, state after, total; of 100, and 40 of a part

my %AFTER = (

    # while nothing has closed it
    (map {
        my $from = $_;

        (map { ("$from $_" => ['updated', 'accepted', 100]) } @PENDING),
        (map { ("$from $_" => ['settled', $_, 0]) }
             qw( decline error reversed )),
        "$from success" => ['settled', 'success', 100],
        "$from partially_paid_out" => ['settled', 'partially_paid_out', 100],
    } qw( reserved unknown accepted refused released error )),

    # a success is a fact, whatever other operations do
    (map { ("success $_" => ['updated', 'success', 100]) } @PENDING),
    (map { ("success $_" => ['settled', 'success', 100]) }
         qw( decline error reversed )),
    'success success' => ['settled', 'success', 200],
    'success partially_paid_out' => ['settled', 'success', 140],

    # a part may be followed by others
    (map { ("partially_paid_out $_" => ['updated', 'partially_paid_out',
                                        100]) } @PENDING),
    (map { ("partially_paid_out $_" => ['settled', 'partially_paid_out',
                                        100]) }
         qw( decline error reversed partially_paid_out )),
    'partially_paid_out success' => ['settled', 'success', 140],

    # nothing is left of it, but what is told to be paid
    (map { ("$_ success" => ['settled', 'success', 100]) }
         qw( decline reversed )),
    'decline partially_paid_out' => ['settled', 'partially_paid_out', 100],
    'reversed partially_paid_out' => ['settled', 'partially_paid_out', 40],
    (map { ("decline $_" => ['updated', 'accepted', 100],
            "reversed $_" => ['updated', 'accepted', 100]) } @PENDING),
    (map { ("decline $_" => ['settled', 'decline', 0],
            "reversed $_" => ['settled', 'reversed', 0]) }
         qw( decline error )),
    'decline reversed' => ['settled', 'reversed', 0],
    'reversed reversed' => ['settled', 'reversed', 0],
);

sub every_move {
    my ($ledger) = @_;

    for my $state (@STATES) {
        for my $status (@PENDING, qw( success decline error reversed
                                      partially_paid_out ))
        {
            my $name = "$state, then $status";
            my $expected = $AFTER{"$state $status"} // next;

            $ledger->clear()->limits(day => 1000);
            in_state($ledger, 'p', $state);

            my ($word, $to, $total) = @$expected;
            my $paid = $status =~ /^p.*_/ ? 40 : '';
            my @reply = $ledger->settle('p', $status, op => 77, paid => $paid);

            is("@reply[0 .. 4]", "forward $word $state $to $total",
               "$name: reply");
            is($ledger->used('month:202611'), $total ? "$total/1" : '0/0',
               "$name: total");
            is($ledger->state('p'), $to, "$name: state");

            my $entry = $ledger->entry('p');

            is($entry->{status} // $entry->{state}, $status, "$name: status");
            is(Model::wrong($ledger), '', "$name: what is counted");

            my $after = $ledger->entry('p');

            @reply = $ledger->settle('p', $status, op => 77, paid => $paid);
            like($reply[1], qr/^(?:again|updated)$/, "$name: once more");
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
        is($ledger->used('day:20261121'), '190/2',
           'counted over the limit, and as a payout');
    }

    $ledger->clear()->limits(day => 100);
    in_state($ledger, 'p', 'refused');
    is(($ledger->settle('p', 'processing'))[5], 'recounted',
       'Gate works on what it had refused: told, too');
}

# what a payment says to have paid, or its operation

sub amounts {
    my ($ledger) = @_;

    my $big = '9007199254740993';

    # status, sum, paid, currency: counted, notes
    for my $case (['success', 100, '', 'KZT', 100, ''],
                  ['success', '', '', 'KZT', 100, ''],
                  ['success', '', 90, 'KZT', 90, 'adjusted'],
                  ['success', 90, '', 'KZT', 90, 'adjusted'],
                  ['success', 120, '', 'KZT', 120, 'adjusted'],
                  ['success', 90, '', '', 90, 'adjusted'],
                  ['success', 90, '', 'USD', 100, 'currency'],
                  ['success', '', 90, 'USD', 100, 'currency'],
                  ['success', 90, 90, 'USD', 100, 'currency'],
                  ['success', 100, 40, 'KZT', 100, ''],
                  ['success', 40, 100, 'KZT', 100, ''],
                  ['success', $big, '', 'KZT', $big, 'adjusted'],
                  ['partially_paid_out', 100, 40, 'KZT', 100, ''],
                  ['partially_paid_out', '', '', 'KZT', 100, ''],
                  ['partially_paid_out', 100, 100, 'KZT', 100, ''],
                  ['partially_paid_out', 100, 120, 'KZT', 120,
                   'adjusted'],
                  ['partially_paid_out', 100, 40, 'USD', 100, 'currency'],
                  ['decline', 100, '', 'KZT', 0, ''],
                  ['error', 100, '', 'USD', 0, 'currency'])
    {
        my ($status, $sum, $paid, $currency, $counted, $notes) = @$case;
        my $name = "$status of \"$sum\", \"$paid\" $currency";

        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100);
        $ledger->reserve('q', 7);

        my @reply = $ledger->settle('p', $status, paid => $paid, sum => $sum,
                                    currency => $currency);

        is("$reply[4] $reply[5]", "$counted $notes", "$name: reply");
        is($ledger->used('day:20261121'),
           ($counted eq $big ? '9007199254741000' : $counted + 7)
           . ($counted ? '/2' : '/1'), "$name: total");
    }
}

# Each part has its own operation and its own callback, in any order.

sub paid_in_parts {
    my ($ledger) = @_;

    my $part = sub {
        my ($op, $paid, %opt) = @_;

        return ($ledger->settle('p', $opt{status} // 'partially_paid_out',
                                op => $op, paid => $paid, sum => 100,
                                %opt))[1];
    };
    my $day = sub { $ledger->used('day:20261121') };

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd', copy => 'a');
    $ledger->outcome('p', 'a', 'accepted');
    is($part->(1, 0), 'settled', 'nothing of it was paid');
    is($day->(), '100/1', 'all may still come');
    is($part->(2, 30), 'settled', 'then a part');
    is($part->(3, 50), 'settled', 'and more');
    is($day->(), '100/1', 'the rest may still come');
    is($part->(2, 30), 'again', 'a redelivery of a part');
    is($part->(2, 20), 'again', 'an older one says less');
    is($ledger->entry('p')->{ops}, '1=partial/0 2=partial/30 3=partial/50',
       'nothing is taken back');
    is($part->(2, 35), 'settled', 'it has paid more');
    is($ledger->open(), 'p', 'Gate should be asked');
    is(($ledger->reserve('p', 100, digest => 'd', copy => 'b'))[0], 'repeat',
       'it is live');
    $ledger->outcome('p', 'b', 'refused', '10105');
    is($part->(4, '', status => 'decline', size => 15), 'settled',
       'the last one is declined');
    is($day->(), '85/1', 'so what was paid is all');
    is($ledger->open(), '', 'and nothing is open');
    is(Model::wrong($ledger), '', 'what is counted');
    is($part->(5, 15), 'settled', 'a part nobody has expected');
    is($day->(), '100/1', 'is counted, too');

    # in each order of three parts and a success at the end
    my @parts = ([1, 20], [2, 30], [3, 50, status => 'success']);

    for my $order ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1],
                   [2, 1, 0])
    {
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100, copy => 'a');
        $ledger->outcome('p', 'a', 'accepted');

        for my $n (@$order) {
            is($part->(@{ $parts[$n] }), 'settled', "@$order: part $n is news");
            is($day->(), '100/1', "@$order: all is counted");
        }

        is($ledger->state('p'), 'success', "@$order: paid");
        is($ledger->open(), '', "@$order: nothing is open");
    }

    # all at once, as a status answer lists them
    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'a');
    $ledger->outcome('p', 'a', 'accepted');
    is(($ledger->settle('p', 'partially_paid_out', sum => 100,
                        ops => '1=partial/20 2=pending/ 3=decline//50'))[1],
       'settled', 'a list of operations');
    is($day->(), '100/1', 'one is pending');
    is(($ledger->settle('p', 'partially_paid_out', sum => 100,
                        ops => '1=partial/20 2=partial/5 3=decline//50'))[1],
       'settled', 'one of the list has news');
    is($day->(), '100/1', '25 are left');
    is(($ledger->settle('p', 'partially_paid_out', sum => 100, complete => 1,
                        ops => '1=partial/20 2=partial/5 3=decline//50'))[1],
       'again', 'a list of what is known');
    is($day->(), '25/1', 'of all that there will be');
    is($ledger->entry('p')->{complete}, 1, 'which is noted');
    is($ledger->open(), '', 'nothing is open');
    is(Model::wrong($ledger), '', 'what is counted');
}

# What a verified answer about the status says, with all operations in it.

sub complete_lists {
    my ($ledger) = @_;

    my $answer = sub {
        my ($status, $ops) = @_;

        return ($ledger->settle('p', $status, ops => $ops, complete => 1))[1];
    };

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd', copy => $_) for qw( a b );
    $ledger->outcome('p', 'a', 'accepted');
    $ledger->outcome('p', 'b', 'unknown');
    $ledger->at(1795219200 + 121);
    is($answer->('error', '1=error/'), 'settled', 'error is all there is');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'b did not come to Gate');
    is($ledger->open(), '', 'nothing is open');

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd', copy => $_) for qw( a b );
    $ledger->outcome('p', 'a', 'accepted');
    is($answer->('error', '1=error/'), 'settled', 'while b is under way');
    is($ledger->used('day:20261121'), '100/1', 'it may still come there');
    $ledger->outcome('p', 'b', 'accepted');
    is($ledger->used('day:20261121'), '100/1', 'and has');

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, digest => 'd', copy => 'a');
    $ledger->outcome('p', 'a', 'refused', '10105');
    is($ledger->used('day:20261121'), '100/1', 'Gate has it, from somebody');
    $answer->('error', '1=error/');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'what that was has ended');
}

sub news_of_another_day {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->reserve('q', 7);
    $ledger->at(1795219200 + 3 * 86400)->reserve('r', 1);
    $ledger->settle('p', 'decline', op => 1);
    is($ledger->totals(), '1/1 1/1 1/1 8/2', 'released where it was counted');

    $ledger->settle('p', 'success', op => 1);
    is($ledger->totals(), '1/1 1/1 1/1 108/3',
       'counted again where it was counted');

    $ledger->settle('p', 'reversed', op => 1);
    is($ledger->totals(), '1/1 1/1 1/1 8/2', 'and taken back there');
    is(Model::wrong($ledger), '', 'what is counted');
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

    $ledger->reserve('q', 1, digest => 'd', copy => 'usual');
    $ledger->outcome('q', 'usual', 'accepted');

    my $entry = $ledger->entry('q');

    for my $status ('external processing', 'expired', '') {
        is(($ledger->settle('q', $status, ops => '9=pending/', owner => 'o',
                            identity => "q:$status"))[1], 'ignored',
           "\"$status\" of a payout that is accepted");
        $ledger->mark('q', "q:$status", 'o', 'delivered');
    }

    is_deeply($ledger->entry('q'), $entry, 'and says nothing of it');

    $ledger->outcome('x', 'c', 'release');
    is(($ledger->settle('x', 'success'))[1], 'unknown',
       'the name of a released copy is no payout');
}

# A redelivery about an attempt that is over must not touch the next one.

sub earlier_attempt {
    my ($ledger) = @_;

    for my $status (qw( decline error reversed )) {
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100, digest => 'd', copy => 'a');
        $ledger->outcome('p', 'a', 'accepted');
        $ledger->settle('p', 'success', op => 2) if $status eq 'reversed';
        $ledger->settle('p', $status, op => 2);
        $ledger->reserve('p', 100, digest => 'd', copy => 'b');

        is(($ledger->settle('p', $status, op => 2))[1], 'again',
           "$status again: of the first attempt");
        is(($ledger->settle('p', 'processing', op => 2))[1], 'stale',
           'so is whatever its operation did before');
        is($ledger->state('p'), 'reserved', 'the second is live');
        is($ledger->used('day:20261121'), '100/1', 'and counted');

        $ledger->outcome('p', 'b', 'accepted') if $status eq 'error';
        is(($ledger->settle('p', 'decline', op => 3))[1], 'settled',
           'its own operation settles it');
        is($ledger->used('day:20261121'), '0/0', 'and releases');

        $ledger->outcome('p', 'b', 'release');
        $ledger->reserve('p', 100, digest => 'd');
        is(($ledger->settle('p', $_ == 2 ? $status : 'decline',
                            op => $_))[1], 'again',
           "operation $_ is over in the third attempt") for 2, 3;
        is(($ledger->settle('p', 'success', op => 3))[1], 'settled',
           'but money that moved after all settles');
        is($ledger->used('day:20261121'), '200/1',
           'and is counted beside the third attempt');
        is(Model::wrong($ledger), '', 'what is counted');
    }
}

# What a callback without an operation's id can say.

sub no_operation {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);

    for my $status (qw( success decline error reversed partially_paid_out )) {
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p', 100, copy => 'a');
        $ledger->outcome('p', 'a', 'accepted');

        my @reply = $ledger->settle('p', $status, op => '', sum => 100);

        is($reply[0], 'forward', "$status: forwarded");
        is($reply[4], 100, "$status: nothing is known to have ended");
    }

    $ledger->clear()->limits(day => 1000);
    in_state($ledger, 'p', 'refused');
    is(($ledger->settle('p', 'processing', op => ''))[1], 'updated',
       'under way');
    is($ledger->used('day:20261121'), '100/1', 'so it is counted');
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
    is_deeply([ $ledger->mark('p', 'i', 'a', 'delivered') ], ['ok'], 'delivered');
    cmp_ok($redis->cmd('TTL', $ledger->mark_key('i')), '>',
           Ledger::KEPT - 20, 'for as long as Gate may resend');

    $before = $ledger->everything();
    is_deeply([ $ledger->settle(@callback, owner => 'b') ],
              ['duplicate', ('') x 6], 'a duplicate');
    is($ledger->everything(), $before, 'duplicate: nothing changed');

    is(($ledger->settle('p', 'decline', identity => 'j', op => 48,
                        owner => 'b'))[0], 'forward',
       'a changed callback is news');
    is($ledger->used('day:20261121'), '0/0', 'released once');
}

sub failed_delivery {
    my ($ledger, $redis) = @_;

    my @callback = ('p', 'decline', identity => 'i');

    $ledger->limits(day => 1000);
    $ledger->reserve('p', 100);
    $ledger->reserve('q', 100);
    $ledger->settle(@callback, owner => 'a');

    is_deeply([ $ledger->mark('p', 'i', 'b', $_) ], ['lost'],
              "$_: not by another one") for qw( failed delivered );
    is_deeply([ $ledger->mark('p', 'i', 'a', 'failed') ], ['ok'], 'failed');

    my @reply = $ledger->settle(@callback, owner => 'b');
    is("@reply[0, 1]", 'forward again', 'the next delivery is forwarded');
    is($ledger->used('day:20261121'), '100/1', 'released once');

    is_deeply([ $ledger->mark('p', 'i', 'a', 'failed') ], ['lost'],
              'the first owner has nothing to say now');

    # a killed worker: its mark and its lane expire
    $redis->cmd('DEL', $ledger->mark_key('i'), $ledger->lane_key('p'));
    is(($ledger->settle(@callback, owner => 'c'))[0], 'forward',
       'no callback is lost with its worker');

    $redis->cmd('DEL', $ledger->mark_key('i'));
    is_deeply([ $ledger->mark('p', 'i', 'c', 'failed') ], ['ok'],
              'failed after the mark expired');
    is($redis->cmd('EXISTS', $ledger->mark_key('i')), 0, 'leaves no mark');
    is_deeply([ $ledger->mark('p', 'i', 'c', 'delivered') ], ['ok'],
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
    $ledger->mark('p', 'i', 'a', 'failed');
    $ledger->settle('p', 'success', op => 1, identity => 'j', owner => 'b');
    $ledger->mark('p', 'j', 'b', 'delivered');

    is(($ledger->settle('p', 'decline', op => 1, identity => 'i',
                        owner => 'c'))[0], 'stale',
       'decline after the service took success');
    is($ledger->used('day:20261121'), '100/1', 'which is still counted');

    # another operation's end is news that no service has had
    $ledger->settle('p', 'decline', op => 2, identity => 'k', owner => 'd');
    $ledger->mark('p', 'k', 'd', 'failed');
    is(($ledger->settle('p', 'decline', op => 2, identity => 'k',
                        owner => 'e'))[0], 'forward', 'of another operation');
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

    my $before = $ledger->everything();

    is(join(' ', ($ledger->settle('p', 'decline', identity => 'i',
                                  stream => $stream, owner => 'a'))[0, 6]),
       'bad stream', 'a stream that is none is told');
    is($ledger->everything(), $before, 'nothing changed');
    is($redis->cmd('EXISTS', $ledger->mark_key('i')), 0, 'without a mark');

    $redis->cmd('DEL', $stream);
    is(($ledger->settle('p', 'decline', identity => 'i', stream => $stream,
                        owner => 'a'))[0], 'streamed', 'Gate comes again');
    is($ledger->used('day:20261121'), '0/0', 'released once');
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
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'is released where it is live');
    $ledger->{prefix} = 'gate:dry:';
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'and where it was only tried');
    is(Model::wrong($ledger, $_), '', "$_: what is counted")
        for 'gate:', 'gate:dry:';

    is($ledger->open(), 'p q', 'an index of their own');
    $ledger->{prefix} = 'gate:';
    is($ledger->open(), 'q', 'a copy that has not reported');
}

sub entries_outlive {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 1000);

    for my $write (sub { $ledger->reserve('p', 100, copy => 'b') },
                   sub { $ledger->settle('p', 'processing') },
                   sub { $ledger->outcome('p', '', 'free', 'ops') },
                   sub { $ledger->settle('p', 'success') })
    {
        $ledger->reserve('p', 100, copy => 'a');
        $redis->cmd('EXPIRE', $ledger->entry_key('p'), 50);
        $write->();
        cmp_ok($redis->cmd('TTL', $ledger->entry_key('p')), '>',
               Ledger::TTL - 20, 'news prolongs an entry');
    }
}

sub callbacks_tests {
    return (
        [ 'every move', \&every_move ],
        [ 'counted again', \&recounted ],
        [ 'amounts of callbacks', \&amounts ],
        [ 'paid in parts', \&paid_in_parts ],
        [ 'lists of all operations', \&complete_lists ],
        [ 'callbacks of another day', \&news_of_another_day ],
        [ 'unknown payouts', \&unknown_payout ],
        [ 'callbacks of an earlier attempt', \&earlier_attempt ],
        [ 'callbacks without an operation', \&no_operation ],
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
