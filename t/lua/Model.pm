package Model;

# Copyright (C) nginx-gate authors
#
# What doc/ledger.md says of an entry, worked out from its fields once more:
# what is counted for it, its state, and whether it is open.  And its tables.

use strict;
use warnings;

# List::Util's take text beyond 2^53 for a double

sub sum {
    my $sum = 0;

    $sum += $_ for @_;

    return $sum;
}

sub larger { return $_[0] > $_[1] ? $_[0] : $_[1] }

# { heading of the first column of a table => [ [cells], ... ] }, the first
# row being the headings; a table that begins like another goes by the second
# heading, too

sub tables {
    my ($file) = @_;

    open my $fh, '<', $file or die "cannot read $file: $!\n";

    my (%tables, $table);

    while (my $line = <$fh>) {
        if ($line !~ /^\|(.*)\|$/) {
            undef $table;
            next;
        }

        my @cells = map { s/^\s+|\s+$|`//gr } split /\|/, $1, -1;

        if (!$table) {
            $table = $tables{ $cells[0] } ? $tables{"$cells[0] $cells[1]"} = []
                                          : $tables{ $cells[0] } = [];
        }

        push @$table, \@cells if "@cells" !~ /^[- ]+$/;
    }

    return \%tables;
}

# id => { status, paid, size, err } of "4711=error!/0/100 ..."

sub operations {
    my ($text) = @_;

    return map {
        /^(\S+)=([a-z]+)(!?)\/(\d+)(?:\/(\d+))?$/ or die "operation \"$_\"\n";
        { id => $1, status => $2, err => $3 ne '', paid => $4,
          size => $5 // $4 };
    } split / /, $text // '';
}

# name => "open", or the letter

sub copies {
    my ($text) = @_;

    return map {
        /^(\S+)(?:@(\d+)|=([alfr])\d*)$/ or die "copy \"$_\"\n";
        ($1 => $3 // 'open');
    } split / /, $text // '';
}

sub of_entry {
    my ($entry) = @_;

    my ($amount, $currency, $endpoint, @window) = split / /, $entry->{payout};
    my %copies = copies($entry->{copies});
    my @ops = operations($entry->{ops});
    my %n = (open => 0, a => $entry->{accepted} // 0, l => $entry->{lost} // 0,
             f => 0, r => 0);

    $n{$_}++ for values %copies;

    return {
        %$entry, amount => $amount, currency => $currency,
        endpoint => $endpoint, window => "@window", n => \%n, ops => \@ops,
        past => [ operations($entry->{past}) ],
        sent => $n{open} + $n{a} + $n{l},
        errors => ($entry->{errors} // 0) + grep({ $_->{err} } @ops),
    };
}

# of the operations that have closed it

sub closing {
    return grep { !$_->{err} && $_->{status} !~ /^(?:pending|freed)$/ } @_;
}

sub paid { return sum(map { $_->{paid} } @_) }

# ( counted, state, open ) by the tables of payments

sub counted {
    my ($entry) = @_;

    my $e = of_entry($entry);
    my @closing = closing(@{ $e->{ops} });
    my ($held, $state) = @closing ? closed($e, @closing) : not_closed($e);

    $held += $e->{amount} if @closing && $e->{n}{a} > $e->{errors} + 1;

    my $is_open = $e->{n}{open} > 0 || $held > paid(@closing);
    my $side = paid(@{ $e->{past} }, grep { $_->{err} } @{ $e->{ops} })
               + ($e->{rest} // 0);

    $state = 'success' if !$state && $side > 0;
    $state ||= grep({ $_->{err} } @{ $e->{ops} }) ? 'error'
             : $e->{code} && !$e->{hand} ? 'refused' : 'released';

    return ($held + $side, $state, $is_open ? 1 : 0);
}

sub not_closed {
    my ($e) = @_;

    my $pending = grep({ $_->{status} eq 'pending' } @{ $e->{ops} })
                  || $e->{full};
    my $n = $e->{sent};
    my $is_held = $n > 0 && $n + ($e->{freed} // 0) > $e->{errors};

    if (closing(@{ $e->{past} })) {
        $is_held = $e->{n}{open} > 0;

    } elsif ($n == 0 && $e->{exists} && !@{ $e->{ops} }) {
        # copies of an earlier attempt explain it
        $is_held = !grep { $_->{status} =~ /^(?:partial|success|reversed)$/
                           || (!$_->{err} && $_->{status} ne 'freed') }
                         @{ $e->{past} };
    }

    return (0, '') if !$pending && !$is_held;

    return ($e->{amount}, $pending || $e->{n}{a} ? 'accepted'
            : $e->{n}{l} || !$e->{n}{open} ? 'unknown' : 'reserved');
}

sub closed {
    my ($e, @closing) = @_;

    my %has = map { $_->{status} => 1 } @closing;
    my $paid = paid(@closing);
    my $unpaid = sum(map { $_->{size} } grep { $_->{paid} == 0 } @closing);

    if ($has{success}) {
        my $full = 0;

        $full = larger($full, $_->{size})
            for grep { $_->{status} eq 'success' } @closing;

        # less what was taken back of it
        $full -= $_->{size} for grep { $_->{status} eq 'reversed' } @closing;

        return (larger($paid, $full), 'success');
    }

    if ($e->{full} || grep { $_->{status} eq 'pending' } @{ $e->{ops} }) {
        return (larger($paid, $e->{amount}),
                $has{partial} ? 'partially_paid_out' : 'accepted');
    }

    my $is_known = $has{partial} || $unpaid > 0;
    my $more = $is_known && !$e->{complete} && $paid + $unpaid < $e->{amount};

    return ($more ? larger($paid, $e->{amount}) : $paid,
            $has{partial} ? 'partially_paid_out'
            : $has{reversed} ? 'reversed' : 'decline');
}

# What is wrong in the whole ledger, by a full scan: each entry against the
# tables, totals against entries, the index against entries; or "".

sub wrong {
    my ($ledger, $prefix) = @_;

    local $ledger->{prefix} = $prefix // 'gate:';

    my $redis = $ledger->{redis};
    my $base = $ledger->entry_key('');
    my (%sum, %count, @open);

    for my $key (@{ $redis->cmd('KEYS', "$base*") }) {
        my $id = substr $key, length $base;
        my $entry = $redis->hash($key);

        # only the name of a copy that was released before it came
        next if !$entry->{payout} && !$entry->{counted};

        my ($counted, $state, $is_open) = counted($entry);
        my $e = of_entry($entry);
        my $written = $counted == $e->{amount} ? 'none' : $counted;

        return "$id: " . join ' ', map { "$_=$entry->{$_}" } sort keys %$entry
            if "$entry->{state} " . ($entry->{counted} // 'none')
               ne "$state $written";
        return "$id never expires" if $redis->cmd('TTL', $key) < 0;

        push @open, $id if $is_open;

        my ($hour, $monday) = split / /, $e->{window};
        my %name = (hour => $hour, day => substr($hour, 0, 8),
                    week => $monday, month => substr($hour, 0, 6));

        for my $window (map { "$e->{currency} $_:$name{$_}" } keys %name) {
            $sum{$window} += $counted;
            $count{$window} += $counted ? 1 : 0;
        }
    }

    my $index = join ' ', sort @{ $redis->cmd('ZRANGE', $ledger->open_key(), 0,
                                              -1) };

    return "open: \"$index\", not \"@{[ sort @open ]}\""
        if $index ne join ' ', sort @open;

    my $used = $redis->hash($ledger->used_key());

    for my $currency (sort keys %$used) {
        my %windows = Ledger::windows_of($used->{$currency})
            or return "$currency: $used->{$currency}";

        for my $name (sort keys %windows) {
            my ($window, $is) = ("$currency $name", $windows{$name});
            my $want = join '/', map { $_->{$window} // 0 } \%sum, \%count;

            return "$window: $is, not $want" if $is ne $want;
        }
    }

    return '';
}

1;
