-- status: limits of a currency, what is used of them and what is left; reads
-- only.
--
-- KEYS 1  used    gate:used:{PID}
--      2  limits  gate:limits:{PID}:CUR
--      3  stop    gate:stop:{PID}
--      4  era     gate:era:{PID}
-- ARGV 1  name of this call
--      2  currency
--      3  offset of the calendar from UTC, seconds
--
-- Returns a list: "ok", "no_limits" where KEYS[2] does not exist, or
-- "bad_argument" and nothing but the name; the time in seconds since 1970; why
-- it is stopped, or empty; era; number of the last call that wrote; how many
-- limits follow; for each limit
--   name, limit, used, left, until, end
-- and the name of the call.  Numbers of money are exact, as strings; limit and
-- left are empty where there is no such limit, and "invalid" where it is not
-- one (payouts are refused then); used, too, where the total is damaged.
-- left is 0 where more is used than the limit.  until: when the limit ends by
-- itself, seconds since 1970, or empty.  end: when the window ends, 0 for min
-- and max, which are the first and have neither used nor left.

-- @include number
-- @include rows
-- @include windows
-- @include limits
-- @include call


local name, currency, offset = unpack(ARGV)

if #ARGV ~= 3 or #KEYS ~= 4 or not project
   or not find(currency, '^%u%u%u$') or not find(offset, '^-?%d+$')
   or #offset > 6 or not is_shared_key(2, 'limits', ':' .. currency)
   or not is_shared_key(3, 'stop') or not is_shared_key(4, 'era')
then
    return { 'bad_argument', ARGV[1] or '' }
end

local now = call('TIME')[1] + 0
local used = used_read(call('HGET', KEYS[1], currency), now, offset)
local _, left = calendar(now, offset)
local stop = call('HMGET', KEYS[3], '*', currency)
local era = call('HMGET', KEYS[4], 'era', 'seq')
local reply = { call('EXISTS', KEYS[2]) == 1 and 'ok' or 'no_limits', now,
                stop[1] or stop[2] or '', (era[1] or ''):sub(3), era[2] or '0',
                0 }


local function put(field, sum, ends)
    local text = call('HGET', KEYS[2], field)
    local limit, till = nil, nil
    local shown, rest = '', ''

    if text then
        limit, till = limit_now(text, now)
        shown = limit and digits(limit) or limit == nil and 'invalid' or ''
        rest = shown
    end

    if limit and sum then
        rest = digits(minus(limit, sum))
    end

    if ends > 0 and not sum then
        sum, rest = 'invalid', shown ~= '' and 'invalid' or ''
    end

    local n = #reply

    reply[n + 1], reply[n + 2], reply[n + 3] = field, shown,
                                               sum and digits(sum) or ''
    reply[n + 4], reply[n + 5], reply[n + 6] = ends > 0 and rest or '',
                                               till or '', ends
    reply[6] = reply[6] + 1
end


put('min', nil, 0)
put('max', nil, 0)

for i, window in ipairs(WINDOWS) do
    put(window, used and used.sums[i], now + left[i])
end

for i = 1, #WINDOWS do
    put(LIMITS[2 * i], used and used.counts[i], now + left[i])
end

reply[#reply + 1] = name

return reply
