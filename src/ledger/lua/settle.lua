-- settle: a verified callback, or a verified answer about a payout's status.
--
-- KEYS 1  used        gate:used:{PID}
--      2  era         gate:era:{PID}
--      3  open        gate:open:{PID}
--      4  entry       gate:payout:{PID}:<payment_id>
--      5  dry used    gate:dry:used:{PID}
--      6  dry open    gate:dry:open:{PID}
--      7  dry entry   gate:dry:payout:{PID}:<payment_id>: of a payout that was
--                     counted by a dry run
--      8  mark        gate:callback:{PID}:<payment_id>:<digest>
--      9  lane        gate:lane:{PID}:<payment_id>, which a delivery under way
--                     has, so that no other callback about the payment
--                     overtakes it
--     10  stream, or none
-- ARGV 1  name of this call
--      2  offset of the calendar from UTC, seconds
--      3  ttl: seconds that an entry lives after its last change
--      4  status of the payment; empty: of no payout
--      5  its operations, "id=status/paid/size ...": status is pending, error,
--         decline, partial, success or reversed; paid: what it has paid; size:
--         what it was to pay; both in minor units, empty: not known
--      6  what the payment says it paid in full, minor units, or empty
--      7  currency of the amounts, or empty
--      8  1: these are all operations of the payment, and it has a final status
--      9  owner: unique name of this delivery; empty: no duplicate check
--     10  milliseconds that mark and lane stay with the owner
--     11  seconds that the mark of a delivered callback stays
--     12  stream: approximate cap of its length, 0 for none
--     13  stream: project_id
--     14  stream: payment_id; empty: no lane
--     15  stream: status as the callback has it
--     16  stream: body
--
-- Returns a list: verdict, ledger, from, to, counted, notes, extra, era, the
-- number of the call, name.
-- verdict
--   forward    give it to the service, then run mark with the owner
--   streamed   it is in the stream and marked; extra: its id there
--   duplicate  a service has it: answer 200
--   busy       another delivery has the mark, or that of another callback
--              about the same payment has the lane; extra: milliseconds to wait
--   stale      a service has heard later news of each of its operations:
--              answer 200
--   bad        an argument (extra says which), the entry, the total or the
--              layout cannot be read: nothing changed
-- ledger (empty for duplicate, busy and bad: nothing was looked at)
--   settled    an operation has ended, or paid more
--   updated    not final: only noted
--   again      says what the entry says
--   stale      what each operation has left behind; forwarded only where owner
--              is empty
--   unknown    no entry
--   ignored    not a status of a payout
-- from, to     states of the entry; counted: amount counted now
-- notes        words: recounted (was not counted, now it is, limits or not),
--              adjusted (another amount than asked for is counted), currency
--              (paid in another one: amounts not looked at), dry (the entry is
--              that of a dry run)

-- The usual callback: the only copy of a payout was accepted, and its one
-- operation is under way, or has paid all.  Returns nil where any of it is
-- otherwise; nothing has been written then.

local function usual()
-- @include stream

    local call, find = redis.call, string.find
    local used_key, era_key, open_key, entry_key, dry_used, dry_open,
          dry_entry, mark_key, lane_key, stream_key = unpack(KEYS)
    local name, offset, ttl, status, told, sum, currency, complete, owner, ms =
        unpack(ARGV)
    local base, project = (used_key or ''):match('^(.*:)used:({%d+})$')
    local id, word, paid, size = (told or ''):match(
                                     '^([%w._-]+)=(%l+)/(%d*)/?(%d*)$')

    if not id or #id > 32 or not base or not lane_key or #KEYS > 10
       or #ARGV ~= 16 or owner == '' or ARGV[14] == ''
       or (complete ~= '' and complete ~= '0')
    then
        return nil
    end

    local payment = project .. ':' .. ARGV[14]

    if entry_key ~= base .. 'payout:' .. payment
       or era_key ~= base .. 'era:' .. project
       or open_key ~= base .. 'open:' .. project
       or dry_used ~= base .. 'dry:used:' .. project
       or dry_open ~= base .. 'dry:open:' .. project
       or dry_entry ~= base .. 'dry:payout:' .. payment
       or mark_key:sub(1, #base + #payment + 10)
          ~= base .. 'callback:' .. payment .. ':'
       or lane_key ~= base .. 'lane:' .. payment
       or not find(offset, '^-?%d+$') or #offset > 6
       or not find(ttl, '^[1-9]%d*$') or #ttl > 10 or ttl + 0 < 1036800
       or not find(ms, '^[1-9]%d*$') or #ms > 12
       or not find(ARGV[11], '^[1-9]%d*$') or #ARGV[11] > 12
       or not find(ARGV[12], '^%d+$') or #ARGV[12] > 15
       or call('EXISTS', mark_key, lane_key, dry_entry) > 0
    then
        return nil
    end

    local era = call('HGET', era_key, 'era')
    local list, was = call('HGETALL', entry_key), {}

    for i = 1, #list, 2 do
        was[list[i]] = list[i + 1]
    end

    -- and no other field than these
    local rest = #list / 2 - (was.ops and 1 or 0) - (was.status and 1 or 0)
    local amount, money = (was.payout or ''):match('^(%d+) (%u+) ')

    if not era or era ~= '2' .. (was.era and ' ' .. was.era or '')
       or was.state ~= 'accepted' or rest ~= (was.era and 5 or 4)
       or not was.digest or not find(was.copies or '', '^[%w-]+=a$')
       or money ~= currency or #amount > 15
    then
        return nil
    end

    local said = 'updated'

    if status == 'success' and word == 'success' then
        if paid ~= amount or (size ~= amount and size ~= '')
           or (sum ~= amount and sum ~= '')
           or (was.ops and was.ops ~= id .. '=pending/0')
        then
            return nil
        end

        said = 'settled'

    elseif word ~= 'pending' or was.ops
           or (status ~= 'processing' and status ~= 'awaiting retry'
               and status ~= 'awaiting clarification')
    then
        return nil
    end

    -- where the index or the stream is none, nothing has been written yet
    local score = said == 'settled' and call('ZSCORE', open_key, ARGV[14])
    local verdict, extra = 'forward', ''

    if stream_key then
        verdict, extra = 'streamed', append(call)
    end

    if said == 'settled' then
        call('HSET', entry_key, 'state', 'success', 'ops',
             id .. '=success/' .. amount)

        if was.status then
            call('HDEL', entry_key, 'status')
        end

        if score then
            call('ZREM', open_key, ARGV[14])
        end

    else
        call('HSET', entry_key, 'ops', id .. '=pending/0', 'status', status)
    end

    local seq = call('HINCRBY', era_key, 'seq', 1)

    call('EXPIRE', entry_key, ttl)

    if stream_key then
        call('SET', mark_key, 'delivered', 'EX', ARGV[11])

    else
        call('SET', mark_key, owner, 'PX', ms)
        call('SET', lane_key, owner, 'PX', ms)
    end

    return { verdict, said, 'accepted',
             said == 'settled' and 'success' or 'accepted', amount, '', extra,
             era:sub(3), seq, name }
end


-- All others.

local function general()
-- @include number
-- @include rows
-- @include windows
-- @include call
-- @include entry
-- @include stream


    local name, offset, ttl, status, told, sum, currency, complete, owner =
        unpack(ARGV, 1, 9)
    local used_key, era_key, open_key, entry_key = unpack(KEYS, 1, 4)
    local mark_key, lane_key, stream_key = KEYS[8], KEYS[9], KEYS[10]
    local now, era, seq, ledger

    local WORDS = {
        ['processing'] = 'pending', ['awaiting retry'] = 'pending',
        ['awaiting clarification'] = 'pending', success = 'success',
        decline = 'decline', error = 'error', reversed = 'reversed',
        partially_paid_out = 'partial'
    }

    local OPERATION = '^([%w._-]+)=(%l+)/(%d*)/?(%d*)$'


    local function begins(key, kind)
        local name = base .. kind .. ':' .. project .. ':'

        return key:sub(1, #name) == name
    end


    -- of a mark and a lane, which only deliveries with an owner have

    local function is_time(text)
        return find(text, owner ~= '' and '^[1-9]%d*$' or '^%d+$')
               and #text <= 12
    end


    local function is_none(key)
        local kind = call('TYPE', key).ok

        return kind ~= 'stream' and kind ~= 'none'
    end


    local function bad_call()
        if #KEYS < 9 or #KEYS > 10 or not project or not payment_of(entry_key)
           or not is_key(2, 'era') or not is_key(3, 'open')
           or not is_key(5, 'dry:used') or not is_key(6, 'dry:open')
           or not is_key(7, 'dry:payout', ':' .. payment_of(entry_key))
           or not begins(mark_key, 'callback') or not begins(lane_key, 'lane')
        then
            return 'keys'
        end

        return #ARGV ~= 16 and 'arguments' or bad_times(offset, ttl)
               or sum ~= '' and not is_integer(sum) and 'sum'
               or not find(complete, '^[01]?$') and 'complete'
               or not is_time(ARGV[10]) and 'lock'
               or not is_time(ARGV[11]) and 'mark'
               or (not find(ARGV[12], '^%d+$') or #ARGV[12] > 15) and 'cap'
               or stream_key and is_none(stream_key) and 'stream'
    end


    -- a list of the operations told, or nil

    local function told_read()
        local list = {}

        for word in told:gmatch('%S+') do
            local id, what, paid, size = word:match(OPERATION)

            if not id or not RANK[what] or what == 'freed' or #id > 32
               or (paid ~= '' and not is_integer(paid))
               or (size ~= '' and not is_integer(size)) or #list == MAX_OPS
            then
                return nil
            end

            list[#list + 1] = { id = id, status = what, paid = paid, size = size }
        end

        return list
    end


    -- what an operation has paid, and what it was to pay, as the entry has it: a
    -- payment that has succeeded has paid its sum in full

    local function amounts(e, op)
        local paid = op.paid ~= '' and value(op.paid) or nil
        local size = op.size ~= '' and value(op.size) or nil

        if op.status == 'success' then
            local full = sum ~= '' and value(sum) or paid or e.amount

            return paid or full, full
        end

        if op.status == 'partial' then
            return paid or 0, size or paid or 0
        end

        return 0, op.status ~= 'pending' and size or 0
    end


    -- seconds that an answer about a payment's status may be under way

    local ASKED = 120

    local ORDER = { stale = 1, again = 2, updated = 3, settled = 4 }


    -- whether an answer that has all operations shows that nothing is left
    -- which could still pay: it may be older than a copy that was sent since

    local function is_all(e)
        for _, op in ipairs(e.ops) do
            if op.status == 'pending' then
                return false
            end
        end

        for _, copy in ipairs(e.done) do
            if copy[2] == 'l' and now - (tonumber(copy[3]) or 0) <= ASKED then
                return false
            end
        end

        return #e.open == 0 and copies_count(e) <= #e.ops + e.errors
    end


    -- notes all operations in the entry; returns what is the most of it

    local function note_all(e, list)
        local most = 'stale'

        for _, op in ipairs(list) do
            local paid, size = amounts(e, op)
            local said = op_note(e, op.id, op.status, paid, size)

            most = ORDER[said] > ORDER[most] and said or most
        end

        if #list == 0 and WORDS[status] == 'pending' then
            e.exists, most = '1', 'updated'
        end

        if complete == '1' and #list > 0 and is_all(e) then
            e.complete = is_closed(e.ops) and '1' or nil
            e.freed, e.accepted, e.lost, e.exists, e.full = 0, 0, 0, nil

            for _, copy in ipairs(e.done) do
                copy[2] = 'r'
            end
        end

        return most
    end


    -- ledger, from, to, counted, notes; nil where the total cannot be read

    local function settle(keys, e, list)
        if not e or not e.payout then
            return { 'unknown', '', '', '', '' }
        end

        local notes = {}

        if currency ~= '' and currency ~= e.currency then
            notes[1], sum = 'currency', ''

            for _, op in ipairs(list) do
                op.paid, op.size = '', ''
            end
        end

        local before, from = e.counted, e.state
        local said = note_all(e, list)

        derive(e)

        local used = e.counted ~= before
                     and used_read(call('HGET', keys.used, e.currency), now, offset)

        if used == nil then
            return nil
        end

        if said ~= 'stale' then
            -- the state tells it where the two are one
            e.status = status ~= e.state and status or nil
        end

        e.era = era ~= '' and era or e.era

        local function first()
            seq = seq or era_step(era_key, ledger)

            if used then
                used_move(used, e.window, before, e.counted)
                call('HSET', keys.used, e.currency, used_text(used))
            end
        end

        if entry_write(keys.entry, payment_of(entry_key), e, keys.open, now,
                       first)
        then
            call('EXPIRE', keys.entry, ttl)
        end

        if less(before, e.counted) and not WAITS[from] then
            notes[#notes + 1] = 'recounted'
        end

        if said == 'settled' and e.counted ~= e.amount
           and (e.state == 'success' or e.state == 'partially_paid_out')
        then
            notes[#notes + 1] = 'adjusted'
        end

        return { said, from, e.state, digits(e.counted),
                 table.concat(notes, ' ') }
    end


    local function reply(verdict, result, extra)
        return { verdict, result[1] or '', result[2] or '', result[3] or '',
                 result[4] or '', result[5] or '', extra or '', era or '',
                 seq or 0, name }
    end


    -- a verdict and milliseconds where another delivery goes before this one

    local function held_by_other()
        local mark = call('GET', mark_key)

        if mark == 'delivered' then
            return 'duplicate'
        end

        if mark and mark ~= owner then
            return 'busy', call('PTTL', mark_key)
        end

        -- a stream keeps the order by itself
        local other = not stream_key and ARGV[14] ~= '' and call('GET', lane_key)

        if other and other ~= owner then
            return 'busy', call('PTTL', lane_key)
        end
    end


    local function settle_one(list)
        if not WORDS[status] then
            return { 'ignored' }
        end

        -- all before the first write: a key may be of another type
        local e, tried = entry_read(entry_key, now), entry_read(KEYS[7], now)

        if tried then
            call('HEXISTS', KEYS[5], '')
            call('ZSCORE', KEYS[6], '')
        end

        local result = settle({ used = used_key, open = open_key,
                                entry = entry_key }, e, list)

        if not tried or not result then
            return result
        end

        local dry = settle({ used = KEYS[5], open = KEYS[6],
                             entry = KEYS[7] }, tried, list)

        if not dry or result[1] ~= 'unknown' or dry[1] == 'unknown' then
            return result
        end

        dry[5] = dry[5] == '' and 'dry' or dry[5] .. ' dry'

        return dry
    end


    local function take(list)
        if owner ~= '' then
            local verdict, wait = held_by_other()

            if verdict then
                return reply(verdict, {}, wait)
            end
        end

        now = call('TIME')[1] + 0

        local result = settle_one(list)

        if not result then
            return reply('bad', {}, 'total')
        end

        if result[1] == 'stale' and owner ~= '' then
            return reply('stale', result)
        end

        if stream_key then
            local id = append(call)

            if owner ~= '' then
                call('SET', mark_key, 'delivered', 'EX', ARGV[11])
            end

            return reply('streamed', result, id)
        end

        if owner ~= '' then
            call('SET', mark_key, owner, 'PX', ARGV[10])

            if ARGV[14] ~= '' then
                call('SET', lane_key, owner, 'PX', ARGV[10])
            end
        end

        return reply('forward', result)
    end


    local bad = bad_call()
    local list = not bad and told_read()

    if bad or not list then
        return reply('bad', {}, bad or 'operations')
    end

    era, ledger = era_read(era_key)

    if not era then
        return reply('bad', {}, 'layout')
    end

    return take(list)
end


return usual() or general()
