-- What happens from outside: time, operators, and a Redis that forgets.

local Gate = require 'gate'
local Calls = require 'calls'

local Luck = {}

-- "wait": longer than any copy is under way

local CLOCKS = { { 'minute', 60 }, { 'wait', 601 }, { 'day', 86400 },
                 { 'month', 31 * 86400 } }


local function is_under_way(w)
    for _, c in ipairs(w.copies) do
        if c.stage == 'asked' or c.stage == 'flight' then
            return true
        end
    end

    return false
end


local function add_clocks(w, m)
    for _, clock in ipairs(CLOCKS) do
        local name, seconds = clock[1], clock[2]

        if m.can(name) and (name == 'minute' or not is_under_way(w)) then
            m.add('a ' .. name .. ' passes', function(w)
                m.spend(w, name)
                w.redis.now = w.redis.now + seconds
            end)
        end
    end
end


-- somebody who has looked: nothing is under way, and what was paid was told

local function is_known(w, id)
    for _, c in ipairs(w.copies) do
        if c.id == id and (c.stage == 'flight' or c.afloat) then
            return false
        end
    end

    local told = {}

    for _, cb in ipairs(w.payments[id].told) do
        for _, word in ipairs(cb.settled and cb.words or {}) do
            told[word.id] = told[word.id] or word.paid > 0
        end
    end

    for i, op in ipairs(w.payments[id].ops) do
        if op.status == 'processing' or (op.status == 'success' and not told[i])
        then
            return false
        end
    end

    return true
end


local function add_operators(w, m)
    for _, id in ipairs(w.ids) do
        local known = is_known(w, id)
        local what = known and 'hand' or 'mistake'

        if m.can(what) then
            m.add('an operator frees ' .. id .. (known and '' or ', wrongly'),
                  function(w)
                m.spend(w, what, id)
                w.past, w.past_facts = nil, nil
                w.freed[id] = true

                if not known then
                    w.excused[id .. ' mistake'] = true
                end

                return Calls.outcome(w, m.ledger,
                    { { id = id, action = 'free', code = 'T' } })[1]
            end)
        end
    end

    if m.can('limit') then
        m.add('the limits change', function(w)
            m.spend(w, 'limit')
            w.limits = m.scenario.other_limits
            m.ledger:setup(w.redis, w.limits)
        end)
    end
end


-- the last reservation is lost: an older copy of its data has been restored

local function add_forgetting(w, m)
    if w.past and m.can('forget') then
        m.add('Redis forgets the last reservation', function(w)
            m.spend(w, 'forget', 'p')

            local now = w.redis.now

            w.redis, w.facts = w.past, w.past_facts
            w.redis.now = now
            w.past, w.past_facts = nil, nil

            for _, c in ipairs(w.copies) do
                if c.stage == 'flight' or c.stage == 'answered' then
                    w.excused[c.id .. ' forget ' .. c.name] = true
                end
            end
        end)
    end
end


function Luck.add(w, m)
    add_clocks(w, m)
    add_operators(w, m)
    add_forgetting(w, m)
end


return Luck
