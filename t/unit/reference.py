"""A second implementation of Gate's signature, sharing nothing with the C.

Written from the description of the signature alone: reading is Python's json
module made strict, numbers are printed by the decimal module, and comparison
and flattening are plain loops.
"""

import base64
import decimal
import functools
import hmac
import json

DROPPED = ("signature", "frame_mode")
SPACES = b" \t\n\v\f\r"
DIGITS = b"0123456789"
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
    return value


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


def number(text):
    """Print a number as PHP does with precision=14."""
    if not set(text) & set(".eE") and -2**63 <= int(text) < 2**63:
        return str(int(text))
    value = float(text)
    sign = "-" if str(value).startswith("-") else ""
    if value in (float("inf"), float("-inf")):
        return sign + "INF"
    if value == 0:
        return sign + "0"
    context = decimal.Context(prec=14, rounding=decimal.ROUND_HALF_EVEN,
                              Emin=-999999, Emax=999999)
    rounded = context.plus(decimal.Decimal(abs(value)))
    digits = "".join(map(str, rounded.as_tuple().digits)).rstrip("0")
    exponent = rounded.adjusted()
    if exponent < -4 or exponent >= 14:
        return "%s%s.%sE%s%d" % (sign, digits[0], digits[1:] or "0",
                                 "-" if exponent < 0 else "+", abs(exponent))
    if exponent < 0:
        return sign + "0." + "0" * (-exponent - 1) + digits
    whole = digits[:exponent + 1].ljust(exponent + 1, "0")
    rest = digits[exponent + 1:]
    return sign + whole + ("." + rest if rest else "")


def leaves(value, path=None):
    """Yield the path and the value of every leaf, as bytes."""
    if isinstance(value, Object):
        items = [(key.replace(":", "::"), item) for key, item in value
                 if key not in DROPPED]
    elif isinstance(value, list):
        items = [(str(index), item) for index, item in enumerate(value)]
    else:
        yield path.encode(), plain(value).encode()
        return
    for key, item in items:
        yield from leaves(item, key if path is None else path + ":" + key)


def plain(value):
    """Return the text of a leaf."""
    if value is None:
        return ""
    if value is True:
        return "1"
    if value is False:
        return "0"
    if isinstance(value, Number):
        return number(value)
    return value


def natural(left, right):
    """Compare two paths in the natural order of PHP."""
    if not left or not right:
        return (len(left) > 0) - (len(right) > 0)
    i, j = skip_zeros(left), skip_zeros(right)
    while True:
        i, j = skip_spaces(left, i), skip_spaces(right, j)
        a, b = run(left, i), run(right, j)
        if a and b:
            order = compare_runs(a, b)
            if order:
                return order
            i += len(a)
            j += len(b)
            if i == len(left) or j == len(right):
                return (i < len(left)) - (j < len(right))
        a, b = at(left, i), at(right, j)
        if a != b:
            return -1 if a < b else 1
        i += 1
        j += 1
        if i >= len(left) or j >= len(right):
            return (i < len(left)) - (j < len(right))


def at(path, i):
    """Return a byte; NUL ends a string of PHP."""
    return path[i] if i < len(path) else 0


def skip_zeros(path):
    """Zeros before a digit do not count at the very start."""
    i = 0
    while path[i:i + 1] == b"0" and path[i + 1:i + 2].isdigit():
        i += 1
    return i


def skip_spaces(path, i):
    """Return the index of the next byte that is not white space."""
    while i < len(path) and path[i] in SPACES:
        i += 1
    return i


def run(path, i):
    """Return the digits that stand at i."""
    end = i
    while end < len(path) and path[end] in DIGITS:
        end += 1
    return path[i:end]


def compare_runs(a, b):
    """Digits with a zero before them are a fraction, others a number."""
    if a[0:1] != b"0" and b[0:1] != b"0" and len(a) != len(b):
        return -1 if len(a) < len(b) else 1
    return (a > b) - (a < b)


def canonical(value, order="natural"):
    """Return the canonical string, as bytes."""
    lines = list(leaves(value))
    if order == "natural":
        lines.sort(key=functools.cmp_to_key(lambda x, y: natural(x[0], y[0])))
    else:
        lines.sort(key=lambda line: line[0])
    return b";".join(path + b":" + text for path, text in lines)


def sign(secret, string):
    """Return the signature of a canonical string, as str."""
    return base64.b64encode(hmac.new(secret, string, "sha512").digest()) \
        .decode()
