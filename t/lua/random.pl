# Copyright (C) nginx-gate authors
#
# Random histories: gateways that send, repeat, lose replies, crash and
# report late, callbacks in any order and number.  The scripts and the model
# must agree on each verdict and on every total.

use strict;
use warnings;

use Test::More;

use Model;

use constant {
    HISTORIES  => 12,
    OPERATIONS => 900,
};

my @STATUSES = ('processing', 'awaiting retry', qw( success success decline
                decline error error reversed partially_paid_out ));

sub pick { return $_[ rand @_ ] }

# limits that are reached now and then; in some histories beyond 2^53

sub random_limits {
    my ($unit) = @_;

    my %limits = (max => 900 * $unit, min => 30 * $unit);

    for my $case ([hour => 3000], [day => 4000], [week => 9000],
                  [month => 15000])
    {
        my ($window, $limit) = @$case;

        $limits{$window} = $limit * $unit + int rand $unit if rand() < 0.7;
        $limits{"${window}_count"} = int($limit / 300) if rand() < 0.3;
    }

    return %limits;
}

sub new_history {
    my ($ledger) = @_;

    # 1000 units of 10^14 are beyond 2^53, the sums stay in an int64
    my $unit = pick(1, 1, 7, 100_000_000_000_000);
    my %limits = random_limits($unit);
    my $offset = pick(0, 18000, -12600);

    $ledger->{offset} = $offset;
    $ledger->clear()->limits(%limits);

    my $model = Model->new(%limits);
    $model->{offset} = $offset;

    return {
        ledger => $ledger, model => $model, unit => $unit,
        now => 1795219200 + int rand 86400 * 30, copies => [], callbacks => [],
    };
}

sub do_reserve {
    my ($h) = @_;

    my $id = 'p' . int rand 25;
    my $amount = $h->{last}{$id};

    # mostly the same payout again, sometimes another body
    if (!defined $amount || rand() < 0.2) {
        $amount = 1 + $h->{unit} * int(rand 950) + int rand $h->{unit};
        $h->{last}{$id} = $amount;
    }

    my $copy = $h->{ledger}->copy();

    # a command that was given up, and executed after its release
    if (rand() < 0.05) {
        $h->{ledger}->outcome($id, $copy, 'release');
        $h->{model}->outcome($id, $copy, 'release');
    }

    my @got = $h->{ledger}->reserve($id, $amount, digest => "d$amount",
                                    copy => $copy);
    my $expected = $h->{model}->reserve($h->{now}, $id, $amount, "d$amount",
                                        $copy);

    push @{ $h->{copies} }, [ $id, $copy ] if $got[0] =~ /^(?:ok|repeat)$/;

    return ("reserve $id $amount $copy", $got[0], $expected);
}

sub do_outcome {
    my ($h) = @_;

    my $report = pick(@{ $h->{copies} }) or return do_reserve($h);
    my ($id, $copy) = @$report;
    my $action = pick(qw( accepted accepted refused refused unknown release ));
    my $code = $action eq 'refused' ? pick('3104', '2004', '10105') : '';

    ($action, $copy) = ('free', '-') if rand() < 0.03;

    # some are reported again, some never
    @{ $h->{copies} } = grep { $_ != $report } @{ $h->{copies} }
        if rand() < 0.8;

    my ($got) = $h->{ledger}->outcome($id, $copy, $action, $code);
    my $expected = $h->{model}->outcome($id, $copy, $action, $code);

    return ("outcome $id $copy $action $code", $got, $expected);
}

sub new_callback {
    my ($h) = @_;

    my $id = 'p' . int rand 26;         # one that nobody has sent
    my $status = pick(@STATUSES);
    my $callback = { op => 100 + ++$h->{ops}, status => $status,
                     digest => "x$h->{ops}", id => $id };

    my $amount = $h->{last}{$id} // 100;

    if ($status eq 'partially_paid_out' || rand() < 0.1) {
        $callback->{paid} = int rand $amount;
        delete $callback->{paid} if rand() < 0.2;
    }

    push @{ $h->{callbacks} }, $callback;

    return $callback;
}

sub do_settle {
    my ($h) = @_;

    my $callback = rand() < 0.4 && @{ $h->{callbacks} }
                   ? pick(@{ $h->{callbacks} }) : new_callback($h);
    my ($id, $status) = @$callback{qw( id status )};

    my @got = $h->{ledger}->settle($id, $status, op => $callback->{op},
                                   digest => $callback->{digest},
                                   paid => $callback->{paid});
    my $expected = $h->{model}->settle($id, $callback);

    return ("settle $id $status $callback->{op}", $got[1], $expected);
}

sub do_time {
    my ($h) = @_;

    $h->{now} += pick(1, 60, 1800, 3600, 20000, 86400);
    $h->{ledger}->at($h->{now});

    return ("time $h->{now}", 1, 1);
}

# every total and state, and nothing below zero or without an end

sub same_totals {
    my ($h) = @_;

    my %expected = %{ $h->{model}->totals() };
    my $redis = $h->{ledger}{redis};
    my $prefix = $h->{ledger}->used_prefix() . 'KZT:';
    my %got;

    for my $key (@{ $redis->cmd('KEYS', "$prefix*") }) {
        $got{ substr $key, length $prefix } = $redis->cmd('GET', $key);
        return "$key never expires" if $redis->cmd('TTL', $key) < 0;
    }

    for my $name (sort keys %expected, sort keys %got) {
        my ($is, $want) = ($got{$name} // 'none', $expected{$name} // 'none');

        return "$name is $is, not $want" if $is ne $want;
    }

    for my $id (sort keys %{ $h->{model}{payouts} }) {
        my $state = $h->{ledger}->entry($id)->{state};
        my $want = $h->{model}{payouts}{$id}{state};

        return "$id is $state, not $want" if $state ne $want;
    }

    return '';
}

sub history {
    my ($ledger) = @_;

    my $h = new_history($ledger);
    my ($verdicts, @log) = ({});

    $ledger->at($h->{now});

    for my $n (1 .. OPERATIONS) {
        my $do = pick((\&do_reserve) x 5, (\&do_outcome) x 4,
                      (\&do_settle) x 4, (\&do_time) x ($n % 4 == 0));
        my ($what, $got, $expected) = $do->($h);

        push @log, "$what: $got";
        $verdicts->{$got}++;

        my $wrong = $got ne $expected ? "$what: $got, not $expected"
                  : $n % 20 == 0      ? same_totals($h) : '';

        next if !$wrong;

        splice @log, 0, -20 if @log > 20;
        diag(join "\n", @log);

        return ($wrong, $verdicts);
    }

    return (same_totals($h), $verdicts);
}

sub histories {
    my ($ledger) = @_;

    my $seed = $ENV{GATE_SEED} // 1;
    my %seen;

    note("GATE_SEED=$seed");
    srand $seed;

    for my $n (1 .. HISTORIES) {
        my ($wrong, $verdicts) = history($ledger);

        is($wrong, '', "history $n of seed $seed");
        $seen{$_} += $verdicts->{$_} for keys %$verdicts;
    }

    # a history that never comes to a limit proves little
    for my $verdict (qw( ok repeat duplicate void limit_min limit_max limit_day
                         noted kept released settled gone updated again stale
                         unknown ))
    {
        ok($seen{$verdict}, "$verdict occurred");
    }
}

sub random_tests { return ([ 'random histories', \&histories ]) }

1;
