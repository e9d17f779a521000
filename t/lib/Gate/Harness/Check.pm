package Gate::Harness::Check;

# Copyright (C) nginx-gate authors
#
# The assertions of a block.  How many tests each makes is part of the format:
# suites compute their plan from it.

use strict;
use warnings;

use Digest::MD5 ();
use Digest::SHA ();
use JSON::PP ();
use Test::More ();

use Gate::Env qw( wait_until );
use Gate::Harness::Client;
use Gate::Harness::Config;
use Gate::Harness::Nginx;

*Set = \%Gate::Harness::Config::Set;
our %Set;

our @BodyChecks;

# not every request is in the access log
use constant ACCESS_TIMEOUT => 0.05;

sub _ok {
    my ($ok, $text) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    return Test::More::ok($ok, $text);
}

# A failure that is no part of the plan.

sub extra_failure {
    my ($text) = @_;

    chomp $text;
    Test::More->builder->ok(0, $text);
}

# The expectation for one of many requests.

sub _pick {
    my ($ctx, $value) = @_;

    if (ref $value eq 'ARRAY') {
        return $value->[$ctx->{index}];
    }

    die "$ctx->{name} - many requests need arrays of expectations\n"
        if $ctx->{many};

    return $value;
}

# --- status and headers

sub response {
    my ($ctx, $block, $res) = @_;

    _status($ctx, $block, $res);
    _raw_headers($ctx, $block, $res);
    _headers($ctx, $block, $res);
    _filter_body($ctx, $block, $res);
    _body($ctx, $block, $res);

    $_->($block, $res->{body}, $ctx->{index}, $ctx->{repeat}, 0)
        for @BodyChecks;
}

sub _status {
    my ($ctx, $block, $res) = @_;

    my $text = "$ctx->{name} - status code ok";

    if (defined $block->error_code_like) {
        my $pat = _pick($ctx, $block->error_code_like);

        Test::More::like($res->{code}, qr/$pat/sm, $text);
        return;
    }

    my $code = defined $block->error_code ? _pick($ctx, $block->error_code)
                                          : 200;

    Test::More::is($res->{code}, $code, $text);
}

sub _raw_headers {
    my ($ctx, $block, $res) = @_;

    if (defined $block->raw_response_headers_like) {
        my $pat = _pick($ctx, $block->raw_response_headers_like);

        Test::More::like($res->{raw}, qr/$pat/s,
                         "$ctx->{name} - raw resp headers like");
    }

    if (defined $block->raw_response_headers_unlike) {
        my $pat = _pick($ctx, $block->raw_response_headers_unlike);

        Test::More::unlike($res->{raw}, qr/$pat/s,
                           "$ctx->{name} - raw resp headers unlike");
    }
}

# "Name: value" and "! Name"; one name counts once

sub _parse_headers {
    my ($text) = @_;

    my %headers;

    for my $line (split /\n/, $text // '') {
        $line =~ s/^\s+|\s+$//g;

        if ($line =~ s/^!\s*//) {
            $headers{$line} = undef;
            next;
        }

        my ($key, $value) = split /\s*:\s*/, $line, 2;
        $headers{$key // ''} = $value;
    }

    return \%headers;
}

sub _headers {
    my ($ctx, $block, $res) = @_;

    my $exact = defined $block->response_headers;
    my $section = $exact ? $block->response_headers
                         : $block->response_headers_like;
    return if !defined $section;

    my $headers = _parse_headers(_pick($ctx, $section));

    for my $key (sort keys %$headers) {
        my $value = $headers->{$key};
        my $got = Gate::Harness::Client::header($res, $key) // '';

        if ($exact && !defined $value) {
            Test::More::unlike($res->{raw}, qr/^\s*\Q$key\E\s*:/mi,
                               "$ctx->{name} - header $key not present");

        } elsif ($exact) {
            Test::More::is($got, _ports($value),
                           "$ctx->{name} - header $key ok");

        } else {
            Test::More::like($got, qr/^$value$/,
                             "$ctx->{name} - header $key like ok");
        }
    }
}

sub _ports {
    my ($text) = @_;

    $text =~ s/\$ServerPort\b/$Set{server_port}/g;
    $text =~ s/\$ServerPortForClient\b/$Set{client_port}/g;

    return $text;
}

# --- bodies

my %filters = (
    md5_hex  => sub { Digest::MD5::md5_hex($_[0]) },
    sha1_hex => sub { Digest::SHA::sha1_hex($_[0]) },
    uc       => sub { uc $_[0] },
    lc       => sub { lc $_[0] },
    ucfirst  => sub { ucfirst $_[0] },
    lcfirst  => sub { lcfirst $_[0] },
    length   => sub { length $_[0] },
);

sub _filter_body {
    my ($ctx, $block, $res) = @_;

    my $list = $block->response_body_filters // return;

    $list = [split ' ', $list] if !ref $list;
    $list = [$list] if ref $list ne 'ARRAY';
    $list = $list->[$ctx->{index}] if ref $list->[0] eq 'ARRAY';

    for my $filter (@$list) {
        my $code = ref $filter ? $filter : $filters{$filter}
            // die "$ctx->{name} - unknown body filter \"$filter\"\n";

        $res->{body} = $code->($res->{body});
    }
}

sub _sorted_json {
    my ($text) = @_;

    my $json = JSON::PP->new->canonical(1)->loose(1);
    my $out = eval { $json->encode($json->decode($text)) . "\n" };

    return $out // $text;
}

sub _body {
    my ($ctx, $block, $res) = @_;

    my $name = "$ctx->{name} - response_body";
    my $where = "(repeat $ctx->{repeat}, req $ctx->{index})";
    my $got = $res->{body};

    if (defined $block->response_body) {
        my $expected = _pick($ctx, $block->response_body);

        $got = _sorted_json($got) if defined $block->response_body_json_sort;

        if (ref $expected) {
            Test::More::like($got, $expected, "$name - like $where");
            return;
        }

        $expected = Gate::Harness::Config::expand(_ports($expected),
                                                  $ctx->{name})
            if defined $expected;

        Test::More::is($got, $expected, "$name - as expected $where");

    } elsif (defined $block->response_body_like) {
        my $pat = _ports(_pick($ctx, $block->response_body_like));

        Test::More::like($got, qr/$pat/s, "${name}_like $where");

    } elsif (defined $block->response_body_unlike) {
        my $pat = _ports(_pick($ctx, $block->response_body_unlike));

        Test::More::unlike($got, qr/$pat/s, "${name}_unlike $where");
    }
}

# --- logs

sub _patterns {
    my ($section) = @_;

    return @$section if ref $section eq 'ARRAY';
    return $section if ref $section;

    return grep { length } split /\n+/, $section;
}

sub _matches {
    my ($line, $pat) = @_;

    return ref $pat ? $line =~ $pat : index($line, $pat) >= 0;
}

sub _quote {
    my ($text) = @_;

    chomp $text;
    $text =~ s/\n/\\n/g;

    return "\"$text\"";
}

# Which of the patterns no line matches.

sub _missing {
    my ($lines, $patterns) = @_;

    my @left = @$patterns;

    for my $line (@$lines) {
        last if !@left;
        @left = grep { !_matches($line, $_) } @left;
    }

    return @left;
}

sub _has_all {
    my ($ctx, $what, $lines, $patterns) = @_;

    my %missing = map { $_ => 1 } _missing($lines, $patterns);

    for my $pat (@$patterns) {
        _ok(!$missing{$pat}, "$ctx->{name} - $what - " . _quote($pat)
                             . " matches a line (repeat $ctx->{repeat})");
    }
}

sub _has_none {
    my ($ctx, $what, $lines, $patterns) = @_;

    for my $pat (@$patterns) {
        my ($line) = grep { _matches($_, $pat) } @$lines;

        _ok(!defined $line, "$ctx->{name} - $what - " . _quote($pat)
                            . " matches no line (repeat $ctx->{repeat})")
            or Test::More::diag('but ' . _quote($line));
    }
}

# grep_error_log and grep_error_log_out

sub _grep_wanted {
    my ($ctx, $block) = @_;

    my $pat = $block->grep_error_log;
    my $out = $block->grep_error_log_out;

    die "$ctx->{name} - grep_error_log and grep_error_log_out go together\n"
        if defined $pat != defined $out;

    $pat = $pat->[$ctx->{repeat}] if ref $pat eq 'ARRAY';
    return if !defined $pat;

    $out = $out->[$ctx->{repeat}] if ref $out eq 'ARRAY';

    return ($pat, Gate::Harness::Config::expand($out, $ctx->{name}));
}

sub _grep {
    my ($lines, $pat) = @_;

    my $re = ref $pat ? $pat : qr/\Q$pat\E/;
    my $out = '';

    for my $line (@$lines) {
        $out .= "$1\n" if $line =~ /($re)/ && index($1, "\n") < 0;
    }

    return $out;
}

sub _grep_done {
    my ($lines, $pat, $expected) = @_;

    my $got = _grep($lines, $pat);

    return ref $expected ? $got =~ $expected : $got eq $expected;
}

# Lines are written after the answer was sent: waits for those that must come.
# For those that must not, waits until the request is in the access log, which
# nginx writes when it is done with it.

sub _wait_for_log {
    my ($ctx, $block, $wanted, $grep_pat, $grep_out) = @_;

    my $scale = $Gate::Harness::Config::Scale;
    my $lines;

    if (defined $ctx->{logged}
        && (defined $block->no_error_log || defined $grep_pat))
    {
        wait_until(ACCESS_TIMEOUT * $scale, sub {
            @{ Gate::Harness::Nginx::access_log_lines() } > $ctx->{logged};
        });
    }

    wait_until($Set{timeout} * $scale, sub {
        $lines = Gate::Harness::Nginx::new_log_lines();

        return !_missing($lines, $wanted)
               && (!defined $grep_pat
                   || _grep_done($lines, $grep_pat, $grep_out));
    });

    return $lines;
}

sub error_log {
    my ($ctx, $block) = @_;

    my @wanted = defined $block->error_log ? _patterns($block->error_log)
                                           : ();
    my ($grep_pat, $grep_out) = _grep_wanted($ctx, $block);
    my $lines = _wait_for_log($ctx, $block, \@wanted, $grep_pat, $grep_out);

    if (defined $grep_pat) {
        my $name = "$ctx->{name} - grep_error_log_out"
                   . " (repeat $ctx->{repeat})";
        my $got = _grep($lines, $grep_pat);

        ref $grep_out ? Test::More::like($got, $grep_out, $name)
                      : Test::More::is($got, $grep_out, $name);
    }

    _has_all($ctx, 'error_log', $lines, \@wanted);
    _has_none($ctx, 'no_error_log', $lines, [_patterns($block->no_error_log)])
        if defined $block->no_error_log;

    Gate::Harness::Nginx::log_seen($lines);
}

sub access_log {
    my ($ctx, $block) = @_;

    if (defined $block->access_log) {
        my @wanted = _patterns($block->access_log);

        wait_until($Set{timeout}, sub {
            !_missing(Gate::Harness::Nginx::access_log_lines(), \@wanted)
        });

        _has_all($ctx, 'access_log',
                 Gate::Harness::Nginx::access_log_lines(), \@wanted);
    }

    if (defined $block->no_access_log) {
        _has_none($ctx, 'no_access_log',
                  Gate::Harness::Nginx::access_log_lines(),
                  [_patterns($block->no_access_log)]);
    }
}

# --- after nginx ended

sub shutdown_log {
    my ($block, $skip) = @_;

    my $ctx = { name => $block->name, repeat => 0 };
    my $lines = Gate::Harness::Nginx::new_log_lines();
    my @wanted = _patterns($block->shutdown_error_log // []);
    my @unwanted = _patterns($block->no_shutdown_error_log // []);

    if ($skip && @wanted + @unwanted) {
        SKIP: {
            Test::More::skip("$ctx->{name} - nginx was reloaded",
                             @wanted + @unwanted);
        }

        return;
    }

    _has_all($ctx, 'shutdown_error_log', $lines, \@wanted);
    _has_none($ctx, 'no_shutdown_error_log', $lines, \@unwanted);
}

# What a block says it will find in the error log.

sub expected_lines {
    my ($block) = @_;

    return map { defined $_ ? _patterns($_) : () }
               $block->error_log, $block->shutdown_error_log,
               $block->grep_error_log;
}

1;
