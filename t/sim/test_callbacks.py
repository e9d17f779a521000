"""Callbacks: what they say, how they are signed, when they come again."""

import json
import unittest

from base import KEYS, MOBILE, TOKEN, SimCase, payout, signature
from gatesim_lib import callbacks


class News(SimCase):

    def verified(self, body):
        text, place = signature.find(body)
        return place, signature.verify(body, KEYS[body["project_id"]], text)

    def test_mobile(self):
        self.pay("payment_47")
        self.idle()
        body = self.received()[0]
        self.assertEqual(self.verified(body), ("top", "natural"))
        self.assertEqual(list(body), ["project_id", "payment", "customer",
                                      "operation", "account", "signature"])
        payment, operation = body["payment"], body["operation"]
        self.assertEqual(
            (payment["id"], payment["type"], payment["status"],
             payment["method"], payment["sum"]),
            ("payment_47", "payout", "success", "mobile",
             {"amount": 100000, "currency": "KZT"}))
        self.assertRegex(payment["date"],
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$")
        self.assertEqual(
            (operation["status"], operation["code"], operation["message"],
             operation["sum_initial"], operation["sum_converted"]),
            ("success", "0", "Success", payment["sum"], payment["sum"]))
        self.assertIsInstance(operation["id"], int)
        self.assertEqual(set(operation["provider"]),
                         {"id", "payment_id", "auth_code"})
        self.assertEqual(body["account"]["number"], "71234567890")
        self.assertIn(body["account"]["type"],
                      ("ACTIV", "ALTEL", "BEELINE", "KCELL", "TELE2"))
        self.assertEqual(body["customer"], {"id": "customer_123"})

    def test_card(self):
        self.pay("p1", path=TOKEN)
        self.idle()
        body = self.received()[0]
        self.assertEqual(self.verified(body), ("top", "natural"))
        self.assertEqual(body["payment"]["method"], "card")
        self.assertRegex(body["account"]["number"], r"^\d{6}\*{6}\d{4}$")

    def test_outcomes(self):
        cases = {
            "decline": ["decline"], "error": ["error"],
            "reversed": ["success", "reversed"],
            "awaiting retry": ["awaiting retry", "success"],
            "processing": ["processing"], "none": [],
        }
        for outcome, wanted in cases.items():
            with self.subTest(outcome):
                self.service.post("/_control/reset")
                self.fault(outcome=outcome)
                self.pay("p " + outcome)
                self.idle()
                self.assertEqual(self.statuses(), wanted)
                for body in self.received():
                    self.assertEqual(body["operation"]["status"],
                                     body["payment"]["status"])
                    self.assertEqual("errors" in body, outcome == "error")

    def test_codes_and_amounts(self):
        self.fault(steps=["processing",
                          {"status": "success", "amount": 99000,
                           "code": "7", "message": "less",
                           "converted": {"amount": 200, "currency": "USD"}}])
        self.pay("p1")
        self.idle()
        body = self.received()[1]
        self.assertEqual(body["payment"]["sum"]["amount"], 99000)
        self.assertEqual(body["operation"]["code"], "7")
        self.assertEqual(body["operation"]["sum_converted"]["currency"],
                         "USD")
        self.assertEqual(self.payment("p1")["paid"], 99000)

    def test_paid_in_parts(self):
        self.fault(outcome={"status": "partially_paid_out",
                            "paid": [40000, 30000]})
        self.pay("p1")
        self.idle()
        self.assertEqual(self.statuses(),
                         ["partially_paid_out", "partially_paid_out"])
        bodies = self.received()
        self.assertEqual([body["operation"]["sum_initial"]["amount"]
                          for body in bodies], [40000, 30000])
        self.assertEqual(len({body["operation"]["id"] for body in bodies}), 2)
        self.assertEqual({body["payment"]["sum"]["amount"]
                          for body in bodies}, {100000})
        self.assertEqual(self.payment("p1")["paid"], 70000)

    def test_signature_variants(self):
        self.fault(signature_place="general")
        self.fault(order="bytes", errors=12)
        for payment_id in ("p1", "p2"):
            self.pay(payment_id)
            self.idle()
        wanted = [("general", "bytes")]
        self.assertEqual([self.verified(self.received()[0])], wanted)
        self.assertEqual(len(self.received()[0]["errors"]), 12)
        self.assertEqual(self.verified(self.received()[1]),
                         ("top", "natural"))

    def test_forged(self):
        for kind in ("signature", "key", "body", "unsigned"):
            with self.subTest(kind):
                self.service.post("/_control/reset")
                self.fault(forge=kind)
                self.pay("p " + kind)
                self.idle()
                body = self.received()[0]
                self.assertEqual("signature" in body, kind != "unsigned")
                self.assertIsNone(self.verified(body)[1])

    def test_extra_and_shape(self):
        self.fault(extra={"rate": 1.1, "name": "\u4e2d"}, shape="card",
                   errors=[{"code": 1}])
        self.pay("p1")
        self.idle()
        body = self.received()[0]
        self.assertEqual(self.verified(body), ("top", "natural"))
        self.assertEqual((body["rate"], body["name"], body["errors"]),
                         (1.1, "\u4e2d", [{"code": 1}]))
        self.assertEqual(list(body)[2], "account")

    def test_odd_requests_still_get_news(self):
        self.pay("p1", path=TOKEN, card={"pan": 5})
        self.pay("p2", path=TOKEN, account="x", card=[])
        self.idle()
        self.assertEqual({body["payment"]["id"]: body["account"]["number"]
                          for body in self.received()}["p1"], "5")
        self.assertEqual(self.payment("p2")["status"], "success")

    def test_where_to(self):
        general = {"project_id": 1234, "payment_id": "p1",
                   "merchant_callback_url": self.callback_url + "/own",
                   "merchant_decline_callback_url":
                   self.callback_url + "/declined"}
        self.fault(steps=["processing", "decline"])
        self.sim.post(MOBILE, payout("p1", general=general))
        self.idle()
        found = self.service.get("/_control/received")["requests"]
        self.assertEqual([one["path"] for one in found],
                         ["/callbacks/own", "/callbacks/declined"])


class Timing(SimCase):

    def test_schedule(self):
        waits = list(callbacks.gaps())
        self.assertEqual(len(waits), 119)
        self.assertEqual(waits[:5], [10] * 5)
        growing = waits[5:67]
        self.assertEqual(growing, sorted(growing))
        self.assertTrue(all(10 < wait < 4 * 3600 for wait in growing))
        self.assertEqual(set(waits[67:]), {4 * 3600})
        self.assertLessEqual(sum(waits), 11 * 86400)

    def test_again_until_taken(self):
        self.service.post("/_control/behaviour",
                          [{"status": 503, "count": 2},
                           {"fate": "drop", "count": 1},
                           {"fate": "reset", "count": 1},
                           {"status": 204, "count": 1},
                           {"fate": "drop-after", "count": 1}])
        self.pay("p1")
        self.idle()
        found = self.sim.get("/_control/callbacks")["callbacks"][0]
        self.assertEqual([one.get("status") for one in found["tries"]],
                         [503, 503, None, None, 204, None, 200])
        self.assertIn("error", found["tries"][2])
        self.assertEqual(found["state"], "delivered")
        received = self.service.get("/_control/received")
        self.assertEqual((received["total"], received["taken"]), (7, 3))
        self.assertEqual({one["body"] for one in received["requests"]},
                         {found["body"]})
        starts = [one["at"] for one in found["tries"]]
        for earlier, later in zip(starts, starts[1:]):
            self.assertGreaterEqual(later - earlier, 0.001)

    def test_hold_and_settle(self):
        self.fault(hold=True, outcome="decline", count=2)
        self.pay("p1")
        self.pay("p2")
        self.pay("p3")
        self.idle()
        self.assertEqual(self.statuses(), ["success"])
        self.assertEqual(self.sim.post("/_control/settle")[1]["settled"], 2)
        self.idle()
        self.assertEqual(self.statuses(), ["success", "decline", "decline"])
        answer = self.sim.post("/_control/settle", {
            "payment_id": "p3", "outcome": {"status": "reversed"}})[1]
        self.assertEqual(answer["payment_ids"], ["p3"])
        self.idle()
        self.assertEqual(self.payment("p3")["history"],
                         ["processing", "success", "reversed"])

    def test_settle_overtakes_the_delay(self):
        self.fault(callback_delay_ms=600000, steps=["processing", "success"])
        self.pay("p1")
        self.assertEqual(self.received(), [])
        self.sim.post("/_control/settle", {"payment_id": "p1"})
        self.idle()
        self.assertEqual(self.statuses(), ["processing", "success"])

    def test_before_the_answer(self):
        self.fault(early=True, delay_ms=60000)
        self.sim.connection.request("POST", MOBILE,
                                    json.dumps(payout("p1")))
        answer = self.service.get("/_control/wait?for=payment"
                                  "&payment_id=p1&status=success")
        self.assertTrue(answer["done"])
        self.sim.connection.close()

    def test_copies(self):
        for concurrent in (False, True):
            with self.subTest(concurrent=concurrent):
                self.sim.post("/_control/reset")
                self.service.post("/_control/reset")
                self.service.post("/_control/behaviour", {"delay_ms": 20})
                self.fault(copies=4, concurrent=concurrent)
                self.pay("p1")
                self.idle()
                found = self.service.get("/_control/received")["requests"]
                self.assertEqual(len({one["body"] for one in found}), 1)
                spans = sorted(
                    (one["tries"][0]["at"], one["tries"][0]["took"])
                    for one in
                    self.sim.get("/_control/callbacks")["callbacks"])
                self.assertEqual(len(spans), 4)
                overlapping = spans[3][0] < spans[0][0] + spans[0][1]
                self.assertEqual(overlapping, concurrent)

    def test_reorder(self):
        steps = ["processing", "awaiting retry", "success", "reversed"]
        self.fault(steps=steps, reorder="reverse")
        self.pay("p1")
        self.idle()
        self.assertEqual(self.statuses(), steps[::-1])
        shuffled = []
        for _ in range(2):
            self.sim.post("/_control/reset")
            self.service.post("/_control/reset")
            self.fault(steps=steps, reorder="shuffle")
            self.pay("p2")
            self.idle()
            shuffled.append(self.statuses())
        self.assertEqual(sorted(shuffled[0]), sorted(steps))
        self.assertEqual(shuffled[0], shuffled[1])

    def test_redeliver(self):
        self.fault(steps=["processing", "success"])
        self.pay("p1")
        self.idle()
        self.sim.post("/_control/redeliver",
                      {"payment_id": "p1", "status": "processing",
                       "copies": 2})
        self.assertEqual(self.statuses(), ["processing", "success",
                                           "processing", "processing"])

    def test_given_callback(self):
        body = {"project_id": 1234, "payment": {"id": "p1"}, "a": [1.10]}
        answer = self.sim.post("/_control/callback", {"body": body})[1]
        self.assertEqual(answer["tries"][0]["status"], 200)
        got = self.received()[0]
        self.assertEqual(signature.verify(got, KEYS[1234], got["signature"]),
                         "natural")
        raw_text = '{"project_id" :1234, "project_id":5}'
        self.sim.post("/_control/callback", {"raw": raw_text})
        self.sim.post("/_control/callback", {"body": body, "sign": False})
        bodies = [one["body"] for one in
                  self.service.get("/_control/received")["requests"]]
        self.assertEqual(bodies[1], raw_text)
        self.assertEqual(json.loads(bodies[2]), body)
        made = self.sim.post("/_control/sign", {"body": body})[1]
        self.assertEqual(made["canonical"],
                         "a:0:1.1;payment:id:p1;project_id:1234")
        self.assertEqual(json.loads(made["text"])["signature"],
                         made["signature"])
        for wrong in ({"body": {"project_id": 9}}, {"body": {}}, {},
                      {"raw": "{}", "url": "nonsense"}):
            self.assertEqual(self.sim.post("/_control/callback", wrong)[0],
                             400)

    def test_same_seed_same_facts(self):
        bodies = []
        for _ in range(2):
            self.sim.post("/_control/reset")
            self.service.post("/_control/reset")
            self.pay("p1")
            self.idle()
            operation = self.received()[0]["operation"]
            bodies.append([operation["id"], operation["request_id"],
                           operation["provider"]["payment_id"]])
        self.assertEqual(bodies[0], bodies[1])


class GivingUp(SimCase):

    options = ("--max-tries", "3", "--callback-timeout", "0.4")

    def test_gives_up(self):
        self.service.post("/_control/behaviour", {"status": 500})
        self.pay("p1")
        self.idle()
        found = self.sim.get("/_control/callbacks?state=given+up")
        self.assertEqual(len(found["callbacks"][0]["tries"]), 3)

    def test_no_answer_in_time(self):
        self.service.post("/_control/behaviour", {"delay_ms": 60000,
                                                  "count": 1})
        self.pay("p1")
        self.idle()
        tries = self.sim.get("/_control/callbacks")["callbacks"][0]["tries"]
        self.assertIn("TimeoutError", tries[0]["error"])
        self.assertEqual(tries[1]["status"], 200)

    def test_nobody_listens(self):
        general = {"project_id": 1234, "payment_id": "p1",
                   "merchant_callback_url": "http://unix:/nonexistent:/x"}
        self.sim.post(MOBILE, payout("p1", general=general))
        self.idle()
        found = self.sim.get("/_control/callbacks")["callbacks"][0]
        self.assertEqual((found["state"], len(found["tries"])),
                         ("given up", 3))

    def test_wait_ends_without_the_event(self):
        status, answer = self.sim.call(
            "GET", "/_control/wait?for=accepted&count=1&timeout=0.01")
        self.assertEqual((status, answer["done"]), (504, False))


class Service(SimCase):

    def test_dice_repeat(self):
        answers = []
        for _ in range(2):
            self.service.post("/_control/reset")
            self.service.post("/_control/behaviour",
                              {"status": 500, "probability": 0.5})
            answers.append([self.service.post(
                "/callbacks", {"payment": {"id": "p%d" % n,
                                           "status": "success"}})[0]
                for n in range(30)])
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(set(answers[0]), {200, 500})

    def test_states_and_rules(self):
        self.service.post("/_control/behaviour", [
            {"status": 201, "body": {"x": 1}, "headers": {"X-A": "b"},
             "payment_id": "p1"}])
        body = {"payment": {"id": "p1", "status": "success"}}
        self.assertEqual(self.service.post("/x", body), (201, {"x": 1}))
        self.assertEqual(self.service.call("POST", "/x", b"no json")[0], 200)
        self.assertEqual(self.service.call("GET", "/x")[0], 405)
        self.assertEqual(self.service.get("/_control/states"),
                         {"p1": ["success"], "None": [None]})
        for rule in ({"statu": 1}, {"fate": "x"}, {"status": 5}, [[]]):
            status = self.service.post("/_control/behaviour", rule)[0]
            self.assertEqual(status == 400, rule != [[]], rule)


if __name__ == "__main__":
    unittest.main()
