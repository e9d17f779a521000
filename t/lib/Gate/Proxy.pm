package Gate::Proxy;

# Copyright (C) nginx-gate authors
#
# A process between a client and a server that makes the way bad.
#
#     our $proxy = Gate::Proxy->run(to => $redis->socket_path());
#     $proxy->delay(200);      # ms in each direction, for what comes from now
#     $proxy->hold();          # nothing is passed on, new clients are accepted
#     $proxy->go();            # what was held goes on
#     $proxy->held('EVALSHA'); # how often that word is in what is held
#     $proxy->cut();           # all connections are closed
#     $proxy->cut('reset');    # by a reset
#     $proxy->refuse();        # stop listening; accept() listens again
#     $proxy->cut_after(100);  # each connection, after that many answer bytes
#
# It listens at $TEST_NGINX_PROXY_SOCKET and 127.0.0.1:$TEST_NGINX_PROXY_PORT
# (run(name => 'x'): TEST_NGINX_X_...).  An order is in force when its call
# returns.

use strict;
use warnings;

use Errno qw( EAGAIN EINTR EINPROGRESS );
use Socket;
use Time::HiRes ();

use IO::Handle;
use IO::Socket::INET;
use IO::Socket::UNIX;

use Gate::Env qw( scratch free_port fork_child stop_child at_end );
use Gate::Http;

sub run {
    my ($class, %opt) = @_;

    my $name = $opt{name} //= 'proxy';
    my $self = bless {
        %opt,
        socket => scratch() . "/$name.sock",
        port   => free_port(),
    }, $class;

    my $var = 'TEST_NGINX_' . uc $name;

    $ENV{"${var}_SOCKET"} = $self->{socket};
    $ENV{"${var}_PORT"} = $self->{port};

    at_end(sub { $self->stop() });

    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair() failed: $!\n";

    my $state = Gate::Proxy::Process->new($self, $theirs);

    $self->{pid} = fork_child(sub {
        close $ours;
        $state->serve();
    });

    $state->stop_listening();
    close $theirs;
    $ours->autoflush(1);
    $self->{ctl} = $ours;

    return $self;
}

sub socket_path { return $_[0]{socket} }
sub port        { return $_[0]{port} }

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return $self;

    stop_child($pid, 'KILL');

    return $self;
}

sub _order {
    my ($self, $order) = @_;

    my $ctl = $self->{ctl};

    print {$ctl} "$order\n";
    my $answer = <$ctl> // die "proxy is gone\n";
    chomp $answer;

    return $answer;
}

sub delay     { return $_[0]->_order("delay $_[1]") }
sub hold      { return $_[0]->_order('hold 1') }
sub go        { return $_[0]->_order('hold 0') }
sub cut       { return $_[0]->_order('cut ' . ($_[1] // 'close')) }
sub cut_after { return $_[0]->_order("cut_after $_[1]") }
sub refuse    { return $_[0]->_order('listen 0') }
sub accept    { return $_[0]->_order('listen 1') }

# How often a word occurs in what is held on its way to the server.
sub held      { return $_[0]->_order("held $_[1]") }

# How many clients are connected, and how many ever were.
sub clients   { return $_[0]->_order('clients 0') }
sub accepted  { return $_[0]->_order('accepted 0') }

package Gate::Proxy::Process;

sub new {
    my ($class, $proxy, $ctl) = @_;

    my $self = bless {
        to => $proxy->{to}, unix => $proxy->{socket}, port => $proxy->{port},
        ctl => $ctl, ctl_in => '', delay => 0, hold => 0, accepted => 0,
        cut_after => 0, listeners => [], ends => {},
    }, $class;

    $self->listen();

    return $self;
}

sub listen {
    my ($self) = @_;

    return if @{ $self->{listeners} };

    unlink $self->{unix};

    my @listeners = (
        IO::Socket::UNIX->new(Local => $self->{unix}, Listen => 511),
        IO::Socket::INET->new(LocalAddr => '127.0.0.1', ReuseAddr => 1,
                              LocalPort => $self->{port}, Listen => 511),
    );

    die "proxy cannot listen: $!\n" if grep { !$_ } @listeners;

    $_->blocking(0) for @listeners;
    chmod 0777, $self->{unix};

    $self->{listeners} = \@listeners;
}

sub stop_listening {
    my ($self) = @_;

    close $_ for @{ $self->{listeners} };
    $self->{listeners} = [];
}

sub serve {
    my ($self) = @_;

    while (Gate::Env::parent_alive()) {
        my ($r, $w, $wait) = $self->_interest();

        my $n = select $r, $w, undef, $wait;
        ($r, $w) = ('', '') if $n <= 0;

        # orders last: a new descriptor may have the number of an old one
        for my $end (my @ends = values %{ $self->{ends} }) {
            next if $end->{closed};

            $self->_read($end) if vec $r, fileno $end->{sock}, 1;
            $self->_write($end) if !$end->{closed};
        }

        for my $listener (@{ $self->{listeners} }) {
            $self->_accept($listener) if vec $r, fileno $listener, 1;
        }

        $self->_orders() if vec $r, fileno $self->{ctl}, 1;
    }
}

sub _interest {
    my ($self) = @_;

    my ($r, $w, $wait) = ('', '', 1);
    my $now = Time::HiRes::time();

    vec($r, fileno $_, 1) = 1 for @{ $self->{listeners} }, $self->{ctl};

    for my $end (values %{ $self->{ends} }) {
        my $fd = fileno $end->{sock};

        vec($r, $fd, 1) = 1 if !$end->{eof};
        next if !@{ $end->{out} } || $self->{hold};

        my $left = $end->{out}[0]{at} - $now;

        vec($w, $fd, 1) = 1 if $left <= 0;
        $wait = $left if $left > 0 && $left < $wait;
    }

    return ($r, $w, $wait);
}

sub _accept {
    my ($self, $listener) = @_;

    while (my $sock = $listener->accept()) {
        my $server = Gate::Http::open_socket($self->{to});

        if (!$server) {
            close $sock;
            next;
        }

        $sock->blocking(0);
        $self->{accepted}++;

        my $client_end = { sock => $sock, out => [], sent => 0, client => 1 };
        my $server_end = { sock => $server, out => [], sent => 0 };

        $client_end->{peer} = $server_end;
        $server_end->{peer} = $client_end;

        $self->{ends}{fileno $_->{sock}} = $_ for $client_end, $server_end;
    }
}

sub _read {
    my ($self, $end) = @_;

    return if $end->{closed};

    my $n = sysread $end->{sock}, my $bytes, 65536;

    return if !defined $n && ($!{EAGAIN} || $!{EINTR});

    $end->{eof} = 1 if !$n;

    # an end of file waits in the same queue as the bytes before it
    push @{ $end->{peer}{out} },
         { bytes => $bytes, eof => !$n,
           at => Time::HiRes::time() + $self->{delay} / 1000 };
}

sub _write {
    my ($self, $end) = @_;

    while (!$self->{hold} && !$end->{closed} && @{ $end->{out} }) {
        my $piece = $end->{out}[0];
        return if $piece->{at} > Time::HiRes::time();

        if ($piece->{eof}) {
            $self->_close($end);
            return;
        }

        my $limit = $end->{client} && $self->{cut_after}
                    ? $self->{cut_after} - $end->{sent} : 65536;
        my $n = syswrite $end->{sock}, $piece->{bytes}, $limit;

        if (!defined $n) {
            return if $!{EAGAIN} || $!{EINTR};
            $self->_close($end);
            return;
        }

        substr $piece->{bytes}, 0, $n, '';
        shift @{ $end->{out} } if $piece->{bytes} eq '';
        $end->{sent} += $n;

        $self->_close($end)
            if $end->{client} && $self->{cut_after}
               && $end->{sent} >= $self->{cut_after};
    }
}

# Both ends of a connection.

sub _close {
    my ($self, $end, $reset) = @_;

    return if $end->{closed};

    for my $one ($end, delete $end->{peer}) {
        setsockopt $one->{sock}, Socket::SOL_SOCKET(), Socket::SO_LINGER(),
                   pack('ii', 1, 0) if $reset;

        $one->{closed} = 1;
        delete $one->{peer};
        delete $self->{ends}{fileno $one->{sock}};
        close $one->{sock};
    }
}

sub _orders {
    my ($self) = @_;

    my $n = sysread $self->{ctl}, $self->{ctl_in}, 4096,
                    length $self->{ctl_in};
    POSIX::_exit(0) if !$n;

    while ($self->{ctl_in} =~ s/^(\w+) (\S+)\n//) {
        syswrite $self->{ctl}, $self->_obey($1, $2) . "\n";
    }
}

sub _obey {
    my ($self, $order, $value) = @_;

    if ($order eq 'cut') {
        for my $end (my @ends = values %{ $self->{ends} }) {
            $self->_close($end, $value eq 'reset') if !$end->{closed};
        }

    } elsif ($order eq 'listen') {
        $value ? $self->listen() : $self->stop_listening();

    } elsif ($order eq 'clients') {
        return scalar grep { $_->{client} } values %{ $self->{ends} };

    } elsif ($order eq 'held') {
        my $held = join '', map { $_->{bytes} // '' } map { @{ $_->{out} } }
                            grep { !$_->{client} } values %{ $self->{ends} };

        return scalar(() = $held =~ /\Q$value\E/g);

    } elsif ($order eq 'accepted') {
        return $self->{accepted};

    } else {
        $self->{$order} = $value;
    }

    return 'ok';
}

1;
