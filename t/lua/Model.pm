package Model;

# Copyright (C) nginx-gate authors
#
# The ledger once more, in memory and from its description: what a payout
# holds, and when it is taken back.  Totals are sums over a list of bookings,
# not counters, so that the scripts' counters have something to be equal to.

use strict;
use warnings;

use POSIX ();

my %COUNTED = map { $_ => 1 }
    qw( reserved unknown accepted success partially_paid_out );
my %OPEN = map { $_ => 1 } qw( reserved unknown accepted );
my %PAID = map { $_ => 1 } qw( success partially_paid_out );
my %UNPAID = map { $_ => 1 } qw( decline error reversed );

sub new {
    my ($class, %limits) = @_;

    return bless { limits => \%limits, payouts => {}, offset => 0 }, $class;
}

# the names of the windows, by the C library's calendar

sub windows {
    my ($self, $now) = @_;

    my @t = gmtime($now + $self->{offset});
    my $monday = $now + $self->{offset} - 86400 * (($t[6] + 6) % 7);

    return (hour => POSIX::strftime('%Y%m%d%H', @t),
            day => POSIX::strftime('%Y%m%d', @t),
            week => POSIX::strftime('%Y%m%d', gmtime $monday),
            month => POSIX::strftime('%Y%m', @t));
}

# (sum, count) of what is counted in a window

sub total {
    my ($self, $kind, $name) = @_;

    my ($sum, $count) = (0, 0);

    for my $payout (values %{ $self->{payouts} }) {
        next if !$COUNTED{ $payout->{state} }
                || $payout->{windows}{$kind} ne $name;

        $sum += $payout->{holds};
        $count++ if $payout->{holds} > 0;
    }

    return ($sum, $count);
}

# every window that a payout was ever reserved in: name => "sum/count"

sub totals {
    my ($self) = @_;

    my %totals;

    for my $seen (keys %{ $self->{seen} }) {
        my ($kind, $name) = split /:/, $seen;
        my ($sum, $count) = $self->total($kind, $name);

        $totals{"$kind:$name"} = $sum;
        $totals{"${kind}_count:$name"} = $count;
    }

    return \%totals;
}

sub reserve {
    my ($self, $now, $id, $amount, $digest, $copy) = @_;

    my $payout = $self->{payouts}{$id};

    return 'void' if $self->{void}{"$id $copy"};

    if ($payout && $COUNTED{ $payout->{state} }) {
        return 'duplicate' if $payout->{digest} ne $digest;

        $payout->{flight}{$copy} = 1;
        return 'repeat';
    }

    my %windows = $self->windows($now);
    my $refusal = $self->_refusal($amount, \%windows);

    return $refusal if $refusal;

    $self->{seen}{"$_:$windows{$_}"} = 1 for keys %windows;
    $self->{payouts}{$id} = {
        state => 'reserved', amount => $amount, holds => $amount,
        digest => $digest, windows => \%windows, flight => { $copy => 1 },
        applied => {}, done => { %{ $payout->{done} // {} },
                                 %{ $payout->{applied} // {} } },
        ended => $payout->{told} // $payout->{ended} // '',
    };

    return 'ok';
}

sub _refusal {
    my ($self, $amount, $windows) = @_;

    my $limits = $self->{limits};

    return 'limit_min' if defined $limits->{min} && $amount < $limits->{min};
    return 'limit_max' if defined $limits->{max} && $amount > $limits->{max};

    for my $kind (qw( month week day hour )) {
        my ($sum, $count) = $self->total($kind, $windows->{$kind});
        my ($top, $most) = @$limits{$kind, "${kind}_count"};

        return "limit_$kind" if defined $top && $sum + $amount > $top;
        return "limit_${kind}_count" if defined $most && $count + 1 > $most;
    }

    return undef;
}

sub outcome {
    my ($self, $id, $copy, $action, $code) = @_;

    my $payout = $self->{payouts}{$id};

    if ($action eq 'free') {
        return 'gone' if !$payout || !$OPEN{ $payout->{state} };

        @$payout{qw( state holds )} = ('released', 0);
        return 'released';
    }

    if (!$payout || !delete $payout->{flight}{$copy}) {
        $self->{void}{"$id $copy"} = 1 if $action eq 'release';
        return 'gone';
    }

    # Gate has it from a copy of this attempt, unless it must have it from an
    # earlier one that it will not try again
    $action = 'unknown' if $action eq 'refused' && $code eq '10105'
                           && $payout->{ended} !~ /^(?:decline|reversed)$/;

    return $self->_late($payout, $action) if !$OPEN{ $payout->{state} };

    if ($action eq 'accepted') {
        @$payout{qw( state answered )} = ('accepted', 1);
        return 'noted';
    }

    if ($action eq 'unknown') {
        return 'settled' if $payout->{state} eq 'accepted';

        $payout->{state} = 'unknown';
        return 'noted';
    }

    $payout->{refused} ||= $code ne '';

    return 'kept' if $payout->{state} ne 'reserved'
                     || %{ $payout->{flight} };

    @$payout{qw( state holds )} = ($payout->{refused} ? 'refused' : 'released',
                                   0);
    return 'released';
}

sub _late {
    my ($self, $payout, $action) = @_;

    return 'settled' if $action ne 'accepted';

    if ($payout->{state} =~ /^(?:released|refused)$/
        || ($payout->{state} eq 'error' && $payout->{answered}))
    {
        @$payout{qw( state holds )} = ('accepted', $payout->{amount});
        $payout->{answered} = 1;
        return 'counted';
    }

    $payout->{answered} = 1;
    return 'settled';
}

# A callback is { op, status, digest, paid }; returns the word of the ledger.

sub settle {
    my ($self, $id, $callback) = @_;

    my $payout = $self->{payouts}{$id} or return 'unknown';
    my ($op, $status) = @$callback{qw( op status )};

    return 'again' if !$PAID{$status}
                      && grep { /^\Q$op\E / } keys %{ $payout->{done} };
    return 'again' if grep { /^\Q$op $status\E / } keys %{ $payout->{done} };

    return $self->_pending($payout) if !$PAID{$status} && !$UNPAID{$status};

    my $state = $payout->{state};
    my $name = "$op $status $callback->{digest}";

    return 'again' if $state eq $status && $payout->{applied}{$name};
    return 'stale' if !$self->_legal($state, $status);

    if (!$PAID{$status}) {
        $payout->{holds} = 0;

    } elsif (defined $callback->{paid}) {
        $payout->{holds} = $callback->{paid};

    } elsif (!$COUNTED{$state}) {
        $payout->{holds} = $payout->{amount};
    }

    @$payout{qw( state told )} = ($status, $status);
    $payout->{applied}{$name} = 1;

    return 'settled';
}

sub _pending {
    my ($self, $payout) = @_;

    return 'stale' if !$OPEN{ $payout->{state} }
                      && $payout->{state} !~ /^(?:refused|released)$/;

    $payout->{holds} = $payout->{amount};
    $payout->{state} = 'accepted';

    return 'updated';
}

sub _legal {
    my ($self, $from, $to) = @_;

    return $OPEN{$from} || $from eq $to || $from =~ /^(?:refused|released)$/
           || "$from $to" =~ /^(?:success reversed|(?:decline|error) success)$/;
}

1;
