# Copyright (C) nginx-gate authors
#
# What reserve refuses, and that it changes nothing then; the calendar; what
# status shows.

use strict;
use warnings;

use POSIX ();
use Test::More;

use constant MAX => '9223372036854775807';

# the list of what the call answers, and that Redis holds what it held; a
# currency that nobody has used is listed by its first payout, refused or not

sub refused_is {
    my ($ledger, $call, $expected, $name) = @_;

    $call->() if $ledger->used_text() eq '';

    my $before = $ledger->everything();
    my @reply = $call->();

    is_deeply(\@reply, $expected, $name);
    is($ledger->everything(), $before, "$name: nothing changed");
}

sub absent_limits {
    my ($ledger) = @_;

    refused_is($ledger, sub { $ledger->reserve('p1', 100) }, ['no_limits'],
               'no limits, deny');
    is($ledger->used('day:20261121'), undef, 'nor is it listed');

    is_deeply([ $ledger->reserve('p1', 100, default => 'allow') ], ['ok'],
              'no limits, allow');
    is($ledger->totals(), '100/1 100/1 100/1 100/1', 'counted all the same');

    $ledger->limits(_note => 'a currency that is open');
    is(($ledger->reserve('p2', MAX - 100))[0], 'ok',
       'a hash without a limit has no limit');

    $ledger->clear()->limits(max => 5);
    $ledger->reserve('p1', 6);
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'refused: nothing is counted');
    is($ledger->used('day:20261121'), '0/0', 'but the currency is listed');
    is($ledger->entry('p1')->{state}, undef, 'and has no entry');
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
    is($ledger->used('day:20261121'), MAX . '/2', 'the total is 2^63-1');
    refused_is($ledger, sub { $ledger->reserve('p3', 1) },
               ['overflow', 'month'], 'one more');

    $ledger->limits(week => MAX);
    is(($ledger->reserve('p3', 1))[0], 'overflow', 'a longer window first');
    $ledger->limits(month => MAX);
    is(($ledger->reserve('p3', 1))[0], 'limit_month',
       'unless its limit says so');

    # what Gate says to have paid may be more: exact, and taken back exactly
    $ledger->settle('p1', 'success', sum => MAX);
    is($ledger->used('day:20261121'), '18446744073709551613/2',
       'a total past 2^63-1');
    is($ledger->entry('p1')->{counted}, MAX, 'and an entry at it');
    is(($ledger->reserve('p3', 1))[0], 'limit_month', 'is over each limit');

    $ledger->limits('_' => 'no limits');
    is(($ledger->reserve('p3', 1))[0], 'overflow', 'and nothing fits');
    $ledger->settle('p2', 'decline');
    is($ledger->used('day:20261121'), MAX . '/1', 'back at 2^63-1');
    $ledger->settle('p1', 'reversed');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'nothing is left of it');
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
    $ledger->limits();
    is(($ledger->reserve('live', 1, digest => 'd'))[0], 'repeat',
       'also where there are no limits left');
    is_deeply([ $ledger->reserve_all([ ['p1', 1], ['live', 1, digest => 'd'],
                                       ['live', 1, digest => 'e'] ]) ],
              ['no_limits', 'repeat', ['duplicate', 'reserved']],
              'each payout of a call by itself');

    $ledger->limits(dya => 5, day => 1000);
    refused_is($ledger, sub { $ledger->reserve('p1', 1) },
               ['bad_limit', 'dya', ''], 'a misspelt limit');

    $ledger->limits(day => 1000, _changed_by => 'treasury');
    is(($ledger->reserve('p1', 1))[0], 'ok', 'fields with "_" are free');

    $ledger->limits(min => 0, max => MAX, day => MAX, day_count => MAX);
    is(($ledger->reserve('p2', 1))[0], 'ok', '0 and 2^63-1 are limits');
}

# the field of a currency in gate:used

sub damaged {
    my ($good) = @_;

    my @parts = split / /, $good;

    my $broken = sub {
        my ($part, $number, @values) = @_;

        return map {
            my $value = $_;
            join ' ', map { /^$part/ ? s/$number/$value/r : $_ } @parts;
        } @values;
    };

    return ('', 'x', '2', $good =~ s/^2 /3 /r, $good =~ s/^2 /1 /r,
            $good =~ s/^2 //r, "$good ", " $good", "$good\n",
            (map { join ' ', @parts[0 .. $_ - 1, $_ + 1 .. $#parts] }
                 1 .. $#parts),
            $broken->('till', qr/\d+/, '', 'x', '-1', '1.5'),
            $broken->('window', qr/\d+/, '', 'x'),
            (map { $broken->($_, qr{\d+(?=/)}, '', 'x', '-1', '+1', ' 1', '1.5',
                             '1e3', '0x10') } qw( hour day week month )),
            (map { $broken->($_, qr{\d+$}, '', 'x', '-1', '1.5') }
                 qw( hour day week month )));
}

sub bad_totals {
    my ($ledger, $redis) = @_;

    my $key = $ledger->used_key();

    $ledger->limits(day => 1000);
    $ledger->reserve('p0', 1, copy => 'c');

    my $good = $redis->cmd('HGET', $key, 'KZT');

    for my $value (damaged($good)) {
        $redis->cmd('HSET', $key, 'KZT', $value);

        refused_is($ledger, sub { $ledger->reserve('p1', 1) },
                   ['bad_total', 'KZT'], "a total \"$value\"");
        refused_is($ledger, sub { $ledger->outcome('p0', 'c', 'refused',
                                                   '3104') },
                   ['bad_total'], "outcome of a total \"$value\"");
        refused_is($ledger, sub { ($ledger->settle('p0', 'decline'))[0, 6] },
                   ['bad', 'total'], "settle of a total \"$value\"");
        is($ledger->status()->{day}{used}, 'invalid', 'shown as such');
    }

    $redis->cmd('HSET', $key, 'KZT', $good);
    is(($ledger->outcome('p0', 'c', 'refused', '3104'))[0], 'released',
       'mended');
    is($ledger->totals(), '0/0 0/0 0/0 0/0', 'and taken back');
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
        my @want = map { ('5/1', $expected{$_}[1]) } qw( hour day week month );

        push @got, $entry->{payout}, ($ledger->reserve('p2', 1))[1];
        push @want, "5 KZT mobile $expected{hour}[0] $expected{week}[0]",
             $wait[0];

        push @got, $ledger->used_till();
        push @want, $expected{hour}[1];

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

    $ledger->limits(day => 1000);
    $ledger->reserve('p1', 1);
    $ledger->reserve('p2', 1);

    my $ttl = $redis->cmd('TTL', $ledger->entry_key('p1'));

    cmp_ok(abs($ttl - Ledger::TTL), '<', 20, 'the entry lives 40 days');
    is($redis->cmd('TTL', $_), -1, "$_ stays")
        for $ledger->limits_key(), $ledger->used_key(), $ledger->open_key(),
            $ledger->era_key();

    $redis->cmd('DEL', $ledger->entry_key('p2'));
    is($ledger->used('day:20261121'), '2/2',
       'an entry that expires takes nothing from the totals');
}

# Nothing is left of windows that are over, and what was in them stays there.

sub old_windows {
    my ($ledger, $redis) = @_;

    $ledger->limits('_' => '');

    for my $hour (0 .. 1000) {
        $ledger->at(1795219200 + 3600 * $hour)->reserve("p$hour", 1);
    }

    is($redis->cmd('HLEN', $ledger->used_key()), 1, 'one field');
    is($redis->cmd('HGET', $ledger->used_key(), 'KZT'),
       '2 till:1798822800 window:2027010116 20261228'
       . ' hour:1/1 day:17/17 week:113/113 month:17/17', 'the windows of now');
}

# Redis' clock may be set back, or another server's may be behind.

sub clock_goes_back {
    my ($ledger, $redis) = @_;

    for my $back (3600, 86400, 7 * 86400, 31 * 86400) {
        my $now = 1796083200 + 3600 * 5;

        $ledger->clear()->at($now)->limits(map { $_ => 100 }
                                           qw( hour day week month ));
        $ledger->reserve('p1', 60);

        my $used = $redis->cmd('HGET', $ledger->used_key(), 'KZT');

        $ledger->at($now - $back);
        is(($ledger->reserve('p2', 60))[0], 'limit_month',
           "$back seconds back: the limits of the later window");
        is(($ledger->reserve('p2', 40, copy => 'c'))[0], 'ok', 'what is left');
        is($redis->cmd('HGET', $ledger->used_key(), 'KZT'),
           $used =~ s{60/1}{100/2}gr, 'counted in the later window');
        is($ledger->entry('p2')->{payout}, '40 KZT mobile 2026120105 20261130',
           'which the entry names');

        $ledger->outcome('p2', 'c', 'release');
        is($redis->cmd('HGET', $ledger->used_key(), 'KZT'), $used,
           'and taken back there');
    }
}

sub ends_by_itself {
    my ($ledger) = @_;

    my $until = 1795219200 + 1800;
    my $end = 1795219200 + 3600;

    for my $field (qw( max hour day week month )) {
        my $refusal = $field eq 'max' ? 'limit_max' : "limit_$field";

        for my $case (['100', '10'], ['10', '100'], ['100', '-'], ['0', '7'],
                      ['9007199254740993', '9007199254740992'])
        {
            my ($first, $then) = @$case;
            my $name = "$field: $first, then $then";

            for my $at (['before', 0], ['the last second', 1799],
                        ['at', 1800], ['after', 1801])
            {
                my $limit = $at->[1] < 1800 ? $first : $then;
                my $over = $limit eq '-' ? MAX : $limit + 1;

                $ledger->clear()->at(1795219200 + $at->[1])
                       ->limits($field => "$first until $until then $then");

                my $status = $ledger->status()->{$field};

                is("$status->{limit} $status->{until}",
                   ($limit eq '-' ? '' : $limit) . ' '
                   . ($at->[1] < 1800 ? $until : ''),
                   "$name: $at->[0]: shown");
                is(($ledger->reserve('p1', $over))[0],
                   $limit eq '-' ? 'ok' : $refusal, "$name: $at->[0]: over");
                is(($ledger->reserve('p2', $limit))[0], 'ok',
                   "$name: $at->[0]: at it") if $limit ne '-' && $limit > 0;
            }
        }
    }

    $ledger->clear()->at(1795219200)
           ->limits(min => "100 until $until then 10");
    is(($ledger->reserve('p1', 99))[0], 'limit_min', 'min, too');
    is(($ledger->at($until)->reserve('p1', 10))[0], 'ok', 'ends');

    $ledger->clear()->at(1795219200)
           ->limits(day_count => "2 until $until then 1");
    $ledger->reserve("p$_", 1) for 1, 2;
    is(($ledger->reserve('p3', 1))[0], 'limit_day_count', 'a count');
    is_deeply([ $ledger->at($until)->reserve('p3', 1) ],
              ['limit_day_count', 86400 - 1800, 1, 2],
              'also where more is used than it lets through from now on');

    for my $value ('1 until 2', '1 until x then 2', 'x until 1 then 2',
                   '1 until 2 then x', '1 until 2 then', '1 until 2 then ',
                   '01 until 2 then 3', '1 until 02 then 3', '1 until 2 then 03',
                   ' 1 until 2 then 3', '1 until 2 then 3 ',
                   '1  until 2 then 3', '1 UNTIL 2 then 3', '- until 2 then 3',
                   '1 until 2 then -3', '1 until 2 then --',
                   '9223372036854775808 until 2 then 3',
                   '1 until 9223372036854775808 then 3',
                   '1 until 2 then 9223372036854775808', "1 until 2 then 3\n",
                   '1 until 2 then 3 until 4 then 5')
    {
        $ledger->limits(day => $value);
        is_deeply([ $ledger->reserve('p9', 1) ],
                  ['bad_limit', 'day', substr $value, 0, 32],
                  "\"$value\" is no limit");
    }
}

sub stopped {
    my ($ledger, $redis) = @_;

    my $key = $ledger->stop_key();

    $ledger->limits(day => 1000);
    $ledger->reserve('p1', 100, digest => 'd', copy => 'c');
    $redis->cmd('HSET', $key, 'USD', 'other');
    is(($ledger->reserve('p2', 1))[0], 'ok', 'another currency is stopped');

    $redis->cmd('HSET', $key, 'KZT', 'INC-17, ask treasury');
    refused_is($ledger, sub { $ledger->reserve('p3', 1) },
               ['stopped', 'KZT', 'INC-17, ask treasury'], 'this one');
    is(($ledger->reserve('p1', 100, digest => 'd'))[0], 'stopped',
       'also what was sent before');
    is($ledger->status()->{stop}, 'INC-17, ask treasury', 'status tells it');

    $redis->cmd('HSET', $key, '*', 'all');
    refused_is($ledger, sub { $ledger->reserve('p3', 1) },
               ['stopped', '*', 'all'], 'all');

    is(($ledger->outcome('p1', 'c', 'accepted'))[0], 'noted',
       'answers are taken all the same');
    is(($ledger->settle('p1', 'success'))[1], 'settled', 'and callbacks');

    $redis->cmd('DEL', $key);
    is(($ledger->reserve('p3', 1))[0], 'ok', 'opened');
}

# Later calls can tell what they know of from the number of each that writes.

sub numbered {
    my ($ledger, $redis) = @_;

    my $n = 0;
    my $seq = sub { $ledger->{reply}{seq} };

    $ledger->limits(day => 1000, max => 100);

    $ledger->reserve('p1', 100, copy => 'a', digest => 'd');
    is($seq->(), ++$n, 'reserve');
    is_deeply($redis->hash($ledger->era_key()), { era => 2, seq => $n },
              'layout and number are there');
    $ledger->reserve('p2', 101);
    is($seq->(), 0, 'a refusal writes nothing');
    $ledger->reserve_all([ map { ["q$_", 1] } 1 .. 10 ]);
    is($seq->(), ++$n, 'ten payouts are one call');
    $ledger->reserve('p1', 100, copy => 'b', digest => 'd');
    is($seq->(), ++$n, 'a repeat');
    $ledger->reserve('p1', 100, copy => 'c', digest => 'e');
    is($seq->(), 0, 'a duplicate');
    $ledger->outcome('p1', 'a', 'accepted');
    is($seq->(), ++$n, 'outcome');
    $ledger->outcome('p1', 'a', 'accepted');
    is($seq->(), 0, 'once more');
    $ledger->settle('p1', 'success', op => 1);
    is($seq->(), ++$n, 'settle');
    $ledger->settle('none', 'success', op => 1);
    is($seq->(), 0, 'settle of what is not known');
    is($ledger->status()->{seq}, $n, 'status shows the last');
    $ledger->reserve('p3', 1, currency => 'USD', default => 'allow');
    is($seq->(), ++$n, 'one number for all currencies');

    is($ledger->{reply}{era}, '', 'no era yet');
    $redis->cmd('HSET', $ledger->era_key(), 'era', '2 e1');
    $ledger->reserve('p4', 1, copy => 'x');
    is($ledger->{reply}{era}, 'e1', 'reserve tells it');
    is($ledger->entry('p4')->{era}, 'e1', 'and the entry');
    $ledger->outcome('p4', 'x', 'accepted');
    is($ledger->{reply}{era}, 'e1', 'outcome');
    $redis->cmd('HSET', $ledger->era_key(), 'era', '2 e2');
    $ledger->settle('p4', 'success');
    is($ledger->{reply}{era}, 'e2', 'settle');
    is($ledger->entry('p4')->{era}, 'e2', 'the last that wrote it');
    is($ledger->status()->{era}, 'e2', 'status');
}

# Another version has written the ledger.

sub other_layout {
    my ($ledger, $redis) = @_;

    $ledger->limits(day => 1000);
    $ledger->reserve('p1', 1, copy => 'c');

    for my $layout ('1', '3', '', '2 ', '02', 'x', '20', '2x', '1 e', '3 e',
                    '2  e', '2 e f', " 2", "2\n")
    {
        $redis->cmd('HSET', $ledger->era_key(), 'era', $layout);

        refused_is($ledger, sub { $ledger->reserve("new$layout", 1) },
                   ['bad_layout'], "layout \"$layout\": reserve");
        refused_is($ledger, sub { $ledger->outcome('p1', 'c', 'accepted') },
                   ['bad_layout'], 'outcome');
        refused_is($ledger, sub { $ledger->outcome('p1', '-', 'free', 'me') },
                   ['bad_layout'], 'by hand');
        refused_is($ledger, sub { ($ledger->settle('p1', 'success',
                                                   owner => 'o'))[0, 6] },
                   ['bad', 'layout'], 'settle');
    }
}

sub status_view {
    my ($ledger) = @_;

    my $status = $ledger->status();

    is($status->{verdict}, 'no_limits', 'no limits');
    is($status->{count}, 10, 'all are listed');

    $ledger->limits(min => 10, max => MAX, day => MAX, day_count => 2,
                    week => 50, hour => 'abc', month => '9007199254740995');
    my $before = $ledger->everything();

    $status = $ledger->status();

    is("@$status{qw( verdict now )}", 'ok 1795219200', 'limits');
    is_deeply($status->{min}, { limit => 10, used => '', left => '',
                                until => '', end => 0 }, 'min');
    is_deeply($status->{max}, { limit => MAX, used => '', left => '',
                                until => '', end => 0 }, 'max');
    is_deeply($status->{day}, { limit => MAX, used => 0, left => MAX,
                                until => '', end => 1795305600 },
              'an unused day');
    is_deeply($status->{hour}, { limit => 'invalid', used => 0,
                                 left => 'invalid', until => '',
                                 end => 1795222800 }, 'a limit that is none');
    is($status->{month_count}{limit}, '', 'a limit that is not set');
    is($status->{month_count}{left}, '', 'and what is left of it');
    is($ledger->everything(), $before, 'status only reads');

    $ledger->limits(day => '9007199254740995', day_count => 2, week => 50,
                    month => '10000000000000000');
    $ledger->{redis}->cmd('HSET', $ledger->used_key(), 'KZT',
                          '2 till:1795222800 window:2026112100 20261116'
                          . ' hour:0/0 day:2/0 week:60/1'
                          . ' month:9007199254740993/1');
    $status = $ledger->status();
    is($status->{week}{left}, 0, 'more used than the limit leaves 0');
    is($status->{day}{left}, '9007199254740993', 'left is exact');
    is($status->{month}{left}, '992800745259007', 'left with a borrow');
    is($status->{day_count}{left}, 2, 'left of a count');

    $ledger->at(1795219200 + 3600);
    is($ledger->status()->{hour}{used}, 0, 'a new hour without a payout');
    is($ledger->status()->{day}{used}, 2, 'of the same day');
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

    my $count = @ids;

    is($ledger->used('day:20261121'), "$count/$count", 'each is its own');

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
      sub { $ledger->reserve('p1', 10, copy => 'c2') },
      sub { $ledger->outcome('p1', 'c', 'refused', '3104') },
      sub { $ledger->outcome('p9', 'c', 'release') },
      sub { $ledger->settle('p2', 'decline', owner => 'o') };

    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);

    is("@errors", 'OOM OOM OOM OOM OOM', 'a full Redis is an error');
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
        [ 'limits that end by themselves', \&ends_by_itself ],
        [ 'payouts are stopped', \&stopped ],
        [ 'era and number of a call', \&numbered ],
        [ 'another layout', \&other_layout ],
        [ 'calendar', \&calendar ],
        [ 'waits', \&waits ],
        [ 'expiry', \&expiry ],
        [ 'windows that are over', \&old_windows ],
        [ 'a clock that goes back', \&clock_goes_back ],
        [ 'status', \&status_view ],
        [ 'keys', \&keys_of_one_slot ],
        [ 'out of memory', \&out_of_memory ],
    );
}

1;
