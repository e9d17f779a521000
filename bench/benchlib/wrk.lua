-- POSTs a body: wrk ... -- FILE FIRST
-- A payout's id ends in nine digits, counted from FIRST.

local ID = "payout%-(%d%d%d%d%d%d%d%d%d)"

local head, tail, next_id


function init(args)
    local file = assert(io.open(args[1], "rb"))
    local body = file:read("*a")
    file:close()

    local request = wrk.format("POST", nil, {
        ["Content-Type"] = "application/json"
    }, body)

    next_id = tonumber(args[2])

    -- a callback is signed as it is

    local signed = body:find('"signature"', 1, true)
    local first, last = request:find(ID)

    if signed then
        head = request
        return
    end

    head = request:sub(1, last - 9)
    tail = request:sub(last + 1)
end


function request()
    if tail == nil then
        return head
    end

    next_id = next_id + 1

    return head .. string.format("%09d", next_id) .. tail
end


function done(summary, latency)
    local e = summary.errors

    io.write(string.format("result %d %d %d %d\n", summary.requests,
                           e.connect + e.read + e.write + e.status
                           + e.timeout,
                           summary.duration, latency:percentile(50)))
end
