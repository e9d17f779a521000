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
# expanded there.  The binary and the module are those of suites in blocks.

use strict;
use warnings;

use Test::More ();

use Gate::Env qw( scratch free_port write_file read_file spawn wait_until
                  wait_child stop_child at_end which );
use Gate::Harness::Config;
use Gate::Harness::Nginx;

use constant TIMEOUT => 20;

# what nginx must never write
my $trouble = qr/\[(?:alert|emerg|crit)\]/;

sub new {
    my ($class, %opt) = @_;

    my $name = $opt{name} // 'gateway';
    my $dir = scratch() . "/$name";

    mkdir $dir, 0755 or -d $dir or die "cannot make $dir: $!\n";
    mkdir "$dir/html", 0755;

    my $self = bless {
        workers => 1, user => 'root', level => 'info',
        http => '', server => '', main => '', %opt,
        name => $name, dir => $dir, log => "$dir/error.log",
        socket => "$dir/http.sock", port => free_port(),
    }, $class;

    at_end(sub { stop_child($self->{pid}, 'TERM') if $self->{pid} });

    return $self;
}

sub socket_path { return $_[0]{socket} }
sub h2_path     { return "$_[0]{dir}/h2.sock" }
sub port        { return $_[0]{port} }
sub pid         { return $_[0]{pid} }
sub log_text    { return read_file($_[0]{log}) // '' }

# --- configuration

sub _expand {
    my ($text) = @_;

    $text =~ s{\$(TEST_NGINX_[A-Z0-9_]+)}{$ENV{$1} // die "no $1\n"}ge;

    return $text;
}

sub _conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $load = join "\n", map { "load_module $_;" }
                          split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my $user = $> == 0 ? "user $self->{user};" : '';
    my $temp = join "\n", map { "    ${_}_temp_path $dir/$_;" }
                          qw( client_body proxy fastcgi uwsgi scgi );

    my $h2 = "listen unix:$dir/h2.sock";

    # nginx 1.25.1 made it a directive of its own
    $h2 .= Gate::Harness::Config::nginx_version()
           < Gate::Harness::Config::nginx_version('1.25.1')
           ? ' http2;' : '; http2 on;';

    return _expand(<<"END");
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

    write_file("$self->{dir}/nginx.conf", $self->_conf());
    unlink $self->{socket}, $self->h2_path();

    my $binary = which($ENV{TEST_NGINX_BINARY} // 'nginx') // die "no nginx\n";

    $self->{pid} = spawn([$binary, '-p', "$self->{dir}/", '-e', $self->{log},
                          '-c', "$self->{dir}/nginx.conf"],
                         out => "$self->{dir}/out", death_signal => 'TERM',
                         env => { ASAN_OPTIONS => 'detect_leaks=0' });

    $self->wait_workers()
        or die "nginx did not start:\n" . $self->log_text()
               . (read_file("$self->{dir}/out") // '');

    return $self;
}

sub processes {
    my ($self, $pattern) = @_;

    my $text = read_file("/proc/$self->{pid}/task/$self->{pid}/children");

    return grep { (read_file("/proc/$_/cmdline") // '') =~ $pattern }
           split ' ', $text // '';
}

# those that take new connections, and those that do not any more
sub workers { return $_[0]->processes(qr/worker process(?! is shutting)/) }
sub old_workers { return $_[0]->processes(qr/worker process is shutting/) }

# Waits until there are as many workers as there should be, none of them of
# those that are given.

sub wait_workers {
    my ($self, @old) = @_;

    my %old = map { $_ => 1 } @old;

    return wait_until(TIMEOUT, sub {
        my @workers = $self->workers();
        return @workers == $self->{workers} && !grep { $old{$_} } @workers;
    });
}

sub signal { kill $_[1], $_[0]{pid} }

# A new configuration; returns when new workers have taken over.

sub reload {
    my ($self, %opt) = @_;

    %$self = (%$self, %opt);
    write_file("$self->{dir}/nginx.conf", $self->_conf());

    my @old = $self->workers();

    $self->signal('HUP');
    $self->wait_workers(@old) or die "nginx did not reload\n";

    return $self;
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

# --- the end, and what it must have been like

# Lines of trouble that match $expected are none.

sub quit {
    my ($self, $name, $expected) = @_;

    $self->signal('QUIT');

    return $self->ended($name, $expected);
}

sub ended {
    my ($self, $name, $expected) = @_;

    my $pid = delete $self->{pid} // return;
    my $status = wait_child($pid, TIMEOUT);

    stop_child($pid, 'KILL') if !defined $status;

    Test::More::is($status, 0, "$name: nginx ends");
    $self->is_clean($name, $expected);
}

# No alert (of a socket left open, for one), nothing of a sanitizer.

sub is_clean {
    my ($self, $name, $expected) = @_;

    my @bad = grep { Gate::Harness::Nginx::is_sanitizer($_)
                     || /$trouble/ && !(defined $expected && /$expected/) }
              split /^/, $self->log_text()
                         . (read_file("$self->{dir}/out") // '');

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
