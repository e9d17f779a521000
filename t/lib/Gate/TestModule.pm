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

use parent 'Gate::Nginx';

use Test::More;

use Gate::Env qw( root scratch write_file read_file wait_until loopback_name
                  certificate );
use Gate::Http;
use Gate::Nginx;

use constant TIMEOUT => 20;

sub new {
    my ($class) = @_;

    my $dir = scratch() . '/nginx';
    my $binary = $ENV{GATE_REDIS_NGINX} // 'nginx';
    my $module = $ENV{GATE_REDIS_NGINX} ? '' : _build();
    my %env = (ASAN_OPTIONS => $ENV{ASAN_OPTIONS} // 'detect_leaks=0',
               UBSAN_OPTIONS => 'print_stacktrace=1');

    chomp($env{LD_PRELOAD} = `gcc -print-file-name=libasan.so`)
        if $module ne '';

    mkdir $dir;

    return $class->SUPER::new(
        dir => $dir, conf => "$dir/nginx.conf", log => "$dir/error.log",
        socket => "$dir/http.sock", binary => $binary, module => $module,
        env => \%env);
}

sub _build {
    # suites may run at the same time
    system('flock', scratch() . '/..', root() . '/util/build', 'redis') == 0
        or die "util/build redis failed\n";

    return root() . '/build/redis/ngx_http_gate_redis_test_module.so';
}

sub _conf {
    my ($self, $redis, %opt) = @_;

    my $load = $self->{module} ? "load_module $self->{module};" : '';
    my $user = Gate::Nginx::user();
    my $temp = Gate::Nginx::temp_paths($self->{dir});
    my ($main, $http) = map { $_ // '' } @opt{qw( main http )};

    return <<"END";
$load
$user
$main
daemon off;
worker_processes $self->{workers};
pid $self->{dir}/nginx.pid;
error_log $self->{log} info;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_timeout 60s;
    $temp
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

sub write {
    my ($self, $redis, %opt) = @_;

    $self->{workers} = $opt{workers} // 1;
    write_file($self->{conf}, $self->_conf($redis, %opt));
    unlink @$self{qw( log out socket )};
}

sub start {
    my ($self, @opt) = @_;

    $self->write(@opt);

    return $self->SUPER::start();
}

# What nginx -t says about the parameters.

sub check {
    my ($self, @opt) = @_;

    $self->write(@opt);
    $self->run('-t');

    return read_file($self->{out});
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

    certificate("$dir/ca", '/CN=ca');
    certificate("$dir/$_", "/CN=$_", by => "$dir/ca",
                names => 'DNS:localhost,DNS:' . loopback_name())
        for qw( server client );
}

1;
