package Gate::TestModule;

# Copyright (C) nginx-gate authors
#
# nginx with t/redis, the Redis connection in a module of its own.
#
#     my $nginx = Gate::TestModule->new();
#     $nginx->start("unix:$socket timeout=200ms");
#     $nginx->get('arg=PING')
#
# The module is built with sanitizers and loaded into the nginx of the system
# with libasan preloaded; GATE_REDIS_NGINX names an nginx that has the module
# in it instead.

use strict;
use warnings;

use Test::More;

use Gate::Env qw( root scratch write_file read_file spawn wait_until
                  wait_child stop_child at_end which loopback_name );
use Gate::Http;

use constant TIMEOUT => 20;

sub new {
    my ($class) = @_;

    my $self = bless {
        dir    => scratch() . '/nginx',
        binary => $ENV{GATE_REDIS_NGINX},
        env    => { ASAN_OPTIONS => $ENV{ASAN_OPTIONS} // 'detect_leaks=0',
                    UBSAN_OPTIONS => 'print_stacktrace=1' },
    }, $class;

    mkdir "$self->{dir}";
    $self->{socket} = "$self->{dir}/http.sock";
    $self->{log} = "$self->{dir}/error.log";

    $self->_build() if !$self->{binary};

    at_end(sub { stop_child($self->{pid}, 'TERM') if $self->{pid} });

    return $self;
}

sub _build {
    my ($self) = @_;

    my $build = root() . '/util/build-redis-test';

    # suites may run at the same time
    system('flock', scratch() . '/..', $build, 'preload') == 0
        or die "$build failed\n";

    chomp(my $asan = `gcc -print-file-name=libasan.so`);

    $self->{module} = root() . '/build/redis-test/preload/'
                      . 'ngx_http_gate_redis_test_module.so';
    $self->{env}{LD_PRELOAD} = $asan;
    $self->{binary} = which('nginx') // die "no nginx\n";
}

sub _conf {
    my ($self, $redis, %opt) = @_;

    my $load = $self->{module} ? "load_module $self->{module};" : '';
    my $main = $opt{main} // '';

    $main .= ' user root;' if $> == 0;

    my $http = $opt{http} // '';
    my $workers = $opt{workers} // 1;

    return <<"END";
$load
$main
daemon off;
worker_processes $workers;
pid $self->{dir}/nginx.pid;
error_log $self->{log} info;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_timeout 60s;
    client_body_temp_path $self->{dir}/body;
    proxy_temp_path $self->{dir}/proxy;
    fastcgi_temp_path $self->{dir}/fastcgi;
    uwsgi_temp_path $self->{dir}/uwsgi;
    scgi_temp_path $self->{dir}/scgi;
    gate_redis $redis;
    $http
    server {
        listen unix:$self->{socket};
        location / { gate_redis_test; }
        location = /status { gate_redis_test_status; }
    }
}
END
}

sub _command {
    my ($self) = @_;

    return ($self->{binary}, '-p', "$self->{dir}/", '-e', $self->{log},
            '-c', "$self->{dir}/nginx.conf");
}

sub start {
    my ($self, $redis, %opt) = @_;

    $self->write($redis, %opt);

    unlink $self->{log}, $self->{socket}, "$self->{dir}/nginx.pid";
    unlink "$self->{dir}/out";

    $self->{pid} = spawn([$self->_command()], env => $self->{env},
                         out => "$self->{dir}/out", death_signal => 'TERM');

    wait_until(TIMEOUT, sub { $self->workers() == ($opt{workers} // 1) })
        or die "nginx did not start\n" . $self->log_text();

    return $self;
}

sub write {
    my ($self, $redis, %opt) = @_;

    write_file("$self->{dir}/nginx.conf", $self->_conf($redis, %opt));
}

# What nginx -t says about the parameters.

sub check {
    my ($self, $redis, %opt) = @_;

    $self->write($redis, %opt);

    unlink $self->{log};
    unlink "$self->{dir}/out";

    my $pid = spawn([$self->_command(), '-t'], env => $self->{env},
                    out => "$self->{dir}/out");
    wait_child($pid, TIMEOUT);

    return read_file("$self->{dir}/out");
}

sub workers {
    my ($self) = @_;

    my $text = read_file("/proc/$self->{pid}/task/$self->{pid}/children");

    return grep { (read_file("/proc/$_/cmdline") // '')
                  =~ /worker process(?! is shutting)/ }
           split ' ', $text // '';
}

sub signal {
    my ($self, $signal) = @_;

    kill $signal, $self->{pid};
}

# Waits for the end of nginx and checks that it was a good one.

sub ended {
    my ($self, $name) = @_;

    my $pid = delete $self->{pid};
    my $status = wait_child($pid, TIMEOUT);

    stop_child($pid, 'KILL') if !defined $status;

    is($status, 0, "$name: nginx ends");
    $self->clean($name);
}

sub quit {
    my ($self, $name) = @_;

    $self->signal('QUIT');
    $self->ended($name);
}

sub clean {
    my ($self, $name) = @_;

    my $text = $self->log_text() . (read_file("$self->{dir}/out") // '');
    my @bad = grep { /\[(?:alert|emerg|crit)\]|Sanitizer|runtime error/ }
              split /^/, $text;

    ok(!@bad, "$name: no alert, nothing of a sanitizer") or diag($text);
}

sub log_text { return read_file($_[0]{log}) // '' }

sub wait_log {
    my ($self, $pattern, $name) = @_;

    my $found = wait_until(TIMEOUT, sub { $self->log_text() =~ $pattern });

    ok($found, $name) or diag($self->log_text());
}

sub count_log {
    my ($self, $pattern) = @_;

    return scalar(() = $self->log_text() =~ /$pattern/g);
}

# --- requests

sub query {
    my ($self, $args, %opt) = @_;

    return { to => $self->{socket}, uri => "/?$args", timeout => TIMEOUT,
             %opt };
}

sub get {
    my ($self, $args) = @_;

    return Gate::Http::request(%{ $self->query($args) })->{body};
}

sub status {
    my ($self) = @_;

    my $res = Gate::Http::request(to => $self->{socket}, uri => '/status');

    return { $res->{body} =~ /^(\w+) (\d+)$/mg };
}

sub wait_status {
    my ($self, $key, $value, $name) = @_;

    my $got;

    wait_until(TIMEOUT, sub { ($got = $self->status()->{$key}) == $value });

    is($got, $value, $name);
}

# --- TLS to Redis

sub hiredis_has_tls { return -e '/usr/include/hiredis/hiredis_ssl.h' }

# --- certificates of a CA, a server and a client, in the scratch directory

sub certificates {
    my $dir = scratch();
    my @new = ('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
               'ec_paramgen_curve:P-256', '-nodes', '-days', 2);

    my $run = sub {
        system("@_ >$dir/openssl.log 2>&1") == 0 or die "@_ failed\n";
    };

    $run->(@new, '-subj', '/CN=ca', '-keyout', "$dir/ca.key",
           '-out', "$dir/ca.pem");

    for my $name ('server', 'client') {
        $run->(@new, '-subj', "/CN=$name", '-addext',
               "subjectAltName=DNS:@{[ loopback_name() ]}", '-CA', "$dir/ca.pem",
               '-CAkey', "$dir/ca.key", '-keyout', "$dir/$name.key",
               '-out', "$dir/$name.pem");
    }
}

1;
