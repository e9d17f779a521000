-- Gate's side of one payment_id.  An operation begins when Gate takes a copy,
-- or several where the payout is paid in parts, and each of its moves is told:
-- a callback is what Gate knew at that moment, and may arrive at any later one.
--
-- Amounts are small integers here; the ledger sees them in units of its own.

local Gate = {}

-- "word": what the caller tells the ledger of an operation

local MOVES = {
    processing = { 'success', 'decline', 'error' },
    success = { 'reversed' },
}


function Gate.new()
    return { ops = {}, told = {} }
end


function Gate.moves(op)
    return MOVES[op.status] or {}
end


local function attempt_of(payment)
    local last = payment.ops[#payment.ops]

    return last and last.attempt or 0
end


-- operations of the present attempt

local function present(payment)
    local out = {}

    for _, op in ipairs(payment.ops) do
        if op.attempt == attempt_of(payment) then
            out[#out + 1] = op
        end
    end

    return out
end


-- a payment_id is open only where nothing has begun, and after "error"

function Gate.is_open(payment)
    for _, op in ipairs(present(payment)) do
        if op.status ~= 'error' then
            return false
        end
    end

    return true
end


-- Takes a copy of some amount, in those parts; pays: what it will have paid.

function Gate.take(payment, amount, parts, pays)
    local attempt = attempt_of(payment) + 1

    for _, size in ipairs(parts or { amount }) do
        local ops = payment.ops

        ops[#ops + 1] = { attempt = attempt, status = 'processing',
                          size = size, pays = not parts and pays or size,
                          full = amount, part = parts and true or false }
    end
end


-- what may leave, or has left, the account

function Gate.held(payment)
    local sum = 0

    for _, op in ipairs(payment.ops) do
        sum = sum + (op.status == 'processing' and op.size
                     or op.status == 'success' and op.pays or 0)
    end

    return sum
end


function Gate.paid(payment)
    local sum = 0

    for _, op in ipairs(payment.ops) do
        sum = sum + (op.status == 'success' and op.pays or 0)
    end

    return sum
end


function Gate.is_at_rest(payment)
    for _, op in ipairs(payment.ops) do
        if op.status == 'processing' then
            return false
        end
    end

    return true
end


-- payment.status, after something has happened to that operation

function Gate.status(payment, op)
    if not op.part then
        return op.status
    end

    local paid, pending = 0, false

    for _, other in ipairs(present(payment)) do
        paid = paid + (other.status == 'success' and other.pays or 0)
        pending = pending or other.status == 'processing'
    end

    return paid == op.full and 'success'
           or paid > 0 and 'partially_paid_out'
           or op.status
end


local WORDS = { processing = 'pending', success = 'partial' }

local function word_of(id, op, status)
    local word = status == 'success' and op.status == 'success' and 'success'
                 or not op.part and op.status == 'success' and 'success'
                 or WORDS[op.status] or op.status

    return { id = id, word = word, size = op.size,
             paid = op.status == 'success' and op.pays or 0 }
end


local FINAL = { success = true, decline = true, error = true,
                reversed = true, partially_paid_out = true }


-- What Gate says now of that operation, or of all where there is no id;
-- complete: in a verified answer about the status.

local function said(payment, id, complete)
    local op = payment.ops[id or #payment.ops]
    local status = Gate.status(payment, op)
    local words, text = {}, {}

    for i, other in ipairs(payment.ops) do
        if i == id or not id then
            local word = word_of(i, other, status)

            words[#words + 1] = word
            text[#text + 1] = ('%d=%s/%d'):format(i, word.word, word.paid)
        end
    end

    return { status = status, words = words, text = table.concat(text, ' '),
             sum = status == 'success' and (op.part and op.full or op.pays)
                   or 0,
             seen = false, complete = complete and FINAL[status] or false }
end


function Gate.tell(payment, id, complete)
    payment.told[#payment.told + 1] = said(payment, id, complete)
end


-- what a question would bring

function Gate.answer(payment, id)
    local answer = said(payment, nil, true)

    answer.id, answer.digest = id, 'ff'

    return answer
end


return Gate
