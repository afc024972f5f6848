"""One step of a member towards its target: what it keeps, what it is to give up, what it gets. Pure.

    STABLE ──► UNREVOKED_PARTITIONS ──► UNRELEASED_PARTITIONS ──► STABLE
               gives up first           waits for what others hold

A member that has something to give up stays in its epoch until it says, by leaving it out of what it owns, that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from kafkastatic.broker.groups.consumer.group import ConsumerGroup, ConsumerMember, MemberState, Place
from kafkastatic.broker.groups.desk import Desk

Held = Mapping[Place, int]


def reconcile(
    desk: Desk, group: ConsumerGroup, member: ConsumerMember, *, owned: frozenset[Place] | None, resubscribed: bool
) -> ConsumerMember:
    """What becomes of a member of the group.

    Args:
        owned: what it says it owns; `None` if it says nothing.
        resubscribed: whether its subscription has changed: what it no longer wants is taken at once (not yet in 3.9).
    """
    resubscribed = resubscribed and not desk.early
    if member.state is MemberState.STABLE and member.epoch == group.target_epoch:
        return _shrink(desk, group, member, owned) if resubscribed else member
    if member.state is MemberState.UNREVOKED:
        if _owns(owned, member.revoking):
            return _shrink(desk, group, member, owned) if resubscribed else member
        # What counts as the epoch before is another one in 3.9.
        return _advance(desk, group, member, member.epoch + desk.early, owned)
    return _advance(desk, group, member, member.epoch, owned)


def _advance(
    desk: Desk, group: ConsumerGroup, member: ConsumerMember, epoch: int, owned: frozenset[Place] | None
) -> ConsumerMember:
    target = group.target.get(member.member_id, frozenset[Place]())
    if not desk.early:
        wanted = _topic_ids(desk, group, member)
        target = frozenset(place for place in target if place[0] in wanted)
    kept = {place: since for place, since in member.assigned.items() if place in target}
    revoking = {place: since for place, since in member.assigned.items() if place not in target}
    if revoking and _owns(owned, revoking):
        return _moved(member, epoch, MemberState.UNREVOKED, kept, revoking)
    pending = [place for place in sorted(target) if place not in kept]
    free = [place for place in pending if _is_free(desk, group, member, place)]
    state = MemberState.STABLE if len(free) == len(pending) else MemberState.UNRELEASED
    return _moved(member, group.target_epoch, state, kept | dict.fromkeys(free, group.target_epoch), {})


def _is_free(desk: Desk, group: ConsumerGroup, member: ConsumerMember, place: Place) -> bool:
    owner = group.owners.get(place)
    # What it is just giving up, and is to have after all: 3.9 lets it come for it once more.
    return owner is None or (owner == member.member_id and not desk.early)


def _shrink(desk: Desk, group: ConsumerGroup, member: ConsumerMember, owned: frozenset[Place] | None) -> ConsumerMember:
    """Without what it does not subscribe to any more; no new epoch."""
    wanted = _topic_ids(desk, group, member)
    kept = {place: since for place, since in member.assigned.items() if place[0] in wanted}
    if len(kept) == len(member.assigned):
        return member
    revoking = dict(member.revoking) | {place: n for place, n in member.assigned.items() if place not in kept}
    if _owns(owned, revoking):
        return _moved(member, member.epoch, MemberState.UNREVOKED, kept, revoking)
    return _moved(member, member.epoch, member.state, kept, member.revoking)


def _moved(member: ConsumerMember, epoch: int, state: MemberState, assigned: Held, revoking: Held) -> ConsumerMember:
    return attrs.evolve(
        member, epoch=epoch, previous_epoch=member.epoch, state=state, assigned=dict(assigned), revoking=dict(revoking)
    )


def _owns(owned: frozenset[Place] | None, places: Iterable[Place]) -> bool:
    """Whether it still owns one of these, or does not say."""
    return owned is None or not owned.isdisjoint(places)


def _topic_ids(desk: Desk, group: ConsumerGroup, member: ConsumerMember) -> set[bytes | None]:
    return {desk.catalog.topic_id(name) for name in group.topics_of(member)}
