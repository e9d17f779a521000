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
--      9  name of this call
--
-- Returns a list; the first item is the verdict, the last one the name:
--   ok, attempt                   reserved: send it
--   repeat, attempt, state        counted before: send it
--   duplicate, state              a live payout with another digest, amount,
--                                 currency or endpoint
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

local POSITIVE = '^[1-9]%d*$'

local TOTALS = { 'hour', 'day', 'week', 'month', 'hour_count', 'day_count',
                 'week_count', 'month_count' }

local call, find, floor = redis.call, string.find, math.floor


-- a > b, both as Redis writes integers; in every locale digits sort by value

local function greater(a, b)
    return #a > #b or (#a == #b and a > b)
end


-- 0 to 2^63-1 as Redis writes it; loops try the pattern alone first, a call
-- costs as much

local function is_integer(s)
    return find(s, POSITIVE) and not greater(s, MAX) or s == '0'
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


-- whether a list of words has the word

local function has(list, word)
    return list and find(' ' .. list .. ' ', ' ' .. word .. ' ', 1, true)
end


local key, amount, digest, copy = KEYS[2], ARGV[1], ARGV[3], ARGV[5]
local offset, ttl, name = ARGV[6], ARGV[8], ARGV[9]

if not is_integer(amount) or amount == '0' then
    return { 'bad_argument', 'amount', name }
end

if find(copy, ' ', 1, true) or copy == '' then
    return { 'bad_argument', 'copy', name }
end

if not find(offset, '^-?%d+$') then
    return { 'bad_argument', 'offset', name }
end

-- one that EXPIRE refuses would stop the script halfway
if not find(ttl, POSITIVE) or #ttl > 10 then
    return { 'bad_argument', 'ttl', name }
end


-- is it sent again?

local entry = call('HMGET', key, 'state', 'void')
local state, attempt = entry[1], 1

if has(entry[2], copy) then
    return { 'void', name }
end

if state then
    entry = call('HMGET', key, 'digest', 'flight', 'attempts', 'ops', 'past',
                 'amount', 'currency', 'endpoint')
    attempt = (entry[3] or 1) + 0

    if state == 'reserved' or state == 'unknown' or state == 'accepted'
       or state == 'success' or state == 'partially_paid_out'
    then
        local flight = entry[2]

        -- what counts is compared besides: the entry holds this amount only
        if entry[1] ~= digest or entry[6] ~= amount or entry[7] ~= ARGV[2]
           or entry[8] ~= ARGV[4]
        then
            return { 'duplicate', state, name }
        end

        if not has(flight, copy) then
            call('HSET', key, 'flight',
                 flight and flight ~= '' and flight .. ' ' .. copy or copy)
            call('EXPIRE', key, ttl)
        end

        return { 'repeat', attempt, state, name }
    end
end


-- the limits

local list = call('HGETALL', KEYS[1])
local limits = {
    min = false, max = false, hour = false, day = false, week = false,
    month = false, hour_count = false, day_count = false,
    week_count = false, month_count = false
}

if #list == 0 and ARGV[7] ~= 'allow' then
    return { 'no_limits', name }
end

for i = 1, #list, 2 do
    local field, value = list[i], list[i + 1]

    if limits[field] == nil then
        -- a misspelt limit must not pass for one that is not set
        if field:sub(1, 1) ~= '_' then
            return { 'bad_limit', field:sub(1, 32), '', name }
        end

    elseif #value < 19 and find(value, POSITIVE) or is_integer(value) then
        limits[field] = value

    else
        return { 'bad_limit', field, value:sub(1, 32), name }
    end
end

local min, max = limits.min, limits.max

if min and greater(min, amount) then
    return { 'limit_min', min, name }
end

if max and greater(amount, max) then
    return { 'limit_max', max, name }
end


-- the windows of now, "2026112114" and its Monday "20261116", and what they
-- hold

local created = call('TIME')[1]
local now = created + offset
local second = now % 86400
local days = (now - second) / 86400
local weekday = (days + 3) % 7
local year, month, day = civil(days)
local y, m, d = year, month, day - weekday

if d < 1 then
    y, m, d = civil(days - weekday)
end

local window = string.format('%d%02d%02d%02d %d%02d%02d', year, month, day,
                             floor(second / 3600), y, m, d)
local hour, date = window:sub(1, 10), window:sub(1, 8)
local monday, year_month = window:sub(12), window:sub(1, 6)
local base = KEYS[3] .. ARGV[2]
local k = { base .. ':hour:' .. hour, base .. ':day:' .. date,
            base .. ':week:' .. monday, base .. ':month:' .. year_month,
            base .. ':hour_count:' .. hour, base .. ':day_count:' .. date,
            base .. ':week_count:' .. monday,
            base .. ':month_count:' .. year_month }
local used = call('MGET', k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8])


-- seconds to the end of the window of k[i]

local function left(i)
    local window = i % 4

    if window == 1 then
        return 3600 - second % 3600
    end

    local full = window == 2 and 0 or window == 3 and 6 - weekday
                 or month_length(year, month) - day

    return full * 86400 + 86400 - second
end


for i = 1, 8 do
    local total, good = used[i]

    if total then
        good = #total < 19 and find(total, POSITIVE) or is_integer(total)

    else
        -- MGET says nothing of a key that is not a string
        good = call('EXISTS', k[i]) == 0
    end

    if not good then
        return { 'bad_total', k[i], name }
    end
end

local refusal

-- the later windows go last: to wait for an earlier end would be in vain

for i = 1, 4 do
    local sum, count = used[i] or '0', used[i + 4] or '0'
    local limit, most = limits[TOTALS[i]], limits[TOTALS[i + 4]]

    if not greater(most or MAX, count) then
        refusal = most and { 'limit_' .. TOTALS[i + 4], left(i), most, count }
                  or { 'overflow', TOTALS[i + 4] }
    end

    if limit and exceeds(sum, amount, limit) then
        refusal = { 'limit_' .. TOTALS[i], left(i), limit, sum }

    elseif #sum + #amount > 18 and exceeds(sum, amount, MAX) then
        refusal = { 'overflow', TOTALS[i] }
    end
end

if refusal then
    refusal[#refusal + 1] = name
    return refusal
end


-- reserve

for i = 1, 8 do
    local more = i <= 4 and amount or '1'

    if used[i] then
        call('INCRBY', k[i], more)

    else
        call('SET', k[i], more, 'EX', left(i) + ttl)
    end
end

if state then
    attempt = attempt + 1
    call('HDEL', key, 'counted', 'code', 'status', 'answered', 'ops', 'parts',
         'updated')
    call('HSET', key, 'attempts', attempt,
         'past', (entry[5] or '') .. (entry[4] or ''))
end

call('HSET', key, 'state', 'reserved', 'amount', amount, 'currency', ARGV[2],
     'endpoint', ARGV[4], 'digest', digest, 'window', window, 'flight', copy,
     'created', created)
call('EXPIRE', key, ttl)

return { 'ok', attempt, name }
