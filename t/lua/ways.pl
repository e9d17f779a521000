# Copyright (C) nginx-gate authors
#
# Scripts go a short way where a call is a usual one.  It must be gone then, and
# leave and tell what the long one does.

use strict;
use warnings;

use Test::More;

use constant { WAYS_RUNS => 12, WAYS_STEPS => 250 };

sub usual_calls {
    my ($long, $redis) = @_;

    my $ledger = Ledger->new($redis, 'src/ledger/lua', way => 'short');

    $long->limits(day => 1000, max => 500, hour_count => 50, _note => 'x');
    $long->reserve('first', 1);

    ok(!eval { $ledger->clear()->reserve('p', 1) }, 'the first is not usual');

    $long->clear()->limits(day => 1000, max => 500, hour_count => 50,
                           _note => 'x');
    $long->reserve('first', 1);

    is(($ledger->reserve('a', 100, copy => 'a', digest => 'd'))[0], 'ok',
       'a payout');
    is_deeply([ $ledger->reserve_all([ map { ["b$_", 1, copy => 'b',
                                              digest => 'd'] } 1 .. 40 ]) ],
              [ ('ok') x 40 ], 'many');
    is(($ledger->outcome('a', 'a', 'accepted'))[0], 'noted', 'its acceptance');
    is_deeply([ $ledger->outcome_all(map { ["b$_", 'b', 'accepted'] }
                                     1 .. 40) ],
              [ ('noted accepted') x 40 ], 'theirs');
    is(join(' ', ($ledger->settle('a', 'processing', op => 7, owner => 'o',
                                  sum => 100))[0, 1]), 'forward updated',
       'a callback that it is under way');
    $redis->cmd('DEL', $ledger->lane_key('a'));
    is(join(' ', ($ledger->settle('a', 'success', op => 7, owner => 'o',
                                  sum => 100, paid => 100))[0, 1]),
       'forward settled', 'one that it is paid');
    is(join(' ', ($ledger->settle('b1', 'success', op => 8, owner => 'o',
                                  sum => 1, paid => 1))[0, 1]),
       'forward settled', 'and at once');
}

# The same steps by both.

sub step {
    my ($ledger, $n) = @_;

    my $id = sub { 'p' . int rand(3 + $n / 6) };
    my $kind = int rand 20;
    my $copy = sub { 'k' . int rand($n + 2) };

    return ($ledger->at($ledger->{now} + (1, 5, 700, 3600, 86400)[rand 5]),
            'time') if $kind == 0;

    if ($kind < 8) {
        my $count = (1, 1, 2, 5)[rand 4];

        return $ledger->reserve_all([ map {
            my $amount = (5, 20, 300, 5, 20, '2000000000000000')[rand 6];

            [ $id->(), $amount, digest => 'd' . $amount % 7,
              copy => "k$n" . 'x' x $_, endpoint => ('m', 'm', 'c')[rand 3] ]
        } 1 .. $count ]);
    }

    if ($kind < 14) {
        my @sent = sort keys %{ $ledger->{sent} } or return '';

        # of different payments: the short way takes its reports first
        my %names = map { split / /, $sent[rand @sent] } 1 .. (1, 1, 3)[rand 3];

        return $ledger->outcome_all(map {
            my ($payment, $name) = ($_, $names{$_});

            [ $payment, $name, (qw( accepted accepted accepted refused unknown
                                    release ))[rand 6],
              ('', '', '', '3104', '10105')[rand 5] ]
        } sort keys %names);
    }

    my $payment = $id->();
    my $status = ('processing', 'awaiting retry', 'success', 'success',
                  'success', 'decline', 'error', 'reversed')[rand 8];
    my $amount = (split / /, $ledger->entry($payment)->{payout} // '5')[0];

    $amount = 3 if rand() < 0.1;

    my @more = ((complete => 1) x (rand() < 0.1),
                (currency => 'USD') x (rand() < 0.05),
                (size => $amount) x (rand() < 0.2));
    my @reply = $ledger->settle($payment, $status, op => "8$payment"
                                . int rand 1.3, owner => "o$n", @more,
                                paid => rand() < 0.8 ? $amount : '',
                                sum => rand() < 0.8 ? $amount : '');

    $ledger->mark($payment, "$payment:8${payment}0-$status", "o$n",
                  rand() < 0.5 ? 'delivered' : 'failed');

    # the milliseconds that are left of another's lane
    $reply[6] = '' if $reply[0] eq 'busy';

    return @reply;
}

sub steps {
    my ($ledger, $seed) = @_;

    srand $seed;
    $ledger->clear()->at(1795219200 + int rand 86400);
    $ledger->limits((day => 5000, hour_count => 100, max => 400)
                    [0 .. 2 * int(rand 4) - 1], _note => 'x');

    my @said;

    for my $n (1 .. WAYS_STEPS) {
        my @reply = map { ref eq 'ARRAY' ? "[@$_]" : ref ? '' : $_ }
                    step($ledger, $n);

        push @said, "$n: @reply $ledger->{reply}{seq}";
    }

    return join "\n", @said, $ledger->{redis}->dump();
}

sub both_ways {
    my ($ledger, $redis) = @_;

    my $long = Ledger->new($redis, 'src/ledger/lua', way => 'long');

    for my $seed (1 .. WAYS_RUNS) {
        my @lines = map { [ split /\n/, steps($_, $seed) ] } $ledger, $long;
        my ($n) = grep { ($lines[0][$_] // '') ne ($lines[1][$_] // '') }
                  0 .. $#{ $lines[0] };

        is(defined $n ? "$lines[0][$n], not $lines[1][$n]" : '', '',
           "both ways from seed $seed");
    }
}

sub ways_tests {
    return (
        [ 'usual calls go the short way', \&usual_calls ],
        [ 'both ways do the same', \&both_ways ],
    );
}

1;
