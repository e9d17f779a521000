"""Rules: what each does to a request, and for which requests it counts."""

import http.client
import json
import time
import unittest

from base import MOBILE, Client, SimCase, payout


class Faults(SimCase):

    def fails(self, payment_id):
        """Sends a payout whose answer does not arrive."""
        client = Client(self.sim_address)
        self.addCleanup(client.close)
        with self.assertRaises((http.client.HTTPException, OSError)) as seen:
            client.post(MOBILE, payout(payment_id))
        return seen.exception

    def accepted(self):
        return self.sim.get("/_control/stats")["accepted"]

    def test_delay(self):
        for name, event, accepted in (("delay_ms", "accepted", 1),
                                      ("delay_before_ms", "requests", 0)):
            with self.subTest(name):
                self.sim.post("/_control/reset")
                self.fault(**{name: 150})
                watcher = Client(self.sim_address)
                self.addCleanup(watcher.close)
                begun = time.monotonic()
                self.sim.connection.request(
                    "POST", MOBILE, json.dumps(payout("p1")))
                watcher.get("/_control/wait?for=" + event)
                self.assertEqual(watcher.get("/_control/stats")["accepted"],
                                 accepted)
                self.sim.connection.getresponse().read()
                self.assertGreaterEqual(time.monotonic() - begun, 0.15)
                self.assertEqual(self.accepted(), 1)

    def test_delays_end_with_their_reason(self):
        self.fault(delay_ms=600000)
        client = Client(self.sim_address)
        client.connection.request("POST", MOBILE, json.dumps(payout("p1")))
        self.sim.get("/_control/wait?for=accepted")
        client.close()
        self.idle()
        self.fault(delay_before_ms=600000)
        client.connection.request("POST", MOBILE, json.dumps(payout("p2")))
        self.sim.get("/_control/wait?for=requests&count=2")
        self.sim.post("/_control/reset")
        with self.assertRaises((http.client.HTTPException, OSError)):
            client.connection.getresponse()
        client.close()
        self.assertEqual(self.accepted(), 0)

    def test_drop_and_reset(self):
        for name in ("drop", "reset"):
            for stage, accepted in (("before", 0), ("after", 1)):
                with self.subTest(name=name, stage=stage):
                    self.sim.post("/_control/reset")
                    self.fault(**{name: stage})
                    error = self.fails("p1")
                    if name == "reset":
                        self.assertIsInstance(error, ConnectionResetError)
                    self.assertEqual(self.accepted(), accepted)
                    request = self.sim.get("/_control/requests")
                    self.assertEqual(request["requests"][0]["status"], name)

    def test_cut(self):
        for size in (0, 10, 170):
            with self.subTest(size):
                self.fault(cut=size)
                self.fails("p%d" % size)
        self.assertEqual(self.accepted(), 3)

    def test_answer(self):
        self.fault(answer={"http": 500})
        status, answer = self.pay("p1")
        self.assertEqual((status, answer["status"], answer["code"]),
                         (500, "error", "500"))
        self.fault(answer={"http": 400, "code": "3104"})
        status, answer = self.pay("p1")
        self.assertEqual((status, answer["code"], answer["payment_id"]),
                         (400, "3104", "p1"))
        self.fault(answer={"http": 200, "code": "1004", "message": "no"})
        status, answer = self.pay("p1")
        self.assertEqual((status, answer["code"], answer["message"]),
                         (200, "1004", "no"))
        self.assertEqual(self.accepted(), 0)
        self.fault(answer={"http": 503, "accept": True, "body": {"x": 1},
                           "headers": {"Retry-After": "5"}})
        self.assertEqual(self.pay("p1"), (503, {"x": 1}))
        self.assertEqual(self.accepted(), 1)
        self.assertEqual(self.pay("p1")[1]["code"], "10105")

    def test_which_requests(self):
        self.fault(answer={"http": 500}, payment_id="p2")
        self.fault(answer={"http": 501}, payment_prefix="x-", count=0)
        self.fault(answer={"http": 502}, project_id=123, count=0)
        self.fault(answer={"http": 503}, path="/status", count=0)
        wanted = {"p1": 200, "p2": 500, "x-1": 501, "x-2": 501, "p3": 200}
        for payment_id, status in wanted.items():
            self.assertEqual(self.pay(payment_id)[0], status, payment_id)
        self.assertEqual(self.pay("p2")[0], 200)
        self.assertEqual(self.pay("p4", path="/v2/payment/card/payout/token"
                                  )[0], 502)
        self.assertEqual(self.sim.post("/v2/payment/status")[0], 503)

    def test_count_and_skip(self):
        self.fault(answer={"http": 500}, skip=1, count=2)
        self.assertEqual([self.pay("p%d" % n)[0] for n in range(5)],
                         [200, 500, 500, 200, 200])
        rule = self.sim.get("/_control/faults")["faults"][0]
        self.assertEqual((rule["hits"], rule["left"]), (2, 0))

    def test_remove(self):
        number = self.fault(answer={"http": 500}, count=0)
        self.assertEqual(self.pay("p1")[0], 500)
        self.sim.call("DELETE", "/_control/faults?id=%d" % number)
        self.assertEqual(self.pay("p1")[0], 200)
        self.fault(answer={"http": 500}, count=0)
        self.assertEqual(self.sim.call("DELETE", "/_control/faults")[1],
                         {"removed": 1})
        self.assertEqual(self.pay("p2")[0], 200)

    def test_probability_repeats_in_any_order(self):
        names = ["p%d" % n for n in range(40)]
        seen = []
        for order in (names, names[::-1]):
            self.sim.post("/_control/reset")
            self.fault(answer={"http": 500}, probability=0.5, count=0)
            seen.append({name: self.pay(name)[0] for name in order})
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(set(seen[0].values()), {200, 500})

    def test_defaults(self):
        self.sim.post("/_control/defaults", {"answer": {"http": 500}})
        self.assertEqual(self.pay("p1")[0], 500)
        self.fault(answer={"http": 400, "code": "3104"})
        self.assertEqual(self.pay("p1")[0], 400)
        self.sim.post("/_control/defaults", {})
        self.assertEqual(self.pay("p1")[0], 200)

    def test_bad_rules(self):
        for rule in ({"dela_ms": 1}, {"delay_ms": -1}, {"drop": "x"},
                     {"outcome": "paid"}, {"count": -1}, {"probability": 2},
                     {"steps": ["success", {"status": "no"}]}, [5],
                     {"answer": {"http": "500"}}, {"answer": 500},
                     {"outcome": {"status": "success", "amount": "1"}},
                     {"forge": "all"}, {"steps": [{"status": "success",
                                                   "x": 1}]}):
            with self.subTest(rule):
                self.assertEqual(self.sim.post("/_control/faults", rule)[0],
                                 400)
        self.assertEqual(self.sim.get("/_control/faults")["faults"], [])


if __name__ == "__main__":
    unittest.main()
