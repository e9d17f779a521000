#!/usr/bin/python3
"""Looks at pairs of documents: equal digests belong to equal documents only.

    pairs.py HELPER [PAIRS [SEED]]            HELPER is a built canon_stdin.c

Equal documents differ in the order of keys, in escapes and in white space.
The others differ in one place, in where one thing ends and the next begins, in
what the gateway itself writes, or share the canonical string that Gate signs:
such pairs are made by letting one string hold the lines after it, or by
changing types that the string does not show.
"""

import functools
import random
import sys

import generate
import property as core
import reference

SECRET = b"secret"
PATHS = (b"/v2/payment/mobile/payout", b"/v2/payment/pix/payout", b"")
KINDS = ("equal", "changed", "alike", "shifted", "own", "alike", "other")


def normal(value):
    """A form that equal values share, and no others."""
    if isinstance(value, reference.Object):
        return ("object",) + tuple(sorted((key, normal(item))
                                          for key, item in value))
    if isinstance(value, list):
        return ("array",) + tuple(normal(item) for item in value)
    if isinstance(value, reference.Number):
        return ("number", str(value))
    if isinstance(value, str):
        return ("string", value)
    return ("literal", str(value))


def without_member(value, name):
    """The Object without a member."""
    return reference.Object((key, item) for key, item in value if key != name)


def of_callback(value):
    """What a callback's digest covers: all but its signature."""
    if reference.member(value, "signature") is not None:
        return normal(without_member(value, "signature"))
    return normal(in_general(value, "signature"))


def of_payout(value, path, top_level):
    """What a payout's digest covers: all but what the gateway writes."""
    for name in ("signature", "project_id"):
        value = without_member(value, name) if top_level \
            else in_general(value, name)
    return (path, normal(value))


def in_general(value, name):
    """The Object without a member of its "general"."""
    return reference.Object(
        (key, without_member(item, name)
         if key == "general" and isinstance(item, reference.Object) else item)
        for key, item in value)


class Pairs:
    """Makes pairs from a source of random numbers."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.writer = generate.Writer(seed)
        self.shuffled = True

    def write(self, value, shuffled):
        """Some text of the value."""
        self.shuffled = shuffled
        self.writer.spaces = ("", "", " ", "\n", "\r\n\t")
        self.writer.escape = self.random.choice((0, 0, 0.3, 1))
        return self.text(value).encode()

    def text(self, value):
        """With members in any order, unless told otherwise."""
        space = self.writer.space
        if isinstance(value, reference.Object):
            items = list(value)
            if self.shuffled:
                self.random.shuffle(items)
            items = [self.writer.string(key) + space() + ":" + space()
                     + self.text(item) for key, item in items]
            return "{" + space() + (space() + ",").join(items) + space() + "}"
        if isinstance(value, list):
            return "[" + (space() + "," + space()).join(
                self.text(item) for item in value) + space() + "]"
        if isinstance(value, reference.Number):
            return str(value)
        if isinstance(value, str):
            return self.writer.string(value)
        return {None: "null", True: "true", False: "false"}[value]

    def document(self):
        """A small one, so that pairs are often close."""
        while True:
            text = self.writer.document()
            if len(text) >= 1500:
                continue
            try:
                return reference.read(text)
            except reference.Refused:
                pass

    def equal(self):
        """The same document twice."""
        value = self.document()
        return value, value

    def changed(self):
        """One leaf, key or place is another."""
        value = self.document()
        other = self.change(value)
        if not isinstance(other, reference.Object):
            other = reference.Object([("", other)])
        return value, other

    def shifted(self):
        """What follows belongs to the one, or to the other."""
        value = self.document()
        key, text = self.writer.key(), self.writer.text() + "x"
        inner = [reference.Object([("b", text)]), [text]]
        left, right = self.random.choice((
            ([(key, text)], [(key + text[:1], text[1:])]),
            ([("a", inner[0]), ("c", text)],
             [("a", reference.Object([("b", text), ("c", text)]))]),
            ([("a", [inner[1], text])], [("a", [[text, text]])]),
            ([("a", [[], text])], [("a", [[text]])]),
            ([("a", text + "s"), ("b", "")], [("a", text), ("b", "s")]),
            ([("a", reference.Number("12")), ("b", reference.Number("3"))],
             [("a", reference.Number("1")), ("b", reference.Number("23"))])))
        return reference.Object(unique(list(value) + left)), \
            reference.Object(unique(list(value) + right))

    def own(self):
        """One of the two has what the gateway writes."""
        value = self.document()
        name, item = self.random.choice((
            ("signature", self.random.choice(("x", [], "x\0"))),
            ("project_id", reference.Number(core.PROJECT_ID))))
        members = without_member(value, "general")
        general = reference.Object([("payment_id", "p")])
        if self.random.random() < 0.5:
            members.append(("general", general))
            return members, reference.Object(
                unique(list(members) + [(name, item)]))
        return reference.Object(members + [("general", general)]), \
            reference.Object(members + [("general", reference.Object(
                general + [(name, item)]))])

    def other(self):
        """Two documents that are close only by accident."""
        return self.document(), self.document()

    def change(self, value):
        """Return the value with one change somewhere in it."""
        if isinstance(value, reference.Object) and value \
                and self.random.random() < 0.8:
            items = list(value)
            index = self.random.randrange(len(items))
            items[index] = self.change_member(items[index])
            return reference.Object(unique(items))
        if isinstance(value, list) and value and self.random.random() < 0.8:
            items = list(value)
            index = self.random.randrange(len(items))
            if self.random.random() < 0.2:
                items.insert(index, items[index])
            else:
                items[index] = self.change(items[index])
            return type(value)(items) if not isinstance(
                value, reference.Object) else value
        return self.other_leaf(value)

    def change_member(self, member):
        """Another key or another value."""
        key, item = member
        if self.random.random() < 0.2:
            return key + self.random.choice(("x", "\0", ":", "")), item
        return key, self.change(item)

    def other_leaf(self, value):
        """Something in place of a value; often it is signed alike."""
        if isinstance(value, reference.Object):
            return reference.Object() if value else []
        if isinstance(value, list):
            return [] if value else self.random.choice((
                reference.Object(), None, ""))
        if isinstance(value, reference.Number):
            return self.random.choice((
                str(value), reference.number(value), reference.Number(
                    value + ("0" if "." in value and "e" not in value.lower()
                             else "")), True, [value]))
        if isinstance(value, str):
            return self.random.choice((
                value + "\0", value[:-1], value + ";", None, [value]))
        return self.random.choice((
            "", "0", "1", reference.Number("0"), reference.Number("1"), None,
            True, False, []))

    def alike(self):
        """Two documents with one canonical string, if the first has any."""
        value = self.document()
        return value, self.random.choice((self.melt, self.retype))(value)

    def melt(self, value):
        """Let a string hold the line that is signed after it."""
        places = list(places_of(value, (), None))
        places.sort(key=functools.cmp_to_key(
            lambda x, y: reference.natural(x[1], y[1])))
        if len(places) < 2:
            return self.retype(value)
        index = self.random.choice(range(len(places) - 1))
        place, _ = places[index]
        victim, line = places[index + 1]
        text = reference.plain(at(value, place)) + ";" + line.decode() + ":" \
            + reference.plain(at(value, victim))
        return removed(replaced(value, place, text), victim)

    def retype(self, value):
        """Change what the canonical string does not show."""
        if isinstance(value, reference.Object):
            return reference.Object((key, self.retype(item))
                                    for key, item in value)
        if isinstance(value, list):
            items = [self.retype(item) for item in value]
            if self.random.random() < 0.5:
                return reference.Object((str(index), item) for index, item
                                        in enumerate(items))
            return items
        if self.random.random() < 0.5:
            return value
        return reference.plain(value)


def unique(items):
    """Members with keys that differ."""
    return list({key: (key, item) for key, item in items}.values())


def places_of(value, place, path):
    """The leaves that are signed: place and path."""
    if isinstance(value, list):
        pairs = value if isinstance(value, reference.Object) \
            else [(str(index), item) for index, item in enumerate(value)]
        for index, (key, item) in enumerate(pairs):
            keyed = isinstance(value, reference.Object)
            if keyed and key in reference.DROPPED:
                continue
            name = key.replace(":", "::") if keyed else key
            yield from places_of(item, place + (index,), name if path is None
                                 else path + ":" + name)
        return
    yield place, path.encode()


def at(value, place):
    """What stands at a place: indexes of members and items."""
    for index in place:
        value = value[index]
        if isinstance(value, tuple):
            value = value[1]
    return value


def replaced(value, place, text):
    """The document with another leaf at a place."""
    if not place:
        return text
    items = list(value)
    old = items[place[0]]
    if isinstance(value, reference.Object):
        items[place[0]] = (old[0], replaced(old[1], place[1:], text))
        return reference.Object(items)
    items[place[0]] = replaced(old, place[1:], text)
    return items


def removed(value, place):
    """The document without a leaf; an item leaves an empty array behind."""
    items = list(value)
    old = items[place[0]]
    if isinstance(value, reference.Object):
        if len(place) == 1:
            del items[place[0]]
        else:
            items[place[0]] = (old[0], removed(old[1], place[1:]))
        return reference.Object(items)
    items[place[0]] = removed(old, place[1:]) if len(place) > 1 else []
    return items


def compare(helper, pairs, kind, counts):
    """Compare the digests of one pair with what it is."""
    values = getattr(pairs, kind)()
    while any(map(reference.loses_key, values)):
        values = getattr(pairs, kind)()
    # paths that sort alike are signed in the order of the document
    texts = [pairs.write(value, kind != "alike") for value in values]
    top_level = pairs.random.random() < 0.3
    paths = [pairs.random.choice(PATHS)]
    paths.append(paths[0] if pairs.random.random() < 0.9
                 else pairs.random.choice(PATHS))
    answers = [helper.ask(text, SECRET, top_level, path)
               for text, path in zip(texts, paths)]
    for answer in answers:
        core.same("the code (%r)" % answer["reason"], answer["code"], core.OK)
    alike = answers[0]["natural"] == answers[1]["natural"]
    if kind == "alike":
        core.same("one canonical string", alike, True)
    equal = of_callback(values[0]) == of_callback(values[1])
    core.same("equal digests of callbacks", answers[0]["callback digest"]
              == answers[1]["callback digest"], equal)
    counts["equal"] += equal
    counts["alike"] += alike and not equal
    if all(answer["planned"] == core.OK for answer in answers):
        equal = of_payout(values[0], paths[0], top_level) \
            == of_payout(values[1], paths[1], top_level)
        core.same("equal digests of payouts", answers[0]["payout digest"]
                  == answers[1]["payout digest"], equal)
        counts["payouts"] += 1
    return texts


def run(command, number, seed):
    """Compare so many pairs; return the exit code."""
    helper = core.Core([command])
    pairs = Pairs(seed)
    counts = {"equal": 0, "alike": 0, "payouts": 0}
    texts = []
    try:
        for count in range(number):
            kind = KINDS[count % len(KINDS)]
            texts = [kind, count]
            texts = compare(helper, pairs, kind, counts)
        helper.close()
    except core.Difference as difference:
        print("seed %d: %s\n%r" % (seed, difference, texts), file=sys.stderr)
        return 1
    if min(counts.values()) < number // 5:
        print("too few: %r" % counts, file=sys.stderr)
        return 1
    print("%d pairs, %d equal, %d with one canonical string but not equal, "
          "%d could be payouts, seed %d"
          % (number, counts["equal"], counts["alike"], counts["payouts"],
             seed))
    return 0


def main(arguments):
    """Read the command line."""
    if not 1 <= len(arguments) <= 3 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    number = int(arguments[1]) if len(arguments) > 1 else 6000
    seed = int(arguments[2]) if len(arguments) > 2 else 1
    return run(arguments[0], number, seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
