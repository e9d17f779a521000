#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# What our own functions cost a request, in instructions, against bench/budgets:
# these do not depend on what else the machine does.  More than 5 % above a
# budget fails; where that is meant, the budget is raised with a reason.

use strict;
use warnings;

use lib 't/lib';

use Cwd ();
use POSIX ();
use Test::More;

use Gate::Env qw( root read_file which );

use constant TOLERANCE => 0.05;

my ($release) = (read_file('/etc/os-release') // '')
                =~ /^VERSION_CODENAME=(\w+)/m;
my $system = ($release // 'unknown') . ' ' . (POSIX::uname())[4];
my $why = unlike_budgets();

plan skip_all => $why if defined $why;

my $output = `'@{[ root() ]}/bench/instructions' --own 2>&1`;

is($?, 0, 'a request is counted in each mode') or diag($output);

my %cost = $output =~ /^(\w+) (\d+)$/mg;
my %budget = budgets($system);

is(join(' ', sort keys %cost), join(' ', sort keys %budget),
    "each mode has a budget for $system");

for my $mode (sort keys %cost) {
    my $budget = $budget{$mode} // next;
    my $change = $cost{$mode} / $budget - 1;
    my $told = sprintf '%s: %d instructions, %+.1f %% of %d', $mode,
                       $cost{$mode}, 100 * $change, $budget;

    cmp_ok($change, '<=', TOLERANCE, $told);

    diag("$told: lower the budget") if $change < -TOLERANCE;
}

done_testing();


# Budgets are of Debian's nginx and of gcc with the flags of util/build.

sub unlike_budgets {
    my $nginx = which('nginx');
    my $module = root() . '/build/ngx_http_gate_module.so';

    return 'valgrind is not installed' if !which('valgrind');
    return 'it needs nginx of the system, and the module' if
        $ENV{GATE_STATIC} || $ENV{GATE_MODULE} || !defined $nginx
        || Cwd::abs_path($nginx) ne Cwd::abs_path($ENV{TEST_NGINX_BINARY})
        || !-e $module;
    return 'the module was not built by gcc' if
        read_file($module) !~ /GCC: \(/ || read_file($module) =~ /clang version/;
    return "bench/budgets has none for $system" if !budgets($system);

    return undef;
}

sub budgets {
    my ($of) = @_;

    my $text = read_file(root() . '/bench/budgets') // '';

    return $text =~ /^\Q$of\E (\w+) (\d+)$/mg;
}
