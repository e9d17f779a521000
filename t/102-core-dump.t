#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# A process of nginx that crashes leaves no core file, which would have the
# keys; with "gate_core_dump on" it does, and the key is found there.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Gate::Env qw( scratch read_file wait_child wait_until is_running );
use Gate::Gateway;
use Gate::Outbound ();

my $cores = scratch() . '/cores';

mkdir $cores or die "cannot make $cores: $!\n";
chmod 0777, $cores, scratch();
chdir $cores or die "cannot go to $cores: $!\n";

# of this process and what it starts
system "prlimit --pid $$ --core=unlimited 2>/dev/null";

# --- crashes

sub clear { unlink glob "$cores/*" }

# How a child ends here that has nothing to hide: is there a core file?

sub writes_cores {
    my $pid = fork // die "fork() failed: $!\n";

    exec 'sh', '-c', 'kill -ABRT $$' if !$pid;
    waitpid $pid, 0;

    my $dumped = $? & 128;

    # a core pattern may lead elsewhere
    my $here = glob "$cores/*";

    clear();

    return $dumped && $here;
}

sub gateway {
    my ($name, $dump, $user) = @_;

    clear();

    return Gate::Gateway->new(
        name => $name,
        user => $user // 'root',
        main => "worker_rlimit_core 1g; working_directory $cores;",
        http => ($dump ? "gate_core_dump $dump;\n" : '')
                . "proxy_cache_path $cores/../cache keys_zone=cache:1m;\n"
                . $Gate::Outbound::http_config,
        server => 'location /v2/ { gate_sign kz; proxy_pass http://gate; }',
    )->start();
}

sub dumped {
    my ($gateway, $pid) = @_;

    wait_until(10, sub { $gateway->log_text() =~ / $pid exited on / });

    my ($line) = $gateway->log_text() =~ /( $pid exited on signal .*)/;

    return $line =~ /core dumped/ ? 1 : 0;
}

sub crash_worker {
    my ($gateway) = @_;

    my ($worker) = $gateway->workers();

    kill 'ABRT', $worker;
    $gateway->wait_workers($worker);

    return dumped($gateway, $worker);
}

sub crash_cache_manager {
    my ($gateway) = @_;

    my $manager;
    wait_until(10, sub {
        ($manager) = $gateway->processes(qr/cache manager process/);
    });

    kill 'ABRT', $manager;

    return dumped($gateway, $manager);
}

# What it has started does not end with it.

sub crash_master {
    my ($gateway) = @_;

    my @children = $gateway->processes(qr/^nginx: /);

    $gateway->signal('ABRT');
    my $status = wait_child(delete $gateway->{pid}, 20);

    kill 'KILL', @children;
    ok(wait_until(10, sub { !grep { is_running($_) } @children }),
       'nothing is left of its nginx');

    return $status & 128 ? 1 : 0;
}

# --- what a core file has

sub has_key {
    my $core = join '', map { read_file($_) } glob "$cores/*";

    return scalar grep { index($core, $_) >= 0 }
                       Gate::Outbound::states_of($Gate::Outbound::kz_key);
}

# --- what must be true

sub none {
    my ($name, $dump, $user) = @_;

    my $gateway = gateway($name, $dump, $user);

    is(crash_worker($gateway), 0, "$name: no core of a worker");
    is(crash_cache_manager($gateway), 0, "$name: no core of a cache manager");
    is_deeply([glob "$cores/*"], [], "$name: no file");

    $gateway->reload();
    is(crash_worker($gateway), 0, "$name: nor after a reload");

    is(crash_master($gateway), 0, "$name: no core of the master");
    is_deeply([glob "$cores/*"], [], "$name: no file");

    is($gateway->count_log(qr/"worker_rlimit_core" does nothing without /), 2,
       "$name: what is in vain is said at a start and at a reload");
}

sub some {
    my $gateway = gateway('on', 'on');

    is(crash_worker($gateway), 1, 'on: a core of a worker');
    is(has_key(), 2, 'on: with the keyed states');
    is($gateway->count_log(qr/"worker_rlimit_core" does nothing/), 0,
       'on: nothing is in vain');

    clear();
    is(crash_master($gateway), 1, 'on: a core of the master');
    is(has_key(), 2, 'on: with the keyed states');
}

plan skip_all => 'no core files on this system' if !writes_cores();

none('default');
none('off', 'off');

# nginx itself allows dumps again when it has changed the user
none('user', undef, 'nobody nogroup') if $> == 0;

SKIP: {
    # the sanitizer takes the limit away
    skip 'ASan', 6 if ($ENV{TEST_NGINX_BINARY} // '') =~ /asan/;
    some();
}

clear();
chdir '/';

done_testing();
