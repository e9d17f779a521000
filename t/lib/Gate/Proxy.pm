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

use IO::Handle;
use Socket;

use Gate::Env qw( scratch free_port listens_at fork_child stop_child
                  at_end );
use Gate::Http;
use Gate::Loop;

sub run {
    my ($class, %opt) = @_;

    my $name = $opt{name} //= 'proxy';
    my $self = bless {
        %opt,
        socket => scratch() . "/$name.sock",
        port   => free_port(),
    }, $class;

    listens_at($name, @$self{qw( socket port )});
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

use parent -norequire, 'Gate::Loop';

sub new {
    my ($class, $proxy, $ctl) = @_;

    my $self = bless {
        to => $proxy->{to}, at => [@$proxy{qw( socket port )}], ctl => $ctl,
        ctl_in => '', delay => 0, hold => 0, accepted => 0, cut_after => 0,
        conns => {},
    }, $class;

    $self->listen(@{ $self->{at} });

    return $self;
}

sub accepted {
    my ($self, $sock) = @_;

    my $server = Gate::Http::open_socket($self->{to})
                 // return CORE::close $sock;
    my $client_end = $self->add($sock, sent => 0, client => 1);
    my $server_end = $self->add($server, sent => 0, peer => $client_end);

    $client_end->{peer} = $server_end;
    $self->{accepted}++;
}

sub readable {
    my ($self, $end) = @_;

    my $n = sysread $end->{sock}, my $bytes, 65536;

    return if !defined $n && ($!{EAGAIN} || $!{EINTR});

    $end->{eof} = 1 if !$n;

    # an end of file waits in the same queue as the bytes before it
    push @{ $end->{peer}{out} },
         { bytes => $bytes, close => !$n,
           at => Time::HiRes::time() + $self->{delay} / 1000 };
}

sub step {
    my ($self, $end) = @_;

    my $cut = $end->{client} && $self->{cut_after};

    while (!$self->{hold} && !$end->{closed} && @{ $end->{out} }) {
        my $n = $self->write($end, $cut ? $cut - $end->{sent} : 65536)
                // return;

        $end->{sent} += $n;
        $self->close($end) if $cut && $end->{sent} >= $cut;
    }
}

# Both ends of a connection.

sub close {
    my ($self, $end, $reset) = @_;

    for my $one ($end, delete $end->{peer} // ()) {
        delete $one->{peer};
        $self->SUPER::close($one, $reset);
    }
}

sub orders {
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
        $self->close($_, $value eq 'reset') for $self->conns();

    } elsif ($order eq 'listen') {
        $self->stop_listening();
        $self->listen(@{ $self->{at} }) if $value;

    } elsif ($order eq 'clients') {
        return scalar grep { $_->{client} } $self->conns();

    } elsif ($order eq 'held') {
        my $held = join '', map { $_->{bytes} // '' } map { @{ $_->{out} } }
                            grep { !$_->{client} } $self->conns();

        return scalar(() = $held =~ /\Q$value\E/g);

    } elsif ($order eq 'accepted') {
        return $self->{accepted};

    } else {
        $self->{$order} = $value;
    }

    return 'ok';
}

1;
