#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# What administrators read: the access log of conf.example, which is JSON
# whatever is sent; one line of the error log for each refusal; outages when
# they begin and when they end, with a count of what failed meanwhile.

use strict;
use warnings;

use lib 't/lib';

use Gate::Callbacks qw( $service callback signed_text send_callback );
use Gate::Env qw( read_file root wait_until write_key );
use Gate::Http;
use Gate::Outbound qw( json log_text secret_in $kz_key );
use Gate::Payouts qw( $redis post_payout set_limits );
use Gate::Suite qw( new_lines );
use Test::Nginx::Socket 'no_plan';

# the format as it is documented

our ($format) = read_file(root() . '/conf.example')
    =~ /^(\s+log_format gate escape=json\b.*?;)$/ms
    or die "no log_format in conf.example\n";

our $http_config = $Gate::Callbacks::http_config . $format . <<'_EOC_';
    gate_redis  unix:$TEST_NGINX_REDIS_SOCKET timeout=500ms;
    gate_zone   gate 256k;
_EOC_

our $config = <<'_EOC_';
    access_log logs/access.log;
    access_log logs/gate.log gate;

    location /v2/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    location /any/v2/ {
        gate_sign    $arg_project;
        proxy_pass   http://gate;
    }
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
    add_header X-Result $gate_result always;
_EOC_

# as they stand in JSON, and as logs have them

our @ids = map { s/(?<!\\)"/\\"/gr } (
    'quote " and \\\\ backslash',
    '\" \\\\ \/ \b\f\n\r\t',
    '\u0000\u0001\u001f\u007f',
    '\u2028\ud83d\ude00\u00e9',
    '","result":"ok","x":"',
    '${jndi:ldap://x} %n %s $uri',
    "\xd0\x9f\xd0\xbb\xd0\xb0\xd1\x82",
    '\u000d\u000aforged line',
);

# --- logs

# Lines of the error log at a level or above, without those of nginx itself.

my %levels = map { ($_ => 1) } qw( notice warn error crit alert emerg );

sub said {
    my ($from) = @_;

    return grep { /\[(\w+)\] / && $levels{$1} && /\*\d+ |gate_redis/ }
                split /\n/, substr log_text(), $from;
}

sub body_with {
    my ($id, %opt) = @_;

    return Gate::Payouts::body_of($id, $opt{amount} // 5, %opt);
}

sub pay {
    my ($id, %opt) = @_;

    return Gate::Http::post($opt{at} // '/v2/payment/mobile/payout',
                            $opt{body} // body_with($id, %opt),
                            headers => ['Content-Type: application/json']);
}

# A refusal is one line, which says whose, which and why.

sub is_refused {
    my ($code, $expected, $id, %opt) = @_;

    my $from = length log_text();
    my $res = pay($id, %opt);
    my @lines;

    wait_until(5, sub { @lines = said($from) });

    Test::More::is($res->{status}, $code, "$expected: status");
    Test::More::is(scalar @lines, 1, "$expected: one line");
    Test::More::like($lines[0] // '', qr/\[notice\] .*: \*\d+ payout \Q$expected\E.*, client: /,
                     "$expected: at level notice");
}

sub all_are_json {
    my ($count, @lines) = @_;

    my @entries = grep { ref } map { eval { json($_) } } @lines;

    Test::More::is(scalar @lines, $count, 'as many lines as requests');
    Test::More::is(scalar @entries, $count, 'each of them is JSON');

    return @entries;
}

my @fields = sort qw(
    time client method uri status project project_id payment_id operation
    amount currency callback_status settlement result seconds upstream_status
    upstream_seconds
);

sub has_fields {
    my ($entry) = @_;

    Test::More::is("@{[ sort keys %$entry ]}", "@fields", 'fields');
}

Gate::Outbound::suite();

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value('http_config', $http_config);
    $block->set_value('config', $config);
    $block->set_value('request', 'GET /nothing');
    $block->set_value('error_code', 404);
    $block->set_value('response_headers', 'Content-Type: text/html');
    $block->set_value('response_body_like', '404 Not Found');
    $block->set_value('reached', 'any');
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]");
    $redis->start();
    $redis->cmd('FLUSHALL');
    set_limits('KZT max=500');
});

# debug lines hold whole requests
log_level('notice');

run_tests();

__DATA__

=== TEST 1: the access log of a payout, of a refusal, of a callback
--- after eval
sub {
    my $from = length ::log_text('gate.log');

    $::redis->cmd('FLUSHALL');
    ::set_limits('KZT max=500');
    ::pay('p1');
    ::pay('p2', amount => 501);
    ::send_callback(::signed_text(::callback('p1', 'success')));

    my @entries = ::all_are_json(3, ::new_lines('gate.log', $from, 3));
    ::has_fields($_) for @entries;

    my $view = sub {
        my ($entry, @names) = @_;
        return CORE::join ' ', map { $entry->{$_} } @names;
    };

    Test::More::is($view->($entries[0], qw( method uri status project project_id payment_id operation amount currency result upstream_status )),
        'POST /v2/payment/mobile/payout 200 kz 1234 p1 payout 5 KZT ok 200', 'payout');
    Test::More::is($view->($entries[1], qw( status payment_id amount result upstream_status )),
        '400 p2 501 limit_max ', 'refusal');
    Test::More::is($view->($entries[2], qw( uri status project payment_id amount currency callback_status settlement result )),
        '/callbacks 200 kz p1 100000 KZT success settled ok', 'callback');
    Test::More::like($entries[0]{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/, 'time');
}



=== TEST 2: whatever an id is, the access log is JSON, and one line
--- after eval
sub {
    my $from = length ::log_text('gate.log');
    my $errors = length ::log_text();

    for my $id (@::ids) {
        ::pay($id);
        ::pay($id, amount => 501);
        ::send_callback(::signed_text(::callback($id, 'success')));
        Gate::Http::post('/v2/payment/%22%0d%0a%5c' . $id =~ s/\W//gr . '/payout',
                         ::body_with($id), headers => ['Content-Type: application/json',
                                                       'X-Forwarded-For: ","x":"']);
    }

    my @entries = ::all_are_json(4 * @::ids, ::new_lines('gate.log', $from, 4 * @::ids));

    ::has_fields($_) for @entries;
    Test::More::is(scalar(grep { $_->{payment_id} =~ /[\x00-\x1f\x7f]/ } @entries), 0,
                   'no control characters, escaped or not');
    Test::More::is(scalar(grep { $_->{payment_id} eq '' } @entries), 0, 'ids are there');

    # nobody forges lines of the error log
    my @odd = grep { !/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[/ }
                   split /\n/, substr ::log_text(), $errors;
    Test::More::is(CORE::join("\n", @odd), '', 'lines of the error log begin as they should');
}



=== TEST 3: one line for each refused payout
--- after eval
sub {
    $::redis->cmd('FLUSHALL');
    ::set_limits('KZT max=500 day=600');
    ::pay('a', amount => 400);

    my $of = 'of project "kz" refused with';

    ::is_refused(400, "\"b\" $of \"limit_max\": payment.amount is over", 'b', amount => 501);
    ::is_refused(429, "\"c\" $of \"limit_day\":", 'c', amount => 201);
    ::is_refused(409, "\"a\" $of \"duplicate\": another body was sent", 'a', amount => 401);
    ::is_refused(400, "\"d\" $of \"no_limits\":", 'd', cur => 'USD');
    ::is_refused(400, "\"e\" $of \"invalid_field\": payment.amount", 'e', amount => '"5"');
    ::is_refused(400, "\"f\" $of \"missing_field\": customer", 'f',
                 body => '{"general":{"payment_id":"f"},"payment":{"amount":5,"currency":"KZT"}}');
    ::is_refused(422, "\"\" $of \"bad_json\":", 'g', body => '{"general":');
    ::is_refused(403, '"" of project "-" refused with "unknown_project":', 'h',
                 at => '/any/v2/payment/mobile/payout?project=nobody');
    ::is_refused(403, "\"i\" $of \"other_project\":", 'i',
                 body => ::body_with('i') =~ s/"payment_id"/"project_id":99,$&/r);
}



=== TEST 4: an outage is one line when it begins and one when it ends
--- after eval
sub {
    my $from = length ::log_text();
    my $lines = sub {
        my ($pattern) = @_;
        return grep { /$pattern/ } split /\n/, substr ::log_text(), $from;
    };

    $::redis->stop();
    Gate::Env::wait_until(10, sub { $lines->(qr/is unavailable/) });

    for my $i (1 .. 5) {
        my $res = ::pay("r$i");
        Test::More::is("$res->{status} $res->{headers}{'x-result'}", '503 redis_unavailable',
                       'no payout');
    }

    $::redis->start();
    Test::More::ok(Gate::Env::wait_until(10, sub { $lines->(qr/is available again/) }),
                   'it is said that it is over');

    my @down = $lines->(qr/gate_redis "[^"]+" is unavailable: /);
    my @up = $lines->(qr/gate_redis "[^"]+" is available again after \d+ s, \d+ connections and (\d+) commands failed meanwhile/);

    Test::More::is(scalar @down, 1, 'one line when it began');
    Test::More::like($down[0], qr/\[error\]/, 'at level error');
    Test::More::is(scalar @up, 1, 'one line when it ended');
    Test::More::like($up[0], qr/\[warn\].* ([5-9]|\d\d+) commands failed/, 'with a count of what failed');

    # the connect attempts in between say nothing above info
    my @all = grep { /gate_redis|redis/ && !/payout "/ } ::said($from);
    Test::More::is(scalar @all, 2, 'and nothing else')
        or Test::More::diag(CORE::join "\n", @all);

    ::set_limits('KZT max=500');
    Test::More::is(::pay('r6')->{status}, 200, 'payouts go on');
}



=== TEST 5: forged and unsigned callbacks: one line each
--- after eval
sub {
    my $from = length ::log_text();

    ::send_callback(::callback('u1', 'success'));
    ::send_callback(::signed_text(::callback('u2', 'success'), key => 'wrong'));
    ::send_callback(::callback('u3', 'success', proj => 55));

    my @lines;
    Gate::Env::wait_until(5, sub { (@lines = ::said($from)) >= 3 });

    Test::More::is(scalar @lines, 3, 'three lines');
    Test::More::like($lines[0], qr/\[notice\].* callback "" of project "kz" refused with "unsigned"/, 'unsigned');
    Test::More::like($lines[1], qr/\[notice\].* callback "" of project "kz" refused with "bad_signature"/, 'forged');
    Test::More::like($lines[2], qr/\[notice\].* callback "" of project "-" refused with "unknown_project"/, 'of nobody');
}
