-- What may happen at Gate, and to what it tells: callbacks in any order, and
-- answers about the status.

local Gate = require 'gate'
local Calls = require 'calls'

local Callbacks = {}

local OWNER = 'delivery-1'


local function add_moves(w, m, id)
    local payment = w.payments[id]

    for i, op in ipairs(payment.ops) do
        for _, status in ipairs(Gate.moves(op)) do
            if m.scenario.gate[status]
               and not (status == 'error' and op.part)
            then
                m.add(('Gate: %s %d %s'):format(id, i, status), function(w)
                    w.payments[id].ops[i].status = status
                    Gate.tell(w.payments[id], not m.scenario.may.list and i)
                end)
            end
        end

        if op.status == 'error' and m.can('turn') then
            m.add(('Gate: %s %d turns to success'):format(id, i), function(w)
                m.spend(w, 'turn', id)
                w.payments[id].ops[i].status = 'success'
                w.excused[id .. ' turn ' .. i] = i
                Gate.tell(w.payments[id], i)
            end)
        end
    end

end


-- "status": the answer comes at once; "answer": anything may happen before.
-- What nobody waits for any more will not reach Gate later than a question.

local function add_questions(w, m, id, settle)
    local function ask(w, name)
        local payment = w.payments[id]

        m.spend(w, name)
        Gate.tell(payment, nil, true)

        for _, c in ipairs(w.copies) do
            c.afloat = c.afloat and c.id ~= id
        end

        return payment.told[#payment.told].text
    end

    if #w.payments[id].ops > 0 and m.can('answer') then
        m.add('Gate is asked about ' .. id, function(w)
            return ask(w, 'answer')
        end)
    end

    if #w.payments[id].ops > 0 and m.can('status') then
        m.add('Gate is asked about ' .. id .. ', and answers', function(w)
            return ask(w, 'status') .. ': '
                   .. settle(w, m, id, #w.payments[id].told, true)
        end)
    end
end


local RANK = { pending = 0, error = 1, decline = 1, partial = 2, success = 2.5,
               reversed = 3 }


-- whether the ledger has not heard this of an operation, nor anything later

local function is_news(payment, cb)
    for _, word in ipairs(cb.words) do
        local known = -1

        for _, other in ipairs(payment.told) do
            for _, said in ipairs(other.settled and other.words or {}) do
                if said.id == word.id then
                    known = math.max(known, RANK[said.word])
                end
            end
        end

        if RANK[word.word] > known then
            return true
        end
    end

    return false
end


-- what Gate turned from error into success is counted once it has told so, and
-- the copies have been heard of

local function is_told(w, id, op)
    for _, cb in ipairs(w.payments[id].told) do
        for _, word in ipairs(cb.words) do
            if word.id == op and not cb.settled then
                return false
            end
        end
    end

    for _, c in ipairs(w.copies) do
        if c.id == id and c.stage ~= 'done' then
            return false
        end
    end

    return true
end


local function end_excuse(w, id)
    for op in ipairs(w.payments[id].ops) do
        local excuse = id .. ' turn ' .. op

        if w.excused[excuse] and is_told(w, id, op) then
            w.excused[excuse] = nil
        end
    end
end


Callbacks.end_excuse = end_excuse


local function settle(w, m, id, i, delivered)
    local payment = w.payments[id]
    local cb = payment.told[i]
    local news = is_news(payment, cb)
    local reply = Calls.settle(w, m.ledger,
        { id = id, status = cb.status, words = cb.words, sum = cb.sum,
          complete = cb.complete, digest = ('%02x'):format(i) },
        cb.complete and '' or OWNER)

    w.past, w.past_facts = nil, nil
    cb.settled = true

    -- Redis never had the payment, or has lost it
    w.unheard[id] = w.unheard[id] or reply.said == 'unknown' or nil

    if reply.verdict == 'stale' then
        cb.seen = true

        if news then
            Calls.violation('L4 news of %s is stale', id)
        end

    elseif reply.verdict == 'forward' then
        cb.seen = delivered or cb.complete

        if not cb.complete then
            m.ledger:mark(w.redis, { id = id, digest = ('%02x'):format(i) },
                          OWNER, delivered and 'delivered' or 'failed')
        end

    else
        Calls.violation('L4 a callback that nobody has is %s', reply.verdict)
    end

    return reply.verdict .. ' ' .. reply.said .. ' ' .. reply.notes
end


local function add_deliveries(w, m, id)
    for i, cb in ipairs(w.payments[id].told) do
        if not cb.seen then
            local name = (cb.complete and 'answer ' or 'callback ') .. id
                         .. ' ' .. cb.status .. ' ' .. cb.text

            m.add(name, function(w)
                return settle(w, m, id, i, true)
            end)

            if m.can('fail') and not cb.complete then
                m.add(name .. ', not taken', function(w)
                    m.spend(w, 'fail')
                    return settle(w, m, id, i, false)
                end)
            end
        end
    end
end


function Callbacks.add(w, m)
    for _, id in ipairs(w.ids) do
        add_moves(w, m, id)
        add_questions(w, m, id, settle)
        add_deliveries(w, m, id)
    end
end


return Callbacks
