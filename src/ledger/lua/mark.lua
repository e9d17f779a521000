-- mark: the end of a delivery that settle gave to its caller.
--
-- KEYS 1  mark    gate:callback:{PID}:<payment_id>:<digest>
--      2  lane    gate:lane:{PID}:<payment_id>, which is free after it
-- ARGV 1  name of this call
--      2  owner, as given to settle
--      3  action:
--           delivered  the service has taken it
--           failed     it has not: the next delivery may try
--      4  seconds that the mark of a delivered callback stays
--
-- Returns a list, verdict and name:
--   ok    done
--   lost  the mark had expired, and another delivery has it, or had: nothing
--         changed
--   bad_argument
--
-- A mark that has expired and that nobody has taken is set all the same: the
-- service has the callback.

local name, owner, action, seconds = unpack(ARGV)
local base, project = (KEYS[1] or ''):match('^(.-:)callback:({%d+}):')
local lanes = base and base .. 'lane:' .. project .. ':'

if not base or #KEYS ~= 2 or #ARGV ~= 4 or KEYS[2]:sub(1, #lanes) ~= lanes
   or (action ~= 'delivered' and action ~= 'failed')
   or not seconds:find('^[1-9]%d*$') or #seconds > 12
then
    return { 'bad_argument', name or '' }
end

local mark, lane = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])

if lane == owner then
    redis.call('DEL', KEYS[2])
end

if mark and mark ~= owner then
    return { 'lost', name }
end

if action == 'delivered' then
    redis.call('SET', KEYS[1], 'delivered', 'EX', seconds)

elseif mark then
    redis.call('DEL', KEYS[1])
end

return { 'ok', name }
