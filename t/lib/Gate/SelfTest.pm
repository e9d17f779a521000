package Gate::SelfTest;

# Copyright (C) nginx-gate authors
#
# Tests of the harness that are no blocks: that what must fail does, that
# nothing is left behind, and that the helpers do what their heads say.

use strict;
use warnings;

use File::Path ();
use Test::More import => [qw( ok is like unlike is_deeply cmp_ok diag
                                subtest )];

use Gate::Dead;
use Gate::Env qw( root scratch write_file read_file spawn wait_child
                  wait_until free_port is_running output );
use Gate::Http;
use Gate::Proxy;
use Gate::Redis;
use Gate::Upstream;

# --- suites that must fail

# title, what each test of the block must say ("." ok, "F" not ok), what is in
# its location, further sections

my $body = 'return 200 "a\n";';
my $empty = 'return 200;';
my $header = 'add_header X-A b; return 204;';
my $note = '$::note->(\'[alert] 1#1: so it is\');';
my $report = '==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x1';

my @failing = (
    ['status', '.F.', $body, 'response_body: b', 'no_error_log: [error]'],
    ['code', 'F.', 'return 204;', 'no_error_log: [error]'],
    ['header is other', '.F', $header, 'error_code: 204',
     'response_headers: X-A: c'],
    ['header is there', '.F', $header, 'error_code: 204',
     'response_headers: ! X-A'],
    ['header is not like that', '.F', $header, 'error_code: 204',
     'response_headers_like: X-A: [c-z]'],
    ['body is not like that', '.F', $body, 'response_body_like: ^b'],
    ['line is missing', '.F', $body, 'error_log: no such line'],
    ['line is there', '.F', 'root /nonexistent;', 'error_code: 404',
     'no_error_log: [error]'],
    ['nginx starts', 'F', $empty, 'must_die'],
    ['nginx does not start', 'FF', 'bad on;'],
    ['no answer', 'FF',
     'proxy_pass http://127.0.0.1:$TEST_NGINX_SILENT_PORT;'],
    ['many answers, one expectation', '.F', $empty,
     "request eval\n[\"GET /t\", \"GET /t\"]", "error_code eval\n[200, 201]"],
    ['section that nobody reads', 'F', $empty, 'respones_body: a'],
    ['init dies', 'F', $empty, 'init: die "so\n";'],
    ['an alert', '.F', $empty, "init: $note"],
    ['an alert that is expected', '..', $empty, "init: $note",
     'error_log: so it is'],
    ['a sanitizer', '.F', $empty, "init: \$::note->('$report');"],
    ['a killed worker', '.F', $empty, 'init: $::kill_worker->();'],
);

my $child_head = <<'END';
use strict;
use warnings;
BEGIN { $ENV{TEST_NGINX_LOAD_MODULES} = '' }
use Gate::Env qw( read_file wait_until );
use Gate::Dead;
use Test::Nginx::Socket 'no_plan';

our $note = sub {
    open my $log, '>>', server_root() . '/logs/error.log' or die;
    print $log "2026/01/01 00:00:00 $_[0]\n";
    close $log;
};

our $kill_worker = sub {
    my $log = server_root() . '/logs/error.log';
    my ($master) = read_file(server_root() . '/logs/nginx.pid') =~ /(\d+)/;
    my $worker;

    wait_until(10, sub {
        ($worker) = read_file($log) =~ /start worker process (\d+)/;
    });
    kill 'KILL', $worker;
    wait_until(10, sub { read_file($log) =~ /exited on signal 9/ });
};

no_shuffle();
timeout(0.3);
run_tests();
__DATA__
END

sub failures {
    my $number = 0;
    my $blocks = join "\n\n", map {
        my ($title, undef, $location, @more) = @$_;

        unshift @more, 'request: GET /t' if !grep { /^request/ } @more;
        join '', "\n=== TEST " . ++$number . ": $title\n",
            map { "--- $_\n" } "config: location /t { $location }", @more;
    } @failing;

    my ($status, $out) = output($^X, '-I', root() . '/t/lib',
        write_file('failing.t', "$child_head$blocks"));

    my %got;

    while ($out =~ /^(not )?ok \d+ - \S+ TEST (\d+):/mg) {
        $got{$2} .= $1 ? 'F' : '.';
    }

    ok($status > 0, 'a failing suite exits so');

    $number = 0;
    is($got{++$number} // '', $_->[1], "$_->[0]: fails as it has to")
        for @failing;
}

# --- nothing is left

my $orphan = <<'END';
use strict;
use warnings;
BEGIN { $ENV{TEST_NGINX_LOAD_MODULES} = '' }
use Gate::Env qw( scratch write_file read_file );
use Gate::Redis;
use Gate::Upstream;
use Test::Nginx::Socket 'no_plan';

our $redis = Gate::Redis->run();
our $upstream = Gate::Upstream->run();
our $report = sub {
    my ($nginx) = read_file(server_root() . '/logs/nginx.pid') =~ /(\d+)/;

    write_file($ENV{REPORT}, join ' ', scratch(), $nginx, $redis->pid(),
                                       $upstream->pid());
    1 while sleep 60;
};
run_tests();
__DATA__

=== TEST 1: waits to be killed
--- config
--- init
$::report->();
--- request
GET /
END

sub orphans {
    for my $signal (qw( KILL TERM )) {
        my $report = scratch() . "/report-$signal";
        my $suite = write_file('orphan.t', $orphan);
        my $pid = spawn([$^X, '-I', root() . '/t/lib', $suite],
                        env => { REPORT => $report }, dir => root());

        ok(wait_until(30, sub { -s $report }), 'the suite runs');

        my ($dir, @pids) = split ' ', read_file($report) // '';

        is(scalar(grep { is_running($_) } @pids), 3, 'and so do its servers');

        kill $signal, $pid;
        wait_child($pid, 30);

        ok(wait_until(30, sub { !grep { is_running($_) } @pids }),
           "after SIG$signal nothing runs");

        # nobody can clean up after SIGKILL
        ok($signal eq 'KILL' || !-e $dir, "after SIG$signal nothing is left");
        File::Path::remove_tree($dir);
    }
}

# --- helpers

sub files {
    my $path = Gate::Env::write_key('test.key', "abc\n", 0640);

    is(read_file($path), "abc\n", 'a key');
    is((stat $path)[2] & 07777, 0640, 'its mode');
    like($path, qr/^\Q$ENV{TEST_NGINX_KEYS}\E/, 'its place');
}

sub redis {
    my $redis = Gate::Redis->run(name => 'self', tcp => 1, appendonly => 1,
                                 password => 'pw',
                                 users => ['gate on >s ~gate:* +@all']);

    is($redis->cmd('SET', 'a', "b\0\xff"), 'OK', 'a command');
    is($redis->cmd('GET', 'a'), "b\0\xff", 'bytes');
    is($redis->cmd('GET', 'none'), undef, 'nil');
    like($redis->error_of('INCR', 'a'), qr/^ERR value is not/, 'an error');

    $redis->kill9()->start();
    is($redis->cmd('GET', 'a'), "b\0\xff", 'the same after a kill');

    $redis->cmd('HSET', 'h', 'y', 1, 'x', 2);
    is($redis->restart()->dump('h'), "h.x = 2\nh.y = 1\n", 'what it holds');

    $redis->freeze();
    my $sock = Gate::Http::Connection->new($redis->port());
    $sock->send("AUTH pw\r\nPING\r\n");
    ok(!$sock->closed(0.1) && $sock->{in} eq '', 'frozen');

    $redis->thaw();
    ok(wait_until(10, sub { $sock->closed(0.01);
                            $sock->{in} eq "+OK\r\n+PONG\r\n" }), 'thawed');

    is_deeply([$redis->pipeline(['INCR', 'n'], ['INCR', 'a'])],
              [1, { error => 'ERR value is not an integer or out of range' }],
              'a pipeline');

    $redis->stop();
    ok(!eval { $redis->cmd('PING') }, 'stopped');
}

sub upstream {
    my $up = Gate::Upstream->run(name => 'self_up');
    my @to = (to => $up->port());

    is(Gate::Http::post('/a', "x\0\xff", @to)->{body}, "x\0\xff", 'an echo');

    my $res = Gate::Http::post('/a', '', @to, chunks => ['ab', 'cde']);
    is($res->{headers}{'x-echo-length'}, 5, 'of chunks');
    is_deeply([$up->bodies()], ["x\0\xff", 'abcde'], 'what came');

    $up->script('status=400; body=no%0A; header=X-A: b', 'drop', 'reset',
                'cut=2; body=abcdef', 'early; status=413; body=big', 'hang',
                'delay=50; chunked; slow=20');

    $res = Gate::Http::post('/a', 'x', to => $up->socket_path());
    is("$res->{status} $res->{headers}{'x-a'} $res->{body}", "400 b no\n",
       'as ordered');
    is(Gate::Http::post('/a', 'x', @to)->{error}, 'closed', 'dropped');
    like(Gate::Http::post('/a', 'x', @to)->{error}, qr/reset by peer/,
         'reset');
    is(Gate::Http::post('/a', 'x', @to)->{error}, 'closed', 'cut');
    is(Gate::Http::post('/a', 'x', @to)->{status}, 413, 'early');
    is(Gate::Http::post('/a', 'x', @to, timeout => 0.1)->{error}, 'timeout',
       'hung');

    $res = Gate::Http::post('/a', 'hello', @to);
    ok($res->{body} eq 'hello' && $res->{time} > 0.06, 'late and slow');

    my $conn = Gate::Http::Connection->new($up->port());
    $conn->request(uri => '/k') for 1 .. 2;
    like($conn->request(uri => '/k')->{headers}{'x-echo-connection'},
         qr/\.3$/, 'one connection');
    is($up->count(), 12, 'counted');

    $up->stop();
    ok($conn->closed(5), 'gone');
    like(Gate::Http::get('/', @to)->{error}, qr/refused/, 'refused');
    is($up->start()->count(), 0, 'fresh');
}

sub parallel {
    my $up = Gate::Upstream->run(name => 'self_many');
    my @answers = Gate::Http::parallel([ map {
        { to => $up->port(), method => 'POST', uri => "/$_", body => "b$_" }
    } 1 .. 300 ]);

    is(scalar(grep { $_->{body} eq "b$1" if $_->{request}{uri} =~ /(\d+)/ }
              @answers), 300, 'each got its answer');
    is($up->count(), 300, 'each came once');

    $up->reset()->always('hang');

    my @left = Gate::Http::parallel([ map {
        { to => $up->port(), method => 'POST', body => 'x' x 100,
          $_ % 2 ? (leave => 'sent') : (cut => 80) }
    } 1 .. 20 ]);

    is(scalar(grep { $_->{error} eq 'left' } @left), 20, 'all left');
    ok($up->wait_for(20, 10), 'after sending');
}

sub proxy {
    my $up = Gate::Upstream->run(name => 'self_far');
    my $proxy = Gate::Proxy->run(to => $up->socket_path());
    my @to = (to => $proxy->port());

    is(Gate::Http::post('/', 'x', @to)->{body}, 'x', 'through');

    $proxy->delay(50);
    cmp_ok(Gate::Http::post('/', 'x', to => $proxy->socket_path())->{time},
           '>', 0.1, 'late in both directions');
    $proxy->delay(0);

    $proxy->hold();
    my $conn = Gate::Http::Connection->new($proxy->port());
    $conn->send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ok(!eval { $conn->answer(timeout => 0.05) }, 'held');

    $proxy->go();
    is($conn->answer()->{status}, 200, 'goes on');

    $proxy->cut('reset');
    ok($conn->closed(5), 'cut');

    $proxy->refuse();
    like(Gate::Http::get('/', @to)->{error}, qr/refused/, 'refuses');

    $proxy->accept();
    is(Gate::Http::get('/', @to)->{status}, 200, 'accepts');

    $proxy->cut_after(20);
    is(Gate::Http::get('/', @to)->{error}, 'closed', 'cut in the answer');
}

sub dead {
    my $wait = { timeout => 0.1 };

    for my $to ($ENV{TEST_NGINX_REFUSING_PORT},
                $ENV{TEST_NGINX_REFUSING_SOCKET})
    {
        like(Gate::Http::get('/', to => $to)->{error}, qr/refused/, "refused by $to");
    }

    for my $to ($ENV{TEST_NGINX_SILENT_PORT},
                $ENV{TEST_NGINX_SILENT_SOCKET})
    {
        is(Gate::Http::get('/', to => $to, %$wait)->{error}, 'timeout',
           "no answer from $to");
    }
}

# --- all of them

my @helpers = (
    ['files of a suite', \&files],
    ['a private Redis', \&redis],
    ['an upstream', \&upstream],
    ['many requests', \&parallel],
    ['a bad way', \&proxy],
    ['dead servers', \&dead],
);

my @own = (
    ['what must fail does', \&failures],
    ['nothing is left behind', \&orphans],
);

# The tests of the harness itself are none of the real one.

sub _tests {
    my @tests = (@helpers, $INC{'Gate/Harness.pm'} ? @own : ());

    return @tests;
}

sub count { return scalar _tests() }

sub run {
    for my $test (_tests()) {
        my ($name, $code) = @$test;

        subtest($name, $code);
    }
}

1;
