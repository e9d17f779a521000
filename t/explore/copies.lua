-- What may happen to the payouts that services send: a call that reserves one
-- or several, each copy's way to Gate and back, and its report.

local Gate = require 'gate'
local Calls = require 'calls'

local Copies = {}

-- stages of a copy:
--   asked     its reservation is under way
--   flight    reserved; its request is under way
--   answered  its answer is known, and to be reported
--   done      reported, or refused by the gateway
--   dead      its gateway is: nobody will report
-- "afloat": nobody waits for its request any more, but Gate may still get it

local function members_of(send, scenario)
    local out = {}

    for i, member in ipairs(send) do
        local given = type(member) == 'table' and member or { id = member }

        out[i] = { id = given.id, amount = given.amount or scenario.amount,
                   digest = given.digest or 'd1', parts = given.parts,
                   pays = given.pays, stage = 'asked', afloat = false }
    end

    return out
end


local function begin(w, scenario, i)
    local copies = {}

    w.sent[i] = true

    for k, c in ipairs(members_of(scenario.sends[i], scenario)) do
        c.name = 'c' .. #w.copies + 1
        c.send = i
        w.copies[#w.copies + 1] = c
        copies[k] = c
    end

    return copies
end


local function names_of(copies)
    local out = {}

    for i, c in ipairs(copies) do
        out[i] = c.name
    end

    return table.concat(out, ' ')
end


local SENT = { ok = true, ['repeat'] = true }


-- the call runs, and its reply comes: who still waits is sent or refused

local function reserve(w, ledger, copies)
    if (w.left.forget or 0) > 0 then
        w.past, w.past_facts = w.redis:clone(), {}

        for id, f in pairs(w.facts) do
            w.past_facts[id] = f
        end
    end

    local words = Calls.reserve(w, ledger, copies)

    for i, c in ipairs(copies) do
        c.called = true

        -- it has left without asking, and Gate may have told of it: to the
        -- ledger it is a copy that nothing explains, until somebody frees it
        if c.stage ~= 'asked' and c.answer ~= 'release' then
            w.unheard[c.id] = true
        end

        if c.stage == 'asked' then
            c.stage = SENT[words[i]] and 'flight' or 'done'
        end
    end

    return table.concat(words, ' ')
end


-- sends that look alike begin in their order

local function may_begin(w, scenario, i)
    if w.sent[i] then
        return false
    end

    for k = 1, i - 1 do
        if not w.sent[k]
           and (scenario.in_order or scenario.sends[k] == scenario.sends[i])
        then
            return false
        end
    end

    return true
end


local function add_sends(w, m)
    for i in ipairs(m.scenario.sends) do
        if may_begin(w, m.scenario, i) then
            m.add('send ' .. i, function(w)
                local copies = begin(w, m.scenario, i)

                return names_of(copies) .. ': ' .. reserve(w, m.ledger, copies)
            end)

            if m.can('under_way') then
                m.add('send ' .. i .. ', under way to Redis', function(w)
                    m.spend(w, 'under_way')
                    return names_of(begin(w, m.scenario, i))
                end)
            end
        end
    end
end


-- a call under way: its clients may leave, its reply may be lost, and it may
-- run much later, or never

local function add_calls(w, m)
    local calls = {}

    for _, c in ipairs(w.copies) do
        if not c.called then
            calls[c.send] = calls[c.send] or {}
            table.insert(calls[c.send], c)
        end
    end

    for i, copies in pairs(calls) do
        m.add('call for ' .. names_of(copies) .. ' runs', function(w)
            local late = {}

            for _, c in ipairs(w.copies) do
                late[#late + 1] = c.send == i and c or nil
            end

            return reserve(w, m.ledger, late)
        end)

        for k, c in ipairs(copies) do
            if c.stage == 'asked' then
                m.add('client of ' .. c.name .. ' leaves', function(w)
                    for _, other in ipairs(w.copies) do
                        if other.name == c.name then
                            other.stage, other.answer = 'answered', 'release'
                        end
                    end
                end)
            end
        end

        m.add('reply for ' .. names_of(copies) .. ' is lost', function(w)
            for _, c in ipairs(w.copies) do
                if c.send == i and c.stage == 'asked' then
                    c.stage, c.answer = 'answered', 'release'
                end
            end
        end)
    end
end


-- Redis is away, and payouts leave all the same

local function add_allowed(w, m)
    for i, c in ipairs(w.copies) do
        if c.stage == 'asked' and m.can('allow') then
            m.add(c.name .. ' leaves without Redis', function(w)
                m.spend(w, 'allow', c.id)
                w.copies[i].stage = 'flight'
                w.excused[c.id .. ' allow ' .. c.name] = true
            end)
        end
    end
end


local function take(w, c)
    local payment = w.payments[c.id]

    if not Gate.is_open(payment) then
        return '10105'
    end

    local first = #payment.ops + 1

    Gate.take(payment, c.amount, c.parts, c.pays)

    return 'accepted', first
end


local function arrive(w, m, i, tell)
    local c = w.copies[i]
    local answer, first = take(w, c)

    c.afloat = false

    if first and m.scenario.may.processing then
        for id = first, #w.payments[c.id].ops do
            Gate.tell(w.payments[c.id], id)
        end
    end

    return answer
end


local function add_flight(w, m, i, c)
    m.add('Gate gets ' .. c.name, function(w)
        local answer = arrive(w, m, i)

        w.copies[i].stage, w.copies[i].answer = 'answered', answer

        return answer
    end)

    if m.can('refuse') then
        m.add('Gate refuses ' .. c.name, function(w)
            m.spend(w, 'refuse')
            w.copies[i].stage, w.copies[i].answer = 'answered', '3104'
        end)
    end

    if m.can('lose') then
        m.add(c.name .. ' is lost on its way', function(w)
            m.spend(w, 'lose', c.id)
            w.copies[i].stage, w.copies[i].answer = 'answered', 'unknown'
        end)

        m.add('Gate gets ' .. c.name .. ', its answer is lost', function(w)
            m.spend(w, 'lose', c.id)
            arrive(w, m, i)
            w.copies[i].stage, w.copies[i].answer = 'answered', 'unknown'
        end)
    end

    if m.can('slow') then
        m.add('nobody waits for ' .. c.name, function(w)
            m.spend(w, 'slow', c.id)
            w.copies[i].stage, w.copies[i].answer = 'answered', 'unknown'
            w.copies[i].afloat = true
        end)
    end

    if m.can('release') then
        m.add(c.name .. ' cannot leave', function(w)
            m.spend(w, 'release')
            w.copies[i].stage, w.copies[i].answer = 'answered', 'release'
        end)
    end
end


local ACTIONS = { accepted = true, unknown = true, release = true }

local function report_of(w, c)
    return { id = c.id, name = c.name, amount = c.amount, digest = c.digest,
             window = c.window or '0 0',
             action = ACTIONS[c.answer] and c.answer or 'refused',
             code = not ACTIONS[c.answer] and c.answer or '' }
end


Copies.report_of = report_of


local function report(w, m, copies)
    local reports = {}

    for i, c in ipairs(copies) do
        reports[i] = report_of(w, c)
        c.stage = 'done'
        w.excused[c.id .. ' allow ' .. c.name] = nil
        w.excused[c.id .. ' forget ' .. c.name] = nil
    end

    w.past, w.past_facts = nil, nil

    return table.concat(Calls.outcome(w, m.ledger, reports), ', ')
end


local function answered(w)
    local out = {}

    for _, c in ipairs(w.copies) do
        out[#out + 1] = c.stage == 'answered' and c or nil
    end

    return out
end


local function add_reports(w, m)
    for i, c in ipairs(w.copies) do
        if c.stage == 'answered' then
            m.add('report ' .. c.name .. ' ' .. c.answer, function(w)
                return report(w, m, { w.copies[i] })
            end)
        end
    end

    local list = answered(w)

    if m.scenario.may.batch and #list > 1 then
        m.add('report ' .. names_of(list), function(w)
            return report(w, m, answered(w))
        end)
    end
end


function Copies.add(w, m)
    add_sends(w, m)
    add_calls(w, m)
    add_allowed(w, m)
    add_reports(w, m)

    for i, c in ipairs(w.copies) do
        if c.stage == 'flight' then
            add_flight(w, m, i, c)

        elseif c.afloat then
            m.add('Gate gets ' .. c.name .. ' at last', function(w)
                return arrive(w, m, i)
            end)
        end

        if (c.stage == 'flight' or c.stage == 'answered') and m.can('die') then
            m.add('the gateway of ' .. c.name .. ' dies', function(w)
                m.spend(w, 'die', c.id)
                w.copies[i].afloat = w.copies[i].stage == 'flight'
                w.copies[i].stage = 'dead'
            end)
        end
    end
end


return Copies
