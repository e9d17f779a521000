package Gate::Loop;

# Copyright (C) nginx-gate authors
#
# What the processes of Gate::Upstream, Gate::Proxy and Gate::FakeRedis have in
# common: sockets that listen, connections, and what is to be written, each piece at its time.
# A connection is a hash with sock, out (a list of { bytes, at, close }; close
# is 1 or "reset"), eof, closed.  A subclass has
#
#     accepted($sock, $address)   a new client of the listener at the address
#     readable($conn)             there is something, or the end
#     step($conn)                 in each turn
#     orders()                    "ctl", a socket, has something

use strict;
use warnings;

use Errno qw( EAGAIN EINTR );
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket;
use Time::HiRes ();

use Gate::Env ();

use constant BACKLOG => 511;

# At paths of unix sockets, and at ports.

sub listen {
    my ($self, @addresses) = @_;

    for my $address (@addresses) {
        my $is_path = $address =~ m{/};

        unlink $address if $is_path;

        my $sock = $is_path
            ? IO::Socket::UNIX->new(Local => $address, Listen => BACKLOG)
            : IO::Socket::INET->new(LocalAddr => '127.0.0.1', ReuseAddr => 1,
                                    LocalPort => $address, Listen => BACKLOG);

        die "cannot listen at $address: $!\n" if !$sock;

        $sock->blocking(0);
        chmod 0777, $address if $is_path;
        push @{ $self->{listeners} }, [$sock, $address];
    }
}

sub stop_listening {
    my ($self) = @_;

    close $_->[0] for @{ $self->{listeners} };
    $self->{listeners} = [];
}

sub serve {
    my ($self) = @_;

    while (Gate::Env::parent_alive()) {
        my ($r, $w, $wait) = $self->_interest();

        my $n = select $r, $w, undef, $wait;
        $r = '' if $n <= 0;

        # orders last: a new descriptor may have the number of an old one
        for my $conn ($self->conns()) {
            next if $conn->{closed};

            $self->readable($conn) if vec $r, fileno $conn->{sock}, 1;
            $self->step($conn) if !$conn->{closed};
        }

        for my $listener (@{ $self->{listeners} }) {
            my ($sock, $address) = @$listener;

            next if !vec $r, fileno $sock, 1;

            while (my $client = $sock->accept()) {
                $client->blocking(0);
                $self->accepted($client, $address);
            }
        }

        $self->orders() if $self->{ctl} && vec $r, fileno $self->{ctl}, 1;
    }
}

sub _interest {
    my ($self) = @_;

    my ($r, $w, $wait) = ('', '', 1);
    my $now = Time::HiRes::time();

    vec($r, fileno $_, 1) = 1 for map({ $_->[0] } @{ $self->{listeners} }),
                                  $self->{ctl} // ();

    for my $conn ($self->conns()) {
        my $fd = fileno $conn->{sock};

        vec($r, $fd, 1) = 1 if !$conn->{eof};
        next if !@{ $conn->{out} } || $self->{hold};

        my $left = $conn->{out}[0]{at} - $now;

        vec($w, $fd, 1) = 1 if $left <= 0;
        $wait = $left if $left > 0 && $left < $wait;
    }

    return ($r, $w, $wait);
}

# --- connections

sub conns { return values %{ $_[0]{conns} } }

sub add {
    my ($self, $sock, %more) = @_;

    return $self->{conns}{fileno $sock} = { sock => $sock, out => [], %more };
}

sub close {
    my ($self, $conn, $reset) = @_;

    return if $conn->{closed};

    setsockopt $conn->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)
        if $reset;

    $conn->{closed} = 1;
    delete $self->{conns}{fileno $conn->{sock}};
    CORE::close $conn->{sock};
}

# Writes what is due, at most so many bytes; how many, or undef when nothing
# can be written now.

sub write {
    my ($self, $conn, $limit) = @_;

    my $piece = $conn->{out}[0];
    return undef if $piece->{at} > Time::HiRes::time();

    if ($piece->{close}) {
        $self->close($conn, $piece->{close} eq 'reset');
        return 0;
    }

    my $n = syswrite $conn->{sock}, $piece->{bytes}, $limit // 1 << 20;

    if (!defined $n) {
        return undef if $! == EAGAIN || $! == EINTR;

        $self->close($conn);
        return 0;
    }

    substr $piece->{bytes}, 0, $n, '';
    shift @{ $conn->{out} } if $piece->{bytes} eq '';

    return $n;
}

1;
