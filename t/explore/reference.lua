-- The ledger once more, from the tables of doc/ledger.md and not from the
-- scripts: a payment is a set of facts about its copies and operations, and
-- what is counted is worked out from all of them each time.
--
-- Moves of copies and operations are looked up in the document itself.

local Doc = require 'doc'

local Reference = {}

local FILE = 'doc/ledger.md'
local COPIES, OPS, AGAIN

local PATIENCE, ASKED = 600, 120


function Reference.read()
    COPIES = Doc.table_of(FILE, 'copy')
    OPS = Doc.table_of(FILE, 'operation')
    AGAIN = Doc.table_of(FILE, 'state')
end


-- copies: name -> { status, attempt, since }; ops: id -> { status, paid, size,
-- erred, attempt }

function Reference.new()
    return { attempt = 0, copies = {}, ops = {}, freed = 0, errors = 0 }
end


local function copied(map)
    local out = {}

    for k, v in pairs(map) do
        out[k] = type(v) == 'table' and copied(v) or v
    end

    return out
end


function Reference.clone(f)
    return copied(f)
end


-- how many copies: all of earlier attempts are done, or freed by hand

local function copies_of(f, status)
    local n = 0

    for _, c in pairs(f.copies) do
        n = n + (c.status == status and 1 or 0)
    end

    return n
end


local CLOSES = { decline = true, partial = true, success = true,
                 reversed = true }


-- sums over operations of the present attempt, or of the past ones

local function ops_of(f, past)
    local s = { n = 0, errors = 0, paid = 0, unpaid = 0, full = 0, side = 0,
                back = 0 }

    for _, op in pairs(f.ops) do
        if (op.attempt < f.attempt) == past then
            s.n = s.n + 1
            s.live = s.live or op.status ~= 'error' and op.status ~= 'freed'

            if op.erred then
                s.errors, s.side = s.errors + 1, s.side + op.paid

            else
                s[op.status] = true
                s.closed = s.closed or CLOSES[op.status]
                s.paid = s.paid + op.paid
                s.full = math.max(s.full,
                                  op.status == 'success' and op.size or 0)

                s.back = s.back + (op.status == 'reversed' and op.size or 0)

                if op.paid == 0 and CLOSES[op.status] then
                    s.unpaid = s.unpaid + op.size
                end
            end
        end
    end

    return s
end


-- the rows of "Payments" before an operation has closed the attempt

local function open_attempt(f, now, was)
    local open, accepted, lost = copies_of(f, 'open'), copies_of(f, 'accepted'),
                                 copies_of(f, 'lost')
    local n = open + accepted + lost

    if was.closed then
        if now.pending or open > 0 then
            return f.amount, (now.pending or accepted > 0) and 'accepted'
                             or lost > 0 and 'unknown' or 'reserved'
        end

    elseif now.pending then
        return f.amount, 'accepted'

    elseif n > 0 and n + f.freed > f.errors + now.errors then
        return f.amount, accepted > 0 and 'accepted'
                         or lost > 0 and 'unknown' or 'reserved'

    elseif now.n == 0 and n == 0 and f.exists and not was.live
           and 1 + f.freed > f.errors
    then
        return f.amount, 'unknown'
    end

    return 0, now.side + was.side + was.paid > 0 and 'success'
              or now.errors > 0 and 'error'
              or not f.hand and f.code and 'refused' or 'released'
end


-- and after it

local function closed_attempt(f, now)
    if now.success then
        return math.max(now.paid, now.full - now.back), 'success'
    end

    local known = now.partial or now.unpaid > 0
    local more = now.pending or (known and not f.complete
                                 and now.paid + now.unpaid < f.amount)

    return more and f.amount or now.paid,
           now.partial and 'partially_paid_out'
           or now.pending and 'accepted'
           or now.reversed and 'reversed' or 'decline'
end


-- amount counted, state, whether it is open

function Reference.view(f)
    local now, was = ops_of(f, false), ops_of(f, true)
    local held, state

    if not f.amount then
        return 0, 'released', false
    end

    if now.closed then
        held, state = closed_attempt(f, now)

        if copies_of(f, 'accepted') > f.errors + now.errors + 1 then
            held = held + f.amount
        end

    else
        held, state = open_attempt(f, now, was)
    end

    local paid = now.closed and now.paid or 0

    return held + now.side + was.side + was.paid, state,
           copies_of(f, 'open') > 0 or held > paid
end


-- copies that have been open for too long are lost, where anything changes

local function age(f, clock)
    for _, c in pairs(f.copies) do
        if c.status == 'open' and clock - c.since > PATIENCE then
            c.status = 'lost'
        end
    end
end


-- What may still come of the attempt before: as many copies as no error has
-- ended.  Whatever its own copies still report is known, but of those that a
-- person has freed.

local function begin(f)
    local now, was = ops_of(f, false), ops_of(f, true)
    local debt = copies_of(f, 'open') + copies_of(f, 'accepted')
                 + copies_of(f, 'lost') + f.freed - f.errors - now.errors

    f.freed = (now.closed or was.closed) and 0 or math.max(debt, 0)
    f.errors, f.attempt = 0, f.attempt + 1
    f.exists, f.complete, f.code, f.hand = nil, nil, nil, nil

    for _, c in pairs(f.copies) do
        c.status = c.status == 'freed' and f.freed > 0 and 'freed' or 'done'
    end
end


-- A payout { amount, digest, name }; returns the verdict.  fits(more, amount) says
-- whether so much more is within the limits.

function Reference.reserve(f, p, clock, window, fits)
    local known = f.copies[p.name]
    local g = copied(f)

    age(g, clock)
    known = g.copies[p.name]

    if known and known.status ~= 'open' then
        return 'void', f
    end

    local counted, state = Reference.view(f)
    local same = f.digest == p.digest and f.amount == p.amount
    local word = AGAIN[f.amount and state or 'none'][same and 'the same payout'
                                                     or 'another one']

    -- what past operations have paid is counted whatever the state is
    if word == 'ok' and counted > 0 then
        word = same and 'repeat' or 'duplicate'
    end

    if word == 'duplicate' then
        return word, f
    end

    if known then
        return 'repeat', f
    end

    if word == 'ok' then
        if not fits(p.amount, p.amount) then
            return 'refused', f
        end

        begin(g)
        g.entry = true
        g.amount, g.digest, g.window = p.amount, p.digest, window
    end

    g.copies[p.name] = { status = 'open', since = clock }

    local after = Reference.view(g)

    if word == 'repeat' and after > counted and not fits(after - counted, p.amount) then
        return 'refused', f
    end

    return word, g
end


local LETTERS = { accepted = true, lost = true, freed = true, done = true }


-- A report { name, action, code, amount, digest, window }; window: of now, for
-- one that was sent without asking.  Returns the verdict
-- and the facts after it.

function Reference.outcome(f, r, clock, window)
    local g = copied(f)

    age(g, clock)

    local c = g.copies[r.name]
    local known = c and c.status or 'not known'
    local row = assert(COPIES[known], known)
    local next_status = row[r.action]
    local before = Reference.view(f)

    assert(next_status, 'no cell for ' .. known .. ' ' .. r.action)

    if next_status == 'gone' then
        return 'gone', f
    end

    if c and next_status == known and known ~= 'freed' then
        return 'again', f
    end

    assert(LETTERS[next_status], next_status)

    if g.amount and g.amount ~= r.amount and known ~= 'freed'
       and (c or r.action ~= 'release')
    then
        return 'bad_argument', f
    end

    if not c and r.action ~= 'release' then
        if not g.amount then
            g.attempt = 1
            g.amount, g.digest = r.amount, r.digest
            g.window = r.window == '0 0' and window or r.window
        end
    end

    if known == 'freed' and next_status ~= 'freed' then
        g.freed = math.max(g.freed - 1, 0)
        g.hand = next_status == 'done' and g.hand or nil
    end

    g.copies[r.name] = { status = next_status,
                         since = c and c.since or 0 }

    if r.code and r.code ~= '' and r.action ~= 'accepted' then
        g.code = r.code
    end

    if r.code == '10105' and r.action == 'refused'
       and not ops_of(g, false).closed and not ops_of(g, true).closed
    then
        g.exists = true
    end

    local after = Reference.view(g)

    g.entry = true

    return not f.entry and after == 0 and 'gone'
           or after > before and 'counted' or after < before and 'released'
           or (r.action == 'refused' or r.action == 'release') and after > 0
              and 'kept' or 'noted', g
end


-- somebody knows that no more will be paid

function Reference.free(f, clock)
    local before, _, waits = Reference.view(f)

    if not waits then
        return 'gone', f
    end

    local g = copied(f)

    age(g, clock)

    local closed = ops_of(g, false).closed
    local debt = copies_of(g, 'open') + copies_of(g, 'accepted')
                 + copies_of(g, 'lost') + g.freed

    g.hand, g.exists = true, nil

    for _, c in pairs(g.copies) do
        c.status = (c.status == 'open' or c.status == 'lost'
                    or c.status == 'freed') and not closed and 'freed'
                   or 'done'
    end

    for _, op in pairs(g.ops) do
        if op.status == 'pending' and op.attempt == g.attempt then
            op.status = 'freed'
        end
    end

    if closed then
        g.complete = true

    else
        g.freed = debt
    end

    local after = Reference.view(g)

    return after < before and 'released' or 'noted', g
end


local RANK = { stale = 1, again = 2, updated = 3, settled = 4 }


-- what an operation's cell says; "again" is news where the amount has grown

local function tell(g, word, sum)
    local op = g.ops[word.id]
    local known = op and op.status or 'not known'
    local news, status = OPS[known][word.word]:match('^(%l+): (%l+)$')
    local paid, size = word.paid, word.size

    if word.word == 'success' then
        paid, size = paid > 0 and paid or sum, sum > 0 and sum or paid

    elseif word.word == 'partial' then
        size = size or paid

    else
        paid, size = 0, word.word ~= 'pending' and size or 0
    end

    if not op then
        g.ops[word.id] = { status = status, paid = paid, size = size,
                           erred = status == 'error' or nil,
                           attempt = g.attempt }
        return news
    end

    -- it has ended a copy, whenever that is told
    if word.word == 'error' and not op.erred and known ~= 'decline'
       and known ~= 'partial'
    then
        op.erred = true
        g.errors = g.errors + (op.attempt < g.attempt and 1 or 0)
    end

    if news == 'again' and (known == 'partial' or known == 'success') then
        news = (paid > op.paid or size > op.size) and 'settled' or news
        op.paid, op.size = math.max(op.paid, paid), math.max(op.size, size)

    elseif news == 'settled' or news == 'updated' then
        if known == 'partial' and status == 'success' then
            paid, size = math.max(paid, op.paid), math.max(size, op.size)
        end

        if status == 'reversed' and known == 'success' then
            size = op.paid < op.size and op.paid or g.amount

        elseif status == 'reversed' and size == 0 then
            size = op.size
        end

        op.status = status

        if word.word ~= 'error' then
            op.paid = paid
            op.size = size
        end
    end

    return news
end


-- whether an answer of Gate may be older than something that is known

local function may_be_old(f, now, clock)
    for _, c in pairs(f.copies) do
        if c.status == 'open'
           or (c.status == 'lost' and clock - c.since <= ASKED)
        then
            return true
        end
    end

    return now.pending or copies_of(f, 'accepted') > now.n + f.errors
end


-- A callback; returns the ledger's word for it and the facts after it.

function Reference.settle(f, cb, clock)
    if not f.amount then
        return 'unknown', f
    end

    local g, most = copied(f), 'stale'

    age(g, clock)

    for _, word in ipairs(cb.words) do
        local news = tell(g, word, cb.sum)

        most = RANK[news] > RANK[most] and news or most
    end

    local now = ops_of(g, false)

    if cb.complete and not may_be_old(g, now, clock) then
        g.complete = now.closed or nil
        g.freed, g.exists = 0, nil

        for _, c in pairs(g.copies) do
            c.status = 'done'
        end
    end

    return most, g
end


return Reference
