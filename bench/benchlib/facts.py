"""What the figures were measured with."""

import os
import platform
import re
import subprocess


def _first(command, pattern):
    """What the pattern finds in the output of a command, or "?"."""
    try:
        text = subprocess.run(command, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT,
                              universal_newlines=True, check=False).stdout
    except OSError:
        return "?"

    found = re.search(pattern, text)

    return found.group(1) if found else "?"


def line():
    with open("/proc/cpuinfo") as f:
        found = re.search(r"model name\s*: (.*)", f.read())

    nginx = os.environ.get("NGINX") or "nginx"

    return "%s, OpenSSL %s, Redis %s, wrk %s, %s, %d x %s" % (
        _first([nginx, "-v"], r"(nginx/\S+)"),
        _first(["openssl", "version"], r"OpenSSL (\S+)"),
        _first(["redis-server", "--version"], r"v=(\S+)"),
        _first(["wrk", "-v"], r"wrk (\S+)"),
        "Linux " + platform.release(), os.cpu_count(),
        found.group(1) if found else platform.machine())
