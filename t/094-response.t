#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# gate_verify_response: a signed answer of Gate passes as it is, an error
# passes as an error, and of anything else not a byte gets through.  What is
# verified settles the ledger.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Time::HiRes ();

use Gate::Dead;
use Gate::Env qw( read_file root wait_until );
use Gate::Callbacks qw( $signer $old_key callback orders signature_of signed_text );
use Gate::Http;
use Gate::Http2;
use Gate::Outbound qw( $up log_text );
use Gate::Payouts qw( $redis post_payout holds ledger totals );
use Gate::Upstream;
use Test::Nginx::Socket 'no_plan';

our $verify = <<'_EOC_';
    location /v2/ {
        gate_sign             kz;
        gate_limits           on;
        gate_verify_response  on;
        proxy_pass            http://gate;
    }
    location /ua/v2/ {
        gate_sign             ua;
        gate_verify_response  on;
        proxy_pass            http://gate;
    }
    location /payouts/v2/ {
        gate_sign             kz;
        gate_limits           on;
        proxy_pass            http://gate/v2/;
    }
_EOC_

our $unbuffered = $verify =~ s/proxy_pass  /proxy_buffering off; proxy_pass /gr;

# where an answer or an error page may send a request; nothing is verified there

our $second = Gate::Upstream->run(name => 'second');

our $elsewhere = <<'_EOC_';
    location /page {
        default_type  application/json;
        return        200 '{"payment":{"status":"success"}}';
    }
    location @page {
        default_type  application/json;
        return        200 '{"payment":{"status":"success"}}';
    }
    location = /state.json {
        root  $TEST_NGINX_HTML_DIR;
    }
    location /second {
        proxy_set_header  X-Upstream "";
        proxy_pass        http://unix:$TEST_NGINX_SECOND_SOCKET;
    }
    location @second {
        proxy_set_header  X-Upstream "";
        proxy_pass        http://unix:$TEST_NGINX_SECOND_SOCKET;
    }
_EOC_

$second->always('type=application/json; body=%7B"payment":%7B"id":"a"%7D%7D');

our ($example_ignores) = read_file(root() . '/conf.example')
                         =~ /^ *(proxy_ignore_headers[^;]*;)/m;

$Gate::Callbacks::http_config .= $Gate::Callbacks::redis_config;
$Gate::Callbacks::config = $verify;

# --- answers of Gate

sub state_of {
    my ($id, $status, %opt) = @_;

    my $text = callback($id, $status, amount => 400,
                        ops => "47:$status:400", %opt);

    # an answer has the list of operations, not one of them
    $text =~ s/"operation":\{.*\},"account"/"account"/ or die;

    return $text;
}

our $state = state_of('a', 'success');
our $good = signed_text($state);
our $not_found = '{"status":"error","code":"3061","message":"not found",'
                 . '"project_id":1234,"payment_id":"a"}';

sub told_unread {
    my $told = () = log_text() =~ /\[error\][ ].*answer[ ]to[ ]"a"[ ]of[ ]
        project[ ]"kz"[ ]passes,[ ]but[ ]settles[ ]nothing:[ ]it[ ]could[ ]not
        [ ]be[ ]read:[ ]payment\.sum\.amount[ ]must[ ]be[ ]an[ ]integer/gx;

    Test::More::is($told, $_[0], 'told of what could not be read');
}

sub told_code {
    return scalar(() = log_text() =~ /\[error\][ ].*answer[ ]to[ ]"a"[ ]of[ ]
        project[ ]"kz"[ ]passes,[ ]but[ ]settles[ ]nothing:[ ]it[ ]could[ ]not
        [ ]be[ ]read:[ ]code[ ]must[ ]be[ ]a[ ]string[ ]or[ ]an[ ]integer/gx);
}

our $refusal = Gate::Outbound::refusal('gw_bad_answer', "Gate's answer could"
    . ' not be verified: ' . Gate::Outbound::may_be_paid(), 1234, 'a');
our $cut = Gate::Outbound::refusal('gw_upstream', 'no valid answer from Gate: '
    . Gate::Outbound::may_be_paid(), 1234, 'a');

sub ask {
    my ($answer, %opt) = @_;

    $up->script(orders(status => 200, type => 'application/json', %$answer));

    return Gate::Http::post($opt{at} // '/v2/payment/status',
        '{"general":{"payment_id":"' . ($opt{id} // 'a') . '"}}',
        headers => ['Content-Type: application/json',
                    'Accept-Encoding: gzip, br', @{ $opt{headers} // [] }],
        timeout => 20);
}

sub _is { return Test::More::is($_[0], $_[1], $_[2]) }

sub passes {
    my ($name, $text, %opt) = @_;

    my $status = $opt{answer}{status} // 200;
    my $res = ask({ body => $text, header => 'X-Of-Gate: 1',
                    %{ $opt{answer} // {} } }, %opt);

    _is($res->{status}, $status, "$name: status");
    _is($res->{body}, $text, "$name: the same bytes");
    _is($res->{headers}{'x-result'}, 'ok', "$name: result");
    _is($res->{headers}{'x-gate-source'}, undef, "$name: Gate's answer");
    _is($res->{headers}{'x-of-gate'}, 1, "$name: Gate's headers");
    _is($up->last_request()->{headers}{'accept-encoding'}, 'identity',
        "$name: asked without compression");
}

sub refused {
    my ($name, $text, $reason, %opt) = @_;

    my $log = length log_text();
    my $res = ask({ body => $text, header => 'Set-Cookie: a=b',
                    %{ $opt{answer} // {} } }, %opt);

    _is($res->{status}, 502, "$name: status");
    _is($res->{body}, $opt{body} // $refusal, "$name: body");
    _is($res->{headers}{'x-result'}, $opt{result} // 'bad_answer',
        "$name: result");
    _is($res->{headers}{'x-gate-source'}, 'gateway', "$name: our answer");
    _is($res->{headers}{'content-type'}, 'application/json', "$name: type");
    _is($res->{headers}{'set-cookie'}, undef, "$name: no header of Gate's");
    _is($res->{headers}{'content-encoding'}, undef, "$name: not encoded");

    my @lines = grep { /answer to "a" of project/ }
                split /\n/, substr log_text(), $log;

    _is(scalar(@lines), 1, "$name: logged once");
    Test::More::like($lines[0] // '', qr/\[error\] .*: \Q$reason\E(?: while |,)/,
                     "$name: logged");
}

# The whole answer, whatever part of it is asked for.

sub whole {
    my ($name, $text, @headers) = @_;

    my $res = ask({ body => $text, header => ['ETag: "1"',
                                              'Accept-Ranges: bytes'] },
                  headers => \@headers);

    _is($res->{status}, 200, "$name: status");
    _is($res->{body}, $text, "$name: the same bytes");
    _is($res->{headers}{'content-length'}, length $text, "$name: length");
    _is($res->{headers}{'content-range'}, undef, "$name: no range");
    _is($res->{headers}{'accept-ranges'}, undef, "$name: nor ranges");
}

# Gate sends back what it was sent, as it came or as change makes it.

sub sent_back {
    my ($name, $body, %opt) = @_;

    my @to = ($opt{at} // '/v2/payment/status', $body, timeout => 20,
              headers => ['Content-Type: application/json']);
    my $log = length log_text();
    my $res = Gate::Http::post(@to);

    if ($opt{change}) {
        my $text = $opt{change}->($up->last_request()->{body});

        $up->script(orders(type => 'application/json', status => 200,
                           body => $text));
        $log = length log_text();
        $res = Gate::Http::post(@to);
    }

    _is($res->{status}, 502, "$name: status");
    Test::More::like($res->{body}, qr/"code":"gw_bad_answer"/, "$name: code");
    Test::More::unlike($res->{body}, qr/signature/, "$name: nothing of it");
    Test::More::like(substr(log_text(), $log),
        qr/answer to "\w*" of project "kz" refused: it is the request itself/,
        "$name: logged");
}

# Nothing of it leaves, and who has sent it is told why.

sub unsigned {
    my ($name, $field, $body, %opt) = @_;

    my $count = $up->count();
    my $res = Gate::Http::post($opt{at} // '/v2/payment/status', $body,
                               headers => ['Content-Type: application/json'],
                               timeout => 20);

    _is($res->{status}, 400, "$name: status");
    Test::More::like($res->{body}, qr/"code":"2004","message":"\Q$field\E
        \ must\ not\ .*only\ Gate\ tells\ the\ status/x, "$name: message");
    _is($res->{headers}{'x-result'}, 'invalid_field', "$name: result");
    _is($up->count(), $count, "$name: not sent");
}

sub large {
    my ($size) = @_;

    my $text = state_of('a', 'success', note => '');
    my $bare = length signed_text($text);

    return signed_text(state_of('a', 'success', note => 'x' x ($size - $bare)));
}

sub on_one_connection {
    my $conn = Gate::Http::Connection->new();

    my @got = map {
        $up->script(orders(body => $_, type => 'application/json'));
        my $res = $conn->request(
            method => 'POST', uri => '/v2/payment/status',
            headers => ['Content-Type: application/json'],
            body => '{"general":{"payment_id":"a"}}');
        "$res->{status} " . ($res->{body} eq $_ ? 'same' : 'other');
    } $good, $state, $good, '{', $not_found, $good;

    $conn->close();
    _is(join(', ', @got), '200 same, 502 other, 200 same, 502 other, 200 same,'
        . ' 200 same', 'one connection');
}

sub http2 {
    for my $case ([$good, 200, $good], [$state, 502, $refusal]) {
        my ($text, $status, $body) = @$case;

        $up->script(orders(body => $text, type => 'application/json'));

        my $res = Gate::Http2::request(
            uri => '/v2/payment/status', length => 1,
            headers => [['content-type', 'application/json']],
            body => '{"general":{"payment_id":"a"}}');

        _is($res->{status}, $status, "HTTP/2: status $status");
        _is($res->{body}, $body, "HTTP/2: body of $status");
    }
}

# --- the simulator as Gate

sub with_simulator {
    my $id = 'sim-' . ++$main::number;
    my $post = sub {
        my ($path, $body) = @_;

        return Gate::Http::post("/v2/payment/$path", $body, timeout => 20,
                                headers => ['Content-Type: application/json']);
    };

    my $res = $post->('mobile/payout', Gate::Payouts::body_of($id, 400));
    _is($res->{status}, 502, 'a payout is answered without signature');

    $signer->control('GET', 'wait?for=payment&payment_id=' . $id
                            . '&status=success');
    $res = $post->('status', "{\"general\":{\"payment_id\":\"$id\"}}");
    _is($res->{status}, 200, 'the state is signed')
        or Test::More::diag($res->{body});
    _is(JSON::PP->new->decode($res->{body})->{payment}{status}, 'success',
        'the state');

    $res = $post->('status', '{"general":{"payment_id":"nobody"}}');
    _is($res->{status}, 200, 'no such payment');
    _is(JSON::PP->new->decode($res->{body})->{code}, '3061', 'its code');

    for my $forge (qw( signature key body unsigned )) {
        my $other = "$id-$forge";

        $signer->control('POST', 'faults', { payment_id => $other,
                                             forge => $forge, count => 0 });
        $post->('mobile/payout', Gate::Payouts::body_of($other, 400));
        $res = $post->('status', "{\"general\":{\"payment_id\":\"$other\"}}");
        _is($res->{status}, 502, "forged: $forge");
        _is(JSON::PP->new->decode($res->{body})->{code}, 'gw_bad_answer',
            "forged: $forge, code");
    }
}

our $number = 0;

Gate::Callbacks::suite();

run_tests();

__DATA__

=== TEST 1: signed as Gate signs
--- steps
! passes('at the top', $::good)
! passes('in general', signed_text($::state, place => 'general'))
! passes('bytewise', signed_text(state_of('a', 'success', errs => 12), order => 'bytes'))
! passes('naturally', signed_text(state_of('a', 'success', errs => 12)))
! passes('another project', signed_text(state_of('a', 'success', proj => 123), key => 'ua'), at => '/ua/v2/payment/status')
! passes('previous key', signed_text(state_of('a', 'success', proj => 123), key => 'old'), at => '/ua/v2/payment/status')
! passes('without project', signed_text(state_of('a', 'success', proj => 'none')))
! passes('without payment', signed_text('{"project_id":1234,"request_id":"x"}'))
! passes('spaced', $::good =~ s/,/ ,\n\t/gr)
! passes('unicode', signed_text(state_of('a', 'success', note => "\\u0412 \x{d0}\x{92}")))



=== TEST 2: not signed rightly
--- steps
! refused('not signed', $::state, 'it is not signed')
! refused('another byte', $::good =~ s/TELE2/TELE3/r, 'its signature does not match')
! refused('another amount', $::good =~ s/"amount":400/"amount":401/r, 'its signature does not match')
! refused('another status', $::good =~ s/"success"/"decline"/r, 'its signature does not match')
! refused('another key', signed_text($::state, key => 'guessed'), 'its signature does not match')
! refused('key of another project', signed_text($::state, key => 'ua'), 'its signature does not match')
! refused('previous key of another project', signed_text($::state, key => 'old'), 'its signature does not match')
! refused('signature is no string', $::state =~ s/^\{/{"signature":{},/r, 'its signature does not match')
! refused('empty signature', $::state =~ s/^\{/{"signature":"",/r, 'its signature does not match')
--- errors
--- no_error_log
[alert]



=== TEST 3: signed, but not the answer to this
--- steps
! refused('another payment', signed_text(state_of('b', 'success')), 'it is of another payment')
! refused('another project', signed_text(state_of('a', 'success', proj => 123)), 'it is of another project')
! refused('another project, its key', signed_text(state_of('a', 'success', proj => 123), key => 'ua'), 'it is of another project')
! refused('nested signature', $::good =~ s/"customer":\{/"customer":{"signature":"x",/r, 'it has members that the signature does not cover')
! refused('a date with members', signed_text($::state) =~ s/"date":"([^:"]*):([^"]*)"/"date":{"$1":"$2"}/r, 'it could be another answer')
! refused('frame_mode', $::good =~ s/^\{/{"frame_mode":1,/r, 'it has members that the signature does not cover')
! refused('an id that cannot be read', signed_text($::state =~ s/"id":"a"/"id":1.5/r), 'it could not be read')
--- errors
--- no_error_log
[alert]



=== TEST 4: no JSON, or more than one
--- steps
! refused($_ eq '' ? 'nothing' : substr($_, 0, 20), $_, 'it is not acceptable JSON') for '', '<html></html>', '[]', '{', "$::good$::good", $::good =~ s/^\{/{"a":1,"a":1,/r, "\xef\xbb\xbf$::good"
--- errors
--- no_error_log
[alert]



=== TEST 5: other statuses than 200
--- steps
! refused("status $_", $::good, 'its status is neither 200 nor an error', answer => { status => $_ }) for 201, 202, 203, 206, 300
! refused('status 204', '', 'its status is neither 200 nor an error', answer => { status => 204 })
! refused('a redirect', $::good, 'its status is neither 200 nor an error', answer => { status => 302, header => ['Location: /v2/', 'Set-Cookie: a=b'] })
--- errors
--- no_error_log
[alert]



=== TEST 6: errors pass as errors
--- steps
! for my $status (400, 401, 403, 404, 405, 409, 422, 429, 500, 502, 503, 504) { passes("status $status", "{\"status\":\"error\",\"code\":\"$status\",\"message\":\"no\"}", answer => { status => $status }) }
! passes('a page', '<html>403</html>', answer => { status => 403, type => 'text/html' })
! passes('a forged state', $::state, answer => { status => 400 })



=== TEST 7: Gate does not sign that it has no such payment
--- steps
! passes('3061', $::not_found)
! passes('3061 and no more', '{"status":"error","code":"3061"}')
! passes('3062', $::not_found =~ s/3061/3062/r)
! passes('a number', $::not_found =~ s/"3061"/3061/r)
! passes("listed: $_", $_) for '{"errors":[{"code":"3061"}]}', '{"status":"error","errors":[{"code":"1","message":"x"},{"code":3062,"field":{"a":[]}}]}', '{"status":"error","code":"1","project_id":1234,"errors":[{"code":"3061"}]}'
! refused('another code', $::not_found =~ s/3061/3063/r, 'it is not signed')
! refused('a success', $::not_found =~ s/"error"/"success"/r, 'it is not signed')
! refused('no code', '{"status":"error"}', 'it is not signed')
! refused('a code elsewhere', '{"status":"error","error":{"code":"3061"}}', 'it is not signed')
! refused('nested besides', $::not_found =~ s/^\{/{"customer":{},/r, 'it is not signed')
! refused('with a payment', $::not_found =~ s/^\{/{"payment":{"id":"a","status":"success"},/r, 'it is not signed')
! refused("with $_", $::not_found =~ s/^\{/{$_,/r, 'it is not signed') for '"payment":null', '"operation":""', '"operations":1', '"operations":[]'
! refused('with a bad signature', $::not_found =~ s/^\{/{"signature":"x",/r, 'its signature does not match')
! refused('of another project', $::not_found =~ s/1234/123/r, 'it is of another project')
--- errors
--- no_error_log
[alert]



=== TEST 8: compressed
--- steps
! refused('gzip', $::good, 'it is compressed', answer => { header => ['Content-Encoding: gzip', 'Set-Cookie: a=b'] })
--- errors
--- no_error_log
[alert]



=== TEST 9: sizes, chunks, pieces
--- steps
! passes('64 KB', large(65536))
! refused('64 KB and a byte', large(65537), 'it is too large')
! refused('a megabyte', 'x' x 1000000, 'it is too large')
! passes('64 KB in chunks', large(65536), answer => { chunked => 1 })
! refused('64 KB and a byte in chunks', large(65537), 'it is too large', answer => { chunked => 1 })
! refused('a megabyte in chunks', 'x' x 1000000, 'it is too large', answer => { chunked => 1 })
! passes('slow chunks', $::good, answer => { chunked => 1, slow => 10 })
! on_one_connection()
--- errors
--- no_error_log
[alert]



=== TEST 10: the same without buffers
--- config eval: $::unbuffered
--- steps
! passes('usual', $::good)
! passes('64 KB', large(65536))
! refused('64 KB and a byte', large(65537), 'it is too large')
! refused('64 KB and a byte in chunks', large(65537), 'it is too large', answer => { chunked => 1 })
! passes('slow chunks', $::good, answer => { chunked => 1, slow => 10 })
! refused('not signed', $::state, 'it is not signed')
--- errors
--- no_error_log
[alert]



=== TEST 11: an answer that breaks off
--- config eval: $::verify . 'location /plain/v2/ { proxy_buffering off; gate_sign kz; gate_verify_response on; proxy_pass http://gate; }'
--- steps
! refused('cut', $::good, 'it is not complete', answer => { cut => 200 }, body => $::cut, result => 'upstream_error')
! refused('cut after all but a byte', $::good, 'it is not complete', answer => { cut => length($::good) - 1 }, body => $::cut, result => 'upstream_error')
! refused('cut, unbuffered', $::good, 'it is not complete', answer => { cut => 200 }, body => $::cut, result => 'upstream_error', at => '/plain/v2/payment/status')
--- error_log
upstream prematurely closed connection
--- no_error_log
[alert]



=== TEST 12: answers larger than memory buffers
--- config
    location /v2/ {
        proxy_buffers         2 4k;
        proxy_buffer_size     4k;
        proxy_busy_buffers_size 4k;
        gate_sign             kz;
        gate_verify_response  on;
        proxy_pass            http://gate;
    }
--- steps
! passes('60 KB', large(60000))
! passes('60 KB in chunks', large(60000), answer => { chunked => 1 })
! refused('60 KB, a byte changed', large(60000) =~ s/xxx/xyx/r, 'its signature does not match')
--- errors
--- no_error_log
[alert]



=== TEST 13: nginx's own errors
--- config
    error_page 502 504 @gate_error;
    location @gate_error {
        gate_error;
    }
    location /v2/ {
        gate_sign             kz;
        gate_verify_response  on;
        proxy_pass            http://unix:$TEST_NGINX_REFUSING_SOCKET;
    }
    location /silent/v2/ {
        gate_sign             kz;
        gate_verify_response  on;
        proxy_read_timeout    50ms;
        proxy_pass            http://unix:$TEST_NGINX_SILENT_SOCKET;
    }
--- steps
! my $res = ask({}); is($res->{status}, 502, 'refused'); is($res->{body}, $::cut, 'body')
! my $res = ask({}, at => '/silent/v2/payment/status'); is($res->{status}, 504, 'silent'); like($res->{body}, qr/gw_upstream/, 'body'); $::up->reset()
--- error_log
Connection refused
--- no_error_log
[alert]



=== TEST 14: pages in place of an answer
--- config
    location = /page {
        default_type  application/json;
        return        200 '{"payment":{"status":"success"}}';
    }
    location /v2/ {
        error_page             500 =200 /page;
        proxy_intercept_errors on;
        gate_sign              kz;
        gate_verify_response   on;
        proxy_pass             http://gate;
    }
    gate_verify_response on;
--- steps
! refused('a page', '{}', "it is not Gate's", answer => { status => 500 })
! passes('an answer', $::good)
--- errors
--- no_error_log
[alert]



=== TEST 15: off, as by default
--- config
    location /v2/ {
        gate_sign   kz;
        proxy_pass  http://gate;
    }
    location /on/ {
        gate_verify_response  on;
        location /on/v2/ {
            gate_verify_response  off;
            gate_sign             kz;
            proxy_pass            http://gate;
        }
    }
--- steps
! for my $at (qw( /v2/payment/status /on/v2/payment/status )) { my $res = ask({ body => $::state }, at => $at); is($res->{status}, 200, 'status'); is($res->{body}, $::state, 'unsigned, and passes') }



=== TEST 16: with gzip for services
--- config
    gzip             on;
    gzip_types       *;
    gzip_min_length  1;
    location /v2/ {
        gate_sign             kz;
        gate_verify_response  on;
        proxy_pass            http://gate;
    }
--- steps
! my $res = ask({ body => $::good }); is($res->{status}, 200, 'status')
! my $res = ask({ body => $::state }); is($res->{status}, 502, 'status of a forgery')
--- error_log
it is not signed
--- no_error_log
[alert]



=== TEST 17: verified answers settle what is unknown
--- steps
! post_payout($_, 400, up => 'drop', at => '/payouts/v2/payment/mobile/payout') for qw( a b c d e f )
! holds('unknown', 'ledger', \&ledger, CORE::join '', map { "$_ unknown 400\n" } qw( a b c d e f ))
! is(ask({ body => signed_text(state_of($_->[0], @{$_}[1 .. $#$_])) }, id => $_->[0])->{status}, 200, "@$_[0, 1]") for ['a', 'success'], ['b', 'decline'], ['c', 'error'], ['d', 'partially_paid_out', ops => '1:success:100,2:decline:300'], ['e', 'processing']
! is(ask({ body => state_of('f', 'decline') }, id => 'f')->{status}, 502, 'not signed')
! is(ask({ body => signed_text(state_of('a', 'decline')) }, id => 'f')->{status}, 502, 'of another payment')
! is(ask({ body => $::not_found =~ s/"a"/"f"/r }, id => 'f')->{status}, 200, 'not found')
--- ledger
a success 400
b decline 0
c error 0
d partially_paid_out 100
e accepted 400
f unknown 400
--- totals
KZT 1300/4
--- errors
--- no_error_log
[alert]



=== TEST 18: the same answer again settles nothing more
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! ask({ body => signed_text(state_of('a', 'decline')) }) for 1 .. 3
! ask({ body => signed_text(state_of('a', 'decline', note => $_)) }) for 1 .. 3
--- ledger
a decline 0
--- totals
KZT 0/0



=== TEST 19: money that has moved after all
--- steps
! post_payout('a', 400, up => 'refused', at => '/payouts/v2/payment/mobile/payout'); holds('refused', 'ledger', \&ledger, "a refused 0\n")
! ask({ body => signed_text(state_of('a', 'success')) })
! wait_until(10, sub { log_text() =~ /\[error\] .*payout "a" of project "1234" goes from "refused" to "success": recounted, 400 is counted now/ }) or fail('logged')
--- errors
--- ledger
a success 400
--- totals
KZT 400/1
--- no_error_log
[alert]



=== TEST 20: with Redis away the answer passes, and settles later
--- http_config eval: $Gate::Callbacks::http_config =~ s/timeout=5s/timeout=700ms/r
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! $::redis->freeze(); passes('frozen', signed_text(state_of('a', 'decline'))); $::redis->thaw()
--- ledger
a decline 0
--- totals
KZT 0/0
--- errors
--- no_error_log
[alert]



=== TEST 21: answers to payouts are not signed; the ledger knows all the same
--- steps
! my $res = post_payout('a', 400); is($res->{status}, 502, 'refused to the service')
--- ledger
a accepted 400
--- errors
--- error_log
answer to "a" of project "kz" refused: it is not signed
--- no_error_log
[alert]



=== TEST 22: the simulator as Gate
--- config
    location /v2/ {
        gate_sign             kz;
        gate_verify_response  on;
        proxy_pass            http://unix:$TEST_NGINX_SIGNER_SOCKET:;
    }
--- steps
! with_simulator()
--- errors
--- no_error_log
[alert]



=== TEST 23: over HTTP/2
--- http2
--- steps
! http2()
--- errors
--- no_error_log
[alert]



=== TEST 24: an answer that sends nginx elsewhere
--- config eval
$::verify . $::elsewhere
--- user_files
>>> state.json
{"payment":{"status":"success"}}
--- steps
! refused("to $_", '{}', "it is not Gate's", answer => { header => ["X-Accel-Redirect: $_", 'Set-Cookie: a=b'] }) for qw( /page @page /state.json )
! refused('to another server', '{}', 'it is not signed', answer => { header => 'X-Accel-Redirect: @second' })
! refused('to another server, by a path', '{}', "it is not Gate's", answer => { header => 'X-Accel-Redirect: /second' })
! refused('with a signed body', $::good, "it is not Gate's", answer => { header => 'X-Accel-Redirect: /page' })
! passes('an answer', $::good)
--- errors
--- no_error_log
[alert]



=== TEST 25: an error page of a location that does not verify
--- config eval
$::elsewhere . '
    location /v2/ {
        error_page             400 = @page;
        error_page             403 =200 /page;
        error_page             404 = @second;
        error_page             500 =200 /state.json;
        proxy_intercept_errors on;
        gate_sign              kz;
        gate_verify_response   on;
        proxy_pass             http://gate;
    }
'
--- user_files
>>> state.json
{"payment":{"status":"success"}}
--- steps
! refused("a page for $_", '{}', "it is not Gate's", answer => { status => $_ }) for 400, 403, 500
! refused('another server for 404', '{}', 'it is not signed', answer => { status => 404 })
! passes('an answer', $::good)
--- errors
--- no_error_log
[alert]



=== TEST 26: the location that a payout is sent from decides, too
--- config
    location /v2/ {
        gate_sign   kz;
        try_files   $uri @verified;
    }
    location /plain/v2/ {
        gate_sign   kz;
        rewrite     ^/plain(.*)$ /then$1 last;
    }
    location /then/v2/ {
        gate_sign             kz;
        gate_verify_response  on;
        proxy_pass            http://gate;
    }
    location @verified {
        gate_verify_response  on;
        proxy_pass            http://gate;
    }
    location /strict/v2/ {
        gate_sign             kz;
        gate_verify_response  on;
        try_files             $uri @lax;
    }
    location @lax {
        proxy_pass            http://gate;
    }
--- steps
! for my $at ('', '/plain', '/strict') { refused("$at: a state", $::state, 'it is not signed', at => "$at/v2/payment/status"); passes("$at: signed", $::good, at => "$at/v2/payment/status") }
--- errors
--- no_error_log
[alert]



=== TEST 27: nothing of conf.example lets an answer steer nginx
--- config eval
$::example_ignores . $::verify . $::elsewhere
--- steps
! passes("ignores $_", $::good, answer => { header => ["$_", 'X-Of-Gate: 1'] }) for 'X-Accel-Redirect: /page', 'X-Accel-Redirect: @second', 'X-Accel-Expires: 100', 'X-Accel-Buffering: no', 'X-Accel-Charset: koi8-r'
! my $start = Time::HiRes::time(); passes('ignores a limit of rate', large(60000), answer => { header => ['X-Accel-Limit-Rate: 20000', 'X-Of-Gate: 1'] }); Test::More::cmp_ok(Time::HiRes::time() - $start, '<', 2, 'not slowed down')



=== TEST 28: an answer from a cache
--- more_http
    proxy_cache_path $TEST_NGINX_SCRATCH/cache keys_zone=c:1m;
--- config
    location /v2/ {
        proxy_cache            c;
        proxy_cache_methods    POST;
        proxy_cache_key        $uri;
        proxy_cache_use_stale  timeout;
        proxy_read_timeout     100ms;
        gate_sign              kz;
        gate_verify_response   on;
        proxy_pass             http://gate;
    }
--- steps
! passes('an answer', $::good, answer => { header => ['X-Accel-Expires: @1', 'X-Of-Gate: 1'] })
! refused('an old one', $::good, "it is not Gate's", answer => { hang => 1 })
--- errors
--- no_error_log
[alert]



=== TEST 29: a part of an answer
--- config eval: $::verify =~ s/proxy_pass  /proxy_force_ranges on; proxy_pass /gr
--- steps
! whole("range $_", $::good, "Range: bytes=$_") for '0-9', '5-', '-7', '0-0,5-9', '100000-', '0-999999'
! whole('if it is the same', $::good, 'Range: bytes=1-9', 'If-Range: "1"')
! whole('of 60 KB', large(60000), 'Range: bytes=9-19')
! refused('of a forgery', $::state, 'it is not signed', headers => ['Range: bytes=0-9'])
--- errors
--- no_error_log
[alert]



=== TEST 30: signed, but it cannot be read
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! my $n = () = log_text() =~ /settles nothing/g; passes('no integer', signed_text(state_of('a', 'decline') =~ s/400/400.0/r)); told_unread($n + 1)
--- ledger
a accepted 400
--- errors
--- no_error_log
[alert]



=== TEST 31: who says that there is no payment says nothing of its state
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! for my $code (3061, 3062) { for my $more ("\"code\":\"$code\"", "\"code\":$code", "\"errors\":[{\"code\":\"2\"},{\"code\":\"$code\"}]") { passes("signed: $more, $_", signed_text(state_of('a', $_) =~ s/^\{/{$more,/r)) for qw( error decline reversed success ) } }
! refused('of another payment', signed_text(state_of('b', 'error') =~ s/^\{/{"code":"3061",/r), 'it is of another payment')
! holds('counted', 'ledger', \&ledger, "a accepted 400\n")
! passes('another code', signed_text(state_of('a', 'error') =~ s/^\{/{"code":"30611","errors":[{"code":"2004"}],/r))
--- ledger
a error 0
--- totals
KZT 0/0
--- errors
--- no_error_log
[alert]



=== TEST 32: a request that is signed is no answer
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! my $payout = $::up->last_request()->{body}; refused('that of the payout', $payout, 'it is a request, and no answer')
! my $asks = '{"general":{"payment_id":"a"}}'; sent_back('as it came', $asks)
! sent_back('signed at the top', '{"general":{"payment_id":"a"}}', change => sub { $_[0] =~ s/"signature":"([^"]*)",(.*)\}$/$2,"signature":"$1"}/r })
! sent_back('written in another way', '{"general":{"payment_id":"a"}}', change => sub { $_[0] =~ s/"a"/"\\u0061"/r =~ s/,/ ,/gr })
! sent_back('no payment', '{"last":1}', at => "/v2/info/$_") for 'mobile/payout/list', 'available_methods_for_merchant/list'
! holds('counted', 'ledger', \&ledger, "a accepted 400\n")
! passes('an answer with members of a request', signed_text($::state =~ s/^\{/{"general":{"project_id":1234,"payment_id":"a"},/r))
--- ledger
a success 400
--- errors
--- no_error_log
[alert]



=== TEST 33: the state of a payment of another type
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! for my $type (qw( purchase refund Payout )) { passes("$type, $_", signed_text(state_of('a', $_) =~ s/"type":"payout"/"type":"$type"/r)) for qw( error decline reversed success ) }
! holds('counted', 'ledger', \&ledger, "a accepted 400\n")
! passes('of the payout', signed_text(state_of('a', 'error')))
--- ledger
a error 0
--- totals
KZT 0/0
--- errors
--- no_error_log
[alert]



=== TEST 34: a code that cannot be read could be that there is no payment
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! for my $more ('"code":3061.0', '"code":3.061e3', '"errors":[{"code":3062.0}]', '"errors":[{"message":"3061"}]', '"errors":"3061"') { my $n = told_code(); passes("signed: $more", signed_text(state_of('a', 'error') =~ s/^\{/{$more,/r)); _is(told_code(), $n + 1, "$more: told") }
--- ledger
a accepted 400
--- totals
KZT 400/1
--- errors
--- no_error_log
[alert]



=== TEST 35: what could come back as the state of a payment is not signed
--- steps
! post_payout('a', 400, at => '/payouts/v2/payment/mobile/payout')
! unsigned("payment.status $_", 'payment.status', '{"general":{"payment_id":"a"},"payment":{"id":"a","status":"' . $_ . '","sum":{"amount":400,"currency":"KZT"}}}') for qw( decline error success )
! unsigned('a status', 'status', '{"general":{"payment_id":"a"},"status":"success"}')
! unsigned('an operation', 'operation.status', '{"general":{"payment_id":"a"},"payment":{"id":"a"},"operation":{"id":47,"status":"decline"}}')
! unsigned('operations', 'operations.status', '{"general":{"payment_id":"a"},"payment":{"id":"a"},"operations":[{"id":47,"status":"decline"}]}')
! unsigned('in a string', 'a key or string', '{"general":{"payment_id":"a"},"customer":{"id":"1;payment:id:a;payment:status:decline"}}')
! unsigned("clarification: $_->[0]", @$_[1, 2], at => '/v2/payment/clarification') for ['a member', 'payment.status', '{"general":{"payment_id":"a"},"additional_data":{"a":"b"},"payment":{"status":"decline"}}'], ['a string', 'a key or string', '{"general":{"payment_id":"a"},"additional_data":{"a":"b;payment:id:a;payment:status:decline"}}']
! unsigned("$_: a member", 'payment.status', '{"payment":{"id":"a","status":"decline"}}', at => "/v2/info/$_") for 'mobile/payout/list', 'available_methods_for_merchant/list'
--- ledger
a accepted 400
--- no_error_log
[error]
[alert]
