"""A request as it came in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kafkastatic._value import Value
from kafkastatic.broker.faults import Place


def _nothing(place: Place) -> int:
    return 0


class Call(Value):
    """A request as it came in.

    Attributes:
        node: the id of the broker that was asked.
        version: of the API.
        client_id, host: who asks (`host` as Kafka writes it: `/127.0.0.1`).
        connection: a number that no other connection has.
        request: of `kafkastatic._protocol.messages`.
        refused: the code with which a partition is to be refused, 0 for none. Fetch asks, whose session tells what
            it is about; what other requests are about is seen before they are handed on.
    """

    node: int
    version: int
    client_id: str
    host: str
    connection: int
    request: Any
    refused: Callable[[Place], int] = staticmethod(_nothing)  # else it would become a method
