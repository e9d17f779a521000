"""Rules that make the simulator misbehave, set through the control endpoint."""

import itertools
import random

# what a rule may ask for: name -> check of the value
STAGES = ("before", "after")
STATUSES = ("processing", "awaiting clarification", "awaiting retry",
            "success", "decline", "error", "reversed", "partially_paid_out")
FINAL = ("success", "decline", "error", "reversed", "partially_paid_out")
OUTCOMES = STATUSES + ("none",)
FORGERIES = ("signature", "key", "body", "unsigned")


def _one_of(values):
    return lambda value: value in values


def _number(value):
    return type(value) in (int, float) and value >= 0


def _count(value):
    return type(value) is int and value >= 0


def _boolean(value):
    return isinstance(value, bool)


def _answer(value):
    return isinstance(value, dict) and set(value) <= {
        "http", "code", "message", "accept", "body", "headers"} \
        and type(value.get("http", 400)) is int \
        and isinstance(value.get("headers", {}), dict)


def _errors(value):
    return _count(value) or isinstance(value, list)


def check_step(step):
    """A step of a payment's way as a dict, or ValueError."""
    if isinstance(step, str):
        step = {"status": step}
    if not isinstance(step, dict) or step.get("status") not in STATUSES:
        raise ValueError("status of a step: one of %s" % ", ".join(STATUSES))
    known = {"status", "amount", "paid", "code", "message", "errors",
             "after_ms", "converted", "fields"}
    if set(step) - known:
        raise ValueError("unknown member of a step: %s"
                         % ", ".join(sorted(set(step) - known)))
    paid = step.get("paid", [])
    if not isinstance(paid, list) or not all(
            _count(amount) for amount in paid + [step.get("amount", 0)]):
        raise ValueError("amounts of a step: integers in minor units")
    return step


def expand_outcome(outcome):
    """The steps that one word stands for."""
    if isinstance(outcome, dict):
        return [check_step(outcome)]
    if outcome == "none":
        return []
    if outcome == "reversed":
        return [check_step("success"), check_step("reversed")]
    if outcome == "awaiting retry":
        return [check_step("awaiting retry"), check_step("success")]
    return [check_step(outcome)]


def _steps(value):
    return isinstance(value, list) and all(check_step(step) for step in value)


def _outcome(value):
    expand_outcome(value)
    return True


ACTIONS = {
    "delay_before_ms": _number, "delay_ms": _number,
    "drop": _one_of(STAGES), "reset": _one_of(STAGES), "cut": _count,
    "answer": _answer,
    "outcome": _outcome, "steps": _steps, "hold": _boolean,
    "then": _steps, "callback_delay_ms": _number,
    "early": _boolean, "copies": _count, "concurrent": _boolean,
    "reorder": _one_of(("reverse", "shuffle")),
    "signature_place": _one_of(("top", "general")),
    "order": _one_of(("natural", "bytes")),
    "forge": _one_of(FORGERIES), "errors": _errors,
    "extra": lambda value: isinstance(value, dict),
    "shape": _one_of(("mobile", "card")), "url": lambda v: isinstance(v, str),
}
MATCHES = ("payment_id", "payment_prefix", "project_id", "path", "skip",
           "count", "probability")


class Fault:
    """One rule: what it matches, how often, and what then happens."""

    def __init__(self, number, rule):
        self.number = number
        self.rule = rule
        self.match = {name: rule[name] for name in MATCHES if name in rule}
        self.actions = {name: value for name, value in rule.items()
                        if name in ACTIONS}
        self.left = rule.get("count", 1) or None    # None: no end
        self.skip = rule.get("skip", 0)
        self.hits = 0

    def fits(self, project, payment_id, path):
        match = self.match
        if self.left == 0:
            return False
        if "payment_id" in match and match["payment_id"] != payment_id:
            return False
        if "payment_prefix" in match and not (payment_id or "").startswith(
                match["payment_prefix"]):
            return False
        if "project_id" in match and match["project_id"] != project:
            return False
        return "path" not in match or match["path"] in path

    def describe(self):
        return dict(self.rule, id=self.number, hits=self.hits,
                    left=self.left)


class Faults:
    """All rules, and dice whose throws do not depend on the order of requests.

    The throw of a rule for a payment comes from the seed, the rule's number,
    the payment and how often that payment was seen, so concurrent clients see
    the same faults in every run.
    """

    def __init__(self, seed):
        self.seed = seed
        self.rules = []
        self.numbers = itertools.count(1)

    def reset(self):
        self.rules = []
        self.numbers = itertools.count(1)

    def add(self, rule):
        """Adds a rule (a dict) or raises ValueError."""
        if not isinstance(rule, dict):
            raise ValueError("a fault is an object")
        for name, value in rule.items():
            if name in ACTIONS:
                if not ACTIONS[name](value):
                    raise ValueError("bad value of %s" % name)
            elif name not in MATCHES:
                raise ValueError("unknown member %s" % name)
        if not _count(rule.get("count", 1)) or not _count(rule.get("skip", 0)):
            raise ValueError("count and skip are not negative integers")
        chance = rule.get("probability", 1)
        if not _number(chance) or chance > 1:
            raise ValueError("probability is from 0 to 1")
        fault = Fault(next(self.numbers), rule)
        self.rules.append(fault)
        return fault

    def remove(self, number):
        before = len(self.rules)
        self.rules = [fault for fault in self.rules if fault.number != number]
        return before - len(self.rules)

    def take(self, project, payment_id, path, seen):
        """The actions for a request; later rules override earlier ones."""
        actions = {}
        for fault in self.rules:
            if not fault.fits(project, payment_id, path):
                continue
            if not self._thrown(fault, project, payment_id, seen):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            if fault.left is not None:
                fault.left -= 1
            actions.update(fault.actions)
        return actions

    def _thrown(self, fault, project, payment_id, seen):
        chance = fault.match.get("probability", 1)
        if chance >= 1:
            return True
        dice = random.Random("%s:%d:%s:%s:%d" % (
            self.seed, fault.number, project, payment_id, seen))
        return dice.random() < chance
