-- Copyright (C) nginx-gate authors
--
-- Posts bodies that differ in nine digits, and writes down each answer:
--     wrk -t1 -cN ... -- BODY N SECONDS ANSWERS END
-- A connection rests a moment before each request, so that something is left
-- of the machine.  After SECONDS all rest, and once all are answered the file
-- END appears: what was made and what was answered can be compared.

local MOMENT = 10
local FOR_EVER = 3600 * 1000

local head, tail, answers, connections, stop, end_file
local resting = 0
local thread

-- wrk makes one request to look at, which it does not send
made = -1
answered = 0


function setup(t)
    thread = t
end


function init(args)
    local file = assert(io.open(args[1], "rb"))
    local body = file:read("*a")
    file:close()

    local text = wrk.format("POST", nil, nil, body)
    local first, last = text:find("000000000", 1, true)

    head = text:sub(1, first - 1)
    tail = text:sub(last + 1)

    connections = tonumber(args[2])
    stop = os.time() + tonumber(args[3])
    answers = assert(io.open(args[4], "wb"))
    answers:setvbuf("line")
    end_file = args[5]
end


function delay()
    if os.time() < stop then
        return MOMENT
    end

    -- asked once by each connection, when it has nothing under way

    resting = resting + 1

    if resting == connections then
        assert(io.open(end_file, "wb")):close()
    end

    return FOR_EVER
end


function request()
    made = made + 1

    return head .. string.format("%09d", made) .. tail
end


function response(status, headers, body)
    answered = answered + 1
    answers:write(status, " ", body, "\n")
end


function done(summary, latency)
    local e = summary.errors

    io.write(string.format(
        '{"made":%d,"answered":%d,"connect":%d,"read":%d,"write":%d,'
        .. '"timeout":%d,"status":%d}\n', thread:get("made"),
        thread:get("answered"), e.connect, e.read, e.write, e.timeout,
        e.status))
end
