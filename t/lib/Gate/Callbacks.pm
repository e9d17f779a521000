package Gate::Callbacks;

# Copyright (C) nginx-gate authors
#
# What the suites of callbacks share: projects, a service that keeps what it
# gets, callbacks signed by the simulator (whose code of signatures is not the
# module's), and the answers that must come of them.  A block says what comes
# one after another:
#
#     --- steps
#     pay a 400                       -> 200
#     a success                       -> forward settled
#     a success                       -> duplicate
#     b decline svc=broken            -> failed unknown
#     ! $::redis->stop()
#     a reversed                      -> redis_unavailable
#
# "pay" is a payout, as in Gate::Payouts.  A callback is a payment_id and a
# status, then what differs from the usual one: amount, cur, op (operation.id,
# default 47), opst (operation.status), paid (operation.sum_initial.amount),
# ops ("47:success:100,48:decline:20", the list of all operations), errs (so
# many errors), note (payment.description), proj (1234, 123 or "none"), key (ua, kz, old), place
# (top or general), order (natural or bytes), svc (NAME, a key of %answers: how
# the service answers), at (URI), timeout, left=1 (the client leaves once the
# service has it).  After the arrow: a word of %outcomes, the value of
# $gate_settlement if it matters, and stale where $gate_callback_stale is 1.
#
# Every step asserts status, headers, the whole body, what reached the service
# (the same bytes, and our headers), and what was logged.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Test::More ();

use Gate::Env qw( write_key wait_until );
use Gate::Http;
use Gate::Outbound qw( $kz_key $ua_key secret_in );
use Gate::Sim;
use Gate::Suite qw( log_text log_size set_sections set_steps is_code options
                    orders finish hooks );
use Gate::Upstream;

our @EXPORT_OK = qw(
    $service $signer $old_key $http_config %answers %outcomes callback
    signature_of signed_text send_callback answer_body check orders logged
    post run_steps add_secrets marks ways
);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

our $service = Gate::Upstream->run(name => 'service');
our $old_key = 'key-of-ua-before-5e1c';
our %keys = (kz => $kz_key, ua => $ua_key, old => $old_key);

our $signer = Gate::Sim->run(name => 'signer', args => ['--log', 'off'],
                             projects => { 1234 => $kz_key, 123 => $ua_key });

write_key('ua.old', $old_key);

our $http_config = <<'_EOC_';
    gate_project kz {
        id           1234;
        secret_file  $TEST_NGINX_KEYS/kz.key;
    }

    gate_project ua {
        id                    123;
        secret_file           $TEST_NGINX_KEYS/ua.key;
        previous_secret_file  $TEST_NGINX_KEYS/ua.old;
    }

    upstream gate {
        server unix:$TEST_NGINX_UPSTREAM_SOCKET;
    }

    upstream service {
        server unix:$TEST_NGINX_SERVICE_SOCKET;
    }

    proxy_set_header X-Gate-Project         $gate_project;
    proxy_set_header X-Gate-Project-Id      $gate_project_id;
    proxy_set_header X-Gate-Payment-Id      $gate_payment_id;
    proxy_set_header X-Gate-Callback-Status $gate_callback_status;
    proxy_set_header X-Gate-Operation       $gate_callback_operation;
    proxy_set_header X-Gate-Result          $gate_result;
    proxy_set_header X-Gate-Callback-Stale  $gate_callback_stale;

    add_header X-Result     $gate_result always;
    add_header X-Settlement $gate_settlement always;
_EOC_

our $config = <<'_EOC_';
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
_EOC_

# A way for payouts beside that for callbacks, which gets these directives.

sub ways {
    my ($more) = @_;

    return <<"_EOC_" . ($more // '') . "    }\n";
    location /v2/ {
        gate_sign    kz;
        gate_limits  on;
        proxy_pass   http://gate;
    }
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
_EOC_
}

our $redis_config = "    gate_redis unix:\$TEST_NGINX_REDIS_SOCKET"
                    . " timeout=5s;\n";

# --- how the service answers

our %answers = (
    ok      => {},
    broken  => { status => 500, type => 'text/html', body => '<b>trace</b>' },
    drop    => { drop => 1 },
    reset   => { reset => 1 },
    hang    => { hang => 1 },
);

# --- what the gateway answers: status, code, message (undef: given by the
# step), the value of $gate_result where it is another word, whether the
# service was reached

our %outcomes = (
    forward   => [200, '0', 'accepted', 'ok', 1],
    unread    => [200, '0', 'accepted', 'ok', 1],
    streamed  => [200, '0', 'accepted', 'ok', 0],
    duplicate => [200, '0', 'accepted before', 'duplicate', 0],
    stale     => [200, '0', 'later news are known', 'stale', 0],
    failed    => [502, 'gw_service', 'the service did not take the callback: '
                  . 'send it again', 'service_error', 1],
    unserved  => [502, 'gw_service', 'the service did not take the callback: '
                  . 'send it again', 'service_error', 0],
    overload  => [503, 'gw_service', 'the service did not take the callback: '
                  . 'send it again', 'service_error', 1],
    busy      => [503, 'gw_busy', 'the same callback is being delivered: send'
                  . ' it again later', 'busy', 0],
    redis_unavailable => [503, 'gw_unavailable', 'callbacks cannot be taken'
                  . ' now: send it again later', 'redis_unavailable', 0],
    unsigned  => [403, 'gw_signature', 'the callback has no signature',
                  'unsigned', 0],
    bad_signature => [403, 'gw_signature', 'the signature does not match',
                  'bad_signature', 0],
    unknown_project => [403, 'gw_project', 'no project is configured for this'
                  . ' request', 'unknown_project', 0],
    bad_method => [405, 'gw_method', 'method is not allowed: use POST',
                  'bad_method', 0],
    bad_json  => [400, 'gw_json', undef, 'bad_json', 0],
    bad_encoding => [415, 'gw_content_type', 'Content-Encoding is not'
                  . ' supported: send the body without compression',
                  'bad_encoding', 0],
    too_many_values => [413, 'gw_too_large', 'request body has too many values',
                        'too_many_values', 0],
    ambiguous => [400, 'gw_ambiguous', undef, 'ambiguous', 0],
);

sub answer_body {
    my ($word, %opt) = @_;

    my ($status, $code, $message) = @{ $outcomes{$word} };
    my $body = Gate::Outbound::refusal($code, $opt{message} // $message,
                                       @opt{qw( project id )});

    return $status == 200 ? $body =~ s/error/success/r : $body;
}

# --- callbacks

sub _sum { return "{\"amount\":$_[0],\"currency\":\"$_[1]\"}" }

my %final = map { $_ => 1 } qw( success decline error reversed
                                partially_paid_out );

sub _operation_status {
    my ($status) = @_;

    return $status =~ /^partially.paid.out$/ ? 'success'
        : $final{$status} ? $status : 'processing';
}

sub _operations {
    my ($list, $cur) = @_;

    return '"operations":[' . join(',', map {
        my ($id, $status, $amount) = split /:/;
        "{\"id\":$id,\"type\":\"payout\",\"status\":\"$status\","
        . '"sum_initial":' . _sum($amount, $cur) . '}';
    } split /,/, $list) . '],';
}

sub _errors {
    my ($count) = @_;

    return '"errors":[' . join(',', map {
        "{\"code\":\"2004\",\"message\":\"error $_\"}" } 1 .. $count)
        . '],';
}

# The text of a callback as Gate makes it, without its signature.

sub callback {
    my ($id, $status, %opt) = @_;

    my $amount = $opt{amount} // 100000;
    my $cur = $opt{cur} // 'KZT';
    my $project = $opt{proj} // 1234;
    my $opst = $opt{opst} // _operation_status($status);
    my $sum = _sum($amount, $cur);
    my $paid = _sum($opt{paid} // $amount, $cur);

    return '{' . ($project eq 'none' ? '' : "\"project_id\":$project,")
        . "\"payment\":{\"id\":\"$id\",\"type\":\""
        . ($opt{type} // 'payout') . '",'
        . "\"status\":\"$status\",\"date\":\"2026-11-21T19:08:45+0000\","
        . "\"method\":\"mobile\",\"sum\":$sum,\"description\":\""
        . ($opt{note} // '') . '"},"customer":{"id":"customer_123"},'
        . (defined $opt{ops} ? _operations($opt{ops}, $cur) : '')
        . ($opt{errs} ? _errors($opt{errs}) : '')
        . '"operation":{"id":' . ($opt{op} // 47) . ',"type":"payout",'
        . "\"status\":\"$opst\",\"date\":\"2026-11-21T19:08:45+0000\","
        . '"request_id":"1a23456bc7890de","sum_initial":' . $paid
        . ",\"sum_converted\":$paid,\"code\":\"0\",\"message\":\"Success\","
        . '"provider":{"id":12345,"payment_id":"123abc123-123",'
        . '"auth_code":""}},"account":{"number":"71234567890",'
        . '"type":"TELE2"}}';
}

my %signatures;

sub signature_of {
    my ($text, $key, $order) = @_;

    my $json = JSON::PP->new->utf8->allow_nonref;

    # to PHP, what is no int64 is a double; Python's integers have no end
    $text =~ s/(?<![\d.eE"])(-?\d{20,})(?![\d.eE])/$1.0/g;

    my $call = "{\"body\":$text,\"key\":" . $json->encode($key)
               . ",\"order\":\"" . ($order // 'natural') . '"}';

    return $signatures{$call} //= do {
        my $res = Gate::Http::request(
            to => $signer->socket_path(), method => 'POST', body => $call,
            uri => '/_control/sign', timeout => 60);

        die "sign: $res->{status} $res->{body}\n" if $res->{status} ne '200';

        $json->decode($res->{body})->{signature};
    };
}

# With the signature at the end of the top level, or in "general" before all.

sub signed_text {
    my ($text, %opt) = @_;

    my $key = $keys{ $opt{key} // 'kz' } // $opt{key};
    my $signature = '"signature":"'
                    . signature_of($text, $key, $opt{order}) . '"';

    if (($opt{place} // 'top') eq 'general') {
        $text =~ s/^\s*\{/{"general":{$signature},/ or die "no object\n";

    } else {
        $text =~ s/\}\s*$/,$signature}/ or die "no object\n";
    }

    return $text;
}

sub send_callback {
    my ($text, %opt) = @_;

    my $answer = $answers{ $opt{svc} // 'ok' } // die "what is $opt{svc}?\n";
    my $orders = $opt{svc} ? orders(%$answer) : '';

    # what has no place in a header
    if (length $orders > 4000) {
        $service->script($orders);
        $orders = '';
    }

    return Gate::Http::request(
        method => $opt{method} // 'POST', uri => $opt{at} // '/callbacks',
        body => $text, timeout => $opt{timeout} // 20,
        headers => ['Content-Type: application/json',
                    ($orders ne '' ? "X-Upstream: $orders" : ()),
                    @{ $opt{headers} // [] }],
        defined $opt{leave} ? (leave => $opt{leave}) : ());
}

# --- what was logged

my $refused = qr/\[(\w+)\][ ].*callback[ ]"(.*)"[ ]of[ ]project[ ]"([^"]*)"
                 [ ](?:refused|answered)[ ]with[ ]"(\w+)":/x;

# Lines of refusals since the log had that size: "LEVEL ID|PROJECT|WORD".

sub logged {
    my ($from) = @_;

    my $text = substr log_text(), $from;
    my @found;

    for my $line (split /\n/, $text) {
        push @found, "$1 $2|$3|$4"
            if $line =~ $refused;
    }

    return @found;
}

# --- assertions

sub _is { return Test::More::is($_[0], $_[1], $_[2]) }

# who has it wrong is not told ids that nobody has vouched for

my %blind = map { $_ => 1 } qw( unsigned bad_signature unknown_project
                                bad_json bad_method bad_encoding
                                ambiguous too_many_values );

my %project_name = (1234 => 'kz', 123 => 'ua');

# Compares an answer, what reached the service and the log with a word.
# Facts: project and id as they must be answered, text of the callback, count
# of the service's requests before, log size before, message; of "unread": why,
# and headers that the service must have got, or not (undef).

sub check {
    my ($name, $res, $word, %fact) = @_;

    my ($status, undef, undef, $result, $reached)
        = @{ $outcomes{$word} // die "what is $word?\n" };
    my $head = $res->{headers};

    _is($res->{status}, $status, "$name: status")
        or Test::More::diag($res->{error} // $res->{body});
    _is($res->{body}, answer_body($word, %fact), "$name: body");
    _is($head->{'content-type'}, 'application/json', "$name: type");
    _is($head->{'x-gate-source'}, 'gateway', "$name: our answer");
    _is($head->{'x-result'}, $result, "$name: result");
    _is($head->{allow}, $status == 405 ? 'POST' : undef, "$name: Allow");
    _is(join(' ', grep { !/^(?:server|date|content-type|content-length|
                                connection|x-gate-source|x-result|
                                x-settlement|allow|retry-after)$/x }
                  sort keys %$head), '', "$name: no other headers");
    Test::More::like($head->{'retry-after'} // 'none',
                     $result =~ /^(?:busy|redis_unavailable)$/ ? qr/^\d+$/
                                                               : qr/^none$/,
                     "$name: Retry-After");

    _check_reached($name, $reached, %fact);
    _check_log($name, $result, $reached || $word eq 'unserved', %fact);
    _check_unread($name, $res, %fact) if $word eq 'unread';
}

# Nothing is settled, which the operator is told once, and who it is from.

sub _check_unread {
    my ($name, $res, %fact) = @_;

    _is($res->{headers}{'x-settlement'}, 'unread', "$name: settlement");

    my $id = $fact{id} // '';
    my @lines = grep { /settles nothing/ }
                substr(log_text(), $fact{log})
                =~ /(\[\w+\] .*?)(?: while .*)?, client: /g;

    _is(scalar(@lines), 1, "$name: told once");
    Test::More::like($lines[0] // '', qr/^\[error\].*\scallback\s"\Q$id\E"\sof
        \sproject\s"$project_name{ $fact{project} }"\sis\spassed\son,\sbut
        \ssettles\snothing:\sit\scould\snot\sbe\sread:\s\Q$fact{why}\E$/x,
        "$name: told why");

    my %headers = %{ $fact{headers} // {} };
    my $got = $service->last_request()->{headers};

    _is($got->{$_}, $headers{$_}, "$name: $_") for sort keys %headers;
}

sub _check_reached {
    my ($name, $reached, %fact) = @_;

    _is($service->count() - $fact{count}, $reached, "$name: reached it")
        if defined $fact{count};

    return if !$reached || !defined $fact{text};

    my $last = $service->last_request();
    my $got = $last->{headers};

    _is($last->{body}, $fact{text}, "$name: the same bytes");
    _is($last->{method} . ' ' . $last->{uri}, 'POST /taken', "$name: asked");
    _is($got->{'x-gate-project-id'}, $fact{project}, "$name: project id");
    _is($got->{'x-gate-project'}, $project_name{ $fact{project} },
        "$name: project");
    _is($got->{'x-gate-payment-id'}, $fact{id}, "$name: payment id");
    _is($got->{'x-gate-callback-status'}, $fact{payment_status},
        "$name: payment status") if exists $fact{payment_status};
    _is($got->{'x-gate-result'}, 'ok', "$name: result for the service");
    _is($got->{'x-gate-callback-stale'}, $fact{stale} ? 1 : undef,
        "$name: stale or not");
}

sub _check_log {
    my ($name, $result, $passed, %fact) = @_;

    return if !defined $fact{log};

    my $status = $outcomes{$result} ? $outcomes{$result}[0] : 200;
    my $line = ($status == 200 ? 'info ' : 'notice ') . ($fact{id} // '')
               . '|' . ($fact{project} ? $project_name{ $fact{project} } : '-')
               . "|$result";

    _is(join("\n", logged($fact{log})),
        $passed ? '' : $line, "$name: logged once");
}

# --- steps

my %amounts;

sub _pay {
    my ($name, $line) = @_;

    my ($left, $expected) = split /\s*->\s*/, $line, 2;
    my (undef, $id, $amount, @opt) = split ' ', $left;
    my %opt = options(@opt);
    my $before = Gate::Payouts::_now();
    my $res = Gate::Payouts::post_payout($id, $amount, %opt);

    $amounts{$id} = [$amount, $opt{cur}];
    Gate::Payouts::check_answer($res, $expected, $name, %opt, id => $id,
                                before => $before,
                                after => Gate::Payouts::_now());

    # Redis is told of Gate's answer after the client
    wait_until(10, sub { Gate::Payouts::ledger() !~ /^\Q$id\E reserved /m })
        if $expected !~ /redis_unavailable/;
}

sub _options {
    my ($id, @opt) = @_;

    my %opt = options(@opt);
    my $known = $amounts{$id} // [];

    $opt{amount} //= $known->[0] // 100000;
    $opt{cur} //= $known->[1] // 'KZT';
    $opt{key} //= ($opt{proj} // '') eq '123' ? 'ua' : 'kz';

    return %opt;
}

# Gate is answered before Redis is told: for a moment, what comes next meets a
# callback that seems to be under way.

sub _send_after {
    my ($text, $word, %opt) = @_;

    my ($count, $log, $res);

    wait_until(10, sub {
        ($count, $log) = ($service->count(), log_size());
        $res = send_callback($text, %opt);
        return $word eq 'busy' || ($res->{headers}{'x-result'} // '') ne 'busy';
    });

    return ($res, count => $count, log => $log);
}

sub _step {
    my ($block, $line) = @_;

    my $name = $block->name . " - $line";

    return if is_code($name, $line);
    return _pay($name, $line) if $line =~ /^pay /;

    my ($left, $expected) = split /\s*->\s*/, $line, 2;
    my ($id, @words) = split ' ', $left;
    my @opt = grep { /=/ } @words;
    my $status = join ' ', grep { !/=/ } @words;
    my ($word, $settlement, $stale) = split ' ', $expected;
    my %opt = _options($id, @opt);
    my $text = signed_text(callback($id, $status, %opt), %opt);
    my ($res, %before) = _send_after($text, $word, %opt);

    check($name, $res, $word, text => $text, %before,
          project => $opt{proj} // 1234, id => $blind{$word} ? undef : $id,
          payment_status => $status eq 'partially paid out'
                                ? 'partially_paid_out' : $status,
          stale => defined $stale);

    _is($res->{headers}{'x-settlement'} // '-', $settlement,
        "$name: settlement") if defined $settlement;
}

# The same for a text made by the suite.

sub post {
    my ($name, $text, $word, %fact) = @_;

    my ($res, %before) = _send_after($text, $word, %{ $fact{with} // {} });

    check($name, $res, $word, text => $text, %before, %fact);

    return $res;
}

sub run_steps {
    my ($block) = @_;

    %amounts = ();

    _step($block, $_) for grep { /\S/ && !/^\s*#/ } split /\n/, $block->steps;
}

# --- a suite

my @secrets;

sub add_secrets { push @secrets, @_; return }

# Marks of callbacks, one line each: "ID delivered", or "ID claimed".

sub marks {
    my $redis = $Gate::Payouts::redis;
    my $keys = $redis->cmd('KEYS', 'gate:callback:*');

    return join '', sort map {
        my ($id) = /^gate:callback:\{\d+\}:(.*):[0-9a-f]{32}$/s;
        my $value = $redis->cmd('GET', $_) // 'gone';

        ($id // $_) . ($value eq 'delivered' ? " delivered\n"
                       : $value =~ /^[0-9a-z]{10}-[0-9a-z]+$/ ? " claimed\n"
                       : " $value\n");
    } @$keys;
}

sub _defaults {
    my ($block) = @_;

    return if defined $block->must_die;

    set_sections($block, config => $config,
        http_config => $http_config . ($block->more_http // ''));
    set_sections($block, no_error_log => "[error]\n[alert]\n[crit]")
        if !defined $block->error_log && !defined $block->errors;
    set_steps($block);

    $service->reset();
}

# With Gate::Payouts there is a Redis, empty before each repeat.

sub _fresh {
    my ($block) = @_;

    return if !$Gate::Payouts::redis;

    $block->set_value('limits', 'KZT day=100000000')
        if !defined $block->limits;

    Gate::Payouts::_fresh($block);
}

sub _after {
    my ($block) = @_;

    _fresh($block) if defined $block->steps;
    run_steps($block) if defined $block->steps;

    finish($block, ledger => \&Gate::Payouts::ledger,
           totals => \&Gate::Payouts::totals, marks => \&marks);
}

sub _secret_in {
    return secret_in($_[0], $old_key, 'customer_123', 'TELE2', @secrets);
}

sub suite { hooks(\&_defaults, \&_after, \&_secret_in) }

1;
