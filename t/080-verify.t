#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Verification of callbacks: what is let in, what is refused and how, that it
# is logged once, and that nothing unverified reaches Redis or a service.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Time::HiRes ();

use Gate::Env qw( root read_file write_key wait_until );
use Gate::Callbacks qw( :all );
use Gate::Http;
use Gate::Http2;
use Gate::Redis;
use Test::Nginx::Socket 'no_plan';

our $redis = Gate::Redis->run();

# --- texts

our $bare = callback('payment_47', 'success');
our $good = signed_text($bare);
our $signature = signature_of($bare, 'key-of-kz-8d5a0b1e');

our @kz = (project => 1234, id => 'payment_47');

# A part of the text becomes another one; the signature stays.

sub with {
    my ($text, $from, $to) = @_;

    $text =~ s/\Q$from\E/$to/ or die "no $from\n";

    return $text;
}

sub signed_as {
    my ($value) = @_;

    return with($bare, '{', "{\"signature\":$value,");
}

# --- the callbacks of the method pages; their signatures are abbreviated

sub page { return read_file(root() . "/t/data/callbacks/$_[0].json") }

sub passes {
    my ($name, $text, %opt) = @_;

    my $key = $text =~ /"project_id": 123,/ ? 'key-of-ua-77c1f90d'
                                            : 'key-of-kz-8d5a0b1e';
    my $unsigned = $text;

    $unsigned =~ s/,\s*"signature":\s*"[^"]*"// or die "no signature\n";

    my $value = signature_of($unsigned, $key, $opt{order});
    my ($id) = $text =~ /"project_id":\s*(\d+)/;

    $text =~ s/("signature":\s*")[^"]*/$1$value/;

    post($name, $text, 'forward', project => $id, id => 'payment_47');
}

# The page's callback with more members.

sub more {
    my ($members) = @_;

    utf8::encode($members) if utf8::is_utf8($members);

    return with(page('mobile-success'), '    "account"',
                "$members,\n    \"account\"");
}

# --- vectors: each in a location with the key and the project of its own

my %vectors = map { $_->{name} => $_ } @{
    JSON::PP->new->utf8->decode(read_file(root() . '/t/data/vectors.json'))
        ->{vectors} };

our @vectors = map { $vectors{$_} }
               grep { /callback|cb_data/i } sort keys %vectors;

sub number_of {
    my ($vector, $default) = @_;

    my $doc = JSON::PP->new->decode($vector->{document});
    my $id = $doc->{project_id};

    return defined $id && $id =~ /^\d+$/ ? $id : $default;
}

our ($vector_projects, $vector_locations) = ('', '');

for my $i (0 .. $#vectors) {
    my $vector = $vectors[$i];
    my $secret = $vector->{secret};

    utf8::encode($secret);
    write_key("v$i", $secret);
    $vector->{at} = "/v$i";
    $vector->{project} = number_of($vector, 500000 + $i);

    # a configuration has no two projects with one id
    $vector_projects .= "gate_project v$i { id $vector->{project};"
                        . " secret_file \$TEST_NGINX_KEYS/v$i; }\n"
        if $vector_projects !~ /id $vector->{project};/;

    my ($name) = $vector_projects
                 =~ /gate_project (\w+) \{ id $vector->{project};/;

    $vector_locations .= "location /v$i { gate_verify $name;"
                         . " proxy_pass http://service/taken; }\n";
}

our $vector_http = <<'_EOC_';
    upstream service {
        server unix:$TEST_NGINX_SERVICE_SOCKET;
    }
    add_header X-Result     $gate_result always;
    add_header X-Settlement $gate_settlement always;
_EOC_

sub vector_passes {
    my ($vector) = @_;

    my $name = $vector->{name};
    my $text = $vector->{document};

    utf8::encode($text);

    # one document has the abbreviated signature of a page
    $text =~ s/("signature"\s*:\s*")[^"]*\.\.\.[^"]*/$1$vector->{signature}/;

    # what an SDK's tests put in place of values cannot be read
    my $odd = $text =~ /"(?:project_id|sum|amount)"\s*:\s*"\[/;
    my $count = $service->count();
    my $res = send_callback($text, at => $vector->{at});

    Test::More::is($res->{status}, 200, "$name: status")
        or Test::More::diag($res->{body});
    Test::More::is($res->{headers}{'x-result'}, 'ok', "$name: result");
    Test::More::is($res->{headers}{'x-settlement'}, $odd ? 'unread' : undef,
                   "$name: settlement");
    Test::More::is($service->count() - $count, 1,
                   "$name: reached the service");
    Test::More::is($service->last_request()->{body}, $text,
                   "$name: the same bytes");
}

sub vectors_pass {
    Test::More::is(scalar(@vectors), 23, 'vectors');
    vector_passes($_) for @vectors;
}

# --- texts that are no callbacks: [text, reason, byte]

our @broken = (
    ['',                              'unexpected end of text', 0],
    [' ',                             'unexpected end of text', 1],
    ['[]',                            'top level is not an object', 0],
    ['null',                          'top level is not an object', 0],
    ['"x"',                           'top level is not an object', 0],
    ['signature=x',                   'top level is not an object', 0],
    ['{',                             'unexpected end of text', 1],
    [substr($good, 0, -1),            'unexpected end of text',
                                      length($good) - 1],
    ["$good}",                        'trailing bytes', length $good],
    ["$good$good",                    'trailing bytes', length $good],
    ["$good\0",                       'trailing bytes', length $good],
    ["\xef\xbb\xbf$good",             'byte order mark', 0],
    ['{"a":1,"a":1}',                 'duplicate key', 7],
    ['{"a":{"b":1,"\u0062":1}}',      'duplicate key', 12],
    [with($good, '"payment":', '"project_id":1234,"payment":'),
                                      'duplicate key', 19],
    [with($good, '"signature"', "\"signature\":\"x\",\"signature\""),
                                      'duplicate key',
                                      index($good, '"signature"') + 16],
    [with($good, '"Success"', "\"\xc0\xaf\""), 'invalid UTF-8',
                                      index($good, '"Success"') + 1],
    [with($good, '"Success"', "\"\xed\xa0\x80\""), 'invalid UTF-8',
                                      index($good, '"Success"') + 1],
    [with($good, '"Success"', '"\ud800"'), 'lone surrogate',
                                      index($good, '"Success"') + 1],
    [with($good, '"Success"', '"\udc00"'), 'lone surrogate',
                                      index($good, '"Success"') + 1],
    [with($good, '"Success"', '01'),  'unexpected token',
                                      index($good, '"Success"') + 1],
    [with($good, '"Success"', 'NaN'), 'unexpected token',
                                      index($good, '"Success"')],
    ['{"a":' x 32 . '{}' . '}' x 32,  'nesting is too deep', 160],
);

sub all_broken_are_refused {
    for my $case (@broken) {
        my ($text, $reason, $byte) = @$case;
        my $name = length $text > 40 ? "$reason at $byte" : $text;

        post($name, $text, 'bad_json', message =>
             "body is not acceptable JSON: $reason at byte $byte");
    }
}

# --- what cannot be read is passed on, and settles nothing

our $text = 'must be a string of 1 to 255 characters';
our $integer = 'must be an integer';
our $amount = "payment.sum.amount $integer";

our $typed = '{"project_id":1234,"payment":{"id":"47","status":"1","type":"2",'
    . '"sum":{"amount":1,"currency":"KZT"}},"operation":{"id":3,"type":"4",'
    . '"status":"success","sum_initial":{"amount":5}},'
    . '"operations":[{"id":6}]}';

# The first text becomes the second one: why it is not read, and the header
# that the service does not get.

our @unread = (
    ['"id":"47"', '"id":47.0',         "payment.id $text", 'id'],
    ['"id":"47"', '"id":4.7e1',        "payment.id $text", 'id'],
    ['"id":"47"', '"id":-47',          "payment.id $text", 'id'],
    ['"id":"47"', '"id":-0',           "payment.id $text", 'id'],
    ['"id":"47"', '"id":true',         "payment.id $text", 'id'],
    ['"id":"47"', '"id":92233720368547758080', "payment.id $text", 'id'],
    ['"id":"47"', '"id":"' . 'x' x 1021 . '"', "payment.id $text", 'id'],
    ['"amount":1', '"amount":"1"',     $amount],
    ['"amount":1', '"amount":true',    $amount],
    ['"amount":1', '"amount":1.0',     $amount],
    ['"amount":1', '"amount":1e0',     $amount],
    ['"amount":1', '"amount":-1',      $amount],
    ['"amount":1', '"amount":1.5',     $amount],
    ['"amount":1', '"amount":10000000000001', $amount],
    ['"amount":1', '"amount":' . '9' x 30, $amount],
    ['"KZT"', '"USDT"',  'payment.sum.currency must be three capital letters'],
    ['"KZT"', '"KZ\u0001"',
                         'payment.sum.currency must be three capital letters'],
    ['"KZT"', '398',     'payment.sum.currency must be three capital letters'],
    ['"status":"1"', '"status":1',     "payment.status $text", 'status'],
    ['"status":"1"', '"status":false', "payment.status $text", 'status'],
    ['"type":"2"', '"type":2',         "payment.type $text"],
    ['"project_id":1234', '"project_id":1234.0', "project_id $integer"],
    ['"project_id":1234', '"project_id":1.234e3', "project_id $integer"],
    ['"project_id":1234', '"project_id":"01234"', "project_id $integer"],
    ['"project_id":1234', '"project_id":" 1234"', "project_id $integer"],
    ['"project_id":1234', '"project_id":"kz"', "project_id $integer"],
    ['"id":3', '"id":"03"',            "operation.id $integer"],
    ['"id":3', '"id":"9223372036854775808"', "operation.id $integer"],
    ['"id":3', '"id":"3 "',            "operation.id $integer"],
    ['"id":3', '"id":"a"',             "operation.id $integer"],
    ['"id":3', '"id":3.0',             "operation.id $integer"],
    ['"id":3', '"id":-3',              "operation.id $integer"],
    ['"type":"4"', '"type":4',         "operation.type $text", 'operation'],
    ['"success"', '7',                 "operation.status $text"],
    ['"amount":5', '"amount":"5"',     "operation.sum_initial.amount $integer"],
    ['"id":6', '"id":"06"',            "operations.id $integer"],
    ['[{"id":6}]', '[6]',              'operations must have objects'],
    ['[{"id":6}]', '6',                'operations must be an array'],
    ['{"amount":1,"currency":"KZT"}', '1', 'payment.sum must be an object'],
    ['{"amount":5}', '"x"', 'operation.sum_initial must be an object'],
);

my %header_of = (id => 'x-gate-payment-id', operation => 'x-gate-operation',
                 status => 'x-gate-callback-status');

sub unread_pass {
    for my $case (@unread) {
        my ($from, $to, $why, $lost) = @$case;
        my %got = ('x-gate-payment-id' => 47, 'x-gate-operation' => 4,
                   'x-gate-callback-status' => 1);

        $got{ $header_of{$lost} } = undef if defined $lost;

        # without a project that can be read, that of the location is meant
        post(length $to > 60 ? substr($to, 0, 60) : $to,
             signed_text(with($typed, $from, $to)), 'unread', project => 1234,
             id => $got{'x-gate-payment-id'}, why => $why, headers => \%got,
             with => { at => '/one' });
    }
}

# No value, in all its spellings, of everything that is read; the two kinds of
# them are not signed alike.

sub no_values_pass {
    for my $value ('null', '""', '[]', '{}') {
        for my $case (map { [/^("[a-z_]+"):(.*)$/] }
                      '"id":"47"', '"status":"1"', '"type":"2"', '"amount":1',
                      '"currency":"KZT"', '"id":3', '"type":"4"',
                      '"status":"success"', '"amount":5', '"id":6',
                      '"project_id":1234', '"operations":[{"id":6}]',
                      '"sum":{"amount":1,"currency":"KZT"}',
                      '"sum_initial":{"amount":5}',
                      '"operation":{"id":3,"type":"4","status":"success",'
                      . '"sum_initial":{"amount":5}}')
        {
            my ($name, $old) = @$case;
            my $id = $old eq '"47"' ? undef : 47;

            post("$name:$value for $old",
                 signed_text(with($typed, "$name:$old", "$name:$value")),
                 'forward', project => 1234, id => $id,
                 with => { at => '/one' });
        }

        post("$value for an operation",
             signed_text(with($typed, '{"id":6}', $value)), 'forward',
             project => 1234, id => 47);
        post("$value for payment",
             signed_text("{\"project_id\":1234,\"payment\":$value}"),
             'forward', project => 1234);
    }
}

sub ids_pass {
    for my $case (['"id":"47"', '"id":47', 47],
                  ['"id":"47"', '"id":0', 0],
                  ['"id":"47"', '"id":9223372036854775807',
                   '9223372036854775807'],
                  ['"id":"47"', '"id":"0047"', '0047'],
                  ['1234', '"1234"', 47], ['"id":3', '"id":"3"', 47],
                  ['"id":3', '"id":"0"', 47],
                  ['"id":3', '"id":"9223372036854775807"', 47],
                  ['"id":6', '"id":"6"', 47])
    {
        my ($from, $to, $id) = @$case;

        post($to, signed_text(with($typed, $from, $to)), 'forward',
             project => 1234, id => $id);
    }
}

# --- what has the signature of the good one, and is another callback

sub look_alikes {
    my $hides = 'a key or string holds fields of the callback';
    my $alone = with($good, '"customer":{"id":"customer_123"},', '');

    return (
        ['the next member', with($good, '"71234567890","type":"TELE2"',
                                 '"71234567890;account:type:TELE2"'), $hides],
        ['all of an object', with($alone, '"TELE2"',
                                  '"TELE2;customer:id:customer_123"'), $hides],
        ['an object in a value', with($alone, '"TELE2"',
                '{"TELE2;customer":{"id":"customer_123"}}'),
         'type must not have members'],
        ['an object in a key', with($alone, '"number":"71234567890","type":'
                . '"TELE2"', '"number":"71234567890","type;x":[],"type":{'
                . '"TELE2;customer":{"id":"customer_123"}}'),
         'type must not have members'],
        ['a date', with($good, '"date":"2026-11-21T19:08:45+0000","method"',
                        '"date":{"2026-11-21T19":"08:45+0000"},"method"'),
         'date must not have members'],
        ['an object as a string', with($good, '{"id":"customer_123"}',
                                       '"id:customer_123"'),
         'customer must not be a string'],
    );
}

# --- bodies of all shapes

sub long { return signed_text(with($bare, 'Success', 'x' x $_[0])) }

sub arrives {
    my ($name, $text, %request) = @_;

    my $count = $service->count();
    my $res = Gate::Http::request(method => 'POST', uri => '/callbacks',
                                  headers => ['Content-Type: text/plain'],
                                  %request);

    Test::More::is($res->{status}, 200, "$name: status");
    Test::More::is($service->count() - $count, 1, "$name: reached it");
    Test::More::is($service->last_request()->{body}, $text,
                   "$name: the same bytes");
}

sub shapes_arrive {
    for my $size (1, 4096, 20000, 300000) {
        my $text = long($size);

        arrives("$size bytes", $text, body => $text);
        arrives("$size bytes in chunks", $text,
                chunks => [unpack '(a' . int(1 + $size / 7) . ')*', $text]);
    }
}

sub http2_arrives {
    my $text = long(20000);
    my $res = Gate::Http2::request(uri => '/callbacks', body => $text,
                                   pieces => [1, 100, 4000]);

    Test::More::is($res->{status}, 200, 'HTTP/2: status');
    Test::More::is($res->{body}, answer_body('forward', @kz), 'HTTP/2: body');
    Test::More::is($service->last_request()->{body}, $text,
                   'HTTP/2: the same bytes');

    $res = Gate::Http2::request(uri => '/callbacks', length => 1,
                                body => with($text, 'xxx', 'xyx'));

    Test::More::is($res->{status}, 403, 'HTTP/2: status of a forgery');
    Test::More::is($res->{body}, answer_body('bad_signature', project => 1234),
                   'HTTP/2: body of a forgery');
}

sub on_one_connection {
    my $conn = Gate::Http::Connection->new();
    my $ask = sub {
        my ($text, $method) = @_;

        return $conn->request(method => $method // 'POST',
                              uri => '/callbacks', body => $text)->{status};
    };

    my @got = map { $ask->(ref $_ ? @$_ : $_) }
              $good, '{', $good, [$good, 'PUT'], $bare, long(20000),
              with($good, 'Success', 'Succes'), $good;

    Test::More::is("@got", '200 400 200 405 403 200 403 200',
                   'one connection');
}

# --- Redis

sub scripts_run {
    my ($calls) = $redis->cmd('INFO', 'commandstats')
                  =~ /^cmdstat_evalsha:calls=(\d+)/m;

    return $calls // 0;
}

our $before = 0;

sub redis_was_not_asked {
    Test::More::is(scripts_run() - $before, $_[0], "scripts run: $_[0]");
    $before = scripts_run();
}

Gate::Callbacks::suite();

run_tests();

__DATA__

=== TEST 1: signed as Gate signs
--- steps
payment_47 success                              -> forward
payment_47 decline                              -> forward
payment_47 error                                -> forward
payment_47 reversed                             -> forward
payment_47 partially_paid_out                   -> forward
payment_47 processing                           -> forward
payment_47 awaiting clarification               -> forward
payment_47 awaiting retry                       -> forward
payment_47 some new status                      -> forward



=== TEST 2: at the top level and in general, current and previous key
--- steps
payment_47 success place=general                -> forward
payment_47 success proj=123                     -> forward
payment_47 success proj=123 place=general       -> forward
payment_47 success proj=123 key=old             -> forward
payment_47 success proj=123 key=old place=general -> forward



=== TEST 3: natural and bytewise order, where they differ
--- steps
payment_47 decline errs=12                      -> forward
payment_47 decline errs=12 order=bytes          -> forward
payment_47 decline errs=12 order=bytes place=general -> forward
payment_47 decline errs=12 proj=123             -> forward
payment_47 decline errs=12 proj=123 order=bytes -> forward
payment_47 decline errs=12 proj=123 key=old     -> forward
payment_47 decline errs=12 proj=123 key=old order=bytes -> forward
payment_47 decline errs=12 key=ua               -> bad_signature
payment_47 decline errs=12 key=ua order=bytes   -> bad_signature
! isnt(signature_of(callback('a', 'error', errs => 12), 'k', 'bytes'), signature_of(callback('a', 'error', errs => 12), 'k'), 'the orders differ')



=== TEST 4: the key of another project, an earlier key of another one, no key
--- steps
! my @bad = (project => 1234);
! post('another project', signed_text($::bare, key => 'ua'), 'bad_signature', project => 1234)
! post('previous key of another project', signed_text($::bare, key => 'old'), 'bad_signature', project => 1234)
! post('unknown key', signed_text($::bare, key => 'guessed'), 'bad_signature', project => 1234)
! post('the other way', signed_text(callback('p', 'success', proj => 123), key => 'kz'), 'bad_signature', project => 123)
! post('in general', signed_text($::bare, key => 'ua', place => 'general'), 'bad_signature', project => 1234)



=== TEST 5: forged and tampered signatures
--- steps
! post('another byte', with($::good, 'Success', 'Succesz'), 'bad_signature', project => 1234)
! post('another amount', with($::good, '"amount":100000', '"amount":100001'), 'bad_signature', project => 1234)
! post('another payment', with($::good, 'payment_47', 'payment_48'), 'bad_signature', project => 1234)
! post('another status', with($::good, '"status":"success"', '"status":"decline"'), 'bad_signature', project => 1234)
! post('nothing but 88 bytes', signed_as('"' . 'A' x 86 . '=="'), 'bad_signature', project => 1234)
! post('empty', signed_as('""'), 'bad_signature', project => 1234)
! post('a prefix', signed_as('"' . substr($::signature, 0, 87) . '"'), 'bad_signature', project => 1234)
! post('no padding', signed_as('"' . substr($::signature, 0, 86) . '"'), 'bad_signature', project => 1234)
! post('more', signed_as("\"$::signature=\""), 'bad_signature', project => 1234)
! post('a space', signed_as("\" $::signature\""), 'bad_signature', project => 1234)
! post('last bits', signed_as('"' . (substr($::signature, 0, 85) . chr(1 + ord substr $::signature, 85, 1) . '==') . '"'), 'bad_signature', project => 1234)
! post('in hex', signed_as('"' . unpack('H*', $::signature) . '"'), 'bad_signature', project => 1234)
! post('null', signed_as('null'), 'bad_signature', project => 1234)
! post('a number', signed_as('1'), 'bad_signature', project => 1234)
! post('a list', signed_as("[\"$::signature\"]"), 'bad_signature', project => 1234)
! post('an object', signed_as("{\"signature\":\"$::signature\"}"), 'bad_signature', project => 1234)
! post('escaped, but the same', signed_as('"' . join('', map { sprintf '\u%04x', ord } split //, $::signature) . '"'), 'forward', @::kz)



=== TEST 6: not signed
--- steps
! post('no signature', $::bare, 'unsigned', project => 1234)
! post('deeper', with($::bare, '"customer":{', "\"customer\":{\"signature\":\"$::signature\","), 'unsigned', project => 1234)
! post('another case', with($::bare, '{', "{\"Signature\":\"$::signature\","), 'unsigned', project => 1234)
! post('in a list of general', with($::bare, '{', "{\"general\":[{\"signature\":\"$::signature\"}],"), 'unsigned', project => 1234)
! post('a header', $::bare, 'unsigned', project => 1234, with => { headers => ["Signature: $::signature"] })
! post('only a project', '{"project_id":1234}', 'unsigned', project => 1234)



=== TEST 7: the top level's signature counts, also where general has one
--- steps
! post('good one in general', with(signed_text($::bare, place => 'general'), '{', '{"signature":"x",'), 'bad_signature', project => 1234)
! post('good one at the top', with($::good, '{', '{"general":{"signature":"x"},'), 'ambiguous', project => 1234, message => 'signature stands in more than one place')



=== TEST 8: projects that are not configured, or not accepted here
--- config
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
    location = /one {
        gate_verify  kz;
        proxy_pass   http://service/taken;
    }
--- steps
! post('unknown', signed_text(callback('p', 'success', proj => 999)), 'unknown_project')
! post('no project, two accepted', signed_text(callback('p', 'success', proj => 'none')), 'unknown_project')
! post('no project, one accepted', signed_text(callback('p', 'success', proj => 'none')), 'forward', project => 1234, id => 'p', with => { at => '/one' })
! post('no project, of another one', signed_text(callback('p', 'success', proj => 'none'), key => 'ua'), 'bad_signature', project => 1234, with => { at => '/one' })
! post('not accepted here', signed_text(callback('p', 'success', proj => 123), key => 'ua'), 'unknown_project', with => { at => '/one' })
! post('a string', signed_text(with($::bare, 1234, '"1234"')), 'forward', @::kz)
! post('no integer', signed_text(with($::bare, 1234, '"01234"')), 'unknown_project')
! post('zero', signed_text(with($::bare, 1234, 0)), 'unknown_project')
! post('wraps', signed_text(with($::bare, 1234, 4294967296 + 1234)), 'unknown_project')
! post('negative', signed_text(with($::bare, 1234, -1234)), 'unknown_project')
! post('null', signed_text(with($::bare, 1234, 'null')), 'unknown_project')



=== TEST 9: project_id in general, there and at the top level
--- steps
! my $g = with(callback('p', 'success', proj => 'none'), '{', '{"general":{"project_id":1234},'); post('in general', signed_text($g), 'forward', project => 1234, id => 'p')
! my $g = with(callback('p', 'success', proj => 'none'), '{', '{"general":{"project_id":123},'); post('in general, with the key of another', signed_text($g), 'bad_signature', project => 123)
! post('equal in both', signed_text(with($::bare, '{', '{"general":{"project_id":1234},')), 'forward', @::kz)
! post('different', signed_text(with($::bare, '{', '{"general":{"project_id":123},')), 'bad_json', message => 'general.project_id must be equal to project_id')
! post('of another type', signed_text(with($::bare, '{', '{"general":{"project_id":"1234"},')), 'forward', @::kz)
! post('no number', signed_text(with($::bare, '{', '{"general":{"project_id":"x"},')), 'bad_json', message => 'general.project_id must be equal to project_id')



=== TEST 10: texts that are no JSON, or read in more than one way
--- steps
! all_broken_are_refused()



=== TEST 11: other methods
--- steps
! post($_, $::good, 'bad_method', with => { method => $_ }) for qw( PUT PATCH DELETE OPTIONS PROPFIND GET NONSENSE )
! post("$_ without a body", '', 'bad_method', with => { method => $_ }) for qw( GET DELETE )



=== TEST 12: HEAD
--- request
HEAD /callbacks
--- error_code: 405
--- response_headers
Allow: POST
X-Gate-Source: gateway
X-Result: bad_method
--- response_body



=== TEST 13: what cannot be read, has no value, or is written in another way
--- config
    location = /callbacks {
        gate_verify  kz ua;
        proxy_pass   http://service/taken;
    }
    location = /one {
        gate_verify  kz;
        proxy_pass   http://service/taken;
    }
--- steps
! post('types', signed_text($::typed), 'forward', project => 1234, id => '47')
! unread_pass()
! no_values_pass()
! ids_pass()
! post('partially paid out', signed_text(with($::bare, '"status":"success"', '"status":"partially paid out"')), 'forward', @::kz, payment_status => 'partially_paid_out')
--- errors
--- no_error_log
[alert]



=== TEST 14: members that the signature does not cover
--- steps
! post('frame_mode', with($::good, '{', '{"frame_mode":"popup",'), 'ambiguous', project => 1234, message => 'frame_mode is not covered by the signature')
! post('nested frame_mode', with($::good, '"customer":{', '"customer":{"frame_mode":{},'), 'ambiguous', project => 1234, message => 'frame_mode is not covered by the signature')
! post('nested signature', with($::good, '"customer":{', '"customer":{"signature":"x",'), 'ambiguous', project => 1234, message => 'signature stands in more than one place')
! post('signature in a list', signed_text(with($::bare, '{', '{"list":[{"signature":{"a":1}}],')), 'ambiguous', project => 1234, message => 'signature stands in more than one place')
! post("hidden: $_->[0]", $_->[1], 'ambiguous', project => 1234, message => $_->[2]) for look_alikes()
! post('a value of that name is none', signed_text(with($::bare, 'Success', 'signature')), 'forward', @::kz)



=== TEST 15: the callbacks of the method pages
--- steps
! for my $page (qw( mobile-success mobile-decline card-success card-decline )) { passes($page, page($page)) }
! for my $page (qw( mobile-success mobile-decline )) { post("$page as printed", page($page), 'bad_signature', project => 1234) }
! for my $page (qw( card-success card-decline )) { post("$page as printed", page($page), 'bad_signature', project => 123) }



=== TEST 16: published vectors, and computed ones
--- http_config eval: $::vector_projects . $::vector_http
--- config eval: $::vector_locations
--- steps
! vectors_pass()
--- errors
--- no_error_log
[alert]



=== TEST 17: what callbacks may have besides
--- steps
! passes('fields to be clarified', more('"clarification_fields":{"payer":["address","zip"],"avs_data":{"avs_post_code":["x"]},"customer":[]}'))
! passes('errors', more('"errors":[' . join(',', map { "{\"code\":$_,\"message\":\"m $_\",\"field\":\"a.b[$_]\",\"fail\":true}" } 1 .. 25) . ']'))
! passes('errors, bytewise', more('"errors":[' . join(',', map { "{\"code\":$_}" } 1 .. 25) . ']'), order => 'bytes')
! passes('decimals', more('"rates":[1.10,100.00,0.1,1e25,-0.0,1E-7,123456789.123456789,9007199254740993,12345678901234567890]'))
! passes('unicode', more("\"memo\":\"\x{411}\x{430}\x{439}\x{442} \x{1f600} \x{20b8}\",\"\x{438}\x{43c}\x{44f}\":[\"\\u0412\\ud83d\\ude00\\/\\n\"]"))
! passes('literals and empty ones', more('"a":null,"b":true,"c":false,"d":{},"e":[],"f":"","":"empty key","g:h":{":":1}'))
! post('a key that Gate loses', signed_text('{"project_id":1234,"0":{"a":"x"}}'), 'bad_json', project => 1234, message => 'body is not acceptable JSON: object or array under a top-level key that is empty or 0 at byte 23')
! passes('a nesting of 31', more('"deep":' . '{"a":' x 30 . '1' . '}' x 30))



=== TEST 18: not about a payment, or not much
--- steps
! post('project only', signed_text('{"project_id":1234}'), 'forward', project => 1234)
! post('a card', signed_text('{"project_id":1234,"recurring":{"id":7,"status":"active"}}'), 'forward', project => 1234)
! post('payment without id', signed_text('{"project_id":1234,"payment":{"status":"success"}}'), 'forward', project => 1234)
! post('empty payment', signed_text('{"project_id":1234,"payment":{}}'), 'forward', project => 1234)
! post('payment of another type', signed_text('{"project_id":1234,"payment":"none"}'), 'unread', project => 1234, why => 'payment must be an object')
! post('empty id', signed_text('{"project_id":1234,"payment":{"id":""}}'), 'forward', project => 1234)
! post('id of 1021 bytes', signed_text('{"project_id":1234,"payment":{"id":"' . 'x' x 1021 . '"}}'), 'unread', project => 1234, why => "payment.id $::text")
--- errors
--- no_error_log
[alert]



=== TEST 19: ids are harmless in headers, logs and answers
--- steps
! my $res = send_callback(signed_text('{"project_id":1234,"payment":{"id":"a\r\nX-Evil: 1\u0000","status":"x\ny"}}')); is($res->{status}, 200, 'status'); my $got = $::service->last_request()->{headers}; is($got->{'x-gate-payment-id'}, 'a%0d%0aX-Evil: 1%00', 'payment id'); is($got->{'x-gate-callback-status'}, 'x%0ay', 'payment status'); is($got->{'x-evil'}, undef, 'no other header')



=== TEST 20: bodies in memory, in a file, in chunks
--- config
    location = /callbacks {
        client_body_buffer_size  8k;
        gate_verify              kz ua;
        proxy_pass               http://service/taken;
    }
--- steps
! shapes_arrive()
! on_one_connection()
--- error_log
a client request body is buffered to a temporary file
--- no_error_log
[error]
[alert]



=== TEST 21: over HTTP/2
--- http2
--- steps
! http2_arrives()



=== TEST 22: a body that is too large
--- config
    location = /callbacks {
        client_max_body_size  2k;
        gate_verify           kz ua;
        proxy_pass            http://service/taken;
    }
--- steps
! my $count = $::service->count(); is(send_callback(long(2048))->{status}, 413, 'status'); is($::service->count() - $count, 0, 'reached nobody')
! post('a smaller one', $::good, 'forward', @::kz)
--- errors
--- error_log
client intended to send too large body



=== TEST 23: deeper or flatter than by default
--- config
    location = /callbacks {
        gate_max_depth  4;
        gate_verify     kz ua;
        proxy_pass      http://service/taken;
    }
--- steps
! post('4 levels', $::good, 'forward', @::kz)
! post('5 levels', signed_text('{"project_id":1234,"a":{"b":{"c":{"d":{}}}}}'), 'bad_json', message => 'body is not acceptable JSON: nesting is too deep at byte 38')



=== TEST 24: nothing unverified reaches Redis
--- more_http
    gate_redis unix:$TEST_NGINX_REDIS_SOCKET timeout=5s;
--- config
    location = /callbacks {
        gate_verify       kz ua;
        gate_deduplicate  on;
        proxy_pass        http://service/taken;
    }
--- steps
! $::before = scripts_run()
! post('another byte', with($::good, 'Success', 'Succesz'), 'bad_signature', project => 1234)
! post('no signature', $::bare, 'unsigned', project => 1234)
! post('another project', signed_text($::bare, key => 'ua'), 'bad_signature', project => 1234)
! post('unknown', signed_text(callback('p', 'success', proj => 999)), 'unknown_project')
! post('nested signature', with($::good, '"customer":{', '"customer":{"signature":"x",'), 'ambiguous', project => 1234, message => 'signature stands in more than one place')
! post('not JSON', '{', 'bad_json', message => 'body is not acceptable JSON: unexpected end of text at byte 1')
! post('GET', $::good, 'bad_method', with => { method => 'GET' })
! redis_was_not_asked(0)
! is($::redis->dump(), '', 'Redis is empty')
! post('verified', $::good, 'forward', @::kz)
! redis_was_not_asked(2)
! $::redis->cmd('FLUSHALL')



=== TEST 25: gate_verify off
--- config
    location /callbacks {
        gate_verify  kz;
        proxy_pass   http://service/taken;
        location = /callbacks/plain {
            gate_verify  off;
            proxy_pass   http://service/plain;
        }
    }
--- steps
! my $res = send_callback('x', at => '/callbacks/plain'); is($res->{status}, 200, 'status'); is($res->{body}, 'x', 'answer of the service')
! post('by its parent', with($::good, 'Success', 'S'), 'bad_signature', project => 1234)



=== TEST 26: a body in another encoding than JSON's own
--- steps
! post($_, $::good, 'bad_encoding', with => { headers => ["Content-Encoding: $_"] }) for qw( gzip br deflate x )
! post('two', $::good, 'bad_encoding', with => { headers => ['Content-Encoding: identity', 'Content-Encoding: gzip'] })
! post('a list', $::good, 'bad_encoding', with => { headers => ['Content-Encoding: identity, gzip'] })
! post('identity', $::good, 'forward', @::kz, with => { headers => ['Content-Encoding: identity'] })



=== TEST 27: texts as people write them are no look-alikes
--- steps
! post($_, signed_text(callback('payment_47', 'success', note => $_)), 'forward', @::kz) for 'order:15;amount:1500;currency:KZT;status:paid', 'a;payment:card;customer:x', 'https://shop.kz/p;id=5:a?x=1;y=2', "\xd0\x97\xd0\xb0\xd0\xba\xd0\xb0\xd0\xb7: 5; \xd0\xb8\xd0\xbc\xd1\x8f: \xd0\x90\xd1\x81\xd0\xb5\xd0\xbb\xd1\x8c", "\xd2\x9a\xd0\xb0\xd0\xb7\xd0\xb0\xd2\x9b;name:\xd3\x98\xd0\xbb\xd0\xb8\xd1\x8f"



=== TEST 28: a callback of many values is refused before it is verified
--- steps
! post('4096 values', signed_text('{"project_id":1234,"a":[' . join(',', (1) x 4092) . ']}'), 'forward', project => 1234)
! post('4097 values', signed_text('{"project_id":1234,"a":[' . join(',', (1) x 4093) . ']}'), 'too_many_values', message => 'request body has too many values')
! post('4097 forged values', '{"project_id":1234,"signature":"","a":[' . join(',', (1) x 4093) . ']}', 'too_many_values', message => 'request body has too many values')
