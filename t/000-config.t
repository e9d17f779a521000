#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# The module loads; a bad configuration is refused with a message that names
# directive and value; conf.example starts as it is.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( root scratch write_file write_key read_file free_port
                  keys_dir certificate );
use Gate::Http;
use Gate::Nginx;
use Gate::Outbound qw( :all );
use Test::Nginx::Socket 'no_plan';

my $keys = keys_dir();

write_key('empty.key', '');
write_key('lf.key', "\n");
write_key('crlf.key', "\r\n");
write_key('max.key', 'k' x 4096 . "\r\n");
write_key('over.key', 'k' x 4097);
write_key('big.key', 'k' x 4097 . "\n" x 5000);
write_key('read.key', 'key', 0644);
write_key('write.key', 'key', 0602);
write_key('none.key', 'key', 0600);
mkdir "$keys/dir.key";
symlink 'none.key', "$keys/link.key";
symlink 'nowhere', "$keys/broken.key";
system('mkfifo', '-m', '600', "$keys/fifo.key");

# A project with these lines.

sub project {
    my ($name, @lines) = @_;

    return CORE::join "\n", "gate_project $name {", @lines, '}', '';
}

sub key { return "secret_file $keys/" . ($_[0] // 'kz.key') . ';' }

our $kz = project('kz', 'id 1234;', key());

# --- conf.example

# The example's own text, but for where it listens, logs and keeps bodies.

sub example {
    my ($dir) = @_;

    my $text = read_file(root() . '/conf.example') // die "no conf.example\n";
    my ($inside, $outside) = (free_port(), free_port());
    my $temp = Gate::Nginx::temp_paths($dir);

    my @changes = (
        [qr{^load_module modules/ngx_http_gate_module\.so;$}m,
         Gate::Nginx::load_modules()],
        [qr{^http \{$}m,                "http {\n$temp"],
        [qr{/var/log/nginx/error\.log},  "$dir/error.log"],
        [qr{/var/log/nginx/access\.log}, "$dir/access.log"],
        [qr{/run/nginx\.pid},            "$dir/nginx.pid"],
        [qr{listen 127\.0\.0\.1:8080;},  "listen 127.0.0.1:$inside;"],
        [qr{listen      443 ssl;},       "listen 127.0.0.1:$outside ssl;"],
    );

    for my $change (@changes) {
        my ($from, $to) = @$change;

        Test::More::is(scalar(() = $text =~ /$from/g), 1, "once: $from");
        $text =~ s/$from/$to/;
    }

    return ($text, $inside);
}

sub example_files {
    my ($dir) = @_;

    mkdir $_, 0755 for $dir, "$dir/secrets", "$dir/tls", "$dir/logs";

    write_file("$dir/secrets/kz.key", "key of kz\n", 0600);
    write_file("$dir/secrets/cards.key", "key of cards\n", 0600);

    certificate("$dir/tls/gateway", '/CN=gateway.example.com');
}

sub test_example {
    my $dir = scratch() . '/example';

    example_files($dir);

    my ($text, $port) = example($dir);
    write_file("$dir/nginx.conf", $text);

    my $nginx = Gate::Nginx->new(dir => $dir, log => "$dir/error.log",
                                 conf => "$dir/nginx.conf", workers => undef,
                                 args => ['-g', 'daemon off;']);

    Test::More::ok(eval { $nginx->start() }, 'conf.example starts')
        or Test::More::diag($@);

    example_answers($port);

    $nginx->signal('QUIT');
    Test::More::is($nginx->wait_end(), undef, 'conf.example quits');

    # there is no Redis, one body was too large on purpose, and who is not
    # root cannot change the user
    my @lines = grep { !/gate_redis .* is unavailable|too large body/
                       && ($> == 0 || !/"user" directive makes sense only/) }
                grep { /\[(?:alert|emerg|crit|error|warn)\]/ }
                split /\n/, $nginx->text();
    Test::More::is("@lines", '', 'conf.example starts quietly');

    example_log($dir);
}

sub example_answers {
    my ($port) = @_;

    my $ask = sub {
        my ($body, @headers) = @_;

        return Gate::Http::post('/v2/payment/mobile/payout', $body,
            to => $port, headers => \@headers);
    };

    my $res = $ask->('{"general":{"payment_id":"p"}}',
                     'Content-Type: application/json');

    Test::More::is($res->{status}, 400, 'conf.example: a missing field');
    Test::More::is($res->{body}, refusal('2004', 'payment.amount is required',
                                         1234, 'p'), 'conf.example: its body');
    Test::More::is($res->{headers}{'x-gate-source'}, 'gateway',
                   'conf.example: who says so');

    $res = $ask->('x' x 70000, 'Content-Type: application/json');

    Test::More::is($res->{status}, 413, 'conf.example: too large');
    Test::More::is($res->{body}, refusal('gw_too_large',
                                         'request body is too large'),
                   'conf.example: body of its 413');
}

sub example_log {
    my ($dir) = @_;

    my ($line) = split /\n/, read_file("$dir/access.log") // '';
    my $entry = eval { json($line) } // {};

    Test::More::is($entry->{result}, 'missing_field', 'conf.example: its log');
    Test::More::is($entry->{payment_id}, 'p', 'conf.example: id in its log');
    Test::More::is($entry->{project_id}, '1234',
                   'conf.example: project in its log');
}

Gate::Outbound::suite();
test_example();

run_tests();

__DATA__

=== TEST 1: the module loads, and forwards nothing by itself
--- http_config
    upstream gate {
        server unix:$TEST_NGINX_UPSTREAM_SOCKET;
    }
--- config
    location /v2/ {
        proxy_pass  http://gate;
    }
--- request
POST /v2/info/x
{}
--- response_headers
! X-Gate-Source
--- response_body chomp
{}



=== TEST 2: every directive where it belongs
--- http_config eval
"gate_validate strict; gate_sort bytes; gate_max_depth 512;
upstream gate { server unix:\$TEST_NGINX_UPSTREAM_SOCKET; }
$::kz
gate_project Another.name-2 { secret_file $ENV{TEST_NGINX_KEYS}/ua.key;
    previous_secret_file $ENV{TEST_NGINX_KEYS}/missing; id 4294967295; }"
--- config
    gate_validate   basic;
    gate_sort       natural;
    gate_max_depth  1;

    location /v2/ {
        gate_validate   off;
        gate_sort       bytes;
        gate_max_depth  2;
        gate_sign       Another.name-2;
        proxy_pass      http://gate;

        error_page      404 @e;
    }

    location @e {
        gate_error;
    }
--- request
POST /v2/info/x
{}
--- response_body eval
'{"general":{"project_id":4294967295,"signature":"'
. ::signature($::ua_key, 'general:project_id:4294967295') . '"}}'



=== TEST 3: without proxy_pass
--- config
    location /v2/ {
        gate_sign   kz;
        mirror      /copy;
        root        $TEST_NGINX_HTML_DIR;
    }

    location = /copy {
        internal;
        proxy_pass  http://gate/copy;
    }
--- request
POST /v2/info/x
{}
--- response_headers
! X-Gate-Source
--- error_code: 404
--- no_error_log
[alert]
--- reached: 1



=== TEST 4: projects of one file, a link to a file
--- http_config eval
$::kz . ::project('a', 'id 1;', ::key()) . ::project('b', 'id 2;', ::key('link.key'))
. ::project('c', 'id 3;', ::key('max.key'))
--- config
    location /v2/ {
        gate_sign   b;
        return      204;
    }
--- request
GET /v2/
--- error_code: 204
--- response_headers
! X-Gate-Source
--- no_error_log
[warn]
[error]
[alert]



=== TEST 5: a key that everyone may read is used, with a warning
--- http_config eval
::project('kz', 'id 1;', ::key('read.key'))
. 'upstream gate { server unix:$TEST_NGINX_UPSTREAM_SOCKET; }'
--- request
POST /v2/info/x
{}
--- response_body eval
'{"general":{"project_id":1,"signature":"'
. ::signature('key', 'general:project_id:1') . '"}}'
--- after eval
sub {
    my $warned = grep { /\[warn\].*"secret_file": ".*read\.key" is readable by everyone/ }
                      split /\n/, ::log_text();
    Test::More::is($warned, 1, 'a warning');
}



=== TEST 6: a project of no name
--- http_config eval: ::project('""', 'id 1;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project name "" in "gate_project"



=== TEST 7: a project named like a variable
--- http_config eval: ::project('a$b', 'id 1;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project name "a$b" in "gate_project"



=== TEST 8: a project named like an id
--- http_config eval: ::project('77', 'id 1;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project name "77" in "gate_project"



=== TEST 9: a project named like an id that is none
--- http_config eval: ::project('77777777777777777777777', 'id 1;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project name "77777777777777777777777" in "gate_project"



=== TEST 10: a project named "off"
--- http_config eval: ::project('off', 'id 1;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project name "off" in "gate_project"



=== TEST 11: two projects of one name
--- http_config eval: $::kz . ::project('kz', 'id 1;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
duplicate project "kz" in "gate_project"



=== TEST 12: two projects of one id
--- http_config eval: $::kz . ::project('other', 'id 1234;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
duplicate project id "1234" in "gate_project": "kz" and "other" have it



=== TEST 13: no id
--- http_config eval: ::project('kz', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
no "id" in "gate_project" "kz"



=== TEST 14: an id that is 0
--- http_config eval: ::project('kz', 'id 0;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project id "0" in "gate_project"



=== TEST 15: an id that is too large
--- http_config eval: ::project('kz', 'id 4294967296;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project id "4294967296" in "gate_project"



=== TEST 16: an id of too many digits
--- http_config eval: ::project('kz', 'id 18446744073709551617;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project id "18446744073709551617" in "gate_project"



=== TEST 17: an id that starts with 0
--- http_config eval: ::project('kz', 'id 0123;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project id "0123" in "gate_project"



=== TEST 18: an id that is no number
--- http_config eval: ::project('kz', 'id -1;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project id "-1" in "gate_project"



=== TEST 19: an empty id
--- http_config eval: ::project('kz', 'id "";', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid project id "" in "gate_project"



=== TEST 20: two ids
--- http_config eval: ::project('kz', 'id 1;', 'id 2;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
"id" is duplicate in "gate_project"



=== TEST 21: no arguments
--- http_config eval: ::project('kz', 'id;', ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
invalid number of arguments in "id" of "gate_project"



=== TEST 22: too many arguments
--- http_config eval: ::project('kz', 'id 1;', "secret_file $ENV{TEST_NGINX_KEYS}/kz.key x;")
--- config
--- must_die: 1
--- error_log
[emerg]
invalid number of arguments in "secret_file" of "gate_project"



=== TEST 23: a directive that there is not
--- http_config eval: ::project('kz', 'id 1;', ::key(), 'key x;')
--- config
--- must_die: 1
--- error_log
[emerg]
unknown directive "key" in "gate_project"



=== TEST 24: a block in the block
--- http_config eval: ::project('kz', 'id 1;', ::key(), 'x {', '}')
--- config
--- must_die: 1
--- error_log
[emerg]
unexpected "{"



=== TEST 25: the block has no end
--- http_config eval: "gate_project kz { id 1;"
--- config
--- must_die: 1
--- error_log
[emerg]
unexpected



=== TEST 26: no secret_file
--- http_config eval: ::project('kz', 'id 1;')
--- config
--- must_die: 1
--- error_log
[emerg]
no "secret_file" in "gate_project" "kz"



=== TEST 27: only a previous_secret_file
--- http_config eval: ::project('kz', 'id 1;', 'previous_' . ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
no "secret_file" in "gate_project" "kz"



=== TEST 28: two secret files
--- http_config eval: ::project('kz', 'id 1;', ::key(), ::key())
--- config
--- must_die: 1
--- error_log
[emerg]
"secret_file" is duplicate in "gate_project"



=== TEST 29: two previous secret files
--- http_config eval
::project('kz', 'id 1;', ::key(), 'previous_secret_file /nowhere;',
          'previous_secret_file /nowhere;')
--- config
--- must_die: 1
--- error_log
[emerg]
"previous_secret_file" is duplicate in "gate_project"



=== TEST 30: a secret file of no name
--- http_config eval: ::project('kz', 'id 1;', 'secret_file "";')
--- config
--- must_die: 1
--- error_log
[emerg]
"secret_file" is empty in "gate_project"



=== TEST 31: a missing secret file
--- http_config eval: ::project('kz', 'id 1;', ::key('nowhere.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": cannot open ".*\/nowhere\.key" \(2: No such file or directory\)/]



=== TEST 32: a link to a missing file
--- http_config eval: ::project('kz', 'id 1;', ::key('broken.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": cannot open ".*\/broken\.key" \(2: No such file or directory\)/]



=== TEST 33: an unreadable secret file
--- http_config eval: ::project('kz', 'id 1;', 'secret_file /proc/self/mem/x;')
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": cannot open "\/proc\/self\/mem\/x" \(20: Not a directory\)/]



=== TEST 34: a secret file that opens and cannot be read
--- http_config eval: ::project('kz', 'id 1;', 'secret_file /proc/self/mem;')
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": cannot read "\/proc\/self\/mem" \(5: Input\/output error\)/]



=== TEST 35: a directory
--- http_config eval: ::project('kz', 'id 1;', ::key('dir.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/dir\.key" is not a regular file/]



=== TEST 36: a FIFO does not block
--- http_config eval: ::project('kz', 'id 1;', ::key('fifo.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/fifo\.key" is not a regular file/]



=== TEST 37: an empty secret file
--- http_config eval: ::project('kz', 'id 1;', ::key('empty.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/empty\.key" is empty/]



=== TEST 38: a secret file with a newline only
--- http_config eval: ::project('kz', 'id 1;', ::key('lf.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/lf\.key" is empty/]



=== TEST 39: a secret file with CR LF only
--- http_config eval: ::project('kz', 'id 1;', ::key('crlf.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/crlf\.key" is empty/]



=== TEST 40: a secret file that holds something else
--- http_config eval: ::project('kz', 'id 1;', ::key('big.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/big\.key" has more than 4096 bytes/]



=== TEST 41: a secret that is too long by a byte
--- http_config eval: ::project('kz', 'id 1;', ::key('over.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/over\.key" has more than 4096 bytes/]



=== TEST 42: a secret file that everyone may write
--- http_config eval: ::project('kz', 'id 1;', ::key('write.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"secret_file": ".*\/write\.key" is writable by everyone/]



=== TEST 43: a previous secret file that is there must be good
--- http_config eval: ::project('kz', 'id 1;', ::key(), 'previous_' . ::key('write.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"previous_secret_file": ".*\/write\.key" is writable by everyone/]



=== TEST 44: a previous secret file that is empty
--- http_config eval: ::project('kz', 'id 1;', ::key(), 'previous_' . ::key('empty.key'))
--- config
--- must_die: 1
--- error_log eval
[qr/\[emerg\].*"previous_secret_file": ".*\/empty\.key" is empty/]



=== TEST 45: an unknown project in gate_sign
--- config
    location /v2/ {
        gate_sign   nobody;
        proxy_pass  http://127.0.0.1:1;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
unknown project "nobody" in "gate_sign"



=== TEST 46: an empty project in gate_sign
--- config
    location /v2/ {
        gate_sign   "";
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
unknown project "" in "gate_sign"



=== TEST 47: names are case-sensitive
--- config
    location /v2/ {
        gate_sign   KZ;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
unknown project "KZ" in "gate_sign"



=== TEST 48: an unknown variable in gate_sign
--- config
    location /v2/ {
        gate_sign   $nowhere_to_be_found;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
unknown "nowhere_to_be_found" variable



=== TEST 49: gate_sign twice
--- config
    location /v2/ {
        gate_sign   kz;
        gate_sign   off;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
"gate_sign" directive is duplicate



=== TEST 50: gate_sign without arguments
--- config
    location /v2/ {
        gate_sign;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
invalid number of arguments in "gate_sign" directive



=== TEST 51: gate_sign with two projects
--- config
    location /v2/ {
        gate_sign   kz kz;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
invalid number of arguments in "gate_sign" directive



=== TEST 52: gate_sign in a server
--- config
    gate_sign   kz;
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
"gate_sign" directive is not allowed here



=== TEST 53: gate_project in a server
--- config
    gate_project x { id 1; secret_file x; }
--- must_die: 1
--- error_log
[emerg]
"gate_project" directive is not allowed here



=== TEST 54: gate_project without a name
--- http_config
    gate_project { id 1; secret_file x; }
--- config
--- must_die: 1
--- error_log
[emerg]
invalid number of arguments in "gate_project" directive



=== TEST 55: an unknown word in gate_validate
--- config
    gate_validate   on;
--- must_die: 1
--- error_log
[emerg]
invalid value "on" in "gate_validate"



=== TEST 56: gate_validate twice
--- config
    gate_validate   basic;
    gate_validate   basic;
--- must_die: 1
--- error_log
[emerg]
"gate_validate" directive is duplicate



=== TEST 57: an unknown word in gate_sort
--- config
    gate_sort   php;
--- must_die: 1
--- error_log
[emerg]
invalid value "php" in "gate_sort"



=== TEST 58: gate_sort twice
--- config
    gate_sort   bytes;
    gate_sort   natural;
--- must_die: 1
--- error_log
[emerg]
"gate_sort" directive is duplicate



=== TEST 59: no nesting at all
--- config
    gate_max_depth  0;
--- must_die: 1
--- error_log
[emerg]
in "gate_max_depth": it must be 1 to 512



=== TEST 60: nesting without end
--- config
    gate_max_depth  513;
--- must_die: 1
--- error_log
[emerg]
in "gate_max_depth": it must be 1 to 512



=== TEST 61: nesting that is no number
--- config
    gate_max_depth  deep;
--- must_die: 1
--- error_log
[emerg]
in "gate_max_depth": it must be 1 to 512



=== TEST 62: gate_error with arguments
--- config
    location /e {
        gate_error  on;
    }
--- must_die: 1
--- error_log
[emerg]
invalid number of arguments in "gate_error" directive



=== TEST 63: gate_error in a server
--- config
    gate_error;
--- must_die: 1
--- error_log
[emerg]
"gate_error" directive is not allowed here



=== TEST 64: signing and verifying in one location
--- config
    location /v2/ {
        gate_sign    kz;
        gate_verify  kz;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
"gate_sign" and "gate_verify" in one location "/v2/"



=== TEST 65: an unknown project in gate_verify
--- config
    location /callbacks {
        gate_verify  kz nobody;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
unknown project "nobody" in "gate_verify"



=== TEST 66: a project twice in gate_verify
--- config
    location /callbacks {
        gate_verify  kz kz;
    }
--- http_config eval: $::kz
--- must_die: 1
--- error_log
[emerg]
duplicate project "kz" in "gate_verify"



=== TEST 67: a mark that expires at once
--- config
    location / {
        gate_deduplicate_ttl 0;
    }
--- must_die: 1
--- error_log
[emerg]
"gate_deduplicate_ttl" directive must not be 0



=== TEST 68: a lock that expires at once
--- config
    location / {
        gate_deduplicate_lock 0;
    }
--- must_die: 1
--- error_log
[emerg]
"gate_deduplicate_lock" directive must not be 0



=== TEST 69: a ledger for ever
--- http_config
    gate_ledger_ttl 101y;
--- config
--- must_die: 1
--- error_log
[emerg]
"gate_ledger_ttl" must be at most 100 years



=== TEST 70: no key in what -T and -V print
--- http_config eval: $::kz
--- config
    location /v2/ {
        gate_sign   kz;
        return      204;
    }
--- request
GET /v2/
--- error_code: 204
--- response_headers
! X-Gate-Source
--- after eval
sub {
    my $conf = "$ENV{TEST_NGINX_SERVROOT}/conf/nginx.conf";
    my $text = `'$ENV{TEST_NGINX_BINARY}' -e '$ENV{TEST_NGINX_SCRATCH}/dump.log' -p '$ENV{TEST_NGINX_SERVROOT}/' -c '$conf' -T 2>&1`;
    Test::More::is($?, 0, '-T succeeds');
    Test::More::like($text, qr/secret_file .*kz\.key;/, '-T prints the path');
    Test::More::is(::secret_in($text . ::slurp("$ENV{TEST_NGINX_SCRATCH}/dump.log")),
                   undef, '-T does not print the key');
}



=== TEST 71: no values at all
--- config
    gate_max_values  0;
--- must_die: 1
--- error_log
[emerg]
in "gate_max_values": it must be 1 to 65536



=== TEST 72: values without end
--- config
    gate_max_values  65537;
--- must_die: 1
--- error_log
[emerg]
in "gate_max_values": it must be 1 to 65536



=== TEST 73: values that are no number
--- config
    gate_max_values  many;
--- must_die: 1
--- error_log
[emerg]
in "gate_max_values": it must be 1 to 65536



=== TEST 74: values twice
--- config
    gate_max_values  1;
    gate_max_values  1;
--- must_die: 1
--- error_log
"gate_max_values" directive is duplicate
