"""The classic group protocol for a static or a dynamic member, as a pure state machine.

KIP-345 (static members), KIP-394 (member id required), KIP-800 (reasons), KIP-814 (a restarted leader skips the
assignment). What a static member may not do:

- leave the group when it closes, unless asked to: its place is kept for its next start;
- leave by its instance id alone: that removes whoever holds the id now;
- rejoin after FENCED_INSTANCE_ID: that would evict the process which replaced it;
- forget its member id on a local reset, or send a second blind JoinGroup while one may still be parked: the
  broker would fence the one with the other (KAFKA-20985).

`states.TABLE` is the map; below is one small handler per event, in the order of the protocol.
"""

from __future__ import annotations

from typing import Any

import attrs

from kafkastatic._group import requests
from kafkastatic._group.leader import Leadership
from kafkastatic._group.member import (
    Action,
    Answered,
    Assign,
    AssignFinished,
    CloseRequested,
    CommitRejected,
    CoordinatorFound,
    CoordinatorRefused,
    Event,
    Fail,
    FetchMetadata,
    FindCoordinator,
    Lose,
    LoseFinished,
    MetadataChanged,
    Partitions,
    PollExpired,
    PollResumed,
    Report,
    RequestFailed,
    Revoke,
    RevokeFinished,
    Send,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.settings import Settings, too_old
from kafkastatic._group.states import IN_GROUP, OVER, TABLE, State
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.consumer_protocol import decode_assignment
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.heartbeat import HeartbeatResponse
from kafkastatic._protocol.messages.join_group import JoinGroupResponse
from kafkastatic._protocol.messages.leave_group import LeaveGroupResponse
from kafkastatic._protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from kafkastatic._protocol.primitives import Request
from kafkastatic.errors import KafkaError
from kafkastatic.types import ClusterSnapshot, Membership

JOIN_GRACE = 5.0
"""Seconds that a JoinGroup may take beyond the rebalance timeout."""


class ClassicMember:
    """One member of a classic group. See the module for its rules and `Member` for its face."""

    def __init__(self, settings: Settings, topics: frozenset[str] = frozenset()) -> None:
        self.state = State.IDLE
        self.membership = Membership(settings.group, settings.instance_id)
        self._settings = settings
        self._topics = topics
        self._snapshot = ClusterSnapshot()
        self._coordinator = False
        self._finding = False
        self._attempt = 0
        self._last_key = 0
        self._live: dict[str, int] = {}  # the key of the answer that each API waits for
        self._generation = -1  # the last generation we were in, told in the subscription (KIP-792)
        self._protocol = ""
        self._lead: Leadership | None = None
        self._sync: SyncGroupRequest | None = None  # kept for a retry
        self._retry_at: float | None = None
        self._heartbeat_at: float | None = None
        self._session_until: float | None = None
        self._blind_until = 0.0  # until when an abandoned blind JoinGroup of ours may still be parked
        self._reason = "first join"
        self._rejoin_wanted = False
        self._stepping_out = False
        self._closing: CloseRequested | None = None

    # ── the face ──

    @property
    def leads(self) -> bool:
        """Whether this member balances the group in the present generation."""
        return self._lead is not None

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event and return what to do. After FAILED and STOPPED there is nothing to do any more."""
        if self.state in OVER:
            return []
        match event:
            case Started():
                return self._started()
            case CoordinatorFound():
                return self._coordinator_found(event, now)
            case CoordinatorRefused():
                return self._fail(event.error)
            case Answered():
                return self._answered(event, now)
            case RequestFailed():
                return self._request_failed(event, now)
            case MetadataChanged():
                return self._metadata_changed(event, now)
            case SubscriptionChanged():
                return self._subscription_changed(event, now)
            case AssignFinished() | RevokeFinished() | LoseFinished():
                return self._callback_finished(event, now)
            case PollExpired():
                return self._poll_expired(event, now)
            case PollResumed():
                return self._resume(now)
            case CommitRejected():
                return self._commit_rejected(event, now)
            case CloseRequested():
                return self._close_requested(event, now)
            case TimerFired():
                return self._timer_fired(now)

    def deadline(self) -> float | None:
        times = [self._retry_at]
        if self.state in IN_GROUP:
            times.append(self._session_until)
            if self._coordinator and "Heartbeat" not in self._live:
                times.append(self._heartbeat_at)
        return min((time for time in times if time is not None), default=None)

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

    def _lose_coordinator(self) -> list[Action]:
        """Look the coordinator up again, once, whoever noticed."""
        self._coordinator = False
        if self._finding:
            return []
        self._finding = True
        return [FindCoordinator(after=self._backoff())]

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
        request = requests.join(
            who,
            topics=self._topics,
            assignors=self._settings.assignors,
            session_timeout_ms=round(self._settings.session_timeout * 1000),
            rebalance_timeout_ms=round(self._settings.rebalance_timeout * 1000),
            generation=self._generation,
            rack=self._settings.rack,
            reason=self._reason,
        )
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
            self._move("not now")
            self._retry_at = now + self._backoff()
            return []
        return self._fail_code(code, "JoinGroup")

    def _joined(self, response: JoinGroupResponse, now: float) -> list[Action]:
        self._attempt = 0
        self._blind_until = 0.0  # an abandoned one is settled: this one has replaced it
        self._identify(response.member_id, response.generation_id)
        self._generation = response.generation_id
        self._protocol = response.protocol_name or self._settings.assignors[0].name
        leads = response.leader == response.member_id
        report = Report("joined", {**self._who(), "leader": leads, "skip_assignment": response.skip_assignment})
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
        self._move("synced")
        self._attempt = 0
        self._retry_at = self._sync = None
        added = complete - self.membership.assignment
        self.membership = attrs.evolve(self.membership, assignment=complete)
        self._session_until = now + self._settings.session_timeout
        # At once: until its first heartbeat a replacement lives on its predecessor's session timer (Kafka 4.x).
        beat = self._beat(now)
        report = Report("assigned", {**self._who(), "partitions": len(complete), "added": len(added)})
        return [*beat, report, Assign(added, complete)]

    # ── heartbeat ──

    def _beat(self, now: float) -> list[Action]:
        if "Heartbeat" in self._live or not self._coordinator:
            return []
        self._heartbeat_at = now + self._settings.heartbeat_interval
        timeout = max(self._settings.heartbeat_interval, self._settings.session_timeout / 3)
        return [self._send(requests.heartbeat(self.membership), min(timeout, self._settings.request_timeout))]

    def _heartbeat_answered(self, response: HeartbeatResponse, now: float) -> list[Action]:
        code = response.error_code
        if code in (codes.NONE, codes.REBALANCE_IN_PROGRESS):
            self._attempt = 0
            self._session_until = now + self._settings.session_timeout
        if code in (codes.NONE, codes.COORDINATOR_LOAD_IN_PROGRESS):
            return []
        if code == codes.REBALANCE_IN_PROGRESS:
            return self._rebalance("group is rebalancing", now)
        if code in (codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID):
            return self._lost(code)
        if code in (codes.COORDINATOR_NOT_AVAILABLE, codes.NOT_COORDINATOR) or is_retriable(code):
            return [Report("coordinator_lost", {"code": code}), *self._lose_coordinator()]
        return self._fail_code(code, "Heartbeat")

    def _rebalance(self, reason: str, now: float) -> list[Action]:
        """Give the partitions up and join again; later, when a callback or a join is under way."""
        if self.state in (State.REVOKING, State.LOSING, State.PAUSED):
            return []  # a join follows, or must not
        self._reason = reason
        if self.state is not State.STABLE:
            self._rejoin_wanted = True
            return []
        return self._revoke(now)

    def _revoke(self, now: float) -> list[Action]:
        owned = self.membership.assignment
        if not owned:
            return self._go_on(now)
        self._move("revoke")
        return [Report("revoking", {**self._who(), "reason": self._reason}), Revoke(owned, self._drain_until(now))]

    def _drain_until(self, now: float) -> float:
        return now + self._settings.drain_timeout

    def _lost(self, code: int) -> list[Action]:
        """We are not, or no longer, what the coordinator knows: the partitions may have another owner already."""
        cause = error_for(code).name.lower()
        self._reason = f"lost membership: {cause}"
        gone = self.membership.assignment
        report = Report("lost", {**self._who(), "cause": cause})
        self._move("lost")
        if code == codes.UNKNOWN_MEMBER_ID:
            self._identify("")
        return [report, *self._drop(gone, cause)]

    def _drop(self, gone: Partitions, cause: str) -> list[Action]:
        self._out_of_generation()
        self.membership = attrs.evolve(self.membership, epoch=-1, assignment=frozenset())
        return [Lose(gone, cause)]

    # ── callbacks ended ──

    def _callback_finished(self, event: AssignFinished | RevokeFinished | LoseFinished, now: float) -> list[Action]:
        if event.error is not None:
            return self._fail(event.error)
        if isinstance(event, AssignFinished) and self.state is State.ASSIGNING:
            self._move("assigned")
            if self._closing or self._stepping_out or self._rejoin_wanted:
                return self._revoke(now)
        elif isinstance(event, RevokeFinished) and self.state is State.REVOKING:
            self.membership = attrs.evolve(self.membership, assignment=frozenset())
            return self._go_on(now)
        elif isinstance(event, LoseFinished) and self.state is State.LOSING:
            return self._go_on(now)
        return []

    def _go_on(self, now: float) -> list[Action]:
        """Nothing is owned any more: leave, step out, or join again."""
        if self._closing:
            return self._end(self._closing.leave)
        if self._stepping_out:
            return self._step_out(now)
        return self._join("rejoin", now)

    # ── the application: subscription, slowness, commits, close ──

    def _subscription_changed(self, event: SubscriptionChanged, now: float) -> list[Action]:
        if event.topics == self._topics and self.state is not State.PAUSED:
            return []
        self._topics = event.topics
        self._reason = "subscription changed"
        if not event.topics:
            return self._leave_for_now(now)
        if self.state in (State.PAUSED, State.IDLE):
            return self._resume(now)
        self._stepping_out = False
        return self._rebalance(self._reason, now)

    def _leave_for_now(self, now: float) -> list[Action]:
        if self.state in (State.IDLE, State.PAUSED, State.LEAVING):
            return []
        self._stepping_out = True
        if self.state is State.STABLE:
            return self._revoke(now)
        return [] if self.state in (*IN_GROUP, State.LOSING) else self._step_out(now)

    def _step_out(self, now: float) -> list[Action]:
        """Be no active member: a dynamic one leaves, a static one keeps its member id for the way back."""
        self._stepping_out = False
        self._move("stepped out")
        if "JoinGroup" in self._live:
            self._abandon_join(now)
        self._out_of_generation()
        who = self.membership
        if who.instance_id is not None or not who.member_id or not self._coordinator:
            self.membership = attrs.evolve(who, epoch=-1)
            return [Report("stepped_out", self._who())]
        send = self._send(requests.leave(who, self._reason), self._settings.request_timeout)
        self._live.clear()  # nobody waits for the answer
        self._identify("")
        return [Report("stepped_out", self._who()), send]

    def _poll_expired(self, event: PollExpired, now: float) -> list[Action]:
        if self._closing or self.state in (State.IDLE, State.PAUSED, State.LEAVING):
            return []
        self._reason = "max_poll_interval_ms exceeded"
        fields = {**self._who(), "last": event.last, "excess_ms": round(event.excess * 1000)}
        report = Report("poll_expired", fields)
        if self.state is not State.STABLE:
            return [report, *self._leave_for_now(now)]
        self._stepping_out = True
        gone = self.membership.assignment
        self._move("lost")
        return [report, *self._drop(gone, "max_poll_interval_ms")]

    def _resume(self, now: float) -> list[Action]:
        """The application wants to be in the group again."""
        if not self._topics:
            return []
        self._stepping_out = False
        return self._join("rejoin", now) if self.state is State.PAUSED else []

    def _commit_rejected(self, event: CommitRejected, now: float) -> list[Action]:
        then, present = event.who or self.membership, self.membership
        if self.state not in IN_GROUP or (then.member_id, then.epoch) != (present.member_id, present.epoch):
            return []  # it judges whom we were before
        if event.code == codes.FENCED_INSTANCE_ID:
            return self._fail_code(event.code, "OffsetCommit")
        if event.code == codes.ILLEGAL_GENERATION:
            return self._lost(event.code)
        # UNKNOWN_MEMBER_ID of a commit is no proof: a group that moved to KIP-848 answers it to a fenced classic
        # member, whose blind rejoin would turn the whole group back. The heartbeat decides.
        return self._beat(now)

    def _close_requested(self, event: CloseRequested, now: float) -> list[Action]:
        self._closing = event
        self._reason = "the consumer is being closed"
        if self.state is State.STABLE:
            return self._revoke(now)
        if self.state in (*IN_GROUP, State.LOSING, State.LEAVING):
            return []  # the running callback, or the answer, ends it
        return self._end(event.leave)

    def _end(self, leave: bool) -> list[Action]:
        who = self.membership
        self._out_of_generation()
        if not (leave and who.member_id and self._coordinator) or self.state is State.IDLE:
            self._move("left")
            return [Report("closed", self._who()), Stop()]
        self._move("leave")
        return [self._send(requests.leave(who, self._reason), self._settings.request_timeout)]

    def _leave_answered(self, response: LeaveGroupResponse) -> list[Action]:
        answers = [response.error_code, *(member.error_code for member in response.members)]
        code = next((code for code in answers if code not in (codes.NONE, codes.UNKNOWN_MEMBER_ID)), codes.NONE)
        self._move("left")
        return [Report("left", {**self._who(), "code": code}), Stop()]

    # ── answers, metadata, time ──

    def _answered(self, event: Answered, now: float) -> list[Action]:
        api = self._take(event.key)
        match api:
            case "JoinGroup":
                return self._join_answered(event.response, now)
            case "SyncGroup":
                return self._sync_answered(event.response, now)
            case "Heartbeat":
                return self._heartbeat_answered(event.response, now)
            case "LeaveGroup":
                return self._leave_answered(event.response)
            case _:
                return []  # the answer to a request that we gave up

    def _request_failed(self, event: RequestFailed, now: float) -> list[Action]:
        api = self._take(event.key)
        if api is None:
            return []
        if api == "LeaveGroup":
            self._move("left")
            return [Report("left", {**self._who(), "error": str(event.error)}), Stop()]
        if isinstance(event.error, KafkaError) and not event.error.retriable:
            return self._fail(event.error)
        report = Report("coordinator_lost", {"api": api, "error": str(event.error)})
        if api == "Heartbeat":
            return [report, *self._lose_coordinator()]
        if api == "JoinGroup":
            self._abandon_join(now)
        self._reason = f"{api} was not answered"
        return [report, *self._seek_coordinator()]

    def _abandon_join(self, now: float) -> None:
        """A blind JoinGroup whose answer we do not wait for may stay parked until the rebalance times out."""
        if not self.membership.member_id:
            self._blind_until = now + self._settings.rebalance_timeout

    def _seek_coordinator(self) -> list[Action]:
        self._move("coordinator lost")
        self._out_of_generation()
        return self._lose_coordinator()

    def _metadata_changed(self, event: MetadataChanged, now: float) -> list[Action]:
        self._snapshot = event.snapshot
        if self._lead is None:
            return []
        if self.state is State.BALANCING:
            return self._balance(self._lead, "balanced") if self._lead.knows_topics(event.snapshot) else []
        changed = self._lead.changes(event.snapshot)
        return self._rebalance(f"partitions of {', '.join(changed)} changed", now) if changed else []

    def _timer_fired(self, now: float) -> list[Action]:
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            if self.state is State.WAITING:
                return self._join("rejoin", now)
            if self._sync is not None:
                return [self._send(self._sync, self._settings.rebalance_timeout + JOIN_GRACE)]
        actions: list[Action] = []
        if self.state not in IN_GROUP:
            return actions
        if self._session_until is not None and now >= self._session_until:
            self._session_until = None
            actions.append(Report("session_timeout_passed", self._who()))
        if self._heartbeat_at is not None and now >= self._heartbeat_at:
            actions += self._beat(now)
        return actions

    # ── small things ──

    def _move(self, cause: str) -> None:
        self.state = TABLE[self.state][cause]

    def _out_of_generation(self) -> None:
        """Forget what belongs to the generation we were in. Its requests may still be answered: to nobody."""
        self._live.clear()
        self._retry_at = self._session_until = self._sync = self._lead = None

    def _identify(self, member_id: str, epoch: int = -1) -> None:
        self.membership = attrs.evolve(self.membership, member_id=member_id, epoch=epoch)

    def _send(self, request: Request[Any], timeout: float) -> Send:
        self._last_key += 1
        self._live[request.NAME] = self._last_key
        return Send(request, self._last_key, timeout)

    def _take(self, key: int) -> str | None:
        """The API whose live request has this key; it waits no longer."""
        api = next((api for api, live in self._live.items() if live == key), None)
        if api is not None:
            del self._live[api]
        return api

    def _backoff(self) -> float:
        self._attempt += 1
        return self._settings.backoff(self._attempt - 1)

    def _who(self) -> dict[str, object]:
        return {"member_id": self.membership.member_id, "epoch": self.membership.epoch}

    def _fail_code(self, code: int, api: str) -> list[Action]:
        who = self.membership
        error = error_for(
            code, api=api, group=who.group, instance_id=who.instance_id, member_id=who.member_id, epoch=who.epoch
        )
        return self._fail(error)

    def _fail(self, error: BaseException) -> list[Action]:
        """End, for good: partitions are dropped first, so that nothing more of them is handed out or committed."""
        gone = self.membership.assignment
        fenced = isinstance(error, KafkaError) and error.code == codes.FENCED_INSTANCE_ID
        self.state = State.FAILED
        self._out_of_generation()
        report = Report("fenced" if fenced else "failed", {**self._who(), "error": str(error)})
        self.membership = attrs.evolve(self.membership, assignment=frozenset())
        return [report, Lose(gone, "fenced" if fenced else "failed"), Fail(error)]
