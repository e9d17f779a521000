-- input: anything; output: an error of the script
return redis.error_reply(ARGV[2])
