package Gate::Harness::Nginx;

# Copyright (C) nginx-gate authors
#
# The nginx process of a suite: its directory, its life, its logs, and what
# must never be in them.

use strict;
use warnings;

use File::Basename ();
use File::Path ();
use POSIX ();

use Gate::Env qw( spawn wait_child stop_child wait_until read_file which );
use Gate::Harness::Config;

our ($Scale, %Set, $Root);
*Scale = \$Gate::Harness::Config::Scale;
*Set = \%Gate::Harness::Config::Set;
*Root = \$Gate::Harness::Config::Root;

use constant START_TIMEOUT => 15;
use constant STOP_TIMEOUT => 8;

my ($pid, $log_pos);

sub pid { return $pid }

sub error_log_path  { return Gate::Harness::Config::error_log() }
sub access_log_path { return "$Root/logs/access.log" }
sub stderr_path     { return "$Root/logs/stderr" }

# --- the directory

sub _fresh_root {
    my ($keep_logs) = @_;

    my @dirs = map { "$Root/$_" } qw( conf html cache ),
               map { "${_}_temp" } qw( client_body proxy fastcgi uwsgi scgi );

    File::Path::remove_tree(@dirs, $keep_logs ? () : "$Root/logs");
    File::Path::make_path(map { "$Root/$_" } qw( conf html logs ));

    Gate::Env::write_file("$Root/html/index.html",
        '<html><head><title>It works!</title></head>'
        . '<body>It works!</body></html>');
}

sub _parse_user_files {
    my ($text) = @_;

    my @files;

    for my $line (split /^/, $text) {
        if ($line =~ /^>>> (\S+)(?:[ \t]+(\S.*))?$/) {
            push @files, [$1, '', $2];

        } elsif (@files) {
            $files[-1][1] .= $line;
        }
    }

    return \@files;
}

sub write_user_files {
    my ($block) = @_;

    my $files = $block->user_files or return;
    $files = _parse_user_files($files) if !ref $files;

    for my $file (@$files) {
        my ($path, $body, $date) = @$file;

        $path = "$Root/html/$path" if $path !~ m{^/};
        File::Path::make_path(File::Basename::dirname($path));

        Gate::Env::write_file($path,
            Gate::Harness::Config::expand($body // '', $block->name));

        if (defined $date) {
            local $ENV{TZ} = 'GMT';
            system('touch', '-t', $date, $path) == 0
                or die $block->name . " - bad date of $path\n";
        }
    }
}

sub _prepare {
    my ($block, $keep_logs) = @_;

    _fresh_root($keep_logs);

    if (defined $block->post_setup_server_root) {
        my $code = $block->post_setup_server_root;
        eval "package main; $code; 1"
            or die $block->name . " - post_setup_server_root failed: $@";
    }

    write_user_files($block);
    Gate::Env::write_file(Gate::Harness::Config::conf_file(),
                          Gate::Harness::Config::text($block));
}

# --- start

sub _valgrind {
    my $opts = $ENV{TEST_NGINX_USE_VALGRIND} or return;

    my $supp = Gate::Env::root() . '/t/lib/valgrind.supp';

    return (which('valgrind') // 'valgrind', '-q', '--num-callers=40',
            "--log-file=$Root/logs/valgrind.%p",
            '--leak-check=full', '--show-leak-kinds=definite',
            '--errors-for-leak-kinds=definite', '--gen-suppressions=all',
            "--suppressions=$supp",
            $opts =~ /^\d+$/ ? () : split ' ', $opts);
}

sub _spawn {
    my ($valgrind) = @_;

    my @cmd = (which(Gate::Harness::Config::binary()) // 'nginx',
               '-e', error_log_path(), '-p', "$Root/",
               '-c', Gate::Harness::Config::conf_file());

    return spawn([$valgrind ? _valgrind() : (), @cmd],
                 out => stderr_path(), death_signal => 'TERM');
}

sub _startup_text {
    return join '', map { read_file($_) // '' }
                        stderr_path(), error_log_path();
}

sub start {
    my ($block) = @_;

    my $name = $block->name;

    _prepare($block, 0);

    $log_pos = 0;
    $pid = _spawn(1);

    my $pid_file = Gate::Harness::Config::pid_file();
    my $status;

    # nginx writes the file when its sockets listen
    my $ready = wait_until(START_TIMEOUT * $Scale, sub {
        $status = wait_child($pid, 0);
        return 1 if defined $status;

        return (read_file($pid_file) // '') =~ /^\d+\n/;
    });

    return if $ready && !defined $status;

    if (!$ready) {
        stop_child($pid, 'KILL');
    }

    $pid = undef;

    die "$name - nginx did not start:\n" . _startup_text();
}

# Runs an nginx that has to refuse its configuration; returns its wait status,
# or undef when it kept running.

sub run_to_die {
    my ($block) = @_;

    my $child = _spawn(0);
    my $pid_file = Gate::Harness::Config::pid_file();
    my $status;

    wait_until(START_TIMEOUT, sub {
        $status = wait_child($child, 0);

        return defined $status || (read_file($pid_file) // '') =~ /^\d+\n/;
    });

    stop_child($child, 'TERM') if !defined $status;

    return $status;
}

sub prepare_to_die {
    my ($block) = @_;

    _prepare($block, 0);
    $log_pos = 0;
}

# --- reload

sub _workers {
    my $text = read_file("/proc/$pid/task/$pid/children") // '';

    return grep { _is_worker($_) } split ' ', $text;
}

sub _is_worker {
    my ($child) = @_;

    my $title = read_file("/proc/$child/cmdline") // '';

    return $title =~ /worker process/ && $title !~ /shutting down/;
}

# The new workers are there, and no old one accepts connections any more.

sub reload {
    my ($block) = @_;

    my $name = $block->name;

    _prepare($block, 1);
    truncate error_log_path(), 0;
    truncate access_log_path(), 0;
    $log_pos = 0;

    my %old = map { $_ => 1 } _workers();

    kill 'HUP', $pid or die "$name - nginx is gone\n";

    my $fails = defined $block->reload_fails;

    my $done = wait_until(START_TIMEOUT * $Scale, sub {
        my $failed = (read_file(error_log_path()) // '') =~ /\[emerg\]/;

        return $failed if $fails;
        die "$name - reload failed:\n" . _startup_text() if $failed;

        my @workers = _workers();

        return @workers == $Set{workers} && !grep { $old{$_} } @workers;
    });

    $done or die "$name - nginx did not reload\n";
}

# --- stop

# Returns what was wrong with the end of nginx, or undef.

sub stop {
    my $child = $pid // return undef;

    $pid = undef;

    my $timeout = STOP_TIMEOUT * $Scale;

    my $status = wait_child($child, 0);

    if (!defined $status) {
        kill 'QUIT', $child;
        $status = wait_child($child, $timeout);
    }

    if (!defined $status) {
        stop_child($child, 'TERM', $timeout);
        return "nginx did not quit in $timeout seconds";
    }

    return undef if $status == 0;

    return $status & 127 ? 'nginx was killed by signal ' . ($status & 127)
                         : 'nginx exited with code ' . ($status >> 8);
}

# --- logs

sub _lines {
    my ($path, $pos) = @_;

    open my $fh, '<:raw', $path or return [];
    seek $fh, $pos, 0 if $pos;

    return [ <$fh> ];
}

# What was written since the last call of log_seen(); lines that are not yet
# complete come next time.

sub new_log_lines {
    my $lines = _lines(error_log_path(), $Set{accumulate} ? 0 : $log_pos);

    pop @$lines if @$lines && $lines->[-1] !~ /\n\z/;

    return $lines;
}

sub log_seen {
    my ($lines) = @_;

    return if $Set{accumulate};

    $log_pos += length $_ for @$lines;
}

sub rewind_log { $log_pos = 0 }

sub access_log_lines { return _lines(access_log_path(), 0) }

# --- what no block may leave

# nginx reads and writes integers at any address where the machine can
my $sanitizer = qr{
    ERROR:\ \w*Sanitizer | SUMMARY:\ \w*Sanitizer
    | gate\S*:\ runtime\ error: | runtime\ error:(?!.*\ misaligned\ address)
}x;

sub is_sanitizer { return $_[0] =~ $sanitizer }

sub _is_expected {
    my ($line, $expected) = @_;

    for my $pat (@$expected) {
        return 1 if ref $pat ? $line =~ $pat : index($line, $pat) >= 0;
    }

    return 0;
}

# Lines that fail the block, whatever it asserts: alerts, failed reloads,
# reports of sanitizers and of valgrind.

sub trouble {
    my ($expected, $may_die) = @_;

    my $levels = $may_die ? qr/\[alert\]/ : qr/\[(?:alert|emerg)\]/;
    my @found;

    for my $path (error_log_path(), stderr_path()) {
        for my $line (@{ _lines($path, 0) }) {
            push @found, $line
                if $line =~ $sanitizer
                   || $line =~ $levels && !_is_expected($line, $expected);
        }
    }

    for my $path (glob "$Root/logs/valgrind.*") {
        push @found, @{ _lines($path, 0) };
        unlink $path;
    }

    return @found;
}

1;
