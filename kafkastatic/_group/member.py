"""The vocabulary that every membership protocol shares: events in, actions out.

Events are past tense and come from a driver; actions are imperative and a driver carries them out. Nothing
here knows a socket, a clock or a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from kafkastatic._protocol.primitives import Request
from kafkastatic._value import Value
from kafkastatic.types import ClusterSnapshot, Membership, TopicPartition

Partitions = frozenset[TopicPartition]

# ── events ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Started(Value):
    """The consumer was started and its subscription is known."""


class CoordinatorFound(Value):
    """The group's coordinator is known and reachable.

    Attributes:
        versions: the API versions it serves, `(lowest, highest)` by API key.
    """

    versions: Mapping[int, tuple[int, int]]


class CoordinatorForgotten(Value):
    """A request that is none of the member's, a commit for instance, has found the coordinator gone."""


class CoordinatorRefused(Value):
    """The coordinator cannot be had, and trying again will not help: for want of rights, or of a login."""

    error: Exception


class Answered(Value):
    """A response arrived to the request that was sent under `key`."""

    key: int
    response: Any


class RequestFailed(Value):
    """The request sent under `key` will not be answered: no connection, or its time ran out."""

    key: int
    error: Exception


class MetadataChanged(Value):
    snapshot: ClusterSnapshot


class SubscriptionChanged(Value):
    """The application subscribed to these topics instead; none, and no pattern, means unsubscribed.

    Attributes:
        pattern: the regular expression that was subscribed to; `topics` are those that are known to match it.
    """

    topics: frozenset[str]
    pattern: str | None = None


class AssignFinished(Value):
    error: BaseException | None = None


class RevokeFinished(Value):
    error: BaseException | None = None


class LoseFinished(Value):
    error: BaseException | None = None


class Saved(Value):
    """What `Save` asked for is durable, or could not be made so."""

    error: BaseException | None = None


class PollExpired(Value):
    """The application has held `last` (topic, partition, offset) longer than allowed, by `excess` seconds."""

    last: tuple[str, int, int] | None
    excess: float


class PollResumed(Value):
    """The application asked for the next record again, after `PollExpired`."""


class CommitRejected(Value):
    """A commit was answered with this error code, which judges the member.

    Attributes:
        who: the identity that it carried; the present one if not given.
    """

    code: int
    who: Membership | None = None


class CloseRequested(Value):
    """The consumer is closing. `leave`: give up the membership; else a static member keeps its place."""

    leave: bool


class TimerFired(Value):
    """`deadline()` has come."""


Event = (
    Started
    | CoordinatorFound
    | CoordinatorForgotten
    | CoordinatorRefused
    | Answered
    | RequestFailed
    | MetadataChanged
    | SubscriptionChanged
    | AssignFinished
    | RevokeFinished
    | LoseFinished
    | Saved
    | PollExpired
    | PollResumed
    | CommitRejected
    | CloseRequested
    | TimerFired
)

# ── actions ────────────────────────────────────────────────────────────────────────────────────────────────────


class Send(Value):
    """Send a request to the coordinator; its answer comes back under the same key.

    Attributes:
        timeout: seconds until the driver reports `RequestFailed`.
        ahead: sent directly before it on the same connection, which a broker serves in order; nobody waits for its
            answer.
    """

    request: Request[Any]
    key: int
    timeout: float
    ahead: Request[Any] | None = None


class FindCoordinator(Value):
    """Look up the coordinator, after `after` seconds, and retry until it is found."""

    after: float = 0.0


class FetchMetadata(Value):
    """Keep these topics in the cluster snapshot and report the next one that has them."""

    topics: frozenset[str]


class Assign(Value):
    """Own `complete` from now on, of which `added` are new: run `on_partitions_assigned`."""

    added: Partitions
    complete: Partitions


class Revoke(Value):
    """Give up partitions in an orderly way until `deadline`: drain, `on_partitions_revoked`, commit."""

    partitions: Partitions
    deadline: float


class Lose(Value):
    """Drop partitions at once, uncommitted: another member may own them. Run `on_partitions_lost`."""

    partitions: Partitions
    cause: str


class Save(Value):
    """Make the member id durable beside the instance id, so that the next process can go on as this member; `Saved`
    tells when it is."""

    member_id: str


class ResolveTopics(Value):
    """Find out the names of these topics (KIP-516) and report a snapshot that has them."""

    topic_ids: frozenset[bytes]


class Report(Value):
    """Tell whoever watches what happened: an event name and its fields.

    The public events and the health (`journal.py`) are made of these. `coordinator_lost` and `session_timeout_passed`
    put a membership in doubt, until `membership_confirmed` or whatever else decides about it.
    """

    event: str
    fields: Mapping[str, object] = MappingProxyType({})


class Fail(Value):
    """End the consumer with this error."""

    error: BaseException


class Stop(Value):
    """The membership has ended in an orderly way."""


Action = Send | FindCoordinator | FetchMetadata | ResolveTopics | Assign | Revoke | Lose | Save | Report | Fail | Stop


class Member(Protocol):
    """A membership protocol."""

    @property
    def membership(self) -> Membership:
        """The identity to stamp on requests now."""
        ...

    @property
    def settled(self) -> bool:
        """In the group, with no join, callback or change of the assignment under way."""
        ...

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event at `now` (seconds, never going back) and return what to do, in order."""
        ...

    def deadline(self) -> float | None:
        """When to call `handle(TimerFired(), ...)` next."""
        ...
