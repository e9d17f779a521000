#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# util/demo: what it shows, and what is left up to be tried: at which ports, for
# whose service, and that nothing wipes it.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( root scratch read_file free_port wait_until at_end );
use Gate::Service;

use IO::Socket::INET;
use JSON::PP ();
use Test::More;

my $demo = root() . '/util/demo';
my $dir = scratch() . '/up';

if ($ENV{GATE_STATIC} || $^O ne 'linux') {
    plan skip_all => 'the demo takes a module, and nginx of the system';
}

# Exit code and output.

sub run {
    my ($command, %env) = @_;

    local @ENV{keys %env} = values %env;
    delete local $ENV{SERVICE} if !exists $env{SERVICE};

    my $output = `timeout 120 $command 2>&1 </dev/null`;

    return ($? >> 8, $output);
}

sub get {
    my ($url) = @_;

    return scalar `curl -sS --max-time 10 '$url' 2>&1`;
}

# Processes with the directory in their command line.

sub alive {
    my ($where) = @_;

    my @found;

    for my $file (glob '/proc/[0-9]*/cmdline') {
        open my $fh, '<', $file or next;
        my $line = <$fh> // next;
        push @found, $file =~ /(\d+)/ if CORE::index($line, "$where/") >= 0;
    }

    return @found;
}

shown();
left_up();

done_testing();


sub shown {
    my $here = scratch() . '/shown';
    my ($code, $output) = run("$demo run", DEMO_DIR => $here);

    is($code, 0, 'demo run') or diag($output);

    for my $of (['71234567890', 'the mobile payout'],
                ['pkmawa3khb7wn', 'the token payout'], ['Zm9yZ2Vk', 'forged'])
    {
        my $count = () = $output =~ /$of->[0]/g;
        is($count, 1, "the body is there once: $of->[1]");
    }

    like($output, qr/^ +X-Gate-Source: gateway$/m, 'whose answer it is');
    like($output, qr/^ +\(no X-Gate-Source: this is Gate's answer\)$/m,
         'and whose not');
    like($output, qr/"10105".*\n(?:.*\n){0,6} *10105 is Gate's/,
         '10105 is explained');
    like($output, qr/What to do next:\n +make up.*\n(?:.*\n)*.*quickstart/,
         'what to do next');

    my @curls = $output =~ /\$ (curl .*\\\n.*)$/mg;

    cmp_ok(scalar @curls, '>=', 8, 'lines with curl');

    # the servers are gone, but the line is one, and its file is there
    for my $curl (@curls) {
        my ($status, $errors) = run("bash -c '" . ($curl =~ s/'/'\\''/gr) . "'");
        is($status, 7, 'can be pasted') or diag($curl, $errors);
    }

    is_deeply([alive($here)], [], 'nothing is left running');
}


sub left_up {
    my $held = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "no socket: $!\n";
    my @ports = ($held->sockport(), free_port(), free_port());
    my %env = (DEMO_DIR => $dir, DEMO_PORTS => "@ports");

    at_end(sub { run("$demo down", %env) });

    my ($code, $output) = run("$demo up", %env);

    is($code, 0, 'demo up') or return diag($output);
    unlike($output, qr{http://127\.0\.0\.1:$ports[0]/}, 'not a port in use');
    like($output, qr{curl http://127\.0\.0\.1:$ports[1]/_control/payments},
         'the simulator is where it was wanted');
    like($output, qr{curl http://127\.0\.0\.1:$ports[2]/_control/states},
         'the service, too');

    my $control = "http://127.0.0.1:$ports[1]/_control";
    my ($curl) = $output =~ m{^(curl -i .*?/v2/payment/mobile/payout)$}ms;
    my $answer = `$curl 2>/dev/null`;

    like($answer, qr{^HTTP/1\.1 200 OK}, 'the line with curl works');
    ok(wait_until(20, sub {
        get("http://127.0.0.1:$ports[2]/_control/states")
            =~ /"payment_47": *\[[^\]]*"success"/;
    }), 'the service is told');

    # --- once more

    my @before = sort { $a <=> $b } alive($dir);
    ($code, $output) = run("$demo up", %env);

    is($code, 0, 'up again');
    like($output, qr/is up already/, 'says so');
    is_deeply([sort { $a <=> $b } alive($dir)], \@before,
              'the same processes');
    like(get("$control/payments"), qr/payment_47/, 'with what they had');

    # --- a service of mine

    my $mine = Gate::Service->run();
    my $hook = '127.0.0.1:' . $mine->port();

    for my $wrong ('https://a/', '127.0.0.1:1', 'http://a b/', 'http://',
                   'http://a/;x', 'http://a/|x')
    {
        ($code, $output) = run("$demo up", %env, SERVICE => $wrong);
        is($code, 1, "no service: $wrong");
        like($output, qr{SERVICE is http://HOST}, 'says what it should be');
    }

    ($code, $output) = run("$demo up", %env, SERVICE => "http://$hook/hook?x=1");
    is($code, 0, 'up with a service') or diag($output);
    like($output, qr{Callbacks go to http://\Q$hook\E/hook\?x=1}, 'says so');
    like(get("$control/payments"), qr/payment_47/, 'nothing is wiped');

    # old workers may take the first ones
    my $n = 60;

    ok(wait_until(30, sub {
        my $line = $curl;
        $line =~ s/payment_47/"payment_" . $n++/e;
        $line =~ s/100000/100/;
        `$line 2>/dev/null`;

        return get("http://$hook/_control/received") =~ m{"path": ?"/hook"};
    }), 'callbacks come there');

    # --- the end

    my ($shown) = run("$demo run", DEMO_DIR => scratch() . '/other');
    is($shown, 0, 'a demo besides');
    like(get("$control/payments"), qr/payment_47/, 'does not wipe it');

    ($code) = run("$demo down", %env);
    is($code, 0, 'demo down');
    is_deeply([alive($dir)], [], 'nothing is left');

    # a number that another process has by now
    open my $pids, '>', "$dir/pids" or die "$dir/pids: $!\n";
    print {$pids} "$$\n";
    close $pids;

    ($code) = run("$demo down", %env);
    is($code, 0, 'down, with the number of another process: not its end');
}
