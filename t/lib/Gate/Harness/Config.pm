package Gate::Harness::Config;

# Copyright (C) nginx-gate authors
#
# The settings of a suite and the nginx.conf that comes of them.

use strict;
use warnings;

use Gate::Env ();

our $Scale = $ENV{TEST_NGINX_USE_VALGRIND} ? 10 : 1;

our %Set = (
    repeat_each        => 1,
    workers            => 1,
    worker_connections => 64,
    log_level          => $ENV{TEST_NGINX_LOG_LEVEL} || 'debug',
    master             => $ENV{TEST_NGINX_MASTER_PROCESS} || 'off',
    timeout            => $ENV{TEST_NGINX_TIMEOUT} || 3,
    server_name        => 'localhost',
    server_addr        => '127.0.0.1',
    server_port        => $ENV{TEST_NGINX_SERVER_PORT},
    client_port        => $ENV{TEST_NGINX_CLIENT_PORT}
                          || $ENV{TEST_NGINX_SERVER_PORT},
    preamble           => '',
    root_location      => 1,
    shuffle            => !$ENV{TEST_NGINX_NO_SHUFFLE},
    hup                => $ENV{TEST_NGINX_USE_HUP},
    accumulate         => $ENV{TEST_NGINX_CHECK_ACCUM_ERR_LOG},
    http_filter        => undef,
    env                => [],
);

our $Root = $ENV{TEST_NGINX_SERVROOT};

my ($build_info, %rand_ports);

sub html_dir  { return "$Root/html" }
sub log_dir   { return "$Root/logs" }
sub error_log { return "$Root/logs/error.log" }
sub pid_file  { return "$Root/logs/nginx.pid" }
sub conf_file { return "$Root/conf/nginx.conf" }

sub binary { return $ENV{TEST_NGINX_BINARY} || 'nginx' }

sub build_info {
    if (!defined $build_info) {
        my $binary = binary();

        $build_info = `'$binary' -V 2>&1`;
        $? == 0 or die "cannot run \"$binary -V\": $build_info\n";
    }

    return $build_info;
}

# 1.022001 for 1.22.1
sub nginx_version {
    my ($text) = @_;

    $text //= build_info() =~ m{^nginx version: [^/]+/(\S+)}m ? $1 : '';

    return $text =~ /^(\d+)\.(\d+)\.(\d+)/
           ? sprintf '%d.%03d%03d', $1, $2, $3 : 0;
}

# --- $TEST_NGINX_* in a section

sub new_block { %rand_ports = () }

sub expand {
    my ($text, $name) = @_;

    return $text if !defined $text || ref $text;

    $text =~ s{\$(TEST_NGINX_[_A-Z0-9]+)}{_variable($1, $name)}ge;

    return $text;
}

sub section {
    my ($block, $section) = @_;

    return expand(scalar $block->$section, $block->name);
}

sub _variable {
    my ($var, $name) = @_;

    if ($var =~ /^TEST_NGINX_RAND_PORT_\d+$/) {
        return $rand_ports{$var} //= Gate::Env::free_port();
    }

    return $ENV{$var} // die "$name - no environment variable $var\n";
}

# --- nginx.conf

sub is_http2 {
    my ($block) = @_;

    return 0 if defined $block->no_http2;
    return 1 if defined $block->http2;

    return $ENV{TEST_NGINX_USE_HTTP2} && defined $block->request
           && !$block->raw_request && !$block->pipelined_requests;
}

sub _main {
    my ($block) = @_;

    my $log = section($block, 'error_log_file') || error_log();
    my $level = $block->log_level || $Set{log_level};
    my $master = $Set{hup} ? 'on' : $Set{master};

    my @lines = (
        "worker_processes $Set{workers};",
        'daemon off;',
        "master_process $master;",
        "error_log $log $level;",
        'pid ' . pid_file() . ';',
        map({ /\s/ ? "env '$_';" : "env $_;" }
            qw( ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS LD_PRELOAD ),
            @{ $Set{env} }),
        map({ "load_module $_;" }
            grep { length } split /\s+/, $ENV{TEST_NGINX_LOAD_MODULES} // ''),
    );

    push @lines, 'user ' . ($ENV{TEST_NGINX_WORKER_USER} || 'root') . ';'
        if $> == 0;

    return @lines, section($block, 'main_config') // '';
}

sub _http_paths {
    my ($http_config) = @_;

    my @paths;

    for my $path (qw( client_body proxy fastcgi uwsgi scgi )) {
        next if build_info() =~ /--without-http_${path}_module/;
        next if $http_config =~ /\b${path}_temp_path\b/;

        push @paths, "${path}_temp_path $Root/${path}_temp;";
    }

    return @paths;
}

sub _listen {
    my ($block) = @_;

    return "listen $Set{server_port};" if !is_http2($block);

    # nginx 1.25.1 made it a directive of its own
    return nginx_version() < nginx_version('1.25.1')
           ? "listen $Set{server_port} http2;"
           : "listen $Set{server_port}; http2 on;";
}

sub _server {
    my ($block) = @_;

    my $server_name = $block->server_name // $Set{server_name};
    $server_name =~ s/(['\\])/\\$1/g;

    my @lines = (
        'server {',
        _listen($block),
        "server_name '$server_name';",
        'client_max_body_size 30M;',
        $Set{preamble},
        section($block, 'config'),
    );

    push @lines, 'location / { root ' . html_dir() . ';'
                 . ' index index.html index.htm; }'
        if $Set{root_location};

    return @lines, '}';
}

sub text {
    my ($block) = @_;

    my $http_config = section($block, 'http_config') // '';

    $http_config = $Set{http_filter}->($http_config) if $Set{http_filter};

    my @lines = (
        _main($block),
        'http {',
        "access_log $Root/logs/access.log;",
        _http_paths($http_config),
        'default_type text/plain;',
        'keepalive_timeout 68000ms;',
        $http_config,
        _server($block),
        '}',
        section($block, 'post_main_config') // '',
        'events {',
        'accept_mutex off;',
        "worker_connections $Set{worker_connections};",
        $ENV{TEST_NGINX_EVENT_TYPE} ? "use $ENV{TEST_NGINX_EVENT_TYPE};" : '',
        '}',
    );

    if (defined $ENV{TEST_NGINX_POSTPONE_OUTPUT}
        && $http_config !~ /\bpostpone_output\b/)
    {
        my ($http) = grep { $lines[$_] eq 'http {' } 0 .. $#lines;

        splice @lines, $http + 1, 0,
               "postpone_output $ENV{TEST_NGINX_POSTPONE_OUTPUT};";
    }

    return join("\n", @lines) . "\n";
}

1;
