"""Options of both programs: nonsense is refused, with a reason."""

import os
import subprocess
import sys
import tempfile
import unittest

from base import TOP


class Options(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.key = cls.file("key", b"secret\n")

    @classmethod
    def file(cls, name, data):
        path = os.path.join(cls.directory.name, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def run_program(self, name, *words):
        return subprocess.run(
            [sys.executable, "-B", os.path.join(TOP, "util", name), *words],
            capture_output=True, text=True, timeout=20, check=False)

    def refused(self, reason, *words, program="gatesim", code=2):
        done = self.run_program(program, *words)
        self.assertEqual(done.returncode, code, (words, done.stderr))
        self.assertEqual(done.stdout, "")
        self.assertIn(reason, done.stderr, words)
        self.assertLess(done.stderr.count("\n"), 3, words)
        self.assertNotIn("Traceback", done.stderr)

    def options_refused(self, reason, option, *values):
        for value in values:
            self.refused(reason, "--listen", "127.0.0.1:0", "--project",
                         "1=" + self.key, "%s=%s" % (option, value))

    def test_version(self):
        with open(os.path.join(TOP, "CHANGES.md"), encoding="utf-8") as file:
            version = [line.split()[1] for line in file
                       if line.startswith("## ")][0]
        for name in ("gatesim", "payout-service"):
            done = self.run_program(name, "--version")
            self.assertEqual((done.returncode, done.stdout),
                             (0, "%s (nginx-gate) %s\n" % (name, version)))

    def test_times(self):
        for option in ("--callback-delay", "--time-scale",
                       "--callback-timeout", "--clarification-timeout"):
            self.options_refused("is not a number from 0", option, "-1",
                                 "nan", "inf", "1e400", "x", "", "1s")
        self.options_refused("0 would fail", "--callback-timeout", "0")

    def test_counts(self):
        for option in ("--max-tries", "--keep", "--callback-concurrency"):
            self.options_refused("is not a whole number from 1 to", option,
                                 "0", "-1", "1.5", "1_0", "+1", " 1", "x", "",
                                 "\u0661", "9" * 30)

    def test_addresses(self):
        for option in ("--listen", "--plain"):
            self.options_refused("is neither HOST:PORT nor unix:/PATH",
                                 option, "8080", "localhost", ":80", "",
                                 "::1:80", "a b:80", "http://127.0.0.1:80")
            self.options_refused("is not a whole number from 0 to 65535",
                                 option, "127.0.0.1:", "127.0.0.1:65536",
                                 "127.0.0.1:-1", "127.0.0.1:http")
            self.options_refused("with a whole path", option, "unix:x",
                                 "unix:")
        self.refused("is neither", "--listen", "80", program="payout-service")

    def test_url(self):
        self.options_refused("address", "--callback-url", "", "x",
                             "ftp://a/b", "127.0.0.1:80/x", "http://",
                             "http://a b/")
        self.options_refused("Port", "--callback-url", "http://a:99999/")
        self.options_refused("is not http://unix:/SOCKET:/URI",
                             "--callback-url", "http://unix:x:/y")

    def test_projects(self):
        self.options_refused("is not ID=KEYFILE", "--project", "1", "1=", "=")
        self.options_refused("is no id of a project", "--project", "0=x",
                             "01=x")
        self.options_refused("is not a whole number from 1 to 4294967295",
                             "--project", "4294967296=x", "-1=x", "a=x",
                             "\u00b2=x")
        listen = ("--listen", "127.0.0.1:0")
        self.refused("no --project", *listen, code=1)
        self.refused("given twice", *listen, "--project", "1=" + self.key,
                     "--project", "1=" + self.key, code=1)
        self.refused("No such file", *listen, "--project", "1=/none", code=1)
        empty = self.file("empty", b"\r\n")
        self.refused("is empty", *listen, "--project", "1=" + empty, code=1)
        large = self.file("large", b"k" * 4097)
        self.refused("more than 4096", *listen, "--project", "1=" + large,
                     code=1)
        lines = self.file("lines", b"# projects\n\n1=%s\nx\n"
                          % self.key.encode())
        self.refused("is not ID=KEYFILE", *listen, "--projects-file", lines,
                     code=1)

    def test_outcome(self):
        self.options_refused("is no outcome", "--outcome", "", "maybe", "{",
                             "{}", '{"x":1}', "[]")

    def test_words(self):
        project = ("--project", "1=" + self.key)
        listen = ("--listen", "127.0.0.1:0")
        self.refused("no --listen", *project)
        self.refused("go together", *project, *listen, "--tls-cert", self.key)
        self.refused("one of them", *project, *listen, "--callback-insecure",
                     "--callback-ca", self.key)
        self.refused("unrecognized", *project, *listen, "--callback-d=1")
        self.refused("unrecognized", *project, *listen, "more")
        self.refused("unrecognized", *listen, "more",
                     program="payout-service")


if __name__ == "__main__":
    unittest.main()
