package Gate::Harness::Check;

# Copyright (C) nginx-gate authors
#
# The assertions of a block.  How many tests each makes is part of the format:
# suites compute their plan from it.

use strict;
use warnings;

use Test::More ();

use Gate::Env qw( read_file wait_until );
use Gate::Harness::Config;
use Gate::Nginx;

*Set = \%Gate::Harness::Config::Set;
our %Set;

# not every request is in the access log
use constant ACCESS_TIMEOUT => 0.05;

# A failure that is no part of the plan.

sub extra_failure {
    my ($text) = @_;

    chomp $text;
    Test::More->builder->ok(0, $text);
}

# The expectation for one of many requests.

sub _pick {
    my ($ctx, $section) = @_;

    my $value = $ctx->{block}->$section;

    return $value->[$ctx->{index}] if ref $value eq 'ARRAY';

    die "$ctx->{name} - many requests need arrays of expectations\n"
        if $ctx->{many} && defined $value;

    return $value;
}

# --- the answer

sub response {
    my ($ctx, $res) = @_;

    extra_failure("$ctx->{name} - $res->{error}") if defined $res->{error};

    Test::More::is($res->{status}, _pick($ctx, 'error_code') // 200,
                   "$ctx->{name} - status code ok");

    _headers($ctx, $res);
    _body($ctx, $res);
}

# "Name: value" and "! Name"; one name counts once.

sub _headers {
    my ($ctx, $res) = @_;

    my $text = _pick($ctx, 'response_headers');
    my $like = _pick($ctx, 'response_headers_like');
    my %headers = map { /^\s*(!?)\s*([^:]*?)\s*(?::\s*(.*?)\s*)?$/
                        ? ($2 => $1 ? undef : $3) : () }
                      split /\n/, $text // $like // '';

    for my $key (sort keys %headers) {
        my ($got, $value) = ($res->{headers}{lc $key}, $headers{$key});

        !defined $text ? Test::More::like($got // '', qr/^$value$/,
                                          "$ctx->{name} - header $key like ok")
            : defined $value ? Test::More::is($got // '', $value,
                                              "$ctx->{name} - header $key ok")
            : Test::More::is($got, undef,
                             "$ctx->{name} - header $key not present");
    }
}

sub _body {
    my ($ctx, $res) = @_;

    my $name = "$ctx->{name} - response_body";
    my $where = "(repeat $ctx->{repeat}, req $ctx->{index})";

    if (my $filter = $ctx->{block}->response_body_filters) {
        $res->{body} = $filter->($res->{body});
    }

    if (defined $ctx->{block}->response_body) {
        my $expected = _pick($ctx, 'response_body');

        ref $expected
            ? Test::More::like($res->{body}, $expected, "$name - like $where")
            : Test::More::is($res->{body},
                Gate::Nginx::expand($expected, $ctx->{name}),
                "$name - as expected $where");

    } elsif (defined(my $pat = _pick($ctx, 'response_body_like'))) {
        Test::More::like($res->{body}, qr/$pat/s, "${name}_like $where");
    }
}

# --- the error log

sub _patterns {
    my ($section) = @_;

    return ref $section eq 'ARRAY' ? @$section
         : grep { length } ref $section ? $section
                                        : split /\n+/, $section // '';
}

sub _matches {
    my ($line, $pat) = @_;

    return ref $pat ? $line =~ $pat : index($line, $pat) >= 0;
}

# Which of the patterns no line matches.

sub _missing {
    my ($lines, @left) = @_;

    for my $line (@$lines) {
        last if !@left;
        @left = grep { !_matches($line, $_) } @left;
    }

    return @left;
}

my $log_pos = 0;

sub start_of_log { $log_pos = 0 }

# Whole lines that no check has seen yet.

sub _new_lines {
    my $text = substr read_file(Gate::Harness::Config::error_log()) // '',
                      $log_pos;

    return [ $text =~ /^.*\n/mg ];
}

sub requests_logged {
    return (read_file("$Gate::Harness::Config::Root/logs/access.log") // '')
           =~ tr/\n//;
}

# Lines are written after the answer was sent: waits for those that must come.
# For those that must not, waits until the request is in the access log, which
# nginx writes when it is done with it.

sub _wait_for_log {
    my ($ctx, @wanted) = @_;

    my $lines;

    wait_until(ACCESS_TIMEOUT, sub { requests_logged() > $ctx->{logged} })
        if defined $ctx->{logged} && defined $ctx->{block}->no_error_log;

    wait_until($Set{timeout}, sub {
        $lines = _new_lines();
        return !_missing($lines, @wanted);
    });

    return $lines;
}

sub _quote {
    my ($text) = @_;

    chomp $text;

    return '"' . $text =~ s/\n/\\n/gr . '"';
}

sub error_log {
    my ($ctx) = @_;

    my @wanted = _patterns($ctx->{block}->error_log);
    my $lines = _wait_for_log($ctx, @wanted);
    my %missing = map { $_ => 1 } _missing($lines, @wanted);

    for my $pat (@wanted) {
        Test::More::ok(!$missing{$pat}, "$ctx->{name} - error_log - "
            . _quote($pat) . " matches a line (repeat $ctx->{repeat})");
    }

    for my $pat (_patterns($ctx->{block}->no_error_log)) {
        my ($line) = grep { _matches($_, $pat) } @$lines;

        Test::More::ok(!defined $line, "$ctx->{name} - no_error_log - "
            . _quote($pat) . " matches no line (repeat $ctx->{repeat})")
            or Test::More::diag('but ' . _quote($line));
    }

    $log_pos += length $_ for @$lines;
}

# Whether a block says that it will find the line in the error log.

sub is_expected {
    my ($block, $line) = @_;

    return grep { _matches($line, $_) } _patterns($block->error_log);
}

1;
