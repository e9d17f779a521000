# Copyright (C) nginx-gate authors
#
# Plays the random walks of walk.lua on a real Redis, and compares each reply
# and all that Redis holds with what the Redis in memory has said.
#
# The clock is a key of the test, as in t/lua/Ledger.pm.

use strict;
use warnings;

use constant CLOCK => '{test}:clock';

# in the form of Redis:dump() in redis.lua

my $DUMP = <<'END_LUA';
local keys, out = redis.call('KEYS', '*'), {}
table.sort(keys)

for _, key in ipairs(keys) do
    local kind = redis.call('TYPE', key).ok

    if kind == 'string' then
        out[#out + 1] = key .. ' = ' .. redis.call('GET', key)

    elseif kind == 'hash' or kind == 'zset' then
        local hash = kind == 'hash'
        local list = hash and redis.call('HGETALL', key)
                     or redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
        local items = {}

        for i = 1, #list, 2 do
            items[#items + 1] = { list[i], list[i + 1] }
        end

        table.sort(items, function(a, b) return a[1] < b[1] end)

        for _, item in ipairs(items) do
            out[#out + 1] = key .. (hash and '.' or ': ') .. item[1] .. ' = '
                            .. item[2]
        end
    end
end

return table.concat(out, '\t')
END_LUA

my %PUT = (
    clear  => sub { $_[0]->cmd('FLUSHDB') },
    string => sub { $_[0]->cmd('SET', @_[1, 2]) },
    hash   => sub { my $redis = shift; $redis->cmd('HSET', @_) },
    zset   => sub {
        my ($redis, $key, %scores) = @_;

        $redis->cmd('ZADD', $key, reverse %scores);
    },
    clock  => sub {
        $_[0]->pipeline(['DEL', CLOCK], ['RPUSH', CLOCK, $_[1], '250000']);
    },
);

sub load_scripts {
    my ($redis, $dir) = @_;

    my %sha;
    my $clock = CLOCK;

    for my $name (qw( reserve outcome settle mark )) {
        my $text = `util/assemble-lua $dir/$name.lua`;

        $text =~ s/call\('TIME'\)/call('LRANGE', '$clock', 0, 1)/g;
        $sha{$name} = $redis->cmd('SCRIPT', 'LOAD', $text);
    }

    return \%sha;
}

sub text_of {
    my ($reply) = @_;

    return '[' . join(', ', map { text_of($_) } @$reply) . ']'
        if ref $reply eq 'ARRAY';

    return ref $reply ? 'error' : $reply // 'nil';
}

# Returns how many traces and calls there were, and what differed first, if
# anything did.

sub replay {
    my ($redis, $dir, $scenario, $traces, $seed) = @_;

    my ($sha, $calls, $trace, $said) = (load_scripts($redis, $dir), 0, 0);
    my $dump = $redis->cmd('SCRIPT', 'LOAD', $DUMP);

    open my $walk, '-|', 'luajit', 't/explore/main.lua', 'walk', $dir, $traces,
                         $seed, $scenario
        or return ($trace, $calls, "luajit: $!");

    while (my $line = <$walk>) {
        chomp $line;

        my ($what, @fields) = split /\t/, $line, -1;

        if ($what eq 'trace') {
            $trace = $fields[0];

        } elsif ($PUT{$what}) {
            $PUT{$what}->($redis, @fields);

        } elsif ($what eq 'call') {
            my ($reply) = $redis->pipeline(
                ['EVALSHA', $sha->{ shift @fields }, @fields]);

            $said = text_of($reply);
            $calls++;

        } elsif ($what eq 'reply') {
            return ($trace, $calls, "trace $trace: replied $said, not "
                                    . $fields[0])
                if $said ne $fields[0];

        } elsif ($what eq 'held') {
            my $held = $redis->cmd('EVALSHA', $dump, 0);
            my $expected = join "\t", @fields;

            return ($trace, $calls, "trace $trace: holds $held, not "
                                    . $expected)
                if $held ne $expected;

        } else {
            return ($trace, $calls, "trace $trace: $line");
        }
    }

    close $walk or return ($trace, $calls, "the walk of seed $seed failed");

    return ($trace, $calls, undef);
}

1;
