"""What the two script calls of a payout cost Redis, each on its own."""

import ast
import re
import subprocess

from benchlib import bodies, store

PAYOUTS = 2000

ENTRY = "gate:payout:{%d}:" % bodies.PROJECT_ID
PAYMENT_ID = "payout-%09d"

# in the order in which a payout makes them

NAMES = ("reserve", "outcome")

COMMAND = re.compile(r'^\S+ \[\d+ (?!lua\])[^\]]*\] "evalsha" ', re.I)
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _bytes(words):
    """A command as clients send it."""
    return "*%d\r\n%s" % (len(words), "".join(
        "$%d\r\n%s\r\n" % (len(word), word) for word in words))


def _calls(words, payment_id):
    """The same call for many payouts."""
    return "".join(_bytes([word.replace(payment_id, PAYMENT_ID % i)
                           for word in words]) for i in range(PAYOUTS))


class Script:
    def __init__(self, name, calls):
        self.name = name
        self.calls = calls
        self.rounds = []


def _listen(gate, redis):
    """The commands that the gateway sends for one payout, as words."""
    monitor = subprocess.Popen(["redis-cli", "-s", redis.path, "monitor"],
                               stdout=subprocess.PIPE,
                               universal_newlines=True)
    commands = []

    try:
        monitor.stdout.readline()
        gate.send("limits", bodies.PAYOUT)

        for line in monitor.stdout:
            if COMMAND.match(line):
                commands.append([ast.literal_eval('b"%s"' % word).decode()
                                 for word in WORD.findall(line)])

            if len(commands) == len(NAMES):
                return commands
    finally:
        monitor.terminate()
        monitor.wait()
        monitor.stdout.close()

    raise store.Failed("redis-cli monitor has ended")


def measure(gate, redis, rounds):
    """Accepted payouts, in an otherwise idle Redis."""
    redis.reset()

    scripts = [Script(name, _calls(words, bodies.PAYMENT_ID))
               for name, words in zip(NAMES, _listen(gate, redis))]

    for _ in range(rounds):
        redis.reset()

        for script in scripts:
            script.rounds.append(redis.usec_of(script.calls))

        redis.must_hold(ENTRY + PAYMENT_ID % (PAYOUTS - 1), "state",
                        "accepted")

    return scripts
