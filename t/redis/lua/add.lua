-- input: a counter's key, an amount, a name; output: the counter, the name
-- A comment with "quotes", a \ and ??/ tests util/embed-lua.
return { redis.call('INCRBY', KEYS[1], ARGV[1]), ARGV[2] }
