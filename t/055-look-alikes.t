#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Values are not escaped in what Gate signs, and have no types: bodies with
# other amounts, currencies or receivers share one canonical string, and with
# it one signature.  None passes for the other: not as the repeat of a payout,
# and not as the duplicate of a callback.
#
# GATE_SEED makes other pairs.

use strict;
use warnings;

use lib 't/lib';

use Gate::Callbacks qw( :all );
use Gate::Http;
use Gate::Outbound qw( $kz_key );
use Gate::Payouts qw( $redis $up holds ledger totals refusal_body );
use Test::Nginx::Socket 'no_plan';

use constant PAIRS => 1000;

srand($ENV{GATE_SEED} // 20261121);

our $limited = ways();
our $open = ways() . "gate_limits_default allow;\n";
our $on = ways("gate_deduplicate on;\n");

$Gate::Callbacks::http_config .= $Gate::Callbacks::redis_config;
$Gate::Callbacks::config = $limited;

# --- payouts

# Only what differs is given: members of "general", of "account" and of
# "payment", and a member of the top level.

sub body {
    my ($id, %with) = @_;

    my $general = $with{general} // '';
    my $account = $with{account} // '"number":"71234567890"';
    my $payment = $with{payment} // '"amount":100,"currency":"KZT"';
    my $more = $with{more} ? ",$with{more}" : '';

    return "{\"general\":{\"payment_id\":\"$id\"$general},"
           . '"customer":{"id":"customer_123",'
           . '"ip_address":"198.51.100.47","first_name":"John",'
           . '"last_name":"Doe","email":"johndoe@example.com"},'
           . "\"account\":{$account},\"payment\":{$payment}$more}";
}

# What one body has in the URL is a member of the other one's payment.

sub other_amount {
    my ($id, $one, $other, $one_in, $other_in) = @_;

    my $url = ',"terminal_callback_url":"x';

    return (
        body($id, general => "$url;payment:amount:$other;"
                             . "payment:currency:$other_in;"
                             . 'payment:description:y"',
                  payment => "\"amount\":$one,\"currency\":\"$one_in\""),
        body($id, general => "$url\"",
                  payment => "\"amount\":$other,\"currency\":\"$other_in\","
                             . "\"description\":\"y;payment:amount:$one;"
                             . "payment:currency:$one_in\""));
}

sub other_receiver {
    my ($id) = @_;

    my ($one, $other) = map { '7' . int(1e9 + rand 9e9) } 1 .. 2;

    return (
        body($id, account => "\"bank\":\"x;account:number:$other;"
                             . "account:region:r\",\"number\":\"$one\""),
        body($id, account => "\"bank\":\"x\",\"number\":\"$other\","
                             . "\"region\":\"r;account:number:$one\""));
}

# Lists of values that are written alike.

my @alike = (
    sub { my $n = 1 + int rand 1e6; ($n, "\"$n\"", "$n.0", "${n}e0") },
    sub { (1, 'true', '"1"', '1.0', '10e-1') },
    sub { (0, 'false', '"0"') },
    sub { ('null', '""') },
    sub { my $n = sprintf '1.0000%09d', rand 1e9; map { "$n$_" } 1 .. 4 },
    sub { my $n = int rand 100; ("1e40$n", "1e50$n", '"INF"') },
    sub { my $x = int rand 1e6; ("[\"$x\",2]", "{\"0\":\"$x\",\"1\":2}",
                                 "{\"0\":\"$x;zone:1:2\"}") },
    sub { my $x = int rand 1e6; ("{\"a\":{\":b\":$x}}", "{\"a:\":{\"b\":$x}}",
                                 "{\"a:\":{\"b\":\"$x\"}}") },
    sub { my $x = int rand 1e6; ("{\"a\":\"$x;zone:b:y\"}",
                                 "{\"a\":\"$x\",\"b\":\"y\"}") },
    sub { ('[]', '{}', '{"a":[]}', '{"signature":1}', '{"frame_mode":2}') },
);

sub other_value {
    my ($id) = @_;

    my @values = $alike[rand @alike]->();
    my ($one) = splice @values, rand @values, 1;
    my $other = $values[rand @values];

    return map { body($id, more => "\"zone\":$_") } $one, $other;
}

sub pair {
    my ($id) = @_;

    my $kind = int rand 3;

    return $kind == 0 ? other_receiver($id) : other_value($id) if $kind < 2;

    return other_amount($id, 1 + int rand 1e6, 1 + int rand 1e12,
                        map { (qw( KZT KZT USD XAU ))[rand 4] } 1 .. 2)
}

# Gate's signature of a body, as it leaves; not computed by the gateway.

sub signature_at_gate {
    my ($body) = @_;

    $body =~ s/("general":\{)/$1"project_id":1234,/ or die "no general\n";

    return signature_of($body, $kz_key);
}

our @pairs = map { { id => "pair_$_", bodies => [pair("pair_$_")] } }
                 1 .. PAIRS;

our @two_amounts = other_amount('a', 100, 10_000_000_000_000, 'KZT', 'KZT');

sub requests {
    my ($answer, @bodies) = @_;

    return [ map { {
        method => 'POST', uri => '/v2/payment/mobile/payout', body => $_,
        headers => ['Content-Type: application/json',
                    "X-Upstream: type=application/json; $answer"],
        timeout => 30 } } @bodies ];
}

sub taken { 'body=%7b%22status%22%3a%22success%22%7d' }

sub are_alike {
    my ($name, @pairs) = @_;

    my @unlike = grep { signature_at_gate($_->[0])
                        ne signature_at_gate($_->[1]) } @pairs;

    Test::More::is(scalar(@unlike), 0, "$name: one signature for each pair")
        or Test::More::diag(join "\n", @{ $unlike[0] });
}

# The first body is sent, the second one never.

sub one_after_the_other {
    my ($name, @pairs) = @_;

    my $count = $up->count();
    my @first = Gate::Http::parallel(
        requests(taken(), map { $_->{bodies}[0] } @pairs), concurrency => 16);

    Test::More::is(scalar(grep { $_->{status} == 200 } @first), @pairs,
                   "$name: the first of each pair passes");

    my @second = Gate::Http::parallel(
        requests(taken(), map { $_->{bodies}[1] } @pairs), concurrency => 16);
    my @wrong = grep {
        $second[$_]{status} != 409
        || $second[$_]{body} ne refusal_body('duplicate', undef,
                                             $pairs[$_]{id})
    } 0 .. $#pairs;

    Test::More::is(scalar(@wrong), 0, "$name: the second is refused")
        or Test::More::diag("$second[$wrong[0]]{status} for"
                            . " $pairs[$wrong[0]]{bodies}[1]");
    Test::More::is($up->count() - $count, scalar(@pairs),
                   "$name: nothing else has reached Gate");

    my @again = Gate::Http::parallel(
        requests(taken(), map { $_->{bodies}[0] } @pairs), concurrency => 16);

    Test::More::is(scalar(grep { $_->{status} == 200
                                 && $_->{headers}{'x-result'} eq 'repeat' }
                          @again), @pairs, "$name: the first is a repeat");
}

# Both at the same time, and twice each: what passes are copies of one body.

sub at_once {
    my ($name, @pairs) = @_;

    my $wrong = 0;

    for my $pair (@pairs) {
        my @bodies = @{ $pair->{bodies} };
        my @res = Gate::Http::parallel(
            requests('delay=2; ' . taken(), @bodies, @bodies),
            concurrency => 4);
        my @passed = grep { $res[$_]{status} == 200 } 0 .. 3;


        next if @passed == 2 && $passed[1] - $passed[0] == 2
                && !grep { $_->{status} !~ /^(?:200|409)$/ } @res;

        $wrong++;
        Test::More::diag(map { "$_->{status} $_->{body}" } @res);
    }

    Test::More::is($wrong, 0, "$name: one of two passes");
}

sub amount_counted {
    my ($body) = @_;

    return (($body =~ /"amount":(\d+)/)[0], ($body =~ /"currency":"(\w+)"/)[0]);
}

# Totals hold what has passed, to the unit.

sub all_counted {
    my ($name, @bodies) = @_;

    my (%sum, %count);

    for my $body (@bodies) {
        my ($amount, $currency) = amount_counted($body);

        $sum{$currency} += $amount;
        $count{$currency}++;
    }

    Test::More::is(totals(), join('', map { "$_ $sum{$_}/$count{$_}\n" }
                                          sort keys %sum), "$name: counted");
}

# --- callbacks

# Gate's own, and one that somebody made of it, with the same signature.

sub alikes {
    my ($one, $other) = @_;

    my @texts = map {
        my $value = $_;
        callback('a', 'success', amount => 400)
            =~ s/^\{/{"zone":$value,/r;
    } $one, $other;
    my ($true, $false) = map { signed_text($_) } @texts;

    Test::More::is(($true =~ /"signature":"([^"]+)"/)[0],
                   ($false =~ /"signature":"([^"]+)"/)[0],
                   "$one and $other: one signature");

    return ($true, $false);
}

sub look_alike_first {
    my ($one, $other) = @_;

    $redis->cmd('FLUSHALL');

    my ($true, $false) = alikes($one, $other);
    my @of = (project => 1234, id => 'a');

    post("$other, for $one", $false, 'forward', @of);
    post("$other, again", $false, 'duplicate', @of);
    post("$one, after $other", $true, 'forward', @of);
    post("$one, again", $true, 'duplicate', @of);
}

Gate::Callbacks::suite();

workers(2);
worker_connections(1024);

run_tests();

__DATA__

=== TEST 1: an amount within the limit, and one that is not
--- limits
KZT day=1000
--- steps
! are_alike('of two amounts', [@::two_amounts]);
! one_after_the_other('of two amounts', { id => 'a', bodies => [@::two_amounts] });
--- ledger
a accepted 100
--- totals
KZT 100/1



=== TEST 2: the other way round
--- limits
KZT day=20000000000000
--- steps
! one_after_the_other('large first', { id => 'a', bodies => [reverse @::two_amounts] });
--- ledger
a accepted 10000000000000
--- totals
KZT 10000000000000/1



=== TEST 3: into a currency that has no limits
--- config eval: $::open
--- limits
KZT day=1000
--- steps
! one_after_the_other('no limits', { id => 'a', bodies => [other_amount('a', 100, 10_000_000_000_000, 'KZT', 'XAU')] });
--- ledger
a accepted 100
--- totals
KZT 100/1
XAU 0/0



=== TEST 4: both at the same time
--- config eval: $::open
--- limits
KZT day=1000000000000000
USD day=1000000000000000
--- steps
! at_once('at once', map { { bodies => [other_amount("p$_", 100, 10_000_000_000_000, 'KZT', (qw( KZT XAU ))[$_ % 2])] } } 1 .. 100);
! at_once('of any kind', @::pairs[0 .. 99]);



=== TEST 5: a thousand pairs
--- config eval: $::open
--- limits
KZT day=1000000000000000
USD day=1000000000000000
--- steps
! are_alike('a thousand', map { $_->{bodies} } @::pairs);
! one_after_the_other('a thousand', @::pairs);
! all_counted('a thousand', map { $_->{bodies}[0] } @::pairs);



=== TEST 6: callbacks
--- config eval: $::on
--- steps
! look_alike_first('1', '"1"');
! look_alike_first('"1"', 'true');
! look_alike_first('1', '1.0');
! look_alike_first('null', '""');
! look_alike_first('["x"]', '{"0":"x"}');
! look_alike_first('{"a":"x","b":"y"}', '{"a":"x;zone:b:y"}');
! look_alike_first('{"a":"x;zone:b:y"}', '{"a":"x","b":"y"}');
! look_alike_first('{"a":1}', '{"a":1,"b":[]}');
