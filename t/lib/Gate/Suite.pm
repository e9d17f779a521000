package Gate::Suite;

# Copyright (C) nginx-gate authors
#
# What Gate::Outbound, Gate::Payouts and Gate::Callbacks have in common: the
# nginx of a suite in blocks, whichever harness has started it; sections with
# defaults; steps, and what must be true at the end of a block.

use strict;
use warnings;

use Exporter 'import';
use Test::More ();

use Gate::Env qw( read_file write_file wait_until );

our @EXPORT_OK = qw(
    slurp log_text log_size new_lines nginx_pid workers workers_are_new workers_are_gone
    by_worker signal_nginx change_conf
    set_sections set_steps is_code options orders holds finish hooks
);

# --- nginx

sub slurp { return read_file($_[0]) // '' }

sub _log { return "$ENV{TEST_NGINX_SERVROOT}/logs/" . ($_[0] // 'error.log') }

sub log_text { return slurp(_log($_[0])) }
sub log_size { return -s _log() // 0 }

# Lines of a log since it had that size, once there are so many.

sub new_lines {
    my ($name, $from, $count) = @_;

    my @lines;

    wait_until(10, sub {
        @lines = split /\n/, substr log_text($name), $from;
        return @lines >= $count && log_text($name) =~ /\n\z/;
    });

    return @lines;
}

sub nginx_pid { return (log_text('nginx.pid') =~ /(\d+)/)[0] // die "no nginx\n" }

# Workers that accept connections, or all of them.

sub workers {
    my ($all) = @_;

    my $pid = nginx_pid();
    my %titles;

    # one that has just been started has its master's name
    wait_until(10, sub {
        %titles = map { $_ => slurp("/proc/$_/cmdline") }
                  split ' ', slurp("/proc/$pid/task/$pid/children");

        return !grep { /master process/ } values %titles;
    });

    return grep {
        $titles{$_} =~ /worker process/
        && ($all || $titles{$_} !~ /shutting down/);
    } sort { $a <=> $b } keys %titles;
}

sub workers_are_new {
    my (@old) = @_;

    my %old = map { $_ => 1 } @old;

    return wait_until(10, sub {
        my @now = workers();
        return @now && !grep { $old{$_} } @now;
    });
}

sub workers_are_gone {
    my (@old) = @_;

    return wait_until(10, sub {
        my %now = map { $_ => 1 } workers('all');
        return !grep { $now{$_} } @old;
    });
}

# Each worker in turn is the only one that can answer: what came of each.

sub by_worker {
    my ($code) = @_;

    my @pids = workers();
    my %got;

    for my $pid (@pids) {
        my @others = grep { $_ != $pid } @pids;

        kill 'STOP', @others;
        wait_until(5, sub {
            !grep { (read_file("/proc/$_/stat") // ') T') !~ /\) T/ } @others
        });
        $got{$pid} = eval { $code->() } // $@;
        kill 'CONT', @others;
    }

    return \%got;
}

# Changes nginx.conf for a reload; the text that was there.

sub change_conf {
    my ($from, $to) = @_;

    my $file = "$ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf";
    my $old = slurp($file);

    die "no $from in nginx.conf\n" if $old !~ $from;
    write_file($file, $old =~ s/$from/$to/r);

    return $old;
}

sub signal_nginx { kill $_[0], nginx_pid() or die "cannot signal: $!\n" }

# --- sections

# Those that a block does not have itself.

sub set_sections {
    my ($block, %values) = @_;

    for my $section (keys %values) {
        $block->set_value($section, $values{$section})
            if !defined $block->$section;
    }
}

# The requests of a block are its steps; Test::Nginx wants one all the same.

sub set_steps {
    my ($block) = @_;

    $block->set_value('config', $block->config . <<'_EOC_');
    location = /done {
        return 200 done;
    }
_EOC_
    set_sections($block, request => 'GET /done', response_body => 'done');
}

# --- steps

# A line with "!" is code of the suite: runs it.

sub is_code {
    my ($name, $line) = @_;

    $line =~ s/^!\s*// or return 0;

    eval "package main; no strict; $line; 1"
        or Test::More::fail("$name: $@");

    return 1;
}

sub options { return map { split /=/, $_, 2 } grep { /=/ } @_ }

# How an upstream is told what to answer.

sub orders {
    my (%orders) = @_;

    return join '; ', map {
        my ($name, $value) = ($_, $orders{$_});

        map { "$name=" . s/([^\w.,: -])/sprintf '%%%02x', ord $1/ger }
            ref $value ? @$value : $value;
    } sort keys %orders;
}

# --- the end of a block

# Waits until Redis holds it: outcomes are told after the answer.

sub holds {
    my ($name, $what, $view, $expected) = @_;

    my $got;

    $expected = join '', map { s/^\s+|\s+$//g; "$_\n" }
                         grep { /\S/ } split /\n/, $expected;

    wait_until(10, sub { ($got = $view->()) eq $expected });

    Test::More::is($got, $expected, "$name: $what");
}

# Compares the views with the sections of their names, and runs "finally".

sub finish {
    my ($block, %views) = @_;

    for my $what (sort keys %views) {
        holds($block->name, $what, $views{$what}, $block->$what)
            if defined $block->$what;
    }

    my $code = $block->finally // return;

    eval { $code->($block); 1 }
        or Test::More::fail($block->name . " - finally: $@");
}

# No secret is in a log, as $find sees it.

sub _check_logs {
    my ($block, $find) = @_;

    return if defined $block->must_die;

    for my $path (glob "$ENV{TEST_NGINX_SERVROOT}/logs/*.log") {
        my $secret = $find->(slurp($path)) // next;

        Test::More::fail($block->name . " - \"$secret\" is in $path");
    }
}

# --- a suite: what is done before, after each answer, with each log

sub hooks {
    my ($defaults, $after, $find) = @_;

    main::repeat_each(2);
    main::no_long_string();

    # prototypes are for calls that are compiled in a suite
    &{ \&main::add_block_preprocessor }($defaults);
    &{ \&main::add_response_body_check }($after);
    &{ \&main::add_test_cleanup_handler }(sub { _check_logs($_[0], $find) })
        if $find;
}

1;
