"""The platform's side of the HTTP API: requests in, answers out."""

import asyncio
import base64
import collections
import functools
import hashlib
import itertools
import json
import time

from . import endpoints, faults, payments, signature, strictjson
from .activity import Activity
from .callbacks import Courier, Walker, signed
from .httpd import Response

MESSAGES = {
    "1004": "Currency is not available in the project",
    "1005": "Bad request signature",
    "2004": "Required field is not provided",
    "3061": "Transaction not found",
    "3062": "Payment details not received",
    "3104": "Payment constraint: invalid payout amount",
    "10105": "Payment id already exists",
    "403": "Access denied",
    "404": "Unknown endpoint",
    "405": "Only POST is accepted",
    "422": "Invalid JSON",
    "500": "Internal server error",
}
FIRST_OPERATION = 84174000001


class Settings:
    """What the command line decides."""

    def __init__(self, projects, **values):
        self.projects = projects            # id -> key as bytes
        self.seed = 1
        self.callback_url = None
        self.callback_delay = 1.0
        self.callback_timeout = 30.0
        self.callback_concurrency = 256
        self.client_tls = None
        self.time_scale = 1.0
        self.max_tries = 120
        self.clarification_timeout = 1800.0
        self.outcome = "success"
        self.request_order = "natural"
        self.page_fields = True
        self.keep = 10000
        for name, value in values.items():
            if not hasattr(self, name):
                raise TypeError("unknown setting %s" % name)
            setattr(self, name, value)


class Record:
    """One request as it came, and what became of it."""

    __slots__ = ("number", "at", "request", "project", "payment_id", "status",
                 "code", "accepted", "faults")

    def __init__(self, number, request):
        self.number = number
        self.at = time.time()
        self.request = request
        self.project = self.payment_id = None
        self.status = self.code = self.faults = None
        self.accepted = False

    def describe(self):
        request = self.request
        described = {
            "n": self.number, "at": self.at, "method": request.method,
            "target": request.target, "path": request.path,
            "tls": request.secure, "sni": request.connection.sni,
            "head": request.head.decode("latin-1"),
            "headers": request.headers,
            "body": request.body.decode("utf-8", "replace"),
            "body_bytes": len(request.body),
            "body_sha256": hashlib.sha256(request.body).hexdigest(),
            "project_id": self.project, "payment_id": self.payment_id,
            "status": self.status, "code": self.code,
            "accepted": self.accepted, "faults": self.faults,
        }
        try:
            request.body.decode("utf-8")
        except UnicodeDecodeError:
            described["body_base64"] = base64.b64encode(
                request.body).decode("ascii")
        return described


class Refused(Exception):
    """A request that Gate answers with an error."""

    def __init__(self, status, code, message=None):
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or MESSAGES.get(code, "Error " + code)


@functools.lru_cache(maxsize=4096)
def _endpoint(path, page_fields):
    return endpoints.find(path, page_fields)


class Gate:
    """One simulated platform."""

    def __init__(self, settings, log=lambda event, **facts: None):
        self.settings = settings
        self.log = log
        self.activity = Activity()
        self.courier = Courier(settings, self.activity, log)
        self.walker = Walker(settings, self.courier, self.activity, log)
        self.faults = faults.Faults(settings.seed)
        self.defaults = {}
        self.pauses = set()
        self.forget()

    def forget(self):
        self.payments = {}
        self.requests = collections.deque(maxlen=self.settings.keep)
        self.received = 0
        self.accepted = 0
        self.seen = collections.Counter()
        self.operation_ids = itertools.count(FIRST_OPERATION)

    def reset(self):
        """Back to the state after start."""
        self.walker.reset()
        self.courier.reset()
        self.faults.reset()
        self.defaults = {}
        for future in list(self.pauses):
            if not future.done():
                future.set_result("reset")
        self.forget()

    def handle(self, request):
        """A Response, or a coroutine that ends in one."""
        self.received += 1
        record = Record(self.received, request)
        self.requests.append(record)
        if self.activity.waiters:
            self.activity.changed()
        error = document = None
        endpoint = _endpoint(request.path, self.settings.page_fields)
        try:
            document = self._read(request, endpoint, record)
        except Refused as refused:
            error = refused
        if not self.faults.rules and not self.defaults:
            response = self._answer(record, endpoint, document, error, {})
            self._done(record, response)
            return response
        actions = dict(self.defaults)
        who = (record.project, record.payment_id)
        actions.update(self.faults.take(*who, request.path, self.seen[who]))
        self.seen[who] += 1
        record.faults = sorted(actions)
        self.activity.begin()
        return self._misbehave(record, endpoint, document, error, actions)

    def _read(self, request, endpoint, record):
        """The checked document of a request, or Refused."""
        if request.method != "POST":
            raise Refused(405, "405")
        if endpoint is None:
            raise Refused(404, "404")
        try:
            document = strictjson.read(request.body)
        except strictjson.BadJson as error:
            raise Refused(422, "422", "Invalid JSON: %s" % error) from None
        top = document if endpoint.top_level else document.get("general")
        top = top if isinstance(top, dict) else {}
        if endpoints.PROJECT[1](top.get("project_id")):
            record.project = top["project_id"]
        if isinstance(top.get("payment_id"), str):
            record.payment_id = top["payment_id"]
        self._check(document, top, endpoint, record)
        return document

    def _check(self, document, top, endpoint, record):
        place = "" if endpoint.top_level else "general."
        if record.project is None:
            raise Refused(400, "2004", "%sproject_id: required field is "
                          "missing or not valid" % place)
        key = self.settings.projects.get(record.project)
        if key is None:
            raise Refused(403, "403")
        if "signature" not in top:
            raise Refused(400, "2004", place + "signature: required field is "
                          "not provided")
        order = signature.verify(document, key, top["signature"])
        if order is None or self.settings.request_order == "bytes" \
                and signature.sign(document, key, "bytes") != top["signature"]:
            raise Refused(400, "1005")
        if order == "bytes" and self.settings.request_order == "natural":
            raise Refused(400, "1005")
        if endpoint.kind in ("payout", "status", "clarification") and not (
                record.payment_id and len(record.payment_id) <= 255):
            raise Refused(400, "2004", "general.payment_id: required field is "
                          "missing or not valid")
        wrong = endpoints.wrong_address(top)
        if wrong:
            raise Refused(400, "2004", "general.%s: value is of the wrong "
                          "type or length" % wrong)
        problem = endpoints.first_problem(document, endpoint.fields)
        if problem:
            raise Refused(400, "2004", "%s: %s" % problem)

    def _answer(self, record, endpoint, document, error, plan):
        """What Gate does and says when nothing goes wrong on the way."""
        try:
            if error is not None:
                raise error
            return getattr(self, "_do_" + endpoint.kind)(
                record, endpoint, document, plan)
        except Refused as refused:
            return self._error(record, refused.status, refused.code,
                               refused.message)

    def _error(self, record, status, code, message):
        record.code = code
        body = {"status": "error", "code": code, "message": message,
                "request_id": self._request_id(record)}
        if record.project is not None:
            body["project_id"] = record.project
        if record.payment_id is not None:
            body["payment_id"] = record.payment_id
        return Response.json(body, status)

    def _request_id(self, record):
        return payments.digest(self.settings.seed, record.project,
                               record.payment_id, record.number)[:40] \
            + "-00000001"

    def _success(self, record):
        return Response.json({
            "status": "success", "request_id": self._request_id(record),
            "project_id": record.project, "payment_id": record.payment_id})

    def _done(self, record, response):
        record.status = response.status if response.fate is None \
            else response.fate
        self.log("request", n=record.number, path=record.request.path,
                 project=record.project, payment=record.payment_id,
                 answer=record.status, code=record.code,
                 accepted=record.accepted)
        if self.activity.waiters:
            self.activity.changed()

    async def _misbehave(self, record, endpoint, document, error, actions):
        """The same with the faults that rules ask for."""
        try:
            response = await self._faulty(record, endpoint, document, error,
                                          actions)
            self._done(record, response)
            return response
        finally:
            self.activity.end()

    async def _faulty(self, record, endpoint, document, error, actions):
        if actions.get("delay_before_ms") and await self._pause(
                actions["delay_before_ms"]) == "reset":
            return Response(fate="drop")
        for fate in ("drop", "reset"):
            if actions.get(fate) == "before":
                return Response(fate=fate)
        answer = actions.get("answer")
        if answer is None or answer.get("accept"):
            response = self._answer(record, endpoint, document, error,
                                    actions)
            if record.accepted and actions.get("early"):
                payment = self.payments[record.project, record.payment_id]
                delay = self.delay(actions)
                await self.walker.start(payment, delay, 0).wait()
        if answer is not None:
            response = self._given_answer(record, answer)
        if actions.get("delay_ms"):
            await self._pause(actions["delay_ms"], record.request.connection)
        for fate in ("drop", "reset"):
            if actions.get(fate) == "after":
                return Response(fate=fate)
        if "cut" in actions:
            response.fate = "cut:%d" % actions["cut"]
        return response

    async def _pause(self, milliseconds, connection=None):
        """Waits; a reset, or the end of that connection, ends it early."""
        if connection is not None and connection.ended:
            return "lost"
        future = asyncio.get_running_loop().create_future()
        self.pauses.add(future)
        if connection is not None:
            connection.watchers.append(future)
        try:
            return await asyncio.wait_for(future, milliseconds / 1000)
        except asyncio.TimeoutError:
            return "time"
        finally:
            self.pauses.discard(future)
            if connection is not None:
                connection.watchers.remove(future)

    def _given_answer(self, record, answer):
        status = answer.get("http", 400)
        code = str(answer.get("code", status))
        record.code = code
        if "body" in answer:
            text = answer["body"]
            text = text if isinstance(text, str) else json.dumps(text)
            response = Response(status, text.encode("utf-8"))
        else:
            response = self._error(
                record, status, code,
                answer.get("message", MESSAGES.get(code, "Error " + code)))
        response.headers = list(answer.get("headers", {}).items())
        return response

    def _do_payout(self, record, endpoint, document, plan):
        who = (record.project, record.payment_id)
        payment = self.payments.get(who)
        if payment is not None and payment.status != "error":
            raise Refused(400, "10105")
        if payment is None:
            payment = payments.Payment(*who, endpoint, record.request.path,
                                       document)
            self.payments[who] = payment
        payment.plan = plan
        payment.steps = self.steps(plan)
        payment.begin(document, self._request_id(record),
                      next(self.operation_ids))
        record.accepted = True
        self.accepted += 1
        self.activity.changed()
        if payment.steps and not plan.get("hold") and not plan.get("early"):
            self.walker.start(payment, self.delay(plan))
        return self._success(record)

    def steps(self, plan):
        """The way a payment will go by its plan."""
        if "steps" in plan:
            steps = [faults.check_step(step) for step in plan["steps"]]
        else:
            steps = faults.expand_outcome(
                plan.get("outcome", self.settings.outcome))
        return [dict(step) for step in steps]

    def delay(self, plan):
        if "callback_delay_ms" in plan:
            return plan["callback_delay_ms"] / 1000
        return self.settings.callback_delay

    def _do_status(self, record, endpoint, document, plan):
        payment = self.payments.get((record.project, record.payment_id))
        if payment is None:
            raise Refused(200, "3061")
        key = self.settings.projects[record.project]
        return Response(200, signed(payment.status_answer(), key, plan))

    def _do_clarification(self, record, endpoint, document, plan):
        payment = self.payments.get((record.project, record.payment_id))
        if payment is None:
            raise Refused(400, "3061")
        if payment.status != "awaiting clarification":
            raise Refused(400, "400", "payment does not await clarification")
        payment.steps = [faults.check_step(step) for step in payment.plan.get(
            "then", payment.after_clarification or ["success"])]
        payment.move("processing")
        payment.operations[-1].set(
            "processing", *payments.OUTCOME_CODES["processing"])
        self.walker.start(payment, self.delay(payment.plan))
        return self._success(record)

    def _do_operators(self, record, endpoint, document, plan):
        wanted = document.get("service_provider")
        wanted = wanted if isinstance(wanted, dict) else {}
        found = [{"code": code, "name": name, "country": "KZ"}
                 for code, name in payments.OPERATORS
                 if wanted.get("code", code) == code
                 and wanted.get("country", "KZ") == "KZ"]
        return Response.json(found)

    def _do_methods(self, record, endpoint, document, plan):
        limits = {"min amount": 100, "max amount": 100000000}
        methods = {
            "KZT": [{"title": "mobile", "direction": "payout",
                     "limits": limits, "mobile_operators":
                     [code for code, _ in payments.OPERATORS]}],
            "USD": [{"title": "card", "direction": "payout",
                     "limits": limits,
                     "card_payment_system": ["visa", "mastercard"]}],
        }
        currency = document.get("currency")
        if currency is not None:
            methods = {name: listed for name, listed in methods.items()
                       if name == currency}
        return Response.json(methods)

    def _do_info(self, record, endpoint, document, plan):
        return Response.json([{
            "id": 123, "abbr": "EXB", "name": "Example Bank",
            "nativeName": "Example Bank", "currencies": [
                {"id": 398, "alpha_3_4217": "KZT", "number_3_4217": "398",
                 "exponent": 2, "currency_type": "fiat"}]}])
