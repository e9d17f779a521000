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
-- Only "ok" and, by noting the copy, "repeat" change an entry; the first call
-- of a currency that has limits writes its field of KEYS[1] in any case.

-- The usual call: payouts of new payment_ids that the limits let through, in
-- windows that have begun, amounts below 1e15.  Returns nil where any of it is
-- otherwise; nothing has been written then.

local function usual()
-- @include rows

    local call, find, sub = redis.call, string.find, string.sub
    local used_key, limits_key, stop_key, era_key, open_key = unpack(KEYS, 1, 5)
    local name, currency, offset, default, ttl = unpack(ARGV, 1, 5)
    local n = #KEYS - 5
    local base, project = (used_key or ''):match('^(.*:)used:({%d+})$')

    if not base or n < 1 or n > 64 or #ARGV ~= 5 + 4 * n
       or limits_key ~= base .. 'limits:' .. project .. ':' .. currency
       or stop_key ~= base .. 'stop:' .. project
       or era_key ~= base .. 'era:' .. project
       or open_key ~= base .. 'open:' .. project
       or not find(offset, '^-?%d+$') or #offset > 6
       or not find(ttl, '^[1-9]%d*$') or #ttl > 10 or ttl + 0 < 1036800
       or (default ~= 'deny' and default ~= 'allow')
    then
        return nil
    end

    local era = call('HGET', era_key, 'era')
    local limits = call('HMGET', limits_key, 'min', 'max', unpack(LIMITS))
    local now = call('TIME')[1]
    local m = { find(call('HGET', used_key, currency) or '', USED) }

    if not era or (era ~= '2' and not find(era, '^2 %S+$')) or not m[1]
       or now + 0 >= m[3] + 0 or call('EXISTS', stop_key) == 1
    then
        return nil
    end

    local fields = 0

    for i = 1, #LIMITS + 2 do
        local limit = limits[i]

        if limit then
            if #limit > 15 or not find(limit, '^[1-9]%d*$') then
                return nil
            end

            fields, limits[i] = fields + 1, limit + 0
        end
    end

    if fields == 0 then
        return nil
    end

    if call('HLEN', limits_key) ~= fields then

        -- notes, or a misspelt limit
        for _, field in ipairs(call('HKEYS', limits_key)) do
            fields = fields + (sub(field, 1, 1) == '_' and 1 or 0)
        end

        if call('HLEN', limits_key) ~= fields then
            return nil
        end
    end

    local min, max = limits[1] or 1, limits[2] or 1e15

    local entries = base .. 'payout:' .. project .. ':'
    local index, seen, reply = { now + 90 }, {}, {}

    for k = 1, n do
        local key, at = KEYS[5 + k], 4 * k + 2
        local text, copy = ARGV[at], ARGV[at + 3]

        if sub(key, 1, #entries) ~= entries or seen[key]
           or #text > 15 or not find(text, '^[1-9]%d*$')
           or not find(ARGV[at + 1], '^[^%s%c]+$')
           or not find(ARGV[at + 2], '^%w+$')
           or not find(copy, '^[%w-]+$') or #copy > 48
           or redis.pcall('HGET', key, 'state')
        then
            return nil
        end

        local amount = text + 0

        if amount < min or amount > max then
            return nil
        end

        for i = 5, #m, 2 do
            local sum, payouts = m[i] + amount, m[i + 1] + 1

            if sum >= 1e15 or sum > (limits[i - 2] or sum)
               or payouts > (limits[i - 1] or payouts)
            then
                return nil
            end

            m[i], m[i + 1] = sum, payouts
        end

        seen[key], reply[k] = n > 1 or nil, 'ok'
        index[2 * k - 1], index[2 * k] = index[1], sub(key, #entries + 1)
    end

    -- the index first: where it is no sorted set, nothing has been written

    call('ZADD', open_key, 'NX', unpack(index))

    local seq = call('HINCRBY', era_key, 'seq', 1)
    local window = m[4]

    for i = 5, #m do
        m[i] = ('%d'):format(m[i])
    end

    call('HSET', used_key, currency, TEXT:format(unpack(m, 3)))
    era = sub(era, 3)

    for k = 1, n do
        local key, at = KEYS[5 + k], 4 * k + 2

        call('HSET', key, 'state', 'reserved', 'payout',
             ARGV[at] .. ' ' .. currency .. ' ' .. ARGV[at + 1] .. ' ' .. window,
             'digest', ARGV[at + 2], 'copies', ARGV[at + 3] .. '@' .. now)

        if era ~= '' then
            call('HSET', key, 'era', era)
        end

        call('EXPIRE', key, ttl)
    end

    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = window, era, seq,
                                                             name

    return reply
end


-- All other calls.

local function general()
-- @include number
-- @include rows
-- @include windows
-- @include limits
-- @include call


    local FIRST, EACH, MOST = 5, 4, 64

    local used_key, limits_key, stop_key, era_key, open_key = unpack(KEYS, 1, 5)
    local name, currency, offset, default, ttl = unpack(ARGV, 1, 5)
    local count = #KEYS - FIRST

    local now, era, ledger, limits, closed, used, is_first, slow


    -- what is wrong with the arguments of all

    local function bad_call()
        if count < 1 or count > MOST or not project then
            return 'keys'
        end

        if #ARGV ~= FIRST + EACH * count then
            return 'arguments'
        end

        if not find(currency, '^%u%u%u$') then
            return 'currency'
        end

        if not is_shared_key(2, 'limits', ':' .. currency)
           or not is_shared_key(3, 'stop') or not is_shared_key(4, 'era')
           or not is_key(5, 'open')
        then
            return 'keys'
        end

        return default ~= 'allow' and default ~= 'deny' and 'default'
               or bad_times(offset, ttl)
    end


    local function bad_payout(key, amount, endpoint, digest, copy)
        return not payment_of(key) and 'key'
               or (not is_integer(amount) or amount == '0') and 'amount'
               or not find(endpoint, '^[^%s%c]+$') and 'endpoint'
               or not find(digest, '^%w+$') and 'digest'
               or (not find(copy, '^[%w-]+$') or #copy > 48) and 'copy'
    end


    -- what holds for all payouts of the call: a verdict, or nil

    local function read_ledger()
        now = call('TIME')[1] + 0
        era, ledger = era_read(era_key)

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

        local verdict, at

        for i = 1, #WINDOWS do
            local limit, most = limits[WINDOWS[i]], limits[LIMITS[2 * i]]
            local sum = add(used.sums[i], more)

            if most and not less(used.counts[i], most) then
                verdict, at = { 'limit_' .. LIMITS[2 * i], 0, digits(most),
                                digits(used.counts[i]) }, i
            end

            if limit and less(limit, sum) then
                verdict, at = { 'limit_' .. WINDOWS[i], 0, digits(limit),
                                digits(used.sums[i]) }, i

            elseif less(MAX, sum) then
                verdict, at = { 'overflow', WINDOWS[i] }, nil
            end
        end

        if at then
            local _, left = calendar(now, offset)

            verdict[2] = left[at]
        end

        return verdict
    end


    local function payout_text(amount, endpoint)
        return amount .. ' ' .. currency .. ' ' .. endpoint .. ' ' .. used.window
    end


    -- what concerns entries that are there already

    local function slow_part()
-- @include entry


        -- a copy more; what that adds to what is counted is checked like a payout

        local function add_copy(e, copy, amount)
            local before = e.counted

            e.open[#e.open + 1] = { copy, digits(now) }
            derive(e)

            if before ~= 0 and less(before, e.counted) then
                local verdict = refusal(amount, minus(e.counted, before))

                if verdict then
                    table.remove(e.open)
                    derive(e)

                    return verdict
                end
            end

            used_move(used, e.window, before, e.counted)
            e.changed = true

            return before == 0 and 'ok' or 'repeat'
        end


        local function begin(e, amount, endpoint, digest)
            if #e.ops + #e.past >= MAX_TRIED then
                return 'worn'
            end

            local verdict = refusal(value(amount), value(amount))

            if verdict then
                return verdict
            end

            if e.payout then
                attempt_begin(e)
            end

            e.digest = digest
            payout_set(e, payout_text(amount, endpoint))
        end


        local function reserve(e, amount, endpoint, digest, copy)
            local was = copy_find(e, copy)

            if was and was ~= 'open' then
                return 'void'
            end

            if e.counted ~= 0
               and (e.digest ~= digest or e.amount ~= value(amount)
                    or e.currency ~= currency or e.endpoint ~= endpoint)
            then
                return { 'duplicate', e.state }
            end

            if was then
                return 'repeat'
            end

            if #e.open >= MAX_OPEN then
                return 'busy'
            end

            local verdict = e.counted == 0 and begin(e, amount, endpoint, digest)

            return verdict or add_copy(e, copy, value(amount))
        end


        return { read = entry_read, new = entry_new, derive = derive,
                 write = entry_write, reserve = reserve }
    end


    -- entries of this call by key: the number of the payout where it is the first,
    -- or what the slow part has made of it

    local entries = {}


    -- one that this call has made is read as if it had been written

    local function entry_of(key)
        local first = entries[key]

        if type(first) ~= 'number' then
            return first or slow.read(key, now)
        end

        local at = FIRST + EACH * (first - 1)
        local e = slow.new({ state = 'reserved', digest = ARGV[at + 3],
                             payout = payout_text(ARGV[at + 1], ARGV[at + 2]),
                             counted = ARGV[at + 1],
                             copies = ARGV[at + 4] .. '@' .. digits(now) }, now)

        e.was, e.changed = {}, true
        slow.derive(e)

        return e
    end


    local function decide(i)
        local key, at = KEYS[FIRST + i], FIRST + EACH * (i - 1)
        local amount, endpoint, digest, copy = ARGV[at + 1], ARGV[at + 2],
                                               ARGV[at + 3], ARGV[at + 4]
        local bad = bad_payout(key, amount, endpoint, digest, copy)

        if bad then
            return { 'bad_argument', bad }
        end

        local state = entries[key] or redis.pcall('HGET', key, 'state')

        if not state then
            local more = value(amount)
            local verdict = refusal(more, more)

            if not verdict then
                used_move(used, used.window, 0, more)
                entries[key] = i
            end

            return verdict or 'ok'
        end

        if type(state) == 'table' and state.err then
            return 'bad_entry'
        end

        slow = slow or slow_part()

        local e = entry_of(key)

        entries[key] = e

        if not e.payout and e.counted ~= 0 then
            return 'bad_entry'
        end

        return slow.reserve(e, amount, endpoint, digest, copy)
    end


    local function write_first(i)
        local key, at = KEYS[FIRST + i], FIRST + EACH * (i - 1)
        local amount = ARGV[at + 1]

        call('HSET', key, 'state', 'reserved', 'payout',
             payout_text(amount, ARGV[at + 2]), 'digest', ARGV[at + 3],
             'copies', ARGV[at + 4] .. '@' .. digits(now))

        if era ~= '' then
            call('HSET', key, 'era', era)
        end

        call('EXPIRE', key, ttl)
    end


    -- the index first: where it is no sorted set, nothing has been written

    local function write_all()
        local list, n = {}, 0

        for key, e in pairs(entries) do
            if type(e) == 'number' or e.changed then
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

        local seq = era_step(era_key, ledger)

        call('HSET', used_key, currency, used_text(used))

        for key, e in pairs(entries) do
            if type(e) == 'number' then
                write_first(e)

            elseif e.changed then
                e.era = era ~= '' and era or e.era
                slow.write(key, payment_of(key), e, open_key, now,
                           function() end)
                call('EXPIRE', key, ttl)
            end
        end

        return seq
    end


    local bad, reply = bad_call(), {}
    local all = bad and { 'bad_argument', bad }

    if not bad then
        all = read_ledger()
    end

    for i = 1, math.max(count, 1) do
        reply[i] = all or decide(i)
    end

    local n, seq = #reply, all and 0 or write_all()

    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] =
        used and used.window or '', era or '', seq, name or ''

    return reply
end


return usual() or general()
