package Gate::Load;

# Copyright (C) nginx-gate authors
#
# Requests without a pause, for as long as something else happens:
#
#     my @answers = Gate::Load::run(seconds => 30, to => $socket,
#         request => sub { my ($n) = @_; return { ... } },
#         every => [1, sub { ... }]);
#
# Half of the clients open a connection for each request, the others keep
# theirs.  An answer is one of Gate::Http's, with the request, and when it was
# asked for and answered (began, ended).
#
# A connection that was kept may be closed just when its next request is on
# the way: when nothing at all came back, the request is sent again, as RFC
# 9112 has it (9.3.1), and its answer has "again" set.  The requests here are
# payouts, which may be sent again.

use strict;
use warnings;

use Time::HiRes ();

use Gate::Http;

use constant CLIENTS => 8;
use constant KEPT => 4;
use constant ROUND => 0.04;

sub run {
    my (%opt) = @_;

    my ($period, $event) = @{ $opt{every} };
    my $self = { %opt, n => 0, kept => [], answers => [] };
    my $end = Time::HiRes::time() + $opt{seconds};
    my $next = Time::HiRes::time() + $period;

    # in the middle of requests
    my $tick = sub {
        return if Time::HiRes::time() < $next;
        $next += $period;
        $event->();
    };

    while (Time::HiRes::time() < $end) {
        my $round = Time::HiRes::time() + ROUND;

        _new_connections($self, $tick);
        _kept_connections($self);

        # requests all the time, but not all of the machine
        my $rest = $round - Time::HiRes::time();
        select undef, undef, undef, $rest if $rest > 0;
    }

    $_->{conn} and $_->{conn}->close() for @{ $self->{kept} };

    return @{ $self->{answers} };
}

sub _request {
    my ($self) = @_;

    my $req = $self->{request}->($self->{n}++);

    return { to => $self->{to}, method => 'POST', %$req };
}

sub _keep {
    my ($self, $res, $req, $began) = @_;

    push @{ $self->{answers} }, { %$res, request => $req, began => $began,
                                  ended => Time::HiRes::time() };
}

sub _new_connections {
    my ($self, $tick) = @_;

    my @requests = map { _request($self) } 1 .. 5 * CLIENTS;

    Gate::Http::parallel(\@requests, concurrency => CLIENTS, on_done => sub {
        my ($res) = @_;

        _keep($self, $res, $res->{request},
              Time::HiRes::time() - $res->{time});
        $tick->();
    });
}

# All of these are asked before the first one is answered.

sub _kept_connections {
    my ($self) = @_;

    for my $i (0 .. KEPT - 1) {
        my $slot = $self->{kept}[$i] //= {};

        $slot->{req} = _request($self);
        $slot->{began} = Time::HiRes::time();
        $slot->{reused} = defined $slot->{conn};
        _send($self, $slot);
    }

    _answer($self, $_) for @{ $self->{kept} };
}

sub _send {
    my ($self, $slot) = @_;

    my $req = $slot->{req};
    my %kept = (%$req, headers => ['Connection: keep-alive',
                                   @{ $req->{headers} }]);

    $slot->{conn} //= Gate::Http::Connection->new($self->{to});
    eval { $slot->{conn}->send(Gate::Http::bytes_of(\%kept)) };
}

sub _answer {
    my ($self, $slot) = @_;

    my $res = eval { $slot->{conn}->answer() };
    my $again = 0;

    if (!$res && $slot->{reused} && $slot->{conn}{in} eq '') {
        $slot->{conn}->close();
        delete $slot->{conn};
        _send($self, $slot);
        $res = eval { $slot->{conn}->answer() };
        $again = 1;
    }

    _keep($self, { again => $again,
                   %{ $res // { status => '', body => '', headers => {},
                                error => 'closed' } } },
          $slot->{req}, $slot->{began});

    if (!$res || lc($res->{headers}{connection} // '') eq 'close') {
        $slot->{conn}->close();
        delete $slot->{conn};
    }
}

1;
