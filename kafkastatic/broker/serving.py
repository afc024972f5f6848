"""Requests to answers."""

from __future__ import annotations

from typing import Any

from kafkastatic._value import Value


class Call(Value):
    """A request as it came in.

    Attributes:
        node: the id of the broker that was asked.
        version: of the API.
        client_id, host: who asks (`host` as Kafka writes it: `/127.0.0.1`).
        connection: a number that no other connection has.
        request: of `kafkastatic._protocol.messages`.
    """

    node: int
    version: int
    client_id: str
    host: str
    connection: int
    request: Any

    @property
    def api(self) -> str:
        return self.request.NAME
