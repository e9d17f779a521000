-- mark: the end of a delivery that settle gave to its caller.
--
-- KEYS 1  mark    gate:callback:{PID}:<payment_id>:<digest>; the lane of its
--         payment, gate:lane:{PID}:<payment_id>, is free after it
-- ARGV 1  owner, as given to settle
--      2  action:
--           delivered  the service has taken it
--           failed     it has not: the next delivery may try
--      3  seconds that the mark of a delivered callback stays
--      4  name of this call: the last item of its reply
--
-- Returns a list, verdict and name:
--   ok    done
--   lost  the mark had expired, and another delivery has it, or had: nothing
--         changed
--
-- A mark that has expired and that nobody has taken is set all the same: the
-- service has the callback.

local mark = redis.call('GET', KEYS[1])
local lane = KEYS[1]:gsub(':callback:{', ':lane:{', 1):gsub(':%x+$', '')

if lane ~= KEYS[1] and redis.call('GET', lane) == ARGV[1] then
    redis.call('DEL', lane)
end

if mark and mark ~= ARGV[1] then
    return { 'lost', ARGV[4] }
end

if ARGV[2] == 'delivered' then
    redis.call('SET', KEYS[1], 'delivered', 'EX', ARGV[3])

elseif mark then
    redis.call('DEL', KEYS[1])
end

return { 'ok', ARGV[4] }
