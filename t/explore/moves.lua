-- All that may happen next in a world: a list of { name, function }.

local Parts = { require 'copies', require 'callbacks', require 'luck' }
local end_excuse = Parts[2].end_excuse

local Moves = {}


-- what a scenario allows always ("may") or so many times ("at_most")

local function can_of(w, scenario)
    return function(name)
        return scenario.may[name] or (w.left[name] or 0) > 0
    end
end


-- after these, more may be counted for a payment than was paid, until Gate is
-- asked about it

local UNSURE = { lose = true, slow = true, die = true, allow = true,
                 forget = true, turn = true, hand = true, mistake = true }


local function spend(w, name, id)
    w.left[name] = w.left[name] and w.left[name] - 1

    if UNSURE[name] then
        w.unsure[id] = true
    end
end


function Moves.of(w, scenario, ledger)
    local list = {}
    local m = { scenario = scenario, ledger = ledger, spend = spend,
                can = can_of(w, scenario) }

    function m.add(name, run)
        list[#list + 1] = { name, run }
    end

    for _, part in ipairs(Parts) do
        part.add(w, m)
    end

    return list
end


-- makes a move; returns what it said

function Moves.make(w, move)
    local said = move[2](w)

    for _, id in ipairs(w.ids) do
        end_excuse(w, id)
    end

    return said
end


return Moves
