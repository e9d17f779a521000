#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Reload and graceful quit: what is in flight is finished by the worker that
# began it, with its keys; what comes later finds the new configuration.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( read_file write_file write_key wait_until );
use Gate::Http;
use Gate::Outbound qw( :all );
use Gate::Proxy;
use Test::Nginx::Socket 'no_plan';

# on the way to Gate, to hold what is in flight
our $proxy = Gate::Proxy->run(to => $up->socket_path());

our $new_key = 'key-of-kz-after-reload';
our $signed_anew = signed($payout, $new_key, 1234, lines_of());

our $config = <<'_EOC_';
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://unix:$TEST_NGINX_PROXY_SOCKET;
    }

    location = /status {
        stub_status;
    }
_EOC_

# files of keys are read at start and by reload only
our $reload_http_config = "gate_secret_check off;\n$http_config";

sub old_key { write_key('kz.key', "$kz_key\n") }
sub new_key { write_key('kz.key', "$new_key\n") }

# Reloads; the old workers are on their way out when this returns.

sub reload {
    my @old = workers();

    signal_nginx('HUP');
    Test::More::ok(workers_are_new(@old), 'new workers');

    return @old;
}

# nginx is at work on so many requests besides the one that asks.

sub in_flight {
    my ($count) = @_;

    my $there = wait_until(10, sub {
        my $res = Gate::Http::get('/status');
        return $res->{body} =~ /Writing: (\d+)/ && $1 == $count + 1;
    });

    Test::More::ok($there, "$count in flight");
}

sub post { return Gate::Http::post($path, $payout, headers => [$type]) }

# A connection with a request of which only a part was sent; the rest.

sub half_sent {
    my ($body) = @_;

    my $bytes = Gate::Http::bytes_of({ method => 'POST', uri => $path,
                                       body => $body, headers => [$type] });
    my $conn = Gate::Http::Connection->new();

    $conn->send(substr $bytes, 0, -100);

    return ($conn, substr $bytes, -100);
}

# A connection with a request that waits for Gate.

sub waiting {
    my ($body) = @_;

    my $conn = Gate::Http::Connection->new();

    return $conn->send(Gate::Http::bytes_of({
        method => 'POST', uri => $path, body => $body, headers => [$type] }));
}

sub gone { Test::More::ok(workers_are_gone(@_), 'old workers are gone') }

# Reloads a configuration that cannot be used; what the log then says.

sub reload_fails {
    my ($pattern) = @_;

    my @old = workers();
    my $before = length log_text();

    signal_nginx('HUP');

    my $said = wait_until(10, sub {
        return substr(log_text(), $before) =~ /\[emerg\].*$pattern/;
    });

    Test::More::ok($said, "it is said why: $pattern");
    Test::More::is("@{[ workers() ]}", "@old", 'the same workers');
}

# The text of nginx.conf with a change, as long as the code runs.

sub with_conf {
    my ($from, $to, $code) = @_;

    my $text = change_conf($from, $to);

    $code->();
    write_file("$ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf", $text);
}

Gate::Outbound::suite();

run_tests();

__DATA__

=== TEST 1: keys are changed by reload
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    ::new_key();
    Test::More::is(::post()->{body}, $::signed, 'not before it');

    my @old = ::reload();
    Test::More::is(::post()->{body}, $::signed_anew, 'after it');
    ::gone(@old);

    ::old_key();
    @old = ::reload();
    Test::More::is(::post()->{body}, $::signed, 'and back');
    ::gone(@old);
}



=== TEST 2: a body that is half sent
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    my ($small, $small_rest) = ::half_sent($::payout);
    my ($large, $large_rest) = ::half_sent(::payout_of(50000));
    ::in_flight(2);

    ::new_key();
    my @old = ::reload();

    Test::More::is(::post()->{body}, $::signed_anew, 'a new request: new key');
    Test::More::is($small->send($small_rest)->answer()->{body}, $::signed,
                   'an old request: old key');
    Test::More::is($large->send($large_rest)->answer()->{body},
                   ::signed_payout_of(50000), 'a large one');
    $_->close() for $small, $large;
    ::gone(@old);

    ::old_key();
    ::reload();
}



=== TEST 3: Gate is asked
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    $::proxy->hold();
    my @conns = map { ::waiting($::payout) } 1 .. 3;
    ::in_flight(3);

    my @old = ::reload();
    Test::More::is(scalar(grep { my $pid = $_; grep { $_ == $pid } ::workers('all') } @old),
                   scalar @old, 'old workers wait');

    $::proxy->go();
    Test::More::is($_->answer()->{body}, $::signed, 'answer') for @conns;
    $_->close() for @conns;
    ::gone(@old);
}



=== TEST 4: a worker quits gracefully, or nginx as a whole
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    my ($body, $block, $repeat) = @_;

    $::proxy->hold();
    my @conns = map { ::waiting($::payout) } 1 .. 3;
    my ($half, $rest) = ::half_sent($::payout);
    ::in_flight(4);

    my @old = ::workers();
    my $pid = ::nginx_pid();

    $repeat ? ::signal_nginx('QUIT') : kill('QUIT', @old);

    # no more connections are accepted
    Test::More::ok(Gate::Env::wait_until(10, sub { !::workers() }), 'quitting');

    $half->send($rest);
    $::proxy->go();

    for my $conn (@conns, $half) {
        my $res = $conn->answer();
        Test::More::is($res->{body}, $::signed, 'answer');
        Test::More::is($res->{headers}{connection}, 'close', 'the last one');
        $conn->close();
    }

    if ($repeat) {
        Test::More::ok(Gate::Env::wait_until(10, sub {
            (::slurp("/proc/$pid/stat") || 'Z') =~ /\) Z|^Z/;
        }), 'nginx is gone');

    } else {
        Test::More::ok(::workers_are_new(@old), 'a new worker');
        Test::More::is(::post()->{body}, $::signed, 'it signs');
    }
}



=== TEST 5: connections that are kept
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    my @conns = map { Gate::Http::Connection->new() } 1, 2;

    for my $conn (@conns) {
        my $res = $conn->request(method => 'POST', uri => $::path,
                                 body => $::payout, headers => [$::type]);
        Test::More::is($res->{body}, $::signed, 'before');
    }

    my $idle = shift @conns;
    my $bytes = Gate::Http::bytes_of({ method => 'POST', uri => $::path,
        body => $::payout, headers => [$::type, 'Connection: keep-alive'] });

    $conns[0]->send(substr $bytes, 0, -50);
    ::in_flight(1);
    ::new_key();
    my @old = ::reload();

    Test::More::ok($idle->closed(), 'an idle connection is closed');

    my $res = $conns[0]->send(substr $bytes, -50)->answer();
    Test::More::is($res->{body}, $::signed, 'one with a request is served');
    Test::More::ok($conns[0]->closed(), 'and then closed');
    $_->close() for $idle, @conns;

    ::gone(@old);
    ::old_key();
    ::reload();
}



=== TEST 6: one reload after another, under load
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    my ($done, @old, %bodies) = (0);

    my @requests = map { { method => 'POST', uri => $::path, body => $::payout,
                           headers => [$::type] } } 1 .. 200;

    my @answers = Gate::Http::parallel(\@requests, concurrency => 8, on_done => sub {
        return if ++$done % 40;
        $done % 80 ? ::new_key() : ::old_key();
        ::signal_nginx('HUP');
    });

    $bodies{$_->{body}}++ for @answers;

    Test::More::is(CORE::join(' ', sort map { $_->{status} } @answers),
                   CORE::join(' ', (200) x 200), 'all are answered');
    Test::More::is(scalar(grep { $_ ne $::signed && $_ ne $::signed_anew } keys %bodies),
                   0, 'each is signed by one of both keys');

    ::old_key();

    # the first one may find nginx at work on a signal before, with the key of
    # then: whoever takes requests after the second one began with this key

    ::reload();
    @old = ::reload();
    ::gone(@old);
    Test::More::is(::post()->{body}, $::signed, 'at the end');
}



=== TEST 7: a key that cannot be used: the old one stays
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    my $file = "$ENV{TEST_NGINX_KEYS}/kz.key";

    Gate::Env::write_key('kz.key', '');
    ::reload_fails('"secret_file": ".*kz.key" is empty');
    Test::More::is(::post()->{body}, $::signed, 'the old key');

    Gate::Env::write_key('kz.key', 'x', 0666);
    ::reload_fails('"secret_file": ".*kz.key" is writable by everyone');
    Test::More::is(::post()->{body}, $::signed, 'still the old key');

    unlink $file;
    ::reload_fails('"secret_file": cannot open ".*kz.key"');
    Test::More::is(::post()->{body}, $::signed, 'and still');

    ::new_key();
    ::reload();
    Test::More::is(::post()->{body}, $::signed_anew, 'a good one is taken');

    ::old_key();
    ::reload();
}
--- error_log
is empty
is writable by everyone
cannot open



=== TEST 8: a configuration that cannot be used: the old one stays
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    my ($conn, $rest) = ::half_sent($::payout);
    ::in_flight(1);

    ::with_conf(qr/gate_sign   kz;/, 'gate_sign   nobody;', sub {
        ::reload_fails('unknown project "nobody" in "gate_sign"');
    });

    ::with_conf(qr/id           123;/, 'id 1234;', sub {
        ::reload_fails('duplicate project id "1234"');
    });

    ::with_conf(qr/id           123;/, 'id 123; id 123;', sub {
        ::reload_fails('"id" is duplicate');
    });

    Test::More::is(::post()->{body}, $::signed, 'a new request');
    Test::More::is($conn->send($rest)->answer()->{body}, $::signed, 'an old one');
    $conn->close();
}
--- error_log
unknown project "nobody" in "gate_sign"
duplicate project id "1234"
"id" is duplicate



=== TEST 9: projects change
--- http_config eval: $::reload_http_config
--- config eval: $::config
--- request eval: "POST $::path\n$::payout"
--- response_headers
! X-Gate-Source
--- response_body eval: $::signed
--- after eval
sub {
    my ($conn, $rest) = ::half_sent($::payout);
    ::in_flight(1);

    ::with_conf(qr/id           1234;/, 'id 4321;', sub {
        ::reload();
        Test::More::is(::post()->{body}, ::signed($::payout, $::kz_key, 4321,
            ::lines_of('general:project_id' => 4321)), 'a new id');
    });

    Test::More::is($conn->send($rest)->answer()->{body}, $::signed,
                   'an old request');
    $conn->close();

    ::with_conf(qr/gate_sign   kz;/, 'gate_sign off;', sub {
        ::reload();
        Test::More::is(::post()->{body}, $::payout, 'nothing is signed');
    });

    ::with_conf(qr/gate_project ua \{.*?\}/s, '', sub { ::reload() });

    my @old = ::reload();
    Test::More::is(::post()->{body}, $::signed, 'as before');
    ::gone(@old);
}
