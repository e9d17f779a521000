#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Keys that change under load: those of one project every 5 seconds, those of
# another one every second.  No request fails.  None is signed with another key
# than the new one or, for the moment that workers have to look at the file, the
# one before.  Callbacks signed with the one before pass all the time, those
# with an older one do not.
#
# GATE_ROTATION_SECONDS makes it shorter or longer.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Time::HiRes ();

use Gate::Env qw( write_key wait_until );
use Gate::Gateway;
use Gate::Http;
use Gate::Load;
use Gate::Outbound qw( $up $type signature );
use Gate::Prometheus;

my $seconds = $ENV{GATE_ROTATION_SECONDS} // 22;

# seconds from one key to the next, and how long the old one may be used then:
# gate_secret_check, and what a busy machine takes

my %projects = (
    kz => { id => 1234, period => 5, window => 1.5 },
    ua => { id => 123,  period => 1, window => 1 },
);

my %written;        # when each key of a project was

sub key {
    my ($project, $n) = @_;

    return "key-of-$project-$n-" . 'x' x ($n % 3 * 100);
}

# The order of doc/install.md: first the old key to where it verifies.

sub rotate {
    my ($project) = @_;

    my $n = @{ $written{$project} //= [] };

    write_key("$project.old", key($project, $n - 1)) if $n;
    write_key("$project.key", key($project, $n));
    push @{ $written{$project} }, Time::HiRes::time();
}

rotate($_) for keys %projects;

my $gw = Gate::Gateway->new(workers => 2, level => 'notice',
    http => <<'_EOC_', server => <<'_EOS_')->start();
    gate_zone          gate 256k;
    gate_secret_check  200ms;

    gate_project kz {
        id                    1234;
        previous_secret_file  $TEST_NGINX_KEYS/kz.old;
        secret_file           $TEST_NGINX_KEYS/kz.key;
    }

    gate_project ua {
        id                    123;
        previous_secret_file  $TEST_NGINX_KEYS/ua.old;
        secret_file           $TEST_NGINX_KEYS/ua.key;
    }

    upstream gate {
        server     unix:$TEST_NGINX_UPSTREAM_SOCKET;
        keepalive  8;
    }
    proxy_http_version  1.1;
    proxy_set_header    Connection "";
_EOC_
        location /v2/ {
            gate_sign    $http_x_project;
            proxy_pass   http://gate;
        }
        location /callbacks {
            gate_verify  kz ua;
            proxy_pass   http://gate;
        }
        location /status {
            gate_status;
        }
_EOS_

# --- requests

sub payout {
    my ($n, $project) = @_;

    return { uri => '/v2/payment/sbp-p2p/payout', n => $n, timeout => 20,
             project => $project,
             headers => [$type,
                         "X-Project: $project"],
             body => "{\"general\":{\"payment_id\":\"p$n\"},\"customer\":{},"
                     . '"account":{"number":"7"},'
                     . '"payment":{"amount":3,"currency":"KZT"}}' };
}

# Keys that callbacks may come with: the one before the last change, and once
# all workers know of that, the new one and the one that was replaced before.

sub keys_now {
    my ($project) = @_;

    my $times = $written{$project};
    my $last = $#$times;
    my @keys = ($last > 0 ? [$last - 1, 'before'] : [0, 'current']);

    if (Time::HiRes::time() - $times->[-1] > $projects{$project}{window}) {
        push @keys, [$last, 'current'];
        push @keys, [$last - 2, 'older'] if $last > 1;
    }

    return @keys;
}

sub callback {
    my ($n, $project) = @_;

    my $id = $projects{$project}{id};
    my @keys = keys_now($project);
    my ($key, $kind) = @{ $keys[ int($n / 8) % @keys ] };
    my $signature = signature(key($project, $key), "payment:id:p$n",
                         'payment:status:success', "project_id:$id");

    return { uri => '/callbacks', n => $n, timeout => 20, key => $key,
             project => $project, kind => $kind,
             headers => [$type],
             body => "{\"project_id\":$id,\"payment\":{\"id\":\"p$n\","
                     . "\"status\":\"success\"},"
                     . "\"signature\":\"$signature\"}" };
}

sub any_request {
    my ($n) = @_;

    my $project = $n % 2 ? 'ua' : 'kz';

    return int($n / 2) % 4 ? payout($n, $project) : callback($n, $project);
}

# The number of the key that a payout was signed with, or why there is none.

sub key_of {
    my ($res) = @_;

    return $res->{error} // "status $res->{status}" if $res->{status} ne '200';

    my ($n, $project) = @{ $res->{request} }{qw( n project )};
    my ($signature) = $res->{body} =~ /"signature":"([^"]{88})"/
        or return 'no signature';

    for my $i (reverse 0 .. $#{ $written{$project} }) {
        return $i if $signature eq signature(key($project, $i),
            'account:number:7', "general:payment_id:p$n",
            "general:project_id:$projects{$project}{id}",
            'payment:amount:3', 'payment:currency:KZT');
    }

    return 'another key';
}

# The key that was the last one written at a time.

sub current_at {
    my ($project, $time) = @_;

    my $n = grep { $_ <= $time } @{ $written{$project} };

    return $n ? $n - 1 : 0;
}

# --- under load

my $ticks = 0;

my @answers = Gate::Load::run(
    seconds => $seconds, to => $gw->socket_path(), request => \&any_request,
    every => [1, sub {
        $ticks++;
        $ticks % $projects{$_}{period} == 0 and rotate($_) for keys %projects;

        # it keeps what it got
        $up->reset();
    }]);

cmp_ok(@{ $written{kz} } - 1, '>=', int(($seconds - 3) / 5),
       'one project: a new key every 5 seconds');
cmp_ok(@{ $written{ua} } - 1, '>=', $seconds - 3,
       'the other one: every second');

# --- payouts

sub payouts_are_right {
    my ($project) = @_;

    my ($count, $late, %wrong, %used) = (0, 0);

    for my $res (grep { $_->{request}{project} eq $project
                        && !defined $_->{request}{kind} } @answers)
    {
        my $key = key_of($res);
        my $window = $projects{$project}{window};
        my $first = current_at($project, $res->{began} - $window);
        my $last = current_at($project, $res->{ended});

        $count++;

        if ($key !~ /^\d+$/) {
            $wrong{$key}++;

        } elsif ($key > $last || $key < $first) {
            $wrong{"key $key where $first to $last were right"}++;

        } else {
            $used{$key}++;
            $late++ if $key < current_at($project, $res->{began});
        }
    }

    is_deeply(\%wrong, {}, "$project: $count payouts, $late with the old key"
                           . ' in the moment after a change, none wrong');

    # what is written in the last second may come too late
    my $all = @{ $written{$project} } - 1;

    cmp_ok(scalar keys %used, '>=', $project eq 'kz' ? $all : $all / 2,
           "$project: the keys were used");
}

payouts_are_right($_) for sort keys %projects;

# --- callbacks

my (%count, %unexpected);

for my $res (grep { defined $_->{request}{kind} } @answers) {
    my ($project, $key, $kind) = @{ $res->{request} }{qw( project key kind )};

    # a change since makes it older
    next if $kind eq 'before'
            && current_at($project, $res->{ended}) > $key + 1;

    my $status = $res->{error} // $res->{status};

    $count{$kind}++;
    $unexpected{"$project $kind: $status"}++
        if $status ne ($kind eq 'older' ? '403' : '200');
}

is_deeply(\%unexpected, {}, 'callbacks: the new key verifies, the one before'
                            . ' all the time, an older one does not');
cmp_ok($count{$_} // 0, '>', 10, "some of them with a key that is $_")
    for qw( before current older );

# --- all workers, in the end

sub follows {
    my ($pid, $project, $least) = @_;

    my $times = $written{$project};

    my $taken = sub {
        return $gw->count_log(qr/ $pid#\d+: .*$project\.key" has a new key/);
    };

    ok(wait_until(10, sub { $taken->() >= $least }),
       "worker $pid has followed: $project")
        or diag($taken->() . " of $#$times keys");
}

for my $pid ($gw->workers()) {
    follows($pid, 'kz', $#{ $written{kz} });
    follows($pid, 'ua', $#{ $written{ua} } / 2);
}

for my $project (sort keys %projects) {
    ok(wait_until(10, sub {
        my @now = Gate::Http::parallel([ map {
            { to => $gw->socket_path(), method => 'POST',
              %{ payout($_, $project) } }
        } 1 .. 20 ]);

        return !grep { key_of($_) ne $#{ $written{$project} } } @now;
    }), "$project: the last key is used in the end");
}

# --- metrics

sub metrics {
    my $text = Gate::Http::get('/status', to => $gw->socket_path())->{body};

    return Gate::Prometheus::parse($text)->{series};
}

# Both keys of the project that changes slowly: each change is one, whatever the
# number of workers.

my $rotations = $#{ $written{kz} };

for my $of ([current => $rotations + 1], [previous => $rotations]) {
    my ($key, $expected) = @$of;

    my $value = sub { metrics()->{"$_[0]\{key=\"$key\",project=\"kz\"}"} // 0 };

    wait_until(10, sub { $value->('gate_key_generation') >= $expected });
    is($value->('gate_key_generation'), $expected,
       "metrics: generation of the $key key");

    cmp_ok($value->('gate_key_loaded_timestamp_seconds'), '>=',
           int($written{kz}[-1]), "metrics: the $key key was read last");
    cmp_ok($value->('gate_callbacks_verified_total'), '>', 0,
           "metrics: callbacks that the $key key has verified");
    cmp_ok($value->('gate_key_last_used_timestamp_seconds'), '>=',
           int($written{kz}[1]), "metrics: the $key key was used last");
}

unlike($gw->log_text(), qr/\[(?:warn|error)\]/, 'nothing went wrong');

my $log = $gw->log_text();
my @all = map { my $project = $_; map { key($project, $_) }
                                      0 .. $#{ $written{$project} } }
              keys %projects;

is(scalar(grep { index($log, $_) >= 0 } @all), 0, 'no key is in the log');

$gw->quit('the end');

done_testing();
