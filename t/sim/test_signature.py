"""The canonical string and the reader of the simulator."""

import json
import os
import unittest

from base import TOP, signature
from gatesim_lib import strictjson

VECTORS = os.path.join(TOP, "t", "data", "vectors.json")


class Vectors(unittest.TestCase):

    def test_vectors(self):
        with open(VECTORS, encoding="utf-8") as file:
            vectors = json.load(file)["vectors"]
        self.assertGreater(len(vectors), 30)
        for vector in vectors:
            with self.subTest(vector["name"]):
                document = strictjson.read(vector["document"].encode("utf-8"))
                self.assertEqual(
                    signature.canonical(document).decode("utf-8"),
                    vector["canonical"])
                self.assertEqual(
                    signature.sign(document, vector["secret"].encode()),
                    vector["signature"])


class Canonical(unittest.TestCase):

    def string(self, text, order="natural"):
        document = strictjson.read(text.encode("utf-8"))
        return signature.canonical(document, order).decode("utf-8")

    def test_leaves(self):
        self.assertEqual(
            self.string('{"b":{"x:y":true,"n":null,"e":{}},"a":[1,[],"z"],'
                        '"signature":{"q":1},"f":{"frame_mode":2,"g":false}}'),
            "a:0:1;a:2:z;b:n:;b:x::y:1;f:g:0")

    def test_numbers(self):
        cases = {
            "-0": "0", "-0.0": "-0", "1.10": "1.1", "100.00": "100",
            "1e2": "100", "1e25": "1.0E+25", "1e-7": "1.0E-7",
            "0.0001": "0.0001", "0.00001": "1.0E-5", "1e14": "1.0E+14",
            "99999999999999.0": "99999999999999",
            "123456789012345.0": "1.2345678901234E+14",
            "9223372036854775807": "9223372036854775807",
            "9223372036854775808": "9.2233720368548E+18",
            "-9223372036854775808": "-9223372036854775808",
            "1e999": "INF", "-1e999": "-INF", "1.5e-7": "1.5E-7",
            "0.1e1": "1", "-12.50": "-12.5",
        }
        for text, wanted in cases.items():
            with self.subTest(text):
                self.assertEqual(self.string('{"a":%s}' % text),
                                 "a:" + wanted)

    def test_natural_order(self):
        ordered = [[""], [" "], ["01", "1", "001"], ["02", "2"], ["10"],
                   ["a"], ["a0"], ["a00"], ["a01"], ["a1"], ["a2"],
                   ["a10"], ["a b", "ab", "a  b"], ["b"]]
        ranks = [[signature.natural_key(path.encode()) for path in equal]
                 for equal in ordered]
        for low, equal in enumerate(ranks):
            self.assertEqual(len(set(equal)), 1, ordered[low])
            for high in range(low + 1, len(ranks)):
                with self.subTest(low=ordered[low], high=ordered[high]):
                    self.assertLess(equal[0], ranks[high][0])

    def test_long_lists(self):
        text = json.dumps({"e": ["v%d" % n for n in range(12)]})
        natural = self.string(text).split(";")
        self.assertEqual(natural[2], "e:2:v2")
        self.assertEqual(natural[10], "e:10:v10")
        self.assertEqual(self.string(text, "bytes").split(";")[2],
                         "e:10:v10")

    def test_verify(self):
        document = {"e": list(range(12))}
        for order in signature.ORDERS:
            text = signature.sign(document, b"k", order)
            self.assertEqual(signature.verify(document, b"k", text), order)
            self.assertIsNone(signature.verify(document, b"x", text))
            self.assertIsNone(signature.verify(document, b"k", text[:-1]))
            self.assertIsNone(signature.verify(document, b"k", text + "="))
        self.assertIsNone(signature.verify(document, b"k", None))
        self.assertIsNone(signature.verify(document, b"k", "\u20ac"))


class Reader(unittest.TestCase):

    def test_refused(self):
        cases = [
            b"", b"[]", b"1", b'"x"', b"null", b"{", b'{"a":1}x', b'{"a":01}',
            b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"a":NaN}',
            b'{"a":Infinity}', b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}',
            b'{"a":"\xed\xa0\x80"}', b'{"a":"\\ud800"}', b'{"\\udc00":1}',
            b'{"a":"\\ud800\\u0041"}', b'\xef\xbb\xbf{}', b'{"a":"\n"}',
            b'{"a":+1}', b'{"a":.5}', b'{"a":1.}', b"{'a':1}", b'{"a":1,}',
            b'{"a":' + b"[" * 600 + b"]" * 600 + b"}",
            b'{"a":' * 5000 + b"1" + b"}" * 5000,
        ]
        for body in cases:
            with self.subTest(body[:40]):
                with self.assertRaises(strictjson.BadJson):
                    strictjson.read(body)

    def test_accepted(self):
        self.assertEqual(strictjson.read(b' {"a" : ["\\ud83d\\ude00"]}\r\n'),
                         {"a": ["\U0001f600"]})
        deep = b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"
        self.assertIn("a", strictjson.read(deep))
        self.assertEqual(strictjson.read(b'{"a":1,"b":{"a":2}}')["b"]["a"], 2)


if __name__ == "__main__":
    unittest.main()
