package Gate::Outbound;

# Copyright (C) nginx-gate authors
#
# What the suites of signed payouts share: projects, an upstream that keeps
# what it gets, payouts with the bodies that must come of them, and what has
# to be true of every block:
#
#     use Gate::Env;
#     use Gate::Outbound qw( :all );
#     use Test::Nginx::Socket 'no_plan';
#     Gate::Outbound::suite();
#     run_tests();
#
# Sections beyond Test::Nginx's:
#
#     --- reached: N          requests that Gate got (default: 1 for a 200,
#                             0 for a refusal; "any": no matter)
#     --- after eval: sub { my ($body, $block, $repeat) = @_; ... }
#                             runs after each answer
#
# A block whose logs, debug level included, hold a key or a person's data
# fails.

use strict;
use warnings;

use Digest::SHA ();
use Exporter 'import';
use JSON::PP ();
use Test::More ();

use Gate::Env qw( write_key );
use Gate::Suite qw( slurp log_text nginx_pid workers workers_are_new
                    workers_are_gone by_worker signal_nginx change_conf
                    set_sections hooks );
use Gate::Upstream;

our @EXPORT_OK = qw(
    $up $kz_key $ua_key $http_config $mobile $card $payout $signed
    json lines_of signature signed payout_of signed_payout_of refusal
    slurp nginx_pid workers workers_are_new workers_are_gone by_worker
    signal_nginx change_conf log_text secret_in $path $type framed_by_length
    location states_of
);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

our $up = Gate::Upstream->run();

our $kz_key = 'key-of-kz-8d5a0b1e';
our $ua_key = 'key-of-ua-77c1f90d';

write_key('kz.key', "$kz_key\n");
write_key('ua.key', "$ua_key\n");

our $http_config = <<'_EOC_';
    gate_project kz {
        id           1234;
        secret_file  $TEST_NGINX_KEYS/kz.key;
    }

    gate_project ua {
        id           123;
        secret_file  $TEST_NGINX_KEYS/ua.key;
    }

    upstream gate {
        server unix:$TEST_NGINX_UPSTREAM_SOCKET;
    }
_EOC_

# A location that signs, with more directives.

sub location {
    return join "\n", 'location /v2/ {', 'gate_sign kz;',
                      'proxy_pass http://gate;', @_, '}', '';
}

# --- payouts

our $path = '/v2/payment/mobile/payout';
our $type = 'Content-Type: application/json';

# as a service sends it to a mobile number

our $mobile = <<'_EOC_';
{
    "general": {
        "payment_id": "payment_47"
    },
    "customer": {
        "id": "customer_123",
        "ip_address": "198.51.100.47",
        "first_name": "John",
        "last_name": "Doe",
        "email": "johndoe@example.com"
    },
    "account": {
        "number": "71234567890"
    },
    "payment": {
        "currency": "KZT",
        "amount": 100000
    }
}
_EOC_
chomp $mobile;

our $card = <<'_EOC_';
{
    "general": {
        "payment_id": "payment_47"
    },
    "customer": {
        "id": "customer_123",
        "ip_address": "198.51.100.47"
    },
    "payment": {
        "amount": 10000,
        "currency": "USD"
    },
    "token": "pkmawa3khb7wninntq8g8q3592fjjxwvzfebwbegqkl1c16akpgo6sgxac6wulz7"
}
_EOC_
chomp $card;

# what must not be in any log

my @secrets = ($kz_key, $ua_key, qw( 71234567890 John Doe johndoe
    pkmawa3khb7wninntq8g8q3592fjjxwvzfebwbegqkl1c16akpgo6sgxac6wulz7 ));

# The canonical string of a payout as above, line by line and in order; the
# lines that are given stand where they belong.

my %values = (
    'account:number'      => '71234567890',
    'customer:email'      => 'johndoe@example.com',
    'customer:first_name' => 'John',
    'customer:id'         => 'customer_123',
    'customer:ip_address' => '198.51.100.47',
    'customer:last_name'  => 'Doe',
    'general:payment_id'  => 'payment_47',
    'general:project_id'  => '1234',
    'payment:amount'      => '100000',
    'payment:currency'    => 'KZT',
);

sub lines_of {
    my (%more) = @_;

    my %all = (%values, %more);

    # none of these paths has digits: bytewise is natural order, too
    return map { "$_:$all{$_}" } grep { defined $all{$_} } sort keys %all;
}

sub signature {
    my ($key, @lines) = @_;

    my $text = Digest::SHA::hmac_sha512_base64(join(';', @lines), $key);

    return $text . '=' x (-length($text) % 4);
}

# The body with both fields at the start of "general".

sub signed {
    my ($body, $key, $id, @lines) = @_;

    my $fields = "\"project_id\":$id,\"signature\":\""
                 . signature($key, @lines) . '",';

    $body =~ s/("general"\s*:\s*\{)/$1$fields/ or die "no general\n";

    return $body;
}

# A payout that is so many bytes long.

our $payout = $mobile;
$payout =~ s/\s//g;

our $signed = signed($payout, $kz_key, 1234, lines_of());

sub _note {
    my ($size) = @_;

    my $length = $size - length $payout . '"note":"",';
    die "too small\n" if $length < 0;

    my $text = join '', map { chr(97 + $_ % 26) } 0 .. 25;

    return substr $text x ($length / 26 + 1), 0, $length;
}

sub payout_of {
    my ($size) = @_;

    my $body = $payout;
    substr $body, 1, 0, '"note":"' . _note($size) . '",';

    return $body;
}

sub signed_payout_of {
    my ($size) = @_;

    return signed(payout_of($size), $kz_key, 1234,
                  lines_of(note => _note($size)));
}

# --- answers

sub json { return JSON::PP->new->utf8->decode($_[0]) }

# Ids that are undef are not in the answer.

sub refusal {
    my ($code, $message, $project_id, $payment_id) = @_;

    my $body = "{\"status\":\"error\",\"code\":\"$code\","
               . "\"message\":\"$message\"";

    $body .= ",\"project_id\":$project_id" if defined $project_id;
    $body .= ",\"payment_id\":\"$payment_id\"" if defined $payment_id;

    return "$body}\r\n";
}

# What is said wherever a payout may be paid.

sub may_be_paid {
    return 'a payout may be paid, ask /v2/payment/status or send the same'
           . ' request again; a new payment_id would be a second payout';
}

# What the last request was, as Gate saw it.

sub framed_by_length {
    my ($expected, $from) = @_;

    my $request = ($from // $up)->last_request();

    Test::More::is($request->{headers}{'content-length'}, length $expected,
                   'Content-Length that Gate got');
    Test::More::is($request->{headers}{'transfer-encoding'}, undef,
                   'no Transfer-Encoding for Gate');
    Test::More::is($request->{body}, $expected, 'body that Gate got');
}

# --- memory

# What SHA-512 is after the inner and the outer block of a key.

sub states_of {
    my ($key) = @_;

    no warnings 'portable';

    $key = Digest::SHA::sha512($key) if length $key > 128;
    $key .= "\0" x (128 - length $key);

    return map {
        my $sha = Digest::SHA->new('sha512')->add($key ^ ($_ x 128));
        my ($words) = $sha->getstate() =~ /^H:(.*)$/m;
        pack 'Q<8', map { hex } split /:/, $words;
    } "\x36", "\x5c";
}

# --- logs

# The first secret in a text, or undef.

sub secret_in {
    my ($text, @more) = @_;

    for my $secret (@secrets, @more) {
        return $secret if $text =~ /(?<![A-Za-z0-9])\Q$secret\E/;
    }

    return undef;
}

# --- a suite

my $seen;

sub _defaults {
    my ($block) = @_;

    return if defined $block->must_die;

    set_sections($block, http_config => $http_config, config => location(),
        no_error_log => "[error]\n[alert]\n[crit]");
    set_sections($block, more_headers => 'Content-Type: application/json')
        if !defined $block->raw_request;

    $up->reset();
    $seen = 0;
}

sub _check_reached {
    my ($block, $i) = @_;

    my $expected = $block->reached // '';
    $expected =~ s/\s+//g;
    return if $expected eq 'any';

    if ($expected eq '') {
        my $code = $block->error_code // 200;
        $code = $code->[$i] if ref $code;
        $expected = $code =~ /^\s*200/ ? 1 : 0;
    }

    my $count = $up->count();

    Test::More::is($count - $seen, $expected, $block->name
                   . ' - requests that reached Gate');
    $seen = $count;
}

sub _after {
    my ($block, $body, $i, $repeat) = @_;

    # pipelined requests came together
    _check_reached($block, $i) if !$block->pipelined_requests;

    my $code = $block->after // return;

    if (!eval { $code->($body, $block, $repeat); 1 }) {
        Test::More::fail($block->name . " - after: $@");
    }

    $seen = $up->count();
}

sub suite { hooks(\&_defaults, \&_after, \&secret_in) }

1;
