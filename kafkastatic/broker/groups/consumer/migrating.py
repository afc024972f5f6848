"""From one protocol to the other without a stop: classic groups become consumer groups, and back. Pure.

A classic group of consumers becomes a consumer group with the first member that comes by KIP-848. A consumer group
becomes a classic one when the last such member has left, and others are there.
"""

from __future__ import annotations

from collections.abc import Collection

from kafkastatic._protocol.consumer_protocol import decode_assignment, decode_subscription, encode_assignment
from kafkastatic._protocol.error_codes import GROUP_ID_NOT_FOUND, REBALANCE_IN_PROGRESS, UNKNOWN_SERVER_ERROR
from kafkastatic._protocol.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
from kafkastatic.broker.groups import rebalancing
from kafkastatic.broker.groups.consumer.group import Classic, ConsumerGroup, ConsumerMember, Place, Refused
from kafkastatic.broker.groups.consumer.targets import look_up
from kafkastatic.broker.groups.desk import Desk, Timer
from kafkastatic.broker.groups.group import CONSUMER, ClassicGroup, GroupState, Member
from kafkastatic.broker.groups.storing import store
from kafkastatic.errors import ProtocolError
from kafkastatic.types import TopicPartition


def from_classic(desk: Desk, group: ClassicGroup) -> ConsumerGroup:
    """The consumer group that a classic group with members would become; the classic one is left as it is.

    Raises:
        Refused: if it cannot become one.
    """
    size = len(group.members)
    if not desk.upgrades:
        raise _refused(group, "the online upgrade is disabled")
    if group.protocol_type != CONSUMER:
        raise _refused(group, "the group does not use the consumer embedded protocol")
    if size > desk.settings.group_consumer_max_size:
        raise _refused(group, "the group size exceeds the consumer group maximum size")
    found = ConsumerGroup(group.group_id, epoch=group.generation)
    found.target_epoch = group.generation
    try:
        for member in group.members.values():
            consumer = _to_consumer(desk, group, member)
            if not found.owners.keys().isdisjoint(consumer.assigned):
                raise Refused(UNKNOWN_SERVER_ERROR, "The leader has assigned a partition to two members.")
            found.put(consumer)
            found.target[member.member_id] = frozenset(consumer.assigned)
    except ProtocolError:
        for member in group.members.values():
            _send_back(desk, group, member)
        raise _refused(group, "the embedded consumer protocol is malformed") from None
    found.metadata = look_up(desk, found)
    return found


def _to_consumer(desk: Desk, group: ClassicGroup, member: Member) -> ConsumerMember:
    # Of a group that has no generation yet, the first protocol is as good as any.
    protocol = group.protocol or member.protocols[0][0]
    subscription = decode_subscription(member.metadata(protocol))
    if desk.early and not member.assignment:
        raise ProtocolError("An assignment without bytes is not read by 3.9.")
    assigned: dict[Place, int] = {}
    for topic, number in decode_assignment(member.assignment):
        topic_id = desk.catalog.topic_id(topic)
        if topic_id is not None:
            assigned[topic_id, number] = group.generation
    return ConsumerMember(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=subscription.rack,
        client_id=member.client_id,
        host=member.host,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        topics=frozenset(subscription.topics),
        epoch=group.generation,
        previous_epoch=group.generation,
        assigned=assigned,
        classic=Classic(member.session_timeout_ms, member.protocols),
    )


def take_over(desk: Desk, classic: ClassicGroup | ConsumerGroup | None, group: ConsumerGroup) -> None:
    """Put a consumer group in the place of the classic one, or of nothing; who is parked there is to join again."""
    if isinstance(classic, ClassicGroup):
        for timer in (Timer("join", classic.group_id), Timer("sync", classic.group_id)):
            desk.timers.cancel(timer)
        for member_id in [*classic.members, *classic.pending]:
            desk.end_timers(classic.group_id, member_id)
        for member in classic.members.values():
            _send_back(desk, classic, member)
    desk.groups[group.group_id] = group
    for member in group.classic_members():
        restart_classic_session(desk, group, member)


def _send_back(desk: Desk, group: ClassicGroup, member: Member) -> None:
    desk.refuse_parked_join(group, member, REBALANCE_IN_PROGRESS, member.member_id)
    desk.refuse_parked_sync(member, REBALANCE_IN_PROGRESS)


def restart_classic_session(desk: Desk, group: ConsumerGroup, member: ConsumerMember) -> None:
    """A member that speaks the classic protocol has the session timeout that it asked for."""
    if member.classic is not None:
        desk.ring(Timer("session", group.group_id, member.member_id), member.classic.session_timeout_ms)


def may_turn_classic(desk: Desk, group: ConsumerGroup, *, gone: Collection[str], size: int) -> bool:
    """Whether a consumer group becomes a classic one without the members in `gone`, of that size."""
    return desk.downgrades and group.classic_without(gone) and size <= desk.settings.group_max_size


def to_classic(desk: Desk, group: ConsumerGroup, *, rebalances: bool) -> ClassicGroup:
    """Put a classic group in the place of a consumer group of which only classic members are left."""
    classic = ClassicGroup(group.group_id)
    classic.generation = group.epoch
    for member in group.members.values():
        desk.end_timers(group.group_id, member.member_id)
        if member.classic is not None:
            classic.add(_to_classic(member, member.classic), CONSUMER)
    classic.protocol = classic.select_protocol(older=desk.older)
    classic.subscribed = classic.topics()
    for member in classic.members.values():
        target = group.target.get(member.member_id, frozenset[Place]())
        member.assignment = _encoded(desk, target, member.metadata(classic.protocol))
    classic.to(GroupState.STABLE)
    desk.groups[group.group_id] = classic
    store(classic)
    for member in classic.members.values():
        desk.restart_session(classic, member)
    if rebalances:
        rebalancing.rebalance(desk, classic)
    return classic


def _to_classic(member: ConsumerMember, classic: Classic) -> Member:
    return Member(
        member.member_id,
        member.instance_id,
        member.client_id,
        member.host,
        classic.session_timeout_ms,
        member.rebalance_timeout_ms,
        classic.protocols,
    )


def encoded(desk: Desk, member: ConsumerMember) -> bytes:
    """What a classic member is assigned, as its protocol has it."""
    metadata = member.classic.protocols[0][1] if member.classic is not None else b""
    return _encoded(desk, frozenset(member.assigned), metadata)


def _encoded(desk: Desk, places: frozenset[Place], metadata: bytes) -> bytes:
    """In the version of the member's own metadata, or the newest that there is."""
    named = [(desk.catalog.name(topic_id), number) for topic_id, number in sorted(places)]
    version = min(int.from_bytes(metadata[:2], "big"), ConsumerProtocolAssignment.MAX_VERSION)
    return encode_assignment([TopicPartition(name, n) for name, n in named if name is not None], version=version)


def _refused(group: ClassicGroup, reason: str) -> Refused:
    return Refused(
        GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {group.group_id} to consumer group because {reason}."
    )
