"""What is sent: a payout of a service, a callback of Gate."""

import json

from gatesim_lib import signature

PROJECT_ID = 1234
KEY = b"a key of the benchmark, no project in Gate has it"

# wrk replaces the last nine digits, so that every payout is another one
PAYMENT_ID = "payout-000000000"


class Body:
    """A request body, and where it goes."""

    def __init__(self, name, path, text):
        self.name = name
        self.path = path
        self.text = text


def _payout():
    document = {
        "general": {"payment_id": PAYMENT_ID},
        "customer": {
            "id": "customer_90210",
            "ip_address": "203.0.113.47",
            "first_name": "Aliya",
            "last_name": "Bekova",
            "email": "aliya.bekova@example.com",
        },
        "account": {"number": "77010002030"},
        "payment": {
            "currency": "KZT",
            "amount": 250000,
            "description": "Reward for June, order 2406-000815, paid in full",
        },
    }

    return json.dumps(document, indent=4)


def _callback():
    amount = {"amount": 250000, "currency": "KZT"}
    document = {
        "project_id": PROJECT_ID,
        "payment": {
            "id": PAYMENT_ID,
            "type": "payout",
            "status": "success",
            "date": "2024-06-30T09:15:27+0000",
            "method": "mobile",
            "sum": amount,
            "description": "Reward for June, order 2406-000815, paid in full",
        },
        "customer": {"id": "customer_90210"},
        "operation": {
            "id": 58301000047412,
            "type": "payout",
            "status": "success",
            "date": "2024-06-30T09:15:27+0000",
            "created_date": "2024-06-30T09:14:58+0000",
            "request_id": "8c21f07be4d95a36",
            "sum_initial": amount,
            "sum_converted": amount,
            "code": "0",
            "message": "Success",
            "provider": {
                "id": 20117,
                "payment_id": "5520-77-1019",
                "auth_code": "",
            },
        },
        "account": {"number": "77010002030", "type": "ALTEL"},
    }

    document["signature"] = signature.sign(document, KEY)

    return json.dumps(document, separators=(",", ":"))


PAYOUT = Body("payout", "/v2/payment/mobile/payout", _payout())
CALLBACK = Body("callback", "/callbacks/gate", _callback())
