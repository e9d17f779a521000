-- The entry of a payment, gate:payout:{PID}:<payment_id>: facts about its
-- copies and operations, and what follows from them.  The order in which facts
-- come does not matter.  The tables are in doc/ledger.md.

local PLAIN = { 'state', 'payout', 'digest', 'exists', 'full', 'complete',
                'code', 'status', 'attempts', 'hand', 'era' }

local COUNTERS = { 'accepted', 'lost', 'freed', 'errors' }

-- copies under way, names kept of those that have reported, operations

local MAX_OPEN, MAX_DONE, MAX_OPS = 32, 32, 64

-- with more operations no attempt begins: some must have room to end

local MAX_TRIED = 48

-- seconds after which a copy that has not reported is lost, and after which
-- somebody should ask Gate about a payout of which no answer came

local PATIENCE, CHECK_UNKNOWN = 600, 15

-- a later word of an operation goes before an earlier one, whichever comes
-- first

local RANK = { freed = -1, pending = 0, error = 1, decline = 1, partial = 2,
               success = 2, reversed = 3 }

local WAITS = { reserved = true, unknown = true, accepted = true }


local function ops_read(text)
    local list = {}

    for id, status, err, paid, size in
        (text or ''):gmatch('(%S-)=(%a+)(!?)/(%d+)/?(%d*)')
    do
        paid = value(paid)
        list[#list + 1] = { id = id, status = status, err = err == '!',
                            paid = paid,
                            size = size == '' and paid or value(size) }
    end

    return list
end


local function ops_text(list)
    local out = {}

    for i, op in ipairs(list) do
        out[i] = op.id .. '=' .. op.status .. (op.err and '!' or '') .. '/'
                 .. digits(op.paid)
                 .. (op.size == op.paid and '' or '/' .. digits(op.size))
    end

    return table.concat(out, ' ')
end


-- names that are no longer kept; what they were is

local function done_cut(e)
    while #e.done > MAX_DONE do
        local letter = table.remove(e.done, 1)[2]

        if letter == 'a' then
            e.accepted = e.accepted + 1

        elseif letter == 'l' then
            e.lost = e.lost + 1
        end
    end
end


-- words "name@time" of those under way, "name=letter" of those that reported:
-- a accepted, l and the time of sending: lost, f freed by hand, r nothing more
-- comes of it

local function copies_read(e, text, now)
    local late = format('%.0f', now - PATIENCE)

    e.open, e.done = {}, {}

    for name, sign, what in (text or ''):gmatch('(%S-)([@=])(%w+)') do
        if sign == '=' then
            e.done[#e.done + 1] = { name, what:sub(1, 1), what:sub(2) }

        elseif what < late then
            e.done[#e.done + 1] = { name, 'l', what }

        else
            e.open[#e.open + 1] = { name, what }
        end
    end

    done_cut(e)
end


local function copies_text(e)
    local out = {}

    for _, copy in ipairs(e.open) do
        out[#out + 1] = copy[1] .. '@' .. copy[2]
    end

    for _, copy in ipairs(e.done) do
        out[#out + 1] = copy[1] .. '=' .. copy[2]
                        .. (copy[2] == 'l' and copy[3] or '')
    end

    return table.concat(out, ' ')
end


local function payout_set(e, payout)
    e.payout = payout

    local amount, currency, endpoint, window =
        (payout or ''):match('^(%d+) (%u+) (%S+) (%d+ %d+)$')

    e.amount, e.currency, e.window = amount and value(amount) or 0, currency,
                                     window
    e.endpoint = endpoint
end


-- was: its fields as Redis has them

local function entry_new(was, now)
    local e = { was = was }

    for _, name in ipairs(PLAIN) do
        e[name] = was[name]
    end

    for _, name in ipairs(COUNTERS) do
        e[name] = (was[name] or 0) + 0
    end

    payout_set(e, e.payout)
    copies_read(e, was.copies, now)
    e.ops, e.past = ops_read(was.ops), ops_read(was.past)
    e.rest = value(was.rest or '0')
    e.counted = was.counted and value(was.counted) or e.amount

    return e
end


-- nil where there is none

local function entry_read(key, now)
    local list, was = call('HGETALL', key), {}

    for i = 1, #list, 2 do
        was[list[i]] = list[i + 1]
    end

    return list[1] and entry_new(was, now)
end


-- "open", the letter of one that has reported, or nil; and where

local function copy_find(e, name)
    for i, copy in ipairs(e.open) do
        if copy[1] == name then
            return 'open', i
        end
    end

    for i, copy in ipairs(e.done) do
        if copy[1] == name then
            return copy[2], i
        end
    end
end


-- adds a name that is not there

local function copy_note(e, name, letter, time)
    e.done[#e.done + 1] = { name, letter, time }
    done_cut(e)
end


local function copy_move(e, name, letter)
    local was, i = copy_find(e, name)
    local copy = table.remove(was == 'open' and e.open or e.done, i)

    copy_note(e, name, letter, copy[was == 'open' and 2 or 3])
end


-- of the present attempt

local function copies_count(e)
    local accepted, lost = e.accepted, e.lost

    for _, copy in ipairs(e.done) do
        accepted = accepted + (copy[2] == 'a' and 1 or 0)
        lost = lost + (copy[2] == 'l' and 1 or 0)
    end

    return accepted, lost
end


-- whether Gate takes nothing more under the payment_id: an operation of these
-- has ended otherwise than by "error"

local function is_closed(ops)
    for _, op in ipairs(ops) do
        if not op.err and RANK[op.status] > 0 then
            return true
        end
    end

    return false
end


-- what is held while no operation of the attempt has closed it: all, as long
-- as an operation may still pay or there are more copies than errors

local function hold(e, errors, pending)
    local accepted, lost = copies_count(e)
    local copies = accepted + lost + #e.open

    if is_closed(e.past) then
        return (pending or #e.open > 0) and e.amount or 0
    end

    if e.exists and copies == 0 and #e.ops == 0 then
        copies = 1

        for _, op in ipairs(e.past) do
            if RANK[op.status] > 1 or (not op.err and op.status ~= 'freed') then
                copies = 0
            end
        end
    end

    if pending or (copies > 0 and copies + e.freed > errors) then
        return e.amount
    end

    return 0
end


-- sums of the attempt's operations

local function ops_sum(e)
    local sum = { errors = e.errors, side = e.rest, paid = 0, unpaid = 0,
                  need = 0, back = 0, pending = e.full and true or false }

    for _, op in ipairs(e.past) do
        sum.side = add(sum.side, op.paid)
    end

    for _, op in ipairs(e.ops) do
        if op.err then
            sum.errors, sum.error = sum.errors + 1, true
            sum.side = add(sum.side, op.paid)

        elseif RANK[op.status] <= 0 then
            sum.pending = sum.pending or op.status == 'pending'

        else
            sum.closed, sum[op.status] = true, true
            sum.paid = add(sum.paid, op.paid)

            if op.status == 'success' and less(sum.need, op.size) then
                sum.need = op.size

            elseif op.paid == 0 then
                sum.unpaid = add(sum.unpaid, op.size)
            end

            if op.status == 'reversed' then
                sum.back = add(sum.back, op.size)
            end
        end
    end

    return sum
end


-- whether more may come of a payment that is closed: an operation is under way,
-- or parts do not cover the amount, paid or not

local function is_partial(e, sum)
    if sum.success then
        return false
    end

    if sum.pending then
        return true
    end

    if e.complete or (not sum.partial and sum.unpaid == 0) then
        return false
    end

    if not sum.partial and not less(sum.unpaid, e.amount) then
        return false
    end

    return less(add(sum.paid, sum.unpaid), e.amount)
end


local function state_of(e, sum, held)
    if sum.closed then
        return sum.success and 'success'
               or sum.partial and 'partially_paid_out'
               or sum.pending and 'accepted'
               or sum.reversed and 'reversed' or 'decline'
    end

    if held ~= 0 then
        local accepted, lost = copies_count(e)

        return (sum.pending or accepted > 0) and 'accepted'
               or (lost > 0 or #e.open == 0) and 'unknown' or 'reserved'
    end

    return sum.side ~= 0 and 'success'
           or sum.error and 'error'
           or not e.hand and e.code and 'refused' or 'released'
end


-- sets what is counted, the state, and whether somebody should ask Gate

local function derive(e)
    local sum = ops_sum(e)
    local held

    if sum.closed then
        local need = is_partial(e, sum) and e.amount
                     or minus(sum.need, sum.back)
        local accepted = copies_count(e)

        held = less(sum.paid, need) and need or sum.paid

        if accepted > sum.errors + 1 then
            held = add(held, e.amount)
        end

    else
        held = hold(e, sum.errors, sum.pending)
    end

    e.counted = add(held, sum.side)
    e.state = state_of(e, sum, held)
    e.waits = #e.open > 0 or less(sum.paid, held)
end


-- what of its fields has changed: lists for HSET and HDEL

local function entry_changes(e)
    local set, del, was = {}, {}, e.was

    local function put(name, text)
        if (text or '') == (was[name] or '') then
            return
        end

        if text and text ~= '' then
            set[#set + 1] = name
            set[#set + 1] = text

        else
            del[#del + 1] = name
        end
    end

    for _, name in ipairs(PLAIN) do
        put(name, e[name])
    end

    for _, name in ipairs(COUNTERS) do
        put(name, e[name] > 0 and digits(e[name]))
    end

    put('counted', e.counted ~= e.amount and digits(e.counted))
    put('copies', copies_text(e))
    put('ops', ops_text(e.ops))
    put('past', ops_text(e.past))
    put('rest', e.rest ~= 0 and digits(e.rest))

    return set, del
end


-- writes them, and where the payment stands in the index; before is called
-- where there is anything to write, and that is returned

local function entry_write(key, id, e, open_key, now, before)
    local set, del = entry_changes(e)

    if #set + #del == 0 then
        return false
    end

    -- where the index is no sorted set, nothing has been written yet
    local score = call('ZSCORE', open_key, id)

    before()

    if #set > 0 then
        call('HSET', key, unpack(set))
    end

    if #del > 0 then
        call('HDEL', key, unpack(del))
    end

    if not e.waits then
        call('ZREM', open_key, id)

    elseif e.state == 'unknown' and e.was.state ~= 'unknown' then
        call('ZADD', open_key, now + CHECK_UNKNOWN, id)

    elseif not score then
        call('ZADD', open_key, now + CHECK, id)
    end

    return true
end


-- begins another attempt: what may still come of the one before is kept

local function attempt_begin(e)
    local debt = 0

    if not is_closed(e.ops) and not is_closed(e.past) then
        local accepted, lost = copies_count(e)

        debt = accepted + lost + #e.open + e.freed - e.errors

        for _, op in ipairs(e.ops) do
            debt = debt - (op.err and 1 or 0)
        end
    end

    e.freed, e.errors = math.max(debt, 0), 0

    -- Gate has none of those that are still open, or an error has ended each:
    -- what they report must not make that error end a copy of this attempt

    for _, copy in ipairs(e.open) do
        e.done[#e.done + 1] = { copy[1], 'r' }
    end

    e.open = {}

    -- with as many errors as copies, whatever they still report is known

    for _, copy in ipairs(e.done) do
        copy[2] = e.freed > 0 and copy[2] == 'f' and 'f' or 'r'
    end

    for _, op in ipairs(e.ops) do
        e.past[#e.past + 1] = op
    end

    while #e.done > MAX_DONE do
        table.remove(e.done, 1)
    end

    e.ops, e.accepted, e.lost = {}, 0, 0
    e.exists, e.full, e.complete, e.code, e.status, e.hand = nil
    e.attempts = format('%.0f', (e.attempts or 1) + 1)
end


-- an operation that nobody has heard of

local function op_new(e, id, status, paid, size)
    if #e.ops + #e.past >= MAX_OPS then
        e.full = '1'
        e.rest = add(e.rest, paid)

    else
        e.ops[#e.ops + 1] = { id = id, status = status, paid = paid,
                              size = size, err = status == 'error' }
    end

    return status == 'pending' and 'updated' or 'settled'
end


-- an error ends a copy, whenever it is told; where its operation belongs to an
-- earlier attempt, it is one of the copies that were left of that

local function op_error(e, op, is_past)
    op.err = true

    if is_past then
        e.errors = e.errors + 1
    end

    if RANK[op.status] >= 1 then
        return 'stale'
    end

    op.status = 'error'

    return 'settled'
end


-- two words of one rank: sums only grow, and "success" goes before "partial"

local function op_again(op, status, paid, size)
    local news = status ~= op.status and status == 'success'

    if status == 'partial' and op.status == 'success' then
        return 'stale'
    end

    if RANK[status] == 2 then
        news = news or less(op.paid, paid) or less(op.size, size)
        op.status = status
        op.paid = less(op.paid, paid) and paid or op.paid
        op.size = less(op.size, size) and size or op.size
    end

    return news and 'settled' or status == 'pending' and 'updated' or 'again'
end


-- notes what is told of an operation: "settled", "updated", "again" or "stale"

local function op_note(e, id, status, paid, size)
    local op, is_past

    for _, list in ipairs({ e.past, e.ops }) do
        for _, known in ipairs(list) do
            if known.id == id then
                op, is_past = known, list == e.past
            end
        end
    end

    if not op then
        return op_new(e, id, status, paid, size)
    end

    if status == 'error' and not op.err
       and RANK[op.status] ~= 1 and op.status ~= 'partial'
    then
        return op_error(e, op, is_past)
    end

    if RANK[status] < RANK[op.status] then
        return 'stale'
    end

    if RANK[status] == RANK[op.status] then
        return op_again(op, status, paid, size)
    end

    -- a payment that had succeeded is over, whatever it had paid; of one that
    -- was paid in parts others are left
    if status == 'reversed' and op.status == 'success' then
        size = less(op.paid, op.size) and op.paid or e.amount

    elseif status == 'reversed' and size == 0 then
        size = op.size
    end

    op.status, op.paid, op.size = status, paid, size

    return status == 'pending' and 'updated' or 'settled'
end
