"""The way into a KIP-848 group: coordinator, a durable member id, the heartbeat of epoch 0, and whose the id is.

The coordinator keeps an instance id for whoever has it, until that one leaves or its session has expired: a newcomer is
refused with UNRELEASED_INSTANCE_ID. It is refused so even if it is itself that has it: after a crash, when the answer
to its join was lost, after FENCED_MEMBER_EPOCH. So a static member that may be known already leaves for now as who it
was (epoch -2) directly ahead of each join, on the same connection, which a broker serves in order: one round trip. The
coordinator compares the member ids, so that nobody else is touched. If the id was ours it is free now, and if it was
nobody's it is; if it is somebody else's (FENCED_INSTANCE_ID) the join's own answer says so. Nobody waits for the other.

Should -2 come behind the join that was accepted after all, because a broker finishes what it read from a connection
that broke, then the next heartbeat is refused, and the member joins anew.

`consumer.py` goes on where this ends.
"""

from __future__ import annotations

from kafkastatic._group.kip848 import heartbeat
from kafkastatic._group.kip848.heartbeat import API, Owned, Told, Wanted
from kafkastatic._group.kip848.states import TABLE, State
from kafkastatic._group.member import Action, CoordinatorFound, FindCoordinator, Report, Save, Saved, Send
from kafkastatic._group.settings import ConsumerSettings, lacks_kip848
from kafkastatic._group.standing import Standing
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import is_retriable
from kafkastatic._protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from kafkastatic.types import Membership

NO_COORDINATOR = frozenset({codes.COORDINATOR_NOT_AVAILABLE, codes.NOT_COORDINATOR})

MAYBE_OURS = frozenset({codes.FENCED_MEMBER_EPOCH, codes.INVALID_REQUEST})
"""What a dynamic member is refused with by what it was itself: the first by older brokers, the second by later ones,
perhaps. It asks before it leaves, for the others are given what it has."""

REMEDIES = {
    codes.UNSUPPORTED_VERSION: "The brokers' group.coordinator.rebalance.protocols has to name consumer"
    " (the default since Kafka 4.0); or use group_protocol='classic'.",
    codes.GROUP_ID_NOT_FOUND: "The group is no KIP-848 group, or not any more: end the members with"
    " group_protocol='classic', or let the brokers migrate it with group.consumer.migration.policy; then start anew.",
    codes.UNSUPPORTED_ASSIGNOR: "Choose group_remote_assignor among the brokers' group.consumer.assignors.",
    codes.INVALID_REGULAR_EXPRESSION: "The brokers match patterns by the rules of RE2.",
}
"""What to do about codes that end a member, where the code does not say it itself."""


class Joining(Standing[State]):
    """A member until it is in its group."""

    def __init__(self, settings: ConsumerSettings, topics: frozenset[str], pattern: str | None) -> None:
        who = Membership(settings.group, settings.instance_id, settings.member_id)
        super().__init__(who, settings.backoff, TABLE, first=State.IDLE, failed=State.FAILED)
        self._settings = settings
        self._topics = topics
        self._pattern = pattern
        self._version: int | None = None  # of the heartbeat, once a coordinator was found; 0 knows no patterns
        self._owned: Owned = {}
        self._told = Told()
        self._durable = settings.resumed or not settings.persistent
        self._saving = False
        self._known = settings.resumed  # the coordinator may hold our member id, whatever it last told us

    # ── start, coordinator ──

    def _started(self) -> list[Action]:
        self._finding = True
        self._move("started" if self._subscribed else "started without topics")
        return [FindCoordinator()]

    @property
    def _subscribed(self) -> bool:
        """Whether there is anything to join for: a pattern that is matched here counts for nothing by itself."""
        return self._wanted != Wanted()

    @property
    def _wanted(self) -> Wanted:
        """What to subscribe to: a pattern where the coordinator matches it, else the topics that are known to match."""
        if self._pattern is not None and self._version != 0:
            return Wanted(regex=self._pattern)
        return Wanted(tuple(sorted(self._topics)))

    def _coordinator_found(self, event: CoordinatorFound) -> list[Action]:
        refused = lacks_kip848(event.versions, self._settings)
        if refused:
            return self._fail(refused)
        self._version = event.versions[ConsumerGroupHeartbeatRequest.API_KEY][1]
        self._coordinator, self._finding = True, False
        if self.state is not State.FINDING:
            return []
        if not self._subscribed:  # none of the topics there are matches the pattern
            self._move("stepped out")
            return []
        return self._join()

    def _lose_coordinator(self, *, at_once: bool = False) -> list[Action]:
        self._told = Told()
        self._live.clear()  # what is answered now is of the coordinator that is gone
        return super()._lose_coordinator(at_once=at_once)

    def _seek_coordinator(self) -> list[Action]:
        """Give up what is under way, and join whichever broker is found."""
        self._move("coordinator lost")
        return self._lose_coordinator()

    # ── join ──

    def _join(self) -> list[Action]:
        """Send the heartbeat of epoch 0, when there is a coordinator for it and the member id is durable."""
        if not self._coordinator:
            self._move("join, no coordinator")
            return self._lose_coordinator()
        if not self._durable:
            self._move("join, id not durable")
            return self._save()
        self._move("join")
        told = self._told = Told.of(self._wanted, {})
        report = Report("joining", {"member_id": self.membership.member_id, "reason": self._reason})
        ahead = self._leaving(permanently=False) if self._known and self._static else None
        return [report, self._ask(heartbeat.full(self.membership, heartbeat.JOIN, told, self._settings), ahead)]

    def _ask(self, request: ConsumerGroupHeartbeatRequest, ahead: ConsumerGroupHeartbeatRequest | None = None) -> Send:
        self._live.clear()  # there is one at a time; what an earlier one is answered is of no account
        return self._send(request, self._settings.request_timeout, ahead)

    @property
    def _static(self) -> bool:
        return self.membership.instance_id is not None

    def _save(self) -> list[Action]:
        if self._saving:
            return []
        self._saving = True
        return [Save(self.membership.member_id)]

    def _saved(self, event: Saved) -> list[Action]:
        self._saving = False
        if event.error is not None:
            return self._fail(event.error)
        self._durable = True
        return self._join() if self.state is State.SAVING else []

    def _join_refused(self, code: int, detail: str | None, now: float) -> list[Action]:
        if code in MAYBE_OURS and self._known and not self._static:
            self._move("maybe ours")
            return [self._ask(self._leaving(permanently=False))]
        if code in NO_COORDINATOR:
            self._known = True
            return self._seek_coordinator()
        if code == codes.UNRELEASED_INSTANCE_ID or (code == codes.GROUP_MAX_SIZE_REACHED and self._static):
            return self._await_release(code, API, detail, self._settings.wait_timeout, now)
        return self._not_now(now) if is_retriable(code) else self._refused(code, detail)

    def _join_failed(self) -> list[Action]:
        """The answer was lost: we may be in the group."""
        self._known = True
        self._reason = "the join was not answered"
        return self._seek_coordinator()

    def _leaving(self, *, permanently: bool) -> ConsumerGroupHeartbeatRequest:
        """The heartbeat that takes us out; a static member's place is kept unless it leaves for good."""
        keeps = self._static and not permanently
        return heartbeat.leave(self.membership, heartbeat.LEAVE_FOR_NOW if keeps else heartbeat.LEAVE)

    # ── whose is the id? ──

    def _probe_answered(self, code: int, detail: str | None, now: float) -> list[Action]:
        if code in NO_COORDINATOR:
            return self._seek_coordinator()
        if is_retriable(code):
            return self._not_now(now)
        self._known = False
        if code in (codes.NONE, codes.UNKNOWN_MEMBER_ID, codes.GROUP_ID_NOT_FOUND):
            return self._join()
        return self._refused(code, detail)

    def _refused(self, code: int, detail: str | None) -> list[Action]:
        return self._fail_code(code, API, detail, REMEDIES.get(code))
