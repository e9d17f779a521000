package Test::Nginx::Socket;

# Copyright (C) nginx-gate authors
#
# Test::Nginx suites without Test::Nginx: the functions and sections that the
# suites here use, and the course of a block.  See Test::Nginx::Socket's
# documentation for the format; a block makes as many tests here as there.
#
# Beyond it, a block fails when its nginx writes [alert] or [emerg] lines that
# it does not expect, when a sanitizer reports anything, and when nginx does
# not end properly.

use strict;
use warnings;

use Gate::Env ();
use Test::Base -base;

use List::Util qw( shuffle );

use Gate::Harness::Check;
use Gate::Harness::Config;
use Gate::Harness::Request;
use Gate::Nginx;

our @EXPORT = qw(
    add_block_preprocessor add_response_body_check add_test_cleanup_handler
    html_dir log_level no_long_string no_root_location no_shuffle plan
    repeat_each run_tests server_root timeout worker_connections workers
);

*Set = \%Gate::Harness::Config::Set;
our %Set;

my (@preprocessors, @body_checks, @test_cleanups);

# --- settings

sub _setting {
    my ($key, @value) = @_;

    $Set{$key} = $value[0] if @value;

    return $Set{$key};
}

sub repeat_each (@)        { return _setting('repeat_each', @_) }
sub workers (@)            { return _setting('workers', @_) }
sub worker_connections (@) { return _setting('worker_connections', @_) }
sub log_level (@)          { return _setting('log_level', @_) }
sub timeout (@)            { return _setting('timeout', @_) }

sub no_root_location ()    { $Set{root_location} = 0 }
sub no_shuffle ()          { $Set{shuffle} = 0 }

# how a difference is shown is not a matter here
sub no_long_string ()      { }

sub server_root ()         { return $Gate::Harness::Config::Root }
sub html_dir ()            { return server_root() . '/html' }

sub add_block_preprocessor (&)   { unshift @preprocessors, $_[0] }
sub add_test_cleanup_handler ($) { unshift @test_cleanups, $_[0] }
sub add_response_body_check ($)  { push @body_checks, $_[0] }

# --- the run

# A section that nobody reads would be an assertion that nobody makes.

my %sections = map { $_ => 1 } qw(
    config error_code error_log http2 http_config init log_level more_headers
    must_die no_error_log pipelined_requests raw_request
    raw_request_middle_delay request response_body response_body_filters
    response_body_like response_headers response_headers_like user_files
);

sub _check_sections {
    my ($block) = @_;

    # a suite that processes its blocks may have sections of its own
    return if @preprocessors;

    for my $section (map { ref $_ ? @$_ : $_ } @{ $block->{_section_order} }) {
        die "unknown section \"$section\"\n" if !$sections{$section};
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
        _run($block);
    }

    Test::More::diag("order of blocks: TEST_NGINX_SEED=$seed")
        if $Set{shuffle} && !Test::More->builder->is_passing;
}

sub _run {
    my ($block) = @_;

    my $nginx = Gate::Nginx->new(
        dir => server_root(), workers => $Set{workers},
        conf => Gate::Harness::Config::conf_file(),
        log => Gate::Harness::Config::error_log(),
        pid_file => server_root() . '/logs/nginx.pid',
        out => server_root() . '/logs/stderr');

    eval {
        _check_sections($block);
        die "no --- config section\n" if !defined $block->config;

        Gate::Harness::Config::write_all($block);
        Gate::Harness::Check::start_of_log();

        defined $block->must_die ? _must_die($block, $nginx)
                                 : _requests($block, $nginx->start());
        1;
    } or Gate::Harness::Check::extra_failure($block->name . " - $@");

    $_->($block) for @test_cleanups;

    _finish($block, $nginx);
}

# --- nginx that must not start

sub _must_die {
    my ($block, $nginx) = @_;

    my $name = $block->name;

    for my $repeat (0 .. $Set{repeat_each} - 1) {
        my $status = $nginx->run();

        Test::More::ok($status && !($status & 127),
                       "$name - nginx refuses to start");

        Gate::Harness::Check::error_log({ block => $block, name => $name,
                                          repeat => $repeat });
    }
}

# --- requests

sub _requests {
    my ($block) = @_;

    my $code = $block->init // '';

    eval "package main; no strict; $code; 1" or die "init failed: $@";

    for my $repeat (0 .. $Set{repeat_each} - 1) {
        Gate::Harness::Config::write_user_files($block) if $repeat;

        my @requests = Gate::Harness::Request::requests($block);
        my $ctx = { block => $block, name => $block->name, repeat => $repeat,
                    many => @requests > 1
                            || defined scalar $block->pipelined_requests,
                    index => 0 };

        for my $packets (@requests) {
            $ctx->{logged} = Gate::Harness::Check::requests_logged();

            for my $res (Gate::Harness::Request::answers($block, $packets)) {
                Gate::Harness::Check::response($ctx, $res);
                $_->($block, $res->{body}, $ctx->{index}, $repeat, 0)
                    for @body_checks;
                Gate::Harness::Check::error_log($ctx);
                $ctx->{index}++;
            }
        }
    }
}

# --- the end of a block

sub _finish {
    my ($block, $nginx) = @_;

    my $name = $block->name;

    $nginx->signal('QUIT') if $nginx->pid();

    my $wrong = $nginx->wait_end();
    my @lines = grep { !Gate::Harness::Check::is_expected($block, $_) }
                $nginx->trouble(defined $block->must_die ? () : 'emerg');

    Gate::Harness::Check::extra_failure("$name - $wrong") if defined $wrong;

    return if !@lines;

    Gate::Harness::Check::extra_failure("$name - trouble in the logs");
    Test::More::diag(join '', @lines > 60 ? (@lines[0 .. 59], "...\n")
                                          : @lines);
}

1;
