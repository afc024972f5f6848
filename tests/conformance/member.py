"""A member of a scenario's group: identity and generation are kept between its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.support.raw_peer import assignment, subscription

if TYPE_CHECKING:
    from tests.conformance.session import Call, Session

_KEEP: Any = object()
"""As the member has it."""


class Member:
    """Each call sends and returns at once, see `Call`; what is given overrides what the member knows, for this call."""

    def __init__(
        self,
        session: Session,
        name: str,
        *,
        instance_id: str | None = None,
        group: str | None = None,
        protocols: Mapping[str, bytes] | None = None,
        session_timeout_ms: int = 30_000,
        rebalance_timeout_ms: int = 30_000,
    ) -> None:
        self.session = session
        self.name = name
        self.instance_id = instance_id
        self.group = session.group if group is None else group
        self.protocols = {"range": subscription(["t"])} if protocols is None else protocols
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.member_id = ""
        self.generation = -1
        self.protocol: str | None = None

    def join(
        self,
        version: int = 9,
        note: str = "",
        *,
        member_id: str = _KEEP,
        instance_id: str | None = _KEEP,
        protocols: Mapping[str, bytes] = _KEEP,
        protocol_type: str = "consumer",
        **others: Any,
    ) -> Call:
        """JoinGroup; a member id and a generation in the answer are kept."""
        chosen = self.protocols if protocols is _KEEP else protocols
        fields: dict[str, Any] = {
            "group_id": self.group,
            "session_timeout_ms": self.session_timeout_ms,
            "rebalance_timeout_ms": self.rebalance_timeout_ms,
            "member_id": self.member_id if member_id is _KEEP else member_id,
            "group_instance_id": self.instance_id if instance_id is _KEEP else instance_id,
            "protocol_type": protocol_type,
            "protocols": [{"name": name, "metadata": metadata} for name, metadata in chosen.items()],
            "reason": None,
        }
        return self.session.send(self.name, "JoinGroup", version, note, then=self._joined, **(fields | others))

    def _joined(self, joined: Any) -> None:
        if joined.error_code in (0, 79):
            self.member_id = joined.member_id
        if joined.error_code == 0:
            self.generation, self.protocol = joined.generation_id, joined.protocol_name

    def sync(
        self,
        version: int = 5,
        note: str = "",
        *,
        assignments: Mapping[Member | str, bytes] | None = None,
        member_id: str = _KEEP,
        instance_id: str | None = _KEEP,
        generation: int = _KEEP,
        **others: Any,
    ) -> Call:
        """SyncGroup; `assignments`, by member, is for the leader."""
        given = {m if isinstance(m, str) else m.member_id: data for m, data in (assignments or {}).items()}
        fields = self._identity("generation_id", member_id, instance_id, generation) | {
            "protocol_type": "consumer",
            "protocol_name": self.protocol,
            "assignments": [{"member_id": member, "assignment": data} for member, data in given.items()],
        }
        return self.session.send(self.name, "SyncGroup", version, note, **(fields | others))

    def heartbeat(
        self,
        version: int = 4,
        note: str = "",
        *,
        member_id: str = _KEEP,
        instance_id: str | None = _KEEP,
        generation: int = _KEEP,
    ) -> Call:
        fields = self._identity("generation_id", member_id, instance_id, generation)
        return self.session.send(self.name, "Heartbeat", version, note, **fields)

    def commit(
        self,
        topic: str,
        offset: int = 1,
        version: int = 9,
        note: str = "",
        *,
        partition: int = 0,
        metadata: str | None = "",
        member_id: str = _KEEP,
        instance_id: str | None = _KEEP,
        generation: int = _KEEP,
    ) -> Call:
        """OffsetCommit of one partition."""
        fields = self._identity("generation_id_or_member_epoch", member_id, instance_id, generation)
        one = {"partition_index": partition, "committed_offset": offset, "committed_metadata": metadata}
        one |= {"committed_leader_epoch": -1, "commit_timestamp": -1}
        fields |= {"retention_time_ms": -1, "topics": [{"name": topic, "partitions": [one]}]}
        return self.session.send(self.name, "OffsetCommit", version, note, **fields)

    def leave(
        self, version: int = 5, note: str = "", *, member_id: str = _KEEP, instance_id: str | None = _KEEP
    ) -> Call:
        """LeaveGroup for one member."""
        own = self.member_id if member_id is _KEEP else member_id
        one = {"member_id": own, "group_instance_id": self.instance_id if instance_id is _KEEP else instance_id}
        fields = {"group_id": self.group, "member_id": own, "members": [{**one, "reason": None}]}
        return self.session.send(self.name, "LeaveGroup", version, note, **fields)

    def _identity(self, generation_name: str, member_id: Any, instance_id: Any, generation: Any) -> dict[str, Any]:
        return {
            "group_id": self.group,
            generation_name: self.generation if generation is _KEEP else generation,
            "member_id": self.member_id if member_id is _KEEP else member_id,
            "group_instance_id": self.instance_id if instance_id is _KEEP else instance_id,
        }


async def group_of(session: Session, *members: Member, version: int = 9) -> None:
    """Bring the members into one Stable generation, off the record; the first is the leader.

    It is generation 1 for a member alone, otherwise 2. Each is assigned `share(its name)`.
    """
    first, *others = members
    await _generation(first, [await _id_of(first, version)])
    if others:
        joins = [await _id_of(one, version) for one in others]
        await session.until(first.group, state="PreparingRebalance", members=len(members))
        await _generation(first, [first.join(version), *joins], *others)


async def joined_again(session: Session, *members: Member) -> None:
    """Bring the members of a Stable group into its next generation, up to CompletingRebalance, off the record."""
    leader, *others = members
    joins = [leader.join()]
    if others:
        await session.until(leader.group, state="PreparingRebalance")
    joins += [member.join() for member in others]
    for answer in await asyncio.gather(*(call.task for call in joins)):
        assert answer.error_code == 0, answer


async def _id_of(member: Member, version: int) -> Call:
    """Send the join of a member that has an id, or needs none."""
    if member.instance_id is None and version >= 4:
        await member.join(version).task
    return member.join(version)


async def _generation(leader: Member, joins: list[Call], *others: Member) -> None:
    await asyncio.gather(*(call.task for call in joins))
    everything = {member: share(member.name) for member in (leader, *others)}
    syncs = [leader.sync(assignments=everything), *(member.sync() for member in others)]
    for answer in await asyncio.gather(*(call.task for call in syncs)):
        assert answer.error_code == 0, answer


def share(name: str) -> bytes:
    """An assignment that says whose it is."""
    return assignment([(name, 0)])
