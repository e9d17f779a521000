"""What each endpoint of Gate requires, and how it is checked."""

import re

MAX_AMOUNT = 10000000000000
MAX_PROJECT = 4294967295


def _text(value):
    return isinstance(value, str) and 1 <= len(value) <= 255


def _pattern(regex):
    compiled = re.compile(regex)
    return lambda value: isinstance(value, str) \
        and compiled.fullmatch(value) is not None


def _integer(low, high):
    return lambda value: type(value) is int and low <= value <= high


def _identifier(value):
    return _text(value) or _integer(1, 2 ** 63 - 1)(value)


_phone = _pattern("[0-9]{4,24}")

PROJECT = ("general.project_id", _integer(1, MAX_PROJECT))
PAYMENT = (("payment.amount", _integer(1, MAX_AMOUNT)),
           ("payment.currency", _pattern("[A-Z]{3}")))
IP = ("customer.ip_address", _text)
CUSTOMER = (("customer.id", _text), IP)
NAMES = (("customer.first_name", _text), ("customer.last_name", _text))
ACCOUNT = ("account.number", _text)
BANK = (ACCOUNT, ("account.bank_id", _identifier),
        ("account.customer_name", _text)) + CUSTOMER

# Path segments after /v2/payment/ and before /payout; "*" is any one segment.
PAYOUTS = {
    "mobile": (("account.number", _phone),) + CUSTOMER,
    "card": (("card.pan", _text),) + CUSTOMER,
    "individual": (("card.pan", _text),) + CUSTOMER,
    "asian-banks": BANK,
    "p2p-banks/*": BANK,
    "banks/*": (ACCOUNT,) + CUSTOMER,
    "unify": (ACCOUNT,) + CUSTOMER,
    "unify/*/*": (ACCOUNT, IP),
    "advcash": (ACCOUNT,) + CUSTOMER,
    "ecopayz": (ACCOUNT,) + CUSTOMER,
    "qiwi": (ACCOUNT,) + CUSTOMER,
    "skrill": (ACCOUNT,) + CUSTOMER,
    "webmoney": (ACCOUNT,) + CUSTOMER,
    "india-banks-p2p": (ACCOUNT,) + CUSTOMER,
    "flutterwave": (ACCOUNT, IP),
    "mpesa": (ACCOUNT, IP),
    "m10": (ACCOUNT, IP),
    "wise": (ACCOUNT, IP),
    "crypto": (("account.crypto_currency", _text),
               ("account.wallet_address", _text)) + CUSTOMER,
    "interac": CUSTOMER + NAMES + (("customer.email", _text),
                                   ("customer.phone", _text)),
    "cash-out-kz/*": CUSTOMER + (("customer.phone", _text),),
    "bank-transfer/*": CUSTOMER,
    "voucher/*": CUSTOMER,
    "wallet/*": CUSTOMER,
    "card-p2p": CUSTOMER,
    "pix": (IP,),
    "cash/*": (IP,),
    "cash-transfer": (IP,),
    "cash-transfer/*": (IP,),
    "sbp-p2p": (ACCOUNT,),
}
ADDRESSES = ("merchant_callback_url", "merchant_success_callback_url",
             "merchant_decline_callback_url", "terminal_callback_url",
             "referrer_url")
TOKEN = (("token", _text),) + CUSTOMER
MOBILE_PAGE = NAMES + (("customer.email", _text),)


class Endpoint:
    """`kind`: payout, status, clarification, operators, methods or info."""

    __slots__ = ("kind", "method", "fields", "top_level")

    def __init__(self, kind, method, fields, top_level=False):
        self.kind = kind
        self.method = method
        self.fields = fields
        self.top_level = top_level


def _find_payout(segments, page_fields):
    if segments == ["card", "payout", "token"]:
        return Endpoint("payout", "card", TOKEN + PAYMENT)
    if len(segments) < 2 or segments[-1] != "payout":
        return None
    names = segments[:-1]
    key = "/".join(names[:1] + ["*"] * (len(names) - 1))
    fields = PAYOUTS.get(key)
    if fields is None or not all(names):
        return None
    if key == "mobile" and page_fields:
        fields += MOBILE_PAGE
    return Endpoint("payout", names[0], fields + PAYMENT)


def find(path, page_fields=True):
    """The endpoint of a path, or None.

    With `page_fields` the fields count that the method's documentation page
    calls strictly required and the API description does not.
    """
    segments = path.strip("/").split("/")
    if not path.startswith("/v2/"):
        return None
    if segments[1:2] == ["payment"]:
        if segments[2:] == ["status"]:
            return Endpoint("status", None, ())
        if segments[2:] == ["clarification"]:
            return Endpoint("clarification", None,
                            (("additional_data",
                              lambda value: isinstance(value, dict)),))
        return _find_payout(segments[2:], page_fields)
    if segments[1:2] != ["info"]:
        return None
    if segments[2:] == ["available_methods_for_merchant", "list"]:
        return Endpoint("methods", None, (), top_level=True)
    if len(segments) == 5 and segments[2] == "mobile" \
            and segments[4] == "list":
        return Endpoint("operators", None, ())
    if len(segments) > 3 and segments[-1] == "list" \
            or segments[2:] == ["available_p2p_method_list"]:
        return Endpoint("info", None, ())
    return None


def lookup(document, path):
    """The value at a dotted path, or None."""
    for name in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def wrong_address(general):
    """The name of an optional address in "general" that is no text."""
    for name in ADDRESSES:
        if name in general and not _text(general[name]):
            return name
    return None


def first_problem(document, fields):
    """The path of the first field that is missing or wrong, and a reason."""
    for path, accepts in fields:
        value = lookup(document, path)
        if value is None:
            return path, "required field is not provided"
        if not accepts(value):
            return path, "value is of the wrong type or out of range"
    return None
