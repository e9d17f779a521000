"""Payments the simulator has accepted, and what it tells about them."""

import hashlib
import time

from . import faults
from .endpoints import lookup

OPERATORS = (("ACTIV", "Activ"), ("ALTEL", "Altel"), ("BEELINE", "Beeline"),
             ("KCELL", "Kcell"), ("TELE2", "Tele2"))
OUTCOME_CODES = {
    "success": ("0", "Success"),
    "processing": ("9999", "Awaiting processing"),
    "awaiting clarification": ("9999", "Awaiting clarification"),
    "awaiting retry": ("9999", "Awaiting retry"),
    "decline": ("20000", "General decline"),
    "error": ("2004", "Required field is not provided"),
    "reversed": ("0", "Success"),
    "partially_paid_out": ("0", "Success"),
}


def stamp(moment=None):
    """A date as Gate writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(moment))


def digest(*parts):
    """Hexadecimal digits that depend on nothing but the parts."""
    text = "\0".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def mask(number):
    """A card number as callbacks show it."""
    if len(number) < 10:
        return number
    return number[:6] + "*" * (len(number) - 10) + number[-4:]


class Operation:
    """One movement of money within a payment."""

    def __init__(self, number, request_id, amount, currency):
        self.id = number
        self.request_id = request_id
        self.amount = amount
        self.currency = currency
        self.status = "processing"
        self.code, self.message = OUTCOME_CODES["processing"]
        self.created = self.date = time.time()
        self.converted = None

    def set(self, status, code, message):
        self.status, self.code, self.message = status, code, message
        self.date = time.time()

    def describe(self):
        converted = self.converted or {"amount": self.amount,
                                       "currency": self.currency}
        provider = digest("provider", self.id)
        return {
            "id": self.id,
            "type": "payout",
            "status": self.status,
            "date": stamp(self.date),
            "created_date": stamp(self.created),
            "request_id": self.request_id,
            "sum_initial": {"amount": self.amount, "currency": self.currency},
            "sum_converted": converted,
            "code": self.code,
            "message": self.message,
            "provider": {
                "id": int(provider[:3], 16) + 1000,
                "payment_id": "%s-%s" % (provider[4:12], provider[12:15]),
                "auth_code": "",
            },
        }


class Payment:
    """A payout that was accepted at least once."""

    def __init__(self, project, payment_id, endpoint, path, document):
        self.project = project
        self.payment_id = payment_id
        self.method = endpoint.method
        self.path = path
        self.document = document
        self.amount = lookup(document, "payment.amount")
        self.currency = lookup(document, "payment.currency")
        self.sum = self.amount
        self.status = "processing"
        self.history = []
        self.accepted = []
        self.accepted_amounts = []
        self.operations = []
        self.errors = []
        self.steps = []         # what has not happened yet
        self.after_clarification = []
        self.plan = {}
        self.date = time.time()

    def begin(self, document, request_id, operation_id):
        """Accepts the request: the first one, or one after an error."""
        self.document = document
        self.amount = self.sum = lookup(document, "payment.amount")
        self.currency = lookup(document, "payment.currency")
        self.accepted.append(time.time())
        self.accepted_amounts.append(self.amount)
        self.errors = []
        self.date = time.time()
        self.operations.append(Operation(operation_id, request_id,
                                         self.amount, self.currency))
        self.move("processing")

    def move(self, status):
        self.status = status
        self.history.append(status)
        self.date = time.time()

    @property
    def final(self):
        return self.status in faults.FINAL

    def callback_url(self, default):
        """Where news of the present status go."""
        name = {"success": "merchant_success_callback_url",
                "decline": "merchant_decline_callback_url"}.get(self.status)
        general = self.document["general"]
        return name and general.get(name) \
            or general.get("merchant_callback_url") or default

    def account(self):
        account = self.document.get("account")
        account = account if isinstance(account, dict) else {}
        if self.method in ("card", "individual"):
            number = lookup(self.document, "card.pan")
            if number is None:
                token = digest(self.document.get("token"))
                number = "4%015d" % (int(token[:12], 16) % 10 ** 15)
            return {"number": mask(str(number))}
        described = {}
        if "number" in account:
            described["number"] = account["number"]
        if self.method == "mobile":
            choice = int(digest(account.get("number"))[:4], 16)
            described["type"] = account.get(
                "service_provider", OPERATORS[choice % len(OPERATORS)][0])
        return described

    def describe(self):
        """The part that callbacks and status answers share."""
        customer = {}
        if lookup(self.document, "customer.id") is not None:
            customer["id"] = lookup(self.document, "customer.id")
        return {
            "project_id": self.project,
            "payment": {
                "id": self.payment_id,
                "type": "payout",
                "status": self.status,
                "date": stamp(self.date),
                "method": self.method,
                "sum": {"amount": self.sum, "currency": self.currency},
                "description": lookup(self.document, "payment.description")
                or "",
            },
            "customer": customer,
        }

    def callback(self, shape=None):
        """The unsigned body of a callback about the last operation."""
        body = self.describe()
        if (shape or self.method) in ("card", "individual"):
            customer = body.pop("customer")
            body["account"] = self.account()
            body["customer"] = customer
            body["operation"] = self.operations[-1].describe()
        else:
            body["operation"] = self.operations[-1].describe()
            body["account"] = self.account()
        if self.status == "awaiting clarification":
            body["clarification_fields"] = self.plan.get(
                "fields", {"avs_data": {"avs_post_code": {"type": "string"}}})
        if self.errors:
            body["errors"] = self.errors
        return body

    def status_answer(self):
        """The unsigned answer of /v2/payment/status."""
        body = self.describe()
        body["account"] = self.account()
        body["operations"] = [op.describe() for op in self.operations]
        if self.errors:
            body["errors"] = self.errors
        return body

    def report(self):
        """What the control endpoint shows."""
        return {
            "project_id": self.project, "payment_id": self.payment_id,
            "path": self.path, "method": self.method, "amount": self.amount,
            "currency": self.currency, "sum": self.sum,
            "status": self.status, "final": self.final,
            "history": self.history, "times_accepted": len(self.accepted),
            "accepted_at": self.accepted,
            "accepted_amounts": self.accepted_amounts,
            "paid": self.paid(),
            "operations": [op.describe() for op in self.operations],
        }

    def paid(self):
        """Minor units that reached the customer, as far as is known."""
        if self.status == "success":
            return self.sum
        if self.status == "partially_paid_out":
            return sum(op.amount for op in self.operations
                       if op.status == "success")
        return 0
