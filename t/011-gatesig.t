#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# gatesig, built under ASan and UBSan: what it prints and its exit codes.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha512);
use Fcntl qw(:flock);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use MIME::Base64 qw(encode_base64);
use Test::More;

chdir "$FindBin::Bin/.." or BAIL_OUT("no $FindBin::Bin/..: $!");

my $cc    = $ENV{CC} || 'gcc';
my $build = 'build/unit-' . ($cc =~ s{.*/}{}r =~ s/[^\w.+-]/-/gr);
my $dir   = tempdir(CLEANUP => 1);

make_path($build);

open my $lock, '>', "$build/lock" or BAIL_OUT("$build/lock: $!");
flock $lock, LOCK_EX or BAIL_OUT("flock: $!");

is(system("make -s -f t/unit/Makefile B=$build CC='$cc' gatesig"), 0, 'built')
    or BAIL_OUT('gatesig does not build');

close $lock;

# HMAC-SHA512 with "secret", by openssl mac

my $SIGNED = 'UbbdbLLpa4TEXD9k9GmSCIOcvag1oF3e+HrPVjiScFuK'
    . '9e9LfY+RHXc05ya23XdiC5d9kmb5iL5rFmR5UHW1gw==';    # a:1;b:2
my $BYTES = 't+3BOP/fu6S0xSd5upXvMJGQp4hzil86/IPOuQMIvPMU'
    . 'Be1Mypg3LsEMqN4vjD79eaNkEkzf2tW6f0RYpmUfZQ==';    # x10:1;x9:2
my $PROJECT = '21YLvhnBSqC//yuRu73ZNjKfuyMe2OcBn1aLuKijFnQU'
    . 'bdcPGcJfTjm5y9jK8eup8S+WgLc8eLHtmuXk1avW5w==';    # a:1;general:project_id:77

file('key',    'secret');
file('key.lf', "secret\n");
file('key.cr', "secret\r\n");
file('key.2',  "secret\n\n");
file('other',  'other');
file('empty',  "\n");
file('long',   'k' x 4097);
file('hex',    unpack 'H*', 'secret');
file('spaces', " secret \n");

canonical();
signs();
verifies();
explains();
explains_without_cause();
explains_safely();
example_of_the_manual();
injects();
bad_input();
bad_usage();
key_files();

done_testing();


sub file {
    my ($name, $text) = @_;

    open my $f, '>:raw', "$dir/$name" or die "$dir/$name: $!";
    print {$f} $text;
    close $f or die "$dir/$name: $!";

    return "$dir/$name";
}


# Runs gatesig on an input; returns exit code, output and errors.

sub gatesig {
    my ($input, @words) = @_;

    file('input', $input);
    my $words = join ' ', map { "'$_'" } map { s/^KEY/$dir\/key/r } @words;
    my $output = `$build/gatesig $words <$dir/input 2>$dir/errors`;
    my $code   = $? & 127 ? "signal $?" : $? >> 8;

    open my $f, '<:raw', "$dir/errors" or die "$dir/errors: $!";
    local $/ = undef;

    return ($code, $output, scalar <$f>);
}


sub outcome {
    my ($name, $run, $code, $output, $errors) = @_;

    my @got = gatesig(@$run);

    is($got[0], $code,   "$name: exit code") or diag($got[2]);
    is($got[1], $output, "$name: output");

    if (ref $errors) {
        like($got[2], $errors, "$name: errors");

    } else {
        is($got[2], $errors // '', "$name: errors");
    }

    return;
}


sub canonical {
    my $lists = '{"e":[' . join(',', 0 .. 10) . '],"signature":1}';

    outcome('canonical', [$lists, 'canonical'], 0,
        join(';', map {"e:$_:$_"} 0 .. 10) . "\n");
    outcome('no newline', ['{"b":2.50,"a":"x"}', 'canonical', '-n'], 0,
        'a:x;b:2.5');
    outcome('byte order', ['{"x9":2,"x10":1}', 'canonical', '--order',
        'bytes'], 0, "x10:1;x9:2\n");
    outcome('natural order', ['{"x10":1,"x9":2}', 'canonical',
        '--order=natural'], 0, "x9:2;x10:1\n");
    outcome('with project', ['{"a":1}', 'canonical', '--project-id', 77], 0,
        "a:1;general:project_id:77\n");
    outcome('with project at the top', ['{"a":1}', 'canonical',
        '--project-id=77', '--top-level'], 0, "a:1;project_id:77\n");
    outcome('nothing', ['{}', 'canonical'], 0, "\n");
    outcome('a dash is standard input', ['{"a":1}', 'canonical', '-'], 0,
        "a:1\n");

    my $file = file('doc', '{"f":1}');
    outcome('a file', ['{"a":1}', 'canonical', $file], 0, "f:1\n");
    outcome('words in any order', ['', '-n', '--order', 'bytes', 'canonical',
        '--', $file], 0, 'f:1');

    my $big = '{"a":"' . 'x' x 300_000 . '"}';
    outcome('a big object', [$big, 'canonical'], 0,
        'a:' . 'x' x 300_000 . "\n");

    return;
}


sub signs {
    outcome('sign', ['{"b":2,"a":1}', 'sign', '--key-file', 'KEY'], 0,
        "$SIGNED\n");
    outcome('no newline', ['{"b":2,"a":1}', 'sign', '-n', "--key-file=$dir/key"],
        0, $SIGNED);
    outcome('byte order', ['{"x9":2,"x10":1}', 'sign', '--key-file', 'KEY',
        '--order', 'bytes'], 0, "$BYTES\n");
    outcome('with project', ['{"a":1}', 'sign', '--key-file', 'KEY',
        '--project-id', 77], 0, "$PROJECT\n");

    return;
}


sub verifies {
    my @verify = ('verify', '--key-file', 'KEY');
    my $both   = '{"x9":2,"x10":1,"signature":"' . $BYTES . '"}';

    outcome('valid', [qq({"signature":"$SIGNED","a":1,"b":2}), @verify], 0,
        "ok: natural order, signature at the top level\n");
    outcome('in general',
        [qq({"general":{"signature":"$SIGNED"},"a":1,"b":2}), @verify], 0,
        "ok: natural order, signature in general\n");
    outcome('of bytes', [$both, @verify], 0,
        "ok: byte order, signature at the top level\n");
    outcome('only of bytes', [$both, @verify, '--order', 'bytes'], 0,
        "ok: byte order, signature at the top level\n");
    outcome('only natural', [$both, @verify, '--order', 'natural'], 1,
        "not valid: byte order, signature at the top level\n");
    outcome('both orders are one',
        [qq({"signature":"$SIGNED","a":1,"b":2}), @verify, '--order',
            'bytes'], 0, "ok: natural order, signature at the top level\n");
    outcome('changed', [qq({"signature":"$SIGNED","a":1,"b":3}), @verify], 1,
        "not valid: signature at the top level does not match\n");
    outcome('unsigned', ['{"a":1,"b":2}', @verify], 1,
        "not valid: no signature at the top level or in general\n");
    outcome('the second key',
        [qq({"signature":"$SIGNED","a":1,"b":2}), 'verify', '--key-file',
            "$dir/other", '--key-file', 'KEY'], 0,
        "ok: natural order, signature at the top level, key 2\n");
    outcome('another key', [qq({"signature":"$SIGNED","a":1,"b":2}),
            'verify', '--key-file', "$dir/other"], 1,
        "not valid: signature at the top level does not match\n");

    return;
}


# The signature of a text, that may not be the one that Gate signs.

sub of {
    my ($text, $key) = @_;

    return encode_base64(hmac_sha512($text, $key // 'secret'), '');
}


# Each mistake is told by its own words.

sub explains {
    my @doc = ('"payment":{"id":"p1","sum":1050,"note":"a/b"}',
        '"project_id":77');
    my $doc  = join ',', @doc;
    my $text = 'payment:id:p1;payment:note:a/b;payment:sum:1050;project_id:77';

    my @cases = (
        ['sorted', $doc, 'project_id:77;payment:id:p1;payment:sum:1050;'
            . 'payment:note:a/b', qr/No usual mistake/],
        ['document order', $doc, 'payment:id:p1;payment:sum:1050;'
            . 'payment:note:a/b;project_id:77', qr/order of the document/],
        ['whole lines', '"a":"x","a.":1,"ab":2', 'a.:1;a:x;ab:2',
            qr/sorted by whole lines/],
        ['as written', '"sum":10.50,"b":1.0', 'b:1.0;sum:10.50',
            qr/numbers were signed as they are written/],
        ['one number', '"sum":10.50,"b":1.0', 'b:1;sum:10.50',
            qr/the number "sum" was written in another way/],
        ['with .0', '"sum":10,"b":7', 'b:7.0;sum:10.0', qr/with ".0"/],
        ['decimals', '"sum":10,"b":7.5', 'b:7.50;sum:10.00',
            qr/with two decimals/],
        ['one with decimals', '"sum":10,"b":7', 'b:7;sum:10.00',
            qr/the number "sum"/],
        ['17 digits', '"a":0.123456789012345678', 'a:0.12345678901234568',
            qr/with all their digits/],
        ['a large number', '"a":12345678901234567', 'a:1.2345678901235E+16',
            qr/as floating-point/],
        ['digits', '"a":"0010.50","b":1', 'a:10.5;b:1',
            qr/"a", digits in a string, was signed as a number/],
        ['major units', $doc, $text =~ s/1050/105000/r,
            qr/"payment:sum" was 100 times as much/],
        ['minor units', '"a":{"sum":500}', 'a:sum:5',
            qr/"a:sum" was a hundredth/],
        ['words', '"a":true,"b":false,"c":null', 'a:true;b:false;c:null',
            qr/as words/],
        ['true as a word', '"a":true,"b":null', 'a:true;b:',
            qr/"a" was signed as a word/],
        ['null', '"a":true,"b":null', 'a:1;b:null', qr/null was signed as a/],
        ['no nulls', '"a":"","b":null,"c":1', 'a:;c:1',
            qr/members that are null were left out/],
        ['nothing empty', '"a":"","b":null,"c":1', 'c:1',
            qr/empty strings and nulls were left out/],
        ['escapes', '"a":"x\\/y","b":"\\u0416"', 'a:x\\/y;b:\\u0416',
            qr/as they stand in the JSON/],
        ['a field more', "$doc,\"seen\":1", $text, qr/"seen" was not there/],
        ['a field in a list', '"a":[{"b":1,"c":2},{"b":3}]',
            'a:0:b:1;a:1:b:3', qr/"a:0:c" was not there/],
        ['an object more', "$doc,\"trace\":{\"a\":1,\"b\":[2,3]}", $text,
            qr/"trace" was not there/],
        ['frame_mode', '"a":1,"frame_mode":"popup"', 'a:1;frame_mode:popup',
            qr/"frame_mode" was signed, too/],
        ['empty signature', '"a":1', 'a:1;signature:',
            qr/"signature" was signed, too/],
        ['order of bytes besides', '"x9":2.50,"x10":1', 'x10:1;x9:2.50',
            qr/numbers were signed as they are written/],
    );

    for my $case (@cases) {
        my ($name, $members, $signed, $cause) = @$case;

        explained($name, "{$members,\"signature\":\"@{[ of($signed) ]}\"}",
            $cause);
    }

    my $right = of($text);
    my $hmac  = hmac_sha512($text, 'secret');
    my %forms = (
        hex          => [unpack('H*', $hmac), qr/not in Base64/],
        HEX          => [uc unpack('H*', $hmac), qr/not in Base64/],
        'no padding' => [$right =~ s/=//gr, qr/not in Base64/],
        url          => [$right =~ tr{+/}{-_}r, qr/not in Base64/],
        newline      => ["$right\\n", qr/not in Base64/],
        sha256       => [encode_base64(hmac_sha256($text, 'secret'), ''),
            qr/length of SHA-256/],
        word         => ['signature', qr/no HMAC-SHA512 in Base64/],
        empty        => ['', qr/no HMAC-SHA512 in Base64/],
    );

    for my $form (sort keys %forms) {
        explained("form: $form", "{$doc,\"signature\":\"$forms{$form}[0]\"}",
            $forms{$form}[1]);
    }

    explained('no string', "{$doc,\"signature\":[1]}", qr/no HMAC-SHA512/);

    my $of = sub { "{$doc,\"signature\":\"@{[ of($text, $_[0]) ]}\"}" };

    explained('newline of the key', $of->("secret\n"),
        qr/the newline at the end of/, 'key.lf');
    explained('spaces around it', $of->('secret'),
        qr/without the white space around/, 'spaces');
    explained('a key in hex', $of->('secret'), qr/in hexadecimal/, 'hex');

    return;
}


sub explained {
    my ($name, $doc, $cause, @keys) = @_;

    my ($code, $output, $errors) = gatesig($doc, 'verify', '--explain',
        map { ('--key-file', "$dir/$_") } @keys ? @keys : 'key');

    is($code, 1, "explain $name: exit code");
    is($errors, '', "explain $name: errors");
    like($output, qr/\Anot\ valid:\ [^\n]*\n
                     canonical\ string:\ [^\n]*\n
                     (?:given\ signature:\ [^\n]*\n)?
                     (?:with\ [^\n]*:\ expected\ signature:\ \S{88}\n)+
                     likely\ cause:\ ([^\n]*)\n\z/x, "explain $name: form");
    like($output, qr/^likely cause: .*$cause/m, "explain $name: cause");

    return;
}


sub explains_without_cause {
    my $doc = '"a":{"b":1},"c":"x"';

    explained('another key', "{$doc,\"signature\":\""
        . of('a:b:1;c:x', 'another') . '"}', qr/not found\..*with this key:/);
    explained('other keys', "{$doc,\"signature\":\""
        . of('a:b:1;c:x', 'another') . '"}', qr/not found\..*with these keys:/,
        qw(key other));
    explained('a value', "{$doc,\"signature\":\"" . of('a:b:2;c:x') . '"}',
        qr/not found/);
    explained('no signature', "{$doc}", qr/it was not signed/);
    explained('a signature elsewhere', '{"payment":[{"Signature":"x"}]}',
        qr/there is one at "payment:0:Signature"/);

    my @verify = ('verify', '--explain', '--key-file', 'KEY');

    outcome('explain: valid', [qq({"signature":"$SIGNED","a":1,"b":2}),
        @verify], 0, "ok: natural order, signature at the top level\n"
        . "canonical string: a:1;b:2\ngiven signature: $SIGNED\n"
        . "with $dir/key: expected signature: $SIGNED\n");

    my $both = '{"x9":2,"x10":1,"signature":"' . $BYTES . '"}';
    my @got  = gatesig($both, @verify, '--order', 'natural');

    is($got[0], 1, 'explain: another order');
    like($got[1], qr/^likely cause: .* in byte order$/m, 'which one');

    return;
}


# What a terminal would act on, what is large, and what cannot be guessed.

sub explains_safely {
    my ($code, $output) = gatesig("{\"a\":\"\\u001b[2J\\u009bx\\u0416\","
        . "\"\\u001bz\":\"007\",\"signature\":\"\\u001b]0;\"}", 'verify',
        '--explain', '--key-file', 'KEY');

    is($code, 1, 'control characters: exit code');
    unlike($output, qr/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]/,
        'control characters are not printed');
    like($output, qr/a:\\x1b\[2J\\xc2.?x\xd0\x96/s, 'but told');

    my $many = join ',', map {"\"k$_\":\"$_\""} 1 .. 20_000;
    my $wrong = of('nothing');
    my $start = time;

    ($code, $output) = gatesig("{$many,\"signature\":\"$wrong\"}", 'verify',
        '--explain', '--key-file', 'KEY', '--max-values', 65536);

    is($code, 1, 'a large object: exit code');
    like($output, qr/^likely cause: not found/m, 'a large object');
    cmp_ok(time - $start, '<', 120, 'it ends');

    return;
}


# Runs in a shell what the manual shows.

sub example_of_the_manual {
    open my $page, '<', 'doc/gatesig.1' or die "doc/gatesig.1: $!";
    my @lines = grep {/^\.Dl \$ .*\btr\b/} <$page>;
    close $page;

    ok(scalar @lines, 'the manual has an example with tr');

    my $script = join '', map {s/^\.Dl \$ //r} @lines;
    $script =~ s/\\\(aq/'/g;
    $script =~ s/\\&//g;
    $script =~ s/\\e/\\/g;

    file('payout.json', '{"b":{"c":1},"a":"x"}');
    file('theirs', "a:x;b:c:1.0\n");
    file('example', "PATH=\$PWD/bin:\$PATH; cd $dir\n$script");
    mkdir "$dir/bin";
    symlink "$FindBin::Bin/../$build/gatesig", "$dir/bin/gatesig";
    my $output = `cd $dir && sh ./example 2>&1`;

    is($output, "2c2\n< b:c:1\n---\n> b:c:1.0\n", 'it works as printed');

    return;
}


sub version {
    open my $changes, '<', 'CHANGES.md' or die "CHANGES.md: $!";

    return (map { /^## (\S+)/ ? $1 : () } <$changes>)[0];
}


sub injects {
    my @inject = ('inject', '--key-file', 'KEY', '--project-id', 77);

    outcome('inject', [qq({ "a" : 1 }\n), @inject], 0,
        qq({"general":{"project_id":77,"signature":"$PROJECT"}, "a" : 1 }\n));

    my ($code, $body) = gatesig('{"directions":["payout"]}', @inject,
        '--top-level');
    like($body, qr/^\{"project_id":77,"signature":"[^"]{88}","directions":/,
        'inject at the top level');
    outcome('what was injected', [$body, 'verify', '--key-file', 'KEY'], 0,
        "ok: natural order, signature at the top level\n");

    ($code, $body) = gatesig($body, @inject, '--top-level', '--order',
        'bytes');
    is($code, 0, 'again');
    like($body, qr/^\{"project_id":77,"signature":"[^"]{88}","directions":/,
        'nothing is added twice');

    outcome('another project',
        ['{"general":{"project_id":78}}', @inject], 2, '',
        "gatesig: standard input: general.project_id is of another project"
            . " at byte 25\n");

    return;
}


sub bad_input {
    my %bad = (
        '{"a":1,"a":2}'    => 'duplicate key at byte 7',
        '{"a":1'           => 'unexpected end of text at byte 6',
        "{\"a\":\"\xff\"}" => 'invalid UTF-8 at byte 6',
        '{"a":"\ud800"}'   => 'lone surrogate at byte 6',
        '[1]'              => 'top level is not an object at byte 0',
        '{} x'             => 'trailing bytes at byte 3',
        ''                 => 'unexpected end of text at byte 0',
        '{"a":' . '[' x 32 => 'nesting is too deep at byte 36',
    );

    for my $text (sort keys %bad) {
        outcome("bad input $text", [$text, 'canonical'], 2, '',
            "gatesig: standard input: $bad{$text}\n");
    }

    outcome('deeper', ['{"a":[[]]}', 'canonical', '--max-depth', 2], 2, '',
        "gatesig: standard input: nesting is too deep at byte 6\n");

    my $many = '{"a":[' . join(',', (1) x 4094) . ']}';
    outcome('4096 values', [$many, 'canonical'], 0,
        join(';', map { "a:$_:1" } 0 .. 4093) . "\n");
    outcome('one value more', [$many =~ s/1\]/1,1]/r, 'canonical'], 2, '',
        "gatesig: standard input: too many values at byte 8195\n");
    outcome('more values', [$many =~ s/1\]/1,1]/r, 'canonical',
        '--max-values=4097'], 0,
        join(';', map { "a:$_:1" } 0 .. 4094) . "\n");
    outcome('fewer values', ['{"a":[1]}', 'canonical', '--max-values', 2], 2,
        '', "gatesig: standard input: too many values at byte 7\n");
    outcome('a key that Gate loses', ['{"a":1,"0":{"b":2}}', 'canonical'], 2,
        '', 'gatesig: standard input: object or array under a top-level '
            . "key that is empty or 0 at byte 11\n");
    outcome('no such file', ['', 'canonical', "$dir/none"], 2, '',
        qr/^gatesig: \Q$dir\E\/none: No such file or directory$/);
    outcome('a directory', ['', 'canonical', $dir], 2, '',
        qr/^gatesig: \Q$dir\E: Is a directory$/);

    my $file = file('bad', '{"a":}');
    outcome('the name of the file', ['', 'canonical', $file], 2, '',
        "gatesig: $file: unexpected token at byte 5\n");

    is(system("echo '{}' | $build/gatesig canonical >/dev/full 2>$dir/errors")
            >> 8, 2, 'output that cannot be written');

    return;
}


sub bad_usage {
    my @wrong = (
        [qr/a command is missing/],
        [qr/unknown command "signs"/,       'signs'],
        [qr/--key-file is missing/,         'sign'],
        [qr/--key-file is missing/,         'verify'],
        [qr/--project-id is missing/,       'inject', '--key-file', 'KEY'],
        [qr/verify takes no --project-id/,  'verify', '--key-file', 'KEY',
            '--project-id', 5],
        [qr/only verify takes --explain/,   'sign', '--key-file', 'KEY',
            '--explain'],
        [qr/only verify takes several/,     'sign', '--key-file', 'KEY',
            '--key-file', 'KEY'],
        [qr/--top-level goes with/,         'canonical', '--top-level'],
        [qr/unknown option "--what"/,       'canonical', '--what'],
        [qr/unknown option "-nn"/,          'canonical', '-nn'],
        [qr/bad option "-n=1"/,             'canonical', '-n=1'],
        [qr/missing after "--order"/,       'canonical', '--order'],
        [qr/bad value of "--order"/,        'canonical', '--order', 'up'],
        [qr/bad value of "--project-id"/,   'canonical', '--project-id', 0],
        [qr/bad value of "--project-id"/,   'canonical', '--project-id=1a'],
        [qr/bad value of "--project-id"/,   'canonical', '--project-id',
            4294967296],
        [qr/bad value of "--max-depth"/,    'canonical', '--max-depth', 513],
        [qr/bad value of "--max-depth"/,    'canonical', '--max-depth', ''],
        [qr/bad value of "--max-values"/,   'canonical', '--max-values', 65537],
        [qr/bad value of "--max-values"/,   'canonical', '--max-values=0'],
        [qr/bad value of "--key-file"/,     'verify',
            map { ('--key-file', 'KEY') } 1 .. 9],
        [qr/one file only, not also "b"/,   'canonical', 'a', 'b'],
    );

    for my $case (@wrong) {
        my ($errors, @words) = @$case;

        outcome("usage @words", ['{}', @words], 2, '', $errors);
    }

    my $version = version();

    for my $words ([qw(--version)], [qw(verify --version --key-file none)]) {
        outcome("@$words", ['', @$words], 0, "gatesig (nginx-gate) $version\n");
    }

    for my $help ('-h', '--help') {
        my ($code, $output) = gatesig('', 'sign', $help);

        is($code, 0, $help);
        like($output, qr/^usage: gatesig .*canonical.*inject/s, "$help tells");
    }

    return;
}


sub key_files {
    for my $key ('key', 'key.lf', 'key.cr') {
        outcome("newline of $key", ['{"b":2,"a":1}', 'sign', '--key-file',
            "$dir/$key"], 0, "$SIGNED\n");
    }

    my ($code, $output) = gatesig('{"b":2,"a":1}', 'sign', '--key-file',
        "$dir/key.2");
    isnt($output, "$SIGNED\n", 'a second newline is part of the key');

    outcome('an empty key', ['{}', 'sign', '--key-file', "$dir/empty"], 2, '',
        "gatesig: $dir/empty: the key is empty\n");
    outcome('a long key', ['{}', 'sign', '--key-file', "$dir/long"], 2, '',
        "gatesig: $dir/long: the key is longer than 4096 bytes\n");
    outcome('no key', ['{}', 'sign', '--key-file', "$dir/none"], 2, '',
        "gatesig: $dir/none: No such file or directory\n");

    return;
}
