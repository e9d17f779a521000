package Gate::FakeDns;

# Copyright (C) nginx-gate authors
#
# A name server that gives every name the same IPv4 address.
#
#     my $port = Gate::FakeDns::run('127.0.0.2');

use strict;
use warnings;

use IO::Socket::INET;

use Gate::Env qw( fork_child );

sub run {
    my ($address) = @_;

    my $sock = IO::Socket::INET->new(Proto => 'udp',
                                     LocalAddr => '127.0.0.1')
        or die "no socket: $!\n";

    fork_child(sub {
        while (Gate::Env::parent_alive()) {
            vec(my $bits = '', fileno $sock, 1) = 1;
            select($bits, undef, undef, 1) or next;

            my $peer = recv $sock, my $query, 512, 0;
            my $id = substr $query, 0, 2;

            send $sock, $id . pack('n5', 0x8180, 1, 1, 0, 0)
                        . substr($query, 12)
                        . pack('nnnNnC4', 0xc00c, 1, 1, 1, 4,
                               split /\./, $address), 0, $peer;
        }
    });

    return $sock->sockport;
}

1;
