"""Starts the simulator and a service, and talks to both."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "util"))

from gatesim_lib import signature                           # noqa: E402

KEYS = {1234: b"kz key", 123: b"usd key"}
MOBILE = "/v2/payment/mobile/payout"
TOKEN = "/v2/payment/card/payout/token"


class Program:
    """One of util/*, listening on a port of its own choice."""

    def __init__(self, name, directory, *arguments):
        self.log = open(os.path.join(directory, name + ".log"), "ab")
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(TOP, "util", name),
             *arguments],
            stdout=subprocess.PIPE, stderr=self.log)
        self.addresses = []

    def wait(self, count=1):
        """The addresses it tells."""
        for _ in range(count):
            line = self.process.stdout.readline().decode()
            if not line.startswith("listening on "):
                self.log.flush()
                with open(self.log.name, encoding="utf-8") as log:
                    raise RuntimeError("did not start: " + log.read())
            self.addresses.append(line.split()[-1])
        return self.addresses[0]

    def stop(self):
        """Its exit status."""
        self.process.terminate()
        status = self.process.wait(10)
        self.process.stdout.close()
        self.log.close()
        return status


class Client:
    """A keep-alive connection that speaks JSON."""

    def __init__(self, address):
        self.address = address
        self.connection = http.client.HTTPConnection(address, timeout=20)

    def call(self, method, path, body=None):
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8")
        self.connection.request(method, path, body,
                                {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None

    def get(self, path):
        return self.call("GET", path)[1]

    def post(self, path, body=None):
        return self.call("POST", path, {} if body is None else body)

    def close(self):
        self.connection.close()


def raw(address, data, answers=1):
    """Sends bytes as they are; what came back until the peer closed, or
    until so many answers came."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(data)
        received = b""
        while received.count(b"HTTP/1.1 ") < answers \
                or not received.endswith((b"}", b"]", b"\r\n\r\n")):
            more = sock.recv(65536)
            if not more:
                break
            received += more
        return received


def payout(payment_id, path=MOBILE, sign=True, key=None, **more):
    """A valid body for an endpoint; `more` replaces top-level members."""
    project = 1234 if path == MOBILE else 123
    body = {
        "general": {"project_id": project, "payment_id": payment_id},
        "customer": {"id": "customer_123", "ip_address": "198.51.100.47",
                     "first_name": "John", "last_name": "Doe",
                     "email": "johndoe@example.com"},
        "payment": {"amount": 100000, "currency": "KZT"},
    }
    if path == MOBILE:
        body["account"] = {"number": "71234567890"}
    else:
        body["token"] = "pkmawa3khb7wninntq8g8q3592fjjxwvzfebwbegqkl1c16a"
    body.update(more)
    return signed(body, key) if sign else body


def signed(body, key=None):
    """Adds the signature where requests have it."""
    project = body.get("general", {}).get("project_id",
                                          body.get("project_id"))
    text = signature.sign(body, key or KEYS.get(project, b"no key"))
    if "general" in body:
        body["general"]["signature"] = text
    else:
        body["signature"] = text
    return body


class SimCase(unittest.TestCase):
    """One simulator and one service for a class, reset for each test."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="gatesim-test-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        arguments = []
        for project, key in KEYS.items():
            path = os.path.join(cls.directory, "%d.key" % project)
            with open(path, "wb") as file:
                file.write(key + b"\n")
            arguments += ["--project", "%d=%s" % (project, path)]
        service = Program("payout-service", cls.directory,
                          "--listen", "127.0.0.1:0")
        cls.addClassCleanup(service.stop)
        cls.service_address = service.wait()
        cls.callback_url = "http://%s/callbacks" % cls.service_address
        sim = Program("gatesim", cls.directory, *arguments,
                      "--listen", "127.0.0.1:0",
                      "--callback-url", cls.callback_url,
                      "--callback-delay", "0", "--time-scale", "0.0001",
                      *cls.options)
        cls.addClassCleanup(sim.stop)
        cls.sim_address = sim.wait()
        cls.arguments = arguments

    def setUp(self):
        self.sim = Client(self.sim_address)
        self.addCleanup(self.sim.close)
        self.service = Client(self.service_address)
        self.addCleanup(self.service.close)
        self.assertEqual(self.sim.post("/_control/reset")[0], 200)
        self.assertEqual(self.service.post("/_control/reset")[0], 200)

    def pay(self, payment_id, path=MOBILE, **more):
        return self.sim.post(path, payout(payment_id, path, **more))

    def fault(self, **rule):
        status, answer = self.sim.post("/_control/faults", rule)
        self.assertEqual(status, 200, answer)
        return answer["faults"][0]["id"]

    def idle(self):
        answer = self.sim.get("/_control/wait?for=idle&timeout=10")
        self.assertTrue(answer["done"], answer)

    def received(self):
        """Bodies that the service got, in order."""
        return [json.loads(one["body"]) for one in
                self.service.get("/_control/received")["requests"]]

    def payment(self, payment_id):
        found = self.sim.get("/_control/payments?payment_id=" + payment_id)
        self.assertEqual(found["total"], 1)
        return found["payments"][0]

    def statuses(self):
        return [body["payment"]["status"] for body in self.received()]
