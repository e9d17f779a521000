-- The scripts of layout 1, as the module called them, with the functions of
-- ledger.lua.  They make up keys from those that they are given, and take one
-- payout a call.

local V1 = {}
V1.__index = V1

local PROJECT = '{1}'
local LIMITS, USED = 'gate:limits:' .. PROJECT .. ':KZT',
                     'gate:used:' .. PROJECT .. ':'
local TTL, NAME = '3456000', 'call-1'

V1.UNTOLD = {}


function V1.new(dir)
    local self = setmetatable({ chunk = {} }, V1)

    for _, name in ipairs({ 'reserve', 'outcome', 'settle', 'mark' }) do
        self.chunk[name] = assert(loadfile(dir .. '/' .. name .. '.lua'))
    end

    return self
end


function V1:amount(n)
    return n == 0 and '0' or n .. self.zeros
end


function V1:number(text)
    return tonumber(text:sub(1, -#self.zeros - 1)) or 0
end


local function run(self, redis, script, keys, argv)
    local reply, problem = redis:eval(self.chunk[script], keys, argv, true)

    return reply or error({ violation = script .. ' failed: ' .. problem })
end


function V1:setup(redis, limits)
    local items = {}

    for field, n in pairs(limits) do
        items[field] = self:amount(n)
    end

    redis:set_hash(LIMITS, items)
end


local function entry_key(id)
    return 'gate:payout:' .. PROJECT .. ':' .. id
end


function V1:reserve(redis, payouts)
    local out = {}

    for i, p in ipairs(payouts) do
        out[i] = run(self, redis, 'reserve', { LIMITS, entry_key(p.id), USED },
                     { self:amount(p.amount), 'KZT', p.digest, 'mobile',
                       p.name, '0', 'deny', TTL, NAME })
    end

    return out, ''
end


function V1:outcome(redis, reports)
    local out = {}

    for i, r in ipairs(reports) do
        local reply = run(self, redis, 'outcome', { entry_key(r.id), USED },
                          { r.name or '-', r.action, r.code or '', TTL, NAME })

        out[i] = { verdict = reply[1], state = reply[2] }
    end

    return out
end


function V1:settle(redis, cb, owner)
    local word, paid = cb.words[#cb.words], cb.sum
    local id, list = cb.id, #cb.words > 1

    if list then
        paid = 0

        for _, op in ipairs(cb.words) do
            paid = paid + op.paid
        end
    end

    local reply = run(self, redis, 'settle',
        { entry_key(id), USED, 'gate:dry:payout:' .. PROJECT .. ':' .. id,
          'gate:dry:used:' .. PROJECT .. ':', 'gate:callback:' .. PROJECT
          .. ':' .. id .. ':' .. cb.digest },
        { cb.status, tostring(word.id), (cb.digest):rep(10),
          paid > 0 and self:amount(paid) or '', 'KZT', TTL, owner, '60000',
          '1036800', '0', '1', id, '{}',
          word.paid > 0 and self:amount(word.paid) or '', NAME })

    return { verdict = reply[1], said = reply[2], notes = reply[6] }
end


function V1:mark(redis, cb, owner, action)
    local id = cb.id

    redis.keys['gate:lane:' .. PROJECT .. ':' .. id] = nil

    return run(self, redis, 'mark',
               { 'gate:callback:' .. PROJECT .. ':' .. id .. ':' .. cb.digest },
               { owner, action, '1036800', NAME })[1]
end


function V1:entry(redis, id)
    local items = redis:hash(entry_key(id))

    return items and items.amount
           and { counted = self:number(items.counted or items.amount),
                 state = items.state, window = 'now', size = 0 }
end


function V1:is_in()
    return true
end


-- of one day only: its scenarios stay in it

function V1:windows(redis)
    for key, value in pairs(redis.keys) do
        if key:find('^gate:used:{1}:KZT:day:') then
            local count = redis.keys[key:gsub('day', 'day_count')]

            return { { kind = 'day', name = 'now',
                       sum = self:number(value.items[1]),
                       count = tonumber(count.items[1]) } }
        end
    end

    return {}
end


function V1:open()
    return {}
end


return V1
