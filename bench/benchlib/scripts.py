"""What reserve and outcome cost Redis, each on its own."""

import os

from benchlib import bodies

SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "src", "lua")

PAYOUTS = 2000

PREFIX = "gate:%%s:{%d}:" % bodies.PROJECT_ID
PAYMENT_ID = "payout-%09d"
COPY = "0123456789abcdef-%d"
TTL = str(40 * 86400)


def _call(sha, keys, arguments):
    """The bytes of a command."""
    words = ["EVALSHA", sha, str(len(keys))] + keys + arguments

    return "*%d\r\n%s" % (len(words), "".join(
        "$%d\r\n%s\r\n" % (len(word), word) for word in words))


def _reserve(sha, i):
    return _call(sha,
                 [PREFIX % "limits" + "KZT", PREFIX % "payout" + PAYMENT_ID % i,
                  PREFIX % "used"],
                 ["250000", "KZT", "%032x" % i, "mobile", COPY % i, "0", "deny",
                  TTL])


def _outcome(sha, i):
    return _call(sha,
                 [PREFIX % "payout" + PAYMENT_ID % i, PREFIX % "used"],
                 [COPY % i, "accepted", "", TTL])


class Script:
    def __init__(self, redis, name, call):
        with open(os.path.join(SOURCES, name + ".lua")) as f:
            sha = redis.load(f.read())

        self.name = name
        self.calls = "".join(call(sha, i) for i in range(PAYOUTS))
        self.rounds = []


def measure(redis, rounds):
    """Accepted payouts, in an otherwise idle Redis."""
    scripts = [Script(redis, "reserve", _reserve),
               Script(redis, "outcome", _outcome)]

    for _ in range(rounds):
        redis.reset()

        for script in scripts:
            script.rounds.append(redis.usec_of(script.calls))

        redis.must_hold(PREFIX % "payout" + PAYMENT_ID % (PAYOUTS - 1),
                        "state", "accepted")

    return scripts
