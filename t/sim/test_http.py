"""Transport: shapes of requests, sockets, TLS, start and end."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import unittest

from base import MOBILE, TOP, Client, Program, SimCase, payout, raw, signed


class Transport(SimCase):

    def request(self, payment_id, *headers, version="1.1", body=None):
        body = json.dumps(payout(payment_id)).encode() if body is None \
            else body
        lines = ["POST %s HTTP/%s" % (MOBILE, version), "Host: gate"]
        lines.extend(headers)
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def sized(self, payment_id, *headers, **more):
        body = json.dumps(payout(payment_id)).encode()
        return self.request(payment_id, "Content-Length: %d" % len(body),
                            *headers, body=body, **more)

    def test_keep_alive(self):
        self.pay("p1")
        sock = self.sim.connection.sock
        self.pay("p2")
        self.assertIs(self.sim.connection.sock, sock)

    def test_pipelined(self):
        data = self.sized("p1") + self.sized("p2") + self.sized("p1")
        answer = raw(self.sim_address, data, 3)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 2)
        self.assertEqual(answer.count(b'"code":"10105"'), 1)

    def test_many_connections(self):
        host, port = self.sim_address.split(":")
        sockets = []
        for number in range(300):
            sock = socket.create_connection((host, int(port)), 10)
            self.addCleanup(sock.close)
            sock.sendall(self.sized("p%d" % number))
            sockets.append(sock)
        for number, sock in enumerate(sockets):
            self.assertIn(b'"payment_id":"p%d"' % number, sock.recv(65536))
        self.idle()
        self.assertEqual(sorted(body["payment"]["id"]
                                for body in self.received()),
                         sorted("p%d" % n for n in range(300)))

    def test_pipelined_behind_a_slow_one(self):
        self.fault(delay_ms=20, payment_id="p1")
        answer = raw(self.sim_address, self.sized("p1") + self.sized("p2"), 2)
        self.assertLess(answer.index(b'"p1"'), answer.index(b'"p2"'))

    def test_chunked(self):
        body = json.dumps(payout("p1")).encode()
        chunks = b"".join(
            b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in
            (body[at:at + 100] for at in range(0, len(body), 100)))
        data = self.request("p1", "Transfer-Encoding: chunked",
                            body=chunks + b"0\r\nTrailer: x\r\n\r\n")
        host, port = self.sim_address.split(":")
        with socket.create_connection((host, int(port)), 10) as sock:
            for at in range(0, len(data), 37):
                sock.sendall(data[at:at + 37])
            self.assertIn(b"HTTP/1.1 200", sock.recv(65536))
        found = self.sim.get("/_control/requests?payment_id=p1")["requests"]
        self.assertEqual(found[0]["body"].encode(), body)

    def test_expect(self):
        body = json.dumps(payout("p1")).encode()
        head = self.request("p1", "Content-Length: %d" % len(body),
                            "Expect: 100-continue", body=b"")
        host, port = self.sim_address.split(":")
        with socket.create_connection((host, int(port)), 10) as sock:
            sock.sendall(head)
            self.assertEqual(sock.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            sock.sendall(body)
            self.assertIn(b"HTTP/1.1 200", sock.recv(65536))

    def test_connection_ends_when_asked(self):
        for data in (self.sized("p1", "Connection: close"),
                     self.sized("p2", version="1.0")):
            answer = raw(self.sim_address, data, 99)    # reads to the end
            self.assertIn(b"Connection: close", answer)

    def test_not_http(self):
        for data in (b"hello\r\n\r\n", b"POST / HTTP/2\r\n\r\n",
                     b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
                     b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"zz\r\n"):
            with self.subTest(data):
                answer = raw(self.sim_address, data, 99)
                self.assertIn(b"HTTP/1.1 400", answer)


class Start(SimCase):

    def start(self, *arguments):
        program = Program("gatesim", self.directory, *self.arguments,
                          *arguments)
        self.addCleanup(program.stop)
        return program

    def test_unix_socket_and_ready_file(self):
        path = os.path.join(self.directory, "gate.sock")
        ready = os.path.join(self.directory, "ready")
        log = os.path.join(self.directory, "events")
        sim = self.start("--listen", "unix:" + path, "--plain",
                         "127.0.0.1:0", "--ready-file", ready, "--log", log)
        sim.wait(2)
        with open(ready, encoding="utf-8") as file:
            self.assertEqual(file.read().split(),
                             [path, sim.addresses[1]])
        client = Client("localhost")
        client.connection.sock = socket.socket(socket.AF_UNIX)
        client.connection.sock.connect(path)
        self.assertEqual(client.post(MOBILE, payout("p 1"))[0], 200)
        client.close()
        other = Client(sim.addresses[1])
        self.assertEqual(other.get("/_control/payments")["total"], 1)
        other.close()
        sim.process.send_signal(signal.SIGTERM)
        self.assertEqual(sim.process.wait(10), 0)
        self.assertFalse(os.path.exists(path))
        with open(log, encoding="utf-8") as file:
            text = file.read()
        self.assertIn('payment="p 1"', text)
        self.assertNotIn("71234567890", text)
        self.assertNotIn("johndoe", text)

    def test_interrupt_with_work_under_way(self):
        sim = self.start("--listen", "127.0.0.1:0")
        sim.wait()
        client = Client(sim.addresses[0])
        client.post("/_control/faults", {"delay_ms": 60000})
        host, port = sim.addresses[0].split(":")
        with socket.create_connection((host, int(port))) as sock:
            body = json.dumps(payout("p1")).encode()
            sock.sendall(b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
                         % (MOBILE.encode(), len(body)) + body)
            client.get("/_control/wait?for=accepted")
            sim.process.send_signal(signal.SIGINT)
            self.assertEqual(sim.process.wait(10), 0)
        client.close()
        sim.log.flush()
        with open(sim.log.name, encoding="utf-8") as log:
            self.assertNotIn("Traceback", log.read())

    def test_bad_usage(self):
        empty = os.path.join(self.directory, "empty")
        open(empty, "wb").close()
        for arguments, message in (
                (["--project", "1=/nonexistent"], "nonexistent"),
                (["--project", "1=" + empty], "is empty"),
                ([], "no --project")):
            with self.subTest(message):
                result = subprocess.run(
                    [sys.executable, "-B",
                     os.path.join(TOP, "util", "gatesim"),
                     "--listen", "127.0.0.1:0", *arguments],
                    capture_output=True, timeout=20)
                self.assertEqual(result.returncode, 1)
                self.assertIn(message.encode(), result.stderr)

    @unittest.skipUnless(shutil.which("openssl"), "no openssl command")
    def test_tls(self):
        cert = os.path.join(self.directory, "cert.pem")
        key = os.path.join(self.directory, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
             "-out", cert, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        sim = self.start("--listen", "127.0.0.1:0", "--tls-cert", cert,
                         "--tls-key", key, "--plain", "127.0.0.1:0",
                         "--callback-delay", "0", "--callback-ca", cert)
        sim.wait(2)
        port = sim.addresses[0].split(":")[1]
        context = ssl.create_default_context(cafile=cert)
        client = http.client.HTTPConnection("localhost", timeout=20)
        # not every machine knows this name
        client.sock = context.wrap_socket(
            socket.create_connection(("127.0.0.1", int(port)), 20),
            server_hostname="localhost")
        body = payout("p1", sign=False)
        body["general"]["merchant_callback_url"] = \
            "https://%s/v2/payment/mobile/payout" % sim.addresses[0]
        client.request("POST", MOBILE, json.dumps(signed(body)))
        self.assertEqual(client.getresponse().status, 200)
        client.close()
        # its own answer to the callback proves that https delivery works
        plain = Client(sim.addresses[1])
        self.assertTrue(plain.get("/_control/wait?for=tries")["done"])
        tries = plain.get("/_control/callbacks")["callbacks"][0]["tries"]
        self.assertEqual(tries[0]["status"], 400)
        found = plain.get("/_control/requests?path=" + MOBILE)["requests"]
        self.assertTrue(found[0]["tls"])
        self.assertEqual(found[0]["sni"], "localhost")
        plain.close()


if __name__ == "__main__":
    unittest.main()
