package Gate::FakeRedis;

# Copyright (C) nginx-gate authors
#
# What a real redis-server does not do when asked: a server that says what a
# suite tells it to.
#
#     my $fake = Gate::FakeRedis->run();
#     $fake->mode('EVALSHA -LOADING Redis is loading the dataset in memory');
#
# The mode is lines "COMMAND reply": the answer to this command in place of the
# usual one, \r\n being what it looks like and {name} the argument behind the
# keys, by which a script's reply is known.  "COMMAND trickle" gives it byte by byte,
# "COMMAND more" adds a reply that nobody asked for, "COMMAND twice [reply]"
# does so at once, "COMMAND fill N reply" adds N bytes, "COMMAND sha1" is a
# wrong SHA1, "COMMAND close" hangs up.  It takes effect at the next command.
# EVALSHA/6 is a call of a script with six keys.

use strict;
use warnings;

use parent 'Gate::Loop';

use Digest::SHA ();
use Time::HiRes ();

use Gate::Env qw( scratch write_file read_file fork_child stop_child );

sub run {
    my ($class, $name) = @_;

    $name //= 'fake';

    my $self = bless {
        socket => scratch() . "/$name.sock",
        file   => scratch() . "/$name.mode",
        conns  => {},
    }, $class;

    $self->mode('');
    $self->listen($self->{socket});
    $self->{pid} = fork_child(sub { $self->serve() });
    $self->stop_listening();

    return $self;
}

sub socket_path { return $_[0]{socket} }

# What comes while it is frozen, it finds all at once.

sub freeze { kill 'STOP', $_[0]{pid} }

sub thaw { kill 'CONT', $_[0]{pid} }

sub mode {
    my ($self, $mode) = @_;

    write_file($self->{file}, $mode);

    return $self;
}

sub stop {
    my ($self) = @_;

    stop_child($self->{pid}, 'KILL');
    unlink $self->{socket};
}

# --- the fake

sub accepted { $_[0]->add($_[1], in => '') }

sub readable {
    my ($self, $conn) = @_;

    my $n = sysread $conn->{sock}, $conn->{in}, 65536, length $conn->{in};

    $n ? $self->_answer($conn) : $self->close($conn);
}

sub step {
    my ($self, $conn) = @_;

    while (!$conn->{closed} && @{ $conn->{out} }) {
        $self->write($conn) // return;
    }
}

sub _answer {
    my ($self, $conn) = @_;

    my $at = 0;

    while (my $args = _command(\$conn->{in})) {
        my %mode = (read_file($self->{file}) // '') =~ /^(\S+) (.+)$/mg;

        my $usual = _usual($args);
        my $mode = $mode{_kind($args)} // $mode{uc $args->[0]} // $usual;

        push @{ $conn->{out} }, { close => 1, at => $at } if $mode eq 'close';

        my $name = _name($args) // '';

        $mode =~ s/\\r\\n/\r\n/g;
        $mode =~ s/\{name\}/'$' . length($name) . "\r\n$name"/ge;

        my @parts = $mode eq 'trickle' ? split(//, "$usual\r\n")
                  : $mode eq 'more'    ? ("$usual\r\n", "+more\r\n")
                  : $mode eq 'twice'   ? "$usual\r\n$usual\r\n"
                  : $mode =~ /^twice (.+)/s ? "$1\r\n$1\r\n"
                  : $mode =~ /^fill (\d+) (.+)/s ? "$2\r\n" . 'x' x $1
                  : $mode eq 'sha1'    ? "\$40\r\n" . 'ab' x 20 . "\r\n"
                  :                      "$mode\r\n";

        for my $part (@parts) {
            push @{ $conn->{out} }, { bytes => $part, at => $at };
            $at = ($at || Time::HiRes::time()) + ($mode eq 'more' ? 0.05 : 0.001)
                if @parts > 1;
        }
    }
}

# Takes one whole command off the bytes, or returns undef.

sub _command {
    my ($in) = @_;

    $$in =~ /\A\*(\d+)\r\n/g or return undef;

    my @args;

    for (1 .. $1) {
        $$in =~ /\G\$(\d+)\r\n/gc or return undef;

        my ($at, $len) = (pos $$in, $1);
        return undef if length $$in < $at + $len + 2;

        push @args, substr $$in, $at, $len;
        pos($$in) = $at + $len + 2;
    }

    substr $$in, 0, pos $$in, '';

    return \@args;
}

sub _kind {
    my ($args) = @_;

    return uc($args->[0]) . '/' . ($args->[2] // '');
}

# Of a call of a script.

sub _name {
    my ($args) = @_;

    return uc $args->[0] eq 'EVALSHA' ? $args->[3 + $args->[2]] : undef;
}

sub _usual {
    my ($args) = @_;

    my $name = uc $args->[0];

    return '+PONG' if $name eq 'PING';
    return '*2' . join '', map { "\r\n\$" . length($_) . "\r\n$_" }
                           $args->[-1], _name($args) if $name eq 'EVALSHA';

    return "\$40\r\n" . Digest::SHA::sha1_hex($args->[2])
        if $name eq 'SCRIPT';

    return '+OK';
}

1;
