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

use POSIX ();

use constant {
    PROJECT => 1234,
    TTL     => 40 * 86400,
    CLOCK   => '{test}:clock',
    OWNED   => 60000,
    KEPT    => 12 * 86400,
};

my @SCRIPTS = qw( reserve outcome settle mark status );

# what an operation is told, where the payment has this status

my %WORD = (
    'processing' => 'pending', 'awaiting retry' => 'pending',
    'awaiting clarification' => 'pending', partially_paid_out => 'partial',
    map { $_ => $_ } qw( success decline error reversed ),
);

sub new {
    my ($class, $redis, $dir, %opt) = @_;

    my $self = bless {
        redis => $redis, currency => 'KZT', offset => 0, default => 'deny',
        prefix => 'gate:', copies => 0, %opt,
    }, $class;

    my $clock = CLOCK;

    for my $name (@SCRIPTS) {
        my $text = assembled("$dir/$name.lua");

        $text = only($name, $text, $opt{way}) if $opt{way};

        my $clocks = $text =~ s/call\('TIME'\)/call('LRANGE', '$clock', 0, 1)/g;

        die "$name.lua does not ask for the time as expected\n"
            if $name ne 'mark' && !$clocks || $text =~ /TIME'/;

        $self->{sha}{$name} = $redis->cmd('SCRIPT', 'LOAD', $text);
    }

    return $self;
}

# a script has a short way for usual calls, and a long one that does for all:
# only one of them

sub only {
    my ($name, $text, $way) = @_;

    my $other = $way eq 'short' ? 'general' : 'usual';
    my $instead = $way eq 'short' ? 'error(\'the long way\')' : 'nil';
    my $found = $text =~ s/^(?!local function )(.*)\b$other\(.*?\)/$1$instead/m;

    die "$name.lua has no two ways\n" if !$found && $name !~ /^(?:mark|status)$/;

    return $text;
}

sub assembled {
    my ($file) = @_;

    my $text = `util/assemble-lua $file`;

    die "cannot assemble $file\n" if $? || !length $text;

    return $text;
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
    $self->{sent} = {};

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

sub key {
    my ($self, $kind, $prefix) = @_;

    return ($prefix // $self->{prefix}) . "$kind:{" . PROJECT . '}';
}

sub entry_key {
    my ($self, $id, $prefix) = @_;

    return $self->key('payout', $prefix) . ":$id";
}

sub used_key { return $_[0]->key('used', $_[1]) }
sub open_key { return $_[0]->key('open', $_[1]) }
sub era_key  { return $_[0]->key('era', 'gate:') }
sub stop_key { return $_[0]->key('stop', 'gate:') }

sub mark_key {
    my ($self, $identity) = @_;

    return $self->key('callback', 'gate:') . ":$identity";
}

sub lane_key {
    my ($self, $id) = @_;

    return $self->key('lane', 'gate:') . ":$id";
}

# --- scripts

# the items of the reply, without the name

sub run {
    my ($self, $name, $keys, @args) = @_;

    my $call = "call-$name-" . ++$self->{calls};

    # only collected, to be sent later
    if ($self->{queue}) {
        push @{ $self->{queue} }, [ 'EVALSHA', $self->{sha}{$name},
                                    scalar @$keys, @$keys, $call, @args ];
        return ('ok', $self->window(), '', 0);
    }

    my @reply = @{ $self->{redis}->cmd('EVALSHA', $self->{sha}{$name},
                                       scalar @$keys, @$keys, $call, @args) };
    my $last = pop @reply // '';

    die "$name: the reply is named \"$last\"\n" if $last ne $call;

    return @reply;
}

sub copy { return 'c' . ++$_[0]{copies} }

# hour and Monday of the clock, by the C library

sub window {
    my ($self) = @_;

    my $here = $self->{now} + $self->{offset};
    my @t = gmtime $here;

    return POSIX::strftime('%Y%m%d%H ', @t)
           . POSIX::strftime('%Y%m%d',
                             gmtime($here - 86400 * (($t[6] + 6) % 7)));
}

# reserve('p1', 100, digest => 'd', copy => 'c'): the verdict's words

sub reserve {
    my ($self, $id, $amount, %opt) = @_;

    my ($verdict) = $self->reserve_all([[$id, $amount, %opt]], %opt);

    return ref $verdict ? @$verdict : $verdict;
}

# a verdict for each of [id, amount, options]

sub reserve_all {
    my ($self, $payouts, %opt) = @_;

    my $currency = $opt{currency} // $self->{currency};
    my (@entries, @args, @sent);

    for my $payout (@$payouts) {
        my ($id, $amount, %its) = @$payout;

        $its{copy} //= $self->copy();
        $its{endpoint} //= 'mobile';
        $its{digest} //= "d${id}x$amount" =~ s/[^0-9A-Za-z]//gr;

        push @entries, $self->entry_key($id);
        push @args, $amount, @its{qw( endpoint digest copy )};
        push @sent, [ "$id $its{copy}", "$amount $currency $its{endpoint}",
                      $its{digest} ];
    }

    local $self->{currency} = $currency;

    my @reply = $self->run(
        'reserve', [ $self->used_key(), $self->limits_key(),
                     $self->stop_key(), $self->era_key(), $self->open_key(),
                     @entries ],
        $currency, $opt{offset} // $self->{offset},
        $opt{default} // $self->{default}, $opt{ttl} // TTL, @args);

    @{ $self->{reply} }{qw( window era seq )} = splice @reply, -3;

    $self->{sent}{ $_->[0] } = [ "$_->[1] $self->{reply}{window}", $_->[2] ]
        for @sent;

    return @reply;
}

# outcome('p1', 'c1', 'refused', '3104'): word and state

sub outcome {
    my ($self, $id, $copy, $action, $code, %opt) = @_;

    return split / /,
           ($self->outcome_all([$id, $copy, $action, $code, %opt]))[0], 2;
}

# a verdict for each of [id, copy, action, code, options]; payout and digest
# are those of the reserve

sub outcome_all {
    my ($self, @reports) = @_;

    my (@entries, @args);

    for my $report (@reports) {
        my ($id, $copy, $action, $code, %opt) = @$report;
        my $sent = $self->{sent}{"$id $copy"}
                   // [ "100 $self->{currency} mobile " . $self->window(),
                        'd' ];

        $sent = ['', ''] if $action eq 'free';

        push @entries, $self->entry_key($id);
        push @args, $copy, $action, $code // '', $opt{payout} // $sent->[0],
             $opt{digest} // $sent->[1];
    }

    my @reply = $self->run(
        'outcome', [ $self->used_key(), $self->era_key(), $self->open_key(),
                     @entries ], $self->{offset}, TTL, @args);

    @{ $self->{reply} }{qw( era seq )} = splice @reply, -2;

    return @reply;
}

# settle('p1', 'success', op => 47, paid => 100): verdict, ledger, from, to,
# counted, notes, extra.  "ops" gives the operations as they are sent.

sub settle {
    my ($self, $id, $status, %opt) = @_;

    my $op = $opt{op} // '47';
    my $word = $WORD{$status} // 'pending';
    my $ops = $opt{ops} // ($op eq '' ? '' : "$op=$word/"
                            . ($opt{paid} // '') . '/' . ($opt{size} // ''));
    my @keys = (
        $self->used_key('gate:'), $self->era_key(), $self->open_key('gate:'),
        $self->entry_key($id, 'gate:'), $self->used_key('gate:dry:'),
        $self->open_key('gate:dry:'), $self->entry_key($id, 'gate:dry:'),
        $self->mark_key($opt{identity} // "$id:$op-$status"),
        $self->lane_key($id));

    push @keys, $opt{stream} if $opt{stream};

    my @reply = $self->run(
        'settle', \@keys, $self->{offset}, TTL, $status, $ops,
        $opt{sum} // '', $opt{currency} // $self->{currency},
        $opt{complete} // '', $opt{owner} // '', OWNED, KEPT, $opt{cap} // 0,
        PROJECT, $opt{lane} // $id, $status, $opt{body} // '{}');

    @{ $self->{reply} }{qw( era seq )} = splice @reply, -2;

    return @reply;
}

sub mark {
    my ($self, $id, $identity, $owner, $action) = @_;

    return $self->run('mark', [ $self->mark_key($identity),
                                $self->lane_key($id) ], $owner, $action, KEPT);
}

# status() as { hour => { limit, used, left, until, end }, ..., min => ... }

sub status {
    my ($self, %opt) = @_;

    my ($verdict, $now, $stop, $era, $seq, $count, @items) = $self->run(
        'status', [ $self->used_key(), $self->limits_key(), $self->stop_key(),
                    $self->era_key() ],
        $self->{currency}, $opt{offset} // $self->{offset});
    my %status = (verdict => $verdict, now => $now, stop => $stop,
                  era => $era, seq => $seq, count => $count);

    while (my ($name, $limit, $used, $left, $until, $end)
               = splice @items, 0, 6)
    {
        $status{$name} = { limit => $limit, used => $used, left => $left,
                           until => $until, end => $end };
    }

    return \%status;
}

# --- views

sub entry {
    my ($self, $id) = @_;

    my $entry = $self->{redis}->hash($self->entry_key($id));

    # what is counted is left out where it is the amount
    $entry->{counted} //= $1 if ($entry->{payout} // '') =~ /^(\d+)/;

    return $entry;
}

# what is counted for each

sub counted {
    my ($self, @ids) = @_;

    my @entries = @ids ? $self->{redis}->pipeline(
        map { [ 'HMGET', $self->entry_key($_), 'counted', 'payout' ] } @ids)
        : ();

    return map { $_->[0] // (split / /, $_->[1] // '0')[0] } @entries;
}

sub state { return $_[0]->entry($_[1])->{state} // '' }

# ( name => "sum/count", ... ) of a total's text, such as "day:20261121"

sub windows_of {
    my ($text) = @_;

    my ($hour, $monday, %sum)
        = $text =~ m{^2\ till:\d+\ window:(\d{10})\ (\d{8})
                     \ (hour):(\d+/\d+)\ (day):(\d+/\d+)
                     \ (week):(\d+/\d+)\ (month):(\d+/\d+)$}x
        or return ();

    return ("hour:$hour" => $sum{hour},
            'day:' . substr($hour, 0, 8) => $sum{day},
            "week:$monday" => $sum{week},
            'month:' . substr($hour, 0, 6) => $sum{month});
}

# of the total, or undef where it has another window

sub used {
    my ($self, $window) = @_;

    my %windows = windows_of($self->used_text());

    return $windows{$window};
}

# as it is

sub used_text {
    my ($self, @new) = @_;

    my ($redis, $key) = ($self->{redis}, $self->used_key());

    $redis->cmd('HSET', $key, $self->{currency}, @new) if @new;

    return $redis->cmd('HGET', $key, $self->{currency}) // '';
}

# when its hour ends

sub used_till { return $_[0]->used_text() =~ /^2 till:(\d+) / ? $1 : undef }

# "sum/count" of hour, day, week and month by the clock and offset

sub totals {
    my ($self) = @_;

    my $status = $self->status();

    return join ' ', map {
        "$status->{$_}{used}/" . $status->{"${_}_count"}{used}
    } qw( hour day week month );
}

# the payments in the index, in its order: "p1 p2"

sub open {
    my ($self) = @_;

    return join ' ', @{ $self->{redis}->cmd('ZRANGE', $self->open_key(), 0,
                                            -1) };
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
