"""Rounds of requests, and what they cost the worker."""

import os
import re
import subprocess
import tempfile

CONNECTIONS = 64

EVENT = "instructions:u"
PERF = ["perf", "stat", "-x,", "-e", EVENT]

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrk.lua")


class Failed(Exception):
    """A round that does not count."""


class Round:
    """Seconds of the worker's CPU per request, and requests per second."""

    def __init__(self, cpu, rate):
        self.cpu = cpu
        self.rate = rate


_next_id = 0


def _wrk(gate, mode, seconds, connections, prefix=()):
    """Returns the number of requests, the duration and the median, in us."""
    global _next_id

    with tempfile.NamedTemporaryFile("w", dir=gate.directory) as body:
        body.write(mode.body.text)
        body.flush()

        command = [*prefix, "wrk", "-t1", "-c%d" % connections,
                   "-d%ds" % seconds, "--timeout", "10s", "-s", SCRIPT,
                   gate.url(mode), "--", body.name, str(_next_id)]

        done = _run(command, gate.processors)

    last = done.stdout.strip().split("\n")[-1].split()

    if done.returncode != 0 or last[0] != "result":
        raise Failed("wrk failed: %s" % done.stdout)

    requests, errors, usec, median = [float(n) for n in last[1:]]

    if errors != 0 or requests == 0:
        raise Failed("%s: %d of %d requests failed\n%s" %
                     (mode.name, errors, requests, done.stdout))

    _next_id += int(requests) + connections

    return requests, usec / 1e6, median


def _run(command, processors):
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True, check=False, **processors.peer())
    except OSError as e:
        raise Failed(e)


def _worker_time(gate, mode):
    """Seconds on a processor."""
    with open("/proc/%d/schedstat" % gate.workers[mode.name]) as f:
        return int(f.read().split()[0]) / 1e9


def warm_up(gate, mode):
    _wrk(gate, mode, 1, CONNECTIONS)


def cpu_time(gate, mode, seconds):
    start = _worker_time(gate, mode)
    requests, duration, _ = _wrk(gate, mode, seconds, CONNECTIONS)
    spent = _worker_time(gate, mode) - start

    return Round(spent / requests, requests / duration)


def latency(gate, mode, seconds):
    return _wrk(gate, mode, seconds, 1)[2]


def can_count():
    """Says whether perf counts instructions here: few virtual machines and
    not every user may."""
    try:
        done = subprocess.run(PERF + ["true"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT,
                              universal_newlines=True, check=False)
    except OSError:
        return False

    return done.returncode == 0 and _counted(done.stdout) is not None


def _counted(text):
    """The count in the output of perf, or None."""
    found = re.search(r"^(\d+),.*%s" % EVENT, text, re.M)

    return int(found.group(1)) if found else None


def instructions(gate, mode):
    """Instructions per request in user space."""
    with tempfile.NamedTemporaryFile("r", dir=gate.directory) as out:
        prefix = PERF + ["-o", out.name,
                         "-p", str(gate.workers[mode.name])]
        requests = _wrk(gate, mode, 1, CONNECTIONS, prefix)[0]
        count = _counted(out.read())

    if count is None:
        raise Failed("perf did not count")

    return count / requests
