-- Appends the callback to the stream; returns its id there.

local function append(call)
    local time = call('TIME')
    local args = { 'project_id', ARGV[13], 'payment_id', ARGV[14], 'status',
                   ARGV[15], 'body', ARGV[16], 'received',
                   ('%d%03d'):format(time[1], math.floor(time[2] / 1000)) }

    if ARGV[12] == '0' then
        return call('XADD', KEYS[10], '*', unpack(args))
    end

    return call('XADD', KEYS[10], 'MAXLEN', '~', ARGV[12], '*', unpack(args))
end
