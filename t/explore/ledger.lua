-- The scripts of the ledger as the module calls them, on a Redis of redis.lua,
-- and what they leave there.  Amounts are small integers for the caller; the
-- scripts see them with some zeros behind.

local Ledger = {}
Ledger.__index = Ledger

local PROJECT = '{1}'
local USED, OPEN, ERA = 'gate:used:' .. PROJECT, 'gate:open:' .. PROJECT,
                        'gate:era:' .. PROJECT
local LIMITS = 'gate:limits:' .. PROJECT .. ':KZT'
local STOP = 'gate:stop:' .. PROJECT

local TTL, LOCK, KEPT, NAME = '3456000', '60000', '1036800', 'call-1'

local SCRIPTS = { 'reserve', 'outcome', 'settle', 'mark' }


-- edit(name, text): what a script becomes before it is compiled, or nil

function Ledger.new(dir, edit)
    local self = setmetatable({ text = {}, chunk = {}, zeros = '' }, Ledger)

    for _, name in ipairs(SCRIPTS) do
        local pipe = assert(io.popen('util/assemble-lua ' .. dir .. '/' .. name
                                     .. '.lua'))
        local text = pipe:read('*a')

        pipe:close()
        text = edit and edit(name, text) or text
        self.text[name] = text
        self.chunk[name] = assert(loadstring(text, '=' .. name))
    end

    return self
end


function Ledger:amount(n)
    return n == 0 and '0' or n .. self.zeros
end


-- back again; nil where the zeros are not there

function Ledger:number(text)
    if text == '0' or self.zeros == '' then
        return tonumber(text)
    end

    return tonumber(text:sub(-#self.zeros) == self.zeros
                    and text:sub(1, -#self.zeros - 1) or nil)
end


-- a recorder is told of each call before and after it

function Ledger:run(redis, script, keys, argv)
    local recorder = self.recorder

    if recorder then
        recorder.before(redis)
    end

    local reply, problem = redis:eval(self.chunk[script], keys, argv)

    if recorder then
        recorder.after(redis, script, keys, argv, reply or { err = problem })
    end

    if not reply then
        error({ violation = script .. ' failed: ' .. problem })
    end

    if reply[#reply] ~= NAME then
        error({ violation = script .. ' does not tell the name of the call' })
    end

    return reply
end


-- limits: a map; the ledger begins empty

function Ledger:setup(redis, limits)
    local items = {}

    for field, n in pairs(limits) do
        items[field] = field:find('_count') and tostring(n) or self:amount(n)
    end

    redis:set_hash(LIMITS, items)
end


local function entry_key(id)
    return 'gate:payout:' .. PROJECT .. ':' .. id
end


-- payouts of one call, { id, amount, digest, name }; returns a verdict and its
-- rest for each, and the window

function Ledger:reserve(redis, payouts)
    local keys = { USED, LIMITS, STOP, ERA, OPEN }
    local argv = { NAME, 'KZT', '0', 'deny', TTL }

    for i, p in ipairs(payouts) do
        keys[5 + i] = entry_key(p.id)
        argv[#argv + 1] = self:amount(p.amount)
        argv[#argv + 1] = 'mobile'
        argv[#argv + 1] = p.digest
        argv[#argv + 1] = p.name
    end

    local reply, out = self:run(redis, 'reserve', keys, argv), {}

    if #reply ~= #payouts + 4 then
        error({ violation = 'reserve told ' .. #reply .. ' items' })
    end

    for i = 1, #payouts do
        local verdict = reply[i]

        out[i] = type(verdict) == 'table' and verdict or { verdict }
    end

    return out, reply[#payouts + 1]
end


-- reports of one call, { id, name, action, code, amount, window, digest };
-- returns a verdict and the state for each

function Ledger:outcome(redis, reports)
    local keys = { USED, ERA, OPEN }
    local argv = { NAME, '0', TTL }

    for i, r in ipairs(reports) do
        keys[3 + i] = entry_key(r.id)
        argv[#argv + 1] = r.name or ''
        argv[#argv + 1] = r.action
        argv[#argv + 1] = r.code or ''
        argv[#argv + 1] = r.amount and self:amount(r.amount) .. ' KZT mobile '
                                       .. r.window or ''
        argv[#argv + 1] = r.digest or ''
    end

    local reply, out = self:run(redis, 'outcome', keys, argv), {}

    if #reply ~= #reports + 3 then
        error({ violation = 'outcome told ' .. #reply .. ' items' })
    end

    for i = 1, #reports do
        local verdict, state = reply[i]:match('^(%S+) ?(.*)$')

        out[i] = { verdict = verdict, state = state }
    end

    return out
end


-- a callback { id, status, words, sum, complete }; owner: of this delivery, or
-- empty: no duplicate check

function Ledger:settle(redis, cb, owner)
    local words = {}

    for i, op in ipairs(cb.words) do
        words[i] = op.id .. '=' .. op.word .. '/' .. self:amount(op.paid)
                   .. '/' .. (op.size and self:amount(op.size) or '')
    end

    local id = cb.id
    local reply = self:run(redis, 'settle',
        { USED, ERA, OPEN, entry_key(id), 'gate:dry:used:' .. PROJECT,
          'gate:dry:open:' .. PROJECT, 'gate:dry:payout:' .. PROJECT .. ':'
          .. id, 'gate:callback:' .. PROJECT .. ':' .. id .. ':' .. cb.digest,
          'gate:lane:' .. PROJECT .. ':' .. id },
        { NAME, '0', TTL, cb.status, table.concat(words, ' '),
          cb.sum > 0 and self:amount(cb.sum) or '', 'KZT',
          cb.complete and '1' or '', owner, LOCK, KEPT, '0', '1', id,
          cb.status, '{}' })

    if reply[1] == 'bad' then
        error({ violation = 'settle: bad ' .. reply[7] })
    end

    return { verdict = reply[1], said = reply[2], from = reply[3],
             to = reply[4], counted = reply[5], notes = reply[6] }
end


-- how a delivery ended: "delivered" or "failed"

function Ledger:mark(redis, cb, owner, action)
    local id = cb.id

    return self:run(redis, 'mark',
        { 'gate:callback:' .. PROJECT .. ':' .. id .. ':' .. cb.digest,
          'gate:lane:' .. PROJECT .. ':' .. id },
        { NAME, owner, action, KEPT })[1]
end


-- what an entry says, or nil

function Ledger:entry(redis, id)
    local items = redis:hash(entry_key(id))

    if not items then
        return nil
    end

    local size = 0

    for name, item in pairs(items) do
        size = size + #name + #item
    end

    local payout = items.payout or '0'
    local counted = items.counted or payout:match('^%d+')

    return { counted = self:number(counted), window = payout:match('%d+ %d+$'),
             state = items.state, size = size }
end


-- the entry is gone, as it is where Redis has lost it

function Ledger:drop(redis, id)
    redis.keys[entry_key(id)] = nil
end


local CUT = { hour = { 1, 10 }, day = { 1, 8 }, week = { 12, 19 },
              month = { 1, 6 } }

-- whether a window of an entry is that one

function Ledger:is_in(window, kind, name)
    return window:sub(CUT[kind][1], CUT[kind][2]) == name
end


-- { kind, name, sum, count } of each window; empty where nothing was counted

function Ledger:windows(redis)
    local items, out = redis:hash(USED), {}
    local text = items and items.KZT or ''

    local now = text:match('window:(%d+ %d+)')

    for kind, sum, count in text:gmatch('(%a+):(%d+)/(%d+)') do
        out[#out + 1] = { kind = kind, sum = self:number(sum),
                          name = now:sub(CUT[kind][1], CUT[kind][2]),
                          count = tonumber(count) }
    end

    return out
end


-- the index of payments that are open: when to ask about each

function Ledger:open(redis)
    return redis:zset(OPEN) or {}
end


-- fields that decide nothing: the number of calls, the last word of Gate

Ledger.UNTOLD = { seq = true, status = true }


return Ledger
