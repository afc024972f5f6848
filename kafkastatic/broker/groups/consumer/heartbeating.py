"""ConsumerGroupHeartbeat: joining, living, and leaving, in one request. Pure.

The first owner of an instance id keeps it: who comes with it while the owner has not left is refused (111), unlike in
the classic protocol, where the last one wins.
"""

from __future__ import annotations

import attrs

from kafkastatic._protocol.error_codes import (
    FENCED_MEMBER_EPOCH,
    GROUP_ID_NOT_FOUND,
    UNRELEASED_INSTANCE_ID,
    UNSUPPORTED_VERSION,
)
from kafkastatic._protocol.messages import consumer_group_heartbeat as messages
from kafkastatic.broker.groups.consumer import migrating, regexes
from kafkastatic.broker.groups.consumer.entering import check_room, succeed, successor
from kafkastatic.broker.groups.consumer.group import (
    AWAY,
    LEFT,
    ConsumerGroup,
    ConsumerMember,
    MemberState,
    Place,
    Refused,
)
from kafkastatic.broker.groups.consumer.leaving import fence, step_out
from kafkastatic.broker.groups.consumer.reconciling import reconcile
from kafkastatic.broker.groups.consumer.requests import check_request
from kafkastatic.broker.groups.consumer.targets import bump_if_changed, update_target
from kafkastatic.broker.groups.desk import Asked, Desk, Timer
from kafkastatic.broker.groups.group import ClassicGroup, GroupState

Request = messages.ConsumerGroupHeartbeatRequest
Response = messages.ConsumerGroupHeartbeatResponse


def heartbeat(desk: Desk, asked: Asked) -> None:
    request: Request = asked.request
    try:
        if not desk.serves_consumer_groups:
            raise Refused(UNSUPPORTED_VERSION, None)
        check_request(desk, asked)
        if request.member_epoch in (LEFT, AWAY):
            desk.reply(asked, _leave(desk, request))
        else:
            _beat(desk, asked)
    except Refused as refused:
        desk.reply(asked, Response(error_code=refused.code, error_message=refused.message))


# Leaving


def _leave(desk: Desk, request: Request) -> Response:
    group = desk.consumer_group(request.group_id)
    if group is None:
        raise _no_group(request)
    member = group.find(request.member_id, request.instance_id)
    if request.member_epoch == AWAY and request.instance_id is not None:
        step_out(group, member)
    else:
        fence(desk, group, [member.member_id])
    return Response(member_id=request.member_id, member_epoch=request.member_epoch)


# Joining, and living


def _beat(desk: Desk, asked: Asked) -> None:
    request: Request = asked.request
    joining = request.member_epoch == 0
    found = desk.groups.get(request.group_id)
    group = _enter(desk, request, found)
    member_id = request.member_id or desk.new_id()
    check_room(desk, group, member_id, request.instance_id)
    before, predecessor = _member(desk, group, request, member_id)
    after = _updated(asked, before)
    if after.regex and after.regex != before.regex and after.regex not in group.regexes():
        regexes.check(after.regex)
    # From here on nothing is refused.
    if joining and found is not group:
        migrating.take_over(desk, found, group)
    succeed(desk, group, predecessor, before)
    _go_on(desk, asked, group, before, after)
    regexes.resolve(desk, group)


def _enter(desk: Desk, request: Request, found: ClassicGroup | ConsumerGroup | None) -> ConsumerGroup:
    """The group, which may still have to take the place of what is there."""
    if isinstance(found, ConsumerGroup):
        return found
    if request.member_epoch != 0:
        raise _no_group(request)
    if found is None or found.state is GroupState.EMPTY:
        return ConsumerGroup(request.group_id, epoch=0 if desk.early else 1)
    return migrating.from_classic(desk, found)


def _member(
    desk: Desk, group: ConsumerGroup, request: Request, member_id: str
) -> tuple[ConsumerMember, ConsumerMember | None]:
    """The member as it is, and the one whose place it takes."""
    joining = request.member_epoch == 0
    if not joining:
        member = group.find(member_id, request.instance_id)
        _check_epoch(desk, member, request)
        return member, None
    if request.instance_id is None:
        member = group.members.get(member_id) or ConsumerMember(member_id=member_id)
        _check_epoch(desk, member, request)
        return member, None
    owner = group.owner(request.instance_id)
    if owner is None:
        return group.members.get(member_id) or ConsumerMember(member_id=member_id), None
    if owner.epoch != AWAY and (owner.classic is None or desk.early):
        raise Refused(
            UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {request.instance_id} cannot join the group because the"
            f" instance id is owned by {owner.member_id} member.",
        )
    return successor(owner, member_id), owner


def _check_epoch(desk: Desk, member: ConsumerMember, request: Request) -> None:
    """Another epoch than the member's is accepted when the answer with the present one may have been lost.

    Epoch 0 is accepted of whoever is known; in 3.9 that is no exception (KAFKA-19233).
    """
    epoch, owned = request.member_epoch, owned_by(request)
    if epoch == member.epoch or (epoch == 0 and not desk.early):
        return
    subset = owned is not None and owned.issubset(member.assigned)
    if epoch > member.epoch or epoch != member.previous_epoch or not subset:
        than = "greater" if epoch > member.epoch else "smaller"
        raise Refused(
            FENCED_MEMBER_EPOCH,
            f"The consumer group member has a {than} member epoch ({epoch}) than the one known by the group"
            f" coordinator ({member.epoch}). The member must abandon all its partitions and rejoin.",
        )


def _updated(asked: Asked, member: ConsumerMember) -> ConsumerMember:
    """With what the request says; what it leaves out has not changed."""
    request: Request = asked.request
    names, regex = request.subscribed_topic_names, request.subscribed_topic_regex
    timeout = request.rebalance_timeout_ms
    return attrs.evolve(
        member,
        instance_id=member.instance_id if request.instance_id is None else request.instance_id,
        rack_id=member.rack_id if request.rack_id is None else request.rack_id,
        rebalance_timeout_ms=member.rebalance_timeout_ms if timeout == -1 else timeout,
        assignor=member.assignor if request.server_assignor is None else request.server_assignor,
        topics=member.topics if names is None else frozenset(names),
        regex=member.regex if regex is None else regex,
        client_id=asked.client_id,
        host=asked.host,
        classic=None,
    )


def _go_on(desk: Desk, asked: Asked, group: ConsumerGroup, before: ConsumerMember, after: ConsumerMember) -> None:
    """What the heartbeat of a member does to the group and to the member; and its answer."""
    request: Request = asked.request
    if before.classic is not None:
        desk.end_timers(group.group_id, before.member_id)
    preferred = group.preferred_assignor() or desk.assignors[0]
    group.put(after)
    resubscribed = after.topics != before.topics or after.regex != before.regex
    # Of a new expression nothing is known yet; the group's epoch changes when something is.
    unresolved = after.regex != "" and after.regex not in group.resolved
    if after.topics != before.topics or not unresolved:
        # Another assignor is a reason since 4.4.
        other = not desk.early and (group.preferred_assignor() or desk.assignors[0]) != preferred
        bump_if_changed(desk, group, resubscribed=resubscribed or other)
    update_target(desk, group)
    member = reconcile(desk, group, after, owned=owned_by(request), resubscribed=resubscribed)
    group.put(member)
    desk.ring(Timer("session", group.group_id, member.member_id), desk.settings.group_consumer_session_timeout_ms)
    if member != after:
        schedule_rebalance(desk, group, member)
    full = request.rebalance_timeout_ms != -1 and request.topic_partitions is not None
    full = full and (request.subscribed_topic_names is not None or request.subscribed_topic_regex is not None)
    told = request.member_epoch == 0 or full or member.assigned.keys() != before.assigned.keys()
    desk.reply(
        asked,
        Response(
            member_id=member.member_id,
            member_epoch=member.epoch,
            heartbeat_interval_ms=desk.settings.group_consumer_heartbeat_interval_ms,
            assignment=messages.Assignment(topic_partitions=_by_topic(member)) if told else None,
        ),
    )


def schedule_rebalance(desk: Desk, group: ConsumerGroup, member: ConsumerMember) -> None:
    """Give a member that has something to give up its time for it."""
    timer = Timer("rebalance", group.group_id, member.member_id)
    if member.state is MemberState.UNREVOKED:
        desk.ring(timer, member.rebalance_timeout_ms)
    else:
        desk.timers.cancel(timer)


def owned_by(request: Request) -> frozenset[Place] | None:
    """What a member says it owns; `None` if it says nothing."""
    if request.topic_partitions is None:
        return None
    return frozenset((entry.topic_id, number) for entry in request.topic_partitions for number in entry.partitions)


def _by_topic(member: ConsumerMember) -> list[messages.ConsumerGroupHeartbeatResponseTopicPartitions]:
    topics: dict[bytes, list[int]] = {}
    for topic_id, number in sorted(member.assigned):
        topics.setdefault(topic_id, []).append(number)
    return [
        messages.ConsumerGroupHeartbeatResponseTopicPartitions(topic_id=topic_id, partitions=numbers)
        for topic_id, numbers in topics.items()
    ]


def _no_group(request: Request) -> Refused:
    return Refused(GROUP_ID_NOT_FOUND, f"Consumer group {request.group_id} not found.")
