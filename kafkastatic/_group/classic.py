"""The classic group protocol for a static or a dynamic member, as a pure state machine.

`joining.py` is the way in, `owning.py` what it owns from then on; here is what it meets: metadata, the application,
answers, time. What a static one may not do (KIP-345):

- leave the group when it closes, unless asked to: its place is kept for its next start;
- leave by its instance id alone: that removes whoever holds the id now;
- rejoin after FENCED_INSTANCE_ID: that would evict the process which replaced it;
- forget its member id on a local reset, or send a second blind JoinGroup while one may still be parked: the
  broker would fence the one with the other (KAFKA-20985).

`states.TABLE` is the map; in all three there is one small handler per event, in the order of the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from kafkastatic._group import requests
from kafkastatic._group.joining import JOIN_GRACE
from kafkastatic._group.leader import COMPLETE, Leadership, misfits
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
    LoseFinished,
    MetadataChanged,
    PollExpired,
    PollResumed,
    Report,
    RequestFailed,
    RevokeFinished,
    Saved,
    Started,
    SubscriptionChanged,
    TimerFired,
)
from kafkastatic._group.owning import IN_CALLBACK, Owning
from kafkastatic._group.settings import Settings
from kafkastatic._group.states import IN_GROUP, OVER, State
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import is_retriable
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsResponse
from kafkastatic._protocol.messages.heartbeat import HeartbeatResponse
from kafkastatic.errors import KafkaError

_REBALANCING = frozenset({"PreparingRebalance", "CompletingRebalance"})


class ClassicMember(Owning):
    """One member of a classic group. See the module for its rules and `Member` for its face."""

    def __init__(self, settings: Settings, topics: frozenset[str] = frozenset()) -> None:
        super().__init__(settings, topics)
        self._standing: Mapping[str, Set[int]] | None = None  # an assignment that has to be compared with the topics

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

    # ── leading, and looking at an assignment that stood before us ──

    def _heartbeat_answered(self, response: HeartbeatResponse, now: float) -> list[Action]:
        unproven = self._unproven
        actions = super()._heartbeat_answered(response, now)
        if response.error_code != codes.NONE or unproven or not self._unseen or "DescribeGroups" in self._live:
            return actions
        return [*actions, self._send(requests.describe(self.membership.group), self._settings.request_timeout)]

    def _metadata_changed(self, event: MetadataChanged, now: float) -> list[Action]:
        self._snapshot = event.snapshot
        if self.state is State.BALANCING and self._lead is not None:
            return self._balance(self._lead, "balanced") if self._lead.knows_topics(event.snapshot) else []
        changed = self._lead.changes(event.snapshot) if self._lead is not None else []
        if changed:
            return self._rebalance(f"partitions of {', '.join(changed)} changed", now)
        return self._compare(now)

    def _group_described(self, response: DescribeGroupsResponse, now: float) -> list[Action]:
        """What a static member that may have restarted is not told by its old assignment; see `misfits`."""
        group = next(iter(response.groups), None)
        if group is None or is_retriable(group.error_code) or group.group_state in _REBALANCING:
            return []  # the next heartbeat asks again, if it does not say that the group rebalances
        try:
            members = requests.described(group)
            self._standing = requests.assigned(group) if self._protocol in COMPLETE else None
            lead = Leadership(members, self._protocol, self._settings.assignors)
        except KafkaError as error:
            return self._not_described(error)
        return [*self._lead_on(lead), *self._compare(now)]

    def _not_described(self, error: Exception) -> list[Action]:
        """Then we go on without; as leader we watch what we read ourselves, which is better than nothing."""
        alone = Leadership([requests.listed(self.membership, self._topics)], self._protocol, ())
        return [Report("group_not_described", {**self._who(), "error": str(error)}), *self._lead_on(alone)]

    def _lead_on(self, lead: Leadership) -> list[Action]:
        """Watch the group's topics, if we lead and were not told whom: below version 9 of JoinGroup."""
        unlisted, self._unlisted, self._unseen = self._unlisted, False, False
        if not unlisted:
            return []
        lead.accept(self._snapshot)
        self._lead = lead
        return [FetchMetadata(lead.topics)] if lead.topics else []

    def _compare(self, now: float) -> list[Action]:
        """Rebalance if the standing assignment does not fit the topics. It is told once, so this happens once.

        A leader compares all topics of the group; any other member those it reads, for nobody else may notice.
        """
        topics = self._topics if self._lead is None else self._lead.topics
        if self._standing is None or not topics <= self._snapshot.topics.keys():
            return []
        wrong = misfits(self._standing, topics, self._snapshot)
        self._standing = None
        if not wrong:
            return []
        report = Report("assignment_outdated", {**self._who(), "topics": wrong})
        return [report, *self._rebalance(f"the assignment does not fit {', '.join(wrong)}", now)]

    def _out_of_generation(self) -> None:
        super()._out_of_generation()
        self._standing = None

    # ── the application: subscription, slowness, close ──

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
        return [] if self.state in IN_CALLBACK else self._give_up(now)

    def _poll_expired(self, event: PollExpired, now: float) -> list[Action]:
        if self._closing or self.state in (State.IDLE, State.PAUSED, State.LEAVING):
            return []
        report = self._poll_report(event)
        if self.state in IN_CALLBACK or not (self.membership.assignment or self.state is State.STABLE):
            return [report, *self._leave_for_now(now)]
        self._stepping_out = True
        return [report, *self._drop("max_poll_interval_ms")]

    def _resume(self, now: float) -> list[Action]:
        """The application wants to be in the group again."""
        if not self._topics:
            return []
        self._stepping_out = False
        return self._join("rejoin", now) if self.state is State.PAUSED else []

    def _close_requested(self, event: CloseRequested, now: float) -> list[Action]:
        self._closing = event
        self._reason = "the consumer is being closed"
        if self.state in IN_CALLBACK or self.state is State.LEAVING:
            return []  # the running callback, or the answer, ends it
        return self._give_up(now)

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
                return self._group_described(event.response, now)
            case "LeaveGroup":
                return self._leave_answered(event.response)
            case _:
                return []  # the answer to a request that we gave up

    def _request_failed(self, event: RequestFailed, now: float) -> list[Action]:
        api = self._take(event.key)
        if api is None:
            return []
        if api == "LeaveGroup":
            return self._left(error=str(event.error))
        if api == "DescribeGroups":
            return [] if _passes(event.error) else self._not_described(event.error)  # the next heartbeat asks again
        if not _passes(event.error):
            return self._fail(event.error)
        report = Report("coordinator_lost", {"api": api, "error": str(event.error)})
        if self.state in IN_GROUP:
            return [report, *self._lose_coordinator()]
        if api == "JoinGroup":
            self._abandon_join(now)
        self._reason = f"{api} was not answered"
        return [report, *self._seek_coordinator()]

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


def _passes(error: Exception) -> bool:
    return not isinstance(error, KafkaError) or error.retriable
