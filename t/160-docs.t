#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# Documents and code say the same: directives, parameters, variables, results,
# codes, metrics and endpoints; snippets of configuration parse; links lead
# somewhere.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env qw( root scratch write_file write_key read_file certificate );
use Gate::Nginx;
use Test::More;

my $reference  = document('doc/reference.md');
my $operations = document('doc/operations.md');
my $example    = document('conf.example');

# what strangers read

my @texts = map { s{^\Q@{[root()]}\E/}{}r }
                (map { root() . "/$_.md" } qw( README CHANGES SECURITY )),
                glob root() . '/doc/*.md';

sub document {
    my ($name) = @_;

    return read_file(root() . "/$name") // BAIL_OUT("no $name");
}

# All of the module, so that code may move from file to file.

my $top = root();
my $module = join '', map { document(substr $_, 1 + length $top) }
                      glob "$top/src/{redis,ledger,http}/*.[ch]";

# The text from one pattern up to another.

sub part {
    my ($text, $from, $to) = @_;

    $text =~ /$from(.*?)$to/ms or die "no $from in the text\n";

    return $1;
}

sub strings { return $_[0] =~ /ngx_string\("([^"]+)"\)/g }

# The rows of an X-macro: [NAME, "word", ...] of X(NAME, "word", ...), without
# the quotes; adjacent literals are one.

sub rows {
    my ($file, $name) = @_;

    my $table = part(document($file), "define (?:NGX_HTTP_)?GATE_${name}_TABLE"
                                      . '\(X\)', '\n\n');
    my $string = qr/"(?:[^"\\]|\\.)*"/;
    my @rows;

    $table =~ s/\\\n//g;
    $table =~ s/"\s+"//g;

    while ($table =~ /\bX\(((?:[^()"]|$string)*)\)/g) {
        push @rows, [map { s/^\s+|\s+$//gr =~ s/^"(.*)"$/$1/sr }
                         $1 =~ /((?:[^,"]|$string)+)/g];
    }

    cmp_ok(scalar @rows, '>', 1, "rows of the table $name");

    return @rows;
}

sub unique {
    my %seen;

    return grep { !$seen{$_}++ } @_;
}

sub chapter { return part($_[1] // $reference, "\n## $_[0]\n", '(?:\n## |\z)') }

# All of them are known to the code, so that an empty list is no success.

sub told {
    my ($what, $where, $text, $quote, @names) = @_;

    cmp_ok(scalar @names, '>', 0, "some $what in the code");

    for my $name (unique(@names)) {
        ok($text =~ $quote->($name), "$where tells of $what $name");
    }
}

sub code_span { return qr/`\Q$_[0]\E`/ }

# --- directives

my @inner = strings(part($module,
                         'project_params\[\] = \{', 'null_string'));

my @directives = part($module,
                      'gate_commands\[\] = \{', 'null_command')
                 =~ /\{ ngx_string\("(\w+)"\)/g;

# Names, and the part of the reference below its heading

sub headings {
    return chapter('Directives') =~ /^#### (\w+)\n(.*?)(?=^###?#? |\z)/msg;
}

sub test_directives {
    my %at = headings();

    cmp_ok(scalar @directives, '>', 20, 'directives in the code');
    is_deeply([sort keys %at], [sort @directives],
              'reference.md has the directives of the code, and no others');

    for my $name (sort keys %at) {
        like($at{$name}, qr/^\*\*syntax:\*\* `\Q$name\E\b/m, "syntax of $name");
        like($at{$name}, qr/^\*\*$_:\*\* \S/m, "$_ of $name")
            for qw( default context phase );
    }

    told('parameter', 'reference.md', $at{gate_project}, sub { qr/`\Q$_[0]\E / },
         @inner);

    my @params = part($module,
                      'redis_params\[\] = \{', 'null_string')
                 =~ /redis_param\((\w+)\)/g;

    told('parameter', 'reference.md', $at{gate_redis}, sub { qr/`\Q$_[0]\E=`/ },
         @params);
}

# The context that a command's flags allow.

sub test_contexts {
    my %at = headings();
    my $table = part($module,
                     'gate_commands\[\] = \{', 'null_command');

    while ($table =~ /\{ ngx_string\("(\w+)"\),\s*([A-Z_0-9|]+),/g) {
        my ($name, $flags) = ($1, $2);

        my @context = map  { $_->[1] }
                      grep { $flags =~ /\bNGX_HTTP_$_->[0]_CONF\b/ }
                           ([MAIN => 'http'], [SRV => 'server'],
                            [LOC => 'location']);

        my ($told) = ($at{$name} // '') =~ /^\*\*context:\*\* (.*?)\s*$/m;

        is($told, join(', ', @context), "context of $name");
    }
}

# Words that look like ours, in all that describes the configuration.

sub test_unknown_names {
    my %known = map { $_ => 1 }
                @directives, variables(), metrics();
    my $core = join '', map { read_file($_) } glob root() . '/src/core/*.[ch]';
    my %of_core = map { $_ => 1 } $core =~ /\b(gate_\w+)/g,
                  map { m{/(\w+)\.[ch]$} } glob root() . '/src/core/*.c';

    for my $name (@texts, 'conf.example', 'doc/alerts.yml') {
        my $text = document($name);

        # of these two the readers know the code
        my %code = $name =~ m{/(?:architecture|hacking)\.md$} ? %of_core : ();

        # of a histogram
        $text =~ s/(\bgate_\w+_seconds)_(?:bucket|sum|count)\b/$1/g;

        # snippets make variables and zones of their own
        my @own = $text =~ /^ *(?:map|set) .*\$(gate_\w+)|zone +(gate_\w+)/mg;
        my %own = map { defined ? ($_ => 1) : () } @own;

        my @strange = grep { !$known{$_} && !$own{$_} && !$code{$_} }
                      unique($text =~ /(?<![\w@\/.-])\$?\b(gate_\w+)/g);

        is("@strange", '', "$name names nothing that does not exist");
    }
}

# The manual lists the directives of the reference.

sub test_manual {
    my %at = headings();
    my %manual = part(document('doc/ngx_http_gate_module.5'),
                      '\.Sh DIRECTIVES\n', '\.Sh ')
                 =~ /^\.It Ic (\w+.*)\n(In .*)$/mg;
    my %told;

    for my $name (keys %at) {
        my ($syntax) = $at{$name} =~ /^\*\*syntax:\*\* `(.*)`$/m;
        my ($default) = $at{$name} =~ /^\*\*default:\*\* `\w+ (.*)`$/m;
        my ($context) = $at{$name} =~ /^\*\*context:\*\* (.*)$/m;

        $told{$syntax} = "In $context"
                           . (defined $default ? "; default $default" : '')
                           . '.';
    }

    is_deeply(\%manual, \%told, 'the manual and the reference agree');
}

# --- variables, results, metrics

sub variables {
    return strings(part($module,
                        'gate_vars\[\] = \{', 'null_variable'));
}

# Other names in quotes are names of directives and variables.

sub metrics {
    my %other = map { $_ => 1 } @directives, variables();

    return grep { !$other{$_} } unique($module =~ /"(gate_[a-z_]+)"/g);
}

# "word status code" of each row of the table of results.

sub results {
    return unique(map { "@$_[2, 3, 4]" }
                  rows('src/http/ngx_http_gate_result.h', 'RESULT'));
}

# The same of the reference's tables; a cell may have two statuses.

sub told_results {
    my $errors = chapter('Errors');
    my @rows;

    while ($errors =~ /^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|/mg) {
        my ($word, $status, $code) = ($1, $2, $3);

        $code =~ tr/`//d;
        $code = '0' if $code eq '-';
        push @rows, map { "$word $_ $code" } split /, /, $status;
    }

    return unique(@rows);
}

sub test_results {
    my @results = results();
    my %told = map { $_ => 1 } told_results();

    cmp_ok(scalar @results, '>', 30, 'results in the code');

    # Gate's own answer passes; the service's 503 does, too

    my %known = (map({ $_ => 1 } @results),
                 map({ ("$_ Gate's Gate's" => 1) } qw( ok repeat gate_error )),
                 'service_error 503 gw_service' => 1);

    for my $result (@results) {
        my ($word, undef, $code) = split ' ', $result;

        ok($told{$result} || ($code eq '0' && $told{"$word Gate's Gate's"}),
           "reference.md tells of $result");
    }

    is(join(', ', grep { !$known{$_} } sort keys %told), '',
       'reference.md tells of no other results');
}

# Scripts say the words of the tables, and no others.

sub test_scripts {
    my $lua = document('src/ledger/lua/settle.lua');
    my $header = 'src/ledger/ngx_http_gate_settle.h';

    for my $list ([SETTLE => 'verdict\n', '-- ledger'],
                  [SETTLEMENT => 'ledger ', '-- from'])
    {
        my ($name, $from, $to) = @$list;
        my @words = part($lua, "\n-- $from", $to) =~ /^--   (\w+) /mg;

        is_deeply([sort @words],
                  [sort grep { !/^(?:|unread)$/ }
                        map { $_->[1] } rows($header, $name)],
                  "settle.lua has the words of the table $name");
    }

    # what the limits themselves are, or a call, is of no result of its own

    my @rows = rows('src/http/ngx_http_gate_result.h', 'RESULT');
    my %verdicts = map { $_ => 1 } verdicts('reserve');

    delete @verdicts{ grep { /^(?:ok|repeat|void|overflow|bad_\w+)$/ }
                      keys %verdicts };

    # the contract has the first of the windows
    $verdicts{"limit_$_"} = 1 for limits();

    is_deeply([sort keys %verdicts],
              [sort map { $_->[2] } grep { $_->[1] eq 'LIMITS' } @rows],
              'reserve.lua refuses with the words of the results');
}

# Scripts that share parts, as they are installed.

sub script { return document("build/lua/$_[0].lua") }

# Fields that are limits: rows of the windows, and of an amount.

sub limits {
    my ($rows) = document('src/ledger/lua/parts/rows.lua')
                 =~ /^local LIMITS = \{(.*?)\}/ms;

    return 'min', 'max', $rows =~ /'(\w+)'/g;
}

# Words of the contract in the head of a script: those of reserve and outcome
# are all verdicts, others have paragraphs for more.

sub verdicts {
    my ($name) = @_;

    my ($head) = script($name) =~ /\A((?:--.*\n)+)/;

    $head =~ s/.*^-- Returns //ms or die "$name.lua has no contract\n";

    my ($list) = $head =~ /^-- verdict\n(.*?)(?=^-- \w)/ms;
    my @words;

    # "word, details   meaning", "bad_argument and what, bad_entry: ..."
    for ($list // $head =~ /^--   \w.*/mg) {
        for my $line (/^--   (\w.*)/mg) {
            my ($left) = split /  |:/, $line;

            push @words, $left =~ /^(\w+)/,
                         $line =~ /\b(bad_\w+|limit_\w+(?=:))/g;
        }
    }

    return unique(@words);
}

# What a script says is what its contract says, and the table of the ledger.

sub test_contracts {
    my ($table) = document('doc/ledger.md')
                  =~ /^\| script \| for \|.*?\n(.*?)(?=\n\n|\z)/ms;

    for my $name (scripts()) {
        my ($row) = $table =~ /^\| `$name` \|.*\|(.*?)\|$/m;
        my ($head) = script($name) =~ /\A((?:--.*\n)+)/;

        next if !ok(defined $row, "doc/ledger.md: a row of $name");

        for my $word ($row =~ /`(\w+)/g) {
            like($head, qr/\b\Q$word\E/, "$name.lua: its contract has $word");
        }

        my $told = join '|', map { s/\*$/\\w*/r } $row =~ /`([\w*]+)`/g;
        my @strange = $name =~ /^(?:reserve|outcome)$/
                      ? grep { !/^(?:$told)$/ } verdicts($name) : ();

        is("@strange", '', "doc/ledger.md: all words of $name");
    }
}

sub test_log {
    my ($format) = $example =~ /log_format gate escape=json(.*?);/s;

    told('member of the log', 'reference.md', chapter('Variables'), \&code_span,
         $format =~ /"(\w+)":/g);
}

sub test_words {
    my $variables = chapter('Variables');

    told('variable', 'reference.md', $variables, sub { qr/`\$\Q$_[0]\E`/ },
         variables());

    told('settlement', 'reference.md', $variables, \&code_span,
         grep { $_ ne '' } map { $_->[1] }
         rows('src/ledger/ngx_http_gate_settle.h', 'SETTLEMENT'));

    told('metric', 'reference.md', chapter('Metrics'), \&code_span, metrics());
}

# Whoever is woken by an alert finds its name.

sub test_alerts {
    my @alerts = document('doc/alerts.yml') =~ /^ +- alert: (\w+)$/mg;
    my %known = map { $_ => 1 } @alerts;

    told('alert', 'operations.md', chapter('What to alert on', $operations),
         \&code_span, @alerts);
    is(join(' ', grep { !$known{$_} } $operations =~ /`(Gate[A-Z]\w+)`/g), '',
       'operations.md tells of no other alerts');
}

# --- Redis, endpoints

sub test_redis {
    my $ledger = document('doc/ledger.md');
    my $keys = chapter('Keys', $ledger);

    told('limit', 'ledger.md', $keys, \&code_span, limits());

    # the code knows no other keys than the table, and all of them

    my @kinds = map { $_->[1] } rows('src/ledger/ngx_http_gate_ledger.h',
                                     'KIND');

    is_deeply([sort @kinds],
              [unique(sort $keys =~ /^\| `gate:(\w+):\{/mg)],
              'ledger.md has the keys of the code, and no others');

    # fields that scripts write to an entry

    my $entry = document('src/ledger/lua/parts/entry.lua');
    my @fields = (map({ /'(\w+)'/g } map { $entry =~ /^local $_ = \{(.*?)\}/ms }
                      qw( PLAIN COUNTERS )),
                  $entry =~ /^    put\('(\w+)'/mg);
    my $table = part($keys, 'An entry, ', '\z');

    cmp_ok(scalar unique(@fields), '>=', 16, 'fields in the scripts');
    is_deeply([sort { $a cmp $b } unique(@fields)],
              [sort { $a cmp $b } map { /`(\w+)`/g }
                    $table =~ /^\| ((?:`\w+`(?:, )?)+) \|/mg],
              'ledger.md has the fields of an entry, and no others');

    told('state', 'ledger.md', chapter('Payments', $ledger), \&code_span,
         part($entry, '^local function state_of', '^end') =~ /'(\w+)'/g);
    told('status', 'ledger.md', chapter('Operations', $ledger),
         sub { qr/\| \Q$_[0]\E\b/ },
         part($entry, '^local RANK = \{', '\}') =~ /(\w+) =/g);

    like($keys, qr/\bLayout (\d+):/, 'ledger.md has a layout');
    is(($keys =~ /\bLayout (\d+):/)[0],
       (document('src/ledger/lua/parts/call.lua')
        =~ /^local LAYOUT = '(\d+)'/m)[0], 'which is that of the scripts');
    like(document('CHANGES.md'), qr/is version $1;/, 'and of CHANGES.md');

    # with fewer rights a call would end in its middle
    my ($rights) = document('doc/install.md') =~ /^user gateway (.*)/m;

    told('command', 'install.md', $rights, sub { qr/ \+\Q$_[0]\E(?: |$)/ },
         map { lc } map { script($_) =~ /call\('([A-Z]+)'/g } scripts());

    told('script', 'ledger.md', chapter('Scripts', $ledger), \&code_span,
         scripts());
}

sub scripts {
    return map { m{/(\w+)\.lua$} } glob root() . '/src/ledger/lua/*.lua';
}

sub test_endpoints {
    my $doc = document('doc/endpoints.md');
    my $core = document('src/core/gate_endpoint.c');
    my $table = part($core, 'gate_endpoints\[\] = \{', '\n\};');

    told('endpoint', 'doc/endpoints.md', $doc, \&code_span,
         $table =~ /gate_payout_to\("([^"]+)"/g,
         $table =~ /\{ "[^"]+", "([^"]+)"/g);

    my @fields = part(document('src/core/gate_fields.h'),
                      '#define GATE_FIELDS\(field\)', '\n\n')
                 =~ /"([a-z_.]*)", "(\w+)"/g;

    while (my ($object, $field) = splice @fields, 0, 2) {
        ok($doc =~ code_span("$object$field"),
           "doc/endpoints.md tells of $object$field");
    }
}

# --- what services are told

sub test_service {
    my $doc = document('doc/quickstart.md');
    my $header = 'src/core/gate_callback.h';
    my @words = grep { !/^(?:none|other)$/ }
                map  { $_->[1] } rows($header, 'STATUS');

    told('status', 'doc/quickstart.md', $doc, \&code_span,
         @words, document($header) =~ /_PARTIAL_SPACES +"(.+)"/);
    told('header', 'doc/quickstart.md', $doc, \&code_span,
         $example =~ /proxy_set_header +(X-Gate-[\w-]+)/g);
}

# --- snippets of configuration

my $snippets = 0;

# What a snippet needs that is not in it.

sub surroundings {
    my ($text) = @_;

    return $text if $text =~ /^http \{/m;

    $text = "server {\n    listen 1;\n$text\n}" if $text !~ /^server \{/m;

    my $keys = "$ENV{TEST_NGINX_KEYS}";

    return <<"END";
events { }
http {
gate_redis unix:redis.sock;
gate_project kz { id 1234; secret_file $keys/kz.key; }
gate_project cards { id 123; secret_file $keys/cards.key; }
$text
}
END
}

# No port, no name to be resolved and no file of the system is needed.

sub local_names {
    my ($text, $dir) = @_;

    my $n = 0;

    $text =~ s/^load_module .*\n//m;
    $text =~ s/^user .*\n//m if $> != 0;
    $text =~ s/\b(listen\s+)[\w.:]+/$1 . "unix:$dir\/s" . ++$n/ge;
    $text =~ s/\bapi\.example\.com\b/127.0.0.1/g;
    $text =~ s{\b(secret_file\s+)secrets/}{$1$ENV{TEST_NGINX_KEYS}/}g;
    $text =~ s{(?:/etc/ssl/certs|\btls)/[\w-]+\.(crt|key)}{$dir/tls.$1}g;

    my $paths = Gate::Nginx::temp_paths($dir);

    $text =~ s/^http \{\n/http {\n    access_log off;\n$paths\n/m;

    return join "\n", Gate::Nginx::load_modules(), "pid $dir/nginx.pid;",
                $text, '';
}

sub test_snippet {
    my ($name, $text, $dir) = @_;

    my $conf = write_file("$dir/nginx.conf",
                          local_names(surroundings($text), $dir));
    my $out = `'$ENV{TEST_NGINX_BINARY}' -t -e '$dir/error.log' -p '$dir/' \\
                   -c '$conf' 2>&1`;

    is($?, 0, "$name: nginx -t") or diag($out, $text);
    unlike($out, qr/\[(?:warn|error|crit|alert|emerg)\]/, "$name: no warning");

    $snippets++;
}

sub test_snippets {
    my $dir = scratch() . '/docs';

    mkdir $dir, 0755;
    ok(eval { certificate("$dir/tls", '/CN=gateway.example.com'); 1 },
       'a certificate for snippets') or diag($@);
    write_key("$_.key", "key of $_\n") for qw( kz cards );

    for my $name (@texts) {
        my $text = document($name);

        while ($text =~ /^```nginx\n(.*?)^```$/msg) {
            my $snippet = $1;
            my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);

            test_snippet("$name line $line", $snippet, $dir);
        }
    }

    cmp_ok($snippets, '>', 5, 'snippets');
}

# --- conf.example, as its first lines say

sub test_example {
    like($example, qr/^load_module modules\/ngx_http_gate_module\.so;$/m,
         'conf.example loads the module');

    # workers read the keys, and nginx's own default is another user

    my ($user) = $example =~ /^user +([\w-]+);$/m;

    is_deeply([$example =~ /^#     install .*-g (\S+) .*secrets$/mg],
              [$user, $user], 'its workers may read the keys');

    # limit_req itself logs what it refuses, as errors unless told otherwise

    like($example, qr/limit_req_log_level info;/,
         'a flood of callbacks does not fill the error log');
}

# --- links

# As GitHub makes it of a heading.

sub anchor {
    my ($heading) = @_;

    $heading = lc $heading;
    $heading =~ s/[^\w\- ]//g;
    $heading =~ tr/ /-/;

    return $heading;
}

sub test_links {
    for my $name (@texts) {
        my $text = document($name);
        my ($dir) = $name =~ m{^(.*/)};

        $text =~ s/^```.*?^```$//msg;

        my @broken = grep { !link_works($_, $name, $dir // '') }
                          $text =~ /\]\(([^)\s]+)\)/g;

        is("@broken", '', "$name: links lead somewhere");
    }
}

sub link_works {
    my ($link, $name, $dir) = @_;

    return 1 if $link =~ /^https?:/;

    my ($file, $part) = $link =~ /^([^#]*)(?:#(.*))?$/;

    $file = $file eq '' ? $name : "$dir$file";

    return 0 if !-e root() . "/$file";
    return 1 if !defined $part;

    return grep { anchor($_) eq $part } document($file) =~ /^#+ (.+)$/mg;
}

# --- files that are told of

# Those of the source by their short names, as doc/architecture.md says.

sub file_is_there {
    my ($name) = @_;

    return -e root() . "/$name" if $name =~ m{/};

    return grep { -e } map { glob root() . "/{src,src/*,src/*/lua{,/parts},tools,t/explore}/$_" }
                           $name, "ngx_http_gate_$name";
}

sub test_files {
    for my $name (grep { m{/(?:architecture|hacking)\.md$} } @texts) {
        my $text = document($name) =~ s/^```.*?^```$//msgr;
        my @files = unique($text =~ m{`((?:src|tools|t|util|doc)/[\w./-]+
                                       |[\w-]+\.(?:c|h|lua))`}xg);

        cmp_ok(scalar @files, '>', 10, "$name: files");

        my @gone = grep { !file_is_there($_) } @files;

        is("@gone", '', "$name: files that are there");
    }
}

# --- the ledger's keys and fields, which have a number

# whether the check is content with the tables, after a change

sub layout_is_kept {
    my ($file, $from, $to) = @_;

    my $top = scratch() . '/layout';

    system 'rm', '-rf', $top;

    for my $path ('doc/ledger.md', 'src/ledger/layout',
                  'src/ledger/lua/parts/call.lua')
    {
        my $text = document($path);

        $text =~ s/$from/$to/ or die "no $from in $path\n"
            if $file eq $path;

        system 'mkdir', '-p', "$top/$path" =~ s{/[^/]+$}{}r;
        write_file("$top/$path", $text);
    }

    return system('sh', '-c', 'exec "$@" 2>/dev/null', 'sh',
                  root() . '/util/layout', $top) == 0 ? 'kept' : 'changed';
}

sub test_layout {
    my $doc = 'doc/ledger.md';

    is(layout_is_kept(''), 'kept', 'layout: as it is');
    is(layout_is_kept($doc, 'yours to write', 'write them'), 'kept',
       'layout: other words');
    is(layout_is_kept($doc, '\| `digest`', '| `sum`'), 'changed',
       'layout: another field');
    is(layout_is_kept($doc, 'gate:lane:', 'gate:way:'), 'changed',
       'layout: another key');
    is(layout_is_kept($doc, 'day:7000/5', 'day=7000/5'), 'changed',
       'layout: another form of a field');
    is(layout_is_kept($doc, '\| `rest`.*\n', ''), 'changed',
       'layout: a field less');
    is(layout_is_kept($doc, 'Layout 2', 'Layout 3'), 'changed',
       'layout: another number in the text');
    is(layout_is_kept('src/ledger/lua/parts/call.lua', "LAYOUT = '2'",
                      "LAYOUT = '3'"), 'changed',
       'layout: another number in the scripts');
}

# --- what a text must not have

sub test_text {
    for my $name (@texts, 'conf.example', 'doc/alerts.yml') {
        my $text = document($name);

        unlike($text, qr/[^\n\x20-\x7e]/, "$name: ASCII, no tabs");
        unlike($text, qr/ \n(?<!  \n)/, "$name: no spaces at ends of lines");
    }
}

test_directives();
test_contexts();
test_manual();
test_unknown_names();
test_results();
test_words();
test_scripts();
test_contracts();
test_alerts();
test_log();
test_redis();
test_endpoints();
test_service();
test_snippets();
test_links();
test_files();
test_text();
test_layout();

test_example();

done_testing();
