-- outcome: what became of copies of payouts of one project that reserve let
-- through.
--
-- KEYS 1  used    gate:used:{PID}, or gate:dry:used:{PID} of dry runs
--      2  era     gate:era:{PID}
--      3  open    gate:open:{PID}, or gate:dry:open:{PID}
--      4  entries gate:payout:{PID}:<payment_id>, or gate:dry:payout:..., one
--         for each report, 64 at most
-- ARGV 1  name of this call
--      2  offset of the calendar from UTC, seconds
--      3  ttl: seconds that an entry lives after its last change
--      4  five for each report:
--           copy, as given to reserve
--           action:
--             accepted   Gate took it
--             refused    Gate answered 4xx, or 200, with status "error"
--             unknown    sent, but no answer, or one that says neither: 5xx
--             release    it never left the gateway
--             free       somebody knows that no more will be paid; any copy
--           code: Gate's, or empty; of "free": who says so, without spaces
--           payout: "amount currency endpoint window", as given to and by
--             reserve, window "0 0" where it said nothing; empty for "free"
--           digest, as given to reserve
--
-- Returns a list: a verdict for each report, the era, the number of the call,
-- and the name.  A verdict is a word and the state of the entry:
--   noted     the state says it now
--   kept      still counted: another copy may have been taken
--   released  no longer counted, or less
--   counted   counted again, or more than before, limits or not
--   again     this copy has reported before: nothing changed
--   gone      nothing is known of it, or it holds nothing: nothing changed but
--             for "release", which makes a later reserve of the copy "void"
--   bad_argument and what, bad_entry, bad_total, bad_layout: nothing changed
--
-- What a copy reports is a fact: it holds whatever was known before, in any
-- order.  An acceptance of a copy that nobody knows counts it.

-- The usual report: the only copy of a payout, reserved in this era, was
-- accepted.  Returns the verdicts, false for other reports, the number of the
-- call, the era, and whether these were all; nil where the call itself is not
-- as usual.

local function usual()
    local call, find = redis.call, string.find
    local used_key, era_key, open_key = unpack(KEYS, 1, 3)
    local name, offset, ttl = unpack(ARGV, 1, 3)
    local n = #KEYS - 3
    local base, project = (used_key or ''):match('^(.*:)used:({%d+})$')

    if not base or n < 1 or n > 64 or #ARGV ~= 3 + 5 * n
       or era_key ~= base .. 'era:' .. project
       or open_key ~= base .. 'open:' .. project
       or not find(offset, '^-?%d+$') or #offset > 6
       or not find(ttl, '^[1-9]%d*$') or #ttl > 10 or ttl + 0 < 1036800
    then
        return nil
    end

    local era = call('HGET', era_key, 'era')

    if not era or (era ~= '2' and not find(era, '^2 %S+$')) then
        return nil
    end

    local entries, reply = base .. 'payout:' .. project .. ':', {}
    local seq, all = nil, true

    era = era:sub(3)

    for k = 1, n do
        local key, at = KEYS[3 + k], 5 * k - 1
        local copy = ARGV[at]

        reply[k] = false

        if ARGV[at + 1] == 'accepted' and key:sub(1, #entries) == entries then
            local was = redis.pcall('HMGET', key, 'state', 'payout', 'copies',
                                    'era')

            if was[1] == 'reserved' and was[2] == ARGV[at + 3]
               and find(was[3], '^[%w-]+@%d+$')
               and was[3]:sub(1, #copy + 1) == copy .. '@'
               and (was[4] or '') == era and ARGV[at + 2] == ''
               and find(ARGV[at + 4], '^%w+$')
            then
                seq = seq or call('HINCRBY', era_key, 'seq', 1)
                call('HSET', key, 'state', 'accepted', 'copies', copy .. '=a')
                reply[k] = 'noted accepted'
            end
        end

        all = all and reply[k]
    end

    return reply, seq, era, all
end


-- All other calls and reports.

local function general(reply, seq)
-- @include number
-- @include rows
-- @include windows
-- @include call
-- @include entry


    local FIRST, EACH, MOST = 3, 5, 64

    local used_key, era_key, open_key = unpack(KEYS, 1, 3)
    local name, offset, ttl = unpack(ARGV, 1, 3)
    local count = #KEYS - FIRST
    local now, era, ledger

    local ACTIONS = { accepted = true, refused = true, unknown = true,
                      release = true, free = true }


    local function is_payout(text)
        local amount = text:match('^(%d+) %u%u%u %S+ %d+ %d+$')

        return amount and is_integer(amount) and amount ~= '0'
    end


    local function bad_report(r)
        if not r.id then
            return 'key'
        end

        if not ACTIONS[r.action] then
            return 'action'
        end

        if #r.code > 64 or find(r.code, '[%s%c]') then
            return 'code'
        end

        if r.action == 'free' then
            return r.code == '' and 'code'
        end

        return (not find(r.copy, '^[%w-]+$') or #r.copy > 48) and 'copy'
               or not is_payout(r.payout) and 'payout'
               or not find(r.digest, '^%w+$') and 'digest'
    end


    -- somebody knows that no more comes: the parts that were paid are all, or
    -- nothing was, and what copies still report is taken for news

    local function free(e, who)
        e.hand = 'free:' .. who .. '@' .. format('%.0f', now)
        e.full, e.exists = nil, nil

        local closed = is_closed(e.ops)
        local letter = closed and 'r' or 'f'
        local accepted, lost = copies_count(e)

        if closed then
            e.complete = '1'

        else
            e.freed = accepted + lost + e.freed + #e.open
        end

        e.accepted, e.lost = 0, 0

        for _, copy in ipairs(e.done) do
            copy[2] = (copy[2] == 'l' or copy[2] == 'f') and letter or 'r'
        end

        for _, copy in ipairs(e.open) do
            copy_note(e, copy[1], letter)
        end

        for _, op in ipairs(e.ops) do
            op.status = op.status == 'pending' and 'freed' or op.status
        end

        e.open = {}
    end


    -- code 10105: Gate has the payment_id already, perhaps from another copy

    local function refuse(e, code)
        if code == '10105' and not is_closed(e.ops) and not is_closed(e.past) then
            e.exists = '1'
        end
    end


    -- a copy that was open, or lost, or freed by hand

    local function report(e, r, was)
        local letter = r.action == 'accepted' and 'a'
                       or r.action == 'unknown' and 'l' or 'r'

        if was == 'f' then
            if letter == 'l' then
                return
            end

            e.freed = math.max(e.freed - 1, 0)
            e.hand = letter == 'r' and e.hand or nil
        end

        copy_move(e, r.copy, letter)

        if r.action == 'refused' then
            refuse(e, r.code)
        end
    end


    -- a copy that nobody knows: Redis has lost it, or its name

    local function report_unknown(e, r)
        if r.action == 'accepted' then
            copy_note(e, r.copy, 'a')

        elseif r.action == 'unknown' then
            copy_note(e, r.copy, 'l', digits(now))

        elseif r.action == 'release' then
            copy_note(e, r.copy, 'r')
        end
    end


    local function is_other(e, r)
        return e.payout and e.payout:match('^%d+ %u+ %S+')
                            ~= r.payout:match('^%d+ %u+ %S+')
    end


    -- changes the entry; returns a verdict where that is all

    local function apply(e, r)
        if r.action == 'free' then
            if not e.waits then
                return 'gone'
            end

            free(e, r.code)
            return
        end

        local was = copy_find(e, r.copy)

        if was == 'r' or was == 'a' or (was == 'l' and r.action == 'unknown') then
            return 'again'
        end

        if not was and r.action == 'refused' then
            return 'gone'
        end

        -- copies that were freed may be of an attempt that was another payout
        if was ~= 'f' and (was or r.action ~= 'release') and is_other(e, r) then
            return 'bad_argument payout'
        end

        if was then
            report(e, r, was)

        else
            report_unknown(e, r)

            if r.action ~= 'release' and not e.payout then
                -- one that was sent without asking is counted now
                e.digest = r.digest
                payout_set(e, (r.payout:gsub(' 0 0$', ' ' .. calendar(now,
                                                                 offset))))
            end
        end

        if r.code ~= '' and r.action ~= 'accepted' then
            e.code = r.code
        end
    end


    local function write(r, e, before)
        local used = e.counted ~= before
                     and used_read(call('HGET', used_key, e.currency), now, offset)

        if used == nil then
            return 'bad_total'
        end

        e.era = era ~= '' and era or e.era

        local function first()
            seq = seq or era_step(era_key, ledger)

            if used then
                used_move(used, e.window, before, e.counted)
                call('HSET', used_key, e.currency, used_text(used))
            end
        end

        entry_write(r.key, r.id, e, open_key, now, first)

        if used or not e.was.state then
            call('EXPIRE', r.key, ttl)
        end
    end


    local function tell(r)
        local list, was = redis.pcall('HGETALL', r.key), {}

        if list.err then
            return 'bad_entry'
        end

        for i = 1, #list, 2 do
            was[list[i]] = list[i + 1]
        end

        local e = entry_new(was, now)
        local before = e.counted

        if was.state then
            derive(e)
        end

        if r.action == 'free' and not e.was.state then
            return 'gone'
        end

        local verdict = apply(e, r)

        if verdict then
            return was.state and verdict .. ' ' .. was.state or verdict
        end

        derive(e)
        verdict = write(r, e, before)

        if verdict then
            return verdict
        end

        verdict = not e.was.state and e.counted == 0 and 'gone'
                  or less(before, e.counted) and 'counted'
                  or less(e.counted, before) and 'released'
                  or (r.action == 'refused' or r.action == 'release')
                     and e.counted ~= 0 and 'kept' or 'noted'

        return verdict .. ' ' .. e.state
    end


    local function report_at(i)
        local at = FIRST + EACH * (i - 1)
        local r = { key = KEYS[FIRST + i], copy = ARGV[at + 1],
                    action = ARGV[at + 2], code = ARGV[at + 3],
                    payout = ARGV[at + 4], digest = ARGV[at + 5] }

        r.id = payment_of(r.key)

        local bad = bad_report(r)

        return bad and 'bad_argument ' .. bad or tell(r)
    end


    local function bad_call()
        if count < 1 or count > MOST or not project
           or not is_shared_key(2, 'era') or not is_key(3, 'open')
        then
            return 'keys'
        end

        return #ARGV ~= FIRST + EACH * count and 'arguments'
               or bad_times(offset, ttl)
    end


    local bad = bad_call()

    if not bad then
        now = call('TIME')[1] + 0
        era, ledger = era_read(era_key)
    end

    for i = 1, math.max(count, 1) do
        reply[i] = reply[i] or bad and 'bad_argument ' .. bad
                   or not era and 'bad_layout' or report_at(i)
    end

    return era, seq
end


local reply, seq, era, all = usual()

if not all then
    reply = reply or {}
    era, seq = general(reply, seq)
end

local n = #reply

reply[n + 1], reply[n + 2], reply[n + 3] = era or '', seq or 0, ARGV[1] or ''

return reply
