package Gate::Harness::Config;

# Copyright (C) nginx-gate authors
#
# The settings of a suite; nginx.conf and the files that come of a block.

use strict;
use warnings;

use File::Basename ();
use File::Path ();

use Gate::Env qw( write_file );
use Gate::Nginx;

our %Set = (
    repeat_each        => 1,
    workers            => 1,
    worker_connections => 64,
    log_level          => 'debug',
    timeout            => 10,
    root_location      => 1,
    shuffle            => 1,
);

our $Root = $ENV{TEST_NGINX_SERVROOT};

sub conf_file { return "$Root/conf/nginx.conf" }
sub error_log { return "$Root/logs/error.log" }

# --- nginx.conf

sub _text {
    my ($block) = @_;

    my $address = $ENV{TEST_NGINX_SERVER_PORT};
    my ($http, $server) = map { Gate::Nginx::expand(scalar $block->$_, $block->name) // '' }
                              qw( http_config config );

    return join "\n",
        "worker_processes $Set{workers};",
        'daemon off;',
        "error_log @{[ error_log() ]} "
            . ($block->log_level || $Set{log_level}) . ';',
        "pid $Root/logs/nginx.pid;",
        map({ "env $_;" } qw( ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS )),
        Gate::Nginx::load_modules(),
        Gate::Nginx::user($ENV{TEST_NGINX_WORKER_USER}),
        'http {',
        "access_log $Root/logs/access.log;",
        Gate::Nginx::temp_paths($Root),
        'default_type text/plain;',
        'keepalive_timeout 68000ms;',
        $http,
        'server {',
        defined $block->http2 ? Gate::Nginx::listen_http2($address)
                              : "listen $address;",
        'server_name localhost;',
        'client_max_body_size 30M;',
        $server,
        $Set{root_location} ? "location / { root $Root/html; }" : '',
        '}',
        '}',
        'events {',
        'accept_mutex off;',
        "worker_connections $Set{worker_connections};",
        '}', '';
}

# --- files

sub write_user_files {
    my ($block) = @_;

    my @files = split /^>>> (\S+)\n/m, $block->user_files // '', -1;
    shift @files;

    while (my ($path, $body) = splice @files, 0, 2) {
        File::Path::make_path(File::Basename::dirname("$Root/html/$path"));
        write_file("$Root/html/$path", Gate::Nginx::expand($body, $block->name));
    }
}

# A fresh directory with all that nginx needs.

sub write_all {
    my ($block) = @_;

    File::Path::remove_tree($Root);
    File::Path::make_path(map { "$Root/$_" } qw( conf html logs ));

    write_user_files($block);
    write_file(conf_file(), _text($block));
}

1;
