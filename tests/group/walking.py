"""What the random walks of the two membership machines share: a driver that is as unkind as a driver may be.

It answers any request in flight with any code, at any time, also those that were given up; it loses answers, runs
callbacks late, and lets the application do what it likes. What a request may be, and what the member owns, is the rules
of each protocol: see the walks themselves.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from kafkastatic._group.member import (
    CloseRequested,
    CoordinatorForgotten,
    CoordinatorFound,
    CoordinatorRefused,
    Event,
    MetadataChanged,
    PollExpired,
    PollResumed,
    RequestFailed,
    Send,
    Started,
    TimerFired,
)
from kafkastatic.errors import KafkaTimeoutError, ProtocolError, TopicAuthorizationFailedError
from kafkastatic.types import ClusterSnapshot
from tests.group.machine import LOST

Choose = Callable[[int], int]
"""A number below the one given: randomness, or Hypothesis."""


class Recorded:
    """Notes every way of the table that a machine goes; to be mixed into one."""

    state: Any

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.gone: set[tuple[Any, str]] = set()

    def _move(self, cause: str) -> None:
        self.gone.add((self.state, cause))
        super()._move(cause)  # type: ignore[misc]


@attrs.define
class InFlight:
    """A request that the broker may still answer."""

    send: Send
    live: bool = True  # the member waits for it


class Walk:
    """A member, its broker and its application.

    Attributes:
        turns: within how many turns of peace the member has to come to rest.
    """

    turns = 60

    def __init__(
        self, choose: Choose, member: Any, versions: Mapping[int, tuple[int, int]], over: Collection[Any]
    ) -> None:
        self.choose = choose
        self.member = member
        self.versions = versions
        self.over = over
        self.now = 0.0
        self.requests: dict[int, InFlight] = {}
        self.callbacks: deque[Any] = deque()
        self.finding = False
        self.silent = False  # fenced: never a request again
        self.leave_asked = False
        self.trace: list[str] = []

    # ── each protocol's own ──

    def feed(self, event: Event) -> None:
        """Let the member take an event, carry out what it wants, and check the rules."""
        raise NotImplementedError

    def step(self) -> None:
        """Something happens."""
        raise NotImplementedError

    def answer(self, flight: InFlight, code: int) -> None:
        raise NotImplementedError

    def end_callback(self) -> None:
        raise NotImplementedError

    def settled(self) -> bool:
        """Whether it reads, is paused or over, and nothing is under way."""
        raise NotImplementedError

    def calm(self) -> ClusterSnapshot:
        """What the cluster is like in peace."""
        raise NotImplementedError

    # ── what may happen ──

    def time_passes(self) -> None:
        self.now += (0.0, 0.05, 1.0, 3.0, 50.0, 400.0)[self.choose(6)]
        if not self.choose(3):
            self.feed(TimerFired())  # early, or late

    def timer_fires(self) -> None:
        deadline = self.member.deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.feed(TimerFired())

    def find(self) -> None:
        if self.finding:
            self.finding = False
            if self.choose(200):
                self.feed(CoordinatorFound(self.versions))
            else:
                self.feed(CoordinatorRefused(TopicAuthorizationFailedError()))

    def forget(self) -> None:
        """Another request has found the coordinator gone."""
        self.feed(CoordinatorForgotten())

    def expire(self) -> None:
        self.feed(PollExpired(("orders", 0, 17), 0.5))

    def resume(self) -> None:
        self.feed(PollResumed())

    def close(self) -> None:
        leave = bool(self.choose(2))
        self.leave_asked = self.leave_asked or leave
        self.feed(CloseRequested(leave))

    # ── answers ──

    def waited_for(self) -> list[InFlight]:
        return [flight for flight in self.requests.values() if flight.live]

    def pick(self) -> InFlight | None:
        flights = list(self.requests.values())
        return flights[self.choose(len(flights))] if flights else None

    def answer_well(self) -> None:
        flight = self.pick()
        if flight is not None:
            self.answer(flight, 0)

    def lose_answer(self) -> None:
        flight = self.pick()
        if flight is None:
            return
        if self.choose(30):
            error = LOST if self.choose(2) else KafkaTimeoutError("late")
        else:
            error = ProtocolError("bytes that are no answer")
        self.close_request(flight)
        self.let_go(flight)
        self.feed(RequestFailed(flight.send.key, error))

    def close_request(self, flight: InFlight) -> None:
        if self.choose(4):
            del self.requests[flight.send.key]  # else it is answered twice

    def let_go(self, flight: InFlight) -> None:
        """The member waits for it no longer."""
        flight.live = False

    # ── peace ──

    def calm_down(self) -> None:
        """From now on all goes well: the member must end up reading, paused or over, and not get stuck."""
        self.choose = lambda n: n - 1  # well answered, once, with everything known
        self.feed(MetadataChanged(self.calm()))
        if self.member.state.name == "IDLE":
            self.feed(Started())
        self.resume()
        for _ in range(self.turns):
            if self.settled():
                return
            self.serve()
            live = self.waited_for()
            if live:
                self.answer(live[0], 0)
            elif not (self.owes() or self.settled()):
                assert self.member.deadline() is not None, f"stuck in {self.member.state}"
                self.timer_fires()
        raise AssertionError(f"restless in {self.member.state}")

    def serve(self) -> None:
        """Do what the member waits for, but for answering it."""
        self.find()
        self.end_callback()

    def owes(self) -> bool:
        """Whether there is anything to `serve`."""
        return self.finding or bool(self.callbacks)


def walk(world: Walk, steps: int) -> Walk:
    """So many steps, then peace."""
    try:
        over = 0
        for _ in range(steps):
            world.step()
            over += world.member.state in world.over
            if over == 15:
                break  # it has stayed silent
        world.calm_down()
    except Exception as error:
        error.add_note("\n".join(world.trace[-60:]))
        raise
    return world


def ways_gone(make: Callable[[Choose], Walk], *, histories: int, steps: int) -> set[tuple[Any, str]]:
    """The ways that members went in some random histories."""
    gone: set[tuple[Any, str]] = set()
    for seed in range(histories):
        try:
            gone |= walk(make(random.Random(seed).randrange), steps).member.gone
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    return gone
