package Gate::Payouts;

# Copyright (C) nginx-gate authors
#
# What the suites of limits and of the ledger share: a Redis, payouts with
# their answers, and views of what Redis holds.  A block says what comes one
# after another, and what Redis holds in the end:
#
#     --- limits
#     KZT max=500 day=1000
#     --- steps
#     a 400            -> 200
#     b 501            -> 400 limit_max 500
#     c 300 up=exists  -> 400 relayed
#     ! $::redis->cmd('HSET', 'gate:limits:{1234}:KZT', 'day', 700)
#     d 1              -> 429 limit_day 700
#     --- ledger
#     a accepted 400
#     c unknown 300
#     --- totals
#     KZT 700/2
#
# A step is a payment_id and an amount, then what differs from the usual
# payout (cur=USD, note=TEXT, at=URI, body=NAME, a key of %bodies), what Gate
# answers (up=NAME, a key of %answers), and abort=1 where the client leaves
# once Gate has the request.  After the arrow: the status, and with a 200
# $gate_result if it is not "ok"; "relayed" for another answer of Gate's; the
# word of a refusal with the limit that it names; "nginx" for nginx's own
# page; "left" for no answer at all, "cut" for a part of one.  reached=N: how
# many requests Gate gets.
#
# Every step asserts status, headers, the whole body and whether Gate was
# reached.  "ledger" and "totals" are everything that Redis holds but the
# limits: entries by payment_id with state and counted amount; amount and
# count that all four windows of a currency have.  Lines of a dry run begin
# with "dry".  Redis is emptied before each repeat of a block; one that has
# "limits" may have "request" in place of "steps".

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Test::More ();
use Time::Local ();

use Gate::Env qw( wait_until );
use Gate::Http;
use Gate::Ledger ();
use Gate::Outbound ();
use Gate::Redis;
use Gate::Suite qw( set_sections set_steps is_code options orders holds finish
                    hooks );

our @EXPORT_OK = qw(
    $redis $up %answers %bodies orders body_of refusal_body post_payout ledger totals
    left_of_window set_limits holds check_answer request_of
    pays
);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

our $redis = Gate::Redis->run();
our $up = $Gate::Outbound::up;

our $config = <<'_EOC_';
    location /v2/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    add_header X-Result $gate_result always;
_EOC_

our $http_config = $Gate::Outbound::http_config . <<'_EOC_';
    gate_redis unix:$TEST_NGINX_REDIS_SOCKET timeout=5s;
_EOC_

# --- what Gate answers

sub _gate {
    my ($status, $body, %more) = @_;

    return { status => $status, body => $body, type => 'application/json',
             %more };
}

sub _error {
    my ($code) = @_;

    return "{\"status\":\"error\",\"code\":\"$code\",\"message\":\"no\"}";
}

our %answers = (
    ok      => _gate(200, '{"status":"success","request_id":"r1"}'),
    refused => _gate(400, _error('3104')),
    exists  => _gate(400, _error('10105')),
    hang    => { hang => 1 },
    drop    => { drop => 1 },
    reset   => { reset => 1 },
);

our %bodies;

# where payouts go; the nginx of the harness, if it is not set
our $to;

# --- what nginx answers

my %refusals = (
    limit_min => [3104, 'payment.amount is under the limit of %s for one'
                        . ' payout'],
    limit_max => [3104, 'payment.amount is over the limit of %s for one'
                        . ' payout'],
    no_limits => [1004, 'payouts in this currency are not enabled: it has no'
                        . ' limits'],
    duplicate => ['gw_payment_id_reused', 'another body was sent with this'
                  . ' payment_id, and may be paid: ask /v2/payment/status; a'
                  . ' new payment_id would be a second payout'],
    worn => ['gw_payment_id_worn', 'too many attempts were made with this'
             . ' payment_id, and all of them have ended: use a new one'],
    busy => ['gw_busy', '32 copies of this payout are under way: send the same'
             . ' request again later, with the same payment_id'],
    stopped => ['gw_stopped', 'payouts are stopped by payment operations: send'
                . ' the same request again later, with the same payment_id'],
    bad_limit => ['gw_limits_unavailable', 'the limits of this currency are'
                  . ' not set up rightly: ask payment operations'],
    redis_unavailable => ['gw_limits_unavailable', 'limits cannot be checked'
                          . ' now: send the same request again later, with the'
                          . ' same payment_id'],
    upstream_error => ['gw_upstream', 'no valid answer from Gate: '
                       . Gate::Outbound::may_be_paid()],
    upstream_timeout => ['gw_upstream', 'no answer from Gate in time: '
                         . Gate::Outbound::may_be_paid()],
    invalid_field => ['2004', 'payment must have amount and currency, and'
                      . ' general payment_id, for limits to be checked'],
    internal_error => ['gw_internal', 'the gateway could not process the'
                       . ' request: ' . Gate::Outbound::may_be_paid()],
);

for my $window (qw( hour day week month )) {
    $refusals{"limit_$window"} = ["gw_limit_$window",
        "the limit of %s for this $window would be passed"];
    $refusals{"limit_${window}_count"} = ["gw_limit_${window}_count",
        "the limit of %s payouts this $window is reached"];
}

sub refusal_body {
    my ($word, $limit, $id) = @_;

    my ($code, $message) = @{ $refusals{$word} // die "what is $word?\n" };

    return Gate::Outbound::refusal($code, sprintf($message, $limit // ()),
                                   1234, $id);
}

# Seconds to the end of a window at a moment, in a calendar that is so many
# seconds ahead of UTC.

sub left_of_window {
    my ($window, $now, $offset) = @_;

    my $local = $now + $offset;
    my $left = 86400 - $local % 86400;
    my ($day, $month, $year, $weekday) = (gmtime $local)[3 .. 6];

    return 3600 - $local % 3600 if $window eq 'hour';
    return $left if $window eq 'day';
    return $left + ((7 - $weekday) % 7) * 86400 if $window eq 'week';

    my ($y, $m) = $month == 11 ? ($year + 1, 0) : ($year, $month + 1);

    return Time::Local::timegm(0, 0, 0, 1, $m, $y + 1900) - $local;
}

# --- a step

sub body_of {
    my ($id, $amount, %opt) = @_;

    my $currency = $opt{cur} // 'KZT';
    my $note = defined $opt{note} ? ",\"note\":\"$opt{note}\"" : '';

    return "{\"general\":{\"payment_id\":\"$id\"},"
           . '"customer":{"id":"c1","ip_address":"198.51.100.47",'
           . '"first_name":"John","last_name":"Doe",'
           . '"email":"johndoe@example.com"},'
           . '"account":{"number":"71234567890"},'
           . "\"payment\":{\"amount\":$amount,\"currency\":\"$currency\"}"
           . "$note}";
}

sub post_payout {
    my ($id, $amount, %opt) = @_;

    return Gate::Http::request(request_of($id, $amount, %opt));
}

# As Gate::Http takes it.

sub request_of {
    my ($id, $amount, %opt) = @_;

    my $answer = $answers{ $opt{up} // 'ok' } // die "what is $opt{up}?\n";

    return (
        method  => 'POST',
        uri     => $opt{at} // '/v2/payment/mobile/payout',
        body    => defined $opt{body} ? $bodies{ $opt{body} }
                                      : body_of($id, $amount, %opt),
        headers => ['Content-Type: application/json',
                    'X-Upstream: ' . orders(%$answer),
                    @{ $opt{headers} // [] }],
        timeout => 20,
        to      => $opt{to} // $to,
        id      => $id,
        defined $opt{leave} ? (leave => $opt{leave}) : (),
    );
}

# The client leaves when Gate has the request.

sub _abort {
    my ($id, $amount, %opt) = @_;

    my $count = $up->count();
    my $conn = Gate::Http::Connection->new();

    $conn->send(Gate::Http::bytes_of({
        method => 'POST', uri => '/v2/payment/mobile/payout',
        body => body_of($id, $amount, %opt),
        headers => ['Content-Type: application/json',
                    'X-Upstream: ' . orders(hang => 1)],
    }));

    $up->wait_for($count + 1);
    $conn->close();

    return { status => '', error => 'left', headers => {}, body => '' };
}

sub _is { Test::More::is($_[0], $_[1], $_[2]) }

sub _check_wait {
    my ($res, $word, $name, $before, $after, $offset) = @_;

    my $wait = $res->{headers}{'retry-after'} // '';

    if ($word =~ /^limit_(hour|day|week|month)/) {
        my ($max, $min) = map { left_of_window($1, $_, $offset) }
                              $before, $after;

        $max = $min + 1 if $max < $min;

        Test::More::ok($wait =~ /^\d+$/ && $wait >= $min && $wait <= $max,
                       "$name: Retry-After")
            or Test::More::diag("$wait is not in $min..$max");

    } else {
        my $away = $word =~ /^(?:redis_unavailable|bad_limit|stopped)$/;

        _is($wait, $away ? 5 : $word eq 'busy' ? 1 : '', "$name: Retry-After");
    }
}

# Compares an answer with "STATUS WORD LIMIT".

sub check_answer {
    my ($res, $expected, $name, %opt) = @_;

    my ($status, $word, $limit) = split ' ', $expected;
    my $id = $opt{id};

    if ($status eq 'left') {
        _is($res->{error}, 'left', "$name: the client left");
        return;
    }

    if ($status eq 'cut') {
        _is($res->{error}, 'closed', "$name: no complete answer");
        return;
    }

    _is($res->{status}, $status, "$name: status")
        or Test::More::diag($res->{error} // $res->{body});

    return if ($word // '') eq 'nginx';

    my $answer = $answers{ $opt{up} // 'ok' };
    my $result = $res->{headers}{'x-result'} // '';

    if ($status == 200 || $word eq 'relayed') {
        $status == 200
            ? _is($result, $word // 'ok', "$name: result")
            : Test::More::like($result, qr/^(?:ok|repeat)$/, "$name: result");

        _is($res->{headers}{'x-gate-source'}, undef, "$name: Gate's answer");
        _is($res->{headers}{'content-type'}, $answer->{type}, "$name: type");
        _is($res->{body}, $answer->{body}, "$name: body");
        _is($res->{headers}{'retry-after'}, undef, "$name: no Retry-After");
        return;
    }

    _is($res->{headers}{'x-gate-source'}, 'gateway', "$name: our answer");
    _is($res->{headers}{'content-type'}, 'application/json', "$name: type");
    _is($res->{body}, refusal_body($word, $limit, $id), "$name: body");
    _is($result, $word, "$name: result");
    _check_wait($res, $word, $name, $opt{before}, $opt{after},
                $opt{offset} // 0);
}

# One payout, and what must come of it.

sub pays {
    my ($name, $expected, $id, $amount, %opt) = @_;

    check_answer(post_payout($id, $amount, %opt), $expected, "$name: $id",
                 id => $id);
}

sub _now { return $redis->cmd('TIME')->[0] }

sub _step {
    my ($block, $line, $offset) = @_;

    my $name = $block->name . " - $line";

    return if is_code($name, $line);

    my ($left, $expected) = split /\s*->\s*/, $line, 2;
    my ($id, $amount, @opt) = split ' ', $left;
    my %opt = options(@opt);
    my $alive = $redis->pid();

    my $count = $up->count();
    my $before = $alive ? _now() : 0;
    my $res = $opt{abort} ? _abort($id, $amount, %opt)
                          : post_payout($id, $amount, %opt);

    check_answer($res, $expected, $name, %opt, id => $id, offset => $offset,
                 before => $before, after => $alive ? _now() : 0);

    my $reached = $opt{reached}
                  // ($expected =~ /^(?:200|\d+ relayed|left|cut)/ ? 1 : 0);

    # a mirror's request may come after the answer
    $up->wait_for($count + $reached, 5);
    _is($up->count() - $count, $reached, "$name: reached Gate");
}

# --- what Redis holds

sub ledger { return Gate::Ledger::ledger($redis) }
sub totals { return Gate::Ledger::totals($redis) }

sub set_limits {
    my ($text) = @_;

    for my $line (grep { /\S/ } split /\n/, $text) {
        my ($currency, @fields) = split ' ', $line;

        $redis->cmd('HSET', "gate:limits:{1234}:$currency",
                    map { split /=/, $_, 2 } @fields);
    }
}

# --- a suite

# A payout before and one after the end of an hour are in different windows,
# also where calendars are half an hour apart.

sub _calm {
    my $left;

    wait_until(20, sub { ($left = 1800 - _now() % 1800) > 10 && $left < 1800 })
        or die "the hour does not end\n";
}

sub _fresh {
    my ($block) = @_;

    _calm();
    $redis->cmd('FLUSHALL');
    $redis->cmd('SCRIPT', 'FLUSH') if defined $block->flush_scripts;
    set_limits($block->limits // '');
}

sub _defaults {
    my ($block) = @_;

    return if defined $block->must_die
              || !defined $block->steps && !defined $block->limits;

    set_sections($block, config => $config, reached => 'any',
        http_config => $http_config . ($block->more_http // ''));
    set_steps($block);
    _fresh($block);
}

sub _is_last {
    my ($block, $i) = @_;

    return $i == (ref $block->request ? $#{ $block->request } : 0);
}

sub _after {
    my ($block, $body, $i, $repeat) = @_;

    return if !defined $block->steps && !defined $block->limits
              || !_is_last($block, $i);

    _step($block, $_, $block->offset // 0)
        for grep { /\S/ } split /\n/, $block->steps // '';

    finish($block, ledger => \&ledger, totals => \&totals);

    # for the next repeat
    _fresh($block);
}

sub suite {
    Gate::Outbound::suite();

    hooks(\&_defaults, \&_after);
}

1;
