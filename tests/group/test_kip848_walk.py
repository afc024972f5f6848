"""Whatever happens to a KIP-848 member, in whatever order, it keeps the rules.

A driver that is as unkind as a driver may be: it answers any request in flight with any code, at any time, also those
that were given up; it loses answers, runs callbacks late, and lets the application do what it likes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafkastatic._group.kip848 import ConsumerMember
from kafkastatic._group.kip848.states import IN_GROUP, OVER, TABLE, State
from kafkastatic._group.member import (
    Action,
    Answered,
    Assign,
    AssignFinished,
    CommitRejected,
    Event,
    Fail,
    FindCoordinator,
    Lose,
    LoseFinished,
    MetadataChanged,
    Report,
    ResolveTopics,
    Revoke,
    RevokeFinished,
    Save,
    Saved,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkastatic.types import ClusterSnapshot, TopicPartition
from tests.group.consumer_machine import (
    DYNAMIC,
    MID,
    OLD_VERSIONS,
    ORDERS,
    REFUNDS,
    STATIC,
    VERSIONS,
    refused,
    snapshot,
)
from tests.group.consumer_machine import well as answered
from tests.group.walking import Choose, InFlight, Recorded, Walk, walk, ways_gone

pytestmark = pytest.mark.once

JOIN, LEAVE, LEAVE_FOR_NOW = 0, -1, -2
COMMON = (14, 15, 16, 25, 110, 111)
RARE = (-1, 7, 24, 29, 30, 35, 42, 69, 81, 82, 112, 113, 128, 999)
OWNS_NOTHING = frozenset(State) - IN_GROUP
HALVES = {ORDERS: 3, REFUNDS: 2}


class Recording(Recorded, ConsumerMember):
    """Notes every way of the table that it goes."""


class World(Walk):
    """A member, its broker, its application, and the rules."""

    turns = 80

    def __init__(self, choose: Choose, *, static: bool) -> None:
        self.static = static
        self.resumed, self.persistent = static and not choose(2), static and not choose(2)
        chosen = STATIC.evolve(resumed=self.resumed, persistent=self.persistent, wait_timeout=(0.0, 5.0)[choose(2)])
        topics = frozenset({"orders"}) if choose(8) else frozenset[str]()
        self.pattern = "ord.*" if topics and not choose(6) else None
        versions = VERSIONS if choose(3) else OLD_VERSIONS
        super().__init__(choose, Recording(chosen if static else DYNAMIC, topics, self.pattern), versions, OVER)
        self.saving = False
        self.saved = self.resumed or not self.persistent
        self.owned: frozenset[TopicPartition] = frozenset()
        self.lost = False  # on_partitions_lost has not ended: nothing may be sent
        self.sent = self.resumed  # a join went out, here or in the process before
        self.epoch = 0
        if choose(50):
            self.feed(Started())

    # ── the rules ──

    def feed(self, event: Event) -> None:
        state = self.member.state
        self.trace.append(f"{self.now:9.2f} {state.name:9} {event!r:.200}")
        actions = self.member.handle(event, self.now)
        self.trace += [f"{'':24}{action!r:.300}" for action in actions]
        if state in OVER:
            assert actions == []
        for action in actions:
            self.carry_out(action)
        after = self.member.membership
        assert after.assignment == (frozenset() if self.member.state in OWNS_NOTHING else self.owned)
        assert (after.member_id, after.instance_id) == (MID, "billing-0" if self.static else None)
        assert (after.epoch >= 0) == (self.member.state in IN_GROUP) or self.member.state is State.FAILED
        if self.member.state in OVER:
            assert self.member.deadline() is None
            assert isinstance(actions[-1], (Fail, Stop)) if state not in OVER else True
        if self.member.state is State.LEAVING:
            assert [flight.send.request.member_epoch for flight in self.waited_for()] in ([LEAVE], [LEAVE_FOR_NOW])
        if isinstance(event, TimerFired):
            deadline = self.member.deadline()
            assert deadline is None or deadline > self.now, "the timer fires for ever"

    def carry_out(self, action: Action) -> None:
        match action:
            case Send():
                self.check_request(action)
                self.requests[action.key] = InFlight(action, live=self.member.state is not State.PAUSED)
            case FindCoordinator():
                assert not self.finding
                self.finding = True
            case ResolveTopics():
                assert action.topic_ids
            case Save():
                assert not self.saving and not self.saved
                assert action.member_id == MID
                self.saving = True
            case Assign():
                assert action.complete == self.owned | action.added
                assert not action.added & self.owned
                assert not self.callbacks or self.callbacks[-1][0] is not RevokeFinished
                self.owned = action.complete
                self.callbacks.append((AssignFinished, action.added))
            case Revoke():
                assert frozenset() != action.partitions <= self.owned
                assert action.deadline >= self.now
                assert not self.callbacks, "one callback at a time"
                self.callbacks.append((RevokeFinished, action.partitions))
            case Lose():
                assert action.partitions == self.owned
                self.owned, self.lost = frozenset(), True
                self.callbacks.append((LoseFinished, action.partitions))
                self.give_up()
            case Report("coordinator_lost" | "stepped_out" | "closed"):
                self.give_up()
            case Fail() | Stop():
                self.give_up()
            case _:
                pass

    def check_request(self, send: Send) -> None:
        request, state = send.request, self.member.state
        epoch = request.member_epoch
        assert send.key not in self.requests
        assert not self.silent, "a request after FENCED_INSTANCE_ID"
        assert not self.lost, "a request before on_partitions_lost has ended"
        assert self.saved, "a request under a member id that is not durable"
        assert send.timeout > 0
        assert (request.member_id, request.instance_id) == (MID, "billing-0" if self.static else None)
        ahead = send.ahead
        if isinstance(ahead, ConsumerGroupHeartbeatRequest):
            assert (ahead.member_id, ahead.instance_id, ahead.member_epoch) == (MID, "billing-0", LEAVE_FOR_NOW)
            assert epoch == JOIN and self.static and self.sent, "left ahead of a first join"
        if epoch == JOIN:
            assert state is State.JOINING
            assert not self.owned and request.topic_partitions == []
            assert request.subscribed_topic_names or request.subscribed_topic_regex
            assert not self.waited_for(), "a join beside another request"
            self.sent = True
        elif epoch < 0:
            assert not self.owned, "left before the partitions were given up"
            assert self.sent, "left without ever having joined"
            self.give_up()
            allowed = (LEAVE, LEAVE_FOR_NOW) if self.static and self.leave_asked else (LEAVE_FOR_NOW,)
            assert epoch in (allowed if self.static else (LEAVE,))
        else:
            assert state in IN_GROUP
            assert epoch == self.member.membership.epoch
            assert not self.waited_for(), "two heartbeats"
        request.encode(self.versions[68][1])

    def give_up(self) -> None:
        """The member waits for nothing any more."""
        for flight in self.requests.values():
            flight.live = False

    # ── what may happen ──

    def step(self) -> None:
        happenings: list[Callable[[], None]] = [self.time_passes] * 3 + [self.timer_fires] * 4
        happenings += [self.answer_well] * 8 + [self.answer_badly] * 4 + [self.lose_answer]
        happenings += [self.find] * 6 + [self.end_callback] * 6 + [self.save] * 3
        happenings += [self.metadata, self.subscribe, self.expire, self.reject_commit, self.forget]
        happenings += [self.resume] * 3
        if self.member.state is State.PROBING:
            happenings += [self.answer_badly] * 8
        if not self.choose(30 if self.member.state in (State.WAITING, State.SAVING, State.PROBING) else 200):
            happenings = [self.close]
        happenings[self.choose(len(happenings))]()

    def save(self) -> None:
        if self.saving:
            self.saving = False
            self.saved = bool(self.choose(50))
            self.feed(Saved(None if self.saved else OSError("read-only")))

    def end_callback(self) -> None:
        if self.callbacks:
            ended, partitions = self.callbacks.popleft()
            error = None if self.choose(200) else RuntimeError("the application's own")
            if ended is RevokeFinished and self.member.state is State.REVOKING and error is None:
                self.owned -= partitions
            if ended is LoseFinished:
                self.lost = False
            self.feed(ended(error))

    def metadata(self) -> None:
        topics = {"orders": ORDERS, "refunds": REFUNDS}
        for name in [name for name in topics if not self.choose(3)]:
            del topics[name]
        self.feed(MetadataChanged(snapshot(**topics)))

    def subscribe(self) -> None:
        topics = ((), ("orders",), ("orders", "refunds"), ("refunds",), ("orders",))[self.choose(5)]
        self.feed(SubscriptionChanged(frozenset(topics), self.pattern if self.choose(2) else None))

    def reject_commit(self) -> None:
        who = self.member.membership
        self.feed(CommitRejected((25, 113, 110, 82)[self.choose(4)], who.evolve(epoch=who.epoch - self.choose(2))))

    def answer_badly(self) -> None:
        probing = self.member.state is State.PROBING  # seldom: what it waits for is answered then
        flight = self.waited_for()[0] if probing else self.pick()
        if flight is not None:
            codes = COMMON if self.choose(20) else RARE
            if probing:
                codes = (14, 15, 25, 69)
            self.answer(flight, codes[self.choose(len(codes))])

    def answer(self, flight: InFlight, code: int) -> None:
        live, asked = flight.live, flight.send.request.member_epoch
        self.close_request(flight)
        flight.live = False
        if code:
            response = refused(code, "because")
        elif asked < 0:
            response = answered(asked)
        else:
            self.epoch += self.choose(2)
            whole = asked == JOIN or not self.choose(3)
            assignment = {t: [p for p in range(n) if self.choose(2)] for t, n in HALVES.items()} if whole else None
            response = answered(self.epoch + 1, assignment, interval_ms=(0, 100, 5000, 5000)[self.choose(4)])
        probing = self.member.state is State.PROBING
        self.feed(Answered(flight.send.key, response))
        if live and code == 82 and not probing and self.member.state is not State.STOPPED:
            assert self.member.state is State.FAILED
            self.silent = True

    # ── peace ──

    def calm(self) -> ClusterSnapshot:
        return snapshot(orders=ORDERS, refunds=REFUNDS)

    def serve(self) -> None:
        self.save()
        super().serve()

    def owes(self) -> bool:
        return self.saving or super().owes()

    def settled(self) -> bool:
        if self.member.state is not State.STABLE:
            return self.member.state in (State.PAUSED, *OVER)
        return not (self.callbacks or self.finding or self.waited_for())


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 2**16 - 1), min_size=20, max_size=400), st.booleans())
def test_no_order_of_events_breaks_a_rule(numbers: list[int], static: bool) -> None:
    """Any event in any reachable state is taken without an error, and the member keeps every rule."""
    rest = iter(numbers)
    walk(World(lambda n: next(rest, 0) % n, static=static), len(numbers) // 4)


@cache
def long_walks(static: bool) -> set[tuple[State, str]]:
    """The ways that members went in some random histories."""
    return ways_gone(partial(World, static=static), histories=400, steps=130)


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_long_histories_keep_the_rules(static: bool) -> None:
    """No long random history breaks a rule, or leaves a member that is stuck when all goes well again."""
    assert long_walks(static)


def test_every_way_of_the_table_is_gone() -> None:
    """The table holds no way that no member ever goes."""
    assert long_walks(True) | long_walks(False) == {(state, cause) for state, ways in TABLE.items() for cause in ways}
