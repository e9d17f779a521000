"""Instructions of a request, counted by callgrind: they are the same however
busy the machine is."""

import collections
import glob
import http.client
import os
import re
import shutil
import time

from benchlib import bodies, gateway, peers, store

REQUESTS = 100

# what is sent, and what the same without us is

MODES = {
    "plain payout": (bodies.PAYOUT, None),
    "sign": (bodies.PAYOUT, "plain payout"),
    "limits": (bodies.PAYOUT, "plain payout"),
    "plain callback": (bodies.CALLBACK, None),
    "verify": (bodies.CALLBACK, "plain callback"),
    "settle": (bodies.CALLBACK, "plain callback"),
}

# seconds until the gateway has a connection to Redis

PATIENCE = 60

# callgrind has no SHA extensions, and none of AVX-512; OpenSSL must not take
# other ways where the processor has less or more of these

ENVIRONMENT = {"OPENSSL_ia32cap": ":~0xf0230000"}

# runs with a request for /mark, and costs are written as it begins

MARK = "ngx_http_gate_page_handler"

GROUPS = ("nginx", "core", "ours", "yajl", "libcrypto", "hiredis", "libc")

# those whose instructions we write

OWN = ("core", "ours")

LIBRARIES = (("libyajl", "yajl"), ("libcrypto", "libcrypto"),
             ("libhiredis", "hiredis"), ("nginx", "nginx"))


class Failed(Exception):
    """Nothing was counted."""


def missing():
    """Why nothing can be counted here, or None."""
    return None if shutil.which("valgrind") else "valgrind is not installed"


class Gateway(gateway.Gateway):
    """Gateways under callgrind."""

    TIMEOUT = "60s"

    def _tool(self, name):
        return ("env", *["%s=%s" % pair for pair in ENVIRONMENT.items()],
                "valgrind", "-q", "--tool=callgrind", "--dump-before=" + MARK,
                "--callgrind-out-file=%s/%s.%%p.callgrind"
                % (self.directory, name))

    def dumps(self):
        """What callgrind has written so far."""
        return set(glob.glob(self.directory + "/*.callgrind.*"))


class _Client:
    """One connection, and payouts that nobody has seen."""

    serial = 0

    def __init__(self, port, body):
        self.body = body
        self.connection = http.client.HTTPConnection("127.0.0.1", port,
                                                     timeout=PATIENCE)

    def post(self):
        _Client.serial += 1
        text = self.body.text.replace(bodies.PAYMENT_ID,
                                      "payout-%09d" % _Client.serial)

        if self.body is not bodies.PAYOUT:
            text = self.body.text

        return self._answer("POST", self.body.path, text)

    def mark(self):
        return self._answer("GET", "/mark", None)

    def _answer(self, method, path, text):
        self.connection.request(method, path, text,
                                {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        response.read()

        return response.status


def _must(status, what):
    if status != 200:
        raise Failed("%s was answered %d" % (what, status))


def _warm_up(client, mode):
    """Until all that a first request makes is there."""
    end = time.monotonic() + PATIENCE

    while client.post() != 200:
        if time.monotonic() > end:
            raise Failed("%s: no answer but errors" % mode)
        time.sleep(0.05)

    for _ in range(20):
        _must(client.post(), mode)


def _count(gate, mode, body):
    client = _Client(gate.ports[mode], body)

    try:
        _warm_up(client, mode)
        _costs(gate, client, mode, 0)
        nothing = _costs(gate, client, mode, 0)
        costs = _costs(gate, client, mode, REQUESTS)
    except (OSError, http.client.HTTPException) as e:
        raise Failed("%s: %s" % (mode, e))

    return {group: (costs[group] - nothing[group]) / REQUESTS
            for group in GROUPS}


def _costs(gate, client, mode, requests):
    """Those of many requests, and of one for /mark, by group."""
    for _ in range(requests):
        _must(client.post(), mode)

    before = gate.dumps()
    _must(client.mark(), "/mark")
    written = gate.dumps() - before

    if len(written) != 1:
        raise Failed("callgrind has written nothing for %s: no function %s?"
                     % (mode, MARK))

    return _groups(written.pop(), gate.module)


def _groups(path, module):
    """Reads what each function has cost itself: a line of its own costs is
    "LINE COUNT", and the one below "calls=" belongs to who was called."""
    groups = collections.Counter()
    names = {}
    place = {"ob": "", "fl": ""}
    group = "libc"
    called = False

    with open(path) as f:
        for line in f:
            found = re.match(r"(c?)(ob|fl|fi|fe|fn)=(?:\((\d+)\) ?)?(.*)",
                             line)
            if found:
                callee, kind, number, text = found.groups()
                table = {"fi": "fl", "fe": "fl"}.get(kind, kind)

                if text:
                    names[table, number] = text

                if not callee and kind in place:
                    place[kind] = names.get((table, number), text)

                elif not callee and kind == "fn":
                    group = _group(module, **place)

            elif line.startswith("calls="):
                called = True

            elif line[0] in "0123456789+-*":
                if not called:
                    groups[group] += int(line.split()[1])
                called = False

    return groups


def _group(module, ob, fl):
    if ob == module:
        return "core" if os.path.basename(fl).startswith("gate_") else "ours"

    for name, group in LIBRARIES:
        if os.path.basename(ob).startswith(name):
            return group

    return "libc"


def measure(directory, module):
    """Instructions of a request in each mode, by group."""
    here = peers.Anywhere()

    with store.Redis(directory, here) as redis:
        with Gateway(directory, here, module, redis) as gate:
            return {mode: _count(gate, mode, body)
                    for mode, (body, _) in MODES.items()}


def own(counts):
    """Those of our functions."""
    return sum(counts[group] for group in OWN)


def table(measured):
    lines = ["instructions of the gateway per request at one connection, "
             "by callgrind",
             "%-15s %7s %7s" % ("", "all", "added")
             + "".join("%10s" % group for group in GROUPS)]

    for mode, counts in measured.items():
        everything = sum(counts.values())
        plain = MODES[mode][1]
        added = "-"

        if plain is not None:
            added = "%d" % (everything - sum(measured[plain].values()))

        lines.append("%-15s %7d %7s" % (mode, everything, added)
                     + "".join("%10d" % counts[group] for group in GROUPS))

    return "\n".join(lines)
