package Gate::Upstream;

# Copyright (C) nginx-gate authors
#
# An HTTP/1.1 upstream of one suite: a child process that keeps every request
# byte for byte and answers as it is told.
#
#     our $up = Gate::Upstream->run();
#
# Config sections find it at unix:$TEST_NGINX_UPSTREAM_SOCKET and at
# 127.0.0.1:$TEST_NGINX_UPSTREAM_PORT (run(name => 'x'): TEST_NGINX_X_...).
#
# Without other orders the answer's body is the request's body, and its
# headers tell what came: X-Echo-Method, X-Echo-Uri, X-Echo-Length (bytes of
# the body), X-Echo-Content-Length, X-Echo-Transfer-Encoding (as received),
# X-Echo-Count (which request this is), X-Echo-Connection ("N.M": the Mth
# request on connection N).
#
# Orders come in the request header X-Upstream or from script() and always():
# "status=500; type=text/plain; body=no%0A".  They are:
#
#     status, reason, type, body (percent-encoded), before and after (what the
#     request's body stands between), header ("Name: value", repeatable),
#     delay (ms before the answer), chunked, slow (ms between the pieces of
#     the answer), length (a false Content-Length), cut (close after that many
#     bytes of the body), close (after the answer), drop (close without an
#     answer), reset (the same by a reset), early (answer,
#     drop or reset after the head, not reading the body), hang (never answer)

use strict;
use warnings;

use JSON::PP ();

use Gate::Env qw( scratch free_port listens_at fork_child stop_child at_end
                  wait_until );
use Gate::Http;
use Gate::Upstream::Server;

my $json = JSON::PP->new->latin1->canonical->allow_nonref;

sub run {
    my ($class, %opt) = @_;

    my $name = $opt{name} //= 'upstream';
    my $self = bless {
        %opt,
        socket => scratch() . "/$name.sock",
        ctl    => scratch() . "/$name.ctl",
        port   => free_port(),
    }, $class;

    listens_at($name, @$self{qw( socket port )});
    at_end(sub { $self->stop() });

    return $self->start();
}

sub socket_path { return $_[0]{socket} }
sub port        { return $_[0]{port} }
sub pid         { return $_[0]{pid} }

# The sockets listen before the child exists: nobody has to wait for it.

sub start {
    my ($self) = @_;

    return $self if $self->{pid};

    my $server = Gate::Upstream::Server->new(
        unix => $self->{socket}, ctl => $self->{ctl}, port => $self->{port});

    $self->{pid} = fork_child(sub { $server->serve() });
    $server->stop_listening();

    return $self;
}

# Connections are cut, and new ones refused; what was recorded is forgotten.

sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return $self;

    stop_child($pid, 'KILL');
    unlink $self->{socket}, $self->{ctl};

    return $self;
}

# A server whose kernel accepts connections, but that does not answer.

sub freeze { kill 'STOP', $_[0]{pid}; return $_[0] }
sub thaw   { kill 'CONT', $_[0]{pid}; return $_[0] }

sub _ask {
    my ($self, $uri, $data) = @_;

    my $res = Gate::Http::request(to => $self->{ctl}, method => 'POST',
                                  uri => $uri, timeout => 20,
                                  body => $json->encode($data));

    die "upstream: $uri: " . ($res->{error} // $res->{body}) . "\n"
        if $res->{status} ne '200';

    return $json->decode($res->{body});
}

# All requests since the last reset(): hashes with method, uri, head (bytes),
# headers (by lower-case name), body, complete, connection, number.

sub requests { return @{ $_[0]->_ask('/requests', 0) } }
sub count    { return $_[0]->_ask('/count', 0) }
sub bodies   { return map { $_->{body} } $_[0]->requests() }

sub last_request { return ($_[0]->requests())[-1] }

# Waits until so many requests have come.

sub wait_for {
    my ($self, $count, $timeout) = @_;

    return wait_until($timeout // 10, sub { $self->count() >= $count });
}

sub reset {
    my ($self) = @_;

    $self->_ask('/reset', 0);

    return $self;
}

# Orders for the next requests, one each.

sub script {
    my ($self, @orders) = @_;

    $self->_ask('/script', \@orders);

    return $self;
}

# Orders for every request that has no own ones.

sub always {
    my ($self, $orders) = @_;

    $self->_ask('/always', $orders // '');

    return $self;
}

1;
