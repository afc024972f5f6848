"""From one generation of a classic group to the next: who is waited for, how long, and who is left behind. Pure.

    Empty ──► PreparingRebalance ──► CompletingRebalance ──► Stable
                     ▲  joins park          │  syncs park      │
                     └──────────────────────┴──────────────────┘

Dynamic members that do not rejoin within the rebalance timeout are dropped, static ones are kept (KIP-345); whoever
does not ask for its assignment within another one is removed.
"""

from __future__ import annotations

from kafkastatic._protocol.error_codes import REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER_ID
from kafkastatic.broker.groups.desk import Desk, Timer
from kafkastatic.broker.groups.group import ClassicGroup, GroupState, Initial
from kafkastatic.broker.groups.storing import store


def rebalance_or_complete(desk: Desk, group: ClassicGroup) -> None:
    """Begin a rebalance, or see whether the one that is under way can be completed."""
    if group.state is GroupState.PREPARING:
        complete_if_all_joined(desk, group)
    else:
        rebalance(desk, group)


def rebalance(desk: Desk, group: ClassicGroup) -> None:
    if group.state is GroupState.COMPLETING:
        _send_back(desk, group)
    group.unsynced.clear()
    desk.timers.cancel(Timer("sync", group.group_id))
    initial = group.state is GroupState.EMPTY
    group.to(GroupState.PREPARING)
    if initial:
        delay = desk.settings.group_initial_rebalance_delay_ms
        group.initial = Initial(delay, max(group.rebalance_timeout_ms - delay, 0))
        desk.ring(Timer("join", group.group_id), delay)
    elif group.all_joined:
        complete(desk, group)
    else:
        _wait_for_joins(desk, group)


def complete_if_all_joined(desk: Desk, group: ClassicGroup) -> None:
    # The first rebalance of an empty group takes its time even if everybody is there.
    if group.state is GroupState.PREPARING and group.previous is not GroupState.EMPTY and group.all_joined:
        complete(desk, group)


def joins_over(desk: Desk, group: ClassicGroup) -> None:
    """The time for joins is over; with newcomers, an empty group's first rebalance waits once more."""
    initial = group.initial
    if initial is not None and group.newcomers and initial.remaining:
        group.newcomers = False
        delay = min(desk.settings.group_initial_rebalance_delay_ms, initial.remaining)
        group.initial = Initial(delay, max(initial.remaining - initial.delay, 0))
        desk.ring(Timer("join", group.group_id), delay)
    else:
        complete(desk, group)


def complete(desk: Desk, group: ClassicGroup) -> None:
    """Answer the joins with the next generation; postponed while members are there and none has joined."""
    desk.timers.cancel(Timer("join", group.group_id))
    group.initial = None
    late = [m.member_id for m in group.members.values() if m.joining is None and m.instance_id is None]
    for member_id in late:
        remove(desk, group, member_id)
    if not group.elect() and group.members:
        _wait_for_joins(desk, group)
        return
    group.next_generation(older=desk.older)
    if not group.members:
        store(group)
        return
    for member in group.members.values():
        parked = group.take_join(member)
        if parked is not None:
            desk.answer_join(parked, group, member)
        desk.restart_session(group, member)
        member.new = False
        group.unsynced[member.member_id] = None
    desk.ring(Timer("sync", group.group_id), max(group.rebalance_timeout_ms, 1))


def synced(desk: Desk, group: ClassicGroup, member_id: str) -> None:
    """A member of the present generation asked for its assignment."""
    group.unsynced.pop(member_id, None)
    if not group.unsynced:
        desk.timers.cancel(Timer("sync", group.group_id))


def syncs_over(desk: Desk, group: ClassicGroup) -> None:
    """The time for syncs is over: whoever did not ask for its assignment is removed."""
    if group.unsynced and group.state in (GroupState.COMPLETING, GroupState.STABLE):
        for member_id in list(group.unsynced):
            remove(desk, group, member_id)
        rebalance(desk, group)


def session_over(desk: Desk, group: ClassicGroup, member_id: str) -> None:
    """Nothing was heard of a member for too long. Those that wait for us are excused, unless they wait for too long."""
    if member_id in group.pending:
        group.remove(member_id)
        if group.state is GroupState.PREPARING and group.all_joined:
            complete(desk, group)
        return
    member = group.members.get(member_id)
    if member is None or (not member.new and (member.joining is not None or member.syncing is not None)):
        return
    desk.refuse_parked_join(group, member, UNKNOWN_MEMBER_ID)
    group.remove(member_id)
    if group.state is not GroupState.PREPARING:
        rebalance(desk, group)
    elif group.all_joined:
        complete(desk, group)


def remove(desk: Desk, group: ClassicGroup, member_id: str) -> None:
    desk.end_session(group, member_id)
    group.remove(member_id)


def _wait_for_joins(desk: Desk, group: ClassicGroup) -> None:
    desk.ring(Timer("join", group.group_id), max(group.rebalance_timeout_ms, 1))


def hand_out(desk: Desk, group: ClassicGroup) -> None:
    """Give the members that wait for it their assignments."""
    for member in group.members.values():
        # Its session may have run out, unheeded, while its sync was parked.
        if desk.answer_parked_sync(group, member):
            desk.restart_session(group, member)


def _send_back(desk: Desk, group: ClassicGroup) -> None:
    """Assignments are void; who waits for one is to join again."""
    for member in group.members.values():
        member.assignment = b""
        if desk.refuse_parked_sync(member, REBALANCE_IN_PROGRESS):
            desk.restart_session(group, member)
