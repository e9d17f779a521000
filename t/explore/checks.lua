-- What must hold in every world.

local Gate, Reference = require 'gate', require 'reference'
local Copies = require 'copies'
local Calls = require 'calls'

local Checks = {}

local MAX_ENTRY = 8192

-- when no copy is open any more

local LATER = 601

local violation = Calls.violation


-- L1: totals are the sums of what entries say, in every window that is kept

local function check_totals(w, ledger)
    for _, window in ipairs(ledger:windows(w.redis)) do
        local sum, count = 0, 0

        for _, id in ipairs(w.ids) do
            local e = ledger:entry(w.redis, id)

            if e and e.window and ledger:is_in(e.window, window.kind,
                                               window.name)
            then
                sum = sum + e.counted
                count = count + (e.counted > 0 and 1 or 0)
            end
        end

        if window.sum ~= sum or window.count ~= count then
            violation('L1 the %s holds %s/%d, its entries %d/%d', window.kind,
                      tostring(window.sum), window.count, sum, count)
        end
    end
end


local function is_excused(w, id)
    for reason in pairs(w.excused) do
        if reason:match('^%S+') == id then
            return true
        end
    end

    return false
end


-- L2: what Gate holds or has paid is counted

local function check_held(w, ledger)
    for _, id in ipairs(w.ids) do
        local e = ledger:entry(w.redis, id)
        local held = Gate.held(w.payments[id])

        if held > (e and e.counted or 0) and not is_excused(w, id) then
            violation('L2 of %s is counted %s, Gate holds or has paid %d', id,
                      tostring(e and e.counted), held)
        end
    end
end


-- entries and the index are what the reference says

local function check_reference(w, ledger)
    local open = ledger:open(w.redis)

    for _, id in ipairs(w.ids) do
        local e = ledger:entry(w.redis, id)
        local counted, state, waits = Reference.view(w.facts[id])

        if (e and true or false) ~= (w.facts[id].entry or false) then
            violation('%s has %s entry', id, e and 'an' or 'no')
        end

        if e and (e.counted ~= counted or e.state ~= state) then
            violation('%s is %s with %s, not %s with %d', id,
                      tostring(e.state), tostring(e.counted), state, counted)
        end

        if (open[id] and true or false) ~= waits then
            violation('%s is %s the index of open payments', id,
                      open[id] and 'in' or 'not in')
        end

        -- L7
        if e and e.size > MAX_ENTRY then
            violation('L7 the entry of %s has %d bytes', id, e.size)
        end
    end
end


local function is_at_rest(w, id)
    if not Gate.is_at_rest(w.payments[id]) then
        return false
    end

    for _, c in ipairs(w.copies) do
        if c.id == id and c.stage ~= 'done' and c.stage ~= 'dead' then
            return false
        end
    end

    for _, cb in ipairs(w.payments[id].told) do
        if not cb.settled then
            return false
        end
    end

    return true
end


-- L3: at rest what is counted was paid.  Where somebody did not hear of a copy,
-- more may be counted; then it stands in the index, and Gate's answer ends that.

local function check_rest(w, ledger, id)
    local e = ledger:entry(w.redis, id)
    local counted, paid = e and e.counted or 0, Gate.paid(w.payments[id])

    if counted == paid or not is_at_rest(w, id) or w.unheard[id] then
        return
    end

    if not w.unsure[id] or counted < paid then
        violation('L3 at rest %d is counted for %s, paid %d', counted, id,
                  paid)
    end

    if not ledger.REFERENCE or #w.payments[id].ops == 0 then
        return
    end

    if not ledger:open(w.redis)[id] then
        violation('L3 %s is not in the index, though %d is counted, and %d '
                  .. 'was paid', id, counted, paid)
    end

    local redis = w.redis:clone()

    redis.now = redis.now + LATER
    ledger:settle(redis, Gate.answer(w.payments[id], id), '')

    if ledger:entry(redis, id).counted ~= paid then
        violation('L3 an answer of Gate leaves %d of %s counted, paid %d',
                  ledger:entry(redis, id).counted, id, paid)
    end
end


-- L5: the last call once more changes nothing

local function check_again(w, ledger, call)
    local redis = w.redis:clone()
    local before = redis:text(ledger.UNTOLD)

    call(redis)

    if redis:text(ledger.UNTOLD) ~= before then
        violation('L5 the same call again changes something')
    end
end


-- a callback that a service has is a duplicate; also where nobody looks for
-- those it changes nothing, unless a person has said more since

local function check_callback(w, ledger, id, i, cb)
    local again = { id = id, status = cb.status, words = cb.words,
                    sum = cb.sum, digest = ('%02x'):format(i) }

    check_again(w, ledger, function(redis)
        local reply = cb.seen and ledger:settle(redis, again, 'delivery-2')

        if reply and reply.verdict ~= 'duplicate' and reply.verdict ~= 'stale'
        then
            violation('L5 a callback that a service has is %s', reply.verdict)
        end
    end)

    if not w.freed[id] then
        check_again(w, ledger, function(redis)
            ledger:settle(redis, again, '')
        end)
    end
end


-- L5: any call that has run, again and late, changes nothing

local function check_late(w, ledger)
    for _, c in ipairs(w.copies) do
        if c.verdict == 'ok' or c.verdict == 'repeat' then
            check_again(w, ledger, function(redis)
                ledger:reserve(redis, { c })
            end)
        end

        if c.stage == 'done' and c.answer then
            check_again(w, ledger, function(redis)
                ledger:outcome(redis, { Copies.report_of(w, c) })
            end)
        end
    end

    for _, id in ipairs(w.ids) do
        for i, cb in ipairs(w.payments[id].told) do
            if cb.settled and not cb.complete then
                check_callback(w, ledger, id, i, cb)
            end
        end
    end
end


function Checks.all(w, ledger, scenario)
    check_totals(w, ledger)

    if ledger.REFERENCE then
        check_reference(w, ledger)
    end

    check_held(w, ledger)

    for _, id in ipairs(w.ids) do
        check_rest(w, ledger, id)
    end

    if w.last and ledger.REFERENCE then
        check_again(w, ledger, w.last)
    end

    if scenario.may.late and ledger.REFERENCE then
        check_late(w, ledger)
    end
end


return Checks
