"""A Redis of its own for the limits."""

import os
import re
import subprocess

from benchlib import bodies

# high enough for every round; each one costs the script what it costs

LIMITS = {
    "min": 100, "max": 10**9,
    "hour": 10**14, "day": 10**14, "week": 10**14, "month": 10**14,
    "hour_count": 10**9, "day_count": 10**9, "week_count": 10**9,
    "month_count": 10**9,
}

CALLS = re.compile(r"cmdstat_(?:evalsha|fcall):calls=(\d+),usec=(\d+)")


class Failed(Exception):
    """Redis does not start, or does not answer."""


class Redis:
    def __init__(self, directory, processors):
        self.directory = directory
        self.processors = processors
        self.path = os.path.join(directory, "redis.sock")
        self.process = None
        self.calls = 0
        self.usec = 0

    def __enter__(self):
        try:
            self.process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", self.path,
                 "--save", "", "--dir", self.directory],
                stdout=subprocess.PIPE, universal_newlines=True,
                **self.processors.peer())
        except OSError as e:
            raise Failed(e)

        # its last line of the start; it says hardly anything later

        for line in self.process.stdout:
            if "eady to accept connections" in line:
                self.reset()
                return self

        self.__exit__()
        raise Failed("redis-server does not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def _command(self, *words, text=None):
        done = subprocess.run(["redis-cli", "-s", self.path, "-e", *words],
                              input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT,
                              universal_newlines=True, check=False)

        if done.returncode != 0:
            raise Failed("redis-cli %s: %s" % (words[0], done.stdout))

        return done.stdout

    def reset(self):
        """Forgets the payouts, not the limits; adds up what scripts cost."""
        for calls, usec in CALLS.findall(self._command("info",
                                                       "commandstats")):
            self.calls += int(calls)
            self.usec += int(usec)

        self._command("config", "resetstat")
        self._command("flushall", "sync")

        pairs = [str(word) for pair in LIMITS.items() for word in pair]
        self._command("hset", "gate:limits:{%d}:KZT" % bodies.PROJECT_ID,
                      *pairs)

    def script_cost(self):
        """Number of script calls so far, and microseconds of each."""
        self.reset()

        return self.calls, self.usec / self.calls

    def usec_of(self, calls):
        """Microseconds of each of many script calls, given as their bytes."""
        self._command("config", "resetstat")

        # fails where a reply is an error
        self._command("--pipe", text=calls)

        n, usec = CALLS.findall(self._command("info", "commandstats"))[0]
        self._command("config", "resetstat")

        return int(usec) / int(n)

    def must_hold(self, key, field, value):
        found = self._command("hget", key, field).strip()

        if found != value:
            raise Failed("%s of %s is \"%s\"" % (field, key, found))
