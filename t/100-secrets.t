#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Keys that change while nginx runs: every way to replace a file, files that
# cannot be used, the previous key, and where a key must never be seen.

use strict;
use warnings;

use lib 't/lib';

use Digest::SHA ();
use Fcntl qw( O_CREAT O_WRONLY );
use Gate::Env qw( keys_dir scratch read_file write_file write_key wait_until );
use Gate::Http;
use Gate::Outbound qw( :all );
use Time::HiRes ();
use Test::Nginx::Socket 'no_plan';

# long enough to be found in memory, and of more than one block
our %keys = (
    old  => $kz_key,
    new  => 'key-of-kz-new-' . 'Zq7' x 14,
    long => 'key-of-kz-long-' . join('', map { chr(65 + $_ % 26) } 0 .. 200),
    prev => 'key-of-kz-prev-3d1f',
);

our $config = <<'_EOC_';
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
    location = /callbacks {
        gate_verify  kz;
        proxy_pass   http://gate/taken;
    }
    location = /status {
        gate_status;
    }
    add_header X-Result $gate_result always;
_EOC_

sub http_config_of {
    my ($check, $dir) = @_;

    $dir //= '$TEST_NGINX_KEYS';

    return <<"_EOC_";
    gate_zone          gate 256k;
    gate_secret_check  $check;

    # this suite reads the memory of processes, not as root alone
    gate_core_dump     on;

    gate_project kz {
        id                    1234;
        secret_file           $dir/kz.key;
        previous_secret_file  $dir/kz.old;
    }

    upstream gate {
        server unix:\$TEST_NGINX_UPSTREAM_SOCKET;
    }
_EOC_
}

our $quick = http_config_of('100ms');

# --- files

# The file is not empty in between: on a busy machine that may last.

sub in_place {
    my ($file, $text) = @_;

    sysopen my $fh, $file, O_WRONLY | O_CREAT
        or die "cannot write $file: $!\n";
    syswrite $fh, $text;
    truncate $fh, length $text;
    close $fh;
}

sub kz_file { return keys_dir() . '/kz.key' }

sub set_key { write_key('kz.key', "$keys{ $_[0] }\n") }

# As Kubernetes mounts secrets: a link for each file, through one link to a
# directory, which is replaced as a whole.

our $version = 0;

sub mount_dir { return scratch() . '/mount' }

sub switch_mount {
    my ($name) = @_;

    my $dir = mount_dir();
    my $version = "..v" . ++$version;

    mkdir $dir;
    mkdir "$dir/$version";
    write_file("$dir/$version/kz.key", "$keys{$name}\n", 0600);

    symlink $version, "$dir/..new" or die "symlink: $!\n";
    rename "$dir/..new", "$dir/..data" or die "rename: $!\n";

    symlink '..data/kz.key', "$dir/kz.key" if !-l "$dir/kz.key";
}

# Many projects, more than are looked at in one event.

our $many = 100;

sub many_projects {
    my ($check) = @_;

    write_key("p$_.key", "key-of-p$_\n") for 1 .. $many;

    return http_config_of($check) . CORE::join '', map { <<"_EOC_" } 1 .. $many;
    gate_project p$_ {
        id           @{[ 70000 + $_ * 7 % 101 ]};
        secret_file  \$TEST_NGINX_KEYS/p$_.key;
    }
_EOC_
}

# --- who signs with what

sub key_of_answer {
    my ($body) = @_;

    for my $name (sort keys %keys) {
        return $name if $body eq signed($payout, $keys{$name}, 1234,
                                        lines_of());
    }

    return $body;
}

sub ask { return Gate::Http::post($path, $payout, headers => [$type]) }

sub all_sign_with {
    my ($name) = @_;

    my $got;

    # longer than it takes to find that one of them has just ended
    wait_until(30, sub {
        $got = by_worker(sub { key_of_answer(ask()->{body}) });
        return keys %$got == 2 && !grep { $_ ne $name } values %$got;
    });

    Test::More::is("@{[ sort values %$got ]}", "$name $name",
                   "both workers sign with the $name key");
}

# The key is not used before nobody has written to the file for a while; how
# long this takes on a busy machine does not matter.

sub takes_its_time {
    my ($what, $change) = @_;

    my $taken = lines_like('has a new key');
    my $start = Time::HiRes::time();

    $change->();
    wait_until(10, sub {
        lines_like('has a new key') > $taken
            or key_of_answer(ask()->{body}) eq 'new';
    });

    # the clock that dates files ticks every 10 ms
    Test::More::cmp_ok(Time::HiRes::time() - $start, '>=', 0.185, $what);
    all_sign_with('new');
}

# System calls that read.

sub reads_of {
    my ($pid) = @_;

    return slurp("/proc/$pid/io") =~ /^syscr: (\d+)$/m ? $1 : die "no io: $pid\n";
}

# --- callbacks

sub callback {
    my ($key) = @_;

    my $signature = signature($key, 'payment:id:p1', 'payment:status:success',
                              'project_id:1234');

    return Gate::Http::post('/callbacks', '{"project_id":1234,"payment":'
        . '{"id":"p1","status":"success"},"signature":"' . $signature . '"}');
}

sub all_answer {
    my ($key, $expected) = @_;

    my $got;

    wait_until(10, sub {
        $got = by_worker(sub {
            my $res = callback($keys{$key});
            return "$res->{status} $res->{headers}{'x-result'}";
        });
        return keys %$got == 2 && !grep { $_ ne $expected } values %$got;
    });

    Test::More::is(CORE::join(', ', values %$got), "$expected, $expected",
                   "callbacks with the $key key: $expected");
}

# --- logs

sub lines_like {
    my ($pattern) = @_;

    return scalar grep { /$pattern/ } split /\n/, log_text();
}

sub is_logged {
    my ($pattern, $count, $name) = @_;

    wait_until(10, sub { lines_like($pattern) >= $count });
    Test::More::is(lines_like($pattern), $count, $name);
}

# What cannot be used keeps the old key, and is said once.

sub refuses_file {
    my ($reason, $change) = @_;

    my $said = qr/\[error\].*"secret_file": .*$reason.*: the key before stays in use/;
    my $before = lines_like($said);
    my $looks = sub { lines_like(qr/event timer add: -?\d+: 50:/) };

    $change->();
    wait_until(10, sub { lines_like($said) > $before });
    all_sign_with('old');

    # the timers of both workers have run several times since
    my $now = $looks->();
    wait_until(10, sub { $looks->() > $now + 12 });

    Test::More::is(lines_like($said), $before + 1, "said once: $reason");
}

sub is_usable_again {
    my $before = lines_like(qr/\[notice\].*kz\.key" can be used again/);

    set_key('new');
    all_sign_with('new');
    is_logged(qr/\[notice\].*kz\.key" can be used again/, $before + 2,
              'both workers say that the file is usable again');
    set_key('old');
    all_sign_with('old');
}

# --- memory

# All that a process may write, but the shadow memory of sanitizers.

sub memory_of {
    my ($pid, $shared) = @_;

    my $mode = $shared ? qr/rw-s/ : qr/rw/;

    no warnings 'portable';

    open my $mem, '<:raw', "/proc/$pid/mem" or die "no memory: $!\n";

    my $all = '';
    my $maps = slurp("/proc/$pid/maps");

    while ($maps =~ /^([0-9a-f]+)-([0-9a-f]+) $mode/mg) {
        my ($start, $size) = (hex $1, hex($2) - hex($1));
        next if $size > 64 << 20;

        sysseek $mem, $start, 0;
        sysread $mem, $all, $size, length $all;
    }

    return $all;
}

# A key as text, and as OpenSSL's stack may have it: the first block with one
# of both pads, in words of either order.

sub texts_of {
    my ($key) = @_;

    my $block = substr length $key > 128 ? Digest::SHA::sha512($key) : $key,
                       0, 16;
    my @texts = (substr $key, 0, 24);

    for my $pad ("\x36", "\x5c") {
        my $padded = $block ^ ($pad x length $block);
        push @texts, $padded, pack 'Q<2', unpack 'Q>2', $padded;
    }

    return @texts;
}

# The worker holds one key, and nothing of the others.

sub holds_only {
    my ($pid, $name) = @_;

    my $memory = memory_of($pid);

    for my $other (qw( old new long )) {
        my $states = grep { index($memory, $_) >= 0 }
                          states_of($keys{$other});
        my $texts = grep { index($memory, $_) >= 0 } texts_of($keys{$other});

        # what is searched is found where it has to be
        Test::More::is($states, $other eq $name ? 2 : 0,
                       "worker $pid with the $name key: states of $other");

        Test::More::is($texts, 0, "worker $pid: text of $other")
            if $other ne $name;
    }
}

# --- a suite

sub after_each_block {
    my ($block) = @_;

    return if defined $block->must_die;

    for my $file (glob "$ENV{TEST_NGINX_SERVROOT}/logs/*.log") {
        my $secret = secret_in(slurp($file), values %keys);
        Test::More::fail($block->name . " - a key is in $file")
            if defined $secret;
    }
}

# Test::Nginx reads the variable once, and this harness for each block.

sub worker_user {
    my ($user) = @_;

    no warnings 'once';

    $Test::Nginx::Util::WorkerUser = $user;
    delete $ENV{TEST_NGINX_WORKER_USER};
    $ENV{TEST_NGINX_WORKER_USER} = $user if defined $user;
}

Gate::Outbound::suite();
add_test_cleanup_handler(\&after_each_block);

add_block_preprocessor(sub {
    my ($block) = @_;

    unlink keys_dir() . '/kz.old', mount_dir() . '/kz.old';
    set_key('old');

    # root may read everything
    worker_user($> == 0 && defined $block->unprivileged ? 'nobody nogroup'
                                                         : undef);
    chmod 0777, $up->socket_path();

    Gate::Suite::set_sections($block, http_config => $quick,
        config => $config, request => "POST $path\n$payout",
        response_headers => '! X-Gate-Source', response_body => $signed);
});

switch_mount('old');
Test::Nginx::Socket::workers(2);

run_tests();

__DATA__

=== TEST 1: a file that is written in place
--- after eval
sub {
    ::in_place(::kz_file(), "$::keys{new}\n");
    ::all_sign_with('new');
    ::in_place(::kz_file(), $::keys{long});
    ::all_sign_with('long');
    ::in_place(::kz_file(), "$::keys{old}\r\n");
    ::all_sign_with('old');
}
--- error_log
kz.key" has a new key



=== TEST 2: a file that is replaced by rename; the same content is no change
--- after eval
sub {
    my $before = ::lines_like('has a new key');

    ::set_key('new');
    ::all_sign_with('new');
    ::is_logged('has a new key', $before + 2, 'each worker says so');

    ::set_key('new');
    ::set_key('old');
    ::all_sign_with('old');
    ::is_logged('has a new key', $before + 4, 'once for each change');
}



=== TEST 3: a link to a directory that is switched
--- http_config eval: ::http_config_of('100ms', ::mount_dir())
--- after eval
sub {
    for my $name (qw( new long old )) {
        ::switch_mount($name);
        ::all_sign_with($name);
    }
}



=== TEST 4: a file that is missing
--- no_error_log
[alert]
[crit]
--- after eval
sub {
    ::refuses_file('cannot open ".*kz.key"', sub { unlink ::kz_file() });
    ::is_usable_again();
}
--- error_log
No such file or directory



=== TEST 5: a file that is empty, or a newline
--- no_error_log
[alert]
[crit]
--- after eval
sub {
    ::refuses_file('".*kz.key" is empty',
                   sub { ::in_place(::kz_file(), '') });
    ::in_place(::kz_file(), "\r\n");
    ::all_sign_with('old');
    ::is_usable_again();
}
--- error_log
is empty



=== TEST 6: a file that everyone may write
--- no_error_log
[alert]
[crit]
--- after eval
sub {
    ::refuses_file('".*kz.key" is writable by everyone', sub {
        Gate::Env::write_key('kz.key', "$::keys{new}\n", 0666);
    });
    ::is_usable_again();
}
--- error_log
is writable by everyone



=== TEST 7: a file that is too long, or none at all
--- no_error_log
[alert]
[crit]
--- after eval
sub {
    ::refuses_file('".*kz.key" has more than 4096 bytes',
                   sub { Gate::Env::write_key('kz.key', 'k' x 4097) });
    ::refuses_file('".*kz.key" is not a regular file', sub {
        unlink ::kz_file();
        mkdir ::kz_file();
    });
    rmdir ::kz_file();

    ::is_usable_again();
}
--- error_log
has more than 4096 bytes



=== TEST 8: a file that workers cannot read
--- unprivileged
--- init
chmod 0644, main::kz_file();
--- no_error_log
[alert]
[crit]
--- after eval
sub {
    chmod 0644, ::kz_file();
    ::all_sign_with('old');
    ::refuses_file('cannot open ".*kz.key"', sub {
        Gate::Env::write_key('kz.key', "$::keys{new}\n", 0000);
    });
    chmod 0644, ::kz_file();
    ::all_sign_with('new');
    Gate::Env::write_key('kz.key', "$::keys{old}\n", 0644);
    ::all_sign_with('old');
}
--- error_log
Permission denied



=== TEST 9: the previous key appears and vanishes, and only verifies
--- after eval
sub {
    ::all_answer('prev', '403 bad_signature');
    ::all_answer('old', '200 ok');

    Gate::Env::write_key('kz.old', "$::keys{prev}\n");
    ::all_answer('prev', '200 ok');
    ::all_answer('old', '200 ok');
    ::all_sign_with('old');

    Gate::Env::write_key('kz.old', "$::keys{new}\n");
    ::all_answer('new', '200 ok');
    ::all_answer('prev', '403 bad_signature');

    unlink ::keys_dir() . '/kz.old';
    ::all_answer('new', '403 bad_signature');
    ::all_answer('old', '200 ok');
}
--- error_log
kz.old" has a new key
kz.old" is gone, and its key



=== TEST 10: a whole rotation: the old key verifies until it is taken away
--- after eval
sub {
    ::all_answer('new', '403 bad_signature');

    Gate::Env::write_key('kz.old', "$::keys{old}\n");
    ::set_key('new');
    ::all_sign_with('new');
    ::all_answer('old', '200 ok');
    ::all_answer('new', '200 ok');

    unlink ::keys_dir() . '/kz.old';
    ::all_answer('old', '403 bad_signature');

    ::set_key('old');
    ::all_sign_with('old');
}



=== TEST 11: a worker that replaces a dead one has the new key from the start
--- http_config eval: ::http_config_of('100ms')
--- no_error_log
[crit]
[emerg]
--- after eval
sub {
    ::set_key('new');
    ::all_sign_with('new');

    my @old = ::workers();
    kill 'KILL', @old;
    Test::More::ok(::workers_are_new(@old), 'new workers');

    my @answers = Gate::Http::parallel([ map { { method => 'POST',
        uri => $::path, body => $::payout, headers => [$::type] } } 1 .. 20 ]);

    Test::More::is("@{[ map { ::key_of_answer($_->{body}) } @answers ]}",
                   "@{[ ('new') x 20 ]}", 'every answer');

    ::set_key('old');
    ::all_sign_with('old');
}
--- error_log
exited on signal 9



=== TEST 12: gate_secret_check off: a reload, and nothing else
--- http_config eval: ::http_config_of('off')
--- no_error_log
[crit]
[emerg]
--- after eval
sub {
    ::set_key('new');

    # those would look at once
    my @old = ::workers();
    kill 'KILL', @old;
    Test::More::ok(::workers_are_new(@old), 'new workers');
    ::all_sign_with('old');

    for my $name (qw( new old )) {
        ::set_key($name);
        @old = ::workers();
        ::signal_nginx('HUP');
        Test::More::ok(::workers_are_new(@old), 'reload');
        ::all_sign_with($name);
    }
}
--- error_log
exited on signal 9



=== TEST 13: no key in nginx -T, metrics, shared memory, the environment
--- after eval
sub {
    Gate::Env::write_key('kz.old', "$::keys{prev}\n");
    ::all_answer('prev', '200 ok');
    my $nginx = ::nginx_pid();
    my $exe = readlink "/proc/$nginx/exe";
    my $dump = `$exe -e stderr -p $ENV{TEST_NGINX_SERVROOT}/ -c $ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf -T 2>&1`;

    Test::More::like($dump, qr/secret_file\s+\S+kz\.key;/, 'nginx -T');

    my %texts = (
        'nginx -T' => $dump,
        metrics    => Gate::Http::get('/status')->{body},
        json       => Gate::Http::get('/status?format=json')->{body},
        map { ("environment of $_" => ::slurp("/proc/$_/environ") . ' ') }
            $nginx, ::workers(),
    );

    if (-r "/proc/$nginx/maps") {
        my $shared = ::memory_of($nginx, 1);

        Test::More::cmp_ok(length $shared, '>=', 256 << 10, 'gate_zone');
        Test::More::is(scalar(grep { CORE::index($shared, $_) >= 0 }
            map { (::texts_of($_), ::states_of($_)) } values %::keys), 0,
            'no key in shared memory');
    }

    for my $what (sort keys %texts) {
        Test::More::ok(length $texts{$what}, "$what is there");
        Test::More::is(::secret_in($texts{$what}, values %::keys), undef,
                       "no key in $what");
    }

    unlink ::keys_dir() . '/kz.old';
    ::all_answer('prev', '403 bad_signature');
}



=== TEST 14: nothing of a key that was replaced stays in memory
--- after eval
sub {
    return Test::More::pass('no /proc') if !-r "/proc/$$/maps";

    ::holds_only($_, 'old') for ::workers();

    for my $name (qw( new long old )) {
        ::set_key($name);
        ::all_sign_with($name);
        ::holds_only($_, $name) for ::workers();
    }
}



=== TEST 15: a file is used once it has not changed for 200 ms, not half of that
--- after eval
sub {
    for (1 .. 3) {
        ::takes_its_time('by rename', sub { ::set_key('new') });
        ::set_key('old');
        ::all_sign_with('old');
        ::takes_its_time('in place', sub {
            ::in_place(::kz_file(), "$::keys{new}\n");
        });
        ::set_key('old');
        ::all_sign_with('old');
    }
}



=== TEST 16: a worker that starts while a file is new waits like the others
--- no_error_log
[crit]
[emerg]
--- after eval
sub {
    ::takes_its_time('after the end of both workers', sub {
        ::set_key('new');
        my @old = ::workers();
        kill 'KILL', @old;
        ::workers_are_new(@old);
    });
    ::set_key('old');
    ::all_sign_with('old');
}
--- error_log
exited on signal 9



=== TEST 17: a reload in the middle of a change waits for its end
--- http_config eval: ::http_config_of('off')
--- after eval
sub {
    for (1 .. 3) {
        my @old = ::workers();

        ::takes_its_time('a reload', sub {
            ::in_place(::kz_file(), "$::keys{new}\n");
            ::signal_nginx('HUP');
        });
        Test::More::ok(::workers_are_new(@old), 'reload');

        @old = ::workers();
        ::set_key('old');
        ::signal_nginx('HUP');
        Test::More::ok(::workers_are_new(@old), 'reload');
        ::all_sign_with('old');
    }
}



=== TEST 18: a file that has not changed is not read again
--- http_config eval: ::many_projects('400ms')
--- after eval
sub {
    my ($pid) = ::workers();

    return Test::More::pass('no /proc/PID/io') if !-r "/proc/$pid/io";

    # a young file may change again without a trace in its times
    my $rounds = sub {
        my ($n) = @_;

        my $looks = sub { ::lines_like(qr/ $pid#.*event timer add: -?\d+: 31:/) };
        my $end = $looks->() + $n * 7;

        Gate::Env::wait_until(20, sub { $looks->() >= $end });
    };

    Gate::Env::wait_until(10, sub {
        my $before = ::reads_of($pid);
        $rounds->(1);
        ::reads_of($pid) < $before + $::many / 2;
    });

    my $before = ::reads_of($pid);
    $rounds->(5);
    # of sockets and the log, too, but not of files
    Test::More::cmp_ok(::reads_of($pid) - $before, '<', 2 * $::many,
                       "reads in five rounds over $::many files");

    ::set_key('new');
    ::all_sign_with('new');
    ::set_key('old');
    ::all_sign_with('old');
}



=== TEST 19: many projects: each is found, and each key changes
--- http_config eval: ::many_projects('100ms')
--- config
    location /v2/ {
        gate_sign   $http_x_project;
        proxy_pass  http://gate;
    }
    add_header X-Result $gate_result always;
--- more_headers
Content-Type: application/json
X-Project: kz
--- after eval
sub {
    my $asks = sub {
        my ($project) = @_;
        my $res = Gate::Http::post($::path, $::payout,
            headers => [$::type, "X-Project: $project"]);

        return $res->{status} eq '200' ? $res->{body}
                                       : $res->{headers}{'x-result'};
    };
    my $body = sub {
        my ($id, $key) = @_;

        return ::signed($::payout, $key, $id,
                        ::lines_of('general:project_id' => $id));
    };

    my (@wrong, %ids);

    for my $n (1 .. $::many) {
        my $id = 70000 + $n * 7 % 101;
        my $expected = $body->($id, "key-of-p$n");

        $ids{$id} = 1;
        push @wrong, "p$n" if $asks->("p$n") ne $expected;
        push @wrong, $id if $asks->($id) ne $expected;
    }

    Test::More::is("@wrong", '', "$::many projects by name and id");

    for my $none ('p0', 'p101', 'P1', 'p', '070007', 69999, 70102,
                  '4294967296', '18446744073709551616', '70007x')
    {
        Test::More::is($asks->($none), 'unknown_project', "not $none");
    }

    for my $kind ('other-key', 'key') {
        my @changed = (1, 16, 17, 50, $::many);

        Gate::Env::write_key("p$_.key", "$kind-of-p$_\n") for @changed;

        for my $n (@changed) {
            my $id = 70000 + $n * 7 % 101;
            my $expected = $body->($id, "$kind-of-p$n");

            Test::More::ok(Gate::Env::wait_until(10, sub {
                !grep { $asks->("p$n") ne $expected } 1 .. 6;
            }), "p$n signs with its $kind");
        }
    }
}
