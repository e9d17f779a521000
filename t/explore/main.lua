-- Explores scenarios, or walks through them.
--
--     luajit t/explore/main.lua list
--     luajit t/explore/main.lua search DIR STATES [SCENARIO]
--     luajit t/explore/main.lua old DIR STATES [SCENARIO]
--     luajit t/explore/main.lua walk DIR TRACES SEED SCENARIO
--     luajit t/explore/main.lua check DIR TRACES SEED
--
-- DIR has the scripts, "old" those of layout 1.  "walk" writes what replay.pl
-- plays on a real Redis; "check" walks silently through all scenarios, up to
-- the first violation.  The exit status is 1 where something does not hold.

package.path = 't/explore/?.lua;' .. package.path

-- states are many, and most are kept
collectgarbage('setpause', 400)

local Search, Setup, Walk = require 'search', require 'setup', require 'walk'

local what, dir, number, name = arg[1], arg[2], tonumber(arg[3]), arg[4]
local failed = false


local function show(v)
    print('VIOLATION ' .. v.text)
    failed = true

    for i, line in ipairs(v.trace) do
        print(('  %2d %s'):format(i, line))
    end
end


local function search(scenario, old)
    local ledger = Setup.ledger(scenario, dir, old)
    local result = Search.run(scenario, ledger, number)

    for _, v in ipairs(result.violations) do
        show(v)
    end

    print(('%s: %d states, %d transitions, %s'):format(scenario.name,
          result.states, result.transitions,
          result.complete and 'complete' or 'not complete'))
end


local function walk(scenario)
    local problem = Walk.run(scenario, Setup.ledger(scenario, dir), number,
                             tonumber(arg[4]), what == 'check')

    if problem then
        show(problem)
    end
end


for _, scenario in ipairs(Setup.scenarios()) do
    if what == 'list' then
        print(scenario.name)

    elseif what == 'walk' and scenario.name == arg[5] then
        walk(scenario)

    elseif what == 'check' and not failed then
        walk(scenario)

    elseif (what == 'search' or what == 'old')
           and (not name or name == '' or name == scenario.name)
    then
        search(scenario, what == 'old')
    end
end

os.exit(failed and 1 or 0)
