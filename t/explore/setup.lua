-- A scenario made whole, and the ledger that it is played on.

local Ledger, Reference = require 'ledger', require 'reference'
local Old = require 'v1'

local Setup = {}

local ALL = { success = true, decline = true, error = true, reversed = true }


-- all scenarios; what one does not say has a usual value

function Setup.scenarios()
    local list = dofile('t/explore/scenarios.lua')

    for _, s in ipairs(list) do
        s.payments = s.payments or { 'p' }
        s.amount = s.amount or 100
        s.limits = s.limits or { day = s.amount }
        s.gate = s.gate or ALL
        s.may = s.may or {}
        s.at_most = s.at_most or {}
    end

    return list
end


-- old: scripts of layout 1 are in dir, which have no tables to be compared with

function Setup.ledger(scenario, dir, old, edit)
    local ledger = (old and Old or Ledger).new(dir, edit)

    ledger.zeros = ('0'):rep(scenario.zeros or 0)
    ledger.REFERENCE = not old

    if not old then
        Reference.read()
    end

    return ledger
end


return Setup
