-- reserve: checks the limits for one payout and reserves it in all windows.
--
-- KEYS 1  limits          gate:limits:{PID}:CUR
--      2  entry           gate:payout:{PID}:<payment_id>
--      3  totals' prefix  gate:used:{PID}:   the script appends
--                         CUR:day:20261121 and so on, by Redis' clock; all
--                         are in one slot
-- ARGV 1  amount, minor units, 1..2^63-1
--      2  currency
--      3  digest of the payout: equal for the same body only
--      4  endpoint
--      5  copy: name of this sending of the payout, unique, no spaces
--      6  offset of the calendar from UTC, seconds
--      7  "allow" or "deny": what to do where KEYS[1] does not exist
--      8  ttl: seconds that an entry lives after its last change, and a
--         window's totals after its end
--
-- Returns a list; the first item is the verdict:
--   ok, attempt                   reserved: send it
--   repeat, attempt, state        counted before: send it
--   reused, state                 a live payout with another digest
--   void                          this copy was released before it came here
--   no_limits                     there are none, and ARGV[7] is not "allow"
--   limit_min, limit              amount is under it; limit_max: over it
--   limit_day, wait, limit, used  wait: seconds to the window's end; so too
--                                 hour, week, month, limit_day_count...
--   overflow, total               that total would pass 2^63-1
--   bad_limit, field, value       not a limit, or not an integer 0..2^63-1
--   bad_total, key                not an integer 0..2^63-1
--   bad_argument, name
--
-- Only "ok" and, by noting the copy, "repeat" change anything.  A payout is
-- live while its amount is counted; what was released is a new attempt: it is
-- checked and counted again, whatever its digest.

local MAX = '9223372036854775807'

local TOTALS = { 'hour_count', 'hour', 'day_count', 'day', 'week_count',
                 'week', 'month_count', 'month' }
local WINDOW = { 1, 1, 2, 2, 3, 3, 4, 4 }

local call, find, floor, format = redis.call, string.find, math.floor,
                                  string.format


-- 0 to 2^63-1 as Redis writes it

local function is_integer(s)
    if #s > 18 then
        return find(s, '^[1-9]%d*$') and #s == 19
               and (s:sub(1, 10) + 0 < 9223372036
                    or (s:sub(1, 10) == '9223372036'
                        and s:sub(11) + 0 <= 854775807))
    end

    return find(s, '^[1-9]%d*$') or s == '0'
end


-- a + b > c; doubles are exact to 2^53, so longer numbers go in two parts

local function exceeds(a, b, c)
    if #a <= 15 and #b <= 15 and #c <= 15 then
        return a + b > c + 0
    end

    local low = a:sub(-15) + b:sub(-15)
    local high = (tonumber(a:sub(1, -16)) or 0)
                 + (tonumber(b:sub(1, -16)) or 0)
                 - (tonumber(c:sub(1, -16)) or 0)

    return high * 1e15 + (low - c:sub(-15)) > 0
end


-- year, month and day of a day counted from 1970-01-01, for 2000 to 2099

local function civil(days)
    local z = days - 11017
    local y = floor((4 * z + 3) / 1461)
    local d = z - floor(1461 * y / 4)
    local m = floor((5 * d + 2) / 153)

    d = d - floor((153 * m + 2) / 5) + 1

    if m < 10 then
        return 2000 + y, m + 3, d
    end

    return 2001 + y, m - 9, d
end


local function month_length(year, month)
    if month == 2 then
        return year % 4 == 0 and 29 or 28
    end

    return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
end


-- the windows of a moment: "2026112114", its Monday "20261116", and the
-- seconds that are left of hour, day, week and month

local function calendar(now)
    local days = floor(now / 86400)
    local second = now - days * 86400
    local weekday = (days + 3) % 7
    local year, month, day = civil(days)
    local left = 86400 - second
    local y, m, d = year, month, day - weekday

    if d < 1 then
        y, m, d = civil(days - weekday)
    end

    return format('%d%02d%02d%02d', year, month, day, floor(second / 3600)),
           format('%d%02d%02d', y, m, d),
           { 3600 - second % 3600, left, left + (6 - weekday) * 86400,
             left + (month_length(year, month) - day) * 86400 }
end


-- whether a list of words has the word

local function has(list, word)
    return list and find(' ' .. list .. ' ', ' ' .. word .. ' ', 1, true)
end


-- the limits by their names, or a refusal

local function read_limits(key, default)
    local list = call('HGETALL', key)
    local limits = {
        min = false, max = false, hour = false, day = false, week = false,
        month = false, hour_count = false, day_count = false,
        week_count = false, month_count = false
    }

    if #list == 0 and default ~= 'allow' then
        return nil, { 'no_limits' }
    end

    for i = 1, #list, 2 do
        local field, value = list[i], list[i + 1]

        if limits[field] == nil then
            -- a misspelt limit must not pass for one that is not set
            if field:sub(1, 1) ~= '_' then
                return nil, { 'bad_limit', field:sub(1, 32), '' }
            end

        elseif is_integer(value) then
            limits[field] = value

        else
            return nil, { 'bad_limit', field, value:sub(1, 32) }
        end
    end

    return limits
end


local amount, digest, copy, ttl = ARGV[1], ARGV[3], ARGV[5], tonumber(ARGV[8])
local offset = tonumber(ARGV[6])

if not is_integer(amount) or amount == '0' then
    return { 'bad_argument', 'amount' }
end

if find(copy, ' ', 1, true) or copy == '' then
    return { 'bad_argument', 'copy' }
end

if not offset or not ttl then
    return { 'bad_argument', offset and 'ttl' or 'offset' }
end

local entry = call('HMGET', KEYS[2], 'state', 'void')
local state, attempt = entry[1], '1'

if has(entry[2], copy) then
    return { 'void' }
end

if state then
    entry = call('HMGET', KEYS[2], 'digest', 'flight', 'attempts', 'ops',
                 'past')
    attempt = entry[3] or '1'
end

if state == 'reserved' or state == 'unknown' or state == 'accepted'
   or state == 'success' or state == 'partially_paid_out'
then
    local flight = entry[2]

    if entry[1] ~= digest then
        return { 'reused', state }
    end

    if not has(flight, copy) then
        call('HSET', KEYS[2], 'flight',
             flight and flight ~= '' and flight .. ' ' .. copy or copy)
        call('EXPIRE', KEYS[2], ARGV[8])
    end

    return { 'repeat', tonumber(attempt), state }
end

local limits, refusal = read_limits(KEYS[1], ARGV[7])

if refusal then
    return refusal
end

if limits.min and exceeds(limits.min, '0', amount) then
    return { 'limit_min', limits.min }
end

if limits.max and exceeds(amount, '0', limits.max) then
    return { 'limit_max', limits.max }
end

local clock = call('TIME')
local hour, monday, left = calendar(tonumber(clock[1]) + offset)
local names = { hour, hour:sub(1, 8), monday, hour:sub(1, 6) }
local base, k = KEYS[3] .. ARGV[2] .. ':', {}

for i = 1, 8 do
    k[i] = base .. TOTALS[i] .. ':' .. names[WINDOW[i]]
end

local used = call('MGET', k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8])

for i = 1, 8 do
    local total, limit = used[i] or '0', limits[TOTALS[i]]
    local more = i % 2 == 0 and amount or '1'

    -- MGET says nothing of a key that is not a string
    if not is_integer(total) or (not used[i] and call('EXISTS', k[i]) == 1)
    then
        return { 'bad_total', k[i] }
    end

    -- the later windows go last: to wait for an earlier end would be in vain
    if limit and exceeds(total, more, limit) then
        refusal = { 'limit_' .. TOTALS[i], left[WINDOW[i]], limit, total }

    elseif #total + #more > 18 and exceeds(total, more, MAX) then
        refusal = { 'overflow', TOTALS[i] }
    end
end

if refusal then
    return refusal
end

for i = 1, 8 do
    local more = i % 2 == 0 and amount or '1'

    if used[i] then
        call('INCRBY', k[i], more)

    else
        call('SET', k[i], more, 'EX', left[WINDOW[i]] + ttl)
    end
end

if state then
    local past = (entry[5] or '') .. (entry[4] or '')

    attempt = format('%d', attempt + 1)
    call('HDEL', KEYS[2], 'counted', 'code', 'status', 'answered', 'ops',
         'parts', 'updated')
    call('HSET', KEYS[2], 'attempts', attempt, 'past', past)
end

call('HSET', KEYS[2], 'state', 'reserved', 'amount', amount,
     'currency', ARGV[2], 'endpoint', ARGV[4], 'digest', digest,
     'window', hour .. ' ' .. monday, 'flight', copy, 'created', clock[1])
call('EXPIRE', KEYS[2], ARGV[8])

return { 'ok', tonumber(attempt) }
