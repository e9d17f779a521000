-- What is explored.  Of each scenario:
--   name, about
--   payments   payment_ids
--   sends      what services send: lists of payouts that are one call to Redis,
--              each a payment_id, or { id, amount, digest, parts, pays }.
--              parts: Gate pays it in these; pays: in the end it pays so much
--   in_order   sends begin in this order
--   amount     of a payout
--   limits, other_limits
--   zeros      behind each amount, for the scripts
--   gate       what may become of operations
--   may        what may happen at any time: processing (Gate tells of it),
--              batch (reports together), list (callbacks list all operations),
--              late (every call may be repeated at any time), and the below
--   at_most    what may happen so many times:
--              refuse   Gate refuses a copy
--              lose     a request, or its answer, is lost
--              slow     nobody waits for a request that Gate may yet get
--              release  a copy cannot leave
--              die      a gateway does, with a copy
--              under_way  a reservation is seen on its way to Redis: clients
--                       leave, its reply is lost, it runs late or never
--              allow    Redis is away, and a payout leaves all the same
--              fail     a service does not take a callback
--              turn     Gate turns an error into success
--              status   Gate is asked, its answer lists all operations
--              hand, mistake  an operator frees a payment, rightly or not
--              minute, day, month  so much time passes
--              wait     so much time that copies are lost
--              limit    limits change
--              forget   Redis loses the last reservation
--   start      when it begins, seconds since 1970

local DECLINE_ERROR = { decline = true, error = true }
local PAID_ERROR = { success = true, error = true }
local PARTS = { success = true, decline = true }

-- 2026-11-30 23:59:30 UTC, a Monday

local MONTH_END = 1796083170

-- 2026-11-22 23:59:30 UTC, a Sunday

local WEEK_END = 1795391970

local p, q = { 'p' }, { 'q' }

-- after an error, another amount under the same payment_id
local other = { { id = 'p', amount = 70, digest = 'd2' } }

local split = { { id = 'p', parts = { 60, 40 } } }
local thirds = { { id = 'p', parts = { 50, 30, 20 } } }

return {
    { name = 'one copy', sends = { p },
      may = { processing = true, refuse = true, lose = true, release = true,
              late = true },
      at_most = { turn = 1, hand = 1, fail = 1, status = 1 } },

    { name = 'two copies', sends = { p, p },
      may = { processing = true, refuse = true, late = true } },

    { name = 'two copies, lost', sends = { p, p },
      may = { lose = true }, at_most = { turn = 1, hand = 1 } },

    { name = 'taken back', sends = { p, p }, at_most = { lose = 1 },
      gate = { success = true, reversed = true } },

    { name = 'turned, then taken back', sends = { p },
      gate = { error = true, reversed = true }, may = { processing = true },
      at_most = { turn = 1 } },

    { name = 'both paid', sends = { p, p }, limits = { day = 200 },
      gate = PAID_ERROR, at_most = { turn = 2 } },

    { name = 'slow requests', sends = { p, p }, at_most = { slow = 2 } },

    { name = 'freed by hand', sends = { p, p },
      may = { lose = true, processing = true }, at_most = { hand = 2 } },

    { name = 'freed by mistake', sends = { p, p },
      may = { lose = true }, at_most = { mistake = 1, hand = 1 } },

    { name = 'another amount', sends = { p, other }, limits = { day = 170 },
      may = { refuse = true, lose = true }, at_most = { hand = 1 } },

    { name = 'three copies', sends = { p, p, p }, gate = DECLINE_ERROR,
      may = { refuse = true } },

    { name = 'four copies', sends = { p, p, p, p }, gate = PAID_ERROR,
      at_most = { lose = 1 } },

    { name = 'split', sends = { split },
      may = { processing = true, lose = true, late = true },
      gate = PARTS, at_most = { hand = 1 } },

    { name = 'split in three', sends = { thirds }, gate = PARTS,
      at_most = { fail = 1, lose = 1 } },

    { name = 'split, listed', sends = { split, split }, gate = PARTS,
      may = { list = true, lose = true }, at_most = { status = 1 } },

    { name = 'split, reversed', sends = { split },
      at_most = { status = 1, hand = 1, fail = 1 } },

    { name = 'another sum', sends = { { { id = 'p', pays = 90 } }, p },
      may = { lose = true, processing = true }, at_most = { status = 1 } },

    { name = 'status', sends = { p, p }, may = { lose = true },
      at_most = { status = 2, turn = 1 } },

    { name = 'old answers', sends = { p, p }, may = { processing = true },
      at_most = { answer = 2 } },

    { name = 'old answers, split', sends = { split }, gate = PARTS,
      may = { processing = true }, at_most = { answer = 2 } },

    { name = 'crashes', sends = { p, p }, may = { processing = true },
      at_most = { die = 2, wait = 1, status = 1 } },

    { name = 'under way', sends = { p, p },
      at_most = { under_way = 2, release = 1 } },

    { name = 'without Redis', sends = { p, p },
      at_most = { under_way = 2, allow = 2, lose = 1 } },

    { name = 'forgotten', sends = { p, p }, may = { lose = true },
      at_most = { forget = 1 } },

    { name = 'batch', payments = { 'p', 'q' }, limits = { day = 200 },
      sends = { { 'p', 'q', 'p' } }, gate = PAID_ERROR,
      may = { batch = true }, at_most = { under_way = 1, refuse = 1 } },

    { name = 'batch of four', payments = { 'p', 'q' }, limits = { day = 200 },
      sends = { { 'p', 'q', 'p', 'q' } }, gate = { error = true },
      may = { batch = true }, at_most = { under_way = 1, lose = 1 } },

    { name = 'batch near the limit', payments = { 'p', 'q' },
      limits = { day = 150, hour_count = 2 }, sends = { { 'p', 'q' }, p, q },
      gate = DECLINE_ERROR, may = { batch = true } },

    { name = 'an hour ends', payments = { 'p', 'q' }, limits = { hour = 100 },
      sends = { p, q }, may = { lose = true }, gate = PAID_ERROR,
      at_most = { minute = 1 } },

    { name = 'a week ends', payments = { 'p', 'q' }, start = WEEK_END,
      limits = { hour = 100, week = 100, month = 150 }, sends = { p, q },
      gate = PAID_ERROR, at_most = { minute = 1, lose = 1 } },

    { name = 'a month ends', payments = { 'p', 'q' }, start = MONTH_END,
      limits = { hour = 100, month = 100 }, sends = { p, q, p },
      gate = PAID_ERROR, at_most = { minute = 1, lose = 1 } },

    { name = 'days and months', payments = { 'p', 'q' },
      limits = { day = 100, month = 150, month_count = 2 },
      sends = { p, q, p }, gate = { error = true },
      at_most = { day = 1, month = 1 } },

    { name = 'limits change', payments = { 'p', 'q' },
      limits = { day = 200 }, other_limits = { day = 100, max = 100 },
      sends = { p, q, p }, gate = DECLINE_ERROR, at_most = { limit = 1 } },

    { name = 'great sums', payments = { 'p', 'q' }, amount = 5, zeros = 18,
      limits = { min = 1 }, sends = { p, q }, may = { lose = true },
      gate = PAID_ERROR, at_most = { turn = 1 } },
}
