package Gate::Gateway;

# Copyright (C) nginx-gate authors
#
# nginx with the module, for suites that kill it, or need more than one:
#
#     my $gw = Gate::Gateway->new(name => 'a', workers => 2,
#                                 http => $http, server => $server);
#     $gw->start();
#     Gate::Http::post('/v2/...', $body, to => $gw->socket_path());
#     $gw->quit('name of the test');
#
# It listens on a unix socket and on a port that the kernel chose, and at
# h2_path() for HTTP/2.  http and server are configuration; $TEST_NGINX_* is
# expanded there.

use strict;
use warnings;

use parent 'Gate::Nginx';

use Gate::Env qw( scratch free_port write_file );

sub new {
    my ($class, %opt) = @_;

    my $name = $opt{name} // 'gateway';
    my $dir = scratch() . "/$name";

    mkdir $dir, 0755 or -d $dir or die "cannot make $dir: $!\n";
    mkdir "$dir/html", 0755;

    return $class->SUPER::new(
        user => 'root', level => 'info', http => '', server => '', main => '',
        %opt, name => $name, dir => $dir, log => "$dir/error.log",
        conf => "$dir/nginx.conf", socket => "$dir/http.sock",
        port => free_port(), env => { ASAN_OPTIONS => 'detect_leaks=0' });
}

sub socket_path { return $_[0]{socket} }
sub h2_path     { return "$_[0]{dir}/h2.sock" }
sub port        { return $_[0]{port} }

# --- configuration

sub _conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $load = Gate::Nginx::load_modules();
    my $user = Gate::Nginx::user($self->{user});
    my $temp = Gate::Nginx::temp_paths($dir);
    my $h2 = Gate::Nginx::listen_http2('unix:' . $self->h2_path());

    return Gate::Nginx::expand(<<"END", $self->{name});
$load
$user
$self->{main}
daemon off;
worker_processes $self->{workers};
pid $dir/nginx.pid;
error_log $self->{log} $self->{level};
events { worker_connections 1024; accept_mutex off; }
http {
    access_log $dir/access.log;
    lingering_close off;
$temp
$self->{http}
    server {
        listen unix:$self->{socket};
        listen 127.0.0.1:$self->{port};
$self->{server}
    }
    server {
        $h2
$self->{server}
    }
}
END
}

# --- the process

sub start {
    my ($self, %opt) = @_;

    %$self = (%$self, %opt);

    write_file($self->{conf}, $self->_conf());
    unlink $self->{socket}, $self->h2_path();

    return $self->SUPER::start();
}

# With a new configuration.

sub reload {
    my ($self, %opt) = @_;

    %$self = (%$self, %opt);
    write_file($self->{conf}, $self->_conf());

    return $self->SUPER::reload();
}

# Kills a worker; returns when another one has its place.

sub kill_worker {
    my ($self, $n) = @_;

    my @workers = $self->workers();
    my $victim = $workers[ ($n // 0) % @workers ];

    kill 'KILL', $victim;
    push @{ $self->{killed} }, $victim;
    $self->wait_workers($victim) or die "no new worker\n";

    return $victim;
}

# How killed workers named their copies of payouts.

sub killed_names {
    my ($self) = @_;

    my $log = $self->log_text();

    return map {
        $log =~ / $_#\d+: copies of payouts .* names with "(\w+)"/;
        $1 // die "worker $_ has no name\n";
    } @{ $self->{killed} // [] };
}

1;
