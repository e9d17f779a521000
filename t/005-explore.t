#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# The scripts of the ledger in all orders of small scenarios, in a Redis of
# their own in memory; then random walks through each of them, on that one and
# on a real Redis.  GATE_SEED repeats the walks.  "make explore" goes further.

use strict;
use warnings;

use Test::More;

use lib 't/lib';

use Gate::Env;
use Gate::Redis;

require './t/explore/replay.pl';

my $states = 1500;
my $traces = $ENV{GATE_TRACES} // 12;
my $seed = $ENV{GATE_SEED} // 47;

my $scripts = 'src/ledger/lua';
my @scenarios = split /\n/, `luajit t/explore/main.lua list`;

cmp_ok(scalar @scenarios, '>=', 25, 'scenarios');

my $output = `luajit -joff t/explore/main.lua search $scripts $states`;

is($?, 0, 'what must hold does') or diag($output);

my %explored = $output =~ /^(.+): (\d+) states, /mg;
my $redis = Gate::Redis->run();

for my $name (@scenarios) {
    cmp_ok($explored{$name} // 0, '>=', 100, "$name: states");

    my ($played, $calls, $problem) = replay($redis, $scripts, $name, $traces,
                                            $seed);

    is($problem, undef, "$name: the same in Redis, seed $seed");
    is($played, $traces, "$name: traces");
    cmp_ok($calls, '>=', 3 * $traces, "$name: calls");
}

done_testing();
