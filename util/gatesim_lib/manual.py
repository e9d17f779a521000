"""The text below the options in gatesim --help."""

MANUAL = """\
ADDRESS is unix:/PATH or HOST:PORT; with port 0 the kernel chooses one, which
the line "listening on ..." and --ready-file tell.

What it does
  Requests are checked as Gate checks them (JSON, project, signature, payment
  id, required fields) and answered as Gate answers: 200, 400 with code 1005,
  2004, 10105 or 3061, 403, 404, 405, 422, 500.  Where Gate documents no code
  the HTTP status stands in.  An accepted payout moves along its steps, each
  with a signed callback that is sent again until it is answered 200: 6 tries
  10 s apart, 62 at growing intervals, then every 4 hours, 120 tries within
  11 days, all times multiplied by --time-scale.  A payment id is taken for
  good unless its payment ended in "error".

Control: JSON under /_control/ of the same addresses

POST /_control/faults      one rule or a list of rules; answers their ids
GET, DELETE /_control/faults[?id=N]
  A rule says for which requests it counts (all members optional):
    "payment_id", "payment_prefix", "project_id", "path" (a part of it),
    "skip": N       let the first N such requests pass
    "count": N      how often, default 1; 0 is without end
    "probability": P   dice by seed, rule and payment, so that runs repeat
                       whatever the order of requests
  and what then happens:
    "delay_ms": N            answer late; "delay_before_ms": accept late
    "drop": "before"|"after" close without an answer, before or after the
    "reset": "before"|"after"   payment was accepted; or reset the connection
    "cut": BYTES             send only the first bytes of the answer
    "answer": {"http": 400, "code": "3104", "message": "...", "body": ...,
               "headers": {...}, "accept": false}
                             another answer; the payment counts as accepted
                             only with "accept": true
    "outcome": STATUS or STEP, "none" for no news at all
    "steps": [STEP, ...]     the whole way of the payment
    "then": [STEP, ...]      its way after /v2/payment/clarification
    "hold": true             wait for /_control/settle
    "callback_delay_ms": N   instead of --callback-delay
    "early": true            first callback before the answer
    "copies": N, "concurrent": true   each callback N times, at once
    "reorder": "reverse"|"shuffle"    all callbacks at the end, out of order
    "signature_place": "general", "order": "bytes"
    "forge": "signature"|"key"|"body"|"unsigned"
    "errors": N or [...], "extra": {...}   members added to the body
    "shape": "mobile"|"card", "url": "http://..."
  The members on signatures count for the answers of /v2/payment/status too.
  STATUS: processing, awaiting clarification, awaiting retry, success,
  decline, error, reversed, partially_paid_out.  STEP is a status or
  {"status", "amount": final amount, "paid": [parts], "code", "message",
  "errors": [...], "converted": {...}, "fields": {clarification fields},
  "after_ms"}.  Each part of partially_paid_out is an operation with a
  callback of its own.
POST /_control/defaults    the same actions for every request; {} ends that
POST /_control/settle      {"payment_id","project_id","outcome" or "steps"},
  all optional: the outcome of payments that are not final comes now; a final
  one moves on if payment and outcome are named
GET /_control/payments[?payment_id=ID&project_id=N]
GET /_control/requests[?limit=100&payment_id=ID&path=PATH]   heads and bodies
GET /_control/callbacks[?payment_id=ID&state=S&status=S&bodies=0]   all tries;
  state is pending, delivered or given up
GET /_control/stats        counts, and sums by project, currency and status
GET /_control/wait?for=WHAT[&count=N&timeout=30]   200 once it is so, 504 if
  not in time; WHAT: idle (nothing under way, no callback left to deliver),
  requests, accepted, delivered, tries (with count), payment (with payment_id
  and status)
POST /_control/callback    {"url","body",...} signs and sends it once (with
  "redeliver": true by schedule); also "project_id", "key", "order", "forge",
  "signature_place", "sign": false, or "raw" for exact text
POST /_control/redeliver   {"payment_id","status","copies"}: callbacks again,
  also those that were taken
POST /_control/sign        {"body","project_id",...}: signature, canonical
  string and text
POST /_control/reset       forget everything

Example
  gatesim --listen 127.0.0.1:8081 --project 1234=kz.key \\
          --callback-url http://127.0.0.1:8080/callbacks/gate
  curl -d '{"outcome":"decline","payment_id":"payment_47"}' \\
       http://127.0.0.1:8081/_control/faults
"""
