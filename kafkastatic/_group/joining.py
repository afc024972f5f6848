"""The way into a classic group: coordinator, JoinGroup, the leader's balance, SyncGroup, the first heartbeat.

KIP-345 (static members), KIP-394 (member id required), KIP-429 (cooperative rebalances), KIP-800 (reasons), KIP-814 (a
restarted leader skips the assignment). `owning.py` goes on where this ends.

A member that has cooperative assignors only owns what it has all this time, tells it in JoinGroup, and gives up what
SyncGroup takes from it. Any other one comes here with nothing.
"""

from __future__ import annotations

from kafkastatic._group import requests
from kafkastatic._group.assignors import is_cooperative
from kafkastatic._group.leader import Leadership
from kafkastatic._group.member import (
    Action,
    CoordinatorFound,
    FetchMetadata,
    FindCoordinator,
    Partitions,
    Report,
)
from kafkastatic._group.settings import Settings, too_old
from kafkastatic._group.standing import Standing
from kafkastatic._group.states import IN_GROUP, TABLE, State
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.consumer_protocol import decode_assignment
from kafkastatic._protocol.faults import is_retriable
from kafkastatic._protocol.messages.join_group import JoinGroupResponse
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kafkastatic.errors import KafkaError
from kafkastatic.types import ClusterSnapshot, Membership

JOIN_GRACE = 5.0
"""Seconds that a JoinGroup may take beyond the rebalance timeout."""

FIRST_HEARTBEATS = 0.05
"""Seconds until the second heartbeat of a cooperative generation; see `_until_next_heartbeat`."""

BY_PREDECESSOR = frozenset({codes.GROUP_MAX_SIZE_REACHED, codes.INCONSISTENT_GROUP_PROTOCOL})
"""What a static member may be refused with because of what its predecessor left behind, until that has expired."""


class Joining(Standing[State]):
    """A member until it has its assignment."""

    def __init__(self, settings: Settings, topics: frozenset[str]) -> None:
        who = Membership(settings.group, settings.instance_id)
        super().__init__(who, settings.backoff, TABLE, first=State.IDLE, failed=State.FAILED)
        self._settings = settings
        self._topics = topics
        self._cooperative = all(is_cooperative(assignor) for assignor in settings.assignors)
        self._snapshot = ClusterSnapshot()
        self._generation = -1  # the last generation we were in, told in the subscription (KIP-792)
        self._assigned: Partitions = frozenset()  # what it assigned to us, owned still or not
        self._protocol = ""
        self._lead: Leadership | None = None
        self._blind = False  # a static member that joins without a member id: it may have restarted
        self._unlisted = False  # we lead, but were not told whom
        self._unseen = False  # the assignment may stand since before we were started: it has to be looked at
        self._astray = False  # we have joined again because of partitions that we did not subscribe to
        self._unproven = False  # no answer since the coordinator was lost has judged us
        self._sync: SyncGroupRequest | None = None  # kept for a retry
        self._heartbeat_at: float | None = None
        self._since = 0.0  # when this generation began for us
        self._session_until: float | None = None
        self._blind_until = 0.0  # until when an abandoned blind JoinGroup of ours may still be parked
        self._rejoin_wanted = False
        self._then: Partitions | None = None  # what to own when that is done

    # ── start, coordinator ──

    def _started(self) -> list[Action]:
        self._finding = True
        self._move("started" if self._topics else "started without topics")
        return [FindCoordinator()]

    def _coordinator_found(self, event: CoordinatorFound, now: float) -> list[Action]:
        refused = too_old(event.versions, self._settings)
        if refused:
            return self._fail(refused)
        self._coordinator, self._finding = True, False
        if self.state is State.FINDING:
            return self._join("coordinator found", now)
        return self._beat(now) if self.state in IN_GROUP else []

    def _lose_coordinator(self, *, at_once: bool = False) -> list[Action]:
        self._unproven = True
        for api in ("SyncGroup", "Heartbeat"):
            self._live.pop(api, None)  # what it says is of the coordinator that is gone
        return super()._lose_coordinator(at_once=at_once)

    def _seek_coordinator(self) -> list[Action]:
        """Give up the join that is under way, and join whichever broker is found."""
        self._move("coordinator lost")
        self._out_of_generation()
        return self._lose_coordinator()

    # ── join ──

    def _join(self, cause: str, now: float) -> list[Action]:
        """Send JoinGroup, or look for a coordinator to send it to."""
        if not self._coordinator:
            self._move("rejoin, no coordinator")
            return self._lose_coordinator()
        self._move(cause)
        self._rejoin_wanted = False
        self._out_of_generation()
        who = self.membership
        self._blind = who.instance_id is not None and not who.member_id
        try:
            request = requests.join(
                who,
                topics=self._topics,
                assignors=self._settings.assignors,
                session_timeout_ms=round(self._settings.session_timeout * 1000),
                rebalance_timeout_ms=round(self._settings.rebalance_timeout * 1000),
                generation=self._generation,
                rack=self._settings.rack,
                reason=self._reason,
                assigned=self._assigned,
            )
        except Exception as error:  # what an application's own assignor says of itself
            return self._fail(error)
        report = Report("joining", {"member_id": who.member_id, "reason": self._reason})
        return [report, self._send(request, self._settings.rebalance_timeout + JOIN_GRACE)]

    def _join_answered(self, response: JoinGroupResponse, now: float) -> list[Action]:
        code, known = response.error_code, self.membership.member_id
        if code == codes.NONE:
            return self._joined(response, now)
        if code == codes.MEMBER_ID_REQUIRED and response.member_id and not known:
            self._identify(response.member_id)
            return self._join("rejoin", now)
        if code == codes.UNKNOWN_MEMBER_ID and known:
            self._identify("")
            self._reason = "member id was not known any more"
            return self._join("rejoin", now)
        if code == codes.FENCED_INSTANCE_ID and now < self._blind_until:
            # Our own abandoned JoinGroup may have replaced this one: one more try tells (KAFKA-20985).
            self._blind_until = 0.0
            self._identify("")
            return [Report("join_fenced_by_own_abandoned_join"), *self._join("rejoin", now)]
        if code in (codes.COORDINATOR_NOT_AVAILABLE, codes.NOT_COORDINATOR):
            return self._seek_coordinator()
        if is_retriable(code) or code in (codes.UNKNOWN_MEMBER_ID, codes.REBALANCE_IN_PROGRESS):
            return self._not_now(now)
        patience = self._settings.release_timeout
        if code in BY_PREDECESSOR and self._generation < 0 and patience:
            return self._await_release(code, "JoinGroup", None, patience, now)
        return self._fail_code(code, "JoinGroup")

    def _abandon_join(self, now: float) -> None:
        """A blind JoinGroup whose answer we do not wait for may stay parked until the rebalance times out."""
        if not self.membership.member_id:
            self._blind_until = now + self._settings.rebalance_timeout

    def _joined(self, response: JoinGroupResponse, now: float) -> list[Action]:
        self._attempt = 0
        self._blind_until = 0.0  # an abandoned one is settled: this one has replaced it
        self._identify(response.member_id, response.generation_id)
        self._generation = response.generation_id
        self._protocol = response.protocol_name or self._settings.assignors[0].name
        leads = response.leader == response.member_id
        # Below version 9 a leader that restarted is told its predecessor's member id, and no members (KIP-814).
        self._unlisted = not leads and requests.is_id_of(response.leader, self.membership.instance_id)
        self._unseen = self._blind and (not leads or response.skip_assignment)
        report = Report(
            "joined", {**self._who(), "leader": leads or self._unlisted, "skip_assignment": response.skip_assignment}
        )
        if not leads:
            return [report, *self._sync_up("joined", requests.sync(self.membership, self._protocol))]
        try:
            lead = Leadership(response.members, self._protocol, self._settings.assignors)
        except KafkaError as error:
            return [report, *self._fail(error)]
        self._lead = lead
        watch = FetchMetadata(lead.topics)
        if response.skip_assignment:
            # A restarted static leader keeps the old assignment (KIP-814) but must go on watching the topics.
            lead.accept(self._snapshot)
            return [report, watch, *self._sync_up("joined", requests.sync(self.membership, self._protocol))]
        if not lead.knows_topics(self._snapshot):
            self._move("joined, topics unknown")
            return [report, watch]
        return [report, watch, *self._balance(lead, "joined")]

    def _balance(self, lead: Leadership, cause: str) -> list[Action]:
        try:
            request = requests.sync(self.membership, self._protocol, lead.balance(self._snapshot))
        except Exception as error:  # an application's own assignor may raise anything
            return self._fail(error)
        return self._sync_up(cause, request)

    # ── sync ──

    def _sync_up(self, cause: str, request: SyncGroupRequest) -> list[Action]:
        self._move(cause)
        self._sync = request
        return [self._send(request, self._settings.rebalance_timeout + JOIN_GRACE)]

    def _sync_answered(self, response: SyncGroupResponse, now: float) -> list[Action]:
        code = response.error_code
        if code == codes.NONE:
            return self._synced(response, now)
        self._reason = f"SyncGroup answered {code}"
        if code in (codes.REBALANCE_IN_PROGRESS, codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID):
            if code == codes.UNKNOWN_MEMBER_ID:
                self._identify("")
            return self._join("rejoin", now)
        if code in (codes.COORDINATOR_NOT_AVAILABLE, codes.NOT_COORDINATOR):
            return self._seek_coordinator()
        if is_retriable(code):
            self._retry_at = now + self._backoff()
            return []
        return self._fail_code(code, "SyncGroup")

    def _synced(self, response: SyncGroupResponse, now: float) -> list[Action]:
        try:
            complete = frozenset(decode_assignment(response.assignment))
        except KafkaError as error:
            return self._fail(error)
        self._attempt = 0
        self._retry_at = self._sync = None
        strange = self._not_subscribed(complete)
        if strange and (self._rejoin_wanted or not self._astray):
            if not self._rejoin_wanted:
                self._astray, self._reason = True, f"assigned {_topics_of(strange)}, not subscribed to"
            return self._join("rejoin", now)
        self._astray = bool(strange)
        self._unproven = False
        self._since = now
        self._session_until = now + self._settings.session_timeout
        gone = self.membership.assignment - complete
        self._move("synced, owns less" if gone else "synced")
        # At once: until its first heartbeat a replacement lives on its predecessor's session timer (Kafka 4.x).
        beat = self._beat(now)
        if not gone:
            return [*beat, *self._own(complete)]
        self._then, self._rejoin_wanted, self._reason = complete, True, "partitions were given up"
        return [*beat, *self._begin_to_revoke(gone, self._reason, self._drain_until(now))]

    def _own(self, complete: Partitions) -> list[Action]:
        """Own what this generation has assigned to us, as far as we subscribe to it: an older leader does not know."""
        self._assigned = complete
        return super()._own(complete - self._not_subscribed(complete))

    def _drain_until(self, now: float) -> float:
        return now + self._settings.drain_timeout

    def _not_subscribed(self, partitions: Partitions) -> Partitions:
        return frozenset(tp for tp in partitions if tp.topic not in self._topics)

    # ── the first heartbeat, and every other ──

    def _beat(self, now: float) -> list[Action]:
        if "Heartbeat" in self._live or not self._coordinator:
            return []
        self._heartbeat_at = now + self._until_next_heartbeat(now)
        return [self._send(requests.heartbeat(self.membership), self._answer_timeout)]

    def _until_next_heartbeat(self, now: float) -> float:
        """A cooperative generation may be followed by another as soon as somebody has given partitions up.

        As long as the generation is young, as much time passes as has passed since it began, so that we come at most as
        long after the next one as that took to come. They are few: each doubles the time, up to the interval.
        """
        interval = self._settings.heartbeat_interval
        return min(max(now - self._since, FIRST_HEARTBEATS), interval) if self._cooperative else interval

    @property
    def _answer_timeout(self) -> float:
        """How long we wait for an answer that no rebalance holds up."""
        timeout = max(self._settings.heartbeat_interval, self._settings.session_timeout / 3)
        return min(timeout, self._settings.request_timeout)

    def _out_of_generation(self) -> None:
        super()._out_of_generation()
        self._retry_at = self._session_until = self._sync = self._lead = None
        self._unlisted = self._unseen = False
        self._then = None


def _topics_of(partitions: Partitions) -> str:
    return ", ".join(sorted({tp.topic for tp in partitions}))
