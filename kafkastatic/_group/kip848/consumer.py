"""The group protocol of KIP-848 for a static or a dynamic member, as a pure state machine.

`joining.py` is the way in, `reconciling.py` the life in the group; this is what comes from the application and from the
driver. What a static member may not do:

- leave for good when it closes, unless asked to: epoch -2 keeps its place for its next start;
- leave by any other member id than its own;
- join again after FENCED_INSTANCE_ID: another process holds its instance id;
- join again after UNKNOWN_MEMBER_ID or FENCED_MEMBER_EPOCH before its partitions are lost;
- send a commit, or anything but a join, after it has left (the driver's part: it commits before `RevokeFinished`).

`states.TABLE` is the map; in all three files there is one small handler per event, in the order of the protocol.
"""

from __future__ import annotations

from kafkastatic._group.kip848.heartbeat import API
from kafkastatic._group.kip848.reconciling import Reconciling
from kafkastatic._group.kip848.states import IN_GROUP, OVER, State
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
    LoseFinished,
    MetadataChanged,
    PollExpired,
    PollResumed,
    Report,
    RequestFailed,
    RevokeFinished,
    Saved,
    Started,
    Stop,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from kafkastatic.errors import KafkaError


class ConsumerMember(Reconciling):
    """One member of a KIP-848 group. See the module for its rules and `Member` for its face."""

    # ── the face ──

    @property
    def settled(self) -> bool:
        """In the group, with no join, callback or change of the assignment under way."""
        return self.state is State.STABLE and self._confirmed

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event and return what to do. After FAILED and STOPPED there is nothing to do any more."""
        if self.state in OVER:
            return []
        match event:
            case Started():
                return self._started()
            case CoordinatorFound():
                found = self._coordinator_found(event)
                return [*found, *self._beat(now)] if self.state in IN_GROUP else found
            case CoordinatorForgotten():
                return self._coordinator_forgotten()
            case CoordinatorRefused():
                return self._fail(event.error)
            case Answered():
                return self._answered(event, now)
            case RequestFailed():
                return self._request_failed(event)
            case MetadataChanged():
                self._snapshot = event.snapshot
                return self._proceed(now) if self._unknown else []
            case SubscriptionChanged():
                return self._subscription_changed(event, now)
            case AssignFinished() | RevokeFinished() | LoseFinished():
                return self._callback_finished(event, now)
            case Saved():
                return self._saved(event)
            case PollExpired():
                return self._poll_expired(event)
            case PollResumed():
                return self._resume()
            case CommitRejected():
                return self._commit_rejected(event, now)
            case CloseRequested():
                return self._close_requested(event, now)
            case TimerFired():
                return self._timer_fired(now)

    def deadline(self) -> float | None:
        times: list[float | None] = []
        if self.state is State.WAITING:
            times.append(self._retry_at)
        elif self.state in IN_GROUP:
            times.append(self._doubtful_at)
            if self._coordinator and API not in self._live:
                times.append(self._heartbeat_at)
        return min((time for time in times if time is not None), default=None)

    # ── answers, time ──

    def _answered(self, event: Answered, now: float) -> list[Action]:
        if self._take(event.key) is None:
            return []  # the answer to a request that we gave up
        response: ConsumerGroupHeartbeatResponse = event.response
        code, detail = response.error_code, response.error_message
        match self.state:
            case State.JOINING if code == codes.NONE:
                return self._joined(response, now)
            case State.JOINING:
                return self._join_refused(code, detail, now)
            case State.PROBING:
                return self._probe_answered(code, detail, now)
            case State.LEAVING:
                return self._left(code=code)
            case _ if code == codes.NONE:
                return self._welcome(response, now)
            case _:
                return self._heartbeat_refused(code, detail, now)

    def _request_failed(self, event: RequestFailed) -> list[Action]:
        if self._take(event.key) is None:
            return []
        if self.state is State.LEAVING:
            return self._left(error=str(event.error))
        if isinstance(event.error, KafkaError) and not event.error.retriable:
            return self._fail(event.error)
        fields: dict[str, object] = {"api": API, "error": str(event.error)}
        if self.state in IN_GROUP:
            return self._coordinator_lost(fields)
        return [Report("coordinator_lost", fields), *self._join_failed()]

    def _coordinator_forgotten(self) -> list[Action]:
        """As if a heartbeat had told it; who is not in the group will be judged by whichever coordinator it joins."""
        if self.state not in IN_GROUP or self._finding:
            return []
        return self._coordinator_lost({"api": "another request"}, at_once=True)

    def _timer_fired(self, now: float) -> list[Action]:
        if self.state is State.WAITING and self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            return self._join()
        actions: list[Action] = []
        if self.state not in IN_GROUP:
            return actions
        if self._doubtful_at is not None and now >= self._doubtful_at:
            self._doubtful_at, self._unproven = None, True
            actions.append(Report("session_timeout_passed", {**self._who(), "inferred": True}))
        due = self._heartbeat_at is not None and now >= self._heartbeat_at
        if due and API not in self._live and self._coordinator:
            actions += self._beat(now)
        return actions

    # ── callbacks ended ──

    def _callback_finished(self, event: AssignFinished | RevokeFinished | LoseFinished, now: float) -> list[Action]:
        if event.error is not None:
            return self._fail(event.error)
        if isinstance(event, AssignFinished) and self.state is State.ASSIGNING:
            self._move("assigned")
            beat = self._beat(now) if self._untold and not self._parting else []
            return [*beat, *self._proceed(now)]
        if isinstance(event, RevokeFinished) and self.state is State.REVOKING:
            return self._revoked(now)
        if isinstance(event, LoseFinished) and self.state is State.LOSING:
            return self._go_on()
        return []

    def _go_on(self) -> list[Action]:
        if self._closing:
            return self._end(self._closing.leave)
        return self._step_out() if self._stepping_out else self._join()

    # ── the application: subscription, slowness, commits, close ──

    def _subscription_changed(self, event: SubscriptionChanged, now: float) -> list[Action]:
        same = (event.topics, event.pattern) == (self._topics, self._pattern)
        if same and self.state is not State.PAUSED:
            return []
        before = self._wanted
        self._topics, self._pattern = event.topics, event.pattern
        self._reason = "subscription changed"
        if not self._subscribed:
            return self._leave_for_now(now)
        if self.state in (State.PAUSED, State.IDLE):
            return self._resume()
        self._stepping_out = False
        if self.state not in IN_GROUP or self._closing or self._wanted == before:
            return []
        self._waiting_since = now
        return [*self._beat(now), *self._proceed(now)]

    def _leave_for_now(self, now: float) -> list[Action]:
        if self.state in (State.IDLE, State.PAUSED, State.LEAVING):
            return []
        self._stepping_out = True
        if self.state is State.LOSING or self.state in IN_GROUP:
            return self._proceed(now)
        return self._step_out()

    def _step_out(self) -> list[Action]:
        """Be no active member: a dynamic one leaves, a static one keeps its place until its session times out."""
        self._stepping_out = False
        leaves = self._may_be_in_group
        self._move("stepped out")
        self._out_of_generation()
        report = Report("stepped_out", self._who())
        self.membership = self.membership.evolve(epoch=-1)
        if not leaves:
            return [report]
        self._known = True
        send = self._ask(self._leaving(permanently=False))
        self._live.clear()  # nobody waits for the answer: should it be lost, the next join finds out
        return [report, send]

    @property
    def _may_be_in_group(self) -> bool:
        """Whether a coordinator is at hand that may hold our member id."""
        return self._coordinator and (self._known or self.state is State.JOINING)

    def _poll_expired(self, event: PollExpired) -> list[Action]:
        if self._closing or self.state in (State.IDLE, State.PAUSED, State.LEAVING):
            return []
        report = self._poll_report(event)
        self._stepping_out = True
        if self.state is State.STABLE:
            return [report, *self._drop("max_poll_interval_ms")]
        waits = self.state is State.LOSING or self.state in IN_GROUP  # for a callback
        return [report] if waits else [report, *self._step_out()]

    def _resume(self) -> list[Action]:
        """The application wants to be in the group again."""
        if not self._subscribed:
            return []
        self._stepping_out = False
        return self._join() if self.state is State.PAUSED else []

    def _commit_rejected(self, event: CommitRejected, now: float) -> list[Action]:
        """The coordinator knows another epoch than the commit's, or not us: the answer to a heartbeat tells which."""
        who = event.who or self.membership
        if self.state not in IN_GROUP or who.member_id != self.membership.member_id:
            return []
        return self._beat(now)

    def _close_requested(self, event: CloseRequested, now: float) -> list[Action]:
        self._closing = event
        self._reason = "the consumer is being closed"
        if self.state in IN_GROUP:
            return self._proceed(now)
        if self.state in (State.LOSING, State.LEAVING):
            return []  # the running callback, or the answer, ends it
        return self._end(event.leave)

    def _end(self, leave: bool) -> list[Action]:
        leaves = self._may_be_in_group and self.state is not State.IDLE
        self._out_of_generation()
        self.membership = self.membership.evolve(epoch=-1)  # nothing is committed any more
        if not leaves:
            self._move("left")
            return [Report("closed", self._who()), Stop()]
        self._move("leave")
        return [self._ask(self._leaving(permanently=leave))]
