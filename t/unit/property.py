#!/usr/bin/python3
"""Compares the core with a second implementation on random documents.

    property.py HELPER [DOCUMENTS [SEED]]     HELPER is a built canon_stdin.c
    property.py --corpus DIRECTORY COUNT      only writes documents to files

Half of the documents are valid, half went through some damage, which leaves
many of them valid.  Both sides must agree on whether a document is one, and if
so on canonical strings, signatures, verification and the spliced body.
"""

import json
import os
import random
import struct
import subprocess
import sys

import generate
import reference

OK, JSON, INVALID, PROJECT, UNSIGNED, MISMATCH = 0, 2, 4, 5, 6, 7
NONE, TOP, GENERAL = 0, 1, 2
PROJECT_ID = 1234


class Difference(Exception):
    """The core and the reference disagree."""


class Core:
    """The core behind a pipe."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def ask(self, text, secret, top_level, path=b""):
        """Return the answer as a dictionary."""
        question = struct.pack("<II", PROJECT_ID, top_level)
        for part in (secret, path, text):
            question += struct.pack("<I", len(part)) + part
        self.process.stdin.write(question)
        self.process.stdin.flush()
        answer = {"code": self.number(), "offset": self.number(),
                  "reason": self.text()}
        if answer["code"] != OK:
            return answer
        for order in ("natural", "bytes"):
            answer[order] = self.text()
            answer[order + " signature"] = self.text().decode()
        answer["callback digest"] = self.text()
        answer["verified"] = self.number()
        answer["place"] = self.number()
        answer["order"] = self.number()
        answer["planned"] = self.number()
        if answer["planned"] == OK:
            answer["payout digest"] = self.text()
            answer["body"] = self.text()
        return answer

    def number(self):
        """Read a number."""
        return struct.unpack("<I", self.read(4))[0]

    def text(self):
        """Read a text."""
        return self.read(self.number())

    def read(self, size):
        """Read so many bytes."""
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise Difference("the helper ended with %s"
                             % self.process.wait())
        return data

    def close(self):
        """End the helper; its exit code tells of leaks."""
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise Difference("the helper ended with %d"
                             % self.process.returncode)


def same(what, got, expected):
    """Raise where two things differ."""
    if got != expected:
        raise Difference("%s is %r, not %r" % (what, got, expected))


def compare(core, text, secret, top_level):
    """Compare one document; return whether it was valid."""
    answer = core.ask(text, secret, top_level)
    try:
        value = reference.read(text)
    except reference.Refused as refused:
        if answer["code"] != JSON:
            raise Difference("accepted, but: %s" % refused) from None
        if answer["offset"] > len(text) or not answer["reason"]:
            raise Difference("no place or reason") from None
        return False
    same("the code (%r at %d)" % (answer["reason"], answer["offset"]),
         answer["code"], OK)
    for order in ("natural", "bytes"):
        string = reference.canonical(value, order)
        same("the string in %s order" % order, answer[order], string)
        same("its signature", answer[order + " signature"],
             reference.sign(secret, string))
    compare_verdict(answer, value, secret)
    compare_splice(answer, text, value, secret, top_level)
    return True


def compare_verdict(answer, value, secret):
    """The document's own signature, if any, is an accident or a mismatch."""
    found = reference.member(value, "signature")
    place = TOP
    if found is None:
        general = reference.member(value, "general")
        found = general and reference.member(general[0], "signature")
        place = GENERAL
    if found is None:
        same("the verdict", answer["verified"], UNSIGNED)
        same("the place", answer["place"], NONE)
        return
    same("the place", answer["place"], place)
    natural = reference.sign(secret, reference.canonical(value))
    expected = OK if found[0] == natural else MISMATCH
    same("the verdict", answer["verified"], expected)


def compare_splice(answer, text, value, secret, top_level):
    """What was inserted, and that nothing else happened."""
    general = reference.member(value, "general")
    container = value if top_level else general and general[0]
    if not top_level and general is not None \
            and not isinstance(container, reference.Object):
        same("the plan", answer["planned"], INVALID)
        return
    project = reference.member(container, "project_id")
    if project is not None and project_code(project[0]) != OK:
        same("the plan", answer["planned"], project_code(project[0]))
        return
    same("the plan", answer["planned"], OK)
    body = answer["body"]
    new = reference.read(body)
    signature = signed_container(new, top_level)
    same("the signature in the body", signature,
         reference.sign(secret, reference.canonical(new)))
    insert = b"" if project is not None else b"\"project_id\":1234,"
    old = reference.member(container, "signature")
    if old is None:
        same("the rest", without(body, container, insert, signature), text)
        return
    if not any(only_replaced(candidate, text, signature, old[0])
               for candidate in removed(body, insert)):
        raise Difference("more than the signature was replaced")


def removed(body, insert):
    """Yield the body without the insert, for each place it may be at."""
    place = body.find(insert)
    while place != -1:
        yield body[:place] + body[place + len(insert):]
        place = body.find(insert, place + 1) if insert else -1


def only_replaced(body, text, signature, old):
    """Tell whether just the old signature is another in the body."""
    before, middle, after = body.partition(b"\"%s\"" % signature.encode())
    if not middle or not text.startswith(before) or not text.endswith(after):
        return False
    cut = text[len(before):len(text) - len(after)]
    try:
        return reference.read(b"{\"s\":" + cut + b"}") \
            == reference.Object([("s", old)])
    except reference.Refused:
        return False


def project_code(value):
    """What a client's project_id leads to."""
    if not isinstance(value, reference.Number) or set(value) & set(".eE-") \
            or not 1 <= int(value) <= 4294967295:
        return INVALID
    return OK if int(value) == PROJECT_ID else PROJECT


def signed_container(value, top_level):
    """Return the signature of the new body; its project_id must be ours."""
    if not top_level:
        value = reference.member(value, "general")[0]
    same("project_id", reference.member(value, "project_id"),
         (reference.Number(PROJECT_ID),))
    return reference.member(value, "signature")[0]


def without(body, container, insert, signature):
    """The body without the one text that was inserted."""
    insert += b"\"signature\":\"%s\"" % signature.encode()
    if container is None:
        insert = b"\"general\":{" + insert + b"}"
    for text in (insert + b",", insert):
        if text in body:
            return body.replace(text, b"", 1)
    return None


def compare_vectors(core):
    """The known signatures; they come through the helper as well."""
    path = os.path.join(os.path.dirname(__file__), "../data/vectors.json")
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)["vectors"]
    for vector in vectors:
        answer = core.ask(vector["document"].encode(),
                          vector["secret"].encode(), 0)
        value = reference.read(vector["document"].encode())
        string = vector["canonical"].encode()
        same(vector["name"], answer.get("natural"), string)
        same(vector["name"], reference.canonical(value), string)
        same(vector["name"], answer["natural signature"], vector["signature"])
    return len(vectors)


def compare_signed(core, writer, secret):
    """A document signed here, in either order, verifies there."""
    text = writer.document()
    try:
        value = [pair for pair in reference.read(text)
                 if pair[0] not in ("signature", "signed")]
    except reference.Refused:
        return
    order = writer.random.choice(("natural", "bytes"))
    string = reference.canonical(reference.Object(value), order)
    signature = reference.sign(secret, string).encode()
    text = text.strip()
    rest = text[1:].lstrip()
    if reference.member(reference.read(text), "signature") is not None:
        return
    comma = b"" if rest.startswith(b"}") else b","
    text = b"{\"signature\":\"%s\"%s%s" % (signature, comma, rest)
    string = reference.canonical(reference.read(text), order)
    if reference.sign(secret, string).encode() != signature:
        return
    answer = core.ask(text, secret, 0)
    same("the verdict", answer["verified"], OK)
    natural = answer["natural signature"].encode() == signature
    same("the order", answer["order"], 0 if natural else 1)


def run(helper, documents, seed):
    """Compare so many documents; report the first that differs."""
    core = Core([helper])
    writer = generate.Writer(seed)
    chance = random.Random(seed + 1)
    valid = 0
    text = b""
    try:
        vectors = compare_vectors(core)
        for count in range(documents):
            secret = bytes(chance.randrange(256)
                           for _ in range(chance.choice((1, 6, 32, 200))))
            text = writer.document()
            if count % 2:
                text = writer.damage(text)
            valid += compare(core, text, secret, count // 2 % 4 == 0)
            if count % 10 == 0:
                compare_signed(core, writer, secret)
        core.close()
    except Difference as difference:
        print("seed %d: %s\n%r" % (seed, difference, text), file=sys.stderr)
        return 1
    if valid < documents // 2 or valid > documents * 9 // 10:
        print("only %d valid documents" % valid, file=sys.stderr)
        return 1
    print("%d vectors, %d documents, %d of them valid, seed %d"
          % (vectors, documents, valid, seed))
    return 0


def corpus(directory, count):
    """Write documents as seeds for the fuzzer."""
    os.makedirs(directory, exist_ok=True)
    writer = generate.Writer(7)
    for index in range(count):
        text = writer.document()
        if index % 2:
            text = writer.damage(text)
        with open(os.path.join(directory, "%04d" % index), "wb") as file:
            file.write(text)
    return 0


def main(arguments):
    """Read the command line."""
    if len(arguments) == 3 and arguments[0] == "--corpus":
        return corpus(arguments[1], int(arguments[2]))
    if not 1 <= len(arguments) <= 3 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    documents = int(arguments[1]) if len(arguments) > 1 else 21000
    seed = int(arguments[2]) if len(arguments) > 2 else 1
    return run(arguments[0], documents, seed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
