package Gate::Ledger;

# Copyright (C) nginx-gate authors
#
# What a Redis holds of payouts, for suites: entries and totals, read here
# only, so that no suite knows how they are written.  The first argument of
# each is a Gate::Redis; options are prefix, project and dry => 1.
#
#     entry($redis, 'payment_47')->{counted}
#     used($redis, 'KZT', 'day')      # "7000/5": sum and number of payouts

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw( key entry entries open_copies used used_all ledger totals
                     forget age move_to set_used );

use constant WINDOWS => qw( hour day week month );

# gate:used:{1234}; the others take what comes behind the project, too.

sub key {
    my ($kind, %opt) = @_;

    return ($opt{prefix} // 'gate') . ($opt{dry} ? ':dry:' : ':') . $kind
           . ':{' . ($opt{project} // 1234) . '}'
           . (defined $opt{last} ? ":$opt{last}" : '');
}

# --- entries

# The words of a field "copies": { name => "open", or a letter }.

sub _copies {
    my ($text) = @_;

    return map { /^(.*)=([a-z])\d*$/ ? ($1 => $2) : (s/@.*//sr => 'open') }
               split ' ', $text // '';
}

# Fields as Redis has them, and what they say: amount, currency, endpoint,
# window and counted; or undef.

sub _read {
    my ($redis, $key) = @_;

    my $fields = $redis->hash($key);

    return undef if !%$fields;

    my ($amount, $currency, $endpoint, $window)
        = ($fields->{payout} // '') =~ /^(\d+) (\w+) (\S+) (\d+ \d+)$/;

    return { counted => $amount, %$fields, amount => $amount,
             currency => $currency, endpoint => $endpoint, window => $window,
             copies => { _copies($fields->{copies}) } };
}

sub entry {
    my ($redis, $id, %opt) = @_;

    return _read($redis, key('payout', %opt, last => $id));
}

# By payment_id, of one project.

sub entries {
    my ($redis, %opt) = @_;

    my $base = key('payout', %opt, last => '');

    return { map { (substr($_, length $base) => _read($redis, $_)) }
                 grep { index($_, $base) == 0 }
                      @{ $redis->cmd('KEYS', '*payout:*') } };
}

# Names of copies that have not reported.

sub open_copies {
    my ($entry) = @_;

    my $copies = ($entry // {})->{copies} // {};

    my @open = sort grep { $copies->{$_} eq 'open' } keys %$copies;

    # in scalar context their number: sort has none
    return @open;
}

# --- totals

# { hour => "5000/3", ... } of a currency; windows that are over, too, until a
# payout begins new ones.

sub used_all {
    my ($redis, $currency, %opt) = @_;

    my $text = $redis->cmd('HGET', key('used', %opt), $currency) // return {};
    my %used = $text =~ m{ (hour|day|week|month):(\d+/\d+)}g;

    keys %used == WINDOWS or die "totals of $currency: $text\n";

    return \%used;
}

sub used {
    my ($redis, $currency, $window, %opt) = @_;

    return used_all($redis, $currency, %opt)->{$window} // '-';
}

# Totals as somebody would damage or mend them: "5000/3" for each window given.

sub set_used {
    my ($redis, $currency, $windows, %opt) = @_;

    my $text = $redis->cmd('HGET', key('used', %opt), $currency)
               // die "no totals of $currency\n";

    $text =~ s{ \Q$_\E:\d+/\d+}{ $_:$windows->{$_}} or die "no $_ in $text\n"
        for keys %$windows;

    return $redis->cmd('HSET', key('used', %opt), $currency, $text);
}

# --- as blocks of suites tell it

# One line for each entry: its id, state and what is counted; those of a dry
# run begin with "dry".

sub ledger {
    my ($redis, %opt) = @_;

    return join '', map {
        my $dry = $_;
        my $entries = entries($redis, %opt, dry => $dry);

        map {
            my $entry = $entries->{$_};

            ($dry ? 'dry ' : '') . "$_ " . ($entry->{state} // 'void') . ' '
            . ($entry->{counted} // '-') . "\n";
        } sort keys %$entries;
    } 0, 1;
}

# One line for each currency; an asterisk where the windows differ.

sub totals {
    my ($redis, %opt) = @_;

    my %line;

    for my $dry (0, 1) {
        for my $currency (@{ $redis->cmd('HKEYS',
                                         key('used', %opt, dry => $dry)) })
        {
            my $used = used_all($redis, $currency, %opt, dry => $dry);

            $line{ ($dry ? 'dry ' : '') . $currency }
                = join '/', map { my $i = $_;
                                  _common(map { ($_ => (split m{/}, $used->{$_})[$i]) }
                                              keys %$used) } 0, 1;
        }
    }

    return join '', map { "$_ $line{$_}\n" } sort keys %line;
}

sub _common {
    my (%at) = @_;

    my %values = reverse %at;

    return keys %values == 1 ? (keys %values)[0]
        : '*' . join ',', map { "$_=$at{$_}" } sort keys %at;
}

# --- another past

# As if the payout had never been.

sub forget {
    my ($redis, $id, %opt) = @_;

    my $entry = entry($redis, $id, %opt) // return;
    my $used = used_all($redis, $entry->{currency}, %opt);

    for my $sum ($entry->{counted} ? values %$used : ()) {
        my ($amount, $payouts) = split m{/}, $sum;

        $sum = ($amount - $entry->{counted}) . '/' . ($payouts - 1);
    }

    set_used($redis, $entry->{currency}, $used, %opt);
    $redis->cmd('ZREM', key('open', %opt), $id);
    $redis->cmd('DEL', key('payout', %opt, last => $id));

    return;
}

# As if so many seconds had gone by since copies were sent.

sub age {
    my ($redis, $seconds, %opt) = @_;

    for my $id (keys %{ entries($redis, %opt) }) {
        my $key = key('payout', %opt, last => $id);
        my $copies = $redis->cmd('HGET', $key, 'copies') // next;

        $redis->cmd('HSET', $key, 'copies',
                    $copies =~ s/(\@|=l)(\d+)/$1 . ($2 - $seconds)/ger);
    }

    return;
}

# As if the payouts, which are all of their currency, had been made in another
# window, "2026010112 20251229", and nothing since.

sub move_to {
    my ($redis, $window, @ids) = @_;

    for my $id (@ids) {
        my $entry = entry($redis, $id);
        my $text = $redis->cmd('HGET', key('used'), $entry->{currency});

        $redis->cmd('HSET', key('payout', last => $id), 'payout',
                    "$entry->{amount} $entry->{currency} $entry->{endpoint}"
                    . " $window");
        $redis->cmd('HSET', key('used'), $entry->{currency},
                    $text =~ s/till:\d+ window:\d+ \d+/till:0 window:$window/r);
    }

    return;
}

1;
