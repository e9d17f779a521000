#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# gatesig, built under ASan and UBSan: what it prints and its exit codes.

use strict;
use warnings;

use Fcntl qw(:flock);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
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

canonical();
signs();
verifies();
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
        [qr/bad value of "--key-file"/,     'verify',
            map { ('--key-file', 'KEY') } 1 .. 9],
        [qr/one file only, not also "b"/,   'canonical', 'a', 'b'],
    );

    for my $case (@wrong) {
        my ($errors, @words) = @$case;

        outcome("usage @words", ['{}', @words], 2, '', $errors);
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
