-- Random walks through a scenario, written down for a real Redis: what it holds
-- before a call, the call, its reply, and what Redis holds then.
--
-- Lines, with tabs between fields:
--     trace N
--     clear        Redis holds nothing from here on but
--     clock SECONDS
--     string KEY TEXT, hash KEY FIELD TEXT..., zset KEY MEMBER SCORE...
--     call SCRIPT NUMBER KEY... ARGUMENT...
--     reply TEXT
--     held LINE... what is in Redis after it, as text

local World, Moves = require 'world', require 'moves'
local Checks, Search = require 'checks', require 'search'

local Walk = {}

local MOST = 40


local function put(...)
    io.write(table.concat({ ... }, '\t'), '\n')
end


local function text_of(reply)
    if type(reply) ~= 'table' then
        return tostring(reply)
    end

    local out = {}

    for i, item in ipairs(reply) do
        out[i] = text_of(item)
    end

    return reply.err and 'error' or '[' .. table.concat(out, ', ') .. ']'
end


local function put_state(redis)
    put('clear')
    put('clock', redis.now)

    for key, value in pairs(redis.keys) do
        local items = { value.kind, key }

        for name, item in pairs(value.items) do
            if value.kind ~= 'string' then
                items[#items + 1] = name
            end

            items[#items + 1] = item
        end

        put(unpack(items))
    end
end


-- the state is written where anything but a call has changed it

local function new_recorder()
    local last, clock

    local function before(redis)
        if redis:dump() ~= last or redis.now ~= clock then
            put_state(redis)
        end
    end

    local function after(redis, script, keys, argv, reply)
        local items = { 'call', script, #keys }

        for _, list in ipairs({ keys, argv }) do
            for _, item in ipairs(list) do
                items[#items + 1] = item
            end
        end

        last, clock = redis:dump(), redis.now
        put(unpack(items))
        put('reply', text_of(reply))
        put('held', (last:gsub('\n', '\t')))
    end

    return { before = before, after = after }
end


-- one step; returns the world after it, and a line that tells it

local function step(w, scenario, ledger, recorder)
    local list = Moves.of(w, scenario, ledger)

    if #list == 0 then
        return nil
    end

    local move = list[math.random(#list)]
    local next_world = World.clone(w)

    ledger.recorder = recorder

    local said = Moves.make(next_world, move)

    ledger.recorder = nil

    return next_world, move[1] .. (said and ' -> ' .. said or '')
end


-- Checks run beside the calls, which are written down unless it is to be
-- silent; returns what did not hold, { text, trace }, or nil.

function Walk.run(scenario, ledger, traces, seed, silent)
    math.randomseed(seed)

    for n = 1, traces do
        local w, trace = World.new(scenario, ledger), {}
        local recorder = not silent and new_recorder()

        if not silent then
            put('trace', n)
        end

        local problem = Search.violation_of(function()
            for i = 1, MOST do
                local line

                w, line = step(w, scenario, ledger, recorder)
                trace[i] = line

                if not w then
                    break
                end

                Checks.all(w, ledger, scenario)
            end
        end)

        if problem then
            return { text = problem, trace = trace }
        end
    end
end


return Walk
