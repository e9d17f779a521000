#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Payouts with their limits in a Redis that is reached over TLS, where hiredis
# has it.  What TLS does when things go wrong is in 060-redis.t.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Gate::Env qw( scratch free_port wait_until loopback_name );
use Gate::Gateway;
use Gate::Outbound ();
use Gate::Payouts qw( :all );
use Gate::TestModule;

plan(skip_all => 'this hiredis has no TLS')
    if !Gate::TestModule::hiredis_has_tls();

Gate::TestModule::certificates();

my ($dir, $port, $public) = (scratch(), free_port(), free_port());

$redis->cmd('CONFIG', 'SET', 'tls-cert-file', "$dir/server.crt",
            'tls-key-file', "$dir/server.key",
            'tls-ca-cert-file', "$dir/ca.crt", 'tls-port', $port);

my $localhost = loopback_name();
my $client = "ssl_cert=$dir/client.crt ssl_key=$dir/client.key";
my $ca = "ssl_ca=$dir/ca.crt";

# nginx does TLS of its own beside it

sub http_of {
    my ($params) = @_;

    return $Gate::Outbound::http_config . <<"_EOC_";
    gate_redis $localhost:$port timeout=5s ssl=on $params;

    server {
        listen 127.0.0.1:$public ssl;
        ssl_certificate      $dir/server.crt;
        ssl_certificate_key  $dir/server.key;
        return 200 "over TLS\\n";
    }
_EOC_
}

my $gateway = Gate::Gateway->new(server => $Gate::Payouts::config,
                                 http => http_of("$ca $client"));

$Gate::Payouts::to = $gateway->socket_path();

sub own_tls {
    my ($name) = @_;

    is(`curl -sS --max-time 20 --cacert $dir/ca.crt --resolve localhost:$public:127.0.0.1 https://localhost:$public/`,
       "over TLS\n", "$name: nginx's own TLS");
}

set_limits('KZT max=500 day=1000');
$gateway->start();

pays('TLS', '200', 'a', 10);
pays('TLS', '400 limit_max 500', 'b', 501);
pays('TLS', '200 repeat', 'a', 10);
holds('TLS', 'ledger', \&ledger, 'a accepted 10');
holds('TLS', 'totals', \&totals, 'KZT 10/1');
own_tls('TLS');

$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
$gateway->wait_log(qr/is available again/, 'connected again');
pays('connected again', '200', 'c', 20);
own_tls('connected again');

$gateway->reload();
pays('reload', '200', 'd', 30);
ok(wait_until(20, sub { !$gateway->old_workers() }), 'no old workers');

# a CA that has not signed it; no certificate for Redis

for my $case (['another CA', "ssl_ca=$dir/client.crt $client",
               qr/is unavailable: certificate verify failed/],
              ['no certificate', $ca, qr/is unavailable: /])
{
    my ($name, $params, $line) = @$case;

    $gateway->quit("before $name");
    unlink "$gateway->{dir}/error.log";
    $gateway->start(http => http_of($params));
    $gateway->wait_log($line, "$name: logged");
    pays($name, '503 redis_unavailable', 'e', 40);
    own_tls($name);
}

holds('the end', 'totals', \&totals, 'KZT 60/3');
$gateway->quit('the end');

done_testing();
