package Ledger;

# Copyright (C) nginx-gate authors
#
# The Redis scripts as functions, with a clock that the test sets.
#
# Redis' own clock cannot be moved, so the text of each script is loaded with
# call('TIME') replaced by the reading of a test key of the same form; nothing
# else differs from what the module sends.  Times to live still run by the
# real clock.

use strict;
use warnings;

use constant {
    PROJECT => 1234,
    TTL     => 40 * 86400,
    CLOCK   => '{test}:clock',
    OWNED   => 60000,
    KEPT    => 12 * 86400,
};

my @SCRIPTS = qw( reserve outcome settle mark status );

sub new {
    my ($class, $redis, $dir, %opt) = @_;

    my $self = bless {
        redis => $redis, currency => 'KZT', offset => 0, default => 'deny',
        prefix => 'gate:', copies => 0, %opt,
    }, $class;

    my $clock = CLOCK;

    for my $name (@SCRIPTS) {
        my $text = _read("$dir/$name.lua");
        my $clocks = $text =~ s/call\('TIME'\)/call('LRANGE', '$clock', 0, 1)/g;

        die "$name.lua does not ask for the time as expected\n"
            if $name ne 'mark' && !$clocks || $text =~ /TIME'/;

        $self->{sha}{$name} = $redis->cmd('SCRIPT', 'LOAD', $text);
    }

    return $self;
}

sub _read {
    my ($file) = @_;

    open my $fh, '<', $file or die "cannot read $file: $!\n";
    local $/;

    return scalar <$fh>;
}

sub at {
    my ($self, $seconds) = @_;

    $self->{now} = $seconds;
    $self->{redis}->pipeline(['DEL', CLOCK],
                             ['RPUSH', CLOCK, $seconds, '250000']);

    return $self;
}

# everything but the scripts and the clock is gone

sub clear {
    my ($self) = @_;

    $self->{redis}->cmd('FLUSHDB');

    return $self->at($self->{now} // 1795219200);
}

sub limits {
    my ($self, @fields) = @_;

    my $key = $self->limits_key();

    $self->{redis}->cmd('DEL', $key);
    $self->{redis}->cmd('HSET', $key, @fields) if @fields;

    return $self;
}

# --- keys

sub limits_key {
    my ($self) = @_;

    return 'gate:limits:{' . PROJECT . "}:$self->{currency}";
}

sub entry_key {
    my ($self, $id, $prefix) = @_;

    return ($prefix // $self->{prefix}) . 'payout:{' . PROJECT . "}:$id";
}

sub used_prefix {
    my ($self, $prefix) = @_;

    return ($prefix // $self->{prefix}) . 'used:{' . PROJECT . '}:';
}

sub mark_key {
    my ($self, $identity) = @_;

    return 'gate:callback:{' . PROJECT . "}:$identity";
}

# of callbacks whose identity has no digest

sub lane_key {
    my ($self, $identity) = @_;

    return 'gate:lane:{' . PROJECT . "}:$identity";
}

# --- scripts; each returns the items of the reply

sub run {
    my ($self, $name, $keys, @args) = @_;

    my $call = "call-$name-" . ++$self->{calls};
    my @reply = @{ $self->{redis}->cmd('EVALSHA', $self->{sha}{$name},
                                       scalar @$keys, @$keys, @args, $call) };
    my $last = pop @reply // '';

    die "$name: the reply is named \"$last\"\n" if $last ne $call;

    return @reply;
}

sub copy { return 'c' . ++$_[0]{copies} }

# reserve('p1', 100, digest => 'd', copy => 'c')

sub reserve {
    my ($self, $id, $amount, %opt) = @_;

    my $currency = $opt{currency} // $self->{currency};
    local $self->{currency} = $currency;

    return $self->run(
        'reserve',
        [ $self->limits_key(), $self->entry_key($id), $self->used_prefix() ],
        $amount, $currency, $opt{digest} // "d-$id-$amount",
        $opt{endpoint} // 'mobile', $opt{copy} // $self->copy(),
        $opt{offset} // $self->{offset}, $opt{default} // $self->{default},
        $opt{ttl} // TTL);
}

sub outcome {
    my ($self, $id, $copy, $action, $code) = @_;

    return $self->run('outcome',
                      [ $self->entry_key($id), $self->used_prefix() ],
                      $copy, $action, $code // '', TTL);
}

# settle('p1', 'success', op => 47, digest => 'x', paid => 100)

sub settle {
    my ($self, $id, $status, %opt) = @_;

    my $op = $opt{op} // '47';
    my $digest = $opt{digest} // "$id-$status-$op";
    my @keys = (
        $self->entry_key($id, 'gate:'), $self->used_prefix('gate:'),
        $self->entry_key($id, 'gate:dry:'), $self->used_prefix('gate:dry:'),
        $self->mark_key($opt{identity} // "$id:$op:$status:$digest"));

    push @keys, $opt{stream} if $opt{stream};

    return $self->run('settle', \@keys, $status, $op, $digest,
                      $opt{paid} // '', $opt{currency} // $self->{currency},
                      TTL, $opt{owner} // '', OWNED, KEPT,
                      $opt{cap} // 0, PROJECT, $id, $opt{body} // '{}',
                      $opt{part} // '');
}

sub mark {
    my ($self, $identity, $owner, $action) = @_;

    return $self->run('mark', [ $self->mark_key($identity) ], $owner, $action,
                      KEPT);
}

# status() as { hour => { limit, used, left, end }, ..., min, max, ... }

sub status {
    my ($self, %opt) = @_;

    my ($verdict, $now, $min, $max, @items) = $self->run(
        'status', [ $self->limits_key(), $self->used_prefix() ],
        $self->{currency}, $opt{offset} // $self->{offset});
    my %status = (verdict => $verdict, now => $now, min => $min, max => $max);

    while (my ($name, $limit, $used, $left, $end) = splice @items, 0, 5) {
        $status{$name} = { limit => $limit, used => $used, left => $left,
                           end => $end };
    }

    return \%status;
}

# --- views

sub entry {
    my ($self, $id) = @_;

    return $self->{redis}->hash($self->entry_key($id));
}

sub used {
    my ($self, $window) = @_;

    return $self->{redis}->cmd('GET', $self->used_prefix()
                               . "$self->{currency}:$window");
}

# "hour/count day/count week/count month/count" by the clock and offset

sub totals {
    my ($self) = @_;

    my $status = $self->status();

    return join ' ', map {
        "$status->{$_}{used}/" . $status->{"${_}_count"}{used}
    } qw( hour day week month );
}

# every key with its value and the moment at which it expires

sub everything {
    my ($self) = @_;

    my $redis = $self->{redis};
    my @keys = sort @{ $redis->cmd('KEYS', '*') };

    return $redis->dump() . join '', map {
        "$_ expires " . $redis->cmd('PEXPIRETIME', $_) . "\n"
    } @keys;
}

1;
