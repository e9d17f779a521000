package Test::Nginx::Socket;

# Copyright (C) nginx-gate authors
#
# Test::Nginx suites without Test::Nginx: the functions that a suite calls,
# and the course of a block.  See Test::Nginx::Socket's documentation for the
# format; a block makes as many tests here as there.
#
# Beyond it, a block fails when its nginx writes [alert] or [emerg] lines that
# it does not expect, when a sanitizer or valgrind reports anything, and when
# nginx does not end properly.

use strict;
use warnings;

use Gate::Env ();
use Test::Base -base;

use List::Util qw( shuffle );
use Time::HiRes ();

use Gate::Harness::Check;
use Gate::Harness::Client;
use Gate::Harness::Config;
use Gate::Harness::Nginx;
use Gate::Harness::Request;

our @EXPORT = qw(
    add_block_preprocessor add_cleanup_handler add_response_body_check
    add_test_cleanup_handler bail_out check_accum_error_log config_preamble
    env_to_nginx html_dir is_str log_level master_off master_on
    master_process_enabled no_long_string no_nginx_manager no_root_location
    no_shuffle plan repeat_each run_test run_tests server_addr server_name
    server_port server_port_for_client server_root timeout use_hup
    worker_connections workers
);

*Set = \%Gate::Harness::Config::Set;
our %Set;

my (@preprocessors, @cleanups, @test_cleanups);

# --- settings

sub _setting {
    my ($key, @value) = @_;

    $Set{$key} = $value[0] if @value;

    return $Set{$key};
}

sub repeat_each (@)            { return _setting('repeat_each', @_) }
sub workers (@)                { return _setting('workers', @_) }
sub worker_connections (@)     { return _setting('worker_connections', @_) }
sub log_level (@)              { return _setting('log_level', @_) }
sub timeout (@)                { return _setting('timeout', @_) }
sub server_name (@)            { return _setting('server_name', @_) }
sub server_addr (@)            { return _setting('server_addr', @_) }
sub server_port (@)            { return _setting('server_port', @_) }
sub server_port_for_client (@) { return _setting('client_port', @_) }

sub config_preamble ($)      { $Set{preamble} = $_[0] }
sub set_http_config_filter ($) { $Set{http_filter} = $_[0] }
sub check_accum_error_log () { $Set{accumulate} = 1 }
sub no_root_location ()      { $Set{root_location} = 0 }
sub no_shuffle ()            { $Set{shuffle} = 0 }
sub use_hup ()               { $Set{hup} = 1 }
sub master_on ()             { $Set{master} = 'on' }
sub master_off ()            { $Set{master} = 'off' }

# how a difference is shown is not a matter here
sub no_long_string () { }

sub no_nginx_manager () {
    die "no_nginx_manager() is not supported\n";
}

sub master_process_enabled (@) {
    $Set{master} = $_[0] ? 'on' : 'off' if @_;

    return $Set{master};
}

sub env_to_nginx (@)   { push @{ $Set{env} }, @_ }
sub html_dir ()        { return Gate::Harness::Config::html_dir() }
sub server_root ()     { return $Gate::Harness::Config::Root }

sub add_block_preprocessor (&)   { unshift @preprocessors, $_[0] }
sub add_cleanup_handler ($)      { unshift @cleanups, $_[0] }
sub add_test_cleanup_handler ($) { unshift @test_cleanups, $_[0] }

sub add_response_body_check ($) {
    push @Gate::Harness::Check::BodyChecks, $_[0];
}

sub is_str (@) {
    my ($got, $expected, $text) = @_;

    return ref $expected ? Test::More::like($got, $expected, $text)
                         : Test::More::is($got, $expected, $text);
}

sub bail_out (@) {
    _cleanup();
    Test::More::BAIL_OUT("@_");
}

# --- the run

# A section that nobody reads would be an assertion that nobody makes.

my %sections = map { $_ => 1 } qw(
    abort access_log config curl curl_error curl_options curl_protocol
    description error_code error_code_like error_log error_log_file
    grep_error_log grep_error_log_out http2 http_config ignore_response init
    log_level main_config more_headers must_die no_access_log no_check_leak
    no_error_log no_http2 no_http3 no_shutdown_error_log pipelined_requests
    post_main_config post_setup_server_root quic_max_idle_timeout
    raw_request raw_request_middle_delay raw_response_headers_like
    raw_response_headers_unlike reload_fails request response_body
    response_body_filters response_body_json_sort response_body_like
    response_body_unlike response_headers response_headers_like
    server_addr_for_client server_name shutdown shutdown_error_log skip_eval
    skip_nginx suppress_stderr timeout todo user_files wait
    ONLY LAST SKIP
);

sub _check_sections {
    my ($block) = @_;

    # a suite that processes its blocks may have sections of its own
    return if @preprocessors;

    for my $section (map { ref $_ ? @$_ : $_ } @{ $block->{_section_order} }) {
        die "unknown section \"$section\"\n"
            if !$sections{$section};
    }
}

sub run_tests () {
    my $seed = $ENV{TEST_NGINX_SEED} // ($$ ^ time);
    my @blocks = blocks();

    srand $seed;
    @blocks = shuffle @blocks if $Set{shuffle};

    for my $block (@blocks) {
        $_->($block) for @preprocessors;

        $block->set_value('name', "$0 " . $block->name);

        my $ran = eval { run_test($block) } // 1;

        Gate::Harness::Check::extra_failure($block->name . " - $@") if $@;

        $_->($block) for @test_cleanups;

        # a skipped block would be blamed for the logs of the one before it
        _finish($block) if $ran;
    }

    _stop_last($blocks[-1]) if @blocks;
    _cleanup();

    Test::More::diag("order of blocks: TEST_NGINX_SEED=$seed")
        if $Set{shuffle} && !Test::More->builder->is_passing;
}

sub _cleanup {
    $_->() for splice @cleanups;
}

# Says whether the block ran.

sub run_test ($) {
    my ($block) = @_;

    return 0 if defined $block->SKIP;

    _check_sections($block);
    Gate::Harness::Config::new_block();

    my ($count, $reason, $todo) = _to_skip($block);

    if (defined $count) {
        _skip($block, $count, $reason, $todo) for 1 .. $Set{repeat_each};
        return 0;
    }

    die "no --- config section\n" if !defined $block->config;

    if (defined $block->must_die) {
        _must_die($block);
        return 1;
    }

    _start($block);
    _init($block);

    for my $repeat (0 .. $Set{repeat_each} - 1) {
        Gate::Harness::Nginx::write_user_files($block) if $repeat;
        _requests($block, $repeat);
    }

    return 1;
}

sub _start {
    my ($block) = @_;

    Gate::Harness::Nginx::pid() && $Set{hup}
        ? Gate::Harness::Nginx::reload($block)
        : Gate::Harness::Nginx::start($block);
}

sub _init {
    my ($block) = @_;

    my $code = $block->init // return;

    eval "package main; no strict; $code; 1" or die "init failed: $@";
}

# --- skipping

sub _to_skip {
    my ($block) = @_;

    if (defined(my $spec = $block->skip_eval)) {
        $spec =~ /^\s*(\d+)\s*:\s*(.*)/s or die "bad --- skip_eval\n";

        my ($count, $skip) = ($1, eval "package main; no strict; $2");
        die "skip_eval failed: $@" if $@;

        return ($count, 'skip_eval', 0) if $skip;
    }

    if (defined(my $spec = $block->skip_nginx)) {
        $spec =~ /^\s*(\d+)\s*:\s*([<>]=?)\s*([\d.]+)\s*(?::\s*(.*?))?\s*$/
            or die "bad --- skip_nginx\n";

        return ($1, $4 // "nginx version $2 $3", 0) if _compare($2, $3);
    }

    if (defined(my $spec = $block->todo)) {
        $spec =~ /^\s*(\d+)\s*:\s*(.*?)\s*$/s or die "bad --- todo\n";

        return ($1, $2, 1);
    }

    return;
}

sub _compare {
    my ($op, $version) = @_;

    my $order = Gate::Harness::Config::nginx_version()
                <=> Gate::Harness::Config::nginx_version($version);

    return $op eq '<' ? $order < 0 : $op eq '>'  ? $order > 0
         : $op eq '<=' ? $order <= 0 : $order >= 0;
}

sub _skip {
    my ($block, $count, $reason, $todo) = @_;

    my $text = $block->name . " - $reason";

    for (1 .. $count) {
        $todo ? Test::More->builder->todo_skip($text)
              : Test::More->builder->skip($text);
    }
}

# --- nginx that must not start

sub _must_die {
    my ($block) = @_;

    my $name = $block->name;
    my $code = $block->must_die;

    _stop_last($block);
    Gate::Harness::Nginx::prepare_to_die($block);

    for my $repeat (0 .. $Set{repeat_each} - 1) {
        my $status = Gate::Harness::Nginx::run_to_die($block);

        if (!defined $status || $status & 127) {
            Test::More::fail("$name - "
                             . (defined $status ? 'nginx crashed'
                                                : 'nginx started'));

        } elsif ($code =~ /^\d+$/) {
            Test::More::is($status >> 8, $code, "$name - exit code");

        } else {
            Test::More::isnt($status, 0, "$name - nginx refuses to start");
        }

        Gate::Harness::Check::error_log({ name => $name, repeat => $repeat,
                                          index => 0 }, $block);
    }
}

# --- requests

sub _requests {
    my ($block, $repeat) = @_;

    my @requests = Gate::Harness::Request::requests($block);
    my $pipelined = $block->pipelined_requests
                    ? @{ $block->pipelined_requests } : 0;

    my $ctx = { name => $block->name, repeat => $repeat, index => 0,
                many => $pipelined || @requests > 1 };

    for my $packets (@requests) {
        $ctx->{logged} = @{ Gate::Harness::Nginx::access_log_lines() };

        my ($bytes, $error)
            = Gate::Harness::Client::send_request($block, $packets);

        Gate::Harness::Check::extra_failure("$ctx->{name} - $error")
            if defined $error;

        $ctx->{is_head} = $packets->[0]{value} =~ /^\s*HEAD\s/;
        $ctx->{pipelined} = $pipelined;

        for (1 .. $pipelined || 1) {
            $bytes = _answer($ctx, $block, $bytes);
            $ctx->{index}++;
        }
    }
}

# Checks the first answer in the bytes; returns what follows it.

sub _answer {
    my ($ctx, $block, $bytes) = @_;

    my $rest = '';

    if (!defined $block->ignore_response) {
        (my $res, $rest)
            = Gate::Harness::Client::parse_response($bytes, $ctx->{is_head});

        if (defined $res->{error}) {
            Gate::Harness::Check::extra_failure("$ctx->{name} - "
                                                . $res->{error});
        }

        Test::More::diag("$ctx->{name} - $res->{warning}")
            if defined $res->{warning};
        Test::More::diag("$ctx->{name} - bytes after the answer: $rest")
            if $rest ne '' && !$ctx->{pipelined};

        Gate::Harness::Check::response($ctx, $block, $res);
    }

    Time::HiRes::sleep(Gate::Harness::Client::seconds($block->wait))
        if $block->wait;

    Gate::Harness::Check::error_log($ctx, $block);
    Gate::Harness::Check::access_log($ctx, $block)
        if !defined $block->ignore_response;

    return $rest;
}

# --- the end of a block

sub _finish {
    my ($block) = @_;

    my $wrong;

    if (!$Set{hup}) {
        $wrong = Gate::Harness::Nginx::stop();
    }

    Gate::Harness::Check::shutdown_log($block, $Set{hup})
        if defined $block->shutdown_error_log
           || defined $block->no_shutdown_error_log;

    _report($block, $wrong);
}

sub _stop_last {
    my ($block) = @_;

    return if !Gate::Harness::Nginx::pid();

    _report($block, Gate::Harness::Nginx::stop());
}

sub _report {
    my ($block, $wrong) = @_;

    my $name = $block->name;
    my $may_die = defined $block->must_die || defined $block->reload_fails;
    my @lines = Gate::Harness::Nginx::trouble(
        [Gate::Harness::Check::expected_lines($block)], $may_die);

    Gate::Harness::Check::extra_failure("$name - $wrong") if defined $wrong;

    return if !@lines;

    Gate::Harness::Check::extra_failure("$name - trouble in the logs");
    Test::More::diag(join '', @lines > 60 ? (@lines[0 .. 59], "...\n")
                                          : @lines);
}

1;
