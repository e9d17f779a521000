#!/usr/bin/perl

# Copyright (C) nginx-gate authors
#
# A valid callback, and everything that can be made of it without the key:
# each leaf changed, each member added, removed, moved, renamed, each type
# changed, neighbors melted into one string.  None of them passes but those that
# the scheme cannot tell from the original, which stand here by name: types of
# fields that the gateway does not rely on, empty containers, other spellings
# of a number, and neighbors that are not documented.  Some pass, but settle
# nothing.  And requests with the lines of a callback, however they are spread
# over keys and strings: what is signed for them verifies no callback that
# tells a status.

use strict;
use warnings;

use lib 't/lib';

use Gate::Env;
use Gate::Callbacks qw( :all );
use Gate::Http;
use Gate::Outbound qw( $up );
use Test::Nginx::Socket 'no_plan';

# --- documents: a leaf is its JSON text, an object [o => [key, value], ...],
# an array [a => value, ...]

sub o {
    my (@members) = @_;

    my @pairs;
    push @pairs, [splice @members, 0, 2] while @members;

    return ['o', @pairs];
}

sub a { return ['a', @_] }

sub text_of {
    my ($node) = @_;

    return $node if !ref $node;

    my ($type, @items) = @$node;

    return $type eq 'a'
        ? '[' . join(',', map { text_of($_) } @items) . ']'
        : '{' . join(',', map { "\"$_->[0]\":" . text_of($_->[1]) } @items)
          . '}';
}

sub copy_of {
    my ($node) = @_;

    return $node if !ref $node;

    my ($type, @items) = @$node;

    return [$type, map { $type eq 'a' ? copy_of($_)
                                      : [$_->[0], copy_of($_->[1])] } @items];
}

# The node at a path of positions, in a copy of the document; and its name.

sub node_at {
    my ($doc, @path) = @_;

    my $node = $doc;

    for my $i (@path) {
        $node = $node->[0] eq 'a' ? $node->[$i + 1] : $node->[$i + 1][1];
    }

    return $node;
}

sub name_of {
    my ($doc, @path) = @_;

    my ($node, @names) = ($doc);

    for my $i (@path) {
        push @names, $node->[0] eq 'a' ? $i : $node->[$i + 1][0];
        $node = $node->[0] eq 'a' ? $node->[$i + 1] : $node->[$i + 1][1];
    }

    return @names ? join '.', @names : 'top';
}

sub paths {
    my ($node, @path) = @_;

    return [@path] if !ref $node;

    my ($type, @items) = @$node;

    return ([@path], map {
        paths($type eq 'a' ? $items[$_] : $items[$_][1], @path, $_)
    } 0 .. $#items);
}

# A copy in which the code has changed the slot of the node: it gets the
# parent's list of items, the position there, and the node.

sub changed {
    my ($doc, $path, $code) = @_;

    my $copy = ['a', copy_of($doc)];
    my @path = (0, @$path);
    my $at = pop @path;
    my $parent = node_at($copy, @path);
    my $is_list = $parent->[0] eq 'a';
    my $value = $is_list ? $parent->[$at + 1] : $parent->[$at + 1][1];
    my $new = $code->($value, $parent, $at + 1, $copy->[1]);

    if (defined $new) {
        $is_list ? $parent->[$at + 1] = $new : ($parent->[$at + 1][1] = $new);
    }

    return text_of($copy->[1]);
}

# --- mutations of one node: [kind, code] for what applies to it

sub leaf_kinds {
    my ($leaf) = @_;

    my @kinds = (['null', 'null'], ['in an array', "[$leaf]"],
                 ['in an object', "{\"x\":$leaf}"],
                 ['under an empty key', "{\"\":$leaf}"],
                 ['emptied', '""'], ['empty object', '{}'],
                 ['empty array', '[]']);

    if ($leaf =~ /^"(.*)"$/) {
        my $text = $1;

        push @kinds, ['longer', "\"${text}x\""], ['spaced', "\"$text \""],
                     ['cased', '"' . ($text ^ ($text =~ /^([a-z])/i
                                               ? ' ' : '')) . '"'],
                     ['cut', '"' . substr($text, 0, -1) . '"'];
        push @kinds, ['as a number', $text] if $text =~ /^(?:0|[1-9]\d*)$/;
        push @kinds, ['as true', 'true'] if $text eq '1';
        push @kinds, ['split', "{\"$1\":\"$2\"}"]
            if $text =~ /^([^:]*):(.*)$/;
    }

    if ($leaf =~ /^-?\d+(?:\.\d+)?$/) {
        push @kinds, ['as a string', "\"$leaf\""], ['minus', "-$leaf"],
                     ['one more', $leaf + 1];
        push @kinds, ['as a fraction', "$leaf.0"],
                     ['with exponent', "${leaf}e0"],
                     ['ten times', "${leaf}0"] if $leaf !~ /\./;
        push @kinds, ['with more digits', "${leaf}0"] if $leaf =~ /\./;
    }

    push @kinds, ['as 1', '1'], ['as "1"', '"1"'], ['flipped', 'false']
        if $leaf eq 'true';
    push @kinds, ['as 0', '0'], ['as "0"', '"0"'], ['flipped', 'true']
        if $leaf eq 'false';

    return map { my $new = $_->[1]; [$_->[0], sub { $new }] }
           grep { $_->[1] ne $leaf } @kinds;
}

sub container_kinds {
    my ($node) = @_;

    my ($type, @items) = @$node;
    my $add = sub {
        my (@more) = @_;
        return sub { return [@{ $_[0] }, @more] };
    };

    my @kinds = (['replaced', sub { '"x"' }], ['as null', sub { 'null' }],
                 ['emptied', sub { [$type] }],
                 ['as its text', sub { '"x' . scalar(@items) . '"' }]);

    if ($type eq 'a') {
        my $i = 0;
        push @kinds, ['as an object', sub {
            return ['o', map { [$i++ % @items, $_] } @items];
        }] if @items;

        push @kinds, ['plus null', $add->('null')],
                     ['plus a string', $add->('"x"')],
                     ['plus an empty object', $add->(['o'])],
                     ['plus an empty array', $add->(['a'])],
                     ['plus a copy', $add->(map { copy_of($_) } @items)],
                     ['reversed', sub { ['a', reverse @items] }];

    } else {
        push @kinds, ['plus a member', $add->(['zz', '"x"'])],
                     ['plus null', $add->(['zz', 'null'])],
                     ['plus an empty object', $add->(['zz', ['o']])],
                     ['plus an empty array', $add->(['zz', ['a']])],
                     ['plus empty ones', $add->(['zz', o(y => a(['o']))])],
                     ['plus signature', $add->(['signature', '"x"'])],
                     ['plus frame_mode', $add->(['frame_mode', '"x"'])],
                     ['as an array', sub {
                         return ['a', map { $_->[1] } @items];
                     }];
    }

    return @kinds;
}

# Of a slot, whatever is in it.

sub slot_kinds {
    my ($doc, $path) = @_;

    my @kinds = (['removed', sub {
        my (undef, $parent, $at) = @_;
        splice @$parent, $at, 1;
        return undef;
    }]);

    my $parent = node_at($doc, @$path[0 .. $#$path - 1]);
    my $last = $path->[-1];

    if ($parent->[0] eq 'o') {
        push @kinds, map {
            my ($kind, $code) = @$_;
            [$kind, sub {
                my (undef, $parent, $at) = @_;
                $parent->[$at][0] = $code->($parent->[$at][0]);
                return undef;
            }]
        } ['renamed', sub { "$_[0]x" }], ['in capitals', sub { uc $_[0] }],
          ['with a colon', sub { "$_[0]:" }], ['without name', sub { '' }];

        push @kinds, ['moved to the top', sub {
            my ($value, $parent, $at, $top) = @_;
            my $name = $parent->[$at][0];
            splice @$parent, $at, 1;
            push @$top, ["moved_$name", $value];
            return undef;
        }], ['also at the top', sub {
            my ($value, $parent, $at, $top) = @_;
            push @$top, ["moved_$parent->[$at][0]", $value];
            return undef;
        }];
    }

    # the value changes places with the next one
    push @kinds, ['swapped', sub {
        my (undef, $parent, $at) = @_;
        my ($one, $two) = @$parent[$at, $at + 1];

        $parent->[0] eq 'a' ? (@$parent[$at, $at + 1] = ($two, $one))
                            : (($one->[1], $two->[1]) = ($two->[1], $one->[1]));
        return undef;
    }] if $last + 2 < @$parent
          && text_of($parent->[0] eq 'a' ? $parent->[$last + 1]
                                         : $parent->[$last + 1][1])
             ne text_of($parent->[0] eq 'a' ? $parent->[$last + 2]
                                            : $parent->[$last + 2][1]);

    return @kinds;
}

# Leaves that are neighbors in the canonical string become one.

sub melted {
    my ($doc) = @_;

    my %leaves;

    for my $path (paths($doc)) {
        my $name = name_of($doc, @$path);
        my $node = node_at($doc, @$path);

        $leaves{ $name =~ s/\./:/gr } = [$path, $name, $node]
            if !ref $node && $name !~ /signature$/;
    }

    my @order = sort keys %leaves;
    my %texts;

    for my $i (0 .. $#order - 1) {
        my ($path, $name, $node) = @{ $leaves{ $order[$i] } };
        my ($next_path, undef, $next) = @{ $leaves{ $order[$i + 1] } };
        my $copy = copy_of($doc);
        my ($at, @up) = reverse @$path;
        my ($next_at, @next_up) = reverse @$next_path;
        my ($parent, $next_parent) = map { node_at($copy, reverse @$_) }
                                         \@up, \@next_up;
        my $text = '"' . value_of($node) . ";$order[$i + 1]:"
                   . value_of($next) . '"';

        # the one before in a list has another number then
        next if $next_parent->[0] eq 'a' && $next_at + 1 < $#$next_parent;

        my $value = $parent->[0] eq 'a' ? \$parent->[$at + 1]
                                        : \$parent->[$at + 1][1];
        my $become = sub { $$value = $_[0]; return text_of($copy) };

        splice @$next_parent, $next_at + 1, 1;

        $texts{"$name melted"} = $become->($text);

        # what was the value is the start of a key
        my ($first, @keys) = split /:/, $order[$i + 1];
        my $inner = $next;

        $inner = o($_ => $inner) for reverse @keys;
        $texts{"$name melted into a key"}
            = $become->(o(value_of($node) . ";$first" => $inner));
    }

    return %texts;
}

sub value_of {
    my ($leaf) = @_;

    my %literals = (true => 1, false => 0, null => '');

    return $literals{$leaf} // ($leaf =~ /^"(.*)"$/ ? $1 : $leaf);
}

# Members that stand for something, with nothing in them.

sub empty_members {
    my ($doc) = @_;

    my %texts;

    for my $member ('"operations":[]', '"operations":[{}]',
                    '"operations":{}', '"general":{}', '"general":[]',
                    '"project_id":{}', '"operation":[]', '"payment":[]')
    {
        my ($name) = $member =~ /"(\w+)"/;
        next if grep { ref $_ && $_->[0] eq $name } @{$doc}[1 .. $#$doc];

        $texts{"top plus $member"} = text_of($doc) =~ s/^\{/{$member,/r;
    }

    return %texts;
}

sub mutations {
    my ($doc) = @_;

    my %texts = (melted($doc), empty_members($doc));

    for my $path (paths($doc)) {
        my $node = node_at($doc, @$path);
        my $name = name_of($doc, @$path);

        # the signature itself has a suite of its own
        next if $name =~ /signature$/;

        my @kinds = ref $node ? container_kinds($node) : leaf_kinds($node);

        push @kinds, slot_kinds($doc, $path) if @$path;
        $texts{"$name $_->[0]"} = changed($doc, $path, $_->[1]) for @kinds;
    }

    my $same = text_of($doc);

    return { map { $_ => $texts{$_} }
             grep { $texts{$_} ne $same } keys %texts };
}

# --- two callbacks: signed at the top, and in "general"

sub members {
    return (
        payment => o(id => '"47"', type => '"payout"', status => '"success"',
                     method => '"mobile"', date => '"2026-11-21T19:08:45"',
                     sum => o(amount => '100000', currency => '"KZT"'),
                     description => '""'),
        customer => o(id => '"1"', phone => '"77001234567"'),
        operation => o(id => '47', type => '"payout"', status => '"success"',
                       sum_initial => o(amount => '100000',
                                        currency => '"KZT"'),
                       rate => '447.25', code => '"0"',
                       provider => o(id => '12345', auth_code => '""')),
        errors => a(map { o(code => "\"$_\"", fail => 'true') } 1, 2),
        flags => a('true', 'false', 'null', '7'),
        nothing => o(),
        list => a(),
    );
}

our $at_top = o(project_id => '1234', members());
our $in_general = o(general => o(project_id => '1234', payment_id => '"47"'),
                    members());

sub sign {
    my ($doc, $general) = @_;

    my $signature = '"' . signature_of(text_of($doc), 'key-of-kz-8d5a0b1e')
                    . '"';
    my $signed = copy_of($doc);

    push @{ $general ? $signed->[1][1] : $signed },
         ['signature', $signature];

    return $signed;
}

# --- the run

sub try_all {
    my ($doc, $general) = @_;

    my $texts = mutations(sign($doc, $general));
    my @names = sort keys %$texts;
    my $before = $service->count();

    my @res = Gate::Http::parallel([ map { {
        method => 'POST', uri => '/callbacks', body => $texts->{$_},
        timeout => 60 } } @names ], concurrency => 16);

    my %by;

    for my $i (0 .. $#names) {
        my $head = $res[$i]{headers};
        my $word = $head->{'x-settlement'} // $head->{'x-result'} // '';

        push @{ $by{"$res[$i]{status} $word"} }, $names[$i];
    }

    Test::More::cmp_ok(scalar(@names), '>', 500, 'mutations: ' . @names);

    my %passed = map { $texts->{$_} => 1 }
                 map { @{ $by{$_} // [] } } '200 ok', '200 unread';
    my @reached = ($service->requests())[$before .. $service->count() - 1];

    Test::More::is(scalar(@reached), scalar keys %passed,
                   'the service got what passed');
    Test::More::is(scalar(grep { !$passed{$_->{body}} } @reached), 0,
                   'and nothing else');

    return \%by;
}

# What becomes of both callbacks; blocks have what becomes of theirs alone.

my %both = (
    unseen => <<'END',
customer plus an empty array
customer plus an empty object
customer plus empty ones
customer.id as a number
customer.id as true
customer.phone as a number
errors plus an empty array
errors plus an empty object
errors.0 plus an empty array
errors.0 plus an empty object
errors.0 plus empty ones
errors.0.code as a number
errors.0.code as true
errors.0.code swapped
errors.0.fail as "1"
errors.0.fail as 1
errors.1 plus an empty array
errors.1 plus an empty object
errors.1 plus empty ones
errors.1.code as a number
errors.1.fail as "1"
errors.1.fail as 1
flags as an object
flags plus an empty array
flags plus an empty object
flags.0 as "1"
flags.0 as 1
flags.1 as "0"
flags.1 as 0
flags.2 emptied
flags.2 melted
flags.2 melted into a key
flags.3 as a fraction
flags.3 as a string
flags.3 with exponent
list also at the top
list in capitals
list moved to the top
list plus an empty array
list plus an empty object
list removed
list renamed
list with a colon
list without name
nothing also at the top
nothing as an array
nothing in capitals
nothing moved to the top
nothing plus an empty array
nothing plus an empty object
nothing plus empty ones
nothing removed
nothing renamed
nothing swapped
nothing with a colon
nothing without name
operation plus an empty array
operation plus an empty object
operation plus empty ones
operation.code as a number
operation.id as a string
operation.provider plus an empty array
operation.provider plus an empty object
operation.provider plus empty ones
operation.provider.auth_code null
operation.provider.id as a fraction
operation.provider.id as a string
operation.provider.id with exponent
operation.rate as a string
operation.rate with more digits
operation.sum_initial plus an empty array
operation.sum_initial plus an empty object
operation.sum_initial plus empty ones
payment plus an empty array
payment plus an empty object
payment plus empty ones
payment.description null
payment.id as a number
payment.sum plus an empty array
payment.sum plus an empty object
payment.sum plus empty ones
top plus "operations":[]
top plus "operations":[{}]
top plus "operations":{}
top plus an empty array
top plus an empty object
top plus empty ones
END
    unread => <<'END',
operation.id as a fraction
operation.id with exponent
operation.sum_initial.amount as a fraction
operation.sum_initial.amount as a string
operation.sum_initial.amount with exponent
payment.sum.amount as a fraction
payment.sum.amount as a string
payment.sum.amount with exponent
END
    ambiguous => <<'END',
customer plus frame_mode
customer plus signature
customer.id melted
customer.id melted into a key
customer.phone melted
customer.phone melted into a key
errors as an object
errors.0 plus frame_mode
errors.0 plus signature
errors.0.code melted
errors.0.code melted into a key
errors.0.fail melted
errors.0.fail melted into a key
errors.1 plus frame_mode
errors.1 plus signature
errors.1.code melted
errors.1.code melted into a key
flags.3 melted
flags.3 melted into a key
nothing plus frame_mode
nothing plus signature
operation plus frame_mode
operation plus signature
operation.code melted
operation.code melted into a key
operation.id melted
operation.id melted into a key
operation.provider plus frame_mode
operation.provider plus signature
operation.provider.auth_code melted
operation.provider.auth_code melted into a key
operation.provider.id melted
operation.provider.id melted into a key
operation.rate melted
operation.rate melted into a key
operation.status melted
operation.status melted into a key
operation.sum_initial plus frame_mode
operation.sum_initial plus signature
operation.sum_initial.amount melted
operation.sum_initial.amount melted into a key
operation.sum_initial.currency melted
operation.sum_initial.currency melted into a key
operation.type melted
operation.type melted into a key
payment plus frame_mode
payment plus signature
payment.date melted
payment.date split
payment.description melted
payment.description melted into a key
payment.id melted
payment.id melted into a key
payment.method melted
payment.method melted into a key
payment.status melted
payment.status melted into a key
payment.sum plus frame_mode
payment.sum plus signature
payment.sum.amount melted
payment.sum.amount melted into a key
payment.sum.currency melted
payment.sum.currency melted into a key
top plus frame_mode
END
    bad_json => <<'END',
customer without name
errors without name
flags without name
operation without name
payment without name
top as an array
top as its text
top as null
top replaced
END
);

our $by;

sub only_these {
    my ($block, $word, $section) = @_;

    my @expected = sort grep { /\S/ }
                   split /\n/, $both{$section} . ($block->$section // '');

    Test::More::is(join("\n", @{ delete $by->{$word} // [] }),
                   join("\n", @expected), $word);
}

sub as_listed {
    my ($block) = @_;

    only_these($block, '200 ok', 'unseen');
    only_these($block, '200 unread', 'unread');
    only_these($block, '400 ambiguous', 'ambiguous');
    only_these($block, '400 bad_json', 'bad_json');

    Test::More::is(join(', ', sort keys %$by),
                   '403 bad_signature, 403 unknown_project',
                   'all others are refused');
}

# --- requests that share the canonical string of a callback

our $signing = <<'_EOC_' . $Gate::Callbacks::config;
    location /v2/ {
        gate_sign      kz;
        gate_validate  off;
        proxy_pass     http://gate;
    }
_EOC_

# A document of lines: [value, segments of the path].

sub built {
    my (@lines) = @_;

    return $lines[0][0] =~ /^\d+$/ ? $lines[0][0] : "\"$lines[0][0]\""
        if @lines == 1 && @{ $lines[0] } == 1;

    my (%members, @names);

    for my $line (@lines) {
        my ($value, $name, @rest) = @$line;

        push @names, $name if !$members{$name};
        push @{ $members{$name} }, [$value, @rest];
    }

    return '[' . join(',', map { built(@{ $members{$_} }) } @names) . ']'
        if $names[0] =~ /^\d+$/;

    return '{' . join(',', map { "\"$_\":" . built(@{ $members{$_} }) }
                               @names) . '}';
}

my @usual = ('account:number' => '7123', 'customer:id' => 'c1',
             'general:project_id' => '1234', 'payment:method' => 'mobile',
             'payment:sum:currency' => 'KZT', 'payment:type' => 'payout',
             'zone' => 'x');

my @told = (['payment:status' => 'decline'], ['payment:status' => 'success'],
            ['payment:status' => 'error', 'operation:id' => '47'],
            ['operation:id' => '47', 'operation:status' => 'decline'],
            ['operations:0:id' => '47', 'operations:0:status' => 'success',
             'operations:1:id' => '48', 'operations:1:status' => 'decline'],
            ['status' => 'success']);

my @untold = (['payment:amount' => '400'], ['payment:description' => 'd'],
              ['operation:id' => '47'], ['operations:0:id' => '47']);

# How a line comes into the one before: as text, escaped, with its first name
# in a key, or with its value cut off where the path ends.

my @melt = (
    sub { my ($line, $next) = @_;
          [join(';', $line->[0], join(':', @$next[1 .. $#$next], $next->[0])),
           @$line[1 .. $#$line]] },
    sub { my ($line, $next) = @_;
          [join('\\u003b', $line->[0],
                join('\\u003A', @$next[1 .. $#$next], $next->[0])),
           @$line[1 .. $#$line]] },
    sub { my ($line, $next) = @_;
          [$next->[0], @$line[1 .. $#$line], "$line->[0];$next->[1]",
           @$next[2 .. $#$next]] },
    sub { my ($line, $next) = @_;
          [join(':', @$next[2 .. $#$next], $next->[0]), @$line[1 .. $#$line],
           "$line->[0];$next->[1]"] },
);

# A callback, and a request with its lines; both without signature.

sub pair {
    my ($id, $tells) = @_;

    my $more = $tells ? $told[rand @told] : $untold[rand @untold];
    my %lines = (@usual, @$more, 'general:payment_id' => $id,
                 'payment:id' => $id);
    my @lines = map { [$lines{$_}, split /:/] } sort keys %lines;
    my @melted = @lines;

    # the gateway itself has to find "general"
    my @at = grep { $melted[$_][1] ne 'general'
                    && $melted[$_ - 1][1] ne 'general' } 1 .. $#melted;
    my ($status) = grep { $melted[$_][-1] =~ /^(?:status|amount)$/ } @at;
    my $way = $melt[rand @melt];
    my $from = rand() < .7 && defined $status ? $status : $at[rand @at];
    my $count = 1 + int rand 3;

    # some are the callback itself
    if (rand() < .9) {
        while ($count-- && $from < @melted
               && $melted[$from][1] ne 'general')
        {
            splice @melted, $from - 1, 2,
                   $way->(@melted[$from - 1, $from]);
            last if $way != $melt[0];
        }
    }

    return (built(@lines), built(@melted));
}

# Each request is signed or refused; what is signed goes to its callback.

sub try_pairs {
    my ($count, $tells) = @_;

    my (%callback, %request, %by);

    srand(47 + $tells);
    $up->reset();

    for my $i (1 .. $count) {
        my $id = "id-$i-" . ($tells ? 'told' : 'untold');

        ($callback{$id}, $request{$id}) = pair($id, $tells);
    }

    my @ids = sort keys %request;
    my @res = Gate::Http::parallel([ map { {
        method => 'POST', uri => '/v2/payment/mobile/payout', timeout => 60,
        headers => ['Content-Type: application/json'],
        body => $request{$_} } } @ids ], concurrency => 16);

    for my $i (0 .. $#ids) {
        push @{ $by{"$res[$i]{status} " . ($res[$i]{headers}{'x-result'} // '')
                    . ($res[$i]{body} =~ /only Gate tells the status/
                       ? ': a status' : '')} }, $ids[$i];
    }

    my %signature = map { my ($id) = $_->{body} =~ /\b(id-\d+-(?:un)?told)\b/;
                          my ($text) = $_->{body} =~ /"signature":"([^"]*)"/;
                          ($id => $text) } $up->requests();

    @ids = sort keys %signature;

    my $before = $service->count();
    my @back = Gate::Http::parallel([ map { {
        method => 'POST', uri => '/callbacks', timeout => 60,
        body => $callback{$_}
                =~ s/"general":\{/"general":{"signature":"$signature{$_}",/r
        } } @ids ], concurrency => 16);

    push @{ $by{"back: $back[$_]{status} "
                . ($back[$_]{headers}{'x-result'} // '')} }, $ids[$_]
        for 0 .. $#ids;

    my @reached = ($service->requests())[$before .. $service->count() - 1];

    push @{ $by{'told'} }, $_->{body}
        for grep { ($_->{headers}{'x-gate-callback-status'} // '') ne ''
                   || $_->{body} =~ /"status"/ } @reached;

    return join ', ', map { "$_: " . @{ $by{$_} } } sort keys %by;
}

Gate::Callbacks::suite();

run_tests();

__DATA__

=== TEST 1: signed at the top level
--- steps
! $::by = try_all($::at_top, 0)
--- errors
--- no_error_log
[alert]
--- finally eval: \&::as_listed
--- unseen
project_id as a string
top plus "general":[]
top plus "general":{}
--- bad_json
top plus signature



=== TEST 2: signed in general
--- steps
! $::by = try_all($::in_general, 1)
--- errors
--- no_error_log
[alert]
--- finally eval: \&::as_listed
--- unseen
general plus an empty array
general plus an empty object
general plus empty ones
general.payment_id as a number
general.project_id as a string
top plus "project_id":{}
--- ambiguous
general plus frame_mode
--- bad_json
general plus signature



=== TEST 3: requests with the lines of a callback that tells a status
--- config eval: $::signing
--- steps
! Test::More::is(try_pairs(1000, 1), '400 invalid_field: a status: 1000', 'none is signed')
--- no_error_log
[error]
[alert]



=== TEST 4: the same without a status: all are signed, and tell none
--- config eval: $::signing
--- steps
! Test::More::is(try_pairs(300, 0), '200 ok: 300, back: 200 ok: 300', 'all are signed')
--- no_error_log
[error]
[alert]
