#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# The Redis scripts of the ledger, without nginx: each promise of their first
# lines, every cell of the tables in doc/ledger.md, the stories in which money
# was lost, then random histories against a Gate.  GATE_SEED repeats a run.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/lua';

use Gate::Env;
use Gate::Redis;
use Ledger;

BEGIN {
    require "./t/lua/$_.pl" for qw( limits copies callbacks tables cases calls
                                 ways bounds random );
}

my $redis = Gate::Redis->run();
my $ledger = Ledger->new($redis, 'src/ledger/lua');

for my $test (limits_tests(), copies_tests(), callbacks_tests(),
              tables_tests(), cases_tests(), calls_tests(), ways_tests(),
              bounds_tests(), random_tests())
{
    my ($name, $code) = @$test;

    $ledger->clear()->at(1795219200)->limits();
    @$ledger{qw( prefix currency offset default )} = ('gate:', 'KZT', 0,
                                                      'deny');
    subtest $name => sub { $code->($ledger, $redis) };
}

done_testing();
