#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# gate_sign by a variable.  The examples of doc/install.md, "Choosing the
# project" run as they stand there, but for ports, addresses and files; and
# whatever a variable holds, a request is signed for the project that it
# names, or refused, and nothing of the value gets anywhere.
#
# A block says what is asked and which project signs it:
#
#     --- recipe: header
#     --- choose
#     payroll  -> kz
#     nobody   -> 403
#
# What stands before the arrow is for the function of %ask that "by" names, or
# "recipe": a header, a certificate, a port, a body...  \xNN is a byte, "TEXT x
# N" a repetition, "none" nothing at all.  After it: a project, "403" for a
# project that is not known, or another status and $gate_result ("nginx" for an
# answer of nginx itself).  "change" has what is otherwise in the example, in
# lines of the form FROM -> TO.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( root scratch read_file free_port which certificate
                  output );
use Gate::Http;
use Gate::Http2;
use Gate::Outbound qw( :all );
use Gate::Redis;
use Gate::Upstream;
use Test::Nginx::Socket 'no_plan';

our $redis = Gate::Redis->run();
our $second = Gate::Upstream->run(name => 'second');

our %projects = (kz => [1234, $kz_key], cards => [123, $ua_key]);

our $http_config = <<'_EOC_';
    gate_zone gate 256k;

    gate_project kz {
        id           1234;
        secret_file  $TEST_NGINX_KEYS/kz.key;
    }

    gate_project cards {
        id           123;
        secret_file  $TEST_NGINX_KEYS/ua.key;
    }

    upstream gate {
        server unix:$TEST_NGINX_UPSTREAM_SOCKET;
    }

    add_header X-Result  $gate_result always;
    add_header X-Project $gate_project/$gate_project_id always;
_EOC_

our $by_header = <<'_EOC_';
    location /v2/ {
        gate_sign   $http_x_project;
        proxy_pass  http://gate;
    }
_EOC_

# --- the examples

our %ports = map { ($_ => free_port()) } qw( 8080 8081 8082 8443 );

our ($chapter) = read_file(root() . '/doc/install.md')
    =~ /^## Choosing the project\n(.*?)^## /ms
    or die "no chapter in doc/install.md\n";

our %recipes = map { /\$project_by_(\w+)/ ? ($1 => $_) : ($_ => 1) }
                   $chapter =~ /^```nginx\n(.*?)^```$/msg;

"@{[ sort keys %recipes ]}" eq 'certificate currency header port'
    or die "other examples in doc/install.md than here\n";

# With what is here in place of what is elsewhere.

sub recipe {
    my ($name, $change) = @_;

    my $text = $recipes{$name} // die "no example for $name in doc/install.md\n";

    $text =~ s/^(\s+listen\s+)[\d.]+:/${1}127.0.0.1:/mg;
    $text =~ s{\b(80\d\d|8443)\b}{$ports{$1} // die "port $1?\n"}ge;
    $text =~ s{\btls/}{$ENV{TEST_NGINX_SCRATCH}/tls/}g;
    $text =~ s{https://api\.example\.com;}{http://gate;};

    for my $line (split /\n/, $change // '') {
        my ($from, $to) = split / -> /, $line;

        $text =~ s/\Q$from\E/$to/ or die "no \"$from\" in doc/install.md\n";
    }

    return $text;
}

# Its map, and what its server has, for another server.

sub halves {
    my ($name) = @_;

    recipe($name) =~ /^(map .*?\n\}\n)\nserver \{\n +listen .*?\n(.*)^\}\n\z/ms
        or die "no map and server for $name there\n";

    my ($map, $inside) = ($1, $2);

    # the server of the harness has one
    $inside =~ s/client_max_body_size .*?;//;

    return ($map, $inside);
}

# --- certificates

sub issue {
    my ($name, $subject, $ca) = @_;

    my $dir = scratch() . '/tls';

    certificate("$dir/$name", $subject, by => $ca && "$dir/$ca");
}

mkdir scratch() . '/tls', 0755;

issue('gateway', '/CN=localhost');
issue('services-ca', '/O=Example/CN=services');
issue('other-ca', '/O=Example/CN=services');
issue('payroll', '/O=Example/CN=payroll', 'services-ca');
issue('refunds', '/O=Example/CN=refunds', 'services-ca');
issue('reports', '/O=Example/CN=reports', 'services-ca');
issue('turned', '/CN=payroll/O=Example', 'services-ca');
issue('longer', '/O=Example/OU=x/CN=payroll', 'services-ca');
issue('tricky', '/CN=payroll,O=Example', 'services-ca');
issue('forged', '/O=Example/CN=payroll', 'other-ca');
issue('self-made', '/O=Example/CN=payroll');

# --- bodies

sub in_currency { return $payout =~ s/KZT/$_[0]/r }

sub with_note { return $_[0] =~ s/^\{/{"note":"$_[1]",/r }

sub of_size {
    my ($size, $currency) = @_;

    my $body = in_currency($currency);

    return with_note($body, 'x' x ($size - length with_note($body, '')));
}

our %bodies = (
    KZT     => $payout,
    USD     => in_currency('USD'),
    EUR     => in_currency('EUR'),
    kzt     => in_currency('kzt'),
    KZTT    => in_currency('KZTT'),
    spaced  => $payout =~ s/"currency":"KZT"/"currency" \n\t:\r\n "KZT"/r,
    escaped => in_currency('\u004bZT'),
    key     => $payout =~ s/"currency"/"currenc\\u0079"/r,
    'no currency' => '{"general":{"payment_id":"payment_47"}}',
    empty   => '',
    quoted  => with_note($payout, '\"currency\":\"USD\"'),
    quoting => with_note(in_currency('USD'), '\"currency\":\"KZT\"'),
    other   => in_currency('USD') =~ s/^\{/{"x":{"currency":"KZT"},/r,
    '60 KB' => of_size(60000, 'USD'),
    '64 KB' => of_size(65536, 'USD'),
    'more than 64 KB' => of_size(65537, 'USD'),
    '900 bytes' => of_size(900, 'USD'),
    '5 KB'  => of_size(5000, 'USD'),
);

# --- requests

# the first port of an example; the nginx of the harness, if it is not set
our $to;

sub post_to {
    my ($uri, %opt) = @_;

    return Gate::Http::post($uri, $opt{body} // $payout, to => $to, %opt,
        headers => ['Content-Type: application/json',
                    @{ $opt{headers} // [] }]);
}

sub by_header {
    my ($value) = @_;

    return post_to($path, headers => $value eq 'none' ? []
                                     : ["X-Project: $value"]);
}

sub by_certificate {
    my ($name) = @_;

    my $dir = scratch() . '/tls';
    my @cert = $name eq 'none' ? ()
               : ('--cert', "$dir/$name.crt", '--key', "$dir/$name.key");

    my (undef, $out) = output(which('curl'), '-q', '-sSik', '--raw',
        '--noproxy', '*', '--max-time', 20, @cert, '--data-raw', $payout,
        '-H', 'Content-Type: application/json',
        "https://127.0.0.1:$ports{8443}$path");

    return Gate::Http::parse(\$out, 0, 1) // die "no answer\n";
}

# What a client says of the port does not count.

sub by_port {
    my ($port) = @_;

    my ($other) = grep { $_ ne $port } qw( 8081 8082 );

    return post_to($path, to => $ports{$port} // $port,
                   headers => ["Host: localhost:$ports{$other}"]);
}

our %ask = (
    header      => \&by_header,
    certificate => \&by_certificate,
    port        => \&by_port,
    asking      => sub {
        return post_to('/asks/', headers => ["X-Project: $_[0]"]);
    },
    uri         => sub { return post_to("/$_[0]$path") },
    argument    => sub { return post_to("$path?project=$_[0]") },
    text        => sub { return post_to($path, body => $_[0]) },
    currency    => sub { return post_to($path, body => $bodies{$_[0]}) },
    chunks      => sub {
        return post_to($path, chunks => [$bodies{$_[0]} =~ /(.{1,3000})/sg]);
    },
    http2       => sub {
        return Gate::Http2::request(uri => $path, body => $bodies{$_[0]},
            length => 0, pieces => [1000, 3000],
            headers => [['content-type', 'application/json']]);
    },
);

# --- answers

# What Gate must get: signed with the project's key, by its canonical string.

sub signed_for {
    my ($project, $body) = @_;

    my ($id, $key) = @{ $projects{$project} };
    my ($currency) = $body =~ /"currency"\s*:\s*"(\w+)"\s*,?\s*"amount"/;
    my ($note) = $body =~ /^\{"note":"((?:[^"\\]|\\.)*)"/;
    my @note = defined $note ? (note => $note =~ s/\\"/"/gr) : ();

    return signed($body, $key, $id, lines_of(@note,
        'general:project_id' => $id, 'payment:currency' => $currency));
}

our $refusal = refusal('gw_project',
                       'no project is configured for this request');

sub is_chosen {
    my ($name, $res, $body, $expected) = @_;

    my $is = sub { Test::More::is($_[0], $_[1], "$name: $_[2]") };
    my $header = sub { return $res->{headers}{ $_[0] } // '' };

    if (my $project = $projects{$expected}) {
        $is->($res->{status}, 200, 'status');
        $is->($res->{body}, signed_for($expected, $body), 'what Gate got');
        return if !$res->{headers};

        $is->($header->('x-project'), "$expected/$project->[0]", 'project');
        $is->($header->('x-gate-source'), '', "Gate's answer");
        return;
    }

    my ($status, $result) = split ' ', $expected;

    $result //= 'unknown_project';

    $is->($res->{status}, $status, 'status');
    $is->($res->{body}, $refusal, 'body') if $result eq 'unknown_project';
    return if !$res->{headers} || $result eq 'nginx';

    $is->($header->('x-result'), $result, 'result');
    $is->($header->('x-project'), '/', 'no project')
        if $result eq 'unknown_project';
}

sub choose {
    my ($block) = @_;

    my $by = $block->by // $block->recipe;

    for my $line (grep { /\S/ } split /\n/, $block->choose) {
        next if Gate::Suite::is_code($block->name . " - $line", $line);

        my ($what, $expected) = $line =~ /^(.*?)\s*-> (.*?)\s*$/;
        my $name = $block->name . " - $line";
        my $count = $up->count();

        $what =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
        $what =~ s/^(.+) x (\d+)$/$1 x $2/e;

        my $body = $bodies{$what} // $payout;
        my $res = eval { $ask{$by}->($what) };

        if (!$res) {
            Test::More::fail("$name: $@");
            next;
        }

        is_chosen($name, $res, $body, $expected);
        Test::More::is($up->count() - $count, $projects{$expected} ? 1 : 0,
                       "$name: reached Gate");
    }
}

# --- logs and metrics

# One line is one line, whatever was sent; and there is nothing of it in ours.

sub logs_are_whole {
    my @lines = split /\n/, log_text();

    Test::More::cmp_ok(scalar(grep { /refused with "unknown_project"/ } @lines),
                       '>', 0, 'refusals are logged');
    Test::More::is(join("\n", grep { !m{^\d{4}/\d\d/\d\d [\d:]{8} \[\w+\] } }
                                   @lines), '', 'lines of the error log');

    # the request line is nginx's, as it was sent
    s/, client: .*// for @lines;

    Test::More::is(join("\n", grep { /forged|[\0-\x08\x0b-\x1f\x7f]/ } @lines),
                   '', 'nothing of a value');
}

sub series_are_known {
    my $text = Gate::Http::get('/status')->{body};
    my %seen = map { ($_ => 1) } $text =~ /project="([^"]*)"/g;

    Test::More::is(CORE::join(' ', sort keys %seen), 'cards kz unknown',
                   'projects in metrics');
}

sub second_got {
    my (@bodies) = @_;

    $second->wait_for(scalar @bodies);
    Test::More::is_deeply([$second->bodies()], \@bodies,
                          'what the second server got');
    $second->reset();
}

# --- a suite

Gate::Outbound::suite();

add_block_preprocessor(sub {
    my ($block) = @_;

    my $server = defined $block->recipe
                 ? recipe($block->recipe, $block->change) : '';
    my $http = ($block->more_http // '') . $server;

    $to = $server =~ /\blisten +127\.0\.0\.1:(\d+)/ ? $1 : undef;

    # at level debug nginx logs what a map looks at
    $block->set_value('log_level', 'info') if $http =~ /map \$request_body/
                                              && !defined $block->log_level;

    $block->set_value('http_config', $http_config . $http);
    $block->set_value('config', ($block->config // '') . <<'_EOC_');
    location = /done {
        return 200 done;
    }
    location = /status {
        gate_status;
    }
_EOC_

    $block->set_value('request', 'GET /done');
    $block->set_value('response_body', 'done');
    $block->set_value('reached', 'any');
});

add_response_body_check(sub {
    my ($block) = @_;

    choose($block) if defined $block->choose;
});

run_tests();

__DATA__

=== TEST 1: by a header
--- recipe: header
--- choose
payroll         -> kz
refunds         -> cards
PayRoll         -> kz
none            -> 403
                -> 403
reports         -> 403
payroll,refunds -> 403
payroll x       -> 403
kz              -> 403
1234            -> 403



=== TEST 2: by the service's TLS client certificate
--- recipe: certificate
--- choose
payroll   -> kz
refunds   -> cards
payroll   -> kz
reports   -> 403
turned    -> 403
longer    -> 403
tricky    -> 403
none      -> 400 nginx
forged    -> 400 nginx
self-made -> 400 nginx



=== TEST 3: where clients may have no certificate, or the server asks for none
--- recipe: certificate
--- change
ssl_verify_client      on -> ssl_verify_client optional
--- choose
refunds   -> cards
none      -> 403
forged    -> 400 nginx
self-made -> 400 nginx



=== TEST 4: the same, asking for none
--- recipe: certificate
--- change
ssl_verify_client      on -> ssl_verify_client off
--- choose
payroll   -> 403
none      -> 403



=== TEST 5: without TLS there is no certificate
--- recipe: certificate
--- change eval: "listen -> listen 127.0.0.1:$::ports{8081}; listen"
--- by: header
--- choose
none                  -> 403
CN=payroll,O=Example  -> 403



=== TEST 6: by the port that the service connects to
--- recipe: port
--- choose
8081 -> kz
8082 -> cards
8081 -> kz



=== TEST 7: by a port that is not in the map, by a unix socket
--- recipe: port
--- change eval: "listen -> listen 127.0.0.1:$::ports{8080}; listen unix:$ENV{TEST_NGINX_SCRATCH}/choose.sock; listen"
--- choose
8081 -> kz
8080 -> 403
! is_chosen('a unix socket', post_to($::path, to => "$ENV{TEST_NGINX_SCRATCH}/choose.sock"), $::payout, 403)



=== TEST 8: by the currency
--- recipe: currency
--- choose
KZT         -> kz
USD         -> cards
spaced      -> kz
60 KB       -> cards
64 KB       -> cards
EUR         -> 403
kzt         -> 403
KZTT        -> 403
no currency -> 403
empty       -> 403



=== TEST 9: by the currency: what is another spelling, what is no currency
--- recipe: currency
--- choose
escaped     -> 403
key         -> 403
quoted      -> kz
quoting     -> cards



=== TEST 10: by the currency, of a body in chunks
--- recipe: currency
--- by: chunks
--- choose
KZT   -> kz
USD   -> cards
EUR   -> 403
60 KB -> cards



=== TEST 11: by the currency, of a body over HTTP/2
--- http2
--- more_http eval: (::halves('currency'))[0]
--- config eval: (::halves('currency'))[1]
--- by: http2
--- choose
KZT   -> kz
USD   -> cards
EUR   -> 403
60 KB -> cards



=== TEST 12: by the currency, of a body that is too large
--- recipe: currency
--- choose
more than 64 KB -> 413 nginx
--- no_error_log
[alert]
[crit]
--- error_log
client intended to send too large body



=== TEST 13: by the currency: a body that goes to a file has none
--- recipe: currency
--- change
client_body_buffer_size 64k -> client_body_buffer_size 1k
--- choose
900 bytes   -> cards
5 KB        -> 403
60 KB       -> 403



=== TEST 14: the same, in chunks
--- recipe: currency
--- change
client_body_buffer_size 64k -> client_body_buffer_size 1k
--- by: chunks
--- choose
KZT         -> kz
5 KB        -> 403
60 KB       -> 403



=== TEST 15: by the currency, where all bodies go to files
--- recipe: currency
--- change
client_max_body_size    64k -> client_body_in_file_only clean
--- choose
KZT         -> 403
USD         -> 403



=== TEST 16: by the currency, where something asks before there is a body
--- recipe: currency
--- change
gate_sign -> set $early $project_by_currency; gate_sign
--- choose
KZT         -> 403
USD         -> 403



=== TEST 17: a currency elsewhere in the body: limits refuse it
--- recipe: currency
--- change
gate_sign  $project_by_currency -> gate_limits on; gate_sign $project_by_currency
--- more_http
    gate_redis unix:$TEST_NGINX_REDIS_SOCKET timeout=5s;
--- choose
! $::redis->cmd('FLUSHALL')
! $::redis->cmd('HSET', "gate:limits:{1234}:KZT", 'max', 200000)
! $::redis->cmd('HSET', "gate:limits:{123}:USD", 'max', 200000)
other -> 400 no_limits
KZT   -> kz
USD   -> cards



=== TEST 18: by name, and by id
--- config eval: $::by_header
--- by: header
--- choose
kz    -> kz
1234  -> kz
cards -> cards
123   -> cards



=== TEST 19: not quite a name, not quite an id, a word of the configuration
--- config eval: $::by_header
--- by: header
--- choose
            -> 403
none        -> 403
off         -> 403
on          -> 403
unknown     -> 403
-           -> 403
*           -> 403
$gate_project -> 403
KZ          -> 403
Kz          -> 403
k           -> 403
kzz         -> 403
kz.         -> 403
kz cards    -> 403
kz,cards    -> 403
"kz"        -> 403
0           -> 403
12          -> 403
12345       -> 403
01234       -> 403
+1234       -> 403
-1234       -> 403
1234.0      -> 403
1234e0      -> 403
0x4d2       -> 403
1234 123    -> 403
4294968530  -> 403
18446744073709552850 -> 403
9223372036854775807  -> 403



=== TEST 20: bytes that are in no name
--- config eval: $::by_header
--- by: header
--- log_level: notice
--- choose
kz\x01forged       -> 403
\x1b[31mforged     -> 403
kz\x09forged       -> 403
kz\x7f             -> 403
kz\xff             -> 403
\xef\xbb\xbfkz     -> 403
\xe1\xb4\xb7z      -> 403
1234\x01           -> 403
kz\x0dforged       -> 400 nginx
kz\x00             -> 400 nginx
! logs_are_whole()



=== TEST 21: line ends, which a path may hold
--- config
    location ~ ^/(?<first>[^/]*)/v2/ {
        gate_sign   $first;
        proxy_pass  http://gate;
    }
--- log_level: notice
--- by: uri
--- choose
%6bz               -> kz
kz%0aforged        -> 403
kz%0a              -> 403
%0akz              -> 403
kz%0d%0a2026%2011:00:00%20[forged]%20forged -> 403
kz%09              -> 403
kz%20              -> 403
1234%0a            -> 403
kz%00              -> 400 nginx
! logs_are_whole()



=== TEST 22: an argument is not decoded
--- config
    location /v2/ {
        gate_sign   $arg_project;
        proxy_pass  http://gate;
    }
--- log_level: notice
--- by: argument
--- choose
kz          -> kz
1234        -> kz
%6bz        -> 403
kz%0aforged -> 403
kz%00       -> 403
! logs_are_whole()



=== TEST 23: any bytes, which a body may hold
--- more_http
    map $request_body $by_body {
        "~\"project\":\"(?<named>[^\"]*)\""  $named;
    }
--- config
    location /v2/ {
        gate_sign   $by_body;
        proxy_pass  http://gate;
    }
--- log_level: notice
--- by: text
--- choose
{"project":"kz\x00"}             -> 403
{"project":"\x00kz"}             -> 403
{"project":"kz\x00forged"}       -> 403
{"project":"1234\x00"}           -> 403
{"project":"kz\x0aforged"}       -> 403
{"project":"kz\x0d\x0aforged"}   -> 403
{"project":"\x1b]0;forged\x07"}  -> 403
{"project":""}                   -> 403
{"project":"kz                   -> 403
! logs_are_whole()



=== TEST 24: very long values
--- config eval: $::by_header
--- by: header
--- log_level: notice
--- choose
kz x 3500     -> 403
1234 x 1800   -> 403
0 x 7000      -> 403
1 x 7000      -> 403
forged x 1000 -> 403
! logs_are_whole()



=== TEST 25: values make no series of metrics
--- config eval: $::by_header
--- by: header
--- choose
kz       -> kz
123      -> cards
forged   -> 403
99       -> 403
! series_are_known()



=== TEST 26: a subrequest that would be signed is refused, whatever it names
--- config eval
$::by_header . 'location = /auth { gate_sign $http_x_project; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
. 'location /asks/ { auth_request /auth; proxy_pass http://gate; }'
--- by: asking
--- choose
kz      -> 403 nginx
1234    -> 403 nginx
nobody  -> 403 nginx
none    -> 403 nginx
! second_got()
--- no_error_log
[alert]
[crit]
--- error_log
a subrequest is not signed



=== TEST 27: a mirror gets what was signed, once, and nothing that was refused
--- config eval
$::by_header =~ s/gate_sign/mirror \/mirror; gate_sign/r
. 'location = /mirror { internal; gate_sign $http_x_project; proxy_pass http://unix:$TEST_NGINX_SECOND_SOCKET; }'
--- by: header
--- choose
kz      -> kz
! second_got(signed_for('kz', $::payout))
123     -> cards
! second_got(signed_for('cards', $::payout))
nobody  -> 403
none    -> 403
! second_got()
