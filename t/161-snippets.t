#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# What the documents tell to type: each snippet of shell is run as it stands, as
# a script, with a gateway after conf.example, a Redis, the simulator of Gate and
# the example service at the addresses that "make up" has.  An answer that is
# shown after a snippet is the one that comes.  What needs root or another
# machine is only parsed.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( root scratch write_file write_key read_file free_port
                  spawn stop_child wait_until at_end which );
use Gate::Http;
use Gate::Ledger qw( entry totals );
use Gate::Nginx;
use Gate::Redis;
use Gate::Service;
use Gate::Sim;

use Cwd ();
use Test::More;

my @documents = qw( README.md SECURITY.md doc/quickstart.md doc/install.md
                    doc/operations.md doc/reference.md doc/ledger.md
                    doc/endpoints.md doc/architecture.md
                    doc/hacking.md );

my %kinds = (
    sh => \&run_sh, shell => \&parse_shell, http => \&compare_answer,
    python => \&run_python, json => \&verify_json,
    nginx => undef,     # by 160-docs
);

# the example of a key in the documents
my $key = read_file(root() . '/docker/secrets/kz.key');

my $dir = scratch() . '/docs';
my $public = "$dir/public.sock";
my %port = map { $_ => free_port() } 8080, 3000;

mkdir $_ for $dir, "$dir/logs", "$dir/bin", "$dir/work";

write_key("$_.key", $key) for qw( kz cards );

my $redis = Gate::Redis->run();
my $service = Gate::Service->run();
my $sim = Gate::Sim->run(
    projects => { 1234 => $key, 123 => $key },
    args => ['--callback-url', "http://unix:$public:/callbacks/gate",
             '--callback-delay', '0.02', '--time-scale', '0.01']);

@port{9080, 9000} = ($sim->port(), $service->port());

let_in('gateway');
start_gateway();
tools();
snippets($_) for @documents;
backup();
by_hand();

is(join("\n", grep { /NOPERM|redis refused|can't run this command/ }
              split /\n/, read_file("$dir/logs/error.log")), '',
   'the gateway may do all that it does');

done_testing();


# --- what there is at these addresses

# conf.example, with what is here in place of what is elsewhere

sub configuration {
    my $text = read_file(root() . '/conf.example');
    my $load = Gate::Nginx::load_modules();
    my $user = Gate::Nginx::user();
    my $temp = Gate::Nginx::temp_paths($dir);

    for ([qr/^load_module .*/m, $load],
         [qr/^user .*/m, "$user daemon off;"],
         [qr{/var/log/nginx/}, "$dir/logs/"],
         [qr{/run/nginx\.pid}, "$dir/nginx.pid"],
         [qr/^http \{/m, "http {\n$temp"],
         [qr{/run/redis/redis\.sock}, $redis->socket_path()
             . " user=gateway password_file=$ENV{TEST_NGINX_KEYS}/redis.key"],
         [qr{secrets/}, "$ENV{TEST_NGINX_KEYS}/"],
         [qr/127\.0\.0\.1:8080/, "127.0.0.1:$port{8080}"],
         [qr/127\.0\.0\.1:9000/, "127.0.0.1:$port{9000}"],
         [qr/listen +443 ssl/, "listen unix:$public"],
         [qr/^ *(?:proxy_)?ssl_.*\n/m, ''],
         [qr/allow 203\.0\.113\.0\/24/, 'allow unix:'],
         [qr/api\.example\.com:443/, '127.0.0.1:' . $sim->port()],
         [qr{https://\$gate_address}, 'http://$gate_address'],
         [qr/proxy_read_timeout +30s/, 'proxy_read_timeout 500ms'])
    {
        my ($from, $to) = @$_;

        $text =~ s/$from/$to/g or die "conf.example has no $from\n";
    }

    return $text;
}

sub start_gateway {
    my $nginx = Gate::Nginx->new(
        dir => $dir, log => "$dir/logs/error.log", workers => undef,
        conf => write_file("$dir/nginx.conf", configuration()),
        env => { ASAN_OPTIONS => 'detect_leaks=0' });

    eval { $nginx->start(); 1 } or BAIL_OUT($@);
}

# A user of Redis as install.md has it.

sub let_in {
    my ($name) = @_;

    my ($rights) = read_file(root() . '/doc/install.md')
                   =~ /^user \Q$name\E on >password (.*)$/m;

    write_key('redis.key', 'password');
    $redis->cmd('ACL', 'SETUSER', $name, 'on', '>password', split ' ', $rights);
}

# redis-cli as install.md tells, scripts where the package has them

sub tools {
    my $cli = which('redis-cli') // BAIL_OUT('no redis-cli');
    my $socket = $redis->socket_path();

    write_file("$dir/bin/redis-cli", <<"END", 0755);
#!/bin/sh
exec $cli -s $socket "\$@"
END
    write_file("$dir/bin/gatesig", <<"END", 0755);
#!/bin/sh
exec @{[root()]}/build/gatesig "\$@"
END

    # progress is shown where there is no terminal, too
    write_file("$dir/.curlrc", "silent\nshow-error\nmax-time = 20\n");
}

# The same beginning for each document; those that look at a payout, or at a
# stream, find one.

sub begin {
    my ($name) = @_;

    $sim->control('POST', 'reset', {});
    $service->control('POST', 'reset', {});
    $redis->cmd('FLUSHALL');
    $redis->cmd('HSET', 'gate:limits:{1234}:KZT', qw( min 100 max 200000
                                                      day 250000 ));

    write_file("$dir/work/$_", read_file(root() . "/build/lua/$_"))
        for map { m{([^/]+)$} } glob root() . '/build/lua/*.lua';

    return if $name !~ m{/operations\.md$};

    $redis->cmd('XADD', 'callbacks', '1795219200250-0', 'status', 'success');

    is(pay()->{status}, 200, "$name: there is a payout");
}

sub payout {
    my ($body) = read_file(root() . '/doc/quickstart.md')
                 =~ /^cat >payout\.json <<END\n(.*?)^END$/ms;

    return $body // BAIL_OUT('no payout in doc/quickstart.md');
}


# --- snippets

# In order; a block that is indented belongs to an item of a list.

sub blocks {
    my ($text) = @_;

    my @blocks;

    while ($text =~ /^( *)```(\w*)\n(.*?)^\1```$/msg) {
        my ($indent, $kind, $inside) = ($1, $2, $3);
        my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);

        $inside =~ s/^\Q$indent\E//mg;
        push @blocks, { kind => $kind, text => $inside, line => $line };
    }

    return @blocks;
}

sub snippets {
    my ($name) = @_;

    my $text = read_file(root() . "/$name") // BAIL_OUT("no $name");
    my ($last, %other);

    begin($name);

    for my $block (blocks($text)) {
        my $what = "$name line $block->{line}";

        $block->{last} = $last;
        $last = $block;

        next if $block->{kind} eq '';

        if (!exists $kinds{$block->{kind}}) {
            fail("$what: what is \"$block->{kind}\"?");
            next;
        }

        my $code = $kinds{$block->{kind}} // next;

        SKIP: {
            skip('no jq here', 1) if $block->{text} =~ /\bjq\b/ && !which('jq');
            $code->($what, $block);
        }
    }

    # what could be typed is in a block of a known kind, and so it is tried
    $text =~ s/^( *)```.*?^\1```$//msg;

    my @untried = grep { /^ {4,}(?:redis-cli|curl|make|prove|util|apt) /m }
                  split /\n\n/, $text;

    is(join("\n", @untried), '', "$name: nothing to type is left untried");
}

sub here {
    my ($text) = @_;

    $text =~ s/\b127\.0\.0\.1:(\d+)/'127.0.0.1:' . ($port{$1} || $1)/ge;
    $text =~ s{/var/log/nginx/}{$dir/logs/}g;

    return $text;
}

sub bash {
    my (@args) = @_;

    my $pid = spawn(['timeout', '60', 'bash', @args], dir => "$dir/work",
                    out => "$dir/stdout",
                    env => { PATH => "$dir/bin:$ENV{PATH}", CURL_HOME => $dir,
                             HOME => $dir });
    waitpid $pid, 0;

    return $?;
}

sub run_sh {
    my ($what, $block) = @_;

    my $script = write_file("$dir/script", here($block->{text}));

    unlink "$dir/stdout", "$dir/stderr";

    # what goes wrong in the middle is not silent: it is told here
    my $status = bash('-c', 'exec 2>"$0"; exec bash -eu -o pipefail "$1"',
                      "$dir/stderr", $script);
    my $stderr = read_file("$dir/stderr") // '';

    $block->{stdout} = read_file("$dir/stdout") // '';

    ok($status == 0 && $stderr eq '', "$what: runs")
        or diag("status $status\n$stderr\n$block->{stdout}\n$block->{text}");
}

sub parse_shell {
    my ($what, $block) = @_;

    my $script = write_file("$dir/script", $block->{text});

    unlink "$dir/stdout";
    is(bash('-n', $script), 0, "$what: is shell")
        or diag(read_file("$dir/stdout"));
}

# The status, and "code" or "status" of a body, of what came before.

sub compare_answer {
    my ($what, $block) = @_;

    my $stdout = $block->{last}{stdout};
    my ($status) = $block->{text} =~ m{^(HTTP/1\.1 .*)$}m;
    my @said = $block->{text} =~ /("(?:code|status)":"[^"]*")/g;

    for my $text ($status, grep { $_ ne '"status":"error"' } @said) {
        like($stdout, qr/\Q$text\E/, "$what: $text");
    }
}

# A document with a signature is signed with the key of the examples.

sub verify_json {
    my ($what, $block) = @_;

    return if $block->{text} !~ /"signature"/;

    my $file = write_file("$dir/document.json", $block->{text});

    unlink "$dir/stdout";
    is(bash('-c', 'gatesig verify --key-file "$0" "$1"',
            root() . '/docker/secrets/kz.key', $file), 0, "$what: verifies")
        or diag(read_file("$dir/stdout"));
}

# What the backup of limits has written brings them back; it does not replace
# one that is there by an empty one.

sub backup {
    my $text = read_file(root() . '/doc/operations.md');
    my ($save, $restore) = map { $_->{text} }
                           grep { $_->{text} =~ /limits\.txt/ } blocks($text);

    my @limits = (max => '9223372036854775807', _by => '"a","b", \\ and {c}',
                  _on => '');

    $redis->cmd('FLUSHALL');
    $redis->cmd('HSET', 'gate:limits:{1234}:KZT', @limits);
    $redis->cmd('HSET', 'gate:limits:{123}:USD', day => 5);

    run_sh('the backup', { text => $save });
    $redis->cmd('FLUSHALL');
    run_sh('what brings it back', { text => $restore });

    is_deeply({ @{ $redis->cmd('HGETALL', 'gate:limits:{1234}:KZT') } },
              { @limits }, 'limits are back as they were');
    is($redis->cmd('HGET', 'gate:limits:{123}:USD', 'day'), 5, 'all of them');

    $redis->cmd('FLUSHALL');

    isnt(bash('-c', $save), 0, 'a backup of nothing fails');
    like(read_file("$dir/work/limits.txt"), qr/9223372036854775807/,
         'and leaves the one before');
}

# What operators do by hand does what the document says.

sub snippet {
    my ($pattern) = @_;

    my ($block) = grep { $_->{text} =~ /$pattern/ }
                  blocks(read_file(root() . '/doc/operations.md'));

    return { %{ $block // die "no $pattern\n" } };
}

sub by_hand_is {
    my ($name, $block, $said, $state, $counted) = @_;

    run_sh($name, $block);
    like($block->{stdout}, $said, "$name: says so");

    my $entry = entry($redis, 'payment_47');

    is("$entry->{state} $entry->{counted}", "$state $counted", $name);
    is(totals($redis), "KZT $counted/" . ($counted ? 1 : 0) . "\n",
       "$name: totals");
}

sub pay {
    my ($body) = @_;

    return Gate::Http::post('/v2/payment/mobile/payout', $body // payout(),
                            to => $port{8080},
                            headers => ['Content-Type: application/json']);
}

sub by_hand {
    begin('a payout');
    $sim->control('POST', 'faults', { payment_id => 'payment_47', hold => \1,
                                      outcome => 'success' });

    my ($stop, $open) = (snippet('HSET .gate:stop'), snippet('HDEL .gate:stop'));

    run_sh('a stop', $stop);
    like(pay()->{body}, qr/"gw_stopped"/, 'a stop: no payout leaves');
    run_sh('its end', $open);
    is(pay()->{status}, 200, 'its end: payouts leave');

    ok(wait_until(10, sub {
        entry($redis, 'payment_47')->{state} eq 'accepted'
    }), 'there is a payout');

    my ($hour, $monday) = split ' ', entry($redis, 'payment_47')->{window};
    my $recount = snippet('function add');

    $recount->{text} =~ s/\b2026112114\b/$hour/ && $recount->{text}
        =~ s/\b20261116\b/$monday/ or die "no window to count\n";
    $redis->cmd('HSET', 'gate:used:{1234}', 'KZT', 'damaged');

    my $other = pay(payout() =~ s/payment_47/payment_48/r);

    like($other->{body}, qr/"gw_limits_unavailable"/, 'damaged: refused');
    by_hand_is('counted anew', $recount, qr/^0$/m, 'accepted', 100000);

    my $due = snippet('ZRANGE');

    $due->{text} =~ s/ - 600\b/ + 600/ or die "no time to look for\n";
    run_sh('what is stuck', $due);
    like($due->{stdout}, qr/^accepted 100000 KZT .* payment_47$/m,
         'what is stuck: told');

    by_hand_is('freed', snippet('outcome\.lua'), qr/^released released$/m,
               'released', 0);
    by_hand_is('freed again', snippet('outcome\.lua'), qr/^gone released$/m,
               'released', 0);
    by_hand_is('settled', snippet('settle\.lua'), qr/^forward\nsettled$/m,
               'success', 100000);
}

# A service: it takes the callback that the document shows, and knows it when
# it comes again.

sub run_python {
    my ($what, $block) = @_;

    my $text = $block->{text};

    $text =~ s/\b3000\b/$port{3000}/ or return fail("$what: no port");

    my $out = "$dir/service.out";
    my $pid = spawn([which('python3'), write_file("$dir/service.py", $text)],
                    dir => "$dir/work", out => $out);
    my %to = (to => $port{3000});
    my $callback = $block->{last}{text};

    ok(wait_until(20, sub {
        (Gate::Http::post('/', $callback, %to)->{status} // '') eq '200'
    }), "$what: takes a callback") or diag(read_file($out));

    is(Gate::Http::post('/', $callback, %to)->{status}, 200,
       "$what: takes it again");

    (my $other = $callback) =~ s/"success"/"reversed"/g;

    is(Gate::Http::post('/', $other, %to)->{status}, 200,
       "$what: takes another status");
    is(Gate::Http::post('/', '{"payment":[],"operation":null}', %to)->{status},
       200, "$what: takes what has no value");
    isnt(Gate::Http::post('/', '{', %to)->{status} // '', 200,
         "$what: does not take what it cannot read");

    is(scalar(() = (read_file($out) // '') =~ /^news:/mg), 3,
       "$what: each is news once") or diag(read_file($out));

    stop_child($pid, 'TERM');
}
