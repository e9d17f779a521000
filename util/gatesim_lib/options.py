"""Options of the command line: what makes no sense is refused, not guessed."""

import argparse
import math

from . import VERSION
from .httpclient import Target

MAX_PROJECT_ID = 4294967295
MAX_KEY = 4096


class Parser(argparse.ArgumentParser):
    """Says what is wrong, and not all that could be right."""

    def error(self, message):
        self.exit(2, "%s: %s\ntry: %s --help\n"
                  % (self.prog, message, self.prog))


def parser(name, description, epilog):
    """A parser that takes no abbreviations and tells the version."""
    made = Parser(
        prog=name, description=description, epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False)
    made.add_argument("--version", action="version",
                      version="%s (nginx-gate) %s" % (name, VERSION))
    return made


def number(text, low, high):
    """Decimal digits only: int() and float() take much more."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18 \
            or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(
            "%r is not a whole number from %d to %d" % (text, low, high))
    return int(text)


def count(text):
    return number(text, 1, 10000000)


def seconds(text):
    """0 or more, with decimals; neither "nan" nor "inf"."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1e7:
        raise argparse.ArgumentTypeError(
            "%r is not a number from 0 to 10000000" % text)
    return value


def timeout(text):
    value = seconds(text)
    if value == 0:
        raise argparse.ArgumentTypeError("0 would fail at once")
    return value


def address(text):
    """unix:/PATH or HOST:PORT; port 0 lets the kernel choose."""
    if text.startswith("unix:"):
        if not text.startswith("unix:/"):
            raise argparse.ArgumentTypeError(
                "%r is not unix:/PATH with a whole path" % text)
        return text
    host, _, port = text.rpartition(":")
    if not host or not host.isprintable() or " " in host or "/" in host \
            or (":" in host and not (host[0] == "[" and host[-1] == "]")):
        raise argparse.ArgumentTypeError(
            "%r is neither HOST:PORT nor unix:/PATH" % text)
    number(port, 0, 65535)
    return text


def url(text):
    """An address of callbacks."""
    try:
        target = Target(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if target.socket is not None and not target.socket.startswith("/"):
        raise argparse.ArgumentTypeError(
            "%r is not http://unix:/SOCKET:/URI" % text)
    return text


def project(text):
    """ID=KEYFILE as (id, path)."""
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise argparse.ArgumentTypeError("%r is not ID=KEYFILE" % text)
    if name.startswith("0"):
        raise argparse.ArgumentTypeError("%r is no id of a project" % name)
    return number(name, 1, MAX_PROJECT_ID), path


def key(path):
    """The key in a file; a newline at its end is not part of it."""
    with open(path, "rb") as file:
        data = file.read(MAX_KEY + 3)
    if data.endswith(b"\n"):
        data = data[:-1]
        data = data[:-1] if data.endswith(b"\r") else data
    if not data:
        raise ValueError("%s is empty" % path)
    if len(data) > MAX_KEY:
        raise ValueError("%s has more than %d bytes" % (path, MAX_KEY))
    return data
