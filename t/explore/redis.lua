-- A Redis of the commands that the ledger's scripts use, in memory.  Integers
-- are exact, types are checked, keys expire by a clock that the caller moves,
-- and a script may touch no key that it was not given.
--
-- Values are never changed in place but by the Redis that made them, so that
-- a clone shares what it does not write.

local ffi = require 'ffi'

local Redis = {}
Redis.__index = Redis

local LOWEST, HIGHEST = '9223372036854775808', '9223372036854775807'


-- decimal text to int64, or nil where it is none or does not fit

local function integer(text)
    local sign, digits = text:match('^(-?)(%d+)$')

    if not digits or (#digits > 1 and digits:sub(1, 1) == '0')
       or #digits > 19
       or (#digits == 19 and digits > (sign == '-' and LOWEST or HIGHEST))
    then
        return nil
    end

    local n = ffi.new('int64_t', 0)

    for i = 1, #digits do
        n = n * 10 - (digits:byte(i) - 48)
    end

    return sign == '-' and n or -n
end


local function decimal(n)
    return (tostring(n):gsub('LL$', ''))
end


local function sum(a, b)
    local x, y = integer(a), integer(b)

    if not x or not y then
        error({ err = 'ERR value is not an integer or out of range' })
    end

    local z = x + y

    if (y > 0 and z < x) or (y < 0 and z > x) then
        error({ err = 'ERR increment or decrement would overflow' })
    end

    return decimal(z)
end


function Redis.new(now)
    return setmetatable({ now = now, keys = {}, own = {} }, Redis)
end


function Redis:clone()
    local keys = {}

    for name, value in pairs(self.keys) do
        keys[name] = value
    end

    self.own = {}

    return setmetatable({ now = self.now, keys = keys, own = {} }, Redis)
end


-- the value of a key, if it has one of that type

local function look(self, key, kind)
    local value = self.keys[key]

    if value and value.till and value.till <= self.now then
        self.keys[key], value = nil, nil
    end

    if value and kind and value.kind ~= kind then
        error({ err = 'WRONGTYPE Operation against a key holding the wrong '
                      .. 'kind of value' })
    end

    return value
end


-- the same, to be changed

local function take(self, key, kind)
    local value = look(self, key, kind)

    if value and self.own[key] == value then
        value.text = nil
        return value
    end

    local mine = { kind = kind, items = {}, till = value and value.till }

    for name, item in pairs(value and value.items or {}) do
        mine.items[name] = item
    end

    self.keys[key], self.own[key] = mine, mine

    return mine
end


local function put_string(self, key, text, till)
    self.keys[key] = { kind = 'string', items = { text }, till = till }
end


local function drop_empty(self, key)
    if self.keys[key] and next(self.keys[key].items) == nil then
        self.keys[key] = nil
    end
end


local function names_of(items)
    local names = {}

    for name in pairs(items) do
        names[#names + 1] = name
    end

    table.sort(names)

    return names
end


-- what a key holds, one line for each item; fields that are in "without" are
-- left out

local function text_of(key, value, without)
    if value.kind == 'string' then
        return key .. ' = ' .. value.items[1]
    end

    local out = {}

    for _, name in ipairs(names_of(value.items)) do
        local mark = value.kind == 'hash' and '.' or ': '

        if not (without and without[name]) then
            out[#out + 1] = key .. mark .. name .. ' = ' .. value.items[name]
        end
    end

    return table.concat(out, '\n')
end


-- everything, in an order that does not depend on history

function Redis:text(without)
    local out = {}

    for i, key in ipairs(names_of(self.keys)) do
        local value = look(self, key)

        if value then
            value.text = value.text or text_of(key, value, without)
            out[#out + 1] = value.text .. (value.till
                                           and '\n' .. value.till or '')
        end
    end

    return table.concat(out, '\n')
end


-- the same without what a test must not compare

function Redis:dump()
    local out = {}

    for _, key in ipairs(names_of(self.keys)) do
        local value = look(self, key)

        out[#out + 1] = value and text_of(key, value)
    end

    return table.concat(out, '\n')
end


function Redis:hash(key)
    local value = look(self, key, 'hash')

    return value and value.items
end


function Redis:zset(key)
    local value = look(self, key, 'zset')

    return value and value.items
end


function Redis:set_hash(key, items)
    self.keys[key] = nil

    for name, item in pairs(items) do
        take(self, key, 'hash').items[name] = item
    end
end


local commands = {}


function commands.TIME(self)
    return { tostring(self.now), '250000' }
end


function commands.EXISTS(self, ...)
    local n = 0

    for _, key in ipairs({ ... }) do
        n = n + (look(self, key) and 1 or 0)
    end

    return n
end


function commands.DEL(self, ...)
    local had = commands.EXISTS(self, ...)

    for _, key in ipairs({ ... }) do
        self.keys[key] = nil
    end

    return had
end


function commands.TYPE(self, key)
    local value = look(self, key)

    return { ok = value and value.kind or 'none' }
end


function commands.EXPIRE(self, key, seconds)
    local value = look(self, key)

    if not value then
        return 0
    end

    take(self, key, value.kind).till = self.now + seconds

    return 1
end


function commands.PTTL(self, key)
    local value = look(self, key)

    return not value and -2
           or value.till and (value.till - self.now) * 1000 or -1
end


function commands.GET(self, key)
    local value = look(self, key, 'string')

    return value and value.items[1] or false
end


function commands.SET(self, key, text, option, time)
    local was = self.keys[key]
    local till = option == 'EX' and self.now + time
                 or option == 'PX' and self.now + time / 1000
                 or option == 'KEEPTTL' and was and was.till or nil

    put_string(self, key, text, till)

    return { ok = 'OK' }
end


function commands.MGET(self, ...)
    local out = {}

    for i, key in ipairs({ ... }) do
        local value = look(self, key)

        out[i] = value and value.kind == 'string' and value.items[1] or false
    end

    return out
end


function commands.INCRBY(self, key, by)
    local value = look(self, key, 'string')
    local text = sum(value and value.items[1] or '0', by)

    put_string(self, key, text, value and value.till)

    return tonumber(text)
end


function commands.HGET(self, key, field)
    local value = look(self, key, 'hash')

    return value and value.items[field] or false
end


function commands.HMGET(self, key, ...)
    local value, out = look(self, key, 'hash'), {}

    for i, field in ipairs({ ... }) do
        out[i] = value and value.items[field] or false
    end

    return out
end


function commands.HLEN(self, key)
    local value = look(self, key, 'hash')

    return value and #names_of(value.items) or 0
end


function commands.HEXISTS(self, key, field)
    return commands.HGET(self, key, field) and 1 or 0
end


function commands.HKEYS(self, key)
    local value = look(self, key, 'hash')

    return names_of(value and value.items or {})
end


function commands.HGETALL(self, key)
    local value, out = look(self, key, 'hash'), {}

    for _, field in ipairs(names_of(value and value.items or {})) do
        out[#out + 1] = field
        out[#out + 1] = value.items[field]
    end

    return out
end


function commands.HSET(self, key, ...)
    local args = { ... }

    if #args == 0 or #args % 2 == 1 then
        error({ err = "ERR wrong number of arguments for 'hset' command" })
    end

    local items, new = take(self, key, 'hash').items, 0

    for i = 1, #args, 2 do
        new = new + (items[args[i]] and 0 or 1)
        items[args[i]] = args[i + 1]
    end

    return new
end


function commands.HDEL(self, key, ...)
    if not look(self, key, 'hash') then
        return 0
    end

    local items, gone = take(self, key, 'hash').items, 0

    for _, field in ipairs({ ... }) do
        gone = gone + (items[field] and 1 or 0)
        items[field] = nil
    end

    drop_empty(self, key)

    return gone
end


function commands.HINCRBY(self, key, field, by)
    local items = take(self, key, 'hash').items

    items[field] = sum(items[field] or '0', by)

    return tonumber(items[field])
end


function commands.ZADD(self, key, ...)
    local args, first = { ... }, 1
    local items, new = take(self, key, 'zset').items, 0

    if args[1] == 'NX' then
        first = 2
    end

    for i = first, #args, 2 do
        local score, member = args[i], args[i + 1]

        new = new + (items[member] and 0 or 1)

        if first == 1 or not items[member] then
            items[member] = score
        end
    end

    return new
end


function commands.ZSCORE(self, key, member)
    local value = look(self, key, 'zset')

    return value and value.items[member] or false
end


function commands.ZREM(self, key, member)
    if not look(self, key, 'zset') then
        return 0
    end

    local items = take(self, key, 'zset').items
    local had = items[member]

    items[member] = nil
    drop_empty(self, key)

    return had and 1 or 0
end


function commands.XADD(self, key)
    local items = take(self, key, 'stream').items

    items[#items + 1] = 'an entry'

    return #items .. '-1'
end


-- as Redis gives a reply of Lua to a client: numbers lose what is behind the
-- point, lists end before the first nil

local function converted(reply)
    if type(reply) == 'number' then
        return reply < 0 and math.ceil(reply) or math.floor(reply)
    end

    if type(reply) ~= 'table' then
        return reply
    end

    local out = {}

    for i = 1, #reply do
        if reply[i] == nil then
            break
        end

        out[i] = converted(reply[i])
    end

    return out
end


-- what a script finds: nothing but this, and what it declares as local

local LIBRARY = setmetatable({
    string = string, table = table, math = math, pairs = pairs, next = next,
    ipairs = ipairs, unpack = unpack, tonumber = tonumber, type = type,
    tostring = tostring, select = select, error = error, pcall = pcall
}, {
    __index = function(_, name)
        error('nonexistent global variable ' .. tostring(name))
    end
})

local NOTHING_ELSE = {
    __index = LIBRARY,
    __newindex = function(_, name)
        error('write to the global variable ' .. tostring(name))
    end
}


-- a command's arguments: text, or numbers as Redis writes them

local function argument(value)
    if type(value) == 'number' then
        return ('%.17g'):format(value)
    end

    if type(value) ~= 'string' then
        error('arguments of commands are text or numbers')
    end

    return value
end


local ONLY_KEYS = { MGET = true, EXISTS = true, DEL = true }


local function check_keys(given, name, ...)
    for i = 1, ONLY_KEYS[name] and select('#', ...) or 1 do
        local key = select(i, ...)

        if not given[key] then
            error(name .. ' of the undeclared key ' .. tostring(key))
        end
    end
end


local function call_of(self, given)
    return function(name, ...)
        local args = { ... }

        for i = 1, select('#', ...) do
            if type(args[i]) ~= 'string' then
                args[i] = argument(args[i])
            end
        end

        if given and name ~= 'TIME' then
            check_keys(given, name, ...)
        end

        if not commands[name] then
            error('unknown command ' .. tostring(name))
        end

        return commands[name](self, unpack(args))
    end
end


-- Runs a script; returns its reply, or nil and the error.  Where "loose" is
-- set, it may touch every key.

function Redis:eval(chunk, keys, argv, loose)
    local given

    if not loose then
        given = {}

        for _, key in ipairs(keys) do
            given[key] = true
        end
    end

    local call = call_of(self, given)
    local api = { call = call }

    function api.pcall(...)
        local ok, reply = pcall(call, ...)

        if not ok and type(reply) ~= 'table' then
            error(reply, 0)
        end

        return reply
    end

    local env = setmetatable({ redis = api, KEYS = keys, ARGV = argv },
                             NOTHING_ELSE)

    local ok, reply = pcall(setfenv(chunk, env))

    if not ok then
        return nil, type(reply) == 'table' and reply.err or tostring(reply)
    end

    return converted(reply)
end


return Redis
