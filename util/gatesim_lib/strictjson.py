"""Reading JSON the way a party that checks signatures has to: anything that
two parsers could understand differently is an error."""

import json

MAX_DEPTH = 512
INT64_MIN, INT64_MAX = -2 ** 63, 2 ** 63 - 1


class BadJson(ValueError):
    """The text is not one unambiguous JSON object."""


def _integer(text):
    """An integer within 64 bits stays one, beyond it PHP makes a double."""
    if len(text) <= 20:
        value = int(text)
        if INT64_MIN <= value <= INT64_MAX:
            return value
    return float(text)


def _constant(text):
    raise BadJson("%s is not JSON" % text)


def _members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadJson("duplicate key")
    return members


_decoder = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer,
                            parse_float=float, parse_constant=_constant)


def _check_tree(top):
    """Depth and lone surrogates, without recursion."""
    todo = [(top, 1)]
    while todo:
        value, depth = todo.pop()
        if isinstance(value, str):
            value.encode("utf-8")
        elif isinstance(value, (dict, list)):
            if depth > MAX_DEPTH:
                raise BadJson("nested too deeply")
            if isinstance(value, dict):
                for key in value:
                    key.encode("utf-8")
                value = value.values()
            todo.extend((item, depth + 1) for item in value)


def read(body):
    """The object that the bytes spell, or BadJson."""
    try:
        text = body.decode("utf-8")
        if text.startswith("\ufeff"):
            raise BadJson("byte order mark")
        document = _decoder.decode(text)
        # surrogates come from escapes only, depth from brackets only
        if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
            _check_tree(document)
    except BadJson:
        raise
    except RecursionError:
        raise BadJson("nested too deeply") from None
    except UnicodeError:
        raise BadJson("not valid UTF-8") from None
    except ValueError as error:
        raise BadJson(str(error)) from None
    if not isinstance(document, dict):
        raise BadJson("not an object")
    return document
