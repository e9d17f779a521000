#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Every fuzz target on its corpus, under ASan and UBSan.  The fuzzing itself is
# "make fuzz".

use strict;
use warnings;

use FindBin;
use Test::More;

chdir "$FindBin::Bin/.." or BAIL_OUT("no $FindBin::Bin/..: $!");

my $python  = $ENV{PYTHON} || '/usr/bin/python3';
my @targets = split ' ', `$python t/fuzz/run targets`;

cmp_ok(scalar @targets, '>=', 3, 'targets');

for my $target (@targets) {
    my $output = `$python t/fuzz/run replay $target 2>&1`;

    if ($output =~ /^not run: (.*)$/m) {
      SKIP: { skip "$target: $1", 2 }
        next;
    }

    is($?, 0, "$target: nothing broken") or diag($output);

    my ($inputs) = $output =~ /^$target: (\d+) inputs$/m;
    cmp_ok($inputs // 0, '>=', 20, "$target: its corpus was read");
}

done_testing();
