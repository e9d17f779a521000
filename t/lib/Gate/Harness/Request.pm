package Gate::Harness::Request;

# Copyright (C) nginx-gate authors
#
# From the sections of a block to the bytes to send.  A request is a list of
# packets, { value => bytes, delay_before => seconds }.

use strict;
use warnings;

use Gate::Harness::Config;

*Set = \%Gate::Harness::Config::Set;
our %Set;

# The requests of a block, each a list of packets.

sub requests {
    my ($block) = @_;

    my $name = $block->name;

    if (defined $block->raw_request) {
        my $raw = $block->raw_request;

        return [ map { { value => $_ } } ref $raw ? @$raw : $raw ];
    }

    return _pipelined($block) if $block->pipelined_requests;

    my $request = $block->request // die "$name - no --- request section\n";

    return _one($block, $request, 0) if !ref $request;

    die "$name - bad --- request section\n" if ref $request ne 'ARRAY';

    return map { _one($block, $request->[$_], $_) } 0 .. $#$request;
}

sub _pipelined {
    my ($block) = @_;

    my $name = $block->name;
    my $list = $block->pipelined_requests;
    my $bytes = '';

    die "$name - bad --- pipelined_requests section\n"
        if ref $list ne 'ARRAY';

    for my $i (0 .. $#$list) {
        my $text = Gate::Harness::Config::expand($list->[$i], $name);
        my $conn = $i == $#$list ? 'close' : 'keep-alive';

        $bytes .= join '', _build($name, _headers($block, $i), $conn, $text);
    }

    return [ { value => $bytes } ];
}

sub _one {
    my ($block, $request, $i) = @_;

    my $name = $block->name;
    my @packets = ref $request eq 'ARRAY' ? @$request : ($request);

    # comments and empty lines before the request line
    if (!ref $request) {
        1 while $packets[0] =~ s/\A\s*\#[^\n]+\s+|\A\s+//;
    }

    my @values = _build($name, _headers($block, $i), 'close',
                        map { ref $_ eq 'HASH' ? $_->{value} : $_ } @packets);

    return [ map {
        my $packet = $packets[$_];

        ref $packet eq 'HASH' ? { %$packet, value => $values[$_] }
                              : { value => $values[$_] };
    } 0 .. $#values ];
}

# --- headers

sub _headers {
    my ($block, $i) = @_;

    my $more = $block->more_headers // '';

    if (ref $more eq 'ARRAY') {
        $more = $more->[$i]
            // die $block->name . " - no more_headers for request $i\n";
    }

    my ($out, $chunked) = ('', 0);

    for my $line (split /\n+/, $more) {
        next if $line =~ /^\s*\#/;

        my ($key, $value) = split /:\s*/, $line, 2;
        $value //= '';

        $chunked = 1 if lc $key eq 'transfer-encoding' && $value eq 'chunked';
        $out .= "$key: $value\r\n";
    }

    return { text => $out, chunked => $chunked };
}

sub _add_headers {
    my ($headers, $conn, $body_length) = @_;

    my $more = $headers->{text};
    my $out = '';

    $out .= "Host: $Set{server_name}\r\n" if $more !~ /^Host:/mi;
    $out .= "Connection: $conn\r\n" if $more !~ /^Connection/mi;
    $out .= $more;
    $out .= "Content-Length: $body_length\r\n" if defined $body_length;

    return "$out\r\n";
}

# --- the request line and the body

# Returns as many packets as it got: a packet ends where the same character
# of the suite's text was its last one.

sub _build {
    my ($name, $headers, $conn, @packets) = @_;

    my $text = join '', @packets;

    $text =~ m{\A(\s*)(\S+)(\ *)(\S*)(\ *)(\S*)(\ *)(\s*?(?:\n|\z))}x
        or die "$name - bad request line\n";

    my ($lead, $method, $s1, $url, $s2, $version, $s3, $end)
        = ($1, $2, $3, $4, $5, $6, $7, $8);

    my $body = substr $text, $+[0];
    my ($new_body, $length) = ($body, undef);

    if (!$headers->{chunked} && $body ne ''
        && $headers->{text} !~ /^Content-Length:/m)
    {
        $new_body =~ s/\A\s+|\s+\z//g;
        $length = length $new_body;
    }

    return _cut(\@packets,
        [length $lead, ''],
        [length $method, "$method "],
        [length $s1, ''],
        [length $url, ($url eq '' ? '/' : $url) . ' '],
        [length $s2, ''],
        [length $version, ($version eq '' ? 'HTTP/1.1' : $version) . "\r\n"],
        [length("$s3$end"), ''],
        [0, _add_headers($headers, $conn, $length)],
        [length $body, $new_body]);
}

# Segments are [length in the suite's text, bytes that replace it].

sub _cut {
    my ($packets, @segments) = @_;

    my $bytes = join '', map { $_->[1] } @segments;
    my @cuts;
    my $old_end = 0;

    for my $packet (@$packets[0 .. $#$packets - 1]) {
        $old_end += length $packet;
        push @cuts, _new_offset($old_end, @segments);
    }

    my @out;
    my $from = 0;

    for my $to (@cuts, length $bytes) {
        push @out, substr $bytes, $from, $to - $from;
        $from = $to;
    }

    return @out;
}

sub _new_offset {
    my ($old, @segments) = @_;

    my $new = 0;

    for my $segment (@segments) {
        my ($length, $bytes) = @$segment;

        if ($old < $length) {
            return $new + ($old < length $bytes ? $old : length $bytes);
        }

        $old -= $length;
        $new += length $bytes;
    }

    return $new;
}

1;
