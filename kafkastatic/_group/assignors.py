"""The partition assignors there are, what one may say of itself, and what an assignment must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from kafkastatic._group.dealing import RangeAssignor, RoundRobinAssignor
from kafkastatic._group.sticky import CooperativeStickyAssignor, StickyAssignor
from kafkastatic.errors import ConfigError, InvalidAssignmentError
from kafkastatic.types import Assignor, MemberSubscription, TopicPartition


def is_cooperative(assignor: Assignor) -> bool:
    """Whether it can be used in cooperative rebalances (KIP-429). A member uses those if all its assignors can."""
    return getattr(assignor, "cooperative", False) is True


def user_data(
    assignor: Assignor, topics: frozenset[str], owned: frozenset[TopicPartition], generation: int
) -> bytes | None:
    """What a member that joins tells the leader's assignor: see `types.Assignor`."""
    said = getattr(assignor, "user_data", None)
    return None if said is None else said(topics, owned, generation)


_KNOWN: dict[str, Callable[[], Assignor]] = {
    assignor.name: assignor
    for assignor in (RangeAssignor, RoundRobinAssignor, StickyAssignor, CooperativeStickyAssignor)
}


def checked(
    name: str,
    outcome: object,
    partitions: Mapping[str, int],
    members: Sequence[MemberSubscription],
    *,
    cooperative: bool = False,
) -> dict[str, list[TopicPartition]]:
    """An assignor's outcome, if the group can live by it. Whom it leaves out gets nothing.

    Raises:
        InvalidAssignmentError: if it is no mapping of member ids to partitions, or assigns a partition that does not
            exist, or twice, or to a member that is unknown or did not subscribe to its topic; in a cooperative
            rebalance also if it assigns one that another member still owns (KIP-429).
    """
    if not isinstance(outcome, Mapping):
        raise InvalidAssignmentError(name, f"it returned {outcome!r}, no mapping of member ids to partitions")
    topics = {member.member_id: frozenset(member.topics) for member in members}
    assignment: dict[str, list[TopicPartition]] = {member_id: [] for member_id in topics}
    holder = {tp: member.member_id for member in members if cooperative for tp in member.owned}
    holds = {member.member_id: frozenset(member.owned) for member in members}
    owner: dict[TopicPartition, str] = {}
    for member_id, share in cast("Mapping[Any, Any]", outcome).items():
        if member_id not in topics:
            raise InvalidAssignmentError(name, f"it assigns to {member_id!r}, who is no member", member_id=member_id)
        for tp in _partitions(name, member_id, share):
            offence = None
            if not 0 <= tp.partition < partitions.get(tp.topic, 0):
                offence = "which does not exist"
            elif tp in owner:
                offence = f"which {owner[tp]} has already"
            elif tp.topic not in topics[member_id]:
                offence = "whose topic that member did not subscribe to"
            elif tp in holder and tp not in holds[member_id]:
                offence = f"which {holder[tp]} has to give up first: in this generation it is nobody's"
            if offence:
                text = f"it assigns {tp} to {member_id}, {offence}"
                raise InvalidAssignmentError(name, text, member_id=member_id, topic=tp.topic, partition=tp.partition)
            owner[tp] = member_id
            assignment[member_id].append(tp)
    return assignment


def _partitions(name: str, member_id: str, share: object) -> list[TopicPartition]:
    try:
        found = [TopicPartition(*tp) for tp in cast("Iterable[Any]", share)]
    except TypeError:
        found = None
    if found is None or not all(isinstance(t, str) and isinstance(p, int) for t, p in cast("list[Any]", found)):
        text = f"what it assigns to {member_id} are no partitions: {share!r}"
        raise InvalidAssignmentError(name, text, member_id=member_id)
    return found


def resolve(strategies: Sequence[str | Assignor]) -> tuple[Assignor, ...]:
    """The assignors that option values name, in order of preference.

    Raises:
        ConfigError: for a name that is not known, or one that is given twice.
    """
    found: list[Assignor] = []
    for strategy in strategies:
        if isinstance(strategy, str):
            if strategy not in _KNOWN:
                raise ConfigError(
                    f"partition_assignment_strategy names {strategy!r}.",
                    remedy=f"Known are: {', '.join(sorted(_KNOWN))}; an Assignor object is taken too.",
                )
            found.append(_KNOWN[strategy]())
        else:
            found.append(strategy)
    names = [assignor.name for assignor in found]
    if len(set(names)) != len(names):
        raise ConfigError(f"partition_assignment_strategy names one assignor twice: {names}.")
    return tuple(found)
