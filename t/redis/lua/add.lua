-- input: a counter's key, an amount; output: the counter
-- A comment with "quotes", a \ and ??/ tests util/embed-lua.
return redis.call('INCRBY', KEYS[1], ARGV[1])
