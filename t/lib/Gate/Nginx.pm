package Gate::Nginx;

# Copyright (C) nginx-gate authors
#
# A process of nginx, whoever has written its configuration:
#
#     my $nginx = Gate::Nginx->new(dir => $dir, conf => $path, log => $path);
#     $nginx->start();
#     $nginx->reload();
#     $nginx->quit('name');
#
# The configuration has "daemon off" and "pid DIR/nginx.pid"; "workers" says
# how many it asks for, undef: some.  Without "binary" it is the nginx of all
# suites; "args" are more of its arguments.

use strict;
use warnings;

use Test::More ();

use Gate::Env qw( spawn which read_file wait_until wait_child stop_child
                  at_end );

use constant TIMEOUT => 20;

# nginx reads and writes integers at any address where the machine can
my $sanitizer = qr{
    ERROR:\ \w*Sanitizer | SUMMARY:\ \w*Sanitizer
    | gate\S*:\ runtime\ error: | runtime\ error:(?!.*\ misaligned\ address)
}x;

sub new {
    my ($class, %opt) = @_;

    my $self = bless {
        workers => 1, binary => $ENV{TEST_NGINX_BINARY}, env => {}, args => [],
        pid_file => "$opt{dir}/nginx.pid", out => "$opt{dir}/out", %opt,
    }, $class;

    at_end(sub { stop_child($self->{pid}, 'TERM') if $self->{pid} });

    return $self;
}

sub pid      { return $_[0]{pid} }
sub log_text { return read_file($_[0]{log}) // '' }

# all that it has written
sub text { return $_[0]->log_text() . (read_file($_[0]{out}) // '') }

# --- what configurations have in common

# 1.022001 for 1.22.1

my %versions;

sub version {
    my $binary = $ENV{TEST_NGINX_BINARY};

    return $versions{$binary} //= do {
        my $text = `'$binary' -v 2>&1`;

        $text =~ m{/(\d+)\.(\d+)\.(\d+)} or die "\"$binary -v\": $text\n";
        sprintf '%d.%03d%03d', $1, $2, $3;
    };
}

# $TEST_NGINX_* in a configuration; "why" says whose it is.

sub expand {
    my ($text, $why) = @_;

    return $text if !defined $text || ref $text;

    $text =~ s{\$(TEST_NGINX_[_A-Z0-9]+)}
              {$ENV{$1} // die "$why - no environment variable $1\n"}ge;

    return $text;
}

sub load_modules {
    return join "\n", map { "load_module $_;" }
                      split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
}

# Workers are this user, unless it is root: then they can be others.

sub user { return $> == 0 ? 'user ' . ($_[0] // 'root') . ';' : '' }

sub temp_paths {
    my ($dir) = @_;

    return join "\n", map { "${_}_temp_path $dir/${_}_temp;" }
                      qw( client_body proxy fastcgi uwsgi scgi );
}

# nginx 1.25.1 made it a directive of its own
sub listen_http2 {
    return "listen $_[0]" . (version() < 1.025001 ? ' http2;' : '; http2 on;');
}

# --- start

sub command {
    my ($self, @more) = @_;

    return [which($self->{binary}) // die("no $self->{binary}\n"),
            '-p', "$self->{dir}/", '-e', $self->{log}, '-c', $self->{conf},
            @{ $self->{args} }, @more];
}

sub spawn_nginx {
    my ($self, @more) = @_;

    unlink $self->{pid_file};

    return spawn($self->command(@more), out => $self->{out},
                 death_signal => 'TERM', env => $self->{env});
}

sub _listens {
    my ($self) = @_;

    return (read_file($self->{pid_file}) // '') =~ /^\d+\n/;
}

# Runs one that should end by itself; its wait status, or undef if it did not.

sub run {
    my ($self, @more) = @_;

    my $pid = $self->spawn_nginx(@more);
    my $status;

    wait_until(TIMEOUT, sub {
        $status = wait_child($pid, 0);
        return defined $status || $self->_listens();
    });

    stop_child($pid) if !defined $status;

    return $status;
}

sub start {
    my ($self) = @_;

    my $pid = $self->{pid} = $self->spawn_nginx();
    my $ended;

    my $ready = wait_until(TIMEOUT, sub {
        $ended = defined wait_child($pid, 0);
        return $ended || $self->_listens() && $self->_has_workers();
    });

    return $self if $ready && !$ended;

    stop_child($pid, 'KILL') if !$ended;
    delete $self->{pid};

    die "nginx did not start:\n" . $self->text();
}

# --- its processes

sub processes {
    my ($self, $pattern) = @_;

    my $text = read_file("/proc/$self->{pid}/task/$self->{pid}/children");

    return grep { (read_file("/proc/$_/cmdline") // '') =~ $pattern }
           split ' ', $text // '';
}

# those that take new connections, and those that do not any more
sub workers     { return $_[0]->processes(qr/worker process(?! is shutting)/) }
sub old_workers { return $_[0]->processes(qr/worker process is shutting/) }

sub _has_workers {
    my ($self, @old) = @_;

    my %old = map { $_ => 1 } @old;
    my @workers = $self->workers();

    return @workers == ($self->{workers} // @workers || 1)
           && !grep { $old{$_} } @workers;
}

# Waits until there are as many workers as there should be, none of them of
# those that are given.

sub wait_workers {
    my ($self, @old) = @_;

    return wait_until(TIMEOUT, sub { $self->_has_workers(@old) });
}

sub signal { return kill $_[1], $_[0]{pid} }

# Returns when new workers have taken over.

sub reload {
    my ($self) = @_;

    my @old = $self->workers();

    $self->signal('HUP');
    $self->wait_workers(@old) or die "nginx did not reload\n";

    return $self;
}

# --- the end

# Waits for it; what was wrong with it, or undef.

sub wait_end {
    my ($self) = @_;

    my $pid = delete $self->{pid} // return undef;
    my $status = wait_child($pid, TIMEOUT);

    if (!defined $status) {
        stop_child($pid);
        return 'nginx did not end in ' . TIMEOUT . ' seconds';
    }

    return $status == 0  ? undef
         : $status & 127 ? 'nginx was killed by signal ' . ($status & 127)
         :                 'nginx exited with code ' . ($status >> 8);
}

# Tests; lines of trouble that match $expected are none.

sub quit {
    my ($self, $name, $expected) = @_;

    $self->signal('QUIT');

    return $self->ended($name, $expected);
}

sub ended {
    my ($self, $name, $expected) = @_;

    return if !$self->{pid};

    Test::More::is($self->wait_end(), undef, "$name: nginx ends");
    $self->is_clean($name, $expected);
}

# --- what it has written

# Lines that it must never write: alerts (of a socket left open, for one),
# other levels that are given, reports of sanitizers.

sub trouble {
    my ($self, @levels) = @_;

    my $levels = join '|', 'alert', @levels;

    return grep { /$sanitizer|\[(?:$levels)\]/ } split /^/, $self->text();
}

sub is_clean {
    my ($self, $name, $expected) = @_;

    my @bad = grep { !defined $expected || !/$expected/ || /$sanitizer/ }
              $self->trouble(qw( emerg crit ));

    Test::More::ok(!@bad, "$name: no alert, nothing of a sanitizer")
        or Test::More::diag(join '', @bad[0 .. ($#bad > 30 ? 30 : $#bad)]);
}

# Waits for a line of the log.

sub wait_log {
    my ($self, $pattern, $name) = @_;

    my $found = wait_until(TIMEOUT, sub { $self->log_text() =~ $pattern });

    Test::More::ok($found, $name) or Test::More::diag($self->log_text());
}

sub count_log {
    my ($self, $pattern) = @_;

    return scalar(() = $self->log_text() =~ /$pattern/g);
}

1;
