-- input: a counter's key, a name, an amount; output: the counter, the name
-- A comment with "quotes", a \ and ??/ tests util/embed-lua.
return { redis.call('INCRBY', KEYS[1], ARGV[2]), ARGV[1] }
