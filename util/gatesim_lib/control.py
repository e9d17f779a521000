"""The control endpoint: everything under /_control/, JSON in and out."""

import json

from . import faults, httpclient, signature
from .callbacks import signed, serialize
from .httpd import Response


class BadCall(Exception):
    """A control request that makes no sense."""


class Control:
    """Lets tests and people steer and watch a Gate."""

    def __init__(self, gate):
        self.gate = gate
        self.routes = {
            ("GET", "payments"): self.get_payments,
            ("GET", "requests"): self.get_requests,
            ("GET", "callbacks"): self.get_callbacks,
            ("GET", "faults"): self.get_faults,
            ("POST", "faults"): self.post_faults,
            ("DELETE", "faults"): self.delete_faults,
            ("GET", "defaults"): self.get_defaults,
            ("POST", "defaults"): self.post_defaults,
            ("GET", "stats"): self.get_stats,
            ("GET", "wait"): self.get_wait,
            ("POST", "settle"): self.post_settle,
            ("POST", "callback"): self.post_callback,
            ("POST", "redeliver"): self.post_redeliver,
            ("POST", "sign"): self.post_sign,
            ("POST", "reset"): self.post_reset,
        }

    def handle(self, request):
        name = request.path[len("/_control/"):].strip("/")
        route = self.routes.get((request.method, name))
        if route is None:
            return _problem(404, "no %s %s" % (request.method, request.path))
        try:
            given = json.loads(request.body) if request.body else {}
            result = route(given, request.query)
        except (BadCall, KeyError, TypeError, ValueError) as error:
            return _problem(400, "%s: %s" % (type(error).__name__, error))
        if hasattr(result, "__await__"):
            return self._later(result)
        return result if isinstance(result, Response) \
            else Response.json(result)

    async def _later(self, result):
        try:
            result = await result
        except (BadCall, KeyError, TypeError, ValueError, OSError) as error:
            return _problem(400, "%s: %s" % (type(error).__name__, error))
        return result if isinstance(result, Response) \
            else Response.json(result)

    def _chosen(self, given):
        """Payments that payment_id and project_id of a call choose."""
        stored = self.gate.payments
        if "payment_id" in given:
            keys = [(project, given["payment_id"])
                    for project in self.gate.settings.projects]
            chosen = [stored[key] for key in keys if key in stored]
        else:
            chosen = list(stored.values())
        if "project_id" in given:
            project = int(given["project_id"])
            chosen = [one for one in chosen if one.project == project]
        return chosen

    def get_payments(self, given, query):
        chosen = self._chosen(query)
        return {"total": len(chosen), "accepted": self.gate.accepted,
                "payments": [payment.report() for payment in chosen]}

    def get_requests(self, given, query):
        records = list(self.gate.requests)
        for name in ("payment_id", "path"):
            if name in query:
                records = [record for record in records if query[name] == (
                    record.payment_id if name == "payment_id"
                    else record.request.path)]
        records = records[-int(query.get("limit", 100)):]
        return {"total": self.gate.received,
                "requests": [record.describe() for record in records]}

    def get_callbacks(self, given, query):
        deliveries = list(self.gate.courier.deliveries)
        for name in ("payment_id", "state", "status"):
            if name in query:
                deliveries = [one for one in deliveries
                              if getattr(one, name) == query[name]]
        with_body = query.get("bodies", "1") != "0"
        return {"total": len(deliveries),
                "delivered": self.gate.courier.delivered,
                "tries": self.gate.courier.tried,
                "callbacks": [one.describe(with_body) for one in deliveries]}

    def get_faults(self, given, query):
        return {"faults": [rule.describe()
                           for rule in self.gate.faults.rules]}

    def post_faults(self, given, query):
        rules = given if isinstance(given, list) else [given]
        return {"faults": [self.gate.faults.add(rule).describe()
                           for rule in rules]}

    def delete_faults(self, given, query):
        if "id" in query:
            return {"removed": self.gate.faults.remove(int(query["id"]))}
        removed = len(self.gate.faults.rules)
        self.gate.faults.rules = []
        return {"removed": removed}

    def get_defaults(self, given, query):
        return {"defaults": self.gate.defaults}

    def post_defaults(self, given, query):
        for name, value in given.items():
            if name not in faults.ACTIONS:
                raise BadCall("unknown member %s" % name)
            if not faults.ACTIONS[name](value):
                raise BadCall("bad value of %s" % name)
        self.gate.defaults = given
        return {"defaults": given}

    def get_stats(self, given, query):
        gate = self.gate
        return {"received": gate.received, "accepted": gate.accepted,
                "payments": len(gate.payments),
                "callbacks_tried": gate.courier.tried,
                "callbacks_delivered": gate.courier.delivered,
                "under_way": gate.activity.running, "sums": self._sums()}

    def _sums(self):
        """Minor units by project, currency and status."""
        sums = {}
        for payment in self.gate.payments.values():
            entry = sums.setdefault(payment.project, {}).setdefault(
                payment.currency, {"count": 0, "amount": 0, "paid": 0,
                                   "by_status": {}})
            state = entry["by_status"].setdefault(
                payment.status, {"count": 0, "amount": 0, "paid": 0})
            for totals in (entry, state):
                totals["count"] += 1
                totals["amount"] += payment.amount
                totals["paid"] += payment.paid()
        return sums

    async def get_wait(self, given, query):
        predicate = self._predicate(query)
        timeout = float(query.get("timeout", 30))
        done = await self.gate.activity.wait(predicate, timeout)
        return Response.json({"done": done,
                              "under_way": self.gate.activity.running},
                             200 if done else 504)

    def _predicate(self, query):
        gate = self.gate
        count = int(query.get("count", 1))
        kinds = {
            "idle": lambda: gate.activity.running == 0,
            "requests": lambda: gate.received >= count,
            "accepted": lambda: gate.accepted >= count,
            "delivered": lambda: gate.courier.delivered >= count,
            "tries": lambda: gate.courier.tried >= count,
            "payment": lambda: any(
                query.get("status", payment.status) == payment.status
                for payment in self._chosen(query)),
        }
        if query.get("for") not in kinds:
            raise BadCall("for: one of %s" % ", ".join(sorted(kinds)))
        return kinds[query["for"]]

    def post_settle(self, given, query):
        """Outcomes now: what is planned, or what the call says."""
        settled = []
        said = "outcome" in given or "steps" in given
        by_name = said and "payment_id" in given
        for payment in self._chosen(given):
            if payment.final and not by_name:
                continue
            if said:
                payment.steps = self.gate.steps(given)
            elif not payment.steps:
                payment.steps = self.gate.steps(payment.plan)
            for step in payment.steps:
                step.pop("after_ms", None)
            self.gate.walker.start(payment, 0)
            settled.append(payment.payment_id)
        return {"settled": len(settled), "payment_ids": settled}

    async def post_callback(self, given, query):
        """Sends one callback made by the caller, and says what came back."""
        url = given.get("url", self.gate.settings.callback_url)
        if not url:
            raise BadCall("no url")
        httpclient.Target(url)
        text = self._text(given)
        delivery = self.gate.courier.start(
            given.get("project_id"), given.get("payment_id"), "given", url,
            text, bool(given.get("redeliver")))
        await delivery.first.wait()
        return delivery.describe(True)

    def _text(self, given):
        if "raw" in given:
            return given["raw"].encode("utf-8")
        if given.get("sign", True) is False:
            return serialize(given["body"])
        return signed(given["body"], self._key(given), given)

    def _key(self, given):
        if "key" in given:
            return given["key"].encode("utf-8")
        body = given["body"]
        project = given.get("project_id", body.get("project_id"))
        if project is None:
            project = body.get("general", {}).get("project_id")
        if project not in self.gate.settings.projects:
            raise BadCall("no key of project %s" % project)
        return self.gate.settings.projects[project]

    async def post_redeliver(self, given, query):
        """Sends callbacks again, also those that were taken."""
        chosen = [one for one in list(self.gate.courier.deliveries)
                  if given.get("payment_id", one.payment_id) == one.payment_id
                  and given.get("status", one.status) == one.status]
        started = [self.gate.courier.start(
            one.project, one.payment_id, one.status, one.url, one.text)
            for one in chosen for _ in range(int(given.get("copies", 1)))]
        for delivery in started:
            await delivery.first.wait()
        return {"callbacks": [one.describe(False) for one in started]}

    def post_sign(self, given, query):
        body = given["body"]
        order = given.get("order", "natural")
        text = signed(body, self._key(given), given)
        return {"signature": signature.sign(body, self._key(given), order),
                "canonical": signature.canonical(body, order).decode("utf-8"),
                "text": text.decode("utf-8")}

    def post_reset(self, given, query):
        self.gate.reset()
        return {"status": "reset"}


def _problem(status, message):
    return Response.json({"status": "error", "message": message}, status)
