-- Breadth first over all orders of a scenario.  So the first trace to a
-- violation is a shortest one.

local bit = require 'bit'

local World, Moves = require 'world', require 'moves'
local Checks = require 'checks'

local Search = {}


-- 53 bits of a text, a number that doubles hold

local function hash(text)
    local a, b = 0x811c9dc5, 0x2f1b3c4d

    for i = 1, #text do
        local byte = text:byte(i)

        a = bit.bxor(a, byte)
        a = bit.tobit(a + bit.lshift(a, 1) + bit.lshift(a, 4)
                      + bit.lshift(a, 7) + bit.lshift(a, 8)
                      + bit.lshift(a, 24))
        b = bit.bxor(bit.rol(b, 5), byte)
        b = bit.tobit(b + bit.lshift(b, 3) + 0x3779b9)
    end

    return bit.band(a, 0x7fffffff) * 4194304 + bit.band(b, 0x3fffff)
end


-- the violation that a function raises, or nil; other errors are ours

local function violation_of(run, ...)
    local ok, problem = pcall(run, ...)

    if ok then
        return nil
    end

    if type(problem) ~= 'table' then
        error(problem, 0)
    end

    return problem.violation or problem.err
end


Search.violation_of = violation_of


local function trace_of(by, parents, i)
    local lines = {}

    while i and by[i] do
        table.insert(lines, 1, by[i])
        i = parents[i]
    end

    return lines
end


-- Returns { states, transitions, complete, violations }: of each kind of
-- violation the first, { text, trace, entries }.

function Search.run(scenario, ledger, most, one)
    local start = World.new(scenario, ledger)
    local seen = { [hash(World.name(start, ledger))] = true }
    local worlds, parents, by = { start }, {}, {}
    local result = { states = 1, transitions = 0, violations = {} }
    local kinds, first = {}, 1

    local function note(problem, i, said)
        local kind = problem:gsub('%f[%d][1-9]%d*', 'N')

        if not kinds[kind] then
            local lines = trace_of(by, parents, i)

            kinds[kind] = true
            lines[#lines + 1] = said
            table.insert(result.violations, { text = problem, trace = lines })
        end
    end

    local function step(w, move, i)
        local said
        local problem = violation_of(function()
            said = Moves.make(w, move)
        end)
        local line = move[1] .. (said and ' -> ' .. said or '')

        result.transitions = result.transitions + 1

        if problem then
            return note(problem, i, line)
        end

        local name = hash(World.name(w, ledger))

        if seen[name] then
            return
        end

        problem = violation_of(Checks.all, w, ledger, scenario)

        if problem then
            return note(problem, i, line)
        end

        local n = result.states + 1

        seen[name] = true
        worlds[n], parents[n], by[n], result.states = w, i, line, n
    end

    while first <= result.states and result.states < most
          and not (one and result.violations[1])
    do
        local w = worlds[first]

        worlds[first] = false
        w.last = nil

        for _, move in ipairs(Moves.of(w, scenario, ledger)) do
            step(World.clone(w), move, first)
        end

        first = first + 1
    end

    result.complete = first > result.states

    return result
end


return Search
