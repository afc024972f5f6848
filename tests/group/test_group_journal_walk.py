"""Whatever happens to a member, in whatever order, what the application is told adds up, in both protocols."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from kafkastatic._group.journal import Journal
from kafkastatic._group.member import Action, Event
from kafkastatic.events import Assigned, Joined, Lost, Rebalanced, Revoked
from kafkastatic.types import TopicPartition
from tests.group.test_group_walk import World as Classic
from tests.group.test_kip848_walk import World as Consumer
from tests.group.walking import walk

pytestmark = pytest.mark.once

NEVER_READY = frozenset({"IDLE", "PAUSED", "STOPPED", "FAILED"})


class Listener:
    """One who believes what the journal of a walking member says."""

    def __init__(self) -> None:
        self.journal = Journal(300.0)
        self.told: frozenset[TopicPartition] = frozenset()
        self.rebalances = 0
        self.was_in = False

    def hear(self, world: Any, event: Event, actions: list[Action]) -> None:
        for told in self.journal.saw(event, actions, world.member, world.now, world.now):
            world.trace.append(f"{'':24}-> {told!r:.200}")
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
        self.check(world)

    def check(self, world: Any) -> None:
        health, member = self.journal.health(world.now), world.member
        if member.settled:
            assert self.told == member.membership.assignment
            assert health.reason == "in the group" or health.reason.startswith("unconfirmed: ")
        if member.state.name in NEVER_READY:
            assert not health.ready
        if health.ready and not member.settled:
            assert health.reason.startswith("rebalancing: ")


def told(world: type[Classic] | type[Consumer]) -> type[Any]:
    """Such a world, with a listener."""

    class Told(world):  # type: ignore[valid-type,misc]
        def feed(self, event: Event) -> None:
            if "listener" not in self.__dict__:
                self.listener = Listener()
                self.member.handle = self.heard(self.member.handle)
            super().feed(event)

        def heard(self, handle: Callable[[Event, float], list[Action]]) -> Callable[[Event, float], list[Action]]:
            def handled(event: Event, now: float) -> list[Action]:
                actions = handle(event, now)
                self.listener.hear(self, event, actions)
                return actions

            return handled

    return Told


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
@pytest.mark.parametrize("world", [Classic, Consumer], ids=["classic", "consumer"])
def test_what_is_told_adds_up_to_what_is_owned(world: type[Classic] | type[Consumer], static: bool) -> None:
    """Whoever follows assigned, revoked and lost knows the assignment whenever the member is settled; the phases of a
    rebalance come to its total; who is not in the group is ready only while it rebalances in order."""
    rebalances, make = 0, told(world)
    for seed in range(60):
        walking = make(random.Random(seed).randrange, static=static)
        try:
            walk(walking, 150)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        rebalances += walking.listener.rebalances if "listener" in walking.__dict__ else 0
    assert rebalances
