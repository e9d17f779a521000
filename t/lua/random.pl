# Copyright (C) nginx-gate authors
#
# Random histories: gateways that send, repeat, lose replies, crash and report
# late; a Gate that takes a payment_id again after "error" only, pays in parts,
# reverses, and changes its mind; callbacks in any order and number; operators
# that are right or wrong.  After each step nothing that Gate holds or has paid
# is missing from what is counted, and at rest it is the same.

use strict;
use warnings;

use Test::More;

use Model;

use constant {
    HISTORIES  => 16,
    OPERATIONS => 900,
};

sub pick { return $_[ rand @_ ] }

sub take {
    my ($list) = @_;

    return @$list ? splice @$list, int rand @$list, 1 : undef;
}

# limits that are reached now and then; in some histories beyond 2^53

sub random_limits {
    my ($unit) = @_;

    my %limits = (max => 900 * $unit, min => 30 * $unit);

    for my $case ([hour => 3000], [day => 4000], [week => 9000],
                  [month => 15000])
    {
        my ($window, $limit) = @$case;

        $limits{$window} = $limit * $unit + int rand $unit if rand() < 0.7;
        $limits{"${window}_count"} = int($limit / 300) if rand() < 0.3;
    }

    return %limits;
}

sub new_history {
    my ($ledger) = @_;

    # 1000 units of 10^14 are beyond 2^53, the sums stay in an int64
    my $unit = pick(1, 1, 7, 100_000_000_000_000);
    my %limits = random_limits($unit);

    $ledger->{offset} = pick(0, 18000, -12600);
    $ledger->clear()->limits(%limits);

    return {
        ledger => $ledger, unit => $unit, limits => \%limits, gate => {},
        now => 1795219200 + int rand 86400 * 30, wire => [], reports => [],
        callbacks => [], told => [], ops => 100,
    };
}

# --- Gate: a list of orders for each payment_id, each with its operations

sub payment {
    my ($h, $id) = @_;

    return $h->{gate}{$id} //= { orders => [], excused => 0, doubt => 0 };
}

sub is_live {
    my ($order) = @_;

    return !$order->{ended};
}

# what Gate holds or has paid

sub held {
    my ($payment) = @_;

    return Model::sum(map {
        my $paid = Model::sum(map { $_->{paid} } @{ $_->{ops} });

        is_live($_) ? Model::larger($paid, $_->{amount}) : $paid;
    } @{ $payment->{orders} });
}

sub gate_receives {
    my ($h, $copy) = @_;

    return '3104' if rand() < 0.15;

    my $payment = payment($h, $copy->{id});

    for my $order (@{ $payment->{orders} }) {
        return '10105' if grep { $_->{status} ne 'error' } @{ $order->{ops} };
    }

    my $order = { amount => $copy->{amount}, ops => [] };

    push @{ $payment->{orders} }, $order;
    new_operation($h, $copy->{id}, $order, $order->{amount});

    return '';
}

sub new_operation {
    my ($h, $id, $order, $size) = @_;

    my $op = { id => ++$h->{ops}, status => 'pending', paid => 0,
               size => $size };

    push @{ $order->{ops} }, $op;
    callback($h, $id, $order, $op) if rand() < 0.5;

    return $op;
}

# one operation, or at times all of the order

sub callback {
    my ($h, $id, $order, $op, %opt) = @_;

    my @ops = rand() < 0.3 ? @{ $order->{ops} } : $op;
    my %has = map { $_->{status} => 1 } @{ $order->{ops} };
    my $status = $op->{status} eq 'pending' ? pick('processing',
                                                   'awaiting retry')
               : $has{success} ? 'success'
               : $order->{split} ? 'partially_paid_out' : $op->{status};

    push @{ $h->{callbacks} }, {
        id => $id, status => $status, sum => $status eq 'success'
        ? Model::sum(map { $_->{paid} } @{ $order->{ops} }) : '',
        ops => operations_text(@ops), %opt,
    };
}

sub operations_text {
    return join ' ', map {
        "$_->{id}=$_->{status}/"
        . ($_->{status} =~ /^(?:success|partial)$/ ? $_->{paid} : '')
        . "/$_->{size}";
    } @_;
}

sub gate_works {
    my ($h) = @_;

    my @open;

    for my $id (sort keys %{ $h->{gate} }) {
        for my $order (@{ $h->{gate}{$id}{orders} }) {
            push @open, map { [ $id, $order, $_ ] } @{ $order->{ops} };
        }
    }

    my $chosen = pick(grep { $_->[2]{status} eq 'pending' } @open);

    # now and then something that had ended
    if (!$chosen || rand() < 0.1) {
        $chosen = pick(@open) or return ('', '');
    }

    my ($id, $order, $op) = @$chosen;

    return ("gate $id $op->{id}",
            $op->{status} eq 'pending' ? gate_ends($h, $id, $order, $op)
            : gate_changes($h, $id, $order, $op));
}

sub gate_ends {
    my ($h, $id, $order, $op) = @_;

    my $rest = $order->{amount} - Model::sum(map { $_->{paid} } @{ $order->{ops} })
               - Model::sum(map { $_->{size} } grep { $_->{status} eq 'decline' }
                      @{ $order->{ops} });
    my $how = pick(qw( success success decline error part part ));
    my $is_more;

    $how = pick(qw( part rest )) if $order->{split} && $how eq 'error';
    $how = 'rest' if $order->{split} && $how eq 'success';
    $how = 'success' if $how eq 'part' && $rest < 2;

    # a part that fails, and that is not all
    if ($order->{split} && $how eq 'decline') {
        @$op{qw( status size )} = ('decline', $rest);
        $order->{ended} = 1;

    } elsif ($how eq 'part') {
        my $part = 1 + int rand($rest - 1);

        $order->{split} = 1;
        @$op{qw( status paid size )} = ('partial', $part, $part);
        new_operation($h, $id, $order, $rest - $part);

    } elsif ($how eq 'rest') {
        @$op{qw( status paid size )} = ('success', $rest, $rest);
        $order->{ended} = 1;

    } else {
        @$op{qw( status paid )} = ($how, $how eq 'success' ? $op->{size} : 0);
        $op->{paid} += pick(0, 0, 0, 1, -1) if $how eq 'success';
        $is_more = $op->{paid} > $op->{size};
        $order->{ended} = 1;
    }

    # more than was asked for: nobody can foresee that either
    payment($h, $id)->{excused}++ if $is_more;
    callback($h, $id, $order, $op, excuse => $is_more);

    return $op->{status};
}

# after its end: taken back, or paid after all, which nobody can foresee

sub gate_changes {
    my ($h, $id, $order, $op) = @_;

    return '' if $order->{split} || $op->{changed}++;

    if ($op->{status} eq 'success') {
        @$op{qw( status paid )} = ('reversed', 0);
        callback($h, $id, $order, $op);

    } elsif ($op->{status} =~ /^(?:error|decline)$/ && rand() < 0.3) {
        @$op{qw( status paid )} = ('success', $op->{size});
        payment($h, $id)->{excused}++;
        callback($h, $id, $order, $op, excuse => 1);
    }

    return $op->{status};
}

# --- gateways

# as many times as it likes: nothing more comes of it

sub same_again {
    my ($h, $what, $call) = @_;

    return '' if rand() > 0.1;

    my $before = $h->{ledger}->everything();
    my @again = $call->();

    return $h->{ledger}->everything() eq $before ? ''
           : "$what, once more (@again): it changed";
}

sub do_reserve {
    my ($h) = @_;

    my $ledger = $h->{ledger};
    my $id = 'p' . int rand 25;
    my $amount = $h->{last}{$id};

    # mostly the same payout again, sometimes another body
    if (!defined $amount || rand() < 0.2) {
        $amount = 1 + $h->{unit} * int(rand 950) + int rand $h->{unit};
        $h->{last}{$id} = $amount;
    }

    my $copy = { id => $id, name => $ledger->copy(), amount => $amount };
    my @call = ($id, $amount, digest => "d$amount", copy => $copy->{name});

    # a command that was given up, and executed after its release
    $ledger->outcome($id, $copy->{name}, 'release') if rand() < 0.05;

    my ($verdict) = $ledger->reserve(@call);
    my $what = "reserve $id $amount $copy->{name}";

    return ($what, $verdict) if $verdict !~ /^(?:ok|repeat)$/;

    my $wrong = over_limits($h, $verdict)
                || same_again($h, $what, sub { $ledger->reserve(@call) });
    my $fate = rand;

    if ($fate < 0.05) {
        # the reply is lost, the copy released unsent
        push @{ $h->{reports} }, [ $copy, 'release', '' ];

    } elsif ($fate < 0.08) {
        payment($h, $id)->{doubt} = 1;

    } else {
        push @{ $h->{wire} }, $copy;
    }

    return ($what, $verdict, $wrong);
}

sub over_limits {
    my ($h, $verdict) = @_;

    return '' if $verdict ne 'ok';

    my $status = $h->{ledger}->status();

    for my $name (grep { !/^m(?:in|ax)$/ } keys %{ $h->{limits} }) {
        return "$name: $status->{$name}{used} is over $h->{limits}{$name}"
            if $status->{$name}{used} > $h->{limits}{$name};
    }

    return '';
}

sub do_send {
    my ($h) = @_;

    my $copy = take($h->{wire}) or return do_reserve($h);
    my $what = "send $copy->{id} $copy->{name}";
    my $report = sub { push @{ $h->{reports} }, [ $copy, @_ ]; return $_[0] };

    return ($what, $report->('release', '')) if rand() < 0.05;

    # given up while it is still on its way
    if (!$copy->{unknown} && rand() < 0.1) {
        $copy->{unknown} = 1;
        payment($h, $copy->{id})->{doubt} = 1;
        push @{ $h->{wire} }, $copy;

        return ($what, $report->('unknown', ''));
    }

    my $code = gate_receives($h, $copy);

    return ($what, 'late') if $copy->{unknown};

    if (rand() < 0.15) {
        payment($h, $copy->{id})->{doubt} = 1;
        return ($what, rand() < 0.5 ? 'crash' : $report->('unknown', '500'));
    }

    return ($what, $report->($code ? ('refused', $code) : ('accepted', '')));
}

sub do_report {
    my ($h) = @_;

    my $report = take($h->{reports}) or return do_send($h);
    my ($copy, $action, $code) = @$report;
    my @call = ($copy->{id}, $copy->{name}, $action, $code);
    my $what = "outcome @call";
    my ($word) = $h->{ledger}->outcome(@call);

    return ($what, $word,
            same_again($h, $what, sub { $h->{ledger}->outcome(@call) }));
}

# an operator who has asked, or one who has not

sub do_free {
    my ($h) = @_;

    my $pending = pick(@{ $h->{reports} });
    my $id = $pending && rand() < 0.3 ? $pending->[0]{id}
             : pick(sort keys %{ $h->{gate} }) // return do_reserve($h);
    my $payment = payment($h, $id);
    my $is_right = held($payment) == 0
                   && !grep { $_->{id} eq $id } @{ $h->{wire} };

    return do_report($h) if !$is_right && rand() < 0.6;

    my ($word) = $h->{ledger}->outcome($id, '', 'free', 'ops');

    $payment->{excused}++ if !$is_right;
    $payment->{doubt} = 1;

    return ("free $id " . ($is_right ? 'rightly' : 'wrongly'), $word);
}

sub settle_callback {
    my ($h, $callback) = @_;

    my $id = $callback->{id};
    my @call = ($id, $callback->{status}, ops => $callback->{ops},
                sum => $callback->{sum});
    my (undef, $word) = $h->{ledger}->settle(@call);
    my $what = "settle @call";

    payment($h, $id)->{excused}-- if delete $callback->{excuse};

    return ($what, $word,
            same_again($h, $what, sub { $h->{ledger}->settle(@call) }));
}

sub do_settle {
    my ($h) = @_;

    if (@{ $h->{told} } && rand() < 0.2) {
        return settle_callback($h, pick(@{ $h->{told} }));
    }

    # of a payout that was made elsewhere
    if (rand() < 0.02) {
        return settle_callback($h, { id => 'other', status => 'success',
                                     ops => '7=success/5', sum => 5 });
    }

    my $callback = take($h->{callbacks}) or return do_report($h);

    push @{ $h->{told} }, $callback;

    return settle_callback($h, $callback);
}

sub do_time {
    my ($h) = @_;

    $h->{now} += pick(1, 60, 601, 1800, 3600, 20000, 86400);
    $h->{ledger}->at($h->{now});

    return ("time $h->{now}", '');
}

# --- what must hold

sub missing {
    my ($h) = @_;

    my @ids = sort keys %{ $h->{gate} };
    my @counted = $h->{ledger}->counted(@ids);

    for my $id (@ids) {
        my $payment = $h->{gate}{$id};
        my $counted = shift @counted;
        my $held = held($payment);

        return "$id: Gate has $held, and only $counted is counted"
            if !$payment->{excused} && $counted < $held;
    }

    return '';
}

# All has arrived: of what nobody is in doubt of, what is counted is what was
# paid; of the rest it is when Gate was asked.

sub at_rest {
    my ($h, $log) = @_;

    my $run = sub {
        my ($what, $word, $wrong) = $_[0]->($h);

        push @$log, "$what: $word";
        return $wrong || missing($h);
    };

    while (@{ $h->{wire} } || @{ $h->{reports} } || @{ $h->{callbacks} }
           || grep { is_live($_) } map { @{ $_->{orders} } }
                   values %{ $h->{gate} })
    {
        my $wrong = $run->(pick(
            (\&do_send) x (@{ $h->{wire} } > 0),
            (\&do_report) x (@{ $h->{reports} } > 0),
            (\&do_settle) x (@{ $h->{callbacks} } > 0),
            \&gate_works));

        return $wrong if $wrong;
    }

    for my $asked (0, 1) {
        $h->{ledger}->at($h->{now} += 601) if $asked;

        for my $id (sort keys %{ $h->{gate} }) {
            my $payment = $h->{gate}{$id};

            next if !$asked && $payment->{doubt};

            ask($h, $id, $payment) if $asked;

            my ($counted) = $h->{ledger}->counted($id);
            my $paid = Model::sum(map { $_->{paid} } map { @{ $_->{ops} } }
                            @{ $payment->{orders} });

            return "$id: $paid was paid, and $counted is counted"
                   . ($asked ? ', also when Gate was asked' : '')
                if $counted ne $paid;
        }
    }

    return Model::wrong($h->{ledger});
}

sub ask {
    my ($h, $id, $payment) = @_;

    my @ops = map { @{ $_->{ops} } } @{ $payment->{orders} };

    # a copy that is not known to be lost yet is noticed
    $h->{ledger}->outcome($id, "look$h->{now}", 'release');

    if (!@ops) {
        $h->{ledger}->outcome($id, '', 'free', 'ops');
        return;
    }

    my %has = map { $_->{status} => 1 } @ops;
    my ($status) = grep { $has{$_} } qw( success partial reversed decline
                                         error );

    $h->{ledger}->settle($id, $status eq 'partial' ? 'partially_paid_out'
                         : $status, ops => operations_text(@ops),
                         complete => 1);
}

sub history {
    my ($ledger) = @_;

    my $h = new_history($ledger);
    my ($words, @log) = ({});

    $ledger->at($h->{now});

    my $wrong;

    for my $n (1 .. OPERATIONS) {
        my $do = pick((\&do_reserve) x 5, (\&do_send) x 5, (\&do_report) x 5,
                      (\&gate_works) x 4, (\&do_settle) x 5,
                      (\&do_free) x ($n % 6 == 0), (\&do_time) x ($n % 4 == 0));
        my ($what, $word);

        ($what, $word, $wrong) = $do->($h);
        push @log, "$what: $word";
        $words->{$word}++;

        $wrong ||= missing($h);
        $wrong ||= Model::wrong($ledger) if $n % 20 == 0;

        last if $wrong;
    }

    $wrong ||= at_rest($h, \@log);

    if ($wrong) {
        my ($id) = $wrong =~ /^(p\d+)\b/;

        @log = grep { /\b$id\b|^time/ } @log if $id;
        splice @log, 0, -40 if @log > 40;
        diag(join "\n", @log, $id ? explain($ledger->entry($id)) : ());
    }

    return ($wrong, $words);
}

sub histories {
    my ($ledger) = @_;

    my $seed = $ENV{GATE_SEED} // 1;
    my %seen;

    note("GATE_SEED=$seed");
    srand $seed;

    for my $n (1 .. $ENV{GATE_HISTORIES} // HISTORIES) {
        my ($wrong, $words) = history($ledger);

        is($wrong, '', "history $n of seed $seed");
        $seen{$_} += $words->{$_} for keys %$words;
    }

    # a history that never comes to a limit proves little
    for my $word (qw( ok repeat duplicate void limit_min limit_max limit_day
                      noted kept released counted again settled updated stale
                      unknown gone partial reversed crash late ))
    {
        ok($seen{$word}, "$word occurred");
    }
}

sub random_tests { return ([ 'random histories', \&histories ]) }

1;
