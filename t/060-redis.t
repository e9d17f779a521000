# Copyright (C) nginx-gate authors
#
# The connection to Redis by itself: pipelining, and what happens when Redis
# is away, hangs, restarts, forgets scripts, refuses, or answers nonsense.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::INET;
use Time::HiRes ();

use Gate::Env qw( scratch read_file write_file wait_until loopback_name );
use Gate::FakeDns;
use Gate::FakeRedis;
use Gate::Http;
use Gate::Proxy;
use Gate::Redis;
use Gate::TestModule;

use Test::More;

my $redis = Gate::Redis->run(tcp => 1);
my $nginx = Gate::TestModule->new();
my $unix = 'unix:' . $redis->socket_path;
my $localhost = loopback_name();

# --- helpers

sub bodies { return [ map { $_->{body} } @_ ] }

# The end of a frozen server, which must not answer first.

sub crash {
    kill 'KILL', $redis->pid;
    $redis->kill9();
}

sub clients {
    return scalar(() = $redis->cmd('CLIENT', 'LIST') =~ /^id=/mg);
}

# Requests that nginx has, and Redis has not answered.

sub asked {
    my ($args, $count) = @_;

    my $before = $nginx->status()->{in_flight};

    my @clients = map { Gate::Http::Connection->new($nginx->{socket}) }
                  1 .. $count // 1;

    $_->send(Gate::Http::bytes_of($nginx->query($args))) for @clients;

    wait_until(10, sub {
        $nginx->status()->{in_flight} == $before + @clients;
    }) or die "the requests do not wait\n";

    # before another request is answered, the commands have left
    $nginx->status();

    return @clients;
}

sub answers { return [ map { $_->answer()->{body} } @_ ] }

sub works {
    my ($name) = @_;

    my $ok = wait_until(20, sub { $nginx->get('arg=PING') eq "ok PONG\n" });

    ok($ok, "$name: works again") or diag($nginx->log_text());
}

# --- blocks

sub commands {
    $nginx->start("$unix db=2");
    $redis->cmd('FLUSHALL');

    is($nginx->get('arg=PING'), "ok PONG\n", 'a command');
    is($nginx->get('script=echo&arg=a&arg=&arg=b'), "ok a  b\n",
       'a script; an empty argument');
    is($nginx->get('script=add&nkeys=1&arg=k&arg=5'), "ok 5\n", 'a key');
    is($nginx->get('arg=GET&arg=none'), "ok nil\n", 'nil');
    is($nginx->get('script=fail&arg=BAD'), "error ERR BAD\n",
       "a script's error is the caller's");
    is($nginx->get('arg=NOSUCH&arg=secret'),
       "error ERR unknown command 'NOSUCH', with args beginning with: "
       . "'secret' \n", 'an error of Redis');

    $redis->cmd('SELECT', 2);
    is($redis->cmd('GET', 'k'), 5, 'db=2');
    $redis->cmd('SELECT', 0);

    my $status = $nginx->status();
    is("@$status{qw( connected commands errors in_flight ready )}",
       '1 6 2 0 1', 'counters');

    is($nginx->count_log(qr/script "fail": ERR BAD/), 1, 'errors are logged');
    is($nginx->count_log(qr/secret/), 0, 'arguments are not');

    $nginx->quit('commands');
}

sub addresses {
    my $port = $redis->port;

    for my $address ("127.0.0.1:$port", "$localhost:$port") {
        $nginx->start($address);
        is($nginx->get('script=echo&arg=x'), "ok x\n", 'host:port');
        $nginx->quit('host:port');
    }
}

sub many {
    $nginx->start($unix, workers => 2);

    my @requests = map { $nginx->query("script=echo&arg=$_") } 1 .. 600;
    my @answers = Gate::Http::parallel(\@requests, concurrency => 50);

    is_deeply(bodies(@answers), [map { "ok $_\n" } 1 .. 600],
              'everyone gets the own answer');

    $nginx->quit('many');
}

# All requests wait in the sockets of a stopped worker: it gets them in one
# turn of its loop.

sub one_write {
    $nginx->start($unix);

    my @clients = map { Gate::Http::Connection->new($nginx->{socket}) }
                  1 .. 20;

    for my $client (@clients) {
        is($client->request(uri => '/?arg=PING')->{body}, "ok PONG\n",
           'a kept connection');
    }

    my ($worker) = $nginx->workers();
    my $stat = sub { $redis->cmd('INFO', 'stats')
                     =~ /total_reads_processed:(\d+)/ && $1 };
    my $before = $stat->();

    kill 'STOP', $worker;
    wait_until(5, sub {
        Gate::Env::read_file("/proc/$worker/stat") =~ /\) T/;
    });

    for my $i (0 .. $#clients) {
        $clients[$i]->send("GET /?script=echo&arg=$i HTTP/1.1\r\n"
                           . "Host: localhost\r\n\r\n");
    }

    kill 'CONT', $worker;

    is_deeply(answers(@clients), [map { "ok $_\n" } 0 .. 19],
              '20 commands at once');

    # the second INFO is a read, too
    is($stat->() - $before, 2, 'which Redis got in one piece');

    $_->close() for @clients;
    $nginx->quit('one write');
}

sub away_at_start {
    $redis->kill9();

    $nginx->start($unix);
    $nginx->wait_log(qr/\[error\].*gate_redis "\Q$unix\E" is unavailable: /,
                     'Redis is away at the start');

    my $res = Gate::Http::request(%{ $nginx->query('arg=PING') });
    like($res->{body}, qr/^(?:refused|not_sent)$/, 'refused');
    cmp_ok($res->{time}, '<', 2, 'without waiting for it');

    $nginx->wait_status(failures => 3, 'it is tried again');

    $redis->start();
    works('Redis came');

    is($nginx->count_log(qr/is unavailable/), 1, 'one line when it went');
    is($nginx->count_log(qr/\[warn\].*is available again after \d+ s/), 1,
       'one when it came');
    is($nginx->status()->{ready}, 1, 'who waits for it is told');

    $nginx->quit('away at start');
}

sub killed {
    $nginx->start("$unix timeout=20s");
    is($nginx->get('arg=PING'), "ok PONG\n", 'works');

    $redis->freeze();
    my @clients = asked('script=add&nkeys=1&arg=killed&arg=1', 5);
    crash();

    is_deeply(answers(@clients), [("lost\n") x 5],
              'killed: who waited is told that it is unknown');

    $redis->start();
    works('killed');

    $redis->restart() for 1 .. 3;
    works('restarted');

    $nginx->quit('killed');
}

sub hangs {
    $nginx->start("$unix timeout=200ms");
    is($nginx->get('arg=PING'), "ok PONG\n", 'works');

    $redis->freeze();

    my @answers = Gate::Http::parallel(
        [map { $nginx->query("script=echo&arg=old$_") } 1 .. 10]);

    is_deeply([grep { !/^(?:timeout|lost|refused|not_sent)$/ }
               map { s/\n//r } @{ bodies(@answers) }], [],
              'hung: nobody gets an answer');
    ok((grep { $_->{body} eq "timeout\n" } @answers), 'but a timeout');
    is((grep { $_->{time} > 3 } @answers), 0, 'in time');

    my $res = Gate::Http::request(%{ $nginx->query('arg=PING') });
    is($res->{body}, "refused\n", 'then refused');

    $nginx->wait_log(qr/is unavailable: command timed out/, 'the reason');

    $redis->thaw();

    my @later;
    wait_until(20, sub {
        @later = map { $_->{body} } Gate::Http::parallel(
            [map { $nginx->query("script=echo&arg=new$_") } 1 .. 50]);

        return !grep { $_ !~ /^ok/ } @later;
    });

    is_deeply(\@later, [map { "ok new$_\n" } 1 .. 50],
              'thawed: nobody gets the answer of another');

    is($nginx->count_log(qr/is unavailable/), 1, 'one line when it went');
    is($nginx->count_log(qr/is available again/), 1, 'one when it came');

    $nginx->quit('hangs');
}

# A connection is being made, and nobody answers on it.

sub hangs_at_start {
    $redis->freeze();
    $nginx->start("$unix timeout=300ms connect_timeout=20s");

    is($nginx->get('arg=PING'), "not_sent\n",
       'while connecting: waits, then surely not sent');

    my @waiting = asked('script=add&nkeys=1&arg=start&arg=1', 1);
    $_->close() for @waiting;
    $nginx->wait_log(qr/client \d+ left, command taken back/,
                     'a client that left takes its command back');

    $nginx->quit('hangs at start');

    $nginx->start("$unix timeout=20s connect_timeout=20s");
    @waiting = asked('script=echo&arg=x', 3);
    $redis->thaw();

    is_deeply(answers(@waiting), [("ok x\n") x 3],
              'and is sent when the connection is ready');
    $nginx->quit('connects late');

    $redis->freeze();
    $nginx->start("$unix connect_timeout=50ms");
    $nginx->wait_log(qr/is unavailable: connect timed out/,
                     'connect_timeout');
    $redis->thaw();
    works('connect_timeout');
    $nginx->quit('connect_timeout');
}

sub flushed {
    $nginx->start($unix);
    $redis->cmd('FLUSHALL');

    for my $round (1 .. 3) {
        is($nginx->get('arg=PING'), "ok PONG\n", 'works');
        $redis->cmd('SCRIPT', 'FLUSH');

        my @answers = Gate::Http::parallel(
            [map { $nginx->query('script=add&nkeys=1&arg=f&arg=1') }
                 1 .. 100], concurrency => 30);

        is_deeply([sort { $a <=> $b } map { /^ok (\d+)/ } @{ bodies(@answers) }],
                  [$round * 100 - 99 .. $round * 100],
                  'scripts lost: each call counts once');
    }

    is($nginx->count_log(qr/is unavailable/), 0, 'nobody notices');
    $nginx->quit('flushed');
}

sub auth {
    $redis->cmd('ACL', 'SETUSER', 'gate', 'on', '>s3cret pass', '~*', '+@all');

    write_file('password', "s3cret pass\n", 0600);
    my $file = scratch() . '/password';

    $nginx->start("$unix user=gate password_file=$file");
    is($nginx->get('arg=ACL&arg=WHOAMI'), "ok gate\n", 'user and password');
    $nginx->quit('auth');

    $redis->cmd('ACL', 'SETUSER', 'gate', 'resetpass', '>other');

    $nginx->start("$unix user=gate password_file=$file");
    $nginx->wait_log(qr/is unavailable: AUTH failed: WRONGPASS$/m,
                     'a wrong password');
    like($nginx->get('arg=PING'), qr/^(?:refused|not_sent)$/, 'refused');

    $redis->cmd('ACL', 'SETUSER', 'gate', 'resetpass', '>s3cret pass');
    works('password changed');
    is($nginx->count_log(qr/s3cret/), 0, 'no password in the log');
    $nginx->quit('wrong password');

    $redis->cmd('CONFIG', 'SET', 'requirepass', 's3cret pass');
    $nginx->start("$unix password_file=$file");
    is($nginx->get('arg=ACL&arg=WHOAMI'), "ok default\n", 'password only');
    $nginx->quit('password only');

    $nginx->start($unix);
    $nginx->wait_log(qr/is unavailable: .* failed: NOAUTH/,
                     'a password is missing');
    $nginx->quit('no password');

    # the suite's own connection knows this password
    $redis->cmd('CONFIG', 'SET', 'requirepass', '');
}

sub refusing {
    my $add = 'script=add&nkeys=1&arg=r&arg=1';

    $nginx->start($unix);
    $redis->cmd('FLUSHALL');
    is($nginx->get($add), "ok 1\n", 'works');

    $redis->cmd('CONFIG', 'SET', 'maxmemory', 1);

    like($nginx->get($add), qr/^unavailable OOM /, 'out of memory')
        for 1 .. 5;
    is($nginx->get('arg=PING'), "ok PONG\n", 'the connection stays');

    $redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
    is($nginx->get($add), "ok 2\n", 'memory again');

    is($nginx->count_log(qr/is unavailable: OOM/), 1, 'one line');
    is($nginx->count_log(qr/is available again/), 1, 'and another');
    is($nginx->status()->{connects}, 1, 'the same connection');

    $redis->cmd('SET', 'r', 'text');
    $redis->cmd('DEL', 'r');
    $redis->cmd('LPUSH', 'r', 'x');
    like($nginx->get($add), qr/^unavailable WRONGTYPE/, 'a wrong type');
    $redis->cmd('DEL', 'r');
    is($nginx->get($add), "ok 1\n", 'removed');

    $nginx->quit('refusing');
}

sub readonly {
    my $add = 'script=add&nkeys=1&arg=ro&arg=1';

    $nginx->start($unix);
    is($nginx->get($add), "ok 1\n", 'a master');

    $redis->cmd('REPLICAOF', '127.0.0.1', 1);
    like($nginx->get($add), qr/^unavailable READONLY/, 'became a replica');
    $nginx->wait_status(connects => 2, 'connects again');
    wait_until(20, sub { $nginx->get($add) =~ /^unavailable/ });
    $nginx->wait_status(connects => 3, 'and again');

    $redis->cmd('REPLICAOF', 'NO', 'ONE');
    ok(wait_until(20, sub { $nginx->get($add) eq "ok 2\n" }),
       'a master again');

    is($nginx->count_log(qr/is unavailable: READONLY/), 1, 'one line');
    is($nginx->count_log(qr/is available again/), 1, 'and another');

    $nginx->quit('readonly');
}

sub answers_of_a_fake {
    my $fake = Gate::FakeRedis->run();
    my $loading = 'PING -LOADING Redis is loading the dataset in memory';

    $fake->mode($loading);
    $nginx->start('unix:' . $fake->socket_path . ' ping=0');
    $nginx->wait_log(qr/is unavailable: PING failed: LOADING Redis is/,
                     'loading');
    like($nginx->get('arg=PING'), qr/^(?:refused|not_sent)$/, 'refused');
    $fake->mode('');
    works('loaded');

    my $wrapped = 'ERR Error running script (call to f_0): @user_script:1: '
                  . '@user_script: 1: -MISCONF Redis is configured to save';

    for my $error ('MISCONF x', 'BUSY x', 'MASTERDOWN x', 'NOAUTH x',
                   'CLUSTERDOWN x', 'NOSCRIPT x', 'LOADING x', $wrapped)
    {
        $fake->mode("EVALSHA -$error");
        is($nginx->get('script=echo&arg=x'), "unavailable $error\n", $error);
        $fake->mode('');
        is($nginx->get('script=echo&arg=x'), "ok x\n", 'works again');
    }

    $fake->mode("EVALSHA -ERR odd \x1b[31m\xc2\x9b31m \xff\xd0\x9f");
    like($nginx->get('script=echo&arg=x'), qr/^error ERR odd/, 'odd error');
    $nginx->wait_log(qr/: ERR odd %1b\[31m%c2%9b31m %ff\xd0\x9f$/m,
                     'no control characters in the log');

    $fake->mode('EVALSHA trickle');
    is($nginx->get('script=echo&arg=slowly'), "ok slowly\n", 'in pieces');

    $fake->mode('EVALSHA close');
    is($nginx->get('script=echo&arg=x'), "lost\n", 'hangs up');
    $fake->mode('');
    works('hung up');

    $fake->mode('EVALSHA &nonsense');
    is($nginx->get('script=echo&arg=x'), "lost\n", 'not the protocol');
    $fake->mode('');
    works('nonsense');

    for my $more ('more', 'twice') {
        my $lines = $nginx->count_log(qr/unexpected data/);

        $fake->mode("EVALSHA $more");
        is($nginx->get('script=echo&arg=x'), "ok x\n", "and $more");
        $nginx->wait_log(qr/(?:unexpected data.*){@{[ $lines + 1 ]}}/s,
                         'is noticed');
        $fake->mode('');
        works('unexpected data');
    }

    $fake->mode('SCRIPT sha1');
    $nginx->signal('HUP');
    $nginx->wait_log(qr/SCRIPT LOAD of "add" failed: another SHA1/,
                     'another SHA1');
    $fake->mode('');
    works('SHA1');

    $nginx->quit('fake');

    $fake->mode('AUTH -ERR unknown command `AUTH`, with args beginning '
                . 'with: `s3cret`');
    write_file('password', 's3cret', 0600);
    $nginx->start('unix:' . $fake->socket_path . ' password_file='
                  . scratch() . '/password');
    $nginx->wait_log(qr/AUTH failed: ERR$/m, 'AUTH refused');
    is($nginx->count_log(qr/s3cret/), 0, 'no password in the log');
    $nginx->quit('AUTH refused');

    $fake->stop();
}

# Two commands that are answered at once: what each of them is told.

sub two_of {
    my ($fake, $mode, $first, $second) = @_;

    $fake->mode($mode);
    $fake->freeze();

    my @clients = (asked("script=echo&arg=$first"),
                   asked("script=echo&arg=$second"));

    $fake->thaw();

    my $answers = answers(@clients);

    $fake->mode('');

    return $answers;
}

# Replies that are another call's, or nobody's: they are known by their name.

sub replies_of_others {
    my $fake = Gate::FakeRedis->run('others');

    $nginx->start('unix:' . $fake->socket_path . ' ping=0 timeout=5s');
    works('at first');

    is_deeply(two_of($fake, '', 'a', 'b'), ["ok a\n", "ok b\n"], 'two calls');
    is_deeply(two_of($fake, 'EVALSHA twice', 'a', 'b'), ["ok a\n", "lost\n"],
              'a reply too many is not taken for the next call\'s');
    $nginx->wait_log(qr/is unavailable: reply to another call/, 'it is told');
    works('mixed');

    for my $reply ('+x', ':1', '$1\r\nx', '$-1', '*-1', '*0', '*1\r\n$1\r\nx',
                   '*2\r\n{name}\r\n$1\r\nx', '*2\r\n$1\r\nx\r\n*1\r\n{name}',
                   '*2\r\n$1\r\nx\r\n$-1', '*2\r\n$1\r\nx\r\n:1')
    {
        $fake->mode("EVALSHA $reply");
        is($nginx->get('script=echo&arg=x'), "lost\n", "without a name: $reply");
        $fake->mode('');
        works($reply);
    }

    $fake->mode('EVALSHA *1\r\n{name}');
    is($nginx->get('script=echo&arg=x'), "ok\n", 'only a name');
    $fake->mode('');

    is($nginx->status()->{in_flight}, 0, 'nothing is forgotten');
    $nginx->quit('others');
    $fake->stop();
}

# A reply too many while the connection is made: hiredis would abort.

sub excess_in_greeting {
    my ($address, $fake) = @_;

    write_file('password', 's3cret', 0600);

    for my $command (qw( AUTH SELECT SCRIPT PING )) {
        $fake->mode("$command twice");
        $nginx->start("$address db=1 ping=0 password_file=" . scratch()
                      . '/password');

        my ($worker) = $nginx->workers();

        $nginx->wait_log(qr/is unavailable: /, "$command twice: is told");
        ok(wait_until(10, sub { $nginx->status()->{failures} >= 4 }),
           "$command twice: tried again");
        like($nginx->get('script=echo&arg=x'), qr/^(?:refused|not_sent)$/,
             "$command twice: never used");
        is_deeply([ $nginx->workers() ], [$worker],
                  "$command twice: the worker lives");

        $fake->mode('');
        works("$command twice");
        $nginx->quit("$command twice");
    }
}

sub greeting {
    my $fake = Gate::FakeRedis->run('greeting');

    excess_in_greeting('unix:' . $fake->socket_path, $fake);
    $fake->stop();
}

# Lengths that no reply of ours has.

sub corrupt {
    my $fake = Gate::FakeRedis->run('corrupt');

    $nginx->start('unix:' . $fake->socket_path . ' ping=0 timeout=15s');
    works('at first');

    my ($worker) = $nginx->workers();

    my $size = sub {
        my ($kb) = read_file("/proc/$worker/status") =~ /^VmHWM:\s*(\d+) kB/m;
        return $kb;
    };

    my $before = $size->();

    for my $reply ('*300000000', '*2147483647', '*1025', '*-2',
                   '*1\r\n*300000000', '*2\r\n*1000\r\n*1000',
                   '*1\r\n' x 2000, 'fill 3000000 $300000000',
                   'fill 3000000 +', 'fill 3000000 :', 'fill 3000000 *')
    {
        my $name = substr $reply, 0, 30;
        my $from = Time::HiRes::time();

        $fake->mode("EVALSHA $reply");
        is($nginx->get('script=echo&arg=x'), "lost\n", "$name: is refused");
        cmp_ok(Time::HiRes::time() - $from, '<', 10, "$name: at once");
        $fake->mode('');
        works($name);
    }

    cmp_ok($size->() - $before, '<', 100_000, 'kB of memory that it took');
    is_deeply([ $nginx->workers() ], [$worker], 'the worker lives');

    $nginx->quit('corrupt');
    $fake->stop();
}

# An idle connection breaks: nobody asks, and it is noticed all the same.

sub idle {
    $nginx->start("$unix ping=50ms timeout=100ms");
    is($nginx->get('arg=PING'), "ok PONG\n", 'works');

    $redis->freeze();
    $nginx->wait_log(qr/is unavailable: command timed out/,
                     'a hung Redis is noticed without requests');
    $redis->thaw();
    $nginx->wait_status(connected => 1, 'and that it is back');
    $nginx->wait_log(qr/is available again/, 'is logged');

    my $connects = $nginx->status()->{connects};
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    $nginx->wait_status(connects => $connects + 1, 'killed by an operator');
    works('killed by an operator');

    $nginx->quit('idle');
}

sub aborts {
    $nginx->start("$unix timeout=20s");
    is($nginx->get('arg=PING'), "ok PONG\n", 'works');
    $redis->cmd('DEL', 'ab');

    $redis->freeze();
    my @clients = asked('script=add&nkeys=1&arg=ab&arg=1', 8);
    $clients[$_]->close($_ % 2) for 0 .. 3;

    $redis->thaw();
    is_deeply([sort @{ answers(@clients[4 .. 7]) }],
              [map { "ok $_\n" } 5 .. 8], 'who stayed is answered');
    is($redis->cmd('GET', 'ab'), 8, 'the commands of all have run');
    is($nginx->count_log(qr/client \d+ had left, status ok/), 4,
       'the replies of those who left are for their successors');

    $redis->freeze();
    @clients = asked('script=add&nkeys=1&arg=ab&arg=1', 2);
    $_->close() for @clients;
    crash();
    $nginx->wait_log(qr/(?:had left, status lost.*){2}/s,
                     'also when there is none');
    $redis->start();
    works('aborts');

    is($nginx->status()->{in_flight}, 0, 'nothing remains');
    $nginx->quit('aborts');
}

sub leaving {
    my $echo = 'script=echo&arg=x';

    $nginx->start("$unix timeout=20s");
    is($nginx->get('arg=PING'), "ok PONG\n", 'works');
    $nginx->quit('idle');

    $nginx->start("$unix timeout=20s");
    $redis->freeze();
    my @clients = asked($echo, 5);
    $nginx->signal('QUIT');
    $nginx->wait_log(qr/gracefully shutting down/, 'quit');
    $redis->thaw();
    is_deeply(answers(@clients), [("ok x\n") x 5], 'quit: who waits is served');
    $nginx->ended('quit');

    $nginx->start("$unix timeout=20s");
    my ($old) = $nginx->workers();
    my $late = Gate::Http::Connection->new($nginx->{socket});
    $late->send("GET /?$echo HTTP/1.1\r\n");
    $redis->freeze();
    @clients = asked($echo, 5);
    $nginx->signal('HUP');
    $nginx->wait_log(qr/gracefully shutting down/, 'reload');
    $redis->thaw();
    is_deeply(answers(@clients), [("ok x\n") x 5],
              'reload: who waits is served');

    # the new worker's connection and the suite's own
    ok(wait_until(20, sub { clients() == 2 }), 'the last reply closes');
    $late->send("Host: localhost\r\n\r\n");
    is($late->answer()->{body}, "ok x\n", 'a late request connects again');

    ok(wait_until(20, sub { !kill 0, $old }), 'the old worker leaves');
    is($nginx->get($echo), "ok x\n", 'the new one works');
    $nginx->quit('reload');

    $nginx->start("$unix timeout=500ms");
    $redis->freeze();
    @clients = asked($echo, 3);
    $nginx->signal('QUIT');
    my @got = grep { !/^(?:timeout|lost|not_sent)$/ }
              map { s/\n//r } @{ answers(@clients) };
    is_deeply(\@got, [], 'quit with a hung Redis: all are told');
    $nginx->ended('quit with a hung Redis');
    $redis->thaw();

    $nginx->start("$unix timeout=20s");
    $redis->freeze();
    @clients = asked($echo, 3);
    $nginx->signal('TERM');
    $nginx->ended('stopped with requests in flight');
    $redis->thaw();

    $nginx->start("$unix timeout=60s",
                  main => 'worker_shutdown_timeout 200ms;');
    $redis->freeze();
    @clients = asked($echo, 3);
    $nginx->quit('worker_shutdown_timeout');
    $redis->thaw();
}

sub slow {
    my $proxy = Gate::Proxy->run(to => $redis->socket_path);
    my $slow = 'unix:' . $proxy->socket_path;

    $proxy->delay(15);
    $nginx->start("$slow timeout=400ms");

    my @answers = Gate::Http::parallel(
        [map { $nginx->query("script=echo&arg=$_") } 1 .. 40]);
    is_deeply(bodies(@answers), [map { "ok $_\n" } 1 .. 40],
              'slow, and fast enough');

    $proxy->delay(400);
    is($nginx->get('script=echo&arg=old'), "timeout\n", 'too slow');

    $proxy->delay(0);
    works('fast again');
    is($nginx->get("script=echo&arg=new$_"), "ok new$_\n", 'own answer')
        for 1 .. 5;

    $nginx->quit('slow');
    $proxy->stop();
}

# What a command's rows are worth: 200 of 100 kB fill the socket's buffers.

sub large {
    $nginx->start("$unix timeout=20s",
                  http => 'large_client_header_buffers 4 256k;');
    $redis->freeze();

    my @clients = map { Gate::Http::Connection->new($nginx->{socket}) }
                  1 .. 40;

    for my $i (0 .. $#clients) {
        $clients[$i]->send(Gate::Http::bytes_of(
            $nginx->query("arg=SET&arg=large$i&arg=" . 'x' x 100_000)));
    }

    wait_until(10, sub { $nginx->status()->{in_flight} == 40 });
    $redis->thaw();

    is_deeply(answers(@clients), [("ok OK\n") x 40],
              'more than the socket takes at once');
    is($redis->cmd('STRLEN', 'large39'), 100_000, 'arrives whole');

    $redis->freeze();
    @clients = map { Gate::Http::Connection->new($nginx->{socket}) } 1 .. 40;
    $clients[$_]->send(Gate::Http::bytes_of(
        $nginx->query("arg=SET&arg=large$_&arg=" . 'x' x 100_000)))
        for 0 .. 39;
    wait_until(10, sub { $nginx->status()->{in_flight} == 40 });
    crash();

    my %got;
    $got{$_}++ for @{ answers(@clients) };

    is($got{"lost\n"} + $got{"not_sent\n"}, 40, 'killed: all are told');
    cmp_ok($got{"not_sent\n"}, '>', 0, 'some have surely not left');
    cmp_ok($got{"lost\n"}, '>', 0, 'some may have');

    $redis->start();
    works('large');
    $nginx->quit('large');
}

# --- the name is asked for again when the connection is made again

sub resolver {
    my $port = $redis->port;
    my $dns = Gate::FakeDns::run('127.0.0.2');
    my $other = Gate::Redis->run(name => 'other', tcp => 1,
                                 config => ["port $port", 'bind 127.0.0.2']);

    $other->cmd('SET', 'who', 'other');
    $redis->cmd('SET', 'who', 'first');

    $nginx->start("$localhost:$port",
                  http => "resolver 127.0.0.1:$dns ipv6=off;");
    is($nginx->get('arg=GET&arg=who'), "ok first\n", 'the first address');

    $redis->kill9();
    ok(wait_until(20, sub { $nginx->get('arg=GET&arg=who') eq "ok other\n" }),
       'the name has another address now');

    $nginx->quit('resolver');
    $other->stop();
    $redis->start();
}

# --- TLS, where hiredis has it

sub tls {
    if (!Gate::TestModule::hiredis_has_tls()) {
        like($nginx->check("$localhost ssl=on"),
             qr/ssl=on needs a module built with hiredis 1/,
             'this hiredis has no TLS, and nginx -t says so');
        return;
    }

    Gate::TestModule::certificates();

    my ($dir, $port) = (scratch(), Gate::Env::free_port());
    my $server = Gate::Redis->run(name => 'tls', config => [
        "tls-port $port", "tls-cert-file $dir/server.crt",
        "tls-key-file $dir/server.key", "tls-ca-cert-file $dir/ca.crt",
    ]);
    my $client = "$localhost:$port timeout=1s ssl=on ssl_cert=$dir/client.crt "
                 . "ssl_key=$dir/client.key";

    like($nginx->check("$unix ssl=on"), qr/needs ssl_name/, 'no name');
    like($nginx->check("$localhost ssl=on ssl_ca=/dev/null"),
         qr/cannot load ssl_ca/, 'no certificates');

    $nginx->start("$client ssl_ca=$dir/ca.crt");

    my @answers = Gate::Http::parallel(
        [map { $nginx->query("script=echo&arg=$_") } 1 .. 200]);
    is_deeply(bodies(@answers), [map { "ok $_\n" } 1 .. 200], 'TLS');

    $server->restart();
    ok(wait_until(20, sub { $nginx->get('arg=PING') eq "ok PONG\n" }),
       'restarted');
    $server->freeze();
    asked('script=echo&arg=x', 3);
    $nginx->wait_log(qr/command timed out/, 'hung');
    $server->thaw();
    $nginx->quit('TLS');

    for my $case (['', 'certificate verify failed'],
                  ["ssl_ca=$dir/ca.crt ssl_name=example.com",
                   'certificate verify failed'])
    {
        my ($params, $error) = @$case;

        $nginx->start("$client $params");
        $nginx->wait_log(qr/is unavailable: \Q$error\E/, "TLS: $error");
        like($nginx->get('arg=PING'), qr/^(?:refused|not_sent)$/, 'refused');
        $nginx->quit('TLS refused');
    }

    $server->stop();
    excess_over_tls($dir);
}

sub excess_over_tls {
    my ($dir) = @_;

    my $port = Gate::Env::free_port();
    my $fake = Gate::FakeRedis->run('behind-tls');
    my $pid = Gate::Env::spawn([Gate::Env::root() . '/t/lib/tls-relay', $port,
                                "$dir/server.crt", "$dir/server.key",
                                $fake->socket_path], death_signal => 'TERM');

    wait_until(20, sub {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
    }) or die "no relay\n";

    excess_in_greeting("$localhost:$port ssl=on ssl_ca=$dir/ca.crt", $fake);

    Gate::Env::stop_child($pid, 'TERM');
    $fake->stop();
}

# --- configuration

sub configuration {
    my %bad = (
        "$unix unknown=1" => 'invalid parameter "unknown=1"',
        "$unix db=x" => 'invalid parameter "x" in "gate_redis": db',
        "$unix db=" => 'invalid parameter "db=" in "gate_redis": empty',
        "$unix db=1 db=2" => 'invalid parameter "db=2" in "gate_redis": dup',
        "$unix timeout=0" => 'invalid parameter "0" in "gate_redis": timeout',
        "$unix prefix=a/b" => 'invalid parameter "a/b" in "gate_redis": pre',
        "$unix user=u" => 'user without password_file',
        "$unix ssl=maybe" => 'invalid parameter "maybe" in "gate_redis": ssl',
        "$unix ssl_ca=x" => 'ssl_ parameters need ssl=on',
        "$unix password_file=/nonexistent" => '"/nonexistent" of gate_redis',
        "$unix password_file=/dev/null" => 'is not a regular file',
        'unix:' => 'invalid parameter "unix:" in "gate_redis": no path',
        'no.such.name.invalid' => 'in "gate_redis": host not found',
        "$unix; gate_redis $unix" => '"gate_redis" directive is duplicate',
    );

    for my $params (sort keys %bad) {
        like($nginx->check($params), qr/\[emerg\].*\Q$bad{$params}\E/,
             "refused: $params");
    }

    my $file = scratch() . '/password';

    for my $case (['', 0600, 'must hold one line'],
                  ["a\nb\n", 0600, 'must hold one line'],
                  ["a\n", 0602, 'is writable by others'],
                  ['x' x 2000, 0600, 'is too large'])
    {
        my ($text, $mode, $error) = @$case;

        write_file('password', $text, $mode);
        like($nginx->check("$unix password_file=$file"),
             qr/\[emerg\].*"\Q$file\E" in "gate_redis": password file $error/,
             "password file: $error");
    }

    write_file('password', "ok\r\n", 0600);
    like($nginx->check("$unix password_file=$file ping=0 prefix=a.b-c_d:e"),
         qr/test is successful/, 'accepted');
}

# --- all of them

my %blocks = (
    configuration => \&configuration,
    commands => \&commands,
    addresses => \&addresses,
    many => \&many,
    one_write => \&one_write,
    away_at_start => \&away_at_start,
    killed => \&killed,
    hangs => \&hangs,
    hangs_at_start => \&hangs_at_start,
    flushed => \&flushed,
    auth => \&auth,
    refusing => \&refusing,
    readonly => \&readonly,
    fake => \&answers_of_a_fake,
    others => \&replies_of_others,
    greeting => \&greeting,
    corrupt => \&corrupt,
    idle => \&idle,
    aborts => \&aborts,
    leaving => \&leaving,
    slow => \&slow,
    tls => \&tls,
    large => \&large,
    resolver => \&resolver,
);

my @wanted = $ENV{GATE_REDIS_BLOCKS} ? split ' ', $ENV{GATE_REDIS_BLOCKS}
                                     : sort keys %blocks;

for my $name (@wanted) {
    subtest $name => sub {
        eval { $blocks{$name}->(); 1 } or do {
            fail($@);
            diag($nginx->log_text());
        };
    };
}

done_testing();
