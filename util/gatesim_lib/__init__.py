"""A simulator of Gate, the payment platform that nginx-gate talks to."""

VERSION = "1.0.0"
