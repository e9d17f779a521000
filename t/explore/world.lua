-- All there is at one moment: Redis, Gate, the copies under way, and what the
-- reference ledger knows.  Worlds that would go on alike have one name.
--
-- A move changes a clone.  Facts of the reference, words of a callback and
-- what is in a scenario are never changed, and shared by all.

local Redis, Gate = require 'redis', require 'gate'
local Reference = require 'reference'

local World = {}

-- a Wednesday, 2026-11-18 11:59:30 UTC

local START = 1795003170


local function copied(map)
    local out = {}

    for k, v in pairs(map) do
        out[k] = v
    end

    return out
end


local function copied_list(list)
    local out = {}

    for i, record in ipairs(list) do
        out[i] = copied(record)
    end

    return out
end


function World.new(scenario, ledger)
    local w = { redis = Redis.new(scenario.start or START), payments = {}, facts = {},
                copies = {}, sent = {}, left = copied(scenario.at_most),
                limits = scenario.limits, excused = {},
                unsure = {}, unheard = {}, freed = {},
                ids = scenario.payments }

    for _, id in ipairs(w.ids) do
        w.payments[id] = Gate.new()
        w.facts[id] = Reference.new()
    end

    ledger:setup(w.redis, w.limits)

    return w
end


function World.clone(w)
    local out = { redis = w.redis:clone(), past = w.past and w.past:clone(),
                  past_facts = w.past_facts, facts = copied(w.facts),
                  copies = copied_list(w.copies), sent = copied(w.sent),
                  left = copied(w.left), limits = w.limits,
                  excused = copied(w.excused),
                  unsure = copied(w.unsure), unheard = copied(w.unheard),
                  freed = copied(w.freed), ids = w.ids, payments = {} }

    for id, payment in pairs(w.payments) do
        out.payments[id] = { ops = copied_list(payment.ops),
                             told = copied_list(payment.told) }
    end

    return out
end


local function text_of(map)
    local out = {}

    for name, value in pairs(map) do
        if type(value) ~= 'table' then
            out[#out + 1] = name .. '=' .. tostring(value)
        end
    end

    table.sort(out)

    return table.concat(out, ' ')
end


-- of what never changes

local texts = setmetatable({}, { __mode = 'k' })

local function text_once(facts)
    local out = texts[facts]

    if not out then
        out = { text_of(facts) }

        for _, name in ipairs({ 'copies', 'ops' }) do
            local records = {}

            for id, record in pairs(facts[name]) do
                records[id] = text_of(record)
            end

            out[#out + 1] = text_of(records)
        end

        out = table.concat(out, '\n')
        texts[facts] = out
    end

    return out
end


local function copy_text(c)
    return ('%d %s %s %s %s %s %s'):format(c.send, c.stage, c.answer or '',
        c.verdict or '', c.window or '', tostring(c.afloat),
        tostring(c.called))
end


local function op_text(op)
    return ('%d %s %d %d'):format(op.attempt, op.status, op.size, op.pays)
end


local function told_text(cb)
    return ('%s %s %d %s %s %s'):format(cb.status, cb.text, cb.sum,
        tostring(cb.seen), tostring(cb.settled), tostring(cb.complete))
end


local function list_text(list, text, sorted)
    local out = {}

    for i, record in ipairs(list) do
        out[i] = text(record)
    end

    if sorted then
        table.sort(out)
    end

    return table.concat(out, '\n')
end


-- Worlds of one name have the same future.  What Gate has told comes in any
-- order, so it does not matter in which order it was told.

function World.name(w, ledger)
    local out = { w.redis.now, w.redis:text(ledger.UNTOLD),
                  w.past and w.past:text(ledger.UNTOLD) or '',
                  list_text(w.copies, copy_text), text_of(w.sent),
                  text_of(w.left), text_of(w.limits), text_of(w.excused),
                  text_of(w.unsure), text_of(w.unheard),
                  text_of(w.freed) }

    for _, id in ipairs(w.ids) do
        out[#out + 1] = list_text(w.payments[id].ops, op_text)
        out[#out + 1] = list_text(w.payments[id].told, told_text, true)
        out[#out + 1] = text_once(w.facts[id])
    end

    return table.concat(out, '\1')
end


return World
