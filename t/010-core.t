#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# The core library without nginx: C unit tests and a comparison with a second
# implementation on random documents under ASan and UBSan, digests of pairs of
# documents, and the unit tests under valgrind.  GATE_SEED and GATE_DOCUMENTS
# change what is compared.

use strict;
use warnings;

use Fcntl qw(:flock);
use File::Path qw(make_path);
use FindBin;
use Test::More;

use constant DOCUMENTS => 21000;
use constant PAIRS     => 6000;

chdir "$FindBin::Bin/.." or BAIL_OUT("no $FindBin::Bin/..: $!");

my $cc     = $ENV{CC}     || 'gcc';
my $python = $ENV{PYTHON} || '/usr/bin/python3';
my $build  = 'build/unit-' . ($cc =~ s{.*/}{}r =~ s/[^\w.+-]/-/gr);

# any error or leak fails a program

my $leaks    = 'definite,indirect,possible';
my $valgrind = 'valgrind -q --error-exitcode=99 --leak-check=full'
    . " --errors-for-leak-kinds=$leaks --show-leak-kinds=$leaks";

$ENV{PYTHONDONTWRITEBYTECODE} = 1;

make_path($build);

# two runs in one tree share what they build

open my $lock, '>', "$build/lock" or BAIL_OUT("$build/lock: $!");
flock $lock, LOCK_EX or BAIL_OUT("flock: $!");

locale();

make_ok('all') or BAIL_OUT('the core does not build');
flags_ok();

unit_ok($build, 'under ASan and UBSan');
compares_ok('property.py', $ENV{GATE_DOCUMENTS} || DOCUMENTS,
    'documents as the reference has them');
compares_ok('pairs.py', PAIRS,
    'pairs have equal digests where they are equal');

SKIP: {
    skip 'no valgrind', 1 if run('valgrind --version') != 0;
    make_ok('plain');
    unit_ok("$build/plain", 'under valgrind', $valgrind);
}

done_testing();


# Runs a command; returns its exit code and what it printed.

sub run {
    my ($command) = @_;

    my $output = `$command 2>&1`;
    my $code   = $? & 127 ? 128 + ($? & 127) : $? >> 8;

    return wantarray ? ($code, $output) : $code;
}


sub run_ok {
    my ($name, $command) = @_;

    my ($code, $output) = run($command);

    return is($code, 0, $name) || diag($output) && 0;
}


# nginx's own flags, where its configure is told none

sub flags_ok {
    my $flags = '-O -W -Wall -Wpointer-arith -Wno-unused-parameter -Werror -g';

    run_ok("$_ with nginx's flags",
           "$cc -c $flags -Isrc/core -o $build/flags.o $_")
        for glob 'src/core/*.c';
}


sub make_ok {
    my ($target) = @_;

    return run_ok("make $target",
        "make -s -f t/unit/Makefile B=$build CC='$cc' $target");
}


# The unit tests look at numbers where the decimal point is a comma.

sub locale {
    return if !-e '/usr/share/i18n/locales/de_DE';

    make_path("$build/locale");
    $ENV{LOCPATH} = "$build/locale";

    return if -e "$build/locale/de_DE.UTF-8";
    run("localedef -i de_DE -f UTF-8 $build/locale/de_DE.UTF-8");

    return;
}


# Each program prints TAP; one test here is one program there.

sub unit_ok {
    my ($directory, $how, $wrapper) = @_;

    my @programs = grep { -x && !/\.o\z/ } glob "$directory/test_*";
    cmp_ok(scalar @programs, '>=', 8, "programs to run $how");

    for my $program (@programs) {
        my ($name) = $program =~ m{/test_(\w+)\z};
        my ($code, $output) = run(($wrapper // '') . " $program");

        my ($plan)  = $output =~ /^1\.\.(\d+)$/m;
        my $passed  = () = $output =~ /^ok /mg;
        my @skipped = $output =~ /# SKIP (.*)/g;

        note("$name: skipped, $_") for @skipped;

        ok($code == 0 && $plan && $passed == $plan,
            "$name $how: " . ($plan // 'no') . ' tests')
            or diag("exit code $code\n" . $output =~ s/^ok .*\n//mgr);
    }

    return;
}


# A program that looks at so many documents.

sub compares_ok {
    my ($program, $count, $name) = @_;

    my ($code, $output) = run("$python t/unit/$program $build/canon_stdin"
            . " $count " . ($ENV{GATE_SEED} || 1));

    is($code, 0, "$count $name") or diag($output);
    note($output);

    return;
}
