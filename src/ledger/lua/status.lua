-- status: limits of a currency, what is used of them and what is left; reads
-- only.
--
-- KEYS 1  limits          gate:limits:{PID}:CUR
--      2  totals' prefix  gate:used:{PID}:
-- ARGV 1  currency
--      2  offset of the calendar from UTC, seconds
--      3  name of this call: the last item of its reply
--
-- Returns a list: "ok" ("no_limits" where KEYS[1] does not exist), the time in
-- seconds since 1970, min, max, and then five items for each of hour, day,
-- week, month, hour_count, day_count, week_count, month_count:
--   name, limit, used, left, end
-- Numbers of money are exact, as strings; limit, left, min and max are empty
-- where there is no such limit, and "invalid" where it is not an integer
-- 0..2^63-1 (payouts are refused then).  left is 0 where more is used than the
-- limit.  end: when the window ends, in seconds since 1970.

local LIMITS = { 'hour', 'day', 'week', 'month', 'hour_count', 'day_count',
                 'week_count', 'month_count' }

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


-- a - b, or 0 where b is greater; in parts that doubles hold exactly

local function minus(a, b)
    local high = (tonumber(a:sub(1, -16)) or 0)
                 - (tonumber(b:sub(1, -16)) or 0)
    local low = a:sub(-15) - b:sub(-15)

    if low < 0 and high > 0 then
        high, low = high - 1, low + 1e15
    end

    if high < 0 or low < 0 then
        return '0'
    end

    return high > 0 and format('%.0f%015.0f', high, low) or format('%.0f', low)
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


local function limit_of(value)
    return value and (is_integer(value) and value or 'invalid') or ''
end


local limits = call('HMGET', KEYS[1], 'min', 'max', unpack(LIMITS))
local now = tonumber(call('TIME')[1])
local hour, monday, left = calendar(now + ARGV[2])
local names = { hour, hour:sub(1, 8), monday, hour:sub(1, 6) }
local reply = { call('EXISTS', KEYS[1]) == 1 and 'ok' or 'no_limits', now,
                limit_of(limits[1]), limit_of(limits[2]) }

for i, name in ipairs(LIMITS) do
    local window = (i - 1) % 4 + 1
    local key = KEYS[2] .. ARGV[1] .. ':' .. name .. ':' .. names[window]
    local limit = limit_of(limits[i + 2])
    local used = call('GET', key) or '0'
    local rest = limit

    if find(limit, '%d') then
        rest = is_integer(used) and minus(limit, used) or 'invalid'
    end

    for _, item in ipairs({ name, limit, used, rest, now + left[window] }) do
        reply[#reply + 1] = item
    end
end

reply[#reply + 1] = ARGV[3]

return reply
