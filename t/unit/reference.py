"""Documents for tests of the core, and what must come of them.

Reading is Python's json module made strict: members keep their order, numbers
their text.  Canonical strings and signatures are the simulator's, which share
nothing with the C.
"""

import json
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "util"))

from gatesim_lib import signature                           # noqa: E402

DROPPED = signature.DROPPED
MAX_DEPTH = 32


class Refused(Exception):
    """The text is not a strict JSON object."""


class Number(str):
    """The text of a number."""


class Object(list):
    """Pairs of key and value, in the order of the text."""


def read(text, max_depth=MAX_DEPTH):
    """Return the Object that the bytes are, or raise Refused."""
    try:
        decoded = text.decode("utf-8")
        value = json.loads(decoded, object_pairs_hook=make_object,
                           parse_int=Number, parse_float=Number,
                           parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from None
    if not isinstance(value, Object):
        raise Refused("not an object")
    check(value, max_depth)
    if loses_key(value):
        raise Refused("a key that Gate loses")
    return value


def loses_key(value):
    """Tell whether Gate drops a top-level key from the paths below it."""
    return any(key in ("", "0") and isinstance(item, list) and item
               for key, item in value)


def refuse(name):
    """NaN and the infinities are Python's idea."""
    raise Refused(name)


def make_object(pairs):
    """Refuse what has a key twice."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise Refused("duplicate key")
    return Object(pairs)


def check(value, depth):
    """Refuse lone surrogates and deep nesting."""
    if isinstance(value, (Object, list)):
        if depth == 0:
            raise Refused("too deep")
        for item in value:
            if isinstance(value, Object):
                check(item[0], depth)
                item = item[1]
            check(item, depth - 1)
    elif isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise Refused("lone surrogate")


def member(value, name):
    """Return the member of an Object, or None where it has none."""
    if isinstance(value, Object):
        for key, item in value:
            if key == name:
                return (item,)
    return None


def python(value):
    """Return the value in the types that the simulator knows."""
    if isinstance(value, Object):
        return {key: python(item) for key, item in value}
    if isinstance(value, list):
        return [python(item) for item in value]
    if not isinstance(value, Number):
        return value
    if set(value) & set(".eE") or not -2**63 <= int(value) < 2**63:
        return float(value)
    return int(value)


def plain(value):
    """Return the text of a leaf."""
    return signature.leaves({"": value if not isinstance(value, Number)
                             else python(value)})[0][1].decode()


def number(text):
    """Print a number as PHP does with precision=14."""
    return plain(Number(text))


def natural(left, right):
    """Compare two paths in the natural order of PHP."""
    left, right = map(signature.natural_key, (left, right))
    return (left > right) - (left < right)


def canonical(value, order="natural"):
    """Return the canonical string, as bytes."""
    return signature.canonical(python(value), order)


def sign(secret, string):
    """Return the signature of a canonical string, as str."""
    return signature.sign_text(string, secret)
