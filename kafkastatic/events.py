"""What a consumer tells of its membership: the events of `Consumer.events()`, and the `Health` of `Consumer.health()`.

Events are facts, in the order in which they happened; what is inferred says so. Each is told once it is done:
`Assigned` after `on_partitions_assigned`, `Revoked` after the offsets were committed. `Lost` is told at once, as
another member may own the partitions already. `at` is seconds since the epoch, by a clock that may jump; durations are
measured by one that does not.
"""

from __future__ import annotations

from kafkastatic._value import Value
from kafkastatic.errors import FencedError
from kafkastatic.types import TopicPartition

Partitions = frozenset[TopicPartition]


class Joining(Value):
    """A request to be let into the group was sent; each try is told.

    Attributes:
        member_id: under which member id, empty for one that has none yet.
        reason: why; the coordinator of a classic group is told it too (KIP-800).
    """

    at: float
    member_id: str
    reason: str


class Joined(Value):
    """The coordinator let this member in. Which partitions it has is told by `Assigned`.

    Attributes:
        epoch: the classic protocol's generation, KIP-848's member epoch.
        leader: whether this member shares out the partitions; `None` where the coordinator does (KIP-848).
    """

    at: float
    member_id: str
    epoch: int
    leader: bool | None


class Assigned(Value):
    """`on_partitions_assigned` is done, and these partitions are read.

    Attributes:
        partitions: all that are owned now.
        added: those of them that were not owned before.
    """

    at: float
    epoch: int
    partitions: Partitions
    added: Partitions


class Revoked(Value):
    """Partitions were given up in order: drained, `on_partitions_revoked` called, what is consumed committed."""

    at: float
    epoch: int
    partitions: Partitions


class Lost(Value):
    """The membership was lost, and these partitions with it: nothing of them can be committed any more.

    Attributes:
        partitions: those that were owned, which may be none.
        cause: the lower-case name of the coordinator's error code, `"removed"` by an administrator,
            `"max_poll_interval_ms"`, or `"failed"`: an error that is none of the coordinator's ended the consumer.
        inferred: the cause was concluded, not told. The coordinator says as little of a removal as of an expiry: it is
            taken for a removal where the session cannot have expired.
    """

    at: float
    epoch: int
    partitions: Partitions
    cause: str
    inferred: bool


class Fenced(Value):
    """Another process has the instance id, and this consumer has ended. The last event of all.

    Attributes:
        error: what is raised from every call from now on.
        owner: who has the id now, as far as the coordinator tells; `None` where it does not.
    """

    at: float
    error: FencedError
    owner: str | None


class Waiting(Value):
    """The instance id is not free yet, and is waited for: this member is neither dead nor ready.

    Attributes:
        error: the name of the coordinator's refusal.
        since, until: how long, in seconds since the epoch; then the refusal is raised.
    """

    at: float
    error: str
    since: float
    until: float


class Rebalanced(Value):
    """A member that was in the group is there again, with its callbacks done. Its first join is none.

    `revoke`, `join`, `sync` and `assign` are seconds, and come to `total`:

    - `revoke`: partitions were drained, `on_partitions_revoked` or `on_partitions_lost` ran, offsets were committed;
    - `join`: until the coordinator let everybody in, and was looked up where it was lost;
    - `sync`: until it said who has which partition;
    - `assign`: `on_partitions_assigned` ran.

    Attributes:
        cause: what began it.
        epoch_before, epoch_after: equal where the coordinator changed the assignment alone.
        kept, added, revoked: the partitions owned afterwards and before, afterwards only, before only.
    """

    at: float
    cause: str
    epoch_before: int
    epoch_after: int
    kept: Partitions
    added: Partitions
    revoked: Partitions
    revoke: float
    join: float
    sync: float
    assign: float
    total: float


class Missed(Value):
    """So many events before the next one were not kept for this reader, who was slow. `membership` has the outcome."""

    at: float
    count: int


Event = Joining | Joined | Assigned | Revoked | Lost | Fenced | Waiting | Rebalanced | Missed


class Health(Value):
    """How a consumer is, for whoever decides whether to restart its process, or to wait for it.

    Attributes:
        live: false where only a restart of the process, or a new consumer, can go on.
        ready: it is in its group, its callbacks are done, and nothing that was heard since puts it in doubt.
        reason: what that is judged by, in words that begin alike for each state.
        since: when that became so, in seconds since the epoch.
        error: what ended the consumer, if it has ended with an error. After `FencedInstanceIdError` a process that is
            started again under the same instance id evicts, in a classic group, the one that has it now: let a person
            look.
    """

    live: bool
    ready: bool
    reason: str
    since: float
    error: BaseException | None = None
