-- settle: a verified callback: duplicate check, ledger and stream in one step.
--
-- KEYS 1  entry               gate:payout:{PID}:<payment_id>
--      2  totals' prefix      gate:used:{PID}:
--      3  dry run's entry     gate:dry:payout:{PID}:<payment_id>
--      4  dry run's prefix    gate:dry:used:{PID}:
--      5  mark                gate:callback:{PID}:<payment_id>:<digest>; its
--         lane is gate:lane:{PID}:<payment_id>
--      6  stream              optional: the callback is appended to it
-- ARGV 1  payment.status
--      2  operation.id, or empty
--      3  digest of the callback
--      4  payment.sum.amount in digits; for partially_paid_out what all of its
--         operations have paid; empty: not known
--      5  payment.sum.currency, or empty
--      6  ttl: seconds that an entry lives after its last change
--      7  owner: unique name of this delivery; empty: no duplicate check
--      8  milliseconds that mark and lane stay with the owner
--      9  seconds that the mark of a delivered callback stays
--     10  stream: approximate cap of its length, 0 for none
--     11  stream: project_id
--     12  stream: payment_id
--     13  stream: body
--     14  what this operation has paid, or empty: where a partially_paid_out
--         does not list all operations, those that came before are summed
--     15  name of this call
--
-- Returns a list: verdict, ledger, from, to, counted, notes, extra, name.
-- verdict
--   forward    give it to the service, then run mark with the owner
--   streamed   it is in the stream and marked; extra: its id there
--   duplicate  a service has it: answer 200
--   busy       another delivery has the mark, or that of another callback
--              about the same payment, which must not be overtaken, has the
--              lane; extra: milliseconds to wait
--   stale      news from before the present state: answer 200
-- ledger (empty for duplicate and busy: nothing was looked at)
--   settled    the state has changed by a final status
--   updated    not final: only noted
--   again      says what the entry says, or is of an earlier attempt
--   stale      not a legal move; forwarded only where owner is empty.  It
--              changes nothing, but that a part of a partially_paid_out is
--              counted, however late it comes
--   unknown    no entry
--   ignored    not a status of a payout
-- from, to     states of the entry; counted: amount counted now
-- notes        words: recounted (was released, now counted again, limits or
--              not), adjusted (another amount was paid), currency (paid in
--              another one: amount not looked at), dry (the entry is that of
--              a dry run)
--
-- A second run of the same callback moves no total again: a state is entered
-- once.  Between final states only success to reversed, decline or error to
-- success are legal.  A callback of an operation that has settled an earlier
-- attempt does not settle a later one: operation ids are never used twice.

local call = redis.call

local WINDOWS = { 'hour', 'day', 'week', 'month' }

local LIVE = { reserved = true, unknown = true, accepted = true }
local PAID = { success = true, partially_paid_out = true }
local TAKEN_BACK = { refused = true, released = true }

local PENDING = {
    ['processing'] = true, ['awaiting retry'] = true,
    ['awaiting clarification'] = true
}

local UNPAID = { decline = true, error = true, reversed = true }

local LEGAL = {
    ['success reversed'] = true, ['decline success'] = true,
    ['error success'] = true
}

local status, operation, digest, paid = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local owner, part, name = ARGV[7], ARGV[14] or '', ARGV[15]


-- adds an amount, which may be negative, and a count to the windows of the
-- entry; one whose totals have expired stays away, none goes below 0

local function count(base, window, amount, n)
    local hour, monday = window:match('^(%d+) (%d+)$')
    local names = { hour, hour:sub(1, 8), monday, hour:sub(1, 6) }

    for i = 1, 4 do
        for field, more in pairs({ [''] = amount, _count = n }) do
            local key = base .. WINDOWS[i] .. field .. ':' .. names[i]

            if call('EXISTS', key) == 1 then
                local total = redis.pcall('INCRBY', key, more)

                if type(total) == 'number' and total < 0 then
                    call('SET', key, '0', 'KEEPTTL')
                end
            end
        end
    end
end


-- what the windows hold for the entry becomes another amount; "0" also takes
-- back the count, and from "0" it is counted again

local function recount(base, entry, before, after)
    base = base .. entry.currency .. ':'

    if before ~= '0' then
        count(base, entry.window, '-' .. before, after == '0' and '-1' or '0')
    end

    if after ~= '0' then
        count(base, entry.window, after, before == '0' and '1' or '0')
    end
end


-- notes "operation:amount " of each one that has paid; returns their sum

local function keep_parts(key, entry)
    local parts, sum = entry.parts, 0

    if operation ~= '' and #part <= 15 and part:find('^[1-9]%d*$')
       and not (' ' .. parts):find(' ' .. operation .. ':', 1, true)
    then
        parts = parts .. operation .. ':' .. part .. ' '
        call('HSET', key, 'parts', parts)
    end

    for amount in parts:gmatch(':(%d+) ') do
        sum = sum + amount
    end

    return sum > 0 and string.format('%.0f', sum) or ''
end


local function write(key, ...)
    call('HSET', key, 'status', status, 'updated', call('TIME')[1], ...)
    call('EXPIRE', key, ARGV[6])
end


local function more(sum, before)
    return sum ~= '' and #before <= 15 and sum + 0 > before + 0
end


local function note_late_part(key, base, entry)
    local before, sum = entry.counted, ''

    if entry.state == 'partially_paid_out' then
        sum = keep_parts(key, entry)
    end

    -- a sum of all operations, if it was known, has this part already
    if not more(sum, before) then
        return { 'stale', entry.state, before, '' }
    end

    recount(base, entry, before, sum)
    call('HSET', key, 'counted', sum)

    return { 'stale', entry.state, sum, 'adjusted' }
end


local function note_pending(key, base, entry)
    if LIVE[entry.state] then
        keep_parts(key, entry)
        write(key, 'state', 'accepted')

        return { 'updated', 'accepted', entry.counted, '' }
    end

    if TAKEN_BACK[entry.state] then
        recount(base, entry, entry.counted, entry.amount)
        write(key, 'state', 'accepted', 'counted', entry.amount)

        return { 'updated', 'accepted', entry.amount, 'recounted' }
    end

    return note_late_part(key, base, entry)
end


local function note_final(key, base, entry, word)
    local before, after, notes = entry.counted, '0', ''
    local sum, paid = keep_parts(key, entry), paid

    -- parts that are known may not be all
    if status == 'partially_paid_out' and paid == ''
       and (entry.state ~= status or more(sum, before))
    then
        paid = sum
    end

    if PAID[status] then
        local known = #paid <= 18 and (paid:find('^[1-9]%d*$') or paid == '0')
        local back = not LIVE[entry.state] and not PAID[entry.state]

        after = back and entry.amount or before

        if known and ARGV[5] ~= '' and ARGV[5] ~= entry.currency then
            notes = ' currency'

        elseif known then
            after = paid
        end

        if back and after ~= '0' then
            notes = ' recounted' .. notes
        end

        if status == 'success' and after ~= entry.amount then
            notes = ' adjusted' .. notes
        end
    end

    if before ~= after then
        recount(base, entry, before, after)
    end

    write(key, 'state', status, 'counted', after, 'ops',
          entry.ops .. word .. ' ')

    return { 'settled', status, after, notes:sub(2) }
end


local function settle(key, base)
    local list = call('HMGET', key, 'state', 'amount', 'counted', 'currency',
                      'window', 'ops', 'past', 'parts')

    if not list[1] then
        return { 'unknown', '', '', '' }, ''
    end

    local entry = { state = list[1], amount = list[2],
                    counted = list[3] or list[2], currency = list[4],
                    window = list[5], ops = list[6] or '',
                    parts = list[8] or '' }
    local state, past = entry.state, ' ' .. (list[7] or '')
    local id = (operation ~= '' and operation or digest:sub(1, 16)) .. ':'
    local word = id .. status .. ':' .. digest:sub(1, 8)
    local same = { 'again', state, entry.counted, '' }

    if past:find(' ' .. id, 1, true)
       and (not PAID[status]
            or past:find(' ' .. id .. status .. ':', 1, true))
    then
        return same, state
    end

    if PENDING[status] then
        return note_pending(key, base, entry), state
    end

    if state == status and (' ' .. entry.ops):find(' ' .. word .. ' ', 1, true)
    then
        return same, state
    end

    if LIVE[state] or TAKEN_BACK[state] or state == status
       or LEGAL[state .. ' ' .. status]
    then
        return note_final(key, base, entry, word), state
    end

    same[1] = 'stale'
    return same, state
end


local function append()
    local now = call('TIME')
    local received = string.format('%.0f', now[1] * 1000
                                           + math.floor(now[2] / 1000))
    local args = { 'project_id', ARGV[11], 'payment_id', ARGV[12],
                   'status', status, 'body', ARGV[13], 'received', received }

    if ARGV[10] == '0' then
        return call('XADD', KEYS[6], '*', unpack(args))
    end

    return call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[10], '*', unpack(args))
end


local lane

if owner ~= '' then
    local mark = call('GET', KEYS[5])

    if mark == 'delivered' then
        return { 'duplicate', '', '', '', '', '', '', name }
    end

    if mark and mark ~= owner then
        return { 'busy', '', '', '', '', '', call('PTTL', KEYS[5]), name }
    end

    -- a stream keeps the order by itself
    if ARGV[12] ~= '' and not KEYS[6] then
        lane = KEYS[5]:gsub(':callback:{', ':lane:{', 1):gsub(':%x+$', '')

        local other = call('GET', lane)

        if other and other ~= owner then
            return { 'busy', '', '', '', '', '', call('PTTL', lane), name }
        end
    end
end

local result, from = { 'ignored', '', '', '' }, ''

if PAID[status] or UNPAID[status] or PENDING[status] then
    local dry, dry_from = settle(KEYS[3], KEYS[4])

    result, from = settle(KEYS[1], KEYS[2])

    if result[1] == 'unknown' and dry[1] ~= 'unknown' then
        result, from = dry, dry_from
        result[4] = dry[4] == '' and 'dry' or dry[4] .. ' dry'
    end
end

local ledger, to, counted, notes = unpack(result)

if ledger == 'stale' and owner ~= '' then
    return { 'stale', ledger, from, to, counted, notes, '', name }
end

if KEYS[6] then
    local id = append()

    if owner ~= '' then
        call('SET', KEYS[5], 'delivered', 'EX', ARGV[9])
    end

    return { 'streamed', ledger, from, to, counted, notes, id, name }
end

if owner ~= '' then
    call('SET', KEYS[5], owner, 'PX', ARGV[8])

    if lane then
        call('SET', lane, owner, 'PX', ARGV[8])
    end
end

return { 'forward', ledger, from, to, counted, notes, '', name }
