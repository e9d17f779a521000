# Copyright (C) nginx-gate authors
#
# Calls that cannot be meant: each key of each script with another project's
# tag, of another kind or type, each argument broken, one too few and one too
# many.  Such a call says what is wrong, and Redis holds what it held.

use strict;
use warnings;

use Test::More;

use constant CALLS => ('reserve', 'reserve usual', 'outcome', 'outcome usual',
                       'settle', 'settle usual', 'settle usual stream', 'mark',
                       'status');

# a ledger with something in it, and a call of each script that would change it

sub prepared {
    my ($ledger) = @_;

    my $redis = $ledger->{redis};

    $ledger->clear()->limits(day => 1000);
    $ledger->{prefix} = 'gate:dry:';
    $ledger->reserve('p', 70, digest => 'd', copy => 'b');
    $ledger->{prefix} = 'gate:';
    $ledger->reserve('p', 100, digest => 'd', copy => 'a');
    $ledger->reserve('q', 50, digest => 'd', copy => 'a');
    $ledger->reserve('u', 50, digest => 'd', copy => 'a');
    $ledger->outcome('u', 'a', 'accepted');
    $redis->cmd('SET', $ledger->mark_key('p:m'), 'o', 'EX', 5000);
    $redis->cmd('SET', $ledger->lane_key('p'), 'o', 'EX', 5000);
    $redis->cmd('XADD', 'stream', '*', 'a', 'b');

    # of the neighbors, whose keys a wrong tag would find
    for my $project (123, 12345) {
        my $used = $redis->cmd('HGET', $ledger->used_key(), 'KZT');

        $redis->cmd('HSET', "gate:used:{$project}", 'KZT', $used);
        $redis->cmd('HSET', "gate:payout:{$project}:p",
                    %{ $redis->hash($ledger->entry_key('p')) });
    }
}

sub calls {
    my ($ledger) = @_;

    my $window = '2026112100 20261116';
    my @settle = qw( name offset ttl status operations sum currency complete
                     owner lock mark cap project payment_id status body );
    my @ledger = map { $ledger->key($_, 'gate:') } qw( used era open );

    return (
        reserve => {
            keys => [ $ledger->used_key(), $ledger->limits_key(),
                      $ledger->stop_key(), $ledger->era_key(),
                      $ledger->open_key(), map { $ledger->entry_key($_) }
                                               qw( new p ) ],
            args => [ 'name', 'KZT', 0, 'deny', Ledger::TTL,
                      5, 'mobile', 'd', 'c', 100, 'mobile', 'd', 'c' ],
            named => [ qw( name currency offset default ttl amount endpoint
                           digest copy amount endpoint digest copy ) ],
        },
        outcome => {
            keys => [ @ledger, map { $ledger->entry_key($_) } qw( p q ) ],
            args => [ 'name', 0, Ledger::TTL,
                      'a', 'refused', '3104', "100 KZT mobile $window", 'd',
                      'a', 'accepted', '', "50 KZT mobile $window", 'd' ],
            named => [ qw( name offset ttl copy action code payout digest
                           copy action code payout digest ) ],
        },
        settle => {
            keys => [ @ledger, $ledger->entry_key('p'),
                      $ledger->used_key('gate:dry:'),
                      $ledger->open_key('gate:dry:'),
                      $ledger->entry_key('p', 'gate:dry:'),
                      $ledger->mark_key('p:n'), $ledger->lane_key('p'),
                      'stream' ],
            args => [ 'name', 0, Ledger::TTL, 'decline', '47=decline/', '',
                      'KZT', 0, 'o', Ledger::OWNED, Ledger::KEPT, 0,
                      Ledger::PROJECT, 'p', 'decline', '{}' ],
            named => \@settle,
        },

        # the short ways
        'reserve usual' => {
            keys => [ $ledger->used_key(), $ledger->limits_key(),
                      $ledger->stop_key(), $ledger->era_key(),
                      $ledger->open_key(), $ledger->entry_key('new') ],
            args => [ 'name', 'KZT', 0, 'deny', Ledger::TTL,
                      5, 'mobile', 'd', 'c' ],
            named => [ qw( name currency offset default ttl amount endpoint
                           digest copy ) ],
        },
        'outcome usual' => {
            keys => [ @ledger, $ledger->entry_key('q') ],
            args => [ 'name', 0, Ledger::TTL,
                      'a', 'accepted', '', "50 KZT mobile $window", 'd' ],
            named => [ qw( name offset ttl copy action code payout digest ) ],
        },
        (map { ("settle usual$_->[0]" => {
            keys => [ @ledger, $ledger->entry_key('u'),
                      $ledger->used_key('gate:dry:'),
                      $ledger->open_key('gate:dry:'),
                      $ledger->entry_key('u', 'gate:dry:'),
                      $ledger->mark_key('u:n'), $ledger->lane_key('u'),
                      @{ $_->[1] } ],
            args => [ 'name', 0, Ledger::TTL, 'success', '47=success/50/50', 50,
                      'KZT', 0, 'o', Ledger::OWNED, Ledger::KEPT, 0,
                      Ledger::PROJECT, 'u', 'success', '{}' ],
            named => \@settle,
        }) } [ '', [] ], [ ' stream', ['stream'] ]),

        mark => {
            keys => [ $ledger->mark_key('p:m'), $ledger->lane_key('p') ],
            args => [ 'name', 'o', 'delivered', Ledger::KEPT ],
            named => [ qw( name owner action seconds ) ],
        },
        status => {
            keys => [ $ledger->used_key(), $ledger->limits_key(),
                      $ledger->stop_key(), $ledger->era_key() ],
            args => [ 'name', 'KZT', 0 ],
            named => [ qw( name currency offset ) ],
        },
    );
}

# the verdicts of a reply as text, or the error

sub told_of {
    my ($ledger, $name, $keys, $args) = @_;

    my $reply = eval {
        my ($script) = $name =~ /^(\w+)/;

        $ledger->{redis}->cmd('EVALSHA', $ledger->{sha}{$script},
                              scalar @$keys, @$keys, @$args);
    };

    return $@ if !$reply;

    my $count = $name =~ /^reserve/ ? @$keys - 5
              : $name =~ /^outcome/ ? @$keys - 3 : 1;
    my @verdicts = $name =~ /^settle/ ? "@$reply[0, 6]"
                 : @$reply[0 .. ($count > 0 ? $count - 1 : 0)];

    return join '; ', map { ref ? "@$_" : $_ } @verdicts;
}

sub nothing_changes {
    my ($ledger, $name, $keys, $args, $expected, $what) = @_;

    my $before = $ledger->everything();
    my $told = told_of($ledger, $name, $keys, $args);

    like($told, $expected, "$name, $what: told");
    is($ledger->everything(), $before, "$name, $what: nothing changed");
}

# --- keys

sub wrong_keys {
    my ($ledger) = @_;

    for my $name (CALLS) {
        prepared($ledger);

        my %call = calls($ledger);
        my ($keys, $args) = @{ $call{$name} }{qw( keys args )};

        for my $i (0 .. $#$keys) {
            next if $keys->[$i] eq 'stream';

            for my $wrong (wrong_names($keys->[$i])) {
                my @keys = @$keys;

                $keys[$i] = $wrong;
                nothing_changes_but_alone($ledger, $name, \@keys, $args, $i);
            }
        }

        for my $count (0 .. $#$keys - 1) {
            # without a stream, and with a payout less
            next if $name =~ /^settle/ && $count == 9
                    || $name =~ /^(?:reserve|outcome)$/ && $count == $#$keys;

            nothing_changes($ledger, $name, [ @$keys[0 .. $count - 1] ], $args,
                            qr/^bad\w* ?(?:keys|arguments)?/, "$count keys");
        }

        nothing_changes($ledger, $name, [ @$keys, 'x' ], $args, qr/^bad/,
                        'a key too many') if $name ne 'settle usual';
    }
}

sub wrong_names {
    my ($key) = @_;

    return ($key =~ s/\{1234\}/{123}/r, $key =~ s/\{1234\}/{12345}/r,
            $key =~ s/\{1234\}/{01234}/r, $key =~ s/\{1234\}/1234/r,
            $key =~ s/\{1234\}/{}/r, $key =~ s/^(.*)\{1234\}/$1x{1234}/r,
            $key =~ s/^gate:/gat:/r, $key =~ s/^gate:/gate:gate:/r,
            $key =~ s/:\{/s:{/r, '', 'x', "$key\n") if $key !~ /\}:(?!KZT$)/;

    # what is behind the tag is any payment_id
    return ($key =~ s/\{1234\}/{123}/r, $key =~ s/\{1234\}/{12345}/r,
            $key =~ s/^gate:/gat:/r, $key =~ s/:\{/s:{/r, '');
}

# in a list of payouts, the others are as they would be alone: so they are made
# to be refused, too

sub nothing_changes_but_alone {
    my ($ledger, $name, $keys, $args, $i) = @_;

    my ($script) = $name =~ /^(\w+)/;
    my $first = { reserve => 5, outcome => 3 }->{$script};
    my @keys = @$keys;
    my @args = @$args;

    if (defined $first && $i >= $first) {
        @keys = (@keys[0 .. $first - 1], $keys[$i]);
        @args = $script eq 'reserve' ? @args[0 .. 8] : @args[0 .. 7];
    }

    nothing_changes($ledger, $name, \@keys, \@args,
                    $name =~ /^settle/ ? qr/^bad keys$/
                    : $name =~ /^[ms]/ ? qr/^bad_argument$/
                    : qr/^(?:bad_argument (?:keys?|currency)(?:; |$))+$/,
                    'key ' . ($i + 1) . " \"$keys->[$i]\"");
}

# --- arguments

my @NO_NUMBER = ('', 'x', '-1', '+1', ' 1', '1 ', '1.5', '1e3', '0x10', "1\n");
my @NO_WORD = ('', ' ', 'a b', "a\n", "\0", '=', '@');
my $OVER = '9223372036854775808';

my %WRONG = (
    currency => [ '', 'kzt', 'KZ', 'KZTT', 'KZ1', 'K T', "KZT\n" ],
    offset   => [ '', 'x', '1.5', '1e3', '+1', '--1', ' 1', "1\n",
                  '1234567' ],
    default  => [ '', 'x', 'ALLOW', "deny\n" ],
    ttl      => [ @NO_NUMBER, 0, 60, 1036799, '01036800', '12345678901',
                  '1036800.5' ],
    amount   => [ @NO_NUMBER, 0, '01', $OVER, '99999999999999999999' ],
    endpoint => [ '', ' ', 'a b', "a\n", "a\0b" ],
    digest   => [ @NO_WORD, 'a-b' ],
    copy     => [ @NO_WORD, 'a@1', 'a=r', 'x' x 49 ],
    action   => [ '', 'x', 'Accepted', "accepted\n", 'open' ],
    code     => [ 'a b', "1\n", "\0", 'x' x 65 ],
    payout   => [ '', 'x', '100', '100 KZT mobile', '100 KZT mobile 2026112100',
                  '0 KZT mobile 2026112100 20261116',
                  '0100 KZT mobile 2026112100 20261116',
                  '-1 KZT mobile 2026112100 20261116',
                  '100 kzt mobile 2026112100 20261116',
                  '100 KZT  2026112100 20261116',
                  '100 KZT mobile 2026112100 20261116 ',
                  '100 KZT mobile 2026112100 2026111x',
                  "$OVER KZT mobile 2026112100 20261116",

                  # well formed, and not this payout
                  '99 KZT mobile 2026112100 20261116',
                  '100 USD mobile 2026112100 20261116',
                  '100 KZT card 2026112100 20261116' ],
    operations => [ '47', '47=', '47=decline', '=decline/', '47=x/',
                    '47=freed/', '47=Decline/', '47=decline/x',
                    '47=decline/-1', '47=decline/01', '47=decline/1/x',
                    '47=decline/1/2/3', "47=decline/$OVER",
                    "47=decline/1/$OVER", '47=decline/ x', '4 7=decline/',
                    '47=decline/,48=decline/', '4:7=decline/',
                    ('4' x 33) . '=decline/',
                    join(' ', map { "$_=decline/" } 1 .. 65) ],
    sum      => [ grep { $_ ne '' } @NO_NUMBER, '01', $OVER ],
    complete => [ 'x', '2', 'yes', '00', ' ' ],
    lock     => [ @NO_NUMBER, 0, '9' x 13 ],
    mark     => [ @NO_NUMBER, 0, '9' x 13 ],
    seconds  => [ @NO_NUMBER, 0, '9' x 13 ],
    cap      => [ @NO_NUMBER, '9' x 16 ],
);

# what is free

my %FREE = map { $_ => 1 } qw( name status owner project payment_id body );

sub wrong_arguments {
    my ($ledger) = @_;

    for my $name (CALLS) {
        prepared($ledger);

        my %call = calls($ledger);
        my ($keys, $args, $named) = @{ $call{$name} }{qw( keys args named )};

        is(scalar @$named, scalar @$args, "$name: each argument has a name");

        for my $i (0 .. $#$args) {
            my $which = $named->[$i];

            next if $FREE{$which}
                    || $name =~ /^settle/ && $which eq 'currency';

            ok($WRONG{$which}, "$name: $which is tried") or next;
            prepared($ledger);

            for my $wrong (@{ $WRONG{$which} }) {
                my @args = @$args;

                $args[$i] = $wrong;
                nothing_changes_of($ledger, $name, $keys, \@args, $i, $which);
            }
        }

        for my $count (0 .. $#$args) {
            nothing_changes($ledger, $name, $keys, [ @$args[0 .. $count - 1] ],
                            qr/^bad\w*(?: arguments)?/, "$count arguments");
        }

        nothing_changes($ledger, $name, $keys, [ @$args, 'x' ],
                        qr/^bad\w*(?: arguments)?/, 'an argument too many');
    }
}

# one payout of two: it alone

sub nothing_changes_of {
    my ($ledger, $name, $keys, $args, $i, $which) = @_;

    my @keys = @$keys;
    my @args = @$args;
    my ($of_call, $each, $first) = $name =~ /^reserve/ ? (5, 4, 5)
                                 : $name =~ /^outcome/ ? (3, 5, 3) : ();

    if (defined $each && $i >= $of_call) {
        my $n = int(($i - $of_call) / $each);

        @keys = (@keys[0 .. $first - 1], $keys[$first + $n]);
        @args = (@args[0 .. $of_call - 1],
                 @args[map { $of_call + $n * $each + $_ } 0 .. $each - 1]);

        # the second of these would be a payout of 50
        return if $name eq 'outcome' && $which eq 'payout' && $n == 1
                  && $args->[$i] eq '50 KZT mobile 2026112100 20261116';
    }

    nothing_changes($ledger, $name, \@keys, \@args,
                    $name =~ /^(?:mark|status)$/ ? qr/^bad_argument$/
                    : $name =~ /^settle/ ? qr/^bad $which$/
                    : qr/^bad_argument $which(?: \w+)?(?:; |$)/,
                    "$which \"" . substr($args->[$i], 0, 60) . '"');
}

# --- what the keys hold

sub wrong_types {
    my ($ledger, $redis) = @_;

    for my $name (CALLS) {
        my %call = calls($ledger);
        my ($keys, $args) = @{ $call{$name} }{qw( keys args )};

        for my $i (0 .. $#$keys) {
            my @keys = @$keys;

            # what the short ways do not look at
            next if $name eq 'outcome usual' && ($i == 0 || $i == 2)
                    || $name =~ /^settle usual/ && $i =~ /^[045]$/;

            prepared($ledger);

            # what a stream does not look at
            pop @keys if $name =~ /^settle/ && $i == 8 && @keys == 10;

            my $type = $redis->cmd('TYPE', $keys[$i]);

            $redis->cmd('DEL', $keys[$i]);
            $redis->cmd('LPUSH', $keys[$i], 'x');

            my ($script) = $name =~ /^(\w+)/;
            my $first = { reserve => 5, outcome => 3 }->{$script} // 99;
            my @args = @$args;

            # where the second report needs no total, it is taken
            ($#keys, $#args) = (3, 7) if $name eq 'outcome' && $i < $first;

            if ($i >= $first) {
                my $before = $redis->cmd('DUMP', $keys[$i]);
                my $told = told_of($ledger, $name, \@keys, \@args);

                like($told, qr/bad_entry/, "$name, key $i a list: told");
                unlike($told, qr/bad_entry; bad_entry|WRONGTYPE/,
                       'the other payout is as if alone');
                is($redis->cmd('DUMP', $keys[$i]), $before, 'untouched');
                next;
            }

            # status reads each for its own part
            nothing_changes($ledger, $name, \@keys, \@args,
                            ($keys[$i] // '') eq 'stream'
                            ? qr/^bad stream$|WRONGTYPE/ : qr/WRONGTYPE|^ok|^bad_total/,
                            "key $i a list");
        }
    }
}

# --- nothing but the entry's own project, by hand

sub by_hand {
    my ($ledger, $redis) = @_;

    prepared($ledger);

    my %call = calls($ledger);
    my @keys = @{ $call{outcome}{keys} };

    # a project whose number this one begins with
    for my $key ('gate:used:{123}', 'gate:used:{12345}') {
        nothing_changes($ledger, 'outcome', [ $key, @keys[1 .. 3] ],
                        [ 'name', 0, Ledger::TTL, '', 'free', 'ops', '', '' ],
                        qr/^bad_argument keys$/, "by hand with $key");
    }

    nothing_changes($ledger, 'outcome', [ @keys[0 .. 3] ],
                    [ 'name', 0, 60, '', 'free', 'ops', '', '' ],
                    qr/^bad_argument ttl$/, 'by hand with a ttl of 60');
    nothing_changes($ledger, 'outcome', [ @keys[0 .. 3] ],
                    [ 'name', 0, Ledger::TTL, '', 'free', '', '', '' ],
                    qr/^bad_argument code$/, 'by hand, by nobody');
    nothing_changes($ledger, 'outcome', [ @keys[0 .. 3] ],
                    [ 'name', 0, Ledger::TTL, '', 'free', 'ops', '' ],
                    qr/^bad_argument arguments$/, 'by hand, one too few');
    is(told_of($ledger, 'outcome', [ @keys[0 .. 3] ],
               [ 'name', 0, Ledger::TTL, '', 'free', 'ops', '', '' ]),
       'released released', 'as it should be');
}

sub calls_tests {
    return (
        [ 'keys that cannot be', \&wrong_keys ],
        [ 'arguments that cannot be', \&wrong_arguments ],
        [ 'keys of another type', \&wrong_types ],
        [ 'by hand', \&by_hand ],
    );
}

1;
