package Gate::Harness::Chooser;

# Copyright (C) nginx-gate authors
#
# Runs suites in Test::Nginx's block format where Test::Nginx::Socket itself
# is not installed (it is not in Debian).  Where it is, anywhere else in @INC,
# this file loads it and does nothing more.

use strict;
use warnings;

use Cwd ();
use File::Basename ();

use Gate::Env ();

my $lib = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../..');

sub find_real {
    for my $dir (@INC) {
        next if ref $dir;

        my $file = Cwd::abs_path("$dir/Test/Nginx/Socket.pm") // next;

        return ($dir, $file) if -f $file && $file ne Cwd::abs_path(__FILE__);
    }

    return;
}

sub load_real {
    my ($dir, $file) = @_;

    require lib;
    lib->import($dir);

    $INC{'Test/Nginx/Socket.pm'} = $file;

    do $file // die $@ || "cannot load $file: $!\n";

    require Gate::Harness::Real;
}

my ($dir, $file) = find_real();

if (defined $file) {
    load_real($dir, $file);

} else {
    require Gate::Harness;
}

1;
