# Copyright (C) nginx-gate authors
#
# What reserve refuses, and that it changes nothing then; the calendar; what
# status shows.

use strict;
use warnings;

use POSIX ();
use Test::More;

use constant MAX => '9223372036854775807';

# the list of what the call answers, and that Redis holds what it held

sub refused_is {
    my ($ledger, $call, $expected, $name) = @_;

    my $before = $ledger->everything();
    my @reply = $call->();

    is_deeply(\@reply, $expected, $name);
    is($ledger->everything(), $before, "$name: nothing changed");
}

sub absent_limits {
    my ($ledger) = @_;

    refused_is($ledger, sub { $ledger->reserve('p1', 100) }, ['no_limits'],
               'no limits, deny');
    refused_is($ledger, sub { $ledger->reserve('p1', 100, default => 'x') },
               ['no_limits'], 'only "allow" allows');

    is_deeply([ $ledger->reserve('p1', 100, default => 'allow') ], ['ok', 1],
              'no limits, allow');
    is($ledger->totals(), '100/1 100/1 100/1 100/1', 'counted all the same');

    $ledger->limits(_note => 'a currency that is open');
    is(($ledger->reserve('p2', MAX - 100))[0], 'ok',
       'a hash without a limit has no limit');
}

sub one_payout {
    my ($ledger) = @_;

    $ledger->limits(min => 100, max => 1000);

    refused_is($ledger, sub { $ledger->reserve('p1', 99) },
               ['limit_min', 100], 'under min');
    refused_is($ledger, sub { $ledger->reserve('p1', 1001) },
               ['limit_max', 1000], 'over max');

    is(($ledger->reserve('p1', 100))[0], 'ok', 'at min');
    is(($ledger->reserve('p2', 1000))[0], 'ok', 'at max');

    $ledger->limits(max => 0);
    refused_is($ledger, sub { $ledger->reserve('p3', 1) }, ['limit_max', 0],
               'max 0 closes a currency');

    $ledger->limits(min => 0, day => 0);
    refused_is($ledger, sub { $ledger->reserve('p3', 1) },
               ['limit_day', 86400, 0, 1100], 'day 0 closes it too');
}

# Saturday 2026-11-21 01:00:10

my %WAIT = (hour => 3590, day => 82790, week => 82790 + 86400,
            month => 82790 + 9 * 86400);

sub each_window {
    my ($ledger) = @_;

    for my $window (qw( hour day week month )) {
        $ledger->clear()->at(1795219200 + 3610)->limits($window => 1000);
        $ledger->reserve('p1', 400);

        refused_is($ledger, sub { $ledger->reserve('p2', 601) },
                   ["limit_$window", $WAIT{$window}, 1000, 400],
                   "$window: one over");
        is(($ledger->reserve('p2', 600))[0], 'ok', "$window: exactly");
        refused_is($ledger, sub { $ledger->reserve('p3', 1) },
                   ["limit_$window", $WAIT{$window}, 1000, 1000],
                   "$window: full");

        $ledger->clear()->at(1795219200 + 3610)
               ->limits("${window}_count" => 2);
        $ledger->reserve('p1', 1);

        is(($ledger->reserve('p2', 1))[0], 'ok', "${window}_count: exactly");
        refused_is($ledger, sub { $ledger->reserve('p3', 1) },
                   ["limit_${window}_count", $WAIT{$window}, 2, 2],
                   "${window}_count: full");
    }
}

sub several_windows {
    my ($ledger) = @_;

    $ledger->limits(hour => 100, day => 100, week => 200, month => 100,
                    month_count => 1);
    $ledger->reserve('p1', 100);

    is(($ledger->reserve('p2', 1))[0], 'limit_month',
       'the window that ends last, and its amount first');

    $ledger->limits(hour => 100, hour_count => 1, day_count => 1);
    is(($ledger->reserve('p2', 1))[0], 'limit_day_count',
       'a count of a longer window');

    $ledger->limits(max => 10, day => 100);
    is(($ledger->reserve('p2', 11))[0], 'limit_max',
       'waiting does not help over max');
}

sub new_window {
    my ($ledger) = @_;

    $ledger->limits(hour => 100, day => 150, month => 200);
    $ledger->at(1795219200 + 3599)->reserve('p1', 100);
    is(($ledger->reserve('p2', 1))[1], 1, 'the last second of an hour');

    is(($ledger->at(1795219200 + 3600)->reserve('p2', 50))[0], 'ok',
       'the next hour');
    is(($ledger->reserve('p3', 1))[0], 'limit_day', 'the same day');
    is(($ledger->at(1795219200 + 86400)->reserve('p3', 50))[0], 'ok',
       'the next day');
    is(($ledger->reserve('p4', 1))[0], 'limit_month', 'the same month');
    is(($ledger->at(1796083200)->reserve('p4', 1))[0], 'ok',
       'the first of December');
    is($ledger->totals(), '1/1 1/1 1/1 1/1',
       'which is a Tuesday of a new week, too');
}

sub exact_money {
    my ($ledger) = @_;

    my $big = '9007199254740992';       # 2^53

    for my $window (qw( hour day week month )) {
        $ledger->clear()->limits($window => '9007199254740993');
        $ledger->reserve('p1', $big);

        refused_is($ledger, sub { $ledger->reserve('p2', 2) },
                   ["limit_$window", $ledger->status()->{$window}{end}
                    - 1795219200, '9007199254740993', $big],
                   "$window: 2^53 + 2 is over 2^53 + 1");
        is(($ledger->reserve('p2', 1))[0], 'ok',
           "$window: 2^53 + 1 is not over itself");
        is($ledger->status()->{$window}{used}, '9007199254740993',
           "$window: the total is exact");
    }

    $ledger->clear()->limits(max => '9007199254740992');
    is(($ledger->reserve('p1', '9007199254740993'))[0], 'limit_max',
       'max is exact');
    $ledger->limits(min => '9007199254740993');
    is(($ledger->reserve('p1', '9007199254740992'))[0], 'limit_min',
       'min is exact');
}

sub carries {
    my ($ledger) = @_;

    # both sides of the seam of the two parts, 15 digits
    for my $case (['999999999999999', 1, '1000000000000000'],
                  ['999999999999999', '999999999999999', '1999999999999998'],
                  ['1000000000000000', '999999999999999', '1999999999999999'],
                  ['4611686018427387904', '4611686018427387903', MAX])
    {
        my ($first, $second, $limit) = @$case;
        my $less = $limit - 1;

        $ledger->clear()->limits(day => $less);
        $ledger->reserve('p1', $first);
        is(($ledger->reserve('p2', $second))[0], 'limit_day',
           "$first + $second > $less");

        $ledger->limits(day => $limit);
        is(($ledger->reserve('p2', $second))[0], 'ok',
           "$first + $second = $limit");
    }
}

sub overflow {
    my ($ledger) = @_;

    $ledger->limits('_' => 'no limits');
    $ledger->reserve('p1', 1);

    refused_is($ledger, sub { $ledger->reserve('p2', MAX) },
               ['overflow', 'month'], 'past 2^63-1');
    is(($ledger->reserve('p2', MAX - 1))[0], 'ok', 'at 2^63-1');
    is($ledger->used('day:20261121'), MAX, 'the total is 2^63-1');
    refused_is($ledger, sub { $ledger->reserve('p3', 1) },
               ['overflow', 'month'], 'one more');

    # counts, too
    my $key = $ledger->used_prefix() . 'KZT:week_count:20261116';

    $ledger->clear()->limits('_' => 'no limits');
    $ledger->{redis}->cmd('SET', $key, MAX);
    refused_is($ledger, sub { $ledger->reserve('p1', 1) },
               ['overflow', 'week_count'], 'one payout too many');

    $ledger->limits(week_count => MAX);
    is(($ledger->reserve('p1', 1))[0], 'limit_week_count',
       'unless a limit says so first');

    $ledger->limits(week_count => '9007199254740994');
    $ledger->{redis}->cmd('SET', $key, '9007199254740993');
    is(($ledger->reserve('p1', 1))[0], 'ok', 'a count is exact');
    is(($ledger->reserve('p2', 1))[0], 'limit_week_count',
       'at 2^53 + 2 of 2^53 + 2');
}

sub bad_limits {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('live', 1, digest => 'd');

    for my $field (qw( min max hour day week month hour_count day_count
                       week_count month_count ))
    {
        for my $value ('', 'x', '-1', '+1', ' 1', '1 ', '1.0', '1e3', '0x10',
                       '007', "1\n", '9223372036854775808',
                       '10000000000000000000', '99999999999999999999999999')
        {
            $ledger->limits($field => $value);

            my @reply = $ledger->reserve('p1', 1);

            is_deeply(\@reply, ['bad_limit', $field, $value],
                      "$field: \"$value\"");
        }
    }

    is(($ledger->reserve('live', 1, digest => 'd'))[0], 'repeat',
       'what is counted already may be sent again');

    $ledger->limits(dya => 5, day => 1000);
    refused_is($ledger, sub { $ledger->reserve('p1', 1) },
               ['bad_limit', 'dya', ''], 'a misspelt limit');

    $ledger->limits(day => 1000, _changed_by => 'treasury');
    is(($ledger->reserve('p1', 1))[0], 'ok', 'fields with "_" are free');

    $ledger->limits(min => 0, max => MAX, day => MAX, day_count => MAX);
    is(($ledger->reserve('p2', 1))[0], 'ok', '0 and 2^63-1 are limits');

    $ledger->limits();
    $ledger->{redis}->cmd('SET', $ledger->limits_key(), '5');
    like($ledger->{redis}->error_of('EVALSHA', $ledger->{sha}{reserve}, 3,
             $ledger->limits_key(), $ledger->entry_key('p3'),
             $ledger->used_prefix(), 1, 'KZT', 'd', 'e', 'c', 0, 'allow', 9),
         qr/WRONGTYPE/, 'limits that are no hash are an error');
}

sub bad_totals {
    my ($ledger, $redis) = @_;

    my $prefix = $ledger->used_prefix() . 'KZT:';
    my @names = qw( hour:2026112100 day:20261121 week:20261116 month:202611 );

    for my $name (@names, map { s/:/_count:/r } @names) {
        my $key = "$prefix$name";

        # the others are there, so that a half reservation would be seen
        $ledger->clear()->limits(day => 1000);
        $ledger->reserve('p0', 1);

        for my $value ('', 'x', '-1', '+1', ' 1', '1.5', '1e3', '0x10', '007',
                       '9223372036854775808', '10000000000000000000')
        {
            $redis->cmd('SET', $key, $value);
            refused_is($ledger, sub { $ledger->reserve('p1', 1) },
                       ['bad_total', $key], "$name: a total \"$value\"");
        }

        $redis->cmd('DEL', $key);
        $redis->cmd('HSET', $key, 'a', 1);
        refused_is($ledger, sub { $ledger->reserve('p1', 1) },
                   ['bad_total', $key], "$name: a total that is a hash");
    }
}

sub bad_arguments {
    my ($ledger) = @_;

    $ledger->limits(day => 1000);

    for my $amount ('', '0', '-5', '1.5', 'x', '01', '9223372036854775808') {
        refused_is($ledger, sub { $ledger->reserve('p1', $amount) },
                   ['bad_argument', 'amount'], "amount \"$amount\"");
    }

    for my $case ([copy => ''], [copy => 'a b'], [offset => 'x'],
                  [offset => ''], [ttl => 'x'], [ttl => '-1'], [ttl => '0'],
                  [ttl => '1' . '0' x 10])
    {
        refused_is($ledger, sub { $ledger->reserve('p1', 1, @$case) },
                   ['bad_argument', $case->[0]], "$case->[0] \"$case->[1]\"");
    }
}

# names and ends of the windows by the C library's calendar

sub calendar_of {
    my ($now, $offset) = @_;

    my $local = $now + $offset;
    my @t = gmtime $local;
    my $midnight = $local - $local % 86400;
    my $monday = $midnight - 86400 * (($t[6] + 6) % 7);
    my $first = $midnight - 86400 * ($t[3] - 1);
    my @next = gmtime($first + 45 * 86400);
    my $month = $first + 45 * 86400 - 86400 * ($next[3] - 1);

    $month -= $month % 86400;

    return (
        hour => [ POSIX::strftime('%Y%m%d%H', @t),
                  $local - $local % 3600 + 3600 - $offset ],
        day => [ POSIX::strftime('%Y%m%d', @t), $midnight + 86400 - $offset ],
        week => [ POSIX::strftime('%Y%m%d', gmtime $monday),
                  $monday + 7 * 86400 - $offset ],
        month => [ POSIX::strftime('%Y%m', @t), $month - $offset ],
    );
}

sub moments {
    my @moments = map { [ $_, 0 ], [ $_ - 1, 0 ], [ $_ + 1, 18000 ] }
        1709164800,         # 2024-02-29
        1709251200,         # 2024-03-01
        1740787200,         # 2025-03-01
        1767225600,         # 2026-01-01, a Thursday
        1830297600,         # 2028-01-01, a Saturday
        1835395200,         # 2028-02-29
        1951776000,         # 2031-11-07
        4102444799;         # the end of 2099

    # midnight in the offset, not in UTC
    push @moments, map { [ 1795219200 - $_, $_ ], [ 1795219199 - $_, $_ ] }
        18000, -18000, 20700, 50400, -43200, 3600;

    srand 7;
    push @moments, map {
        [ 946684800 + int rand(3.15e9), 900 * int(rand 105) - 43200 ]
    } 1 .. 500;

    return @moments;
}

sub calendar {
    my ($ledger, $redis) = @_;

    my $wrong = 0;

    for my $moment (moments()) {
        my ($now, $offset) = @$moment;
        my %expected = calendar_of($now, $offset);

        $ledger->clear()->at($now)->limits(hour => 5);
        @$ledger{'offset'} = $offset;
        $ledger->reserve('p1', 5);

        my $status = $ledger->status();
        my $entry = $ledger->entry('p1');
        my @wait = map { $expected{$_}[1] - $now } qw( hour day week month );
        my @got = map { $ledger->used("$_:$expected{$_}[0]") // 'none',
                        $status->{$_}{end} } qw( hour day week month );
        my @want = map { (5, $expected{$_}[1]) } qw( hour day week month );

        push @got, $entry->{window}, ($ledger->reserve('p2', 1))[1];
        push @want, "$expected{hour}[0] $expected{week}[0]", $wait[0];

        $wrong++ if "@got" ne "@want";
        is("@got", "@want", "at $now, offset $offset") if "@got" ne "@want";
    }

    is($wrong, 0, 'windows and their ends are the calendar\'s');
}

sub waits {
    my ($ledger) = @_;

    # the wait of a refusal is the end that status shows
    for my $now (1795219200 + 86400 * 2 - 1, 1796083199, 1835395200) {
        for my $window (qw( hour day week month )) {
            $ledger->clear()->at($now)->limits($window => 0);

            my $wait = ($ledger->reserve('p1', 1))[1];

            is($now + $wait, $ledger->status()->{$window}{end},
               "$window at $now");
            cmp_ok($wait, '>', 0, 'there is always something to wait for');
        }
    }
}

sub expiry {
    my ($ledger, $redis) = @_;

    $ledger->at(1795219200 + 100)->limits(day => 1000);
    $ledger->reserve('p1', 1);

    my %left = (hour => 3500, day => 86300, week => 86300 + 86400,
                month => 86300 + 9 * 86400);
    my %name = (hour => '2026112100', day => '20261121', week => '20261116',
                month => '202611');

    for my $window (sort keys %left) {
        for my $key ("$window:$name{$window}", "${window}_count:$name{$window}")
        {
            my $ttl = $redis->cmd('TTL', $ledger->used_prefix() . "KZT:$key");

            cmp_ok(abs($ttl - $left{$window} - Ledger::TTL), '<', 20,
                   "$key lives 40 days after its end");
        }
    }

    my $ttl = $redis->cmd('TTL', $ledger->entry_key('p1'));

    cmp_ok(abs($ttl - Ledger::TTL), '<', 20, 'the entry lives 40 days');
    is($redis->cmd('TTL', $ledger->limits_key()), -1, 'limits stay');

    $redis->cmd('EXPIRE', $ledger->used_prefix() . 'KZT:day:20261121', 500);
    $ledger->reserve('p2', 1);
    cmp_ok($redis->cmd('TTL', $ledger->used_prefix() . 'KZT:day:20261121'),
           '<=', 500, 'a further payout does not prolong a window');

    $redis->cmd('DEL', $ledger->entry_key('p2'));
    is($ledger->used('day:20261121'), 2,
       'an entry that expires takes nothing from the totals');
}

sub status_view {
    my ($ledger) = @_;

    is($ledger->status()->{verdict}, 'no_limits', 'no limits');

    $ledger->limits(min => 10, max => MAX, day => MAX, day_count => 2,
                    week => 50, hour => 'abc', month => '9007199254740995');
    my $before = $ledger->everything();
    my $status = $ledger->status();

    is("@$status{qw( verdict now min max )}", 'ok 1795219200 10 ' . MAX,
       'limits of a payout');
    is_deeply($status->{day}, { limit => MAX, used => 0, left => MAX,
                                end => 1795305600 }, 'an unused day');
    is($status->{hour}{limit}, 'invalid', 'a limit that is none');
    is($status->{month_count}{limit}, '', 'a limit that is not set');
    is($status->{month_count}{left}, '', 'and what is left of it');
    is($ledger->everything(), $before, 'status only reads');

    $ledger->limits(day => '9007199254740995', day_count => 2, week => 50,
                    month => '10000000000000000');
    $ledger->{redis}->cmd('SET', $ledger->used_prefix() . 'KZT:week:20261116',
                          60);
    $ledger->{redis}->cmd('SET', $ledger->used_prefix() . 'KZT:month:202611',
                          '9007199254740993');
    $ledger->{redis}->cmd('SET', $ledger->used_prefix() . 'KZT:day:20261121',
                          2);
    $status = $ledger->status();
    is($status->{week}{left}, 0, 'more used than the limit leaves 0');
    is($status->{day}{left}, '9007199254740993', 'left is exact');
    is($status->{month}{left}, '992800745259007', 'left with a borrow');
    is($status->{day_count}{left}, 2, 'left of a count');
}

sub keys_of_one_slot {
    my ($ledger, $redis) = @_;

    my @ids = ('payment_47', '{99}', "a b:c", '}{', "\xd0\xba\xd0\xb0 \x00 '",
               'x' x 255);

    $ledger->limits(day => 1000);

    for my $id (@ids) {
        my $copy = $ledger->copy();

        is(($ledger->reserve($id, 1, copy => $copy))[0], 'ok', 'any id');
        $ledger->outcome($id, $copy, 'accepted');
        $ledger->settle($id, 'success', owner => 'o');
        is($ledger->entry($id)->{state}, 'success', 'is found again');
    }

    is($ledger->used('day_count:20261121'), scalar @ids, 'each is its own');

    # the hash tag is what stands in the first braces
    my @keys = grep { $_ ne Ledger::CLOCK } @{ $redis->cmd('KEYS', '*') };
    is(scalar(grep { !/^[^{}]*\{1234\}/ } @keys), 0, 'one slot for all keys');
}

sub out_of_memory {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p1', 10, copy => 'c');
    $ledger->reserve('p2', 10);

    my $before = $ledger->everything();

    $redis->cmd('CONFIG', 'SET', 'maxmemory', 1);

    my @errors = map {
        my $call = $_;
        eval { $call->() };
        $@ =~ /OOM/ ? 'OOM' : "none: $@";
    } sub { $ledger->reserve('p3', 1) },
      sub { $ledger->outcome('p1', 'c', 'refused', '3104') },
      sub { $ledger->outcome('p9', 'c', 'release') },
      sub { $ledger->settle('p2', 'decline', owner => 'o') };

    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

    is("@errors", 'OOM OOM OOM OOM', 'a full Redis is an error');
    is($ledger->everything(), $before, 'a full Redis: nothing changed');
}

sub limits_tests {
    return (
        [ 'currency without limits', \&absent_limits ],
        [ 'min and max', \&one_payout ],
        [ 'each window', \&each_window ],
        [ 'several windows at once', \&several_windows ],
        [ 'a window ends', \&new_window ],
        [ 'exact beyond 2^53', \&exact_money ],
        [ 'carries', \&carries ],
        [ 'overflow', \&overflow ],
        [ 'limits that cannot be read', \&bad_limits ],
        [ 'totals that cannot be read', \&bad_totals ],
        [ 'arguments', \&bad_arguments ],
        [ 'calendar', \&calendar ],
        [ 'waits', \&waits ],
        [ 'expiry', \&expiry ],
        [ 'status', \&status_view ],
        [ 'keys', \&keys_of_one_slot ],
        [ 'out of memory', \&out_of_memory ],
    );
}

1;
