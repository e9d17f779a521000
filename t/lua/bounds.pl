# Copyright (C) nginx-gate authors
#
# What one payment can cost: 10,000 copies, timeouts, callbacks, attempts and
# releases by hand of one payment_id, and whatever else a service, Gate, an
# operator or a crash could bring about.  Its entry stays small, and no
# call takes much longer than a usual one.

use strict;
use warnings;

use Test::More;

use constant {
    TIMES   => 10000,
    FEWER   => 2000,
    BYTES   => 8192,
    FACTOR  => 5,
    SAMPLES => 300,
};

# Microseconds of Redis' processor for each call, of both lists, by turns: what
# else the machine does changes both, and the lower quartile of the series is of
# its quiet moments.

sub costs_of {
    my ($redis, @lists) = @_;

    my @costs;

    while (grep { @$_ } @lists) {
        for my $i (0 .. $#lists) {
            my @series = splice @{ $lists[$i] }, 0, 25 or next;
            my $count = grep { $_->[0] eq 'EVALSHA' } @series;
            my $before = processor($redis);

            $redis->pipeline(@series);

            push @{ $costs[$i] }, (processor($redis) - $before) * 1e6 / $count;
        }
    }

    return map { (sort { $a <=> $b } @$_)[@$_ / 4] } @costs;
}

sub processor {
    my ($redis) = @_;

    my %time = $redis->cmd('INFO', 'cpu') =~ /used_cpu_(user|sys):([\d.]+)/g;

    return $time{user} + $time{sys};
}

# a call as a command

sub command {
    my ($ledger, $call) = @_;

    local $ledger->{queue} = [];

    $call->();

    return $ledger->{queue}[0];
}

# a call about a payment with one copy: sent again, refused, declined

my $usual = 0;

sub one_copy_calls {
    my ($ledger, $script) = @_;

    my @calls;

    for my $n (1 .. SAMPLES) {
        my $id = 'u' . ++$usual;
        my $call = { reserve => sub { $ledger->reserve($id, 100, digest => 'd',
                                                       copy => 'b') },
                     outcome => sub { $ledger->outcome($id, 'c', 'refused',
                                                       '3104') },
                     settle => sub { $ledger->settle($id, 'decline',
                                                     op => 1) } }->{$script};

        $ledger->reserve($id, 100, digest => 'd', copy => 'c');
        push @calls, command($ledger, $call);
    }

    return \@calls;
}

sub entry_bytes {
    my ($ledger, $redis, $id) = @_;

    my %entry = %{ $redis->hash($ledger->entry_key($id)) };
    my $length = 0;

    $length += length for %entry;

    return ($length, $redis->cmd('MEMORY', 'USAGE', $ledger->entry_key($id)));
}

my $long = 'x' x 36;

# ways to do it ten thousand times: a list of calls for number n

my %WAYS = (
    'copies that never report' => sub {
        my ($ledger, $n) = @_;

        [ reserve => sub { $ledger->reserve('p', 100, digest => 'd',
                                            copy => "$long-$n") } ];
    },
    'copies that crash, at a time each' => sub {
        my ($ledger, $n) = @_;

        $ledger->{now} += 30;

        ([ reserve => [ 'LSET', Ledger::CLOCK, 0, $ledger->{now} ] ],
         [ reserve => sub { $ledger->reserve('p', 100, digest => 'd',
                                            copy => "$long-$n") } ]);
    },
    'copies without an answer' => sub {
        my ($ledger, $n) = @_;

        ([ reserve => sub { $ledger->reserve('p', 100, digest => 'd',
                                             copy => "$long-$n") } ],
         [ outcome => sub { $ledger->outcome('p', "$long-$n", 'unknown',
                                             '5' x 64) } ]);
    },
    'copies that are refused' => sub {
        my ($ledger, $n) = @_;

        ([ reserve => sub { $ledger->reserve('p', 100, digest => 'd',
                                             copy => "$long-$n") } ],
         [ outcome => sub { $ledger->outcome('p', "$long-$n", 'refused',
                                             '3' x 64) } ]);
    },
    'acceptances of what is not known' => sub {
        my ($ledger, $n) = @_;

        [ outcome => sub { $ledger->outcome('p', "$long-$n", 'accepted') } ];
    },
    'releases before the reservation' => sub {
        my ($ledger, $n) = @_;

        [ outcome => sub { $ledger->outcome('p', "$long-$n", 'release') } ];
    },
    'callbacks of many operations' => sub {
        my ($ledger, $n) = @_;

        [ settle => sub { $ledger->settle('p', 'processing',
                                          op => '9' x 26 . $n) } ];
    },
    'parts without end' => sub {
        my ($ledger, $n) = @_;

        [ settle => sub { $ledger->settle('p', 'partially_paid_out',
                                          paid => 7, size => 9,
                                          op => 'o' x 26 . $n) } ];
    },
    'callbacks of one operation' => sub {
        my ($ledger, $n) = @_;

        [ settle => sub { $ledger->settle('p', (qw( processing error success
                                                   reversed ))[$n % 4],
                                          op => 1) } ];
    },
    'attempts that end in error' => sub {
        my ($ledger, $n) = @_;

        ([ reserve => sub { $ledger->reserve('p', 100, digest => "d$n",
                                             copy => "$long-$n") } ],
         [ outcome => sub { $ledger->outcome('p', "$long-$n", 'accepted') } ],
         [ settle => sub { $ledger->settle('p', 'error',
                                           op => 'o' x 26 . $n) } ]);
    },
    'releases by hand' => sub {
        my ($ledger, $n) = @_;

        ([ reserve => sub { $ledger->reserve('p', 100, digest => 'd',
                                             copy => "$long-$n") } ],
         [ outcome => sub { $ledger->outcome('p', '', 'free', 'w' x 64) } ]);
    },
);

# the others are as large after some hundreds

my %OFTEN = map { $_ => 1 } 'copies without an answer', 'releases by hand',
                            'callbacks of many operations',
                            'attempts that end in error';

# the entry is as large as it gets; the calls after that are measured

sub grown {
    my ($ledger, $redis, $way, $limit) = @_;

    $ledger->clear()->limits(day => 10 ** 12);
    $ledger->reserve('p', 100, digest => 'd', copy => 'first')
        if $way !~ /^(?:acceptances|releases before)/;

    my (%calls, @queue);
    my ($largest, $memory) = (0, 0);
    my $first = $limit - SAMPLES;

    for my $n (1 .. $limit) {
        my @calls = $WAYS{$way}->($ledger, $n);

        for my $call (@calls) {
            my $command = ref $call->[1] eq 'ARRAY' ? $call->[1]
                        : command($ledger, $call->[1]);

            $n > $first ? push @{ $calls{ $call->[0] } }, $command
                        : push @queue, $command;
        }

        next if $n % 500 && $n != $first && $n != $limit;

        $redis->pipeline(splice @queue) if @queue;

        my @bytes = entry_bytes($ledger, $redis, 'p');

        $largest = $bytes[0] if $bytes[0] > $largest;
        $memory = $bytes[1] if $bytes[1] > $memory;
    }

    return ($largest, $memory, \%calls);
}

sub bounds {
    my ($ledger, $redis) = @_;

    for my $way (sort keys %WAYS) {
        my ($bytes, $memory, $calls)
            = grown($ledger, $redis, $way, $OFTEN{$way} ? TIMES : FEWER);

        cmp_ok($bytes, '<', BYTES, "$way: the entry has $bytes bytes");
        cmp_ok($memory, '<', BYTES, "$way: in memory");

        cmp_ok($redis->cmd('ZCARD', $ledger->open_key()), '<', 2,
               "$way: and the index no more than it");

        for my $script (sort keys %$calls) {
            my ($cost, $usual) = costs_of($redis, $calls->{$script},
                                          one_copy_calls($ledger, $script));

            cmp_ok($cost, '<', FACTOR * $usual,
                   sprintf('%s: %s takes %.1f us, usually %.1f', $way, $script,
                           $cost, $usual));
        }
    }
}

sub bounds_tests { return ([ 'one payment ten thousand times', \&bounds ]) }

1;
