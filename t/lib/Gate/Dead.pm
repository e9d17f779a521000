package Gate::Dead;

# Copyright (C) nginx-gate authors
#
# Servers that are none, for the life of a suite:
#
#     $TEST_NGINX_REFUSING_PORT      refuses connections
#     $TEST_NGINX_REFUSING_SOCKET    a unix socket that does
#     $TEST_NGINX_SILENT_PORT        takes connections, never answers
#     $TEST_NGINX_SILENT_SOCKET      a unix socket that does

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;

use Gate::Env qw( scratch free_port );

my @listeners;

sub refusing_port { return $ENV{TEST_NGINX_REFUSING_PORT} }
sub silent_port   { return $ENV{TEST_NGINX_SILENT_PORT} }

sub _init {
    # the kernel accepts for a listener that nobody serves
    my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                       LocalPort => 0, Listen => 511)
        or die "cannot listen: $!\n";

    my $path = scratch() . '/silent.sock';
    my $silent_unix = IO::Socket::UNIX->new(Local => $path, Listen => 511)
        or die "cannot listen: $!\n";
    chmod 0777, $path;

    push @listeners, $silent, $silent_unix;

    # a socket file that nobody listens on any more
    my $refusing = scratch() . '/refusing.sock';
    IO::Socket::UNIX->new(Local => $refusing, Listen => 1)
        or die "cannot listen: $!\n";
    chmod 0777, $refusing;

    $ENV{TEST_NGINX_REFUSING_PORT} = free_port();
    $ENV{TEST_NGINX_REFUSING_SOCKET} = $refusing;
    $ENV{TEST_NGINX_SILENT_PORT} = $silent->sockport();
    $ENV{TEST_NGINX_SILENT_SOCKET} = $path;
}

_init();

1;
