#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Keys that change every second under load.  No request fails, none is signed
# with a key that is neither the new one nor the one before, and callbacks
# that are signed with the one before pass all the time.
#
# GATE_ROTATION_SECONDS makes it shorter or longer.

use strict;
use warnings;

use lib 't/lib';

use Digest::SHA ();
use Test::More;
use Time::HiRes ();

use Gate::Env qw( read_file write_key wait_until );
use Gate::Gateway;
use Gate::Http;
use Gate::Load;
use Gate::Prometheus;
use Gate::Upstream;

my $seconds = $ENV{GATE_ROTATION_SECONDS} // 15;

my @written;        # when each key was

sub key { return "key-of-kz-$_[0]-" . 'x' x ($_[0] % 3 * 100) }

# The order of the README: first the old key to where it verifies.

sub rotate {
    my $n = @written;

    write_key('kz.old', key($n - 1)) if $n;
    write_key('kz.key', key($n));
    push @written, Time::HiRes::time();
}

rotate();

my $gate = Gate::Upstream->run();

my $gw = Gate::Gateway->new(workers => 2, level => 'notice',
    http => <<'_EOC_', server => <<'_EOS_')->start();
    gate_zone          gate 256k;
    gate_secret_check  200ms;

    gate_project kz {
        id                    1234;
        previous_secret_file  $TEST_NGINX_KEYS/kz.old;
        secret_file           $TEST_NGINX_KEYS/kz.key;
    }

    upstream gate {
        server     unix:$TEST_NGINX_UPSTREAM_SOCKET;
        keepalive  8;
    }
    proxy_http_version  1.1;
    proxy_set_header    Connection "";
_EOC_
        location /v2/ {
            gate_sign    kz;
            proxy_pass   http://gate;
        }
        location /callbacks {
            gate_verify  kz;
            proxy_pass   http://gate;
        }
        location /status {
            gate_status;
        }
_EOS_

# --- requests

sub hmac {
    my ($key, @lines) = @_;

    return Digest::SHA::hmac_sha512_base64(join(';', @lines), $key) . '==';
}

sub payout {
    my ($n) = @_;

    return { uri => '/v2/payment/sbp-p2p/payout', n => $n, timeout => 20,
             headers => ['Content-Type: application/json'],
             body => "{\"general\":{\"payment_id\":\"p$n\"},\"customer\":{},"
                     . '"account":{"number":"7"},'
                     . '"payment":{"amount":3,"currency":"KZT"}}' };
}

# With the key that was the current one before the last change.

sub callback {
    my ($n) = @_;

    my $key = @written > 1 ? @written - 2 : 0;
    my $signature = hmac(key($key), "payment:id:p$n",
                         'payment:status:success', 'project_id:1234');

    return { uri => '/callbacks', n => $n, key => $key, timeout => 20,
             headers => ['Content-Type: application/json'],
             body => "{\"project_id\":1234,\"payment\":{\"id\":\"p$n\","
                     . "\"status\":\"success\"},"
                     . "\"signature\":\"$signature\"}" };
}

# The number of the key that a payout was signed with, or why there is none.

sub key_of {
    my ($res) = @_;

    return $res->{error} // "status $res->{status}" if $res->{status} ne '200';

    my $n = $res->{request}{n};
    my ($signature) = $res->{body} =~ /"signature":"([^"]{88})"/
        or return 'no signature';

    for my $i (reverse 0 .. $#written) {
        return $i if $signature eq hmac(key($i), 'account:number:7',
            "general:payment_id:p$n", 'general:project_id:1234',
            'payment:amount:3', 'payment:currency:KZT');
    }

    return 'another key';
}

# How many keys had been written at a time.

sub current_at {
    my ($time) = @_;

    return scalar(grep { $_ <= $time } @written) - 1;
}

# --- under load

my @answers = Gate::Load::run(
    seconds => $seconds, to => $gw->socket_path(),
    request => sub { return $_[0] % 4 ? payout($_[0]) : callback($_[0]) },
    every => [1, \&rotate]);

my (%wrong, %used);
my ($payouts, $callbacks, $previous) = (0, 0, 0);

for my $res (grep { $_->{request}{uri} !~ /callbacks/ } @answers) {
    my $key = key_of($res);
    my $first = current_at($res->{began}) - 1;
    my $last = current_at($res->{ended});

    $payouts++;

    if ($key !~ /^\d+$/) {
        $wrong{$key}++;

    } elsif ($key > $last || $key < $first) {
        $wrong{"key $key where $first to $last were right"}++;

    } else {
        $used{$key}++;
    }
}

is_deeply(\%wrong, {}, "$payouts payouts: all have the new or the old key");
cmp_ok(scalar @written, '>=', $seconds - 3, 'a new key every second');
cmp_ok(scalar keys %used, '>', $#written / 2, 'and they were used');

my %refused;

for my $res (grep { $_->{request}{uri} =~ /callbacks/ } @answers) {
    my $key = $res->{request}{key};

    # a change since makes it the one before the one before
    next if current_at($res->{ended}) > $key + 1;

    $callbacks++;
    $refused{$res->{error} // $res->{status}}++ if $res->{status} ne '200';
}

is_deeply(\%refused, {}, "$callbacks callbacks: the key before verifies");
cmp_ok($callbacks, '>', 100, 'and there were some');

# --- all workers, in the end

for my $pid ($gw->workers()) {
    my $taken = sub {
        return $gw->count_log(qr/ $pid#\d+: .*kz\.key" has a new key/);
    };

    ok(wait_until(10, sub { $taken->() > $#written / 2 }),
       "worker $pid has followed");
}

ok(wait_until(10, sub {
    my @now = Gate::Http::parallel([ map {
        { to => $gw->socket_path(), method => 'POST', %{ payout($_) } }
    } 1 .. 20 ]);

    return !grep { key_of($_) ne $#written } @now;
}), 'the last key is used in the end');

my $series = Gate::Prometheus::parse(
    Gate::Http::get('/status', to => $gw->socket_path())->{body})->{series};

cmp_ok($series->{'gate_key_generation{key="current",project="kz"}'}, '>',
       $#written / 2, 'metrics tell of changes');
cmp_ok($series->{'gate_callbacks_verified_total{key="previous",project="kz"}'},
       '>', 0, 'and of callbacks that the old key has verified');

unlike($gw->log_text(), qr/\[(?:warn|error)\]/, 'nothing went wrong');
is(scalar(grep { index($gw->log_text(), key($_)) >= 0 } 0 .. $#written), 0,
   'no key is in the log');

$gw->quit('the end');

done_testing();
