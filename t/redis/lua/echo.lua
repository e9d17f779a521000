-- input: any keys and arguments; output: the arguments
return ARGV
