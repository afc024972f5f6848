"""A request as it came in."""

from __future__ import annotations

from typing import Any

from kafkastatic._value import Value
from kafkastatic.broker.faults import Place, Rule


class Call(Value):
    """A request as it came in.

    Attributes:
        node: the id of the broker that was asked.
        version: of the API.
        client_id, host: who asks (`host` as Kafka writes it: `/127.0.0.1`).
        connection: a number that no other connection has.
        request: of `kafkastatic._protocol.messages`.
        fault: some of its partitions are to be refused. Only Fetch has to look, whose session tells what it is about;
            what other requests are about is seen before they are handed on.
        listener: by which of the node's listeners it came.
    """

    node: int
    version: int
    client_id: str
    host: str
    connection: int
    request: Any
    fault: Rule | None = None
    listener: int = 0

    def refused(self, place: Place) -> int:
        """The error code with which a partition is to be refused, 0 for none."""
        return (self.fault.error or 0) if self.fault is not None and self.fault.covers(place) else 0
