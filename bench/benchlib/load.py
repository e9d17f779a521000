"""Rounds of requests, and what they cost the worker."""

import os
import subprocess
import tempfile

CONNECTIONS = 64

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wrk.lua")


class Failed(Exception):
    """A round that does not count."""


class Round:
    """Seconds of the worker's CPU per request, and requests per second."""

    def __init__(self, cpu, rate):
        self.cpu = cpu
        self.rate = rate


_next_id = 0


def _wrk(gate, mode, seconds, connections):
    """Returns the number of requests, the duration and the median, in us."""
    global _next_id

    with tempfile.NamedTemporaryFile("w", dir=gate.directory) as body:
        body.write(mode.body.text)
        body.flush()

        command = ["wrk", "-t1", "-c%d" % connections,
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
