#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# What is around the module: docker-compose.yml, the configuration of its
# gateway, and whether they agree; the rules for Prometheus, "make install",
# the Debian package.  The package itself is built and tried by util/compat.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Find qw(find);
use FindBin;
use JSON::PP ();
use Test::More;

use lib "$FindBin::Bin/lib";

use Gate::Env qw( root scratch read_file write_file certificate
                  output );
use Gate::Nginx;

chdir "$FindBin::Bin/.." or BAIL_OUT("no $FindBin::Bin/..: $!");

my $dir = scratch();
my $compose = yaml('docker-compose.yml');
my $services = $compose->{services};
my $conf = gateway_conf();

starts($conf);
compose();
context();
ports();
keys_of_projects();
socket_of_redis();
names();
files();
instructions();
alerts();
install();
debian();

done_testing();


sub contents { return read_file(root() . "/$_[0]") // die "no $_[0]\n" }

sub yaml {
    my ($path) = @_;

    my ($status, $json) = output('/usr/bin/python3', '-c', <<'END', $path);
import json, sys, yaml
json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)
END

    return $status == 0 ? JSON::PP::decode_json($json) : BAIL_OUT($json);
}


# --- containers

sub compose {
    is_deeply([sort keys %$services],
        [qw( certificates gate gateway limits redis service )], 'services');

    for my $name (sort keys %$services) {
        hardened($name, $services->{$name});
        refers($name, $services->{$name});
        settles($name, $services->{$name});
    }

    my @published = grep { $services->{$_}{ports} } sort keys %$services;
    is_deeply(\@published, ['gateway'], 'only the gateway is published');

    my @open = grep { !$compose->{networks}{$_}{internal} }
               sort keys %{ $compose->{networks} };
    is_deeply(\@open, ['outside'], 'one network has a way out');

    my @outside = grep { ref $services->{$_}{networks} eq 'HASH'
                         && exists $services->{$_}{networks}{outside} }
                  sort keys %$services;
    is_deeply(\@outside, ['gateway'], 'and only the gateway is in it');

    my $redis = join ' ', @{ $services->{redis}{command} };
    like($redis, qr/--appendonly yes/, 'redis keeps what it is told');
    like($redis, qr/--maxmemory-policy noeviction/, 'redis evicts nothing');
    like("@{ $services->{limits}{command} }", qr/^sh -ec .*redis-cli -e /s,
        'limits that Redis refuses stop the start');
    ok($services->{redis}{healthcheck}, 'health of redis');

    for my $name (qw( gate service )) {
        ok($services->{$name}{healthcheck}, "health of the $name");
    }

    like(contents('docker/Dockerfile'), qr/^HEALTHCHECK .*"healthy"\]$/m,
        'health of the gateway');
}

sub hardened {
    my ($name, $service) = @_;

    ok($service->{read_only}, "$name: read-only root");
    is_deeply($service->{cap_drop}, ['ALL'], "$name: no capabilities");
    is_deeply($service->{security_opt}, ['no-new-privileges:true'],
        "$name: no new privileges");
    ok(!$service->{privileged} && !$service->{cap_add}, "$name: unprivileged");

    my $user = $service->{user} // instruction($service, 'USER');
    like($user, qr/^(?!0)\d+:(?!0)\d+$/, "$name: not run as root");
}

# of the Dockerfile, in the stage that the service is built from

sub instruction {
    my ($service, $name) = @_;

    my $from = "FROM debian:bookworm-slim AS $service->{build}{target}";
    my ($stage) = contents('docker/Dockerfile')
                  =~ /^\Q$from\E\n(.*?)(?=^FROM|\z)/ms;
    my ($value) = ($stage // '') =~ /^$name (.+)$/m;

    return $value // 'none';
}

# whatever a service names is defined, and is there

sub refers {
    my ($name, $service) = @_;

    my @missing;

    push @missing, grep { !$services->{$_} }
                   keys %{ $service->{depends_on} // {} };

    for my $secret (@{ $service->{secrets} // [] }) {
        my $file = ($compose->{secrets}{$secret} // {})->{file} // '';
        push @missing, $secret if !-s $file;
    }

    for my $volume (@{ $service->{volumes} // [] }) {
        my ($source) = split /:/, $volume;
        push @missing, $source if !exists $compose->{volumes}{$source};
    }

    push @missing, grep { !exists $compose->{networks}{$_} }
                   networks($service);

    is("@missing", '', "$name: all that it names is there");
}

sub networks {
    my ($service) = @_;

    my $networks = $service->{networks} // [];

    return ref $networks eq 'HASH' ? sort keys %$networks : @$networks;
}

# a key in an image, or in its history, is a key of everybody

sub context {
    my %ignored = map { $_ => 1 } split /\n/, contents('.dockerignore');
    my @sent = grep { !$ignored{dirname($_)} }
               map { $_->{file} } values %{ $compose->{secrets} };

    is("@sent", '', 'no key is sent to who builds images');
}

# "up --build --wait" has to come to its end, on a machine without images, too

sub settles {
    my ($name, $service) = @_;

    ok(!$service->{build} || !$service->{image},
        "$name: no name that is built twice at once, or pulled");

    my @conditions = map { ($_->{depends_on}{$name} // {})->{condition} // () }
                     values %$services;

    ok($service->{restart}
       || grep({ $_ eq 'service_completed_successfully' } @conditions),
       "$name: goes on, or is waited for until it is done");
}


# --- whether the containers and the configuration of the gateway agree

# all values of an option of a service's command

sub option {
    my ($name, $option) = @_;

    my $command = join ' ', @{ $services->{$name}{command} };

    return $command =~ /(?:^| )\Q$option\E[ =](\S+)/g;
}

sub ports {
    my @listen = sort $conf =~ /^ +listen +(\d+)[; ]/mg;

    is("@listen", '8080 8443', 'the gateway listens');
    is(instruction($services->{gateway}, 'EXPOSE'), "@listen",
        'as EXPOSE says');
    is("@{ $services->{gateway}{ports} }",
        join(' ', map { "127.0.0.1:$_:$_" } @listen),
        'and as is published, for this machine alone');

    my ($address, $path) = contents('docker/healthy')
                           =~ m{/dev/tcp/(\S+)\n.*GET (\S+) HTTP}s;
    $address =~ tr{/}{:};

    my $server = qr/\n    server \{\n +listen +\Q$address\E;\n/;
    my $location = qr/ location = \Q$path\E \{\n +return 204;/;

    like($conf, qr/$server[^}]*$location/, 'its health can be seen');

    my $subnet = $compose->{networks}{internet}{ipam}{config}[0]{subnet};

    like($conf, qr/\n +listen 8080;\n +deny +\Q$subnet\E;\n/,
        'no payouts from the network of Gate');
    like($conf, qr/\n +allow \Q$subnet\E; *\n +deny +all;\n/,
        'callbacks from there, and from nowhere else');
}

sub keys_of_projects {
    my %project = $conf =~ /^\s*gate_project\ \w+\ \{
                            \s+id\s+(\d+);\s+secret_file\s+(\S+);/xmg;
    my %known = map { split /=/ } option('gate', '--project');
    my @secrets = map { m{^/run/secrets/(.+)} } values %project;

    is(scalar @secrets, 2, 'keys of projects are secrets');
    is_deeply(\%known, \%project, 'Gate has the same projects and keys');

    for my $name (qw( gate gateway )) {
        is_deeply([sort @{ $services->{$name}{secrets} }], [sort @secrets],
            "the $name is given them");
    }
}

sub socket_of_redis {
    my ($socket) = option('redis', '--unixsocket');
    my $owner = $compose->{volumes}{'redis-socket'}{driver_opts}{o};
    my ($gid) = $owner =~ /\bgid=(\d+)/;

    like($conf, qr/^ +gate_redis +unix:\Q$socket\E /m, 'socket of Redis');
    is($services->{redis}{user}, join(':', $owner =~ /\b[ug]id=(\d+)/g),
        'its directory is of Redis');
    like($owner, qr/\bmode=0750$/, 'which alone can write to it');
    is("@{ $services->{gateway}{group_add} }", $gid,
        'and which the gateway can enter');

    for my $name (qw( redis limits gateway )) {
        my $mount = 'redis-socket:' . dirname($socket);
        $mount .= ':ro' if $name ne 'redis';

        ok(grep({ $_ eq $mount } @{ $services->{$name}{volumes} }),
            "$name: $mount");
    }
}

# whoever connects to a name finds somebody who listens, in a network that both
# are in, and with a certificate of that name

sub names {
    my %certificate = reverse contents('docker/certificates')
                              =~ /^certificate (\w+) ([\w.]+)$/mg;

    my ($url) = option('gate', '--callback-url');
    my ($name, $port, $path) = $url =~ m{^https://([^:/]+):(\d+)(/.*)$};

    is($certificate{$name}, 'gateway', "certificate of $name");
    is(reached('gate', $name), 'gateway', "Gate reaches $name");
    like($conf, qr/^ +listen +$port ssl;\n +server_name +\Q$name\E;/m,
        "which listens to $port");
    like($conf, qr/^ +location = \Q$path\E \{$/m, "and has $path");

    ($name, $port) = $conf =~ /^ +set \$gate_address +(\S+):(\d+);/m;

    is($certificate{$name}, 'gate', "certificate of $name");
    is(reached('gateway', $name), 'gate', "the gateway reaches $name");
    is((option('gate', '--listen'))[0], "0.0.0.0:$port",
        "which listens to $port");

    ($name, $port) = $conf =~ /^ +server +([a-z]+):(\d+);/m;

    is(reached('gateway', $name), 'service', "the gateway reaches $name");
    is((option('service', '--listen'))[0], "0.0.0.0:$port",
        "which listens to $port");
    is(reached('gate', $name), '', "Gate does not reach $name");
}

# the services that a name in the networks of another one leads to

sub reached {
    my ($from, $name) = @_;

    my @found;

    for my $network (networks($services->{$from})) {
        for my $to (sort keys %$services) {
            next if !grep { $_ eq $network } networks($services->{$to});

            push @found, $to if grep { $_ eq $name }
                                     $to, aliases($services->{$to}, $network);
        }
    }

    return "@found";
}

sub aliases {
    my ($service, $network) = @_;

    return () if ref $service->{networks} ne 'HASH';
    return @{ $service->{networks}{$network}{aliases} // [] };
}

# the root is read-only

sub files {
    my $gateway = $services->{gateway};
    my %tmpfs = map { (split /:/)[0, 1] } @{ $gateway->{tmpfs} };
    my ($resolver) = contents('docker/gateway') =~ m{ >(/\S+)$}m;
    my ($pid) = $conf =~ /^pid +(\S+);$/m;

    for my $path ($resolver, $pid) {
        ok($tmpfs{dirname($path)}, "$path can be written");
    }

    like($conf, qr/^ +include +\Q$resolver\E;$/m, 'resolvers are included');

    ok(grep({ $_ eq 'gateway-tls:/etc/nginx/tls:ro' } @{ $gateway->{volumes} }),
        'certificates of the gateway');
    is(join(' ', sort $conf =~ m{ tls/([\w.]+);$}mg),
        'ca.crt gateway.crt gateway.key', 'all that are there');
}

# what doc/install.md and docker-compose.yml tell to type

sub instructions {
    my ($install) = contents('doc/install.md')
                    =~ /^### Containers\n(.*?)^## /ms;
    my ($head) = contents('docker-compose.yml') =~ /\A((?:#.*\n)+)/;
    my @payouts;

    $head =~ s/^# ?//mg;

    for my $text ($install, $head) {
        push @payouts, $text =~ /^ *(curl -H .*?' \S+)$/ms;

        my ($port) = $payouts[-1] =~ m{ http://127\.0\.0\.1:(\d+)/v2/};
        my @looks = $text =~ m{exec (\w+) curl -s http://127\.0\.0\.1:(\d+)/}g;

        like($conf, qr/^ +listen $port;$/m, 'a payout is sent to the gateway');
        is(scalar @looks, 4, 'two looks at what became of it');

        while (my ($name, $inside) = splice @looks, 0, 2) {
            like("@{ $services->{$name}{command} }", qr/:$inside\b/,
                "$name listens to $inside");
        }
    }

    s/^ +//mg for @payouts;
    is($payouts[0], $payouts[1], 'it is the same payout');

    my ($socket) = option('redis', '--unixsocket');

    like($install, qr/exec redis redis-cli -s \Q$socket\E HGETALL /,
        'and a look at the ledger');
}


# --- configuration of the gateway

# each line of the sed script has found what it changes in conf.example

sub gateway_conf {
    my ($status, $conf) = output('sed', '-f', 'docker/nginx.sed', 'conf.example');

    is($status, 0, 'docker/nginx.sed');

    for my $line (
        'error_log        stderr notice;',
        'pid              /var/lib/nginx/nginx.pid;',
        'access_log /dev/stdout gate;',
        'include          /var/lib/nginx/resolver.conf;',
        'listen 8080;',
        'deny   203.0.113.0/24;',
        'listen      8443 ssl;',
        'listen     127.0.0.1:8081;',
        'set $gate_address api.example.com:8443;',
        'proxy_ssl_trusted_certificate tls/ca.crt;',
        'server    service:9000;',
        map({ ("/run/secrets/$_.key;") } qw( kz cards )))
    {
        my $n = () = $conf =~ /^[^#\n]*\Q$line\E(?: *#.*)?$/mg;
        is($n, 1, "the gateway has $line");
    }

    my $code = $conf =~ s/#.*//gr;
    unlike($code, qr{^\s*resolver\s|:443\b|\s443\b|/etc/|/var/log/
                    |127\.0\.0\.1:(?!8081)|^user\s}mx,
        'and nothing of what is not in its container');

    return $conf;
}

# what is different here: paths, sockets, the name of the service

sub starts {
    my ($conf) = @_;

    my $load = Gate::Nginx::load_modules();
    my $temp = Gate::Nginx::temp_paths($dir);
    my $n = 0;

    $conf =~ s/^load_module .*/$load/m;
    $conf =~ s/^http \{$/http {\n$temp/m;
    $conf =~ s{/run/secrets/|/var/lib/nginx/}{$dir/}g;
    $conf =~ s{ tls/}{ $dir/}g;
    $conf =~ s/service:9000/127.0.0.1:9/;
    $conf =~ s{(listen\s+)[\d.:]+}{$1 . "unix:$dir/" . $n++ . '.sock'}ge;

    write_file("nginx.conf", $conf);
    write_file("resolver.conf", "resolver 127.0.0.1;\n");
    write_file("$_.key", contents("docker/secrets/$_.key")) for qw( kz cards );

    ok(eval { certificate("$dir/gateway", '/CN=gateway.example.com'); 1 },
        'certificate') or diag $@;
    write_file("ca.crt", read_file('gateway.crt'));

    my ($status, $out) = output($ENV{TEST_NGINX_BINARY}, '-t', '-e', 'stderr',
        '-c', "$dir/nginx.conf");
    is($status, 0, 'nginx -t with the configuration of the gateway')
        or diag $out;
}


# --- Prometheus

# a rule with a name that nginx never tells is silent for ever

sub alerts {
    my @rules = map { @{ $_->{rules} } } @{ yaml('doc/alerts.yml')->{groups} };
    my $page = join '', map { contents($_) }
                        glob 'src/{redis,http}/*{redis,metrics,metrics_page}.[ch]';
    my %result = map { $_ => 1 }
        contents('src/http/ngx_http_gate_result.h') =~ /X\(\w+, \w+, "(\w+)"/g;

    cmp_ok(scalar @rules, '>', 10, 'rules for Prometheus');

    my %recorded = map { ($_->{record} // '') => 1 } @rules;

    for my $rule (@rules) {
        my $name = $rule->{alert} // $rule->{record};
        my @unknown = grep { my $metric = s/_bucket$//r; $page !~ /"$metric"/ }
                      ($rule->{expr} =~ s/"[^"]*"//gr) =~ /\b(gate_\w+)/g;
        push @unknown, grep { !$recorded{$_} }
                       $rule->{expr} =~ /\b(gate:[\w:]+)/g;

        for my $words ($rule->{expr} =~ /result=~?"([^"]+)"/g) {
            push @unknown, grep {
                my $word = $_;
                !grep { /^(?:$word)$/ } keys %result;
            } split /\|/, $words;
        }

        is("@unknown", '', "$name: all that it looks at is there");

        next if !$rule->{alert};

        my ($file, $part) = split /#/, $rule->{annotations}{runbook} // '';
        my @titles = map { lc =~ s/[^\w\- ]//gr =~ tr/ /-/r }
                     (-f $file ? contents($file) : '') =~ /^#+ (.+)$/mg;

        ok(grep({ $_ eq $part } @titles), "$name: its runbook is there");
    }

    SKIP: {
        my ($there) = output('promtool', '--version');
        skip('no promtool here (Debian: prometheus)', 1) if $there != 0;

        my ($status, $out) = output(qw( promtool test rules ),
                                 glob 't/data/alerts*.yml');
        is($status, 0, 'the rules fire when they should') or diag $out;
    }
}


# --- installation

sub install {
    my $root = "$dir/root";
    my ($status, $out) = output('make', '-s', '-o', 'all', 'install',
        "DESTDIR=$root", 'PREFIX=/opt/gate', 'MODULES_DIR=/opt/modules');

    is($status, 0, 'make install') or diag $out;

    my %mode;
    find({ no_chdir => 1, wanted => sub {
        $mode{s/^\Q$root\E//r} = sprintf('%o', (stat)[2] & 07777) if -f;
    } }, $root);

    is_deeply(\%mode, {
        '/opt/gate/bin/gatesig' => '755',
        '/opt/gate/share/man/man1/gatesig.1' => '644',
        '/opt/gate/share/man/man5/ngx_http_gate_module.5' => '644',
        '/opt/modules/ngx_http_gate_module.so' => '644',
        map { ("/opt/gate/share/nginx-gate/$_.lua" => '644') }
            qw( mark outcome reserve settle status ),
    }, 'DESTDIR, PREFIX and MODULES_DIR are honored');

    for my $file (glob "$root/opt/gate/share/nginx-gate/*.lua") {
        my $lua = read_file($file);

        unlike($lua, qr/\@include/, "$file: nothing is missing");
        like($lua, qr/^local function used_read\(/m, "$file: its parts")
            if $file !~ m{/mark\.lua$};
    }
}

sub debian {
    my ($debian) = contents('debian/changelog') =~ /^nginx-gate \(([^)]+)\)/;
    my ($ours) = contents('CHANGES.md') =~ /^## (\d[\d.]*)/m;

    is($debian, $ours, 'versions of the package and of CHANGES.md');

    for my $list (glob 'debian/libnginx-mod-http-gate.*') {
        my @missing = grep { !glob_exists($_) }
                      map { (split)[0] } split /\n/, contents($list);

        is("@missing", '', "$list: all files are there");
    }
}

sub glob_exists {
    my ($pattern) = @_;

    my @files = grep { -e } glob $pattern;

    return @files > 0;
}
