-- input: any keys and arguments; output: the arguments, a name
-- among them
return ARGV
