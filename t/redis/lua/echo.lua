-- input: any keys, a name, and arguments; output: the arguments, the name
local out = { unpack(ARGV, 2) }

out[#out + 1] = ARGV[1]

return out
