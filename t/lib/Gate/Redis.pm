package Gate::Redis;

# Copyright (C) nginx-gate authors
#
# A private redis-server of one suite, and a small client for it.
#
#     use Gate::Redis;
#
#     our $redis = Gate::Redis->run();
#     $redis->cmd('SET', 'key', 'value');
#
# Config sections find it at $TEST_NGINX_REDIS_SOCKET (and, with tcp => 1, at
# 127.0.0.1:$TEST_NGINX_REDIS_PORT).  Options of run():
#
#     name        default "redis"; another name gives other variables
#     tcp         1: also listen on a port that the kernel chose
#     password    requirepass
#     users       list of ACL user lines, e.g. 'gate on >secret ~gate:* +@all'
#     appendonly  1: appendfsync always, so that kill -9 loses nothing
#     config      list of further lines of redis.conf
#
# The socket and the port stay the same when it is stopped and started again.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes ();

use Gate::Env qw( scratch write_file read_file free_port listens_at which
                  wait_until wait_child stop_child spawn at_end );

use constant READY_TIMEOUT => 20;
use constant REPLY_TIMEOUT => 20;

# --- the process

sub run {
    my ($class, %opt) = @_;

    my $name = $opt{name} //= 'redis';
    my $dir = scratch() . "/$name";

    mkdir $dir, 0755 or -d $dir or die "cannot make $dir: $!\n";

    my $self = bless {
        %opt,
        dir    => $dir,
        socket => "$dir/sock",
        port   => $opt{tcp} ? free_port() : 0,
        log    => "$dir/log",
    }, $class;

    listens_at($name, @$self{qw( socket port )});
    at_end(sub { $self->kill9() });

    return $self->start();
}

sub socket_path { return $_[0]{socket} }
sub port        { return $_[0]{port} }
sub pid         { return $_[0]{pid} }
sub log_text    { return read_file($_[0]{log}) // '' }

sub _conf {
    my ($self) = @_;

    my @conf = (
        "port $self->{port}",
        'bind 127.0.0.1',
        "unixsocket $self->{socket}",
        'unixsocketperm 777',
        "dir $self->{dir}",
        "logfile $self->{log}",
        'daemonize no',
        'save ""',
        'enable-debug-command yes',
        'enable-protected-configs yes',
        'appendonly ' . ($self->{appendonly} ? 'yes' : 'no'),
        'appendfsync always',
    );

    push @conf, "requirepass $self->{password}" if defined $self->{password};
    push @conf, map { "user $_" } @{ $self->{users} // [] };
    push @conf, @{ $self->{config} // [] };

    return join "\n", @conf, '';
}

sub start {
    my ($self) = @_;

    return $self if $self->{pid};

    my $conf = write_file("$self->{dir}/redis.conf", $self->_conf());

    # what a killed server left would look like a listening one
    unlink $self->{socket};

    $self->{pid} = spawn([which('redis-server') // 'redis-server', $conf],
                         out => "$self->{dir}/out");

    my $ready = wait_until(READY_TIMEOUT, sub {
        if (defined wait_child($self->{pid}, 0)) {
            delete $self->{pid};
            return 1;
        }

        return eval { $self->cmd('PING') eq 'PONG' };
    });

    return $self if $ready && $self->{pid};

    $self->kill9();
    die "redis-server did not start: $@\n" . $self->log_text()
        . (read_file("$self->{dir}/out") // '');
}

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return $self;

    $self->disconnect();
    stop_child($pid, 'TERM', 10);

    return $self;
}

sub kill9 {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return $self;

    $self->disconnect();
    stop_child($pid, 'KILL', 10);

    return $self;
}

sub restart {
    my ($self) = @_;

    return $self->stop()->start();
}

# A server that hangs: connections are accepted by the kernel, and nobody
# answers on them.

sub freeze {
    my ($self) = @_;

    kill 'STOP', $self->{pid};

    # the signal is delivered when the state says so
    wait_until(5, sub { ($self->_state() // 'T') eq 'T' })
        or die "redis-server did not freeze\n";

    return $self;
}

sub thaw {
    my ($self) = @_;

    kill 'CONT', $self->{pid};

    return $self;
}

sub _state {
    my ($self) = @_;

    my $stat = read_file("/proc/$self->{pid}/stat") // return undef;

    return $stat =~ /\) (\S)/ ? $1 : undef;
}

# --- the client

sub connect {
    my ($self) = @_;

    # a connection is never shared with a forked child
    if ($self->{sock} && $self->{sock_pid} == $$) {
        return $self->{sock};
    }

    $self->{sock} = IO::Socket::UNIX->new(Peer => $self->{socket})
        or die "cannot connect to $self->{socket}: $!\n";
    $self->{sock_pid} = $$;
    $self->{in} = '';

    $self->_call('AUTH', $self->{password}) if defined $self->{password};

    return $self->{sock};
}

sub disconnect {
    my ($self) = @_;

    delete $self->{sock};
    $self->{in} = '';

    return $self;
}

# The reply as a string, undef for nil, or a reference to a list of replies.
# Errors die with Redis' own text.

sub cmd {
    my ($self, @args) = @_;

    $self->connect();

    return $self->_call(@args);
}

# The text of the error that the command must give, or undef.

sub error_of {
    my ($self, @args) = @_;

    return undef if eval { $self->cmd(@args); 1 };

    my $text = $@;
    chomp $text;

    return $text;
}

# Many commands in one write; errors are returned as { error => text }.

sub pipeline {
    my ($self, @commands) = @_;

    $self->connect();
    $self->_send(join '', map { _encode(@$_) } @commands);

    return map { $self->_reply(1) } @commands;
}

sub eval_lua {
    my ($self, $source, $keys, @args) = @_;

    return $self->cmd('EVAL', $source, scalar @$keys, @$keys, @args);
}

sub _call {
    my ($self, @args) = @_;

    $self->_send(_encode(@args));

    return $self->_reply(0);
}

sub _encode {
    my (@args) = @_;

    my $out = '*' . @args . "\r\n";

    for my $arg (@args) {
        my $bytes = "$arg";
        utf8::encode($bytes) if utf8::is_utf8($bytes);

        $out .= '$' . length($bytes) . "\r\n$bytes\r\n";
    }

    return $out;
}

sub _send {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $off = 0;

    while ($off < length $bytes) {
        my $n = syswrite $self->{sock}, $bytes, length($bytes) - $off, $off;
        $self->_broken("write failed: $!") if !defined $n;
        $off += $n;
    }
}

sub _broken {
    my ($self, $why) = @_;

    $self->disconnect();
    die "$why\n";
}

sub _fill {
    my ($self) = @_;

    vec(my $bits = '', fileno $self->{sock}, 1) = 1;

    select($bits, undef, undef, REPLY_TIMEOUT)
        or $self->_broken('no reply in ' . REPLY_TIMEOUT . ' seconds');

    my $n = sysread $self->{sock}, $self->{in}, 65536, length $self->{in};
    $self->_broken('connection closed') if !$n;
}

sub _line {
    my ($self) = @_;

    my $end;
    $self->_fill() while ($end = index $self->{in}, "\r\n") < 0;

    my $line = substr $self->{in}, 0, $end + 2, '';

    return substr $line, 0, -2;
}

sub _reply {
    my ($self, $errors_are_values) = @_;

    my $line = $self->_line();
    my $type = substr $line, 0, 1, '';

    return $line if $type eq '+' || $type eq ':';

    if ($type eq '-') {
        return { error => $line } if $errors_are_values;
        die "$line\n";
    }

    if ($type eq '$') {
        return undef if $line < 0;

        $self->_fill() while length $self->{in} < $line + 2;

        my $value = substr $self->{in}, 0, $line + 2, '';
        return substr $value, 0, -2;
    }

    if ($type eq '*') {
        return undef if $line < 0;

        return [ map { $self->_reply(1) } 1 .. $line ];
    }

    $self->_broken("unknown reply type \"$type\"");
}

# --- views for assertions

sub hash {
    my ($self, $key) = @_;

    return { @{ $self->cmd('HGETALL', $key) } };
}

# All keys that match, sorted, one line for each value: what Redis holds, in a
# form that can be compared.

sub dump {
    my ($self, $pattern) = @_;

    my $out = '';

    for my $key (sort @{ $self->cmd('KEYS', $pattern // '*') }) {
        $out .= $self->_dump_key($key);
    }

    return $out;
}

sub _dump_key {
    my ($self, $key) = @_;

    my $type = $self->cmd('TYPE', $key);

    return "$key = " . $self->cmd('GET', $key) . "\n" if $type eq 'string';

    if ($type eq 'hash') {
        my $hash = $self->hash($key);

        return join '', map { "$key.$_ = $hash->{$_}\n" } sort keys %$hash;
    }

    my %all = (list => ['LRANGE', 0, -1], zset => ['ZRANGE', 0, -1, 'WITHSCORES'],
               stream => ['XRANGE', '-', '+']);
    my ($command, @range) = @{ $all{$type} };
    my $items = $self->cmd($command, $key, @range);

    return join '', map { "$key: " . _flat($_) . "\n" } @$items;
}

sub _flat {
    my ($value) = @_;

    return '(nil)' if !defined $value;

    return ref $value eq 'ARRAY' ? join ' ', map { _flat($_) } @$value
                                 : $value;
}

1;
