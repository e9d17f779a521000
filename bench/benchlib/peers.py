"""How what surrounds the measured worker is run."""

import os
import shutil
import subprocess

SOURCE = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "busy.c")


class Failed(Exception):
    """The measurement cannot be set up."""


class Processors:
    """One for the worker, the others for all that keeps it busy.

    The others never sleep, see busy.c, unless there is one processor only.
    """

    def __init__(self, directory):
        usable = sorted(os.sched_getaffinity(0))
        self.worker = {usable[-1]}
        self.others = set(usable[:-1]) or self.worker
        self.library = None

        if self.others != self.worker:
            self.library = os.path.join(directory, "busy.so")
            self._build()

    def _build(self):
        compiler = os.environ.get("CC") or shutil.which("gcc") or "cc"

        try:
            subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o",
                            self.library, SOURCE], check=True)
        except (OSError, subprocess.CalledProcessError) as e:
            raise Failed("busy.c: %s" % e)

    def peer(self):
        """Arguments to subprocess for a process beside the worker."""
        environment = dict(os.environ)

        if self.library is not None:
            environment["LD_PRELOAD"] = self.library

        return {"env": environment, "preexec_fn": self._pin_peer}

    def measured(self):
        """The same for a worker."""
        return {"env": dict(os.environ), "preexec_fn": self._pin_worker}

    def _pin_peer(self):
        os.sched_setaffinity(0, self.others)

    def _pin_worker(self):
        os.sched_setaffinity(0, self.worker)


class Anywhere:
    """Where nothing is measured that a busy machine could change."""

    @staticmethod
    def peer():
        return {"env": dict(os.environ)}

    measured = peer
