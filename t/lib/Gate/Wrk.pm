package Gate::Wrk;

# Copyright (C) nginx-gate authors
#
# Payouts from wrk, beside whatever the suite does:
#
#     my $wrk = Gate::Wrk->start(port => $port, uri => $path, seconds => 30,
#         headers => [...], body => $body);
#     ...
#     my $told = $wrk->finish();
#
# The first "000000000" of the body becomes the number of the request, from 1
# on.  Each request has a connection of its own: nginx closes connections that
# it has kept when a worker leaves, and wrk would count a request that was just
# on its way there as lost.
#
# finish() waits until all is answered.  It returns what wrk has counted (made
# and answered; connect, read, write, timeout; status: other than 2xx, 3xx)
# and in bodies a list of [status, body].

use strict;
use warnings;

use JSON::PP ();

use Gate::Env qw( root scratch write_file read_file spawn wait_until
                  wait_child stop_child at_end which );

use constant CONNECTIONS => 8;
use constant TIMEOUT => 30;

sub start {
    my ($class, %opt) = @_;

    my $dir = scratch() . '/wrk';

    mkdir $dir, 0755 or -d $dir or die "cannot make $dir: $!\n";

    my $self = bless { dir => $dir }, $class;
    my $wrk = which('wrk') // die "no wrk\n";
    my $body = write_file("$dir/body", $opt{body});

    # it is told when to end
    my $duration = $opt{seconds} + 2 * TIMEOUT;

    $self->{pid} = spawn([$wrk, '-t1', '-c' . CONNECTIONS, "-d${duration}s",
        '--timeout', TIMEOUT . 's', '-s', root() . '/t/lib/wrk.lua',
        (map { ('-H', $_) } 'Connection: close', @{ $opt{headers} // [] }),
        "http://127.0.0.1:$opt{port}$opt{uri}", '--', $body, CONNECTIONS,
        $opt{seconds}, "$dir/answers", "$dir/end"], out => "$dir/out");

    at_end(sub { stop_child($self->{pid}, 'KILL') if $self->{pid} });

    return $self;
}

sub finish {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $pid = $self->{pid};

    wait_until(TIMEOUT, sub { -e "$dir/end" });
    kill 'INT', $pid;

    defined wait_child($pid, TIMEOUT) or die "wrk does not end\n";
    delete $self->{pid};

    my $out = read_file("$dir/out") // '';
    my ($told) = $out =~ /^(\{.*\})$/m or die "wrk failed: $out\n";

    return {
        %{ JSON::PP->new->decode($told) },
        bodies => [ map { [split / /, $_, 2] }
                    split /\n/, read_file("$dir/answers") // '' ],
    };
}

1;
