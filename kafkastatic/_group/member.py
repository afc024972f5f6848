"""The vocabulary that every membership protocol shares: events in, actions out.

Events are past tense and come from a driver; actions are imperative and a driver carries them out. Nothing
here knows a socket, a clock or a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from kafkastatic._protocol.primitives import Request
from kafkastatic.types import ClusterSnapshot, Membership, TopicPartition

Partitions = frozenset[TopicPartition]

# ── events ─────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Started:
    """The consumer was started and its subscription is known."""


@attrs.frozen
class CoordinatorFound:
    """The group's coordinator is known and reachable.

    Attributes:
        versions: the API versions it serves, `(lowest, highest)` by API key.
    """

    versions: Mapping[int, tuple[int, int]]


@attrs.frozen
class CoordinatorForgotten:
    """A request that is none of the member's, a commit for instance, has found the coordinator gone."""


@attrs.frozen
class CoordinatorRefused:
    """The coordinator cannot be had, and trying again will not help: for want of rights, or of a login."""

    error: Exception


@attrs.frozen
class Answered:
    """A response arrived to the request that was sent under `key`."""

    key: int
    response: Any


@attrs.frozen
class RequestFailed:
    """The request sent under `key` will not be answered: no connection, or its time ran out."""

    key: int
    error: Exception


@attrs.frozen
class MetadataChanged:
    snapshot: ClusterSnapshot


@attrs.frozen
class SubscriptionChanged:
    """The application subscribed to these topics instead; none means unsubscribed."""

    topics: frozenset[str]


@attrs.frozen
class AssignFinished:
    error: BaseException | None = None


@attrs.frozen
class RevokeFinished:
    error: BaseException | None = None


@attrs.frozen
class LoseFinished:
    error: BaseException | None = None


@attrs.frozen
class PollExpired:
    """The application has held `last` (topic, partition, offset) longer than allowed, by `excess` seconds."""

    last: tuple[str, int, int] | None
    excess: float


@attrs.frozen
class PollResumed:
    """The application asked for the next record again, after `PollExpired`."""


@attrs.frozen
class CommitRejected:
    """A commit was answered with this error code, which judges the member.

    Attributes:
        who: the identity that it carried; the present one if not given.
    """

    code: int
    who: Membership | None = None


@attrs.frozen
class CloseRequested:
    """The consumer is closing. `leave`: give up the membership; else a static member keeps its place."""

    leave: bool


@attrs.frozen
class TimerFired:
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
    | PollExpired
    | PollResumed
    | CommitRejected
    | CloseRequested
    | TimerFired
)

# ── actions ────────────────────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Send:
    """Send a request to the coordinator; its answer comes back under the same key.

    Attributes:
        timeout: seconds until the driver reports `RequestFailed`.
    """

    request: Request[Any]
    key: int
    timeout: float


@attrs.frozen
class FindCoordinator:
    """Look up the coordinator, after `after` seconds, and retry until it is found."""

    after: float = 0.0


@attrs.frozen
class FetchMetadata:
    """Keep these topics in the cluster snapshot and report the next one that has them."""

    topics: frozenset[str]


@attrs.frozen
class Assign:
    """Own `complete` from now on, of which `added` are new: run `on_partitions_assigned`."""

    added: Partitions
    complete: Partitions


@attrs.frozen
class Revoke:
    """Give up partitions in an orderly way until `deadline`: drain, `on_partitions_revoked`, commit."""

    partitions: Partitions
    deadline: float


@attrs.frozen
class Lose:
    """Drop partitions at once, uncommitted: another member may own them. Run `on_partitions_lost`."""

    partitions: Partitions
    cause: str


@attrs.frozen
class Report:
    """Tell whoever watches what happened: an event name and its fields."""

    event: str
    fields: Mapping[str, object] = attrs.field(factory=dict[str, object])


@attrs.frozen
class Fail:
    """End the consumer with this error."""

    error: BaseException


@attrs.frozen
class Stop:
    """The membership has ended in an orderly way."""


Action = Send | FindCoordinator | FetchMetadata | Assign | Revoke | Lose | Report | Fail | Stop


class Member(Protocol):
    """A membership protocol."""

    @property
    def membership(self) -> Membership:
        """The identity to stamp on requests now."""
        ...

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take one event at `now` (seconds, never going back) and return what to do, in order."""
        ...

    def deadline(self) -> float | None:
        """When to call `handle(TimerFired(), ...)` next."""
        ...
