"""The classic group protocol for a static or a dynamic member, as a pure state machine.

`joining.py` is the way in; this is a member's life from then on. What a static one may not do (KIP-345):

- leave the group when it closes, unless asked to: its place is kept for its next start;
- leave by its instance id alone: that removes whoever holds the id now;
- rejoin after FENCED_INSTANCE_ID: that would evict the process which replaced it;
- forget its member id on a local reset, or send a second blind JoinGroup while one may still be parked: the
  broker would fence the one with the other (KAFKA-20985).

`states.TABLE` is the map; in both files there is one small handler per event, in the order of the protocol.
"""

from __future__ import annotations

from kafkastatic._group import requests
from kafkastatic._group.joining import JOIN_GRACE, Joining
from kafkastatic._group.leader import Leadership
from kafkastatic._group.member import (
    Action,
    Answered,
    AssignFinished,
    CloseRequested,
    CommitRejected,
    CoordinatorForgotten,
    CoordinatorFound,
    CoordinatorRefused,
    Event,
    FetchMetadata,
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
    Saved,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.settings import Settings
from kafkastatic._group.states import IN_GROUP, OVER, State
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsResponse
from kafkastatic._protocol.messages.heartbeat import HeartbeatResponse
from kafkastatic._protocol.messages.leave_group import LeaveGroupResponse
from kafkastatic._protocol.messages.sync_group import SyncGroupResponse
from kafkastatic.errors import KafkaError


class ClassicMember(Joining):
    """One member of a classic group. See the module for its rules and `Member` for its face."""

    def __init__(self, settings: Settings, topics: frozenset[str] = frozenset()) -> None:
        super().__init__(settings, topics)
        self._stepping_out = False
        self._closing: CloseRequested | None = None

    # ── the face ──

    @property
    def leads(self) -> bool:
        """Whether this member balances the group in the present generation."""
        return self._lead is not None

    @property
    def settled(self) -> bool:
        """In the group, with no join, callback or change of the assignment under way."""
        return self.state is State.STABLE

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event and return what to do. After FAILED and STOPPED there is nothing to do any more."""
        if self.state in OVER:
            return []
        match event:
            case Started():
                return self._started()
            case CoordinatorFound():
                return self._coordinator_found(event, now)
            case CoordinatorForgotten():
                return self._coordinator_forgotten()
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
            case Saved():
                return []  # the classic protocol gives its member ids away at every start
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

    # ── heartbeat ──

    def _heartbeat_answered(self, response: HeartbeatResponse, now: float) -> list[Action]:
        if response.error_code == codes.NONE and self._unproven:
            return self._ask_for_proof()
        if response.error_code == codes.NONE and self._unlisted:
            return [*self._judged(codes.NONE, "Heartbeat", now), *self._ask_whom_we_lead()]
        return self._judged(response.error_code, "Heartbeat", now)

    def _ask_for_proof(self) -> list[Action]:
        """A coordinator that is loading answers NONE to any heartbeat, without a look at the member.

        In a stable group SyncGroup returns the standing assignment and changes nothing; while loading it is refused.
        """
        if "SyncGroup" in self._live or not self._coordinator:
            return []
        return [self._send(requests.sync(self.membership, self._protocol), self._answer_timeout)]

    def _judged(self, code: int, api: str, now: float) -> list[Action]:
        """What the coordinator thinks of us while we are in the group."""
        doubted = self._unproven or self._session_until is None
        if code in (codes.NONE, codes.REBALANCE_IN_PROGRESS):
            self._attempt = 0
            self._unproven = False
            self._session_until = now + self._settings.session_timeout
        if code == codes.NONE:
            return [Report("membership_confirmed", self._who())] if doubted else []
        if code == codes.COORDINATOR_LOAD_IN_PROGRESS:
            return []
        if code == codes.REBALANCE_IN_PROGRESS:
            return self._rebalance("group is rebalancing", now)
        if code in (codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID):
            return self._lost(code)
        if code in (codes.COORDINATOR_NOT_AVAILABLE, codes.NOT_COORDINATOR) or is_retriable(code):
            return [Report("coordinator_lost", {"code": code}), *self._lose_coordinator()]
        return self._fail_code(code, api)

    def _coordinator_forgotten(self) -> list[Action]:
        """As if a heartbeat had told it; who is not in the group will be judged by whichever coordinator it joins."""
        if self.state not in IN_GROUP or self._finding:
            return []
        return [Report("coordinator_lost", {"api": "another request"}), *self._lose_coordinator(at_once=True)]

    def _proof_answered(self, response: SyncGroupResponse, now: float) -> list[Action]:
        if response.error_code == codes.REBALANCE_IN_PROGRESS:
            return []  # 3.9 answers so while it loads, too; of a rebalance the next heartbeat tells
        return self._judged(response.error_code, "SyncGroup", now)

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
        self.membership = self.membership.evolve(epoch=-1, assignment=frozenset())
        return [Lose(gone, cause)]

    # ── leading ──

    def _metadata_changed(self, event: MetadataChanged, now: float) -> list[Action]:
        self._snapshot = event.snapshot
        if self._lead is None:
            return []
        if self.state is State.BALANCING:
            return self._balance(self._lead, "balanced") if self._lead.knows_topics(event.snapshot) else []
        changed = self._lead.changes(event.snapshot)
        return self._rebalance(f"partitions of {', '.join(changed)} changed", now) if changed else []

    def _ask_whom_we_lead(self) -> list[Action]:
        """A leader that restarted below version 9 of JoinGroup was not told the group's topics: DescribeGroups is."""
        if "DescribeGroups" in self._live:
            return []
        return [self._send(requests.describe(self.membership.group), self._settings.request_timeout)]

    def _group_described(self, response: DescribeGroupsResponse) -> list[Action]:
        group = next(iter(response.groups), None)
        if group is None or is_retriable(group.error_code) or (not group.error_code and group.group_state != "Stable"):
            return []  # the next heartbeat asks again, if it does not say that the group rebalances
        try:
            lead = Leadership(requests.described(group), self._protocol, self._settings.assignors)
        except KafkaError:  # what we read ourselves is better than nothing
            lead = Leadership([requests.listed(self.membership, self._topics)], self._protocol, ())
        lead.accept(self._snapshot)
        self._lead, self._unlisted = lead, False
        return [FetchMetadata(lead.topics)] if lead.topics else []

    # ── callbacks ended ──

    def _callback_finished(self, event: AssignFinished | RevokeFinished | LoseFinished, now: float) -> list[Action]:
        if event.error is not None:
            return self._fail(event.error)
        if isinstance(event, AssignFinished) and self.state is State.ASSIGNING:
            self._move("assigned")
            if self._closing or self._stepping_out or self._rejoin_wanted:
                return self._revoke(now)
        elif isinstance(event, RevokeFinished) and self.state is State.REVOKING:
            self.membership = self.membership.evolve(assignment=frozenset())
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
            self.membership = who.evolve(epoch=-1)
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

    # ── answers, time ──

    def _answered(self, event: Answered, now: float) -> list[Action]:
        api = self._take(event.key)
        match api:
            case "JoinGroup":
                return self._join_answered(event.response, now)
            case "SyncGroup" if self.state in IN_GROUP:
                return self._proof_answered(event.response, now)
            case "SyncGroup":
                return self._sync_answered(event.response, now)
            case "Heartbeat":
                return self._heartbeat_answered(event.response, now)
            case "DescribeGroups":
                return self._group_described(event.response)
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
        if api == "DescribeGroups":
            return []  # the next heartbeat asks again
        if isinstance(event.error, KafkaError) and not event.error.retriable:
            return self._fail(event.error)
        report = Report("coordinator_lost", {"api": api, "error": str(event.error)})
        if self.state in IN_GROUP:
            return [report, *self._lose_coordinator()]
        if api == "JoinGroup":
            self._abandon_join(now)
        self._reason = f"{api} was not answered"
        return [report, *self._seek_coordinator()]

    def _abandon_join(self, now: float) -> None:
        """A blind JoinGroup whose answer we do not wait for may stay parked until the rebalance times out."""
        if not self.membership.member_id:
            self._blind_until = now + self._settings.rebalance_timeout

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
