"""Whatever happens to a member, in whatever order, what the application is told adds up."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kafkastatic._group.journal import Journal
from kafkastatic._group.member import Action, Event
from kafkastatic._group.states import State
from kafkastatic.events import Assigned, Joined, Lost, Rebalanced, Revoked
from kafkastatic.types import TopicPartition
from tests.group.test_group_walk import World

pytestmark = pytest.mark.once

NEVER_READY = frozenset({State.IDLE, State.PAUSED, State.STOPPED, State.FAILED})


class Told(World):
    """A world whose member's journal is read by one who believes it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self.journal = Journal(300.0)
        self.told: frozenset[TopicPartition] = frozenset()
        self.rebalances = 0
        self.was_in = False
        super().__init__(*args, **named)

    def feed(self, event: Event) -> None:
        if "handle" not in self.member.__dict__:
            handle = self.member.handle

            def heard(event: Event, now: float) -> list[Action]:
                actions = handle(event, now)
                self.hear(event, actions)
                return actions

            self.member.handle = heard  # type: ignore[method-assign]
        super().feed(event)
        self.check()

    def hear(self, event: Event, actions: list[Action]) -> None:
        for told in self.journal.saw(event, actions, self.member, self.now, self.now):
            self.trace.append(f"{'':24}-> {told!r:.200}")
            match told:
                case Assigned():
                    assert told.added <= told.partitions
                    self.told |= told.added
                case Revoked():
                    assert told.partitions <= self.told
                    self.told -= told.partitions
                case Lost():
                    self.told -= told.partitions
                case Joined():
                    self.was_in = True
                case Rebalanced():
                    assert self.was_in
                    assert told.kept | told.added == self.told
                    spent = (told.revoke, told.join, told.sync, told.assign)
                    assert min(spent) >= 0.0
                    assert sum(spent) == pytest.approx(told.total)
                    self.rebalances += 1
                case _:
                    pass

    def check(self) -> None:
        health = self.journal.health(self.now)
        if self.member.settled:
            assert self.told == self.member.membership.assignment
            assert health.reason == "in the group" or health.reason.startswith("unconfirmed: ")
        if self.member.state in NEVER_READY:
            assert not health.ready
        if health.ready and not self.member.settled:
            assert health.reason.startswith("rebalancing: ")


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_what_is_told_adds_up_to_what_is_owned(static: bool) -> None:
    """Whoever follows assigned, revoked and lost knows the assignment whenever the member is settled; the phases of a
    rebalance come to its total; who is not in the group is ready only while it rebalances in order."""
    rebalances = 0
    for seed in range(100):
        world = Told(random.Random(seed).randrange, static=static)
        try:
            for _ in range(150):
                world.step()
            world.calm_down()
        except Exception as error:
            error.add_note("\n".join([*world.trace[-60:], f"seed {seed}"]))
            raise
        rebalances += world.rebalances
    assert rebalances
