"""Gate's signature: canonical string of a document, HMAC-SHA512, Base64.

Documents are the values that strictjson.read() gives, or any Python value made
of dict, list, str, int, float, bool and None.
"""

import base64
import functools
import hmac
import re

DROPPED = ("signature", "frame_mode")
ORDERS = ("natural", "bytes")

_ZERO, _NINE = 0x30, 0x39
_WHITE = frozenset(b" \t\n\v\f\r")
_PLAIN = re.compile(rb"[^0-9 \t\n\v\f\r]+\Z")


def number_text(value):
    """A double as PHP prints it with precision=14."""
    if value in (float("inf"), float("-inf")):
        return "INF" if value > 0 else "-INF"
    mantissa, exponent = ("%.13e" % value).split("e")
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.lstrip("-").replace(".", "").rstrip("0") or "0"
    exponent = int(exponent)
    if exponent < -4 or exponent >= 14:
        return "%s%s.%sE%+d" % (sign, digits[0], digits[1:] or "0", exponent)
    if exponent < 0:
        return "%s0.%s%s" % (sign, "0" * (-exponent - 1), digits)
    whole = digits[:exponent + 1].ljust(exponent + 1, "0")
    fraction = digits[exponent + 1:]
    return sign + whole + ("." + fraction if fraction else "")


def _value_text(value):
    if isinstance(value, str):
        return value
    if value is True:
        return "1"
    if value is False:
        return "0"
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else number_text(value)


def leaves(document):
    """(path, value) pairs as bytes, in document order."""
    found = []
    todo = [("", document)]
    while todo:
        prefix, value = todo.pop()
        if isinstance(value, dict):
            inner = [(prefix + key.replace(":", "::"), item)
                     for key, item in value.items() if key not in DROPPED]
        elif isinstance(value, list):
            inner = [(prefix + str(n), item) for n, item in enumerate(value)]
        else:
            found.append((prefix[:-1].encode("utf-8"),
                          _value_text(value).encode("utf-8")))
            continue
        todo.extend((path + ":", item) for path, item in reversed(inner))
    return found


@functools.lru_cache(maxsize=16384)
def natural_key(path):
    """A key whose tuple order is PHP's natural order of the paths.

    Each byte is (byte,); a run of digits is one element that sorts among the
    bytes like a digit, and among runs by the two rules for runs.
    """
    if _PLAIN.match(path):
        return tuple((byte,) for byte in path)
    end = len(path)
    at = 0
    while at + 1 < end and path[at] == _ZERO \
            and _ZERO <= path[at + 1] <= _NINE:
        at += 1
    key = []
    after_run = False
    while at < end:
        if not after_run:
            while at < end and path[at] in _WHITE:
                at += 1
            if at == end:               # PHP compares the ending NUL then
                key.append((0,))
                break
        after_run = False
        byte = path[at]
        if not _ZERO <= byte <= _NINE:
            key.append((byte,))
            at += 1
            continue
        start = at
        while at < end and _ZERO <= path[at] <= _NINE:
            at += 1
        run = path[start:at]
        if byte == _ZERO:
            key.append((_ZERO, 0, run))
        else:
            key.append((_ZERO, 1, len(run), run))
        after_run = True
    return tuple(key)


def canonical(document, order="natural"):
    """The string that is signed, as bytes."""
    found = leaves(document)
    if order == "bytes":
        found.sort(key=lambda leaf: leaf[0])
    else:
        found.sort(key=lambda leaf: natural_key(leaf[0]))
    return b";".join([path + b":" + value for path, value in found])


def sign_text(text, key):
    """The signature of a canonical string as Base64 text."""
    return base64.b64encode(hmac.digest(key, text, "sha512")).decode("ascii")


def sign(document, key, order="natural"):
    """The signature of a document as Base64 text."""
    return sign_text(canonical(document, order), key)


def verify(document, key, signature):
    """The order under which the signature is right, or None."""
    if not isinstance(signature, str):
        return None
    given = signature.encode("utf-8")
    for order in ORDERS:
        wanted = sign(document, key, order).encode("ascii")
        if hmac.compare_digest(wanted, given):
            return order
    return None


def find(document):
    """The signature of a callback and where it stands."""
    if isinstance(document.get("signature"), str):
        return document["signature"], "top"
    general = document.get("general")
    if isinstance(general, dict) and isinstance(general.get("signature"), str):
        return general["signature"], "general"
    return None, None
