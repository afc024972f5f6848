"""Whatever happens to a member, in whatever order, it keeps the rules.

A driver that is as unkind as a driver may be: it answers any request in flight with any code, at any time, also those
that were given up; it loses answers, runs callbacks late, and lets the application do what it likes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kafkastatic._group.classic import ClassicMember
from kafkastatic._group.member import (
    Action,
    Answered,
    Assign,
    AssignFinished,
    CommitRejected,
    Event,
    Fail,
    FetchMetadata,
    FindCoordinator,
    Lose,
    LoseFinished,
    MetadataChanged,
    Report,
    Revoke,
    RevokeFinished,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.states import IN_GROUP, OVER, TABLE, State
from kafkastatic._protocol.consumer_protocol import decode_subscription, encode_assignment
from kafkastatic._protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest
from kafkastatic._protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember
from kafkastatic._protocol.messages.leave_group import LeaveGroupRequest
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kafkastatic.types import ClusterSnapshot, TopicPartition
from tests.group.machine import (
    COOPERATIVE,
    STATIC,
    VERSIONS,
    beaten,
    join_error,
    joined,
    left,
    snapshot,
    subscribed,
    sync_error,
    synced,
)
from tests.group.walking import Choose, InFlight, Recorded, Walk, walk, ways_gone

pytestmark = pytest.mark.once


COMMON = (14, 15, 16, 22, 25, 27, 82)
RARE = (-1, 7, 23, 24, 26, 30, 35, 69, 79, 81, 110, 111, 113, 999)
OWNS_NOTHING = frozenset(State) - IN_GROUP
OUT_OF_GROUP = frozenset({State.IDLE, State.LOSING, State.PAUSED, State.LEAVING, State.STOPPED, State.FAILED})
"""The states in which a cooperative member owns nothing."""
REBALANCE_TIMEOUT = STATIC.rebalance_timeout


class Recording(Recorded, ClassicMember):
    """Notes every way of the table that it goes."""


class World(Walk):
    """A member, its broker, its application, and the rules."""

    def __init__(self, choose: Choose, *, static: bool, cooperative: bool = False) -> None:
        kind = (COOPERATIVE if cooperative else STATIC).evolve(release_timeout=(0.0, 5.0)[choose(2)])
        kind = kind if static else kind.evolve(instance_id=None, release_timeout=0.0)
        topics = frozenset({"orders"}) if choose(8) else frozenset[str]()
        super().__init__(choose, Recording(kind, topics), VERSIONS, OVER)
        self.static = static
        self.cooperative = cooperative
        self.owned: frozenset[TopicPartition] = frozenset()
        self.giving_up: frozenset[TopicPartition] = frozenset()
        self.abandoned_until = 0.0  # until when a blind JoinGroup that nobody waits for may be parked
        self.names = 0
        self.generation = -1  # the last one that the member was told of
        if choose(50):
            self.feed(Started())

    # ── the rules ──

    def feed(self, event: Event) -> None:
        before, state = self.member.membership, self.member.state
        self.before = state
        self.trace.append(f"{self.now:9.2f} {state.name:9} {event!r:.200}")
        actions = self.member.handle(event, self.now)
        self.trace += [f"{'':24}{action!r:.200}" for action in actions]
        after = self.member.membership
        if state in OVER:
            assert actions == []
        for action in actions:
            self.carry_out(action, before.member_id)
        if self.member.state in (OWNS_NOTHING if not self.cooperative else OUT_OF_GROUP):
            assert after.assignment == frozenset()
        assert after.assignment == self.owned
        assert after.instance_id == ("billing-0" if self.static else None)
        if self.member.state in OVER:
            assert self.member.deadline() is None
            assert isinstance(actions[-1], (Fail, Stop)) if state not in OVER else True
        if self.member.state not in IN_GROUP:
            assert not any(self.live(HeartbeatRequest))
        assert len(self.live(HeartbeatRequest)) <= 1
        if isinstance(event, TimerFired):
            deadline = self.member.deadline()
            assert deadline is None or deadline > self.now, "the timer fires for ever"

    def carry_out(self, action: Action, member_id_before: str) -> None:
        match action:
            case Send():
                self.check_request(action, member_id_before)
                self.requests[action.key] = InFlight(action)
            case FindCoordinator():
                assert not self.finding
                self.finding = True
            case FetchMetadata():
                assert action.topics
            case Assign():
                assert self.cooperative or not self.owned, "assigned while something is owned"
                assert action.added == action.complete - self.owned
                assert action.complete >= self.owned, "what is taken away is revoked first"
                assert {tp.topic for tp in action.added} <= self.member._topics
                self.owned = action.complete
                self.callbacks.append(AssignFinished)
            case Revoke():
                assert frozenset() != action.partitions <= self.owned
                assert self.cooperative or action.partitions == self.owned
                assert action.deadline >= self.now
                self.giving_up = action.partitions
                if self.before not in IN_GROUP:
                    self.give_up(JoinGroupRequest, SyncGroupRequest)  # a join that was under way
                self.callbacks.append(RevokeFinished)
            case Lose():
                assert action.partitions == self.owned
                self.owned = self.giving_up = frozenset()
                self.callbacks.append(LoseFinished)
                self.give_up(JoinGroupRequest, HeartbeatRequest, SyncGroupRequest, DescribeGroupsRequest)
            case Report("coordinator_lost"):
                self.give_up(SyncGroupRequest, HeartbeatRequest)
            case Report("stepped_out"):
                self.give_up(JoinGroupRequest, SyncGroupRequest, HeartbeatRequest)
            case Report("closed"):
                self.give_up(JoinGroupRequest, SyncGroupRequest, HeartbeatRequest)
            case Fail() | Stop():
                self.give_up(JoinGroupRequest, SyncGroupRequest, HeartbeatRequest, LeaveGroupRequest)
            case Report():
                pass

    def check_request(self, send: Send, member_id_before: str) -> None:
        request, who = send.request, self.member.membership
        assert send.key not in self.requests
        assert not self.silent, "a request after FENCED_INSTANCE_ID"
        assert send.timeout > 0
        match request:
            case JoinGroupRequest():
                self.give_up(HeartbeatRequest, SyncGroupRequest, DescribeGroupsRequest)
                assert not self.live(JoinGroupRequest), "two JoinGroups"
                assert self.member.state is State.JOINING
                assert self.cooperative or not self.owned
                assert {tp.topic for tp in self.owned} <= self.member._topics
                said = decode_subscription(request.protocols[0].metadata)
                assert (frozenset(said.owned), said.generation) == (self.owned, self.generation)
                assert (request.member_id, request.group_instance_id) == (who.member_id, who.instance_id)
            case SyncGroupRequest():
                assert not self.live(JoinGroupRequest)
                assert not self.live(SyncGroupRequest)
                assert self.member.state is State.SYNCING or self.member.state in IN_GROUP
                assert self.member.state is State.SYNCING or not request.assignments, "a proof assigns nothing"
                assert request.generation_id == who.epoch >= 0
                assert (request.member_id, request.group_instance_id) == (who.member_id, who.instance_id)
            case HeartbeatRequest():
                assert self.member.state in IN_GROUP
                assert request.generation_id == who.epoch >= 0
                assert (request.member_id, request.group_instance_id) == (who.member_id, who.instance_id)
            case DescribeGroupsRequest():
                assert self.member.state in IN_GROUP
                assert not self.live(DescribeGroupsRequest)
            case LeaveGroupRequest():
                self.give_up(JoinGroupRequest, SyncGroupRequest, HeartbeatRequest)
                (member,) = request.members
                assert member.member_id == member_id_before != ""
                assert member.group_instance_id == who.instance_id
                assert not self.owned
                assert self.leave_asked or not self.static, "a static member left without being asked to"
            case _:
                raise AssertionError(request)
        request.encode(VERSIONS[request.API_KEY][1])

    def live(self, kind: type[Any]) -> list[InFlight]:
        return [flight for flight in self.requests.values() if flight.live and isinstance(flight.send.request, kind)]

    def give_up(self, *kinds: type[Any]) -> None:
        """The member waits no longer for these."""
        for flight in self.requests.values():
            if flight.live and isinstance(flight.send.request, kinds):
                self.let_go(flight)

    def maybe_parked(self, flight: InFlight) -> None:
        request = flight.send.request
        if isinstance(request, JoinGroupRequest) and not request.member_id:
            self.abandoned_until = self.now + REBALANCE_TIMEOUT

    # ── what may happen ──

    def step(self) -> None:
        happenings: list[Callable[[], None]] = [self.time_passes] * 3 + [self.timer_fires] * 4
        happenings += [self.answer_well] * 8 + [self.answer_badly] * 3 + [self.lose_answer]
        happenings += [self.find] * 6 + [self.end_callback] * 6
        happenings += [self.metadata, self.subscribe, self.expire, self.reject_commit, self.forget]
        happenings += [self.resume] * 3
        if not self.choose(30 if self.member.state is State.WAITING else 250):
            happenings = [self.close]
        happenings[self.choose(len(happenings))]()

    def end_callback(self) -> None:
        if self.callbacks:
            ended = self.callbacks.popleft()
            error = None if self.choose(200) else RuntimeError("the application's own")
            if ended is RevokeFinished and self.member.state is State.REVOKING and error is None:
                self.owned -= self.giving_up
            self.feed(ended(error))

    def metadata(self) -> None:
        topics = {"orders": self.choose(4), "refunds": self.choose(3)}
        for name in [name for name in topics if not self.choose(4)]:
            del topics[name]
        self.feed(MetadataChanged(snapshot(**topics)))

    def subscribe(self) -> None:
        topics = ((), ("orders",), ("orders", "refunds"), ("refunds",), ("orders",))[self.choose(5)]
        self.feed(SubscriptionChanged(frozenset(topics)))

    def reject_commit(self) -> None:
        who = self.member.membership
        present = self.member.state in IN_GROUP
        code = COMMON[self.choose(len(COMMON))] if not self.choose(4) else 25
        if self.choose(2):
            who = who.evolve(epoch=who.epoch - 1)
            present = False
        self.feed(CommitRejected(code, who))
        if present and code == 82:
            self.fenced()

    def let_go(self, flight: InFlight) -> None:
        if flight.live:
            flight.live = False
            self.maybe_parked(flight)

    def answer_badly(self) -> None:
        flight = self.pick()
        if flight is not None:
            codes = COMMON[:-1] if self.choose(20) else (82, *RARE)
            self.answer(flight, codes[self.choose(len(codes))])

    def answer(self, flight: InFlight, code: int) -> None:
        request, live = flight.send.request, flight.live
        match request:
            case JoinGroupRequest():
                response = self.join_answer(request, code)
            case SyncGroupRequest():
                response = sync_error(code) if code else self.sync_answer()
            case HeartbeatRequest():
                response = beaten(code)
            case DescribeGroupsRequest():
                response = self.described(code)
            case _:
                response = left(code)
        self.close_request(flight)
        flight.live = False
        if live and isinstance(response, JoinGroupResponse) and not code and not self.missed(response):
            self.generation = response.generation_id
        excusable = isinstance(request, JoinGroupRequest) and self.now < self.abandoned_until
        if live and isinstance(request, JoinGroupRequest) and code in (0, 82):
            self.abandoned_until = 0.0  # one excuse for each
        self.feed(Answered(flight.send.key, response))
        if live and code == 82 and not isinstance(request, LeaveGroupRequest | DescribeGroupsRequest):
            if not excusable:
                assert self.member.state is State.FAILED
                self.fenced()
            else:
                assert self.member.state in (State.JOINING, State.FAILED)

    def missed(self, response: JoinGroupResponse) -> bool:
        """Whether a generation has passed that the member, who owns something, did not see."""
        return bool(self.owned and not 0 <= response.generation_id - self.generation <= 1)

    def fenced(self) -> None:
        assert self.member.state is State.FAILED
        self.silent = True

    def join_answer(self, request: JoinGroupRequest, code: int) -> JoinGroupResponse:
        self.names += 1
        name = request.member_id or f"member-{self.names}"
        if code:
            return join_error(code, name if code == 79 else "")
        members: list[JoinGroupResponseMember] = []
        leads = self.choose(2)
        if leads:
            members = [subscribed(name, "orders", instance_id=request.group_instance_id)]
            if self.choose(2):
                members.append(subscribed("other", "orders", "refunds"))
            if not self.choose(20):
                members.append(JoinGroupResponseMember(member_id="odd", metadata=b"\x00"))
        skip = bool(leads and self.choose(2))
        other = "other" if self.choose(3) else f"billing-0-{uuid.UUID(int=self.names)}"
        epoch = self.generation + (1, 1, 1, 1, 0, 2)[self.choose(6)]
        response = joined(name, max(epoch, 1), leader=name if leads else other, members=members, skip=skip)
        if not self.choose(20):
            response.protocol_name = ("unheard-of", None, "")[self.choose(3)]
        return response

    def sync_answer(self) -> SyncGroupResponse:
        if not self.choose(40):
            return SyncGroupResponse(assignment=b"\x00")
        found = {TopicPartition("orders", p) for p in range(4) if self.choose(2)}
        if not self.choose(4):
            found.add(TopicPartition("refunds", 0))
        return synced(frozenset(found))

    def described(self, code: int) -> DescribeGroupsResponse:
        """The group, or what a coordinator says that cannot describe it."""
        state = "Stable" if self.choose(3) else "PreparingRebalance"
        metadata = subscribed("other", "orders", "refunds").metadata if self.choose(5) else b""
        assignment = encode_assignment([TopicPartition("orders", p) for p in range(self.choose(4))])
        members = [
            DescribedGroupMember(member_id="other", member_metadata=metadata, member_assignment=assignment),
            DescribedGroupMember(member_id="odd", member_assignment=b"" if self.choose(10) else b"\0"),
        ]
        return DescribeGroupsResponse(groups=[DescribedGroup(error_code=code, group_state=state, members=members)])

    # ── peace ──

    def calm(self) -> ClusterSnapshot:
        return snapshot(orders=2, refunds=2)

    def settled(self) -> bool:
        if self.member.state is not State.STABLE:
            return self.member.state in (State.PAUSED, *OVER)
        return not self.callbacks and not self.finding and not self.live(HeartbeatRequest)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 2**16 - 1), min_size=20, max_size=400), st.booleans(), st.booleans())
def test_no_order_of_events_breaks_a_rule(numbers: list[int], static: bool, cooperative: bool) -> None:
    """Any event in any reachable state is taken without an error, and the member keeps every rule."""
    rest = iter(numbers)
    walk(World(lambda n: next(rest, 0) % n, static=static, cooperative=cooperative), len(numbers) // 4)


@cache
def long_walks(static: bool, cooperative: bool) -> set[tuple[State, str]]:
    """The ways that members went in some random histories."""
    return ways_gone(partial(World, static=static, cooperative=cooperative), histories=500, steps=150)


@pytest.mark.parametrize("cooperative", [False, True], ids=["eager", "cooperative"])
@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_long_histories_keep_the_rules(static: bool, cooperative: bool) -> None:
    """No long random history breaks a rule, or leaves a member that is stuck when all goes well again."""
    assert long_walks(static, cooperative)


def test_every_way_of_the_table_is_gone() -> None:
    """The table holds no way that no member ever goes."""
    gone = {way for static in (True, False) for cooperative in (True, False) for way in long_walks(static, cooperative)}
    assert gone == {(state, cause) for state, ways in TABLE.items() for cause in ways}
