"""What goes wrong on purpose: which requests, how often, and how. Pure.

A fault says which requests it is for and what happens to them, in this order: parked until they are released, delayed,
answered with an error code, not answered, their connection cut, written slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from kafkastatic._value import Value

Cut = Literal["before", "mid-frame"]
Place = tuple[str, int]


class Rule(Value):
    """Which requests, and what becomes of them.

    Attributes:
        api: the API's name (`Heartbeat`).
        client_id, node: whose requests, to which broker; `None` for any.
        topic, partition: requests about it; with an error code, only these partitions of it are refused.
        error: the code of the answer; the request is not carried out.
        delay_ms: how long it waits before it is looked at.
        drop: it is carried out, and not answered.
        cut: the connection is closed instead of carrying it out ("before"), or in the middle of the answer.
        hold: it waits until it is released.
        chunk: the answer is written in pieces of so many bytes, each in a packet of its own.
    """

    api: str
    client_id: str | None = None
    node: int | None = None
    topic: str | None = None
    partition: int | None = None
    error: int | None = None
    delay_ms: float = 0
    drop: bool = False
    cut: Cut | None = None
    hold: bool = False
    chunk: int | None = None

    def names(self, api: str, client_id: str, node: int) -> bool:
        """Whether it is for requests like this one, whatever they are about."""
        return self.api == api and self.client_id in (None, client_id) and self.node in (None, node)

    def covers(self, place: Place) -> bool:
        return self.topic in (None, place[0]) and self.partition in (None, place[1])

    @property
    def about(self) -> bool:
        """Whether it is for some topics or partitions only."""
        return self.topic is not None or self.partition is not None


class Rules:
    """The faults that are set, in the order in which they were, each with how often it may strike."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[Rule, int | None]] = {}
        self._number = 0

    def add(self, rule: Rule, times: int | None) -> int:
        """Returns its number, for `remove`."""
        self._number += 1
        self._left[self._number] = (rule, times)
        return self._number

    def remove(self, number: int) -> None:
        self._left.pop(number, None)

    def strike(
        self, api: str, client_id: str, node: int, places: Callable[[], Iterable[Place]]
    ) -> tuple[int, Rule] | None:
        """The first fault for a request, and its number; one use of it is spent.

        Args:
            places: what the request is about; asked where a fault wants to know.
        """
        for number, (rule, times) in self._left.items():
            if not rule.names(api, client_id, node):
                continue
            if rule.about and not any(rule.covers(place) for place in places()):
                continue
            if times is not None:
                if times <= 1:
                    del self._left[number]
                else:
                    self._left[number] = (rule, times - 1)
            return number, rule
        return None
