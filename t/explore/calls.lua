-- Calls of the ledger in a world: each is made to the scripts and to the
-- reference ledger, and both must say the same.

local Reference = require 'reference'

local Calls = {}


local function violation(text, ...)
    error({ violation = text:format(...) })
end


Calls.violation = violation


-- names of the windows of a moment, by the C library's calendar

local function windows_of(clock)
    local monday = clock - 86400 * ((os.date('!%w', clock) + 6) % 7)

    return { hour = os.date('!%Y%m%d%H', clock),
             day = os.date('!%Y%m%d', clock),
             week = os.date('!%Y%m%d', monday),
             month = os.date('!%Y%m', clock) }
end


local function window_text(clock)
    local names = windows_of(clock)

    return names.hour .. ' ' .. names.week
end


-- what the reference has counted in a window, and how many payouts

function Calls.counted_in(w, ledger, kind, name)
    local sum, count = 0, 0

    for _, id in ipairs(w.ids) do
        local f = w.facts[id]

        if f.window and ledger:is_in(f.window, kind, name) then
            local counted = Reference.view(f)

            sum, count = sum + counted, count + (counted > 0 and 1 or 0)
        end
    end

    return sum, count
end


-- whether so much more is within the limits: the biggest total there is has 9
-- units where units have 18 zeros

local function fits_of(w, ledger)
    local names = windows_of(w.redis.now)

    return function(more, amount)
        local limits = w.limits

        if amount < (limits.min or 0)
           or amount > (limits.max or math.huge)
        then
            return false
        end

        for kind, name in pairs(names) do
            local sum, count = Calls.counted_in(w, ledger, kind, name)

            if sum + more > (limits[kind] or math.huge)
               or count >= (limits[kind .. '_count'] or math.huge)
               or (#ledger.zeros == 18 and sum + more > 9)
            then
                return false
            end
        end

        return true
    end
end


-- no total may pass its limit by a reservation

local function check_limits(w, before, after)
    for i, window in ipairs(after) do
        local was = before[i]
        local sum = was and was.name == window.name and was.sum or 0
        local limit = w.limits[window.kind]

        if limit and window.sum > limit and window.sum > sum then
            violation('reserve passed the limit of the %s: %d of %d',
                      window.kind, window.sum, limit)
        end
    end
end


local REFUSED = { overflow = true, limit_min = true, limit_max = true }

local function word_of(verdict)
    return (REFUSED[verdict] or verdict:find('^limit_')) and 'refused'
           or verdict
end


-- payouts of one call: copies of the world; returns verdicts

function Calls.reserve(w, ledger, copies)
    local before = ledger:windows(w.redis)
    local verdicts, window = ledger:reserve(w.redis, copies)
    local words = {}

    for i, c in ipairs(copies) do
        local word = word_of(verdicts[i][1])
        local should

        if ledger.REFERENCE then
            should, w.facts[c.id] = Reference.reserve(w.facts[c.id], c,
                w.redis.now, window_text(w.redis.now), fits_of(w, ledger))

            if should ~= word then
                violation('reserve of %s said %s, not %s', c.name, word,
                          should)
            end
        end

        c.verdict, c.window, words[i] = word, window, verdicts[i][1]
    end

    check_limits(w, before, ledger:windows(w.redis))

    w.last = function(redis)
        ledger:reserve(redis, copies)
    end

    return words
end


-- reports of one call; returns "verdict state" for each

function Calls.outcome(w, ledger, reports)
    local replies = ledger:outcome(w.redis, reports)
    local words = {}

    for i, r in ipairs(reports) do
        local verdict, should = replies[i].verdict, nil
        local tell = r.action == 'free' and Reference.free or Reference.outcome

        if ledger.REFERENCE then
            if r.action == 'free' then
                should, w.facts[r.id] = tell(w.facts[r.id], w.redis.now)

            else
                should, w.facts[r.id] = tell(w.facts[r.id], r, w.redis.now,
                                                window_text(w.redis.now))
            end

            if verdict ~= should then
                violation('outcome of %s said %s, not %s', r.name or 'free',
                          verdict, should)
            end
        end

        words[i] = verdict .. ' ' .. replies[i].state
    end

    w.last = function(redis)
        ledger:outcome(redis, reports)
    end

    return words
end


-- a delivery; returns what settle said

function Calls.settle(w, ledger, cb, owner)
    local reply = ledger:settle(w.redis, cb, owner)

    if ledger.REFERENCE and reply.verdict ~= 'duplicate' then
        local should

        should, w.facts[cb.id] = Reference.settle(w.facts[cb.id], cb,
                                                  w.redis.now)

        if should ~= reply.said then
            violation('settle said %s, not %s', reply.said, should)
        end
    end

    w.last = function(redis)
        ledger:settle(redis, cb, '')
    end

    return reply
end


return Calls
