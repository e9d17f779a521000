"""Random JSON documents, written in random ways, and documents gone bad."""

import random

WORDS = ("a", "b", "id", "customer", "payment", "amount", "errors", "list",
         "project_id", "payment_id", "x", "X", "Key", "z-1")
CHARS = "aZk0192 :;\"\\/\t\n\r\b\f\0\x01\x1f\x7f\u00e9\u0416\u2028\ufeff" \
    "\ufffe\uffff\ud7ff\ue000\u4e2d\U0001f600\U0010ffff\u0661\u00a0\u3000"
ORDER = "aab00123459 \t:.-"
SIMPLE = ("a", "ab", "abc", "b", "A", "a_", "_", "~", "\u00e9", "general",
          "customer", "customer_id", "customer_ip", "customers", "customer_",
          "payment", "signature", "frame_mode", "frame_modes", "account",
          "project_id", "project_", "project_ie", "payment_id", "amount",
          "z;", "z", "\U0001f600", "signatur", "signatures")
SHORT = {"\"": "\"", "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n",
         "\r": "r", "\t": "t"}
NUMBERS = ("0", "-0", "1", "-1", "0.0", "-0.0", "1.10", "100.00", "1e2",
           "9223372036854775807", "9223372036854775808",
           "-9223372036854775808", "-9223372036854775809", "1E+25", "1e-7",
           "0.0001", "0.00001", "1e308", "1.8e308", "-1e309", "5e-324",
           "1e-400", "99999999999999.5", "99999999999999.4",
           "0.000099999999999999995", "123456789012345.5", "2.5e-5",
           "9007199254740993.0", "1e14", "1e13", "1.0e+15", "0e999")


class Writer:
    """Makes documents from a source of random numbers."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def document(self):
        """Return the bytes of a valid object."""
        self.budget = self.random.choice((2, 4, 4, 8, 8, 8, 16, 60))
        self.simple = self.random.random() < 0.3
        loose = self.random.random() < 0.5
        self.spaces = ("", " ", "\n", "\t", "\r\n", "  ") if loose else ("",)
        self.escape = self.random.choice((0, 0, 0.1, 0.6))
        text = self.space() + self.top() + self.space()
        return text.encode()

    def top(self):
        """Often shaped as requests and callbacks are."""
        members = {}
        if self.random.random() < 0.6:
            members["general"] = self.general()
        if self.random.random() < 0.3:
            members["signature"] = self.signature()
        if self.random.random() < 0.3:
            members["project_id"] = self.random.choice(
                ("1234", "77", "\"1234\"", "1234.0", "null"))
        return self.object(1, members)

    def general(self):
        """An object with or without our two members; rarely another type."""
        if self.random.random() < 0.05:
            return self.value(1)
        members = {}
        if self.random.random() < 0.4:
            members["project_id"] = self.random.choice(
                ("1234", "1234", "1234", "77", "1e3", "\"1234\"", "-1",
                 "4294967296"))
        if self.random.random() < 0.4:
            members["signature"] = self.signature()
        return self.object(2, members)

    def signature(self):
        """Of any type."""
        if self.random.random() < 0.7:
            return self.string("kUi2x9dKHAVNU0FYldJrxh4yo==")
        return self.value(3)

    def value(self, depth):
        """Any JSON value."""
        self.budget -= 1
        kind = self.random.random()
        if depth < 9 and self.budget > 0:
            if kind < 0.25:
                return self.object(depth + 1, {})
            if kind < 0.42 and not self.simple:
                return self.array(depth + 1)
        if kind < 0.6:
            return self.number()
        if kind < 0.7:
            return self.random.choice(("true", "false", "null"))
        return self.string(self.text())

    def object(self, depth, members):
        """Members in random order, with keys that differ."""
        members = dict(members)
        for _ in range(self.random.choice((0, 1, 2, 3, 3, 5))):
            members.setdefault(self.key(), None)
        if self.random.random() < 0.03 and not self.simple:
            for index in range(self.random.choice((15, 16, 17, 40))):
                members.setdefault("m%d" % index, "1")
        items = list(members.items())
        self.random.shuffle(items)
        items = [self.string(key) + self.space() + ":" + self.space()
                 + (value or self.value(depth)) + self.space()
                 for key, value in items]
        return "{" + self.space() + ("," + self.space()).join(items) + "}"

    def array(self, depth):
        """Sometimes of more than ten items."""
        count = self.random.choice((0, 1, 2, 3, 4, 11, 12, 23))
        items = [self.value(depth) if self.budget > 0 else self.number()
                 for _ in range(count)]
        return "[" + self.space() \
            + (self.space() + "," + self.space()).join(items) + "]"

    def key(self):
        """Words, and what natural order is about; or words alone."""
        if self.simple:
            return self.random.choice(SIMPLE)
        kind = self.random.random()
        if kind < 0.35:
            return self.random.choice(WORDS)
        if kind < 0.42:
            return self.random.choice(("signature", "frame_mode", "general",
                                       " general", "project_ id",
                                       "signature ", "Signature", ""))
        if kind < 0.7:
            return "".join(self.random.choices(
                ORDER, k=self.random.randrange(7)))
        if kind < 0.8:
            return self.random.choice(WORDS) + str(self.random.randrange(120))
        return self.text()

    def text(self):
        """Any characters, mostly few."""
        length = self.random.choice((0, 1, 2, 3, 5, 8, 13, 40))
        chars = CHARS if self.random.random() < 0.5 else "abcdef ghij0123"
        return "".join(self.random.choices(chars, k=length))

    def string(self, text):
        """A JSON string; its escapes are a matter of chance."""
        return "\"" + "".join(self.char(char) for char in text) + "\""

    def char(self, char):
        """One character in one of its spellings."""
        must = char in "\"\\" or char < " "
        if not must and self.random.random() >= self.escape:
            return char
        if char in SHORT and self.random.random() < 0.6:
            return "\\" + SHORT[char]
        units = char.encode("utf-16-be")
        form = self.random.choice(("\\u%02x%02x", "\\u%02X%02X"))
        return "".join(form % (units[i], units[i + 1])
                       for i in range(0, len(units), 2))

    def number(self):
        """Integers, decimals, exponents, and the edges of all of them."""
        kind = self.random.random()
        if kind < 0.3:
            return self.random.choice(NUMBERS)
        sign = self.random.choice(("", "", "-"))
        if kind < 0.55:
            return sign + str(self.random.randrange(
                10 ** self.random.randrange(1, 24)))
        whole = str(self.random.randrange(10 ** self.random.randrange(1, 18)))
        tail = "".join(self.random.choices(
            "0123456789005", k=self.random.randrange(1, 19)))
        text = sign + whole + "." + tail
        if kind < 0.8:
            return text
        return text + self.random.choice(("e", "E", "e+", "e-", "E-")) \
            + str(self.random.choice((0, 1, 5, 9, 13, 14, 20, 300, 330)))

    def space(self):
        """White space, or none."""
        return self.random.choice(self.spaces)

    def damage(self, text):
        """Return the bytes with something done to them; often not JSON."""
        return self.random.choice(DAMAGES)(self.random, text)


def place(chance, text):
    """An index into the text, its end included."""
    return chance.randrange(len(text) + 1)


def insert(chance, text, part):
    """Put bytes somewhere."""
    i = place(chance, text)
    return text[:i] + part + text[i:]


def flip(chance, text):
    """Change a byte."""
    i = place(chance, text[1:])
    return text[:i] + bytes((chance.randrange(256),)) + text[i + 1:]


def cut(chance, text):
    """Lose a few bytes."""
    i = place(chance, text)
    return text[:i] + text[i + chance.choice((1, 1, 2, 5)):]


def shorten(chance, text):
    """Lose the end."""
    return text[:place(chance, text)]


def structure(chance, text):
    """Add a character of JSON's own."""
    return insert(chance, text, chance.choice(
        (b"{", b"}", b"[", b"]", b",", b":", b"\"", b"\\", b"0", b"-", b".",
         b"e", b" ", b"/", b"null", b"tru", b"{}", b"\"\"", b"\v", b"\f",
         b"\xc2\xa0", b"//", b"NaN")))


def bad_utf8(chance, text):
    """Bytes that are no UTF-8, or only almost."""
    return insert(chance, text, chance.choice(
        (b"\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xed\xa0\x80",
         b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80",
         b"\xf5\x80\x80\x80", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98",
         b"\xed\x9f\xbf", b"\xf4\x8f\xbf\xbf")))


def surrogates(chance, text):
    """Halves of characters, at the start of a string."""
    quotes = [i for i, byte in enumerate(text) if byte == 0x22]
    if not quotes:
        return text
    i = chance.choice(quotes) + 1
    part = chance.choice(
        (b"\\ud800", b"\\udfff", b"\\ud83d\\ud83d", b"\\ude00\\ud83d",
         b"\\uD83Dx", b"\\ud83d\\n", b"\\ud83d\\\\ude00", b"\\ud83d\\u0041",
         b"\\ud83d\\ude00", b"\\uDBFF\\uDFFF", b"\\ude00\\ude00",
         b"\\ud83", b"\\ud83g"))
    return text[:i] + part + text[i:]


def duplicate(chance, text):
    """Members that may be there, in two spellings."""
    brace = [i for i, byte in enumerate(text) if byte == 0x7b]
    i = chance.choice(brace) + 1
    part = chance.choice(
        (b"\"a\":1,\"\\u0061\":2,", b"\"a\":0,", b"\"general\":{},",
         b"\"\":1,", b"\"\\u0000\":1,\"\\u0000\":2,", b"\"m3\":1,",
         b"\"project_id\":1,", b"\"new\":1,\"ne\\u0077\":[],",
         b"\"n\":1,\"n\\u0000\":2,"))
    if text[i:].lstrip(b" \t\r\n").startswith(b"}"):
        part = part[:-1]
    return text[:i] + part + text[i:]


def trailing(chance, text):
    """Something behind the object."""
    return text + chance.choice(
        (b"{}", b"x", b",", b"\0", b"\xef\xbb\xbf", b"\"", b"\"abc", b"12",
         b"-", b"tru", b"null", b"}", b" ", b"\r\n", b"\v", b"//", b"[")) \
        + chance.choice((b"", b" ", b"\n"))


def before(chance, text):
    """Something before it, or around it."""
    return chance.choice((b"\xef\xbb\xbf", b"\0", b" ", b"x", b"[", b"\v",
                          b"\xff\xfe", b"{}")) + text


def nested(chance, text):
    """Levels around the limit."""
    levels = chance.choice((20, 30, 31, 32, 33, 40, 600))
    kind = chance.choice(((b"[", b"]"), (b"{\"a\":", b"}")))
    return b"{\"d\":" + kind[0] * levels + text + kind[1] * levels + b"}"


def top_level(chance, text):
    """Another type at the top."""
    return chance.choice((b"[" + text + b"]", b"null", b"1", b"\"x\"", b"",
                          b"true", b"[]", b" "))


DAMAGES = (flip, flip, cut, shorten, structure, structure, bad_utf8,
           surrogates, surrogates, duplicate, duplicate, trailing, before,
           nested, top_level)
