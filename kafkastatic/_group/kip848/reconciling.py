"""A member's life in a KIP-848 group: heartbeats, and what they say to give up and to own.

An assignment is reconciled in one pass: what is no longer ours is revoked, and nothing else; when that is done the
coordinator is told at once, for others wait for it; then what is new is assigned, and the coordinator is told of that.
An assignment that comes meanwhile is reconciled in the next pass.
"""

from __future__ import annotations

import math

from kafkastatic._group.kip848 import heartbeat
from kafkastatic._group.kip848.heartbeat import API, Owned, Told
from kafkastatic._group.kip848.joining import NO_COORDINATOR, Joining
from kafkastatic._group.kip848.states import State
from kafkastatic._group.kip848.target import resolve
from kafkastatic._group.member import (
    Action,
    CloseRequested,
    Partitions,
    Report,
    ResolveTopics,
)
from kafkastatic._group.settings import ConsumerSettings
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import is_retriable
from kafkastatic._protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from kafkastatic.types import ClusterSnapshot

EARLY = (0.1, 0.25, 0.5, 1.0)
EARLY_EVERY = 0.5
EARLY_GRACE = 1.0
"""When a member that waits for its share sends heartbeats, in seconds since it began to wait: at the first times, then
at every such interval, until one heartbeat interval and the grace have passed. By then every other member has been told
by a heartbeat of its own what to give up. With the default interval of 5 s these are 14 heartbeats for a join."""

ANSWER_TIMEOUT = 5.0
"""Seconds for the answer to a heartbeat, unless the interval between two is longer."""

CERTAIN_INTERVALS = 3
"""No session is shorter than so many heartbeat intervals, as far as we know: the coordinator does not tell."""


class Reconciling(Joining):
    """A member that is in its group."""

    def __init__(
        self, settings: ConsumerSettings, topics: frozenset[str] = frozenset(), pattern: str | None = None
    ) -> None:
        super().__init__(settings, topics, pattern)
        self._snapshot = ClusterSnapshot()
        self._target: dict[bytes, list[int]] | None = None
        self._unknown: frozenset[bytes] = frozenset()
        self._confirmed = True  # the assignment that is owned was told to the application, be it empty
        self._interval = 5.0  # until the coordinator says another one
        self._heartbeat_at: float | None = None
        self._beat_wanted = False  # another one, as soon as the one under way is answered
        self._waiting_since: float | None = None  # for our share
        self._unproven = False  # no good answer since the coordinator was lost
        self._doubtful_at: float | None = None  # from when on our session may have timed out
        self._stepping_out = False
        self._closing: CloseRequested | None = None

    # ── heartbeats ──

    def _beat(self, now: float) -> list[Action]:
        """Send a heartbeat; after the one under way, if there is one."""
        self._beat_wanted = True
        if API in self._live or not self._coordinator:
            return []
        self._beat_wanted = False
        self._heartbeat_at = min(now + self._interval, self._early(now))
        before, told = self._told, Told.of(self._wanted, self._owned)
        self._told = told
        who = self.membership
        if before == Told():
            request = heartbeat.full(who, who.epoch, told, self._settings)
        else:
            request = heartbeat.brief(who, told, before)
        timeout = min(max(self._interval, ANSWER_TIMEOUT), self._settings.request_timeout)
        return [self._send(request, timeout)]

    def _early(self, now: float) -> float:
        """When to send the next heartbeat while we wait for our share; never, if we do not or have waited enough."""
        since = self._waiting_since
        if since is None:
            return math.inf
        first = (since + after for after in EARLY if since + after > now)
        steps = math.floor((now - since) / EARLY_EVERY) + 1
        at = next(first, since + steps * EARLY_EVERY)
        if at <= self._wait_ends:
            return at
        return self._wait_ends if now < self._wait_ends else math.inf

    @property
    def _wait_ends(self) -> float:
        return (self._waiting_since or 0.0) + self._interval + EARLY_GRACE

    def _joined(self, response: ConsumerGroupHeartbeatResponse, now: float) -> list[Action]:
        self._move("joined")
        self._known = True
        self._release_until = None
        self._confirmed = False
        self._target = heartbeat.assignment(response) or {}
        self._identify(self.membership.member_id, response.member_epoch)
        report = Report("joined", self._who())
        if not self._whole:
            self._waiting_since = now  # others have to give it up first, or it is not computed yet
        return [report, *self._welcome(response, now)]

    @property
    def _whole(self) -> bool:
        """Whether the assignment has something of everything that was subscribed to."""
        target, topics = resolve(self._target or {}, self._snapshot, self._owned), self._wanted.topics
        return bool(target.owned) and {tp.topic for tp in target.owned}.issuperset(topics)

    def _welcome(self, response: ConsumerGroupHeartbeatResponse, now: float) -> list[Action]:
        """A good answer, in the group."""
        self._attempt = 0
        self._interval = response.heartbeat_interval_ms / 1000 or self._interval
        self._doubtful_at = now + CERTAIN_INTERVALS * self._interval
        self._heartbeat_at = min(now + self._interval, self._early(now))
        self.membership = self.membership.evolve(epoch=response.member_epoch)
        confirmed = [Report("membership_confirmed", self._who())] if self._unproven else []
        self._unproven = False
        told = heartbeat.assignment(response)
        if told is not None:
            self._target = told
        actions = self._proceed(now)
        if self._beat_wanted or (self.state is State.STABLE and self._untold):
            actions = [*self._beat(now), *actions]
        return [*confirmed, *actions]

    @property
    def _untold(self) -> bool:
        """Whether the coordinator does not know yet what we are subscribed to, or own."""
        return self._told != Told.of(self._wanted, self._owned)

    def _heartbeat_refused(self, code: int, detail: str | None, now: float) -> list[Action]:
        self._told = Told()  # it may not have heard what the heartbeat said
        if code in (codes.FENCED_MEMBER_EPOCH, codes.UNKNOWN_MEMBER_ID):
            return self._lost(code, now)
        if code == codes.COORDINATOR_LOAD_IN_PROGRESS:
            self._unproven = True
            self._heartbeat_at = now + self._backoff()
            return []
        if code in NO_COORDINATOR or is_retriable(code):
            return self._coordinator_lost({"code": code})
        return self._refused(code, detail)

    def _coordinator_lost(self, fields: dict[str, object], *, at_once: bool = False) -> list[Action]:
        """In the group still, for all we know: member id and epoch stay."""
        self._unproven = True
        return [Report("coordinator_lost", fields), *self._lose_coordinator(at_once=at_once)]

    # ── what to own ──

    @property
    def _parting(self) -> bool:
        """Whether we are on the way out of the group, by the application's will."""
        return self._closing is not None or self._stepping_out

    def _proceed(self, now: float) -> list[Action]:
        """What comes next in a group when no callback runs."""
        if self.state is not State.STABLE:
            return []
        if not self._parting:
            return self._reconcile(now)
        if self.membership.assignment:
            return self._revoke(self.membership.assignment, self._reason, now)
        return self._go_on()

    def _go_on(self) -> list[Action]:
        """Nothing is owned any more: leave, step out, or join again."""
        raise NotImplementedError

    def _reconcile(self, now: float) -> list[Action]:
        if self._target is None:
            return []
        target = resolve(self._target, self._snapshot, self._owned)
        owned = self._subscribed_to(target.owned)
        actions: list[Action] = []
        if target.unknown - self._unknown:
            actions.append(ResolveTopics(target.unknown))
        self._unknown = target.unknown
        revoked = self.membership.assignment - owned.keys()
        if revoked:
            return [*actions, *self._revoke(revoked, "not assigned any more", now)]
        added = owned.keys() - self.membership.assignment
        self._owned = owned
        if not added and (self._confirmed or self._empty_handed(now)):
            return actions
        self._confirmed = True
        self._move("assign")
        return [*actions, *self._own(frozenset(owned))]

    def _subscribed_to(self, owned: Owned) -> Owned:
        """Without what the coordinator assigns because of an earlier subscription, until it has computed again."""
        wanted = self._wanted
        if wanted.regex is not None:
            return owned
        return {tp: topic_id for tp, topic_id in owned.items() if tp.topic in wanted.topics}

    def _empty_handed(self, now: float) -> bool:
        """Whether an assignment of nothing is no news yet: our share, or the name of its topic, is still to come."""
        return not self._owned and (bool(self._unknown) or self._early(now) < math.inf)

    def _revoke(self, partitions: Partitions, reason: str, now: float) -> list[Action]:
        self._move("revoke")
        return self._begin_to_revoke(partitions, reason, now + self._settings.drain_timeout)

    def _revoked(self, now: float) -> list[Action]:
        """Tell the coordinator at once, for others wait for these partitions; then, whatever is new."""
        self._move("revoked")
        self._owned = {tp: topic_id for tp, topic_id in self._owned.items() if tp not in self._giving_up}
        self.membership = self.membership.evolve(assignment=frozenset(self._owned))
        self._confirmed = False
        beat = [] if self._parting else self._beat(now)
        return [*beat, *self._proceed(now)]

    def _lost(self, code: int, now: float) -> list[Action]:
        if code == codes.UNKNOWN_MEMBER_ID:
            self._known = False
        return self._lost_by(code, alive=self._doubtful_at is not None and now < self._doubtful_at)

    def _out_of_generation(self) -> None:
        super()._out_of_generation()
        self._owned, self._told, self._target = {}, Told(), None
        self._unknown = frozenset()
        self._heartbeat_at = self._retry_at = self._waiting_since = self._doubtful_at = None
        self._beat_wanted = self._unproven = False
