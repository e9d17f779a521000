-- reserve: checks the limits for payouts of one project and currency, in their
-- order, and reserves each one that they let through in all windows.
--
-- KEYS 1  used    gate:used:{PID}, or gate:dry:used:{PID} of dry runs
--      2  limits  gate:limits:{PID}:CUR
--      3  stop    gate:stop:{PID}
--      4  era     gate:era:{PID}
--      5  open    gate:open:{PID}, or gate:dry:open:{PID}
--      6  entries gate:payout:{PID}:<payment_id>, or gate:dry:payout:..., one
--         for each payout, 64 at most
-- ARGV 1  name of this call
--      2  currency
--      3  offset of the calendar from UTC, seconds
--      4  "allow" or "deny": what to do where there are no limits
--      5  ttl: seconds that an entry lives after its last change
--      6  four for each payout:
--           amount, minor units, 1..2^63-1
--           endpoint, without spaces
--           digest of the payout: equal for the same body only
--           copy: name of this sending of it, unique
--
-- Returns a list: a verdict for each payout, the window of this call as
-- outcome wants it, the era, the number of the call (0 where it wrote
-- nothing), and the name.  A verdict is a word, or a list that begins with it:
--   ok                            reserved: send it
--   repeat                        counted before: send it
--   duplicate, state              another digest, amount, currency or endpoint
--                                 is counted under this payment_id
--   busy                          32 copies of it are under way
--   worn                          it was tried too often for one payment_id
--   void                          this copy was released before it came here
--   stopped, currency or *, text  by an operator
--   no_limits                     there are none, and ARGV[4] is not "allow"
--   limit_min, limit              amount is under it; limit_max: over it
--   limit_day, wait, limit, used  wait: seconds to the window's end; so too
--                                 hour, week, month, limit_day_count...
--   overflow, window              that total would pass 2^63-1
--   bad_limit, field, value       neither limit nor comment
--   bad_total, currency           its field in KEYS[1] cannot be read
--   bad_entry                     it cannot be read
--   bad_layout                    another version has written the ledger
--   bad_argument, which
--
-- Only "ok" and, by noting the copy, "repeat" change anything.

-- @include number
-- @include windows
-- @include limits
-- @include call


-- the rest of the work on an entry that exists

local function entry_part()
-- @include entry

    return { new = entry_new, read = entry_read, find = copy_find,
             derive = derive, begin = attempt_begin, set = payout_set,
             write = entry_write, max_open = MAX_OPEN,
             max_tried = MAX_TRIED }
end


local FIRST, EACH, MOST, CHECK = 5, 4, 64, 90

local used_key, limits_key, stop_key, era_key, open_key = unpack(KEYS)
local name, currency, offset, default, ttl = unpack(ARGV, 1, 5)
local count = #KEYS - FIRST

local now, era, fresh_era, limits, closed, used, is_first, entry


-- what is wrong with the arguments of all

local function bad_call()
    if count < 1 or count > MOST then
        return 'keys'
    end

    if #ARGV ~= FIRST + EACH * count then
        return 'arguments'
    end

    if not find(currency, '^%u%u%u$') then
        return 'currency'
    end

    if not project or not is_key(2, 'limits', ':' .. currency)
       or not is_key(3, 'stop') or not is_key(4, 'era')
       or not is_key(5, 'open')
    then
        return 'keys'
    end

    return not is_offset(offset) and 'offset'
           or default ~= 'allow' and default ~= 'deny' and 'default'
           or not is_ttl(ttl) and 'ttl'
end


local function bad_payout(p)
    return not p.id and 'key'
           or (not is_integer(p.amount_text) or p.amount_text == '0')
              and 'amount'
           or not find(p.endpoint, '^[^%s%c]+$') and 'endpoint'
           or not find(p.digest, '^%w+$') and 'digest'
           or (not find(p.copy, '^[%w-]+$') or #p.copy > 48) and 'copy'
end


local function payout_at(i)
    local at = FIRST + EACH * (i - 1)
    local p = { key = KEYS[FIRST + i], amount_text = ARGV[at + 1],
                endpoint = ARGV[at + 2], digest = ARGV[at + 3],
                copy = ARGV[at + 4] }

    p.id = payment_of(p.key)

    local bad = bad_payout(p)

    if bad then
        p.verdict = { 'bad_argument', bad }

    else
        p.amount = value(p.amount_text)
    end

    return p
end


-- what holds for all payouts of the call: a verdict, or nil

local function read_ledger()
    now = call('TIME')[1] + 0
    era, fresh_era = era_read(era_key)

    if not era then
        return 'bad_layout'
    end

    local stop = call('HMGET', stop_key, '*', currency)

    if stop[1] or stop[2] then
        return { 'stopped', stop[1] and '*' or currency, stop[1] or stop[2] }
    end

    local list = call('HGETALL', limits_key)

    local field, what

    limits, field, what = limits_read(list, now)

    if not limits then
        closed = { 'bad_limit', field, what }

    elseif #list == 0 and default ~= 'allow' then
        closed = 'no_limits'
    end

    local text = call('HGET', used_key, currency)

    used, is_first = used_read(text, now, offset), not text

    return not used and { 'bad_total', currency } or nil
end


-- nil where the amount fits; the later windows go last: to wait for an earlier
-- end would be in vain.  What is counted already passes without limits, too.

local function refusal(amount, more)
    if closed then
        return closed
    end

    if limits.min and less(amount, limits.min) then
        return { 'limit_min', digits(limits.min) }
    end

    if limits.max and less(limits.max, amount) then
        return { 'limit_max', digits(limits.max) }
    end

    local verdict

    for i, row in ipairs(WINDOWS) do
        local window = row[1]
        local limit, most = limits[window], limits[window .. '_count']
        local sum = add(used.sums[i], more)

        if most and not less(used.counts[i], most) then
            verdict = { 'limit_' .. window .. '_count', i, digits(most),
                        digits(used.counts[i]) }
        end

        if limit and less(limit, sum) then
            verdict = { 'limit_' .. window, i, digits(limit),
                        digits(used.sums[i]) }

        elseif less(MAX, sum) then
            verdict = { 'overflow', window }
        end
    end

    if verdict and verdict[3] then
        verdict[2] = windows_left(now, offset)[verdict[2]]
    end

    return verdict
end


local function payout_text(p)
    return p.amount_text .. ' ' .. currency .. ' ' .. p.endpoint .. ' '
           .. used.window
end


-- an entry that has not been there

local function reserve_first(p)
    local verdict = refusal(p.amount, p.amount)

    if verdict then
        return verdict
    end

    used_move(used, used.window, 0, p.amount)

    return 'ok'
end


-- a copy more; what that adds to the amount counted is checked like a payout

local function reserve_again(p, e)
    local was, before = entry.find(e, p.copy), e.counted

    if was and was ~= 'open' then
        return 'void'
    end

    if before ~= 0 and (e.digest ~= p.digest or e.amount ~= p.amount
                        or e.currency ~= currency
                        or e.endpoint ~= p.endpoint)
    then
        return { 'duplicate', e.state }
    end

    if was then
        return 'repeat'
    end

    if #e.open >= entry.max_open then
        return 'busy'
    end

    if before == 0 then
        if #e.ops + #e.past >= entry.max_tried then
            return 'worn'
        end

        local verdict = refusal(p.amount, p.amount)

        if verdict then
            return verdict
        end

        if e.payout then
            entry.begin(e)
        end

        e.digest = p.digest
        entry.set(e, payout_text(p))
    end

    e.open[#e.open + 1] = { p.copy, format('%.0f', now) }
    entry.derive(e)

    if before ~= 0 and less(before, e.counted) then
        local verdict = refusal(p.amount, minus(e.counted, before))

        if verdict then
            table.remove(e.open)
            entry.derive(e)

            return verdict
        end
    end

    used_move(used, e.window, before, e.counted)
    e.changed = true

    return before == 0 and 'ok' or 'repeat'
end


local entries = {}


local function decide(p)
    local e = entries[p.key]

    if not e then
        local state = redis.pcall('HGET', p.key, 'state')

        if type(state) == 'table' then
            return 'bad_entry'
        end

        if not state then
            local verdict = reserve_first(p)

            if verdict == 'ok' then
                entries[p.key] = p
            end

            return verdict
        end
    end

    entry = entry or entry_part()

    -- one that this call has made is read as if it had been written

    if e and e.copy then
        e = entry.new({ 'reserved', payout_text(e), e.digest, e.amount_text,
                        e.copy .. '@' .. format('%.0f', now) }, now)
        e.was, e.changed = {}, true

    elseif not e then
        e = entry.read(p.key, now)
    end

    entries[p.key] = e

    if not e.payout and e.counted ~= 0 then
        return 'bad_entry'
    end

    return reserve_again(p, e)
end


local function write_first(p)
    call('HSET', p.key, 'state', 'reserved', 'payout', payout_text(p),
         'digest', p.digest, 'counted', p.amount_text,
         'copies', p.copy .. '@' .. format('%.0f', now))

    if era ~= '' then
        call('HSET', p.key, 'era', era)
    end
end


-- the index first: where it is no sorted set, nothing has been written

local function write_all()
    local list, n = {}, 0

    for key, e in pairs(entries) do
        if e.copy or e.changed then
            list[n + 1], list[n + 2] = now + CHECK, payment_of(key)
            n = n + 2
        end
    end

    -- also a currency of which all is refused stands in KEYS[1]
    if n == 0 and (closed or not is_first) then
        return 0
    end

    if n > 0 then
        call('ZADD', open_key, 'NX', unpack(list))
    end

    local seq = era_step(era_key, fresh_era)

    call('HSET', used_key, currency, used_text(used))

    for key, e in pairs(entries) do
        if e.copy then
            write_first(e)

        elseif e.changed then
            e.era = era ~= '' and era or e.era
            entry.write(key, payment_of(key), e, open_key, now)
        end

        if e.copy or e.changed then
            call('EXPIRE', key, ttl)
        end
    end

    return seq
end


local bad = bad_call()
local reply, all = {}, bad and { 'bad_argument', bad }

if not bad then
    all = read_ledger()
end

for i = 1, math.max(count, 1) do
    local verdict = all

    if not all then
        local p = payout_at(i)

        verdict = p.verdict or decide(p)
    end

    reply[i] = verdict
end

local seq = all and 0 or write_all()
local n = #reply

reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] =
    used and used.window or '', era or '', seq, name

return reply
