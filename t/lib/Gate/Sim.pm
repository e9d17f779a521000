package Gate::Sim;

# Copyright (C) nginx-gate authors
#
# The simulator of Gate, util/gatesim, for the life of a suite.
#
#     our $sim = Gate::Sim->run(projects => { 1234 => 'secret' },
#                               args => ['--callback-url', $url]);
#     $sim->control('POST', 'faults', [ ... ]);
#
# Config sections find it at unix:$TEST_NGINX_SIM_SOCKET and at
# 127.0.0.1:$TEST_NGINX_SIM_PORT.  See util/gatesim --help for what the control
# endpoint takes and gives.

use strict;
use warnings;

use JSON::PP ();

use Gate::Env qw( root scratch free_port listens_at spawn wait_child
                  wait_until stop_child read_file write_key at_end which );
use Gate::Http;

use constant READY_TIMEOUT => 30;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# --- what a subclass may differ in

sub default_name { return 'sim' }
sub program      { return root() . '/util/gatesim' }

sub program_args {
    my ($self) = @_;

    my $projects = $self->{projects} // die "simulator without projects\n";

    return ('--log', "$self->{dir}/log",
            map { ('--project',
                   "$_=" . write_key("$self->{name}-$_.key", $projects->{$_}))
                } sort keys %$projects);
}

# --- the process

sub run {
    my ($class, %opt) = @_;

    my $name = $opt{name} //= $class->default_name();
    my $dir = scratch() . "/$name";

    mkdir $dir, 0755 or -d $dir or die "cannot make $dir: $!\n";

    my $self = bless { %opt, dir => $dir, socket => "$dir/sock",
                       port => free_port() }, $class;

    listens_at($name, @$self{qw( socket port )});
    at_end(sub { $self->stop() });

    return $self->start();
}

sub socket_path { return $_[0]{socket} }
sub port        { return $_[0]{port} }
sub pid         { return $_[0]{pid} }
sub log_text    { return read_file("$_[0]{dir}/log") // '' }

sub start {
    my ($self) = @_;

    return $self if $self->{pid};

    my $ready = "$self->{dir}/ready";
    unlink $ready, $self->{socket};

    $self->{pid} = spawn([which('python3') // 'python3', $self->program(),
                          '--listen', "unix:$self->{socket}",
                          '--listen', "127.0.0.1:$self->{port}",
                          '--ready-file', $ready,
                          $self->program_args(), @{ $self->{args} // [] }],
                         out => "$self->{dir}/out");

    my $status;

    wait_until(READY_TIMEOUT, sub {
        $status = wait_child($self->{pid}, 0);
        return defined $status || -f $ready;
    });

    return $self if !defined $status && -f $ready;

    $self->stop();
    die $self->program() . " did not start:\n"
        . (read_file("$self->{dir}/out") // '');
}

sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return $self;

    stop_child($pid, $signal // 'TERM', 5);

    return $self;
}

# --- the control endpoint

sub control {
    my ($self, $method, $what, $data) = @_;

    my $res = Gate::Http::request(
        to => $self->{socket}, method => $method, timeout => 60,
        uri => "/_control/$what",
        body => defined $data ? $json->encode($data) : '');

    die "$method $what: " . ($res->{error} // "$res->{status} $res->{body}")
        . "\n" if $res->{status} ne '200';

    return $json->decode($res->{body});
}

1;
