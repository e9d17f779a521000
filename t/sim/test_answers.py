"""Synchronous answers: every code, and what they depend on."""

import unittest

from base import MOBILE, TOKEN, KEYS, SimCase, payout, signature, signed

STATUS = "/v2/payment/status"
OPERATORS = "/v2/info/mobile/payout/list"
METHODS = "/v2/info/available_methods_for_merchant/list"


def query(payment_id, **more):
    return signed(dict({"general": {"project_id": 1234,
                                    "payment_id": payment_id}}, **more))


class Answers(SimCase):

    def refused(self, answer, status, code):
        self.assertEqual(answer[0], status, answer)
        self.assertEqual(answer[1]["status"], "error")
        self.assertEqual(answer[1]["code"], code)
        self.assertTrue(answer[1]["message"])
        return answer[1]

    def test_accepted(self):
        status, answer = self.pay("payment_47")
        self.assertEqual(status, 200)
        self.assertEqual(set(answer), {"status", "request_id", "project_id",
                                       "payment_id"})
        self.assertEqual((answer["status"], answer["project_id"],
                          answer["payment_id"]),
                         ("success", 1234, "payment_47"))
        self.assertEqual(self.pay("payment_47", path=TOKEN)[0], 200)
        stats = self.sim.get("/_control/stats")
        self.assertEqual((stats["accepted"], stats["payments"]), (2, 2))
        self.assertEqual(stats["sums"]["1234"]["KZT"]["amount"], 100000)

    def test_what_came(self):
        text = '{ "general" : {"project_id":1234},"\u00e9":1.10 }'
        self.sim.post(MOBILE + "?x=1", text.encode("utf-8"))
        found = self.sim.get("/_control/requests?path=" + MOBILE)
        self.assertEqual(found["total"], 1)
        request = found["requests"][0]
        self.assertEqual(request["body"], text)
        self.assertEqual(request["target"], MOBILE + "?x=1")
        self.assertTrue(request["head"].startswith(
            "POST %s?x=1 HTTP/1.1\r\n" % MOBILE))
        self.assertIn(["Content-Type", "application/json"],
                      request["headers"])
        self.assertEqual((request["status"], request["code"],
                          request["accepted"]), (400, "2004", False))

    def test_bad_signature(self):
        body = payout("p1")
        body["payment"]["amount"] += 1
        self.refused(self.sim.post(MOBILE, body), 400, "1005")
        self.refused(self.sim.post(MOBILE, payout("p1", key=b"wrong")),
                     400, "1005")
        for text in ("", "AAAA", 5, None):
            body["general"]["signature"] = text
            self.refused(self.sim.post(MOBILE, body), 400, "1005")
        self.assertEqual(self.sim.get("/_control/payments")["total"], 0)

    def test_bytewise_requests_are_refused(self):
        body = payout("p1", sign=False, list=list(range(12)))
        body["general"]["signature"] = signature.sign(body, KEYS[1234],
                                                      "bytes")
        self.refused(self.sim.post(MOBILE, body), 400, "1005")
        self.assertEqual(self.pay("p1", list=list(range(12)))[0], 200)

    def test_missing_fields(self):
        for place, name in (
                ("customer", "id"), ("customer", "ip_address"),
                ("customer", "first_name"), ("customer", "email"),
                ("account", "number"), ("payment", "amount"),
                ("payment", "currency")):
            with self.subTest(name):
                body = payout("p1", sign=False)
                del body[place][name]
                answer = self.sim.post(MOBILE, signed(body))
                problem = self.refused(answer, 400, "2004")
                self.assertIn("%s.%s" % (place, name), problem["message"])
                self.assertEqual(problem["payment_id"], "p1")
        body = payout("p1", path=TOKEN, sign=False)
        del body["token"]
        self.refused(self.sim.post(TOKEN, signed(body)), 400, "2004")

    def test_missing_in_general(self):
        for name in ("project_id", "payment_id", "signature"):
            with self.subTest(name):
                body = payout("p1", sign=False)
                if name != "signature":
                    del body["general"][name]
                    signed(body, KEYS[1234])
                problem = self.refused(self.sim.post(MOBILE, body),
                                       400, "2004")
                self.assertIn("general." + name, problem["message"])
        self.refused(self.sim.post(MOBILE, {}), 400, "2004")
        self.refused(self.sim.post(MOBILE, {"general": []}), 400, "2004")

    def test_wrong_values(self):
        for amount in (0, -1, 10000000000001, "100", 1.5, True, None):
            with self.subTest(amount=amount):
                self.refused(self.pay("p1", payment={
                    "amount": amount, "currency": "KZT"}), 400, "2004")
        for currency in ("kzt", "KZ", "KZTT", 398):
            with self.subTest(currency=currency):
                self.refused(self.pay("p1", payment={
                    "amount": 1, "currency": currency}), 400, "2004")
        for number in ("+7123", "123", "1" * 25, 71234567890):
            with self.subTest(number=number):
                self.refused(self.pay("p1", account={"number": number}),
                             400, "2004")
        self.refused(self.pay("p1", general={
            "project_id": 1234, "payment_id": "p1",
            "merchant_callback_url": 5}), 400, "2004")
        self.refused(self.pay("x" * 256), 400, "2004")
        self.assertEqual(self.pay("x" * 255)[0], 200)

    def test_project(self):
        body = payout("p1", sign=False)
        body["general"]["project_id"] = 77
        self.refused(self.sim.post(MOBILE, signed(body)), 403, "403")
        body["general"]["project_id"] = "1234"
        self.refused(self.sim.post(MOBILE, signed(body)), 400, "2004")

    def test_bad_json(self):
        for body in (b"", b"{", b"[]", b'{"a":1,"a":2}', b'{"a":"\xff"}',
                     b'{} x'):
            with self.subTest(body):
                self.refused(self.sim.call("POST", MOBILE, body), 422, "422")

    def test_paths_and_methods(self):
        self.refused(self.sim.post("/v2/payment/unknown/payout"), 404, "404")
        self.refused(self.sim.post("/v1/payment/mobile/payout"), 404, "404")
        self.refused(self.sim.call("GET", MOBILE), 405, "405")
        self.assertEqual(self.sim.post("/_control/unknown")[0], 404)
        self.assertEqual(self.sim.call("POST", "/_control/faults", b"{")[0],
                         400)

    def test_repeated_payment_id(self):
        self.assertEqual(self.pay("p1")[0], 200)
        self.refused(self.pay("p1"), 400, "10105")
        self.refused(self.pay("p1", payment={"amount": 5, "currency": "KZT"}),
                     400, "10105")
        self.assertEqual(self.payment("p1")["times_accepted"], 1)

    def test_after_error_the_id_is_free(self):
        self.fault(outcome="error", payment_id="p1")
        self.assertEqual(self.pay("p1")[0], 200)
        self.idle()
        self.assertEqual(self.payment("p1")["status"], "error")
        self.assertEqual(self.pay("p1", payment={
            "amount": 5, "currency": "KZT"})[0], 200)
        self.idle()
        payment = self.payment("p1")
        self.assertEqual((payment["status"], payment["amount"],
                          payment["accepted_amounts"]),
                         ("success", 5, [100000, 5]))
        self.assertEqual(self.statuses(), ["error", "success"])
        self.refused(self.pay("p1"), 400, "10105")

    def test_status(self):
        self.refused(self.sim.post(STATUS, query("p1")), 200, "3061")
        self.fault(hold=True)
        self.pay("p1")
        for wanted in ("processing", "success"):
            status, answer = self.sim.post(STATUS, query("p1"))
            self.assertEqual(status, 200)
            self.assertEqual(answer["payment"]["status"], wanted)
            self.assertEqual(answer["operations"][0]["status"], wanted)
            self.assertEqual(answer["project_id"], 1234)
            self.assertEqual(signature.verify(answer, KEYS[1234],
                                              answer["signature"]), "natural")
            self.sim.post("/_control/settle")
            self.idle()
        self.fault(forge="signature", path=STATUS)
        answer = self.sim.post(STATUS, query("p1"))[1]
        self.assertIsNone(signature.verify(answer, KEYS[1234],
                                           answer["signature"]))

    def test_operators(self):
        body = signed({"general": {"project_id": 1234}})
        status, answer = self.sim.post(OPERATORS, body)
        self.assertEqual(status, 200)
        self.assertEqual([one["code"] for one in answer],
                         ["ACTIV", "ALTEL", "BEELINE", "KCELL", "TELE2"])
        body["general"]["signature"] = "AAAA"
        self.refused(self.sim.post(OPERATORS, body), 400, "1005")

    def test_methods(self):
        body = signed({"project_id": 1234, "currency": "KZT"})
        status, answer = self.sim.post(METHODS, body)
        self.assertEqual(status, 200)
        self.assertEqual(list(answer), ["KZT"])
        wrong = signed({"general": {"project_id": 1234}})
        self.refused(self.sim.post(METHODS, wrong), 400, "2004")

    def test_other_lists(self):
        body = signed({"general": {"project_id": 1234}})
        status, answer = self.sim.post("/v2/info/banks/x/payout/list", body)
        self.assertEqual((status, type(answer)), (200, list))

    def test_clarification(self):
        path = "/v2/payment/clarification"
        body = query("p1", additional_data={"avs_data": {"x": "1"}})
        self.refused(self.sim.post(path, body), 400, "3061")
        self.fault(outcome="awaiting clarification", payment_id="p1")
        self.pay("p1")
        self.idle()
        self.assertEqual(self.statuses(), ["awaiting clarification"])
        self.assertIn("clarification_fields", self.received()[0])
        self.refused(self.sim.post(path, query("p1")), 400, "2004")
        self.assertEqual(self.sim.post(path, body)[0], 200)
        self.idle()
        self.assertEqual(self.payment("p1")["history"],
                         ["processing", "awaiting clarification",
                          "processing", "success"])
        self.refused(self.sim.post(path, body), 400, "400")


class Lenient(SimCase):

    options = ("--lenient", "--request-order", "any",
               "--clarification-timeout", "0", "--outcome", "decline")

    def test_options(self):
        body = payout("p1", sign=False, list=list(range(12)),
                      customer={"id": "c", "ip_address": "198.51.100.47"})
        body["general"]["signature"] = signature.sign(body, KEYS[1234],
                                                      "bytes")
        self.assertEqual(self.sim.post(MOBILE, body)[0], 200)
        self.idle()
        self.assertEqual(self.payment("p1")["status"], "decline")

    def test_nobody_clarifies(self):
        self.fault(outcome="awaiting clarification")
        self.pay("p1")
        answer = self.sim.get("/_control/wait?for=payment&payment_id=p1"
                              "&status=decline&timeout=10")
        self.assertTrue(answer["done"])


if __name__ == "__main__":
    unittest.main()
