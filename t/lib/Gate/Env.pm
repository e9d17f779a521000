package Gate::Env;

# Copyright (C) nginx-gate authors
#
# The surroundings of one suite: where nginx and the module are, a scratch
# directory, ports, child processes.  Load it before Test::Nginx::Socket:
#
#     use lib 't/lib';
#     use Gate::Env;
#     use Test::Nginx::Socket 'no_plan';
#
# Everything that a suite needs in its config sections is exported through
# TEST_NGINX_* variables, which both harnesses expand.

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use Fcntl qw( F_GETFD F_SETFD FD_CLOEXEC );
use File::Basename ();
use File::Path ();
use File::Temp ();
use POSIX ();
use Socket;
use Time::HiRes ();

our @EXPORT_OK = qw(
    root scratch keys_dir write_file write_key read_file free_port
    loopback_name wait_until wait_child stop_child spawn fork_child at_end
    which is_running listens_at certificate output
);

# sun_path holds 108 bytes; names below the scratch directory need some
use constant MAX_SCRATCH => 70;

my $owner = $$;
my $root = Cwd::abs_path(File::Basename::dirname(__FILE__) . '/../../..');
my ($scratch, $kept, @cleanups, @reserved, %children);

sub root    { return $root }
sub scratch { return $scratch }

sub which {
    my ($name) = @_;

    return $name if $name =~ m{/};

    for my $dir (split /:/, $ENV{PATH}) {
        return "$dir/$name" if -x "$dir/$name" && !-d _;
    }

    return undef;
}

# --- files

# Whether workers of nginx, which are other users if this one is root, can
# reach what is in a directory.

sub _is_open {
    my ($dir) = @_;

    return 1 if $> != 0;

    while ($dir ne '/') {
        return 0 if !((stat $dir)[2] & 01);
        $dir = File::Basename::dirname($dir);
    }

    return 1;
}

sub _make_scratch {
    my $suite = File::Basename::basename($0);
    $suite =~ s/\.t$//;
    $suite =~ s/[^\w.-]/_/g;

    my $dir = "$root/build/t/$suite-$$";

    # a suite that was started by a suite leaves nothing
    if (length $dir <= MAX_SCRATCH && !defined $ENV{TEST_NGINX_SCRATCH}
        && _is_open($root))
    {
        eval { File::Path::make_path("$root/build/t") };

        if (-w "$root/build/t" && (mkdir $dir or -d $dir)) {
            File::Path::remove_tree($dir, { keep_root => 1 });
            $kept = 1;
        }
    }

    if (!$kept) {
        $dir = File::Temp::tempdir('gate-XXXXXXXX', TMPDIR => 1);
    }

    chmod 0755, $dir;

    return $dir;
}

sub write_file {
    my ($path, $content, $mode) = @_;

    $path = "$scratch/$path" if $path !~ m{^/};

    # a new inode each time: the writer of a secret renames, too
    my $new = "$path.new$$";
    unlink $new;

    open my $fh, '>:raw', $new or die "cannot write $new: $!\n";
    print {$fh} $content;
    close $fh or die "cannot write $new: $!\n";

    chmod $mode // 0644, $new or die "cannot chmod $new: $!\n";
    rename $new, $path or die "cannot rename $new: $!\n";

    return $path;
}

sub read_file {
    my ($path) = @_;

    $path = "$scratch/$path" if $path !~ m{^/};

    open my $fh, '<:raw', $path or return undef;
    local $/;

    return scalar <$fh>;
}

sub keys_dir {
    my $dir = "$scratch/keys";

    mkdir $dir, 0755 or -d $dir or die "cannot make $dir: $!\n";

    return $dir;
}

sub write_key {
    my ($name, $content, $mode) = @_;

    return write_file(keys_dir() . "/$name", $content, $mode // 0600);
}

# FILE.crt and FILE.key; options: by (such a file of a CA), names (of the host).

sub certificate {
    my ($file, $subject, %opt) = @_;

    my ($status, $out) = output('openssl', 'req', '-x509', '-newkey', 'ec',
        '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', 2,
        '-subj', $subject, '-keyout', "$file.key", '-out', "$file.crt",
        $opt{by} ? ('-CA', "$opt{by}.crt", '-CAkey', "$opt{by}.key") : (),
        $opt{names} ? ('-addext', "subjectAltName=$opt{names}") : ());

    $status == 0 or die $out;
}

# --- ports

# A bound socket that never listens keeps its port from everybody but those
# who bind it by number with SO_REUSEADDR, as nginx and redis-server do.  So
# a port is ours until this process ends, also while its server is down.

sub free_port {
    socket my $sock, AF_INET, SOCK_STREAM, 0 or die "socket() failed: $!\n";
    setsockopt $sock, SOL_SOCKET, SO_REUSEADDR, 1;
    bind $sock, pack_sockaddr_in(0, INADDR_LOOPBACK)
        or die "bind() failed: $!\n";

    push @reserved, $sock;

    return (sockaddr_in(getsockname $sock))[0];
}

# Config sections find a server by its name.

sub listens_at {
    my ($name, $socket, $port) = @_;

    $ENV{'TEST_NGINX_' . uc($name) . '_SOCKET'} = $socket;
    $ENV{'TEST_NGINX_' . uc($name) . '_PORT'} = $port if $port;
}

# A name of 127.0.0.1: not every machine knows the usual one, and what has too
# few parts for an address is a name to nginx, and a number to the resolver.

sub loopback_name {
    return gethostbyname('localhost') ? 'localhost' : '127.1';
}

# --- processes

# Polls until the condition is true or the time is over.

sub wait_until {
    my ($timeout, $cond) = @_;

    my $end = Time::HiRes::time() + $timeout;
    my $pause = 0.001;

    while (1) {
        my $rc = $cond->();
        return $rc if $rc;
        return 0 if Time::HiRes::time() > $end;

        select undef, undef, undef, $pause;
        $pause *= 1.5 if $pause < 0.02;
    }
}

# Zombies of an init that does not care are gone enough.

sub is_running {
    my ($pid) = @_;

    return (read_file("/proc/$pid/stat") // ') Z') !~ /\) Z/;
}

# The wait status, or undef when the child still runs after the timeout.

sub wait_child {
    my ($pid, $timeout) = @_;

    my $status;

    wait_until($timeout, sub {
        my $rc = waitpid $pid, POSIX::WNOHANG;
        return 0 if $rc == 0;

        $status = $rc == $pid ? $? : 0;
        return 1;
    }) or return undef;

    delete $children{$pid};

    return $status;
}

# Asks with a signal, then kills; returns the wait status.

sub stop_child {
    my ($pid, $signal, $timeout) = @_;

    kill 'CONT', $pid;
    kill $signal // 'TERM', $pid;

    my $status = wait_child($pid, $timeout // 5);
    return $status if defined $status;

    kill 'KILL', $pid;

    return wait_child($pid, 10);
}

# Runs a program; options: out (a file for stdout and stderr), env, dir, in.
# The kernel kills it when this process is gone, however that happens.

sub spawn {
    my ($cmd, %opt) = @_;

    my @cmd = @$cmd;
    my $setpriv = which('setpriv');
    my $sig = $opt{death_signal} // 'KILL';

    unshift @cmd, $setpriv, '--pdeathsig', $sig, '--' if $setpriv;

    my $pid = fork // die "fork() failed: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw( INT TERM HUP PIPE QUIT CHLD ALRM );
        %ENV = (%ENV, %{ $opt{env} }) if $opt{env};
        chdir $opt{dir} if $opt{dir};

        my $out = $opt{out} // '/dev/null';

        if (open(STDIN, '<', $opt{in} // '/dev/null')
            && open(STDOUT, '>>', $out) && open(STDERR, '>&', \*STDOUT))
        {
            no warnings 'exec';
            exec { $cmd[0] } @cmd;
        }

        POSIX::_exit(127);
    }

    $children{$pid} = $sig;

    return $pid;
}

# Status of a program that ends by itself, and what it wrote.

sub output {
    my $out = "$scratch/output";

    unlink $out;
    my $status = wait_child(spawn(\@_, out => $out), 120) // -1;

    return ($status, read_file($out) // '');
}

# Runs Perl code in a child that ends with it, without END blocks.  Inside,
# parent_alive() tells whether anybody is left to work for.

my $parent = getppid();

sub parent_alive { return getppid() == $parent }

sub fork_child {
    my ($code) = @_;

    my $self = $$;
    my $pid = fork // die "fork() failed: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw( INT TERM HUP QUIT CHLD ALRM );
        $SIG{PIPE} = 'IGNORE';
        $parent = $self;
        @reserved = ();

        # prove waits for the end of what it reads from
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';

        eval { $code->(); 1 } or print STDERR "# child of $0: $@";
        POSIX::_exit($@ ? 1 : 0);
    }

    $children{$pid} = 'KILL';

    return $pid;
}

sub at_end {
    my ($code) = @_;

    push @cleanups, $code;
}

sub _end {
    return if $$ != $owner;

    for my $code (reverse splice @cleanups) {
        eval { $code->(); 1 } or print STDERR "# at end: $@";
    }

    for my $pid (keys %children) {
        next if waitpid($pid, POSIX::WNOHANG) != 0;
        stop_child($pid, $children{$pid}, 3);
    }
}

END {
    if ($$ == $owner) {
        my $status = $?;

        _end();

        # what a failed suite leaves behind explains it
        if (!$ENV{TEST_NGINX_KEEP} && ($status == 0 || !$kept)) {
            chdir $root;
            File::Path::remove_tree($scratch) if defined $scratch;
        }

        $? = $status;
    }
}

# --- the head of a suite

sub _find_module {
    return if $ENV{GATE_STATIC} || defined $ENV{TEST_NGINX_LOAD_MODULES};

    my $module = $ENV{GATE_MODULE} // "$root/build/ngx_http_gate_module.so";

    $ENV{TEST_NGINX_LOAD_MODULES} = $module if -f $module;
}

# A suite that was started by a suite has its own places.

sub _forget_parent {
    my $parent_scratch = $ENV{TEST_NGINX_SCRATCH} // return;

    return if ($ENV{TEST_NGINX_SERVROOT} // '') !~ /^\Q$parent_scratch\E/;

    delete @ENV{qw( TEST_NGINX_SERVROOT TEST_NGINX_PORT TEST_NGINX_HTML_DIR
                    TEST_NGINX_SERVER_PORT TEST_NGINX_CLIENT_PORT )};
}

sub _init {
    _forget_parent();

    # where nginx is, which ordinary users have not in their PATH
    $ENV{PATH} .= ':/usr/sbin:/sbin';

    $scratch = _make_scratch();

    $ENV{TEST_NGINX_SCRATCH} = $scratch;
    $ENV{TEST_NGINX_KEYS} = keys_dir();
    $ENV{TEST_NGINX_ROOT} = $root;
    $ENV{TEST_NGINX_BINARY} //= which('nginx') // 'nginx';
    $ENV{TEST_NGINX_SERVROOT} //= "$scratch/servroot";
    $ENV{TEST_NGINX_PORT} //= $ENV{TEST_NGINX_SERVER_PORT} // free_port();
    $ENV{TEST_NGINX_SERVER_PORT} //= $ENV{TEST_NGINX_PORT};
    $ENV{TEST_NGINX_HTML_DIR} //= "$ENV{TEST_NGINX_SERVROOT}/html";

    # ports are never fixed here; this would only choose others afterwards
    delete $ENV{TEST_NGINX_RANDOMIZE};

    # as in production; the alternative has no graceful quit
    $ENV{TEST_NGINX_MASTER_PROCESS} //= 'on';

    _find_module();

    for my $signal (qw( INT TERM HUP )) {
        $SIG{$signal} //= sub { exit 1 };
    }
}

_init();

1;
