#!/usr/bin/perl

# The simulator of Gate and the example service: runs the Python tests in
# t/sim, one TAP test for each of them.

use strict;
use warnings;

use FindBin;
use Test::More;

my $python = $ENV{PYTHON} || '/usr/bin/python3';

chdir "$FindBin::Bin/sim" or plan skip_all => 't/sim is missing';

open my $run, '-|', "$python -B -W error -m unittest discover -v"
    . " -p 'test_*.py' 2>&1"
    or BAIL_OUT("cannot run $python: $!");

my (@results, @other);

while (my $line = <$run>) {
    chomp $line;

    if ($line =~ /^(test_\w+) \(([\w.]+)\).* \.\.\. (\w+)(.*)$/) {
        push @results, [$2, $3, $4];

    } else {
        push @other, $line;
    }
}

close $run;
my $status = $?;

for my $result (@results) {
    my ($name, $word, $rest) = @$result;

    if ($word eq 'skipped') {
      SKIP: {
            skip "$name:$rest", 1;
        }

        next;
    }

    is($word, 'ok', $name);
}

cmp_ok(scalar @results, '>', 50, 'tests were found');
is($status, 0, 'unittest succeeded') or diag(join "\n", @other);

done_testing();
