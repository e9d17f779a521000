-- outcome: what became of one copy of a payout that reserve let through.
--
-- KEYS 1  entry           gate:payout:{PID}:<payment_id>
--      2  totals' prefix  gate:used:{PID}:
-- ARGV 1  copy, as given to reserve
--      2  action:
--           accepted   Gate took it
--           refused    Gate answered 4xx, or 200, with status "error"
--           unknown    sent, but no answer, or one that says neither: 5xx
--           release    it never left the gateway
--           free       an operator knows that it was not paid; any copy
--      3  Gate's code, or empty
--      4  ttl: seconds that an entry lives after its last change
--      5  name of this call
--
-- Returns a list: verdict, state of the entry (empty where there is none), name
-- of the call:
--   noted     the state says it now
--   kept      refused, but another copy may have been taken: still counted
--   released  no longer counted
--   settled   a callback was first, or another copy's answer said more
--   counted   taken again after an error: counted again, limits or not
--   gone      not a copy that is under way: nothing changed, but for "release"
--             a mark that makes a later reserve of the copy answer "void"
--
-- A copy reports once: whatever comes again for it is "gone".  So a report
-- may be repeated after a lost reply, and one of an earlier attempt cannot
-- touch a later one.  The amount is released when all copies of the attempt
-- were refused or never left, and not before: a refused copy says nothing of
-- another one under way.
--
-- Code 10105 says that Gate has the payment_id already.  It may have it from
-- another copy of the payout, so this one counts as "unknown".  But where the
-- last callback that ended an attempt said "decline" or "reversed", Gate takes
-- nothing more under the payment_id (after "error" it does), and the copy is
-- refused like any other.

local call = redis.call

local WINDOWS = { 'hour', 'day', 'week', 'month' }


-- the list without the word, or nil where it does not have it

local function without(list, word)
    local text = ' ' .. (list or '') .. ' '
    local from, to = text:find(' ' .. word .. ' ', 1, true)

    return from and (text:sub(1, from) .. text:sub(to + 1)):match('^ *(.-) *$')
end


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


local copy, action, code, name = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local entry = call('HMGET', KEYS[1], 'state', 'flight', 'amount', 'counted',
                   'currency', 'window', 'answered', 'code', 'void')
local state = entry[1]
local flight = without(entry[2], copy)
local amount = entry[4] or entry[3]


-- whether the last of the operations that ended attempts closed the payment_id

local function is_closed(past)
    local status = (past or ''):match(':(%l+):[^: ]* $')

    return status == 'decline' or status == 'reversed'
end


local function write(...)
    call('HSET', KEYS[1], 'flight', flight or entry[2] or '', 'updated',
         call('TIME')[1], ...)
    call('EXPIRE', KEYS[1], ARGV[4])
end


local function release(state)
    count(KEYS[2] .. entry[5] .. ':', entry[6], '-' .. amount, '-1')
    write('state', state, 'counted', '0', 'code', code)

    return { 'released', state, name }
end


local live = state == 'reserved' or state == 'unknown' or state == 'accepted'

if action == 'refused' and code == '10105'
   and not is_closed(call('HGET', KEYS[1], 'past'))
then
    action = 'unknown'
end

if action == 'free' then
    return live and release('released') or { 'gone', state or '', name }
end

if not flight then
    if action == 'release' and not without(entry[9], copy) then
        call('HSET', KEYS[1], 'void', (entry[9] or '') .. ' ' .. copy)

        if not state then
            call('EXPIRE', KEYS[1], ARGV[4])
        end
    end

    return { 'gone', state or '', name }
end

if live then
    if action == 'accepted' then
        write('state', 'accepted', 'answered', '1')
        return { 'noted', 'accepted', name }
    end

    if action == 'unknown' then
        state = state == 'reserved' and 'unknown' or state
        write('state', state, 'code', code)
        return { state == 'unknown' and 'noted' or 'settled', state, name }
    end

    if state == 'reserved' and flight == '' then
        code = code ~= '' and code or entry[8] or ''

        return release(code ~= '' and 'refused' or 'released')
    end

    write('code', code ~= '' and code or entry[8] or '')
    return { 'kept', state, name }
end

-- not live: one acceptance belongs to the callback that came before it, but
-- Gate takes a payment_id again after an error, and an operator may be wrong
if action == 'accepted' then
    if state == 'released' or state == 'refused'
       or (state == 'error' and entry[7])
    then
        count(KEYS[2] .. entry[5] .. ':', entry[6], entry[3], '1')
        write('state', 'accepted', 'counted', entry[3], 'answered', '1')

        return { 'counted', 'accepted', name }
    end

    write('answered', '1')
    return { 'settled', state, name }
end

write('code', code ~= '' and code or entry[8] or '')

return { 'settled', state, name }
