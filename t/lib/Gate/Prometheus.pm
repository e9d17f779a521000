package Gate::Prometheus;

# Copyright (C) nginx-gate authors
#
# Reads the text format of Prometheus, and dies for whatever a scraper or
# "promtool check metrics" would mind:
#
#     my $metrics = Gate::Prometheus::parse($text);
#     $metrics->{series}{'gate_x_total{a="1",b="2"}'}   # labels are sorted
#     $metrics->{type}{gate_x_total}

use strict;
use warnings;

my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label = qr/[a-zA-Z_][a-zA-Z0-9_]*/;
my $value = qr/(?:[^"\\\n]|\\["\\n])*/;
my $number = qr/[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Inf|NaN)/;

sub parse {
    my ($text) = @_;

    my $self = { series => {}, type => {}, help => {}, family => '' };

    die "no newline at the end\n" if $text !~ /\n\z/;

    for my $line (split /\n/, $text, -1) {
        $line =~ /^# HELP ($name) (\S.*)$/ ? _help($self, $1, $2)
            : $line =~ /^# TYPE ($name) (counter|gauge|histogram)$/
                                           ? _type($self, $1, $2)
            : $line ne ''                  ? _sample($self, $line)
            :                                next;
    }

    die "empty lines\n" if $text =~ /\n\n|^\n/;

    _check_name($_, $self->{type}{$_}) for keys %{ $self->{type} };
    _check_histogram($self, $_)
        for grep { $self->{type}{$_} eq 'histogram' } keys %{ $self->{type} };

    return $self;
}

sub _help {
    my ($self, $family, $text) = @_;

    die "second HELP of $family\n" if defined $self->{help}{$family};
    die "HELP of $family has bad escapes\n" if $text =~ /\\(?![\\n])/;

    $self->{help}{$family} = $text;
    $self->{family} = $family;
}

sub _type {
    my ($self, $family, $type) = @_;

    die "second TYPE of $family\n" if defined $self->{type}{$family};
    die "TYPE of $family does not follow its HELP\n"
        if $self->{family} ne $family;

    $self->{type}{$family} = $type;
}

sub _check_name {
    my ($family, $type) = @_;

    die "$family: a counter ends in _total\n"
        if ($type eq 'counter') != ($family =~ /_total$/);
    die "$family: a reserved end\n" if $family =~ /_(?:bucket|sum|count)$/;
    die "$family: units are base units\n"
        if $family =~ /_(?:milliseconds|minutes|ms|usec)\b/;
}

sub _sample {
    my ($self, $line) = @_;

    my ($metric, $labels, $number)
        = $line =~ /^($name)(?:\{($label="$value"(?:,$label="$value")*)\})? ($number)$/
        or die "bad line: $line\n";

    my $family = $self->{family};
    my $type = $self->{type}{$family} // '';
    my $ends = $type eq 'histogram' ? qr/_(?:bucket|sum|count)/ : qr//;

    die "$metric is not of the family $family\n"
        if $metric !~ /^\Q$family\E$ends$/;

    my @pairs = defined $labels ? $labels =~ /($label="$value")/g : ();
    my %names = map { (/^([^=]+)/)[0] => 1 } @pairs;

    die "a label twice: $line\n" if keys %names != @pairs;

    my $series = @pairs ? "$metric\{" . join(',', sort @pairs) . '}'
                        : $metric;

    die "a series twice: $series\n" if exists $self->{series}{$series};
    die "a counter below 0: $line\n" if $type ne 'gauge' && $number =~ /^-/;

    $self->{series}{$series} = $number;
    push @{ $self->{order}{$family} }, $series;
}

sub _check_histogram {
    my ($self, $family) = @_;

    my ($bound, $count) = (-1, 0);
    my $series = $self->{series};

    for my $bucket (grep { /_bucket\{/ } @{ $self->{order}{$family} }) {
        my ($le) = $bucket =~ /\ble="([^"]*)"/
            or die "$bucket has no le\n";

        die "$bucket after +Inf\n" if $bound eq 'inf';
        die "$bucket: not a number\n" if $le ne '+Inf' && $le !~ /^$number$/;
        die "$bucket: bounds do not grow\n" if $le ne '+Inf' && $le <= $bound;
        die "$bucket: counts fall\n" if $series->{$bucket} < $count;

        $bound = $le eq '+Inf' ? 'inf' : $le;
        $count = $series->{$bucket};
    }

    die "$family has no +Inf\n" if $bound ne 'inf';
    die "$family: _count is not that of +Inf\n"
        if $series->{"${family}_count"} != $count;
    die "$family has no _sum\n" if !defined $series->{"${family}_sum"};
}

1;
