"""Callbacks: how payments move on, how the news are signed and delivered."""

import asyncio
import base64
import collections
import copy
import itertools
import json
import random
import time

from . import faults, httpclient, payments, signature

TRIES = 120
LONGEST = 11 * 86400
FOUR_HOURS = 4 * 3600


def gaps():
    """Seconds before each try but the first, as Gate documents them."""
    total = 0.0
    for number in range(2, TRIES + 1):
        if number <= 6:
            gap = 10.0
        else:
            gap = min(70 + 10 * 1.12 ** (number - 4), FOUR_HOURS)
        total += gap
        if total > LONGEST:
            return
        yield gap


def serialize(body, ascii_only=False):
    return json.dumps(body, ensure_ascii=ascii_only,
                      separators=(",", ":")).encode("utf-8")


def signed(body, key, plan):
    """The text of a callback or answer, with the faults the plan asks for."""
    forge = plan.get("forge")
    body = dict(body, **plan.get("extra", {}))
    if isinstance(plan.get("errors"), list):
        body["errors"] = plan["errors"]
    elif plan.get("errors"):
        body["errors"] = [
            {"code": 2004, "message": "error %d" % n, "field": "field.%d" % n}
            for n in range(plan["errors"])]
    if forge == "unsigned":
        return serialize(body)
    text = signature.sign(body, b"not the key" if forge == "key" else key,
                          plan.get("order", "natural"))
    if forge == "signature":
        digest = bytearray(base64.b64decode(text))
        digest[-1] ^= 1
        text = base64.b64encode(digest).decode("ascii")
    elif forge == "body":
        body = copy.deepcopy(body)
        body["payment"]["sum"]["amount"] += 1
    if plan.get("signature_place") == "general":
        general = dict(body.get("general", {}), signature=text)
        body = dict({"general": general}, **{
            name: value for name, value in body.items() if name != "general"})
    else:
        body["signature"] = text
    return serialize(body)


class Delivery:
    """One callback on its way, with all its tries."""

    def __init__(self, number, project, payment_id, status, url, text):
        self.number = number
        self.project = project
        self.payment_id = payment_id
        self.status = status
        self.url = url
        self.text = text
        self.tries = []
        self.state = "pending"
        self.first = asyncio.Event()

    def describe(self, with_body):
        described = {
            "id": self.number, "project_id": self.project,
            "payment_id": self.payment_id, "status": self.status,
            "url": self.url, "state": self.state, "tries": self.tries,
        }
        if with_body:
            described["body"] = self.text.decode("utf-8")
        return described


class Courier:
    """Delivers texts until they are taken, by Gate's schedule."""

    def __init__(self, settings, activity, log):
        self.settings = settings
        self.activity = activity
        self.log = log
        self.numbers = itertools.count(1)
        self.deliveries = collections.deque(maxlen=settings.keep)
        self.delivered = 0
        self.tried = 0
        self.tasks = set()
        self.places = asyncio.Semaphore(settings.callback_concurrency)

    def start(self, project, payment_id, status, url, text, redeliver=True):
        """Begins a delivery of its own; `first` is set after its first try."""
        delivery = Delivery(next(self.numbers), project, payment_id, status,
                            url, text)
        self.deliveries.append(delivery)
        self.activity.begin()
        task = asyncio.get_running_loop().create_task(
            self._deliver(delivery, redeliver))
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return delivery

    def _ended(self, task):
        self.tasks.discard(task)
        self.activity.end()

    async def _deliver(self, delivery, redeliver):
        scale = self.settings.time_scale
        waits = itertools.chain([0], gaps() if redeliver else [])
        try:
            for wait in itertools.islice(waits, self.settings.max_tries):
                if wait:
                    await asyncio.sleep(wait * scale)
                outcome = await self.attempt(delivery)
                if outcome.get("status") == 200:
                    delivery.state = "delivered"
                    self.delivered += 1
                delivery.first.set()
                self.activity.changed()
                if delivery.state == "delivered":
                    return
        finally:
            delivery.first.set()
        delivery.state = "given up"
        self.log("callback-given-up", id=delivery.number,
                 payment=delivery.payment_id)

    async def attempt(self, delivery):
        """One try, recorded with what came back."""
        async with self.places:
            attempt = {"at": time.time()}
            delivery.tries.append(attempt)
            try:
                status, _, body = await httpclient.post(
                    delivery.url, delivery.text,
                    self.settings.callback_timeout, self.settings.client_tls)
                attempt["status"] = status
                attempt["answer"] = body[:2048].decode("utf-8", "replace")
            except (OSError, ValueError) as error:
                attempt["error"] = "%s: %s" % (type(error).__name__, error)
            attempt["took"] = round(time.time() - attempt["at"], 6)
        self.tried += 1
        self.log("callback", id=delivery.number, project=delivery.project,
                 payment=delivery.payment_id, status=delivery.status,
                 attempt=len(delivery.tries),
                 answer=attempt.get("status", "none"))
        return attempt

    def reset(self):
        for task in list(self.tasks):
            task.cancel()
        self.deliveries.clear()
        self.delivered = self.tried = 0
        self.numbers = itertools.count(1)


class Walker:
    """Moves payments along their steps and sends the news of each."""

    def __init__(self, settings, courier, activity, log):
        self.settings = settings
        self.courier = courier
        self.activity = activity
        self.log = log
        self.tasks = {}
        self.timers = {}

    def start(self, payment, delay, first=None):
        """Walks the steps of the payment; an earlier walk of it ends.

        Each step comes `delay` seconds after the one before, the first after
        `first` if that is given.
        """
        self.stop(payment)
        news = asyncio.Event()
        self.activity.begin()
        task = asyncio.get_running_loop().create_task(
            self._walk(payment, delay, delay if first is None else first,
                       news))
        self.tasks[payment] = task
        task.add_done_callback(lambda done: self._ended(payment, done, news))
        return news

    def stop(self, payment):
        task = self.tasks.pop(payment, None)
        if task is not None:
            task.cancel()
        timer = self.timers.pop(payment, None)
        if timer is not None:
            timer.cancel()

    def _ended(self, payment, task, news):
        if self.tasks.get(payment) is task:
            del self.tasks[payment]
        news.set()
        self.activity.end()
        if not task.cancelled() and task.exception() is not None:
            self.log("walk-failed", payment=payment.payment_id,
                     error=repr(task.exception()))

    async def _walk(self, payment, delay, wait, news):
        held_back = []
        reorder = payment.plan.get("reorder")
        while payment.steps:
            step = payment.steps[0]
            await asyncio.sleep(step.get("after_ms", wait * 1000) / 1000)
            wait = delay
            payment.steps.pop(0)
            for message in self._apply(payment, step):
                if reorder:
                    held_back.append(message)
                else:
                    await self._send(payment, message)
                    news.set()
            self.activity.changed()
            if payment.status == "awaiting clarification":
                self._await_clarification(payment)
                break
        if reorder == "reverse":
            held_back.reverse()
        elif reorder == "shuffle":
            random.Random("%s:%s" % (self.settings.seed, payment.payment_id)
                          ).shuffle(held_back)
        for message in held_back:
            await self._send(payment, message)
            news.set()

    def _await_clarification(self, payment):
        """Left alone, such a payment is declined after half an hour."""
        payment.after_clarification = payment.steps
        payment.steps = []

        def too_late():
            payment.steps = [faults.check_step("decline")]
            self.start(payment, 0)

        self.timers[payment] = asyncio.get_running_loop().call_later(
            self.settings.clarification_timeout, too_late)

    def _apply(self, payment, step):
        """Takes one step; returns the messages about it."""
        status = step["status"]
        paid = step.get("paid")
        code, message = payments.OUTCOME_CODES[status]
        code = str(step.get("code", code))
        message = step.get("message", message)
        if status == "partially_paid_out":
            return self._pay_parts(payment, paid or [payment.amount // 2])
        operation = payment.operations[-1]
        operation.set(status, code, message)
        if "amount" in step:
            payment.sum = operation.amount = step["amount"]
        operation.converted = step.get("converted")
        payment.errors = step.get("errors", [])
        if status == "error" and not payment.errors:
            payment.errors = [{"code": int(code), "message": message}]
        if "fields" in step:
            payment.plan = dict(payment.plan, fields=step["fields"])
        payment.move(status)
        return [self.message(payment)]

    def _pay_parts(self, payment, paid):
        """One operation and one callback for each part that was paid."""
        messages = []
        first = payment.operations.pop()
        for number, amount in enumerate(paid):
            operation = payments.Operation(
                first.id + number, first.request_id, amount, payment.currency)
            operation.set("success", *payments.OUTCOME_CODES["success"])
            payment.operations.append(operation)
            payment.move("partially_paid_out")
            messages.append(self.message(payment))
        return messages

    def message(self, payment):
        """(status, address, text) of the news about a payment."""
        plan = payment.plan
        url = plan.get("url") \
            or payment.callback_url(self.settings.callback_url)
        key = self.settings.projects[payment.project]
        body = payment.callback(plan.get("shape"))
        return payment.status, url, signed(body, key, plan)

    async def _send(self, payment, message):
        """Sends all copies, and waits until each was tried once."""
        status, url, text = message
        if not url:
            return
        started = []
        for _ in range(payment.plan.get("copies", 1)):
            delivery = self.courier.start(payment.project, payment.payment_id,
                                          status, url, text)
            started.append(delivery)
            if not payment.plan.get("concurrent"):
                await delivery.first.wait()
        for delivery in started:
            await delivery.first.wait()

    def reset(self):
        for payment in list(self.tasks) + list(self.timers):
            self.stop(payment)
