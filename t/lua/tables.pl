# Copyright (C) nginx-gate authors
#
# Every cell of the tables of doc/ledger.md: what it describes is made by calls
# of the scripts, its move is made, and what it says must have come of it.

use strict;
use warnings;

use Test::More;

use Model;

my $tables = Model::tables('doc/ledger.md');

# calls the code with row, column and cell of each cell of a table; all columns
# must be those that the test knows

sub each_cell {
    my ($name, $columns, $code) = @_;

    my ($head, @rows) = @{ $tables->{$name} // [ [] ] };

    is("@$head[1 .. $#$head]", "@$columns", "the table of \"$name\" is known");
    cmp_ok(scalar @rows, '>', 3, 'and has rows');

    for my $row (@rows) {
        my ($key, @cells) = @$row;

        is(scalar @cells, scalar @$columns, "$key: a cell for each column");
        $code->($key, $columns->[$_], $cells[$_]) for 0 .. $#cells;
    }

    return map { $_->[0] } @rows;
}

sub rows_are {
    my ($got, @known) = @_;

    is(join(', ', sort @$got), join(', ', sort @known), 'each row is known');
}

# --- copies

my %LETTER = (open => 'open', accepted => 'a', lost => 'l', freed => 'f',
              done => 'r', gone => 'none', 'not known' => 'none');

my @KNOWN = ('not known', qw( open lost freed accepted done ));

sub make_copy {
    my ($ledger, $row, $more) = @_;

    $ledger->clear()->at(1795219200)->limits(day => 1000);

    # another one beside it, or no entry at all
    $ledger->reserve('p', 100, digest => 'd', copy => 'other') if $more;
    return if $row eq 'not known';

    $ledger->reserve('p', 100, digest => 'd', copy => 'c');
    $ledger->outcome('p', 'c', 'accepted') if $row eq 'accepted';
    $ledger->outcome('p', 'c', 'unknown') if $row eq 'lost';
    $ledger->outcome('p', 'c', 'refused', '3104') if $row eq 'done';
    $ledger->outcome('p', '', 'free', 'me') if $row eq 'freed';
}

sub letter {
    my ($ledger) = @_;

    my %copies = Model::copies($ledger->entry('p')->{copies});

    return $copies{c} // 'none';
}

sub copy_cell {
    my ($ledger, $row, $column, $cell) = @_;

    for my $more (0, 1) {
        my $name = "$row copy, $column" . ($more ? ', another beside it' : '');

        make_copy($ledger, $row, $more);
        is(letter($ledger), $LETTER{$row}, "$name: made");

        if ($column =~ /^no report for (\d+) s$/) {
            my $patience = $1;

            $ledger->at(1795219200 + $patience);
            $ledger->outcome('p', 'poke1', 'release');
            is(letter($ledger), $LETTER{$row}, "$name: not yet");
            $ledger->at(1795219200 + $patience + 1);
            $ledger->outcome('p', 'poke2', 'release');

        } else {
            $ledger->outcome('p', 'c', $column, $column eq 'refused' ? '3104'
                             : '');
        }

        is(letter($ledger), $LETTER{$cell eq '-' ? $row : $cell},
           "$name: $cell");
        is(Model::wrong($ledger), '', "$name: what is counted");

        next if $column =~ /^no report/;

        my $before = $ledger->entry('p');
        my ($word) = $ledger->outcome('p', 'c', $column, $column eq 'refused'
                                      ? '3104' : '');

        like($word, qr/^(?:again|gone|noted)$/, "$name: once more");
        is_deeply($ledger->entry('p'), $before, "$name: the same entry");
    }
}

sub copy_table {
    my ($ledger) = @_;

    my @rows = each_cell('copy', [qw( accepted refused unknown release ),
                                  'no report for 600 s'],
                         sub { copy_cell($ledger, @_) });

    rows_are(\@rows, @KNOWN);
}

# --- operations

my %STATUS = (pending => 'processing', partial => 'partially_paid_out',
              map { $_ => $_ } qw( error decline success reversed ));

my %PAID = (partial => 40, success => 100);

sub told {
    my ($ledger, $status, %opt) = @_;

    return $ledger->settle('p', $STATUS{$status}, op => 7,
                           paid => $PAID{$status} // '', %opt);
}

sub make_operation {
    my ($ledger, $row) = @_;

    $ledger->clear()->limits(day => 1000);
    $ledger->reserve('p', 100, copy => 'c');
    $ledger->outcome('p', 'c', 'accepted');
    return if $row eq 'not known';

    told($ledger, $row eq 'freed' ? 'pending' : $row);
    $ledger->outcome('p', '', 'free', 'me') if $row eq 'freed';
}

sub operation {
    my ($ledger) = @_;

    my %ops = map { $_->{id} => $_->{status} }
              Model::operations($ledger->entry('p')->{ops});

    return $ops{7} // 'not known';
}

sub operation_cell {
    my ($ledger, $row, $column, $cell) = @_;

    my $name = "$row operation, then $column";
    my ($word, $status) = split /: /, $cell;

    make_operation($ledger, $row);
    is(operation($ledger), $row, "$name: made");

    my @reply = told($ledger, $column);

    is("$reply[0] $reply[1]", "forward $word", "$name: $word");
    is(operation($ledger), $status, "$name: $status");
    is(Model::wrong($ledger), '', "$name: what is counted");
    is($reply[4], $ledger->entry('p')->{counted}, "$name: and told");

    my $before = $ledger->entry('p');

    @reply = told($ledger, $column);
    is($reply[1], $word eq 'settled' ? 'again' : $word, "$name: once more");
    is_deeply($ledger->entry('p'), $before, "$name: the same entry");

    make_operation($ledger, $row);
    @reply = told($ledger, $column, owner => 'o');
    is($reply[0], $word eq 'stale' ? 'stale' : 'forward',
       "$name: whether a service hears it");
}

sub operation_table {
    my ($ledger) = @_;

    my @rows = each_cell('operation',
                         [qw( pending error decline partial success reversed )],
                         sub { operation_cell($ledger, @_) });

    rows_are(\@rows, 'not known', 'freed', keys %STATUS);
}

# --- what is counted

# what makes each row; a list of calls, and what was paid

my %RULES = (
    'one is pending, none has closed it' => [
        [ 0, sub { told($_[0], 'pending') } ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'accepted');
                   told($_[0], 'pending') } ],
        [ 0, sub { told($_[0], 'error', op => 6); told($_[0], 'pending') } ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'refused', '3104');
                   told($_[0], 'pending') } ],
    ],
    'none has closed it; n > 0, and n + freed > errors' => [
        [ 0, sub { }, 'reserved' ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'unknown') }, 'unknown' ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'accepted') }, 'accepted' ],
        [ 0, sub { $_[0]->reserve('p', 100, copy => 'b');
                   told($_[0], 'error') }, 'reserved' ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'accepted');
                   $_[0]->reserve('p', 100, copy => 'b');
                   $_[0]->outcome('p', 'b', 'unknown');
                   told($_[0], 'error') }, 'accepted' ],
        [ 0, sub { $_[0]->outcome('p', '', 'free', 'me');
                   $_[0]->reserve('p', 100, copy => 'b');
                   told($_[0], 'error') }, 'reserved' ],
    ],
    'there are none, n is 0, and exists' => [
        [ 0, sub { $_[0]->outcome('p', 'c', 'refused', '10105') } ],
    ],
    'none has closed it, nor does anything above hold' => [
        [ 0, sub { told($_[0], 'error') }, 'error' ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'accepted');
                   told($_[0], 'error') }, 'error' ],
        [ 0, sub { $_[0]->reserve('p', 100, copy => 'b');
                   told($_[0], 'error', op => $_) for 6, 7 }, 'error' ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'refused', '3104') }, 'refused' ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'release') }, 'released' ],
        [ 0, sub { $_[0]->outcome('p', '', 'free', 'me') }, 'released' ],
    ],
    'one is success' => [
        [ 100, sub { told($_[0], 'success') } ],
        [ 100, sub { told($_[0], 'success', paid => '') } ],
        [ 120, sub { told($_[0], 'success', paid => 120) } ],
        [ 90, sub { told($_[0], 'success', paid => 90) } ],
        [ 130, sub { told($_[0], 'success', paid => 30, sum => 130) } ],
        [ 110, sub { told($_[0], 'partial', op => 6, paid => 70);
                     told($_[0], 'success', paid => 40) } ],
        [ 100, sub { told($_[0], 'decline', op => 6);
                     told($_[0], 'success') } ],
    ],
    'none is success, and one is pending; or partial, decline or reversed, and'
    . ' what they have paid, or were to pay and did not, is less than the'
    . ' amount' => [
        [ 0, sub { told($_[0], 'partial', paid => 40); told($_[0], 'reversed') },
          'reversed' ],
        [ 0, sub { told($_[0], 'reversed', size => 40) }, 'reversed' ],
        [ 0, sub { told($_[0], 'decline'); told($_[0], 'pending', op => 8) },
          'accepted' ],
        [ 0, sub { told($_[0], 'reversed'); told($_[0], 'pending', op => 8) },
          'accepted' ],
        [ 0, sub { told($_[0], 'partial', paid => 40);
                   told($_[0], 'decline', op => 8, size => 60);
                   told($_[0], 'pending', op => 9) }, 'partially_paid_out' ],
        [ 0, sub { $_[0]->outcome('p', 'c', 'accepted');
                   $_[0]->settle('p', 'partially_paid_out', complete => 1,
                                 ops => '1=partial/40 2=pending/') },
          'partially_paid_out' ],
        [ 0, sub { told($_[0], 'partial', paid => 40) }, 'partially_paid_out' ],
        [ 0, sub { told($_[0], 'partial', paid => '') }, 'partially_paid_out' ],
        [ 0, sub { told($_[0], 'partial', paid => 40);
                   told($_[0], 'decline', op => 8, size => 59) },
          'partially_paid_out' ],
        [ 0, sub { told($_[0], 'decline', size => 60) }, 'decline' ],
    ],
    'partial, and they cover the amount, or complete' => [
        [ 100, sub { told($_[0], 'partial', paid => 100) } ],
        [ 100, sub { told($_[0], 'partial', op => $_, paid => 50)
                         for 6, 7 } ],
        [ 120, sub { told($_[0], 'partial', op => $_, paid => 60)
                         for 6, 7 } ],
        [ 40, sub { told($_[0], 'partial', paid => 40);
                    told($_[0], 'decline', op => 8, size => 60) } ],
        [ 40, sub { $_[0]->outcome('p', 'c', 'accepted');
                    told($_[0], 'partial', paid => 40, complete => 1) } ],
        [ 40, sub { told($_[0], 'partial', paid => 40);
                    $_[0]->outcome('p', '', 'free', 'me') } ],
    ],
    'decline only, of the whole amount or of no amount that is known' => [
        [ 0, sub { told($_[0], 'decline') } ],
        [ 0, sub { told($_[0], 'decline', size => 100) } ],
        [ 0, sub { told($_[0], 'decline', op => 6, size => 30);
                   told($_[0], 'decline', size => 70) } ],
    ],
    'reversed, of the whole amount or of no amount that is known, and none of'
    . ' the above' => [
        [ 0, sub { told($_[0], 'reversed', size => 100) } ],
        [ 0, sub { told($_[0], 'success', paid => 90);
                   told($_[0], 'reversed') } ],
        [ 0, sub { told($_[0], 'reversed') } ],
        [ 0, sub { told($_[0], 'success'); told($_[0], 'reversed') } ],
    ],
);

sub counted_table {
    my ($ledger) = @_;

    my ($head, @rows) = @{ $tables->{'operations of the attempt'} // [ [] ] };

    rows_are([ map { $_->[0] } @rows ], keys %RULES);

    for my $row (@rows) {
        my ($when, $counted, $state) = @$row;
        my $n = 0;

        for my $rule (@{ $RULES{$when} // [] }) {
            my ($paid, $make, $its) = @$rule;
            my $name = "$when (" . ++$n . ')';
            my $want = $counted eq 'the amount' ? 100 : $paid;

            $ledger->clear()->limits(day => 1000);
            $ledger->reserve('p', 100, copy => 'c');
            $make->($ledger);

            my $entry = $ledger->entry('p');

            like($state, qr/\b$its\b/, "$name: $its is one of the row") if $its;
            is("$entry->{counted} $entry->{state}", "$want " . ($its // $state),
               $name);
            is($ledger->used('day:20261121'), "$want/" . ($want ? 1 : 0),
               "$name: total");
            is(Model::wrong($ledger), '', "$name: all of it");
        }
    }
}

# --- payments

sub comes_again_cell {
    my ($ledger, $row, $column, $cell) = @_;

    my $name = "$row, $column";

    $ledger->clear()->limits(day => 1000);
    in_state($ledger, 'p', $row) if $row ne 'none';

    my $before = $ledger->everything();
    my $counted = $ledger->entry('p')->{counted} // 0;
    my ($word) = $column eq 'freed by hand'
                 ? $ledger->outcome('p', '', 'free', 'me')
                 : $ledger->reserve('p', 100, digest => $column =~ /same/ ? 'd'
                                    : 'e');

    is($word, $cell, $name);
    is($ledger->everything(), $before, "$name: nothing changed")
        if $word =~ /^(?:gone|duplicate)$/;
    is($ledger->entry('p')->{counted} // 0,
       $word eq 'ok' ? 100 : $word ne 'released' ? $counted
       : $row eq 'partially_paid_out' ? 40 : 0, "$name: what is counted");
    is(Model::wrong($ledger), '', "$name: all of it");
}

sub comes_again_table {
    my ($ledger) = @_;

    my @rows = each_cell('state', ['the same payout', 'another one',
                                   'freed by hand'],
                         sub { comes_again_cell($ledger, @_) });

    rows_are(\@rows, 'none', qw( reserved unknown accepted refused released
                                 error decline reversed success
                                 partially_paid_out ));
}

sub callback_cell {
    my ($ledger, $row, $column, $cell) = @_;

    my $name = "$row, then $column";
    my ($to, $note) = split /, /, $cell;

    $ledger->clear()->limits(day => 1000);
    in_state($ledger, 'p', $row);

    my @reply = $ledger->settle('p', $column, op => 77);
    my $counted = $to =~ /^(?:accepted|success)$/ ? 100 : 0;

    is("@reply[2 .. 4]", "$row $to $counted", $name);
    is($reply[5], $note // '', "$name: what is told");
    is(Model::wrong($ledger), '', "$name: what is counted");
}

sub callback_table {
    my ($ledger) = @_;

    my @rows = each_cell('state processing', [qw( processing error decline
                                                  success reversed )],
                         sub { callback_cell($ledger, @_) });

    rows_are(\@rows, qw( reserved unknown accepted refused released ));
}

sub tables_tests {
    return (
        [ 'table of copies', \&copy_table ],
        [ 'table of operations', \&operation_table ],
        [ 'table of what is counted', \&counted_table ],
        [ 'table of payouts that come again', \&comes_again_table ],
        [ 'table of callbacks', \&callback_table ],
    );
}

1;
