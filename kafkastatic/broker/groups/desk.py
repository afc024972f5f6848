"""What all groups of a coordinator share: settings, ids, timers, and the answers of the call in hand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Literal, NamedTuple, Protocol

from kafkastatic._protocol.error_codes import NONE
from kafkastatic._protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from kafkastatic._protocol.messages.sync_group import SyncGroupResponse
from kafkastatic._value import Value
from kafkastatic.broker.groups.consumer.group import ConsumerGroup
from kafkastatic.broker.groups.group import ClassicGroup, Member, Parked
from kafkastatic.broker.groups.timers import Timers
from kafkastatic.broker.settings import BrokerSettings


class Catalog(Protocol):
    """The topics, as the coordinator has to know them."""

    def topic_id(self, name: str) -> bytes | None:
        """The id of the topic of that name."""
        ...

    def name(self, topic_id: bytes) -> str | None:
        """The name of the topic with that id."""
        ...

    def has(self, name: str, partition: int) -> bool:
        """Whether there is such a partition."""
        ...

    def partitions(self, name: str) -> int:
        """How many partitions the topic of that name has, 0 if there is none."""
        ...

    def names(self) -> Iterable[str]:
        """The names of all topics."""
        ...


class Reply(Value):
    """The answer to the request that `key` stands for."""

    key: Hashable
    response: Any


class Asked(NamedTuple):
    """A request, and who asks: what a handler is given."""

    key: Hashable
    request: Any
    version: int
    client_id: str
    host: str

    @property
    def parked(self) -> Parked:
        return Parked(self.key, self.version)


class Timer(NamedTuple):
    """What a timer is for: a member's session (`session`), the joins (`join`) or syncs (`sync`) of a classic group.

    In a consumer group joins and syncs are a member's own, as is the time to give up partitions (`rebalance`).
    """

    kind: Literal["session", "join", "sync", "rebalance"]
    group_id: str
    member_id: str = ""


class Desk:
    """Shared by the handlers of one coordinator.

    Attributes:
        groups: by id.
        early: whether the release that is followed is 3.9.
        older: whether it is the coordinator that 3.9 has by default, written in Scala, that is followed.
        serves_consumer_groups: whether the protocol of KIP-848 is enabled.
        assignors: those of consumer groups, the default one first.
        upgrades, downgrades: whether classic groups with members may become consumer groups, and the other way round.
        now: when the call in hand was made, in seconds.
        replies: what it has answered so far.
    """

    def __init__(self, settings: BrokerSettings, catalog: Catalog, new_id: Callable[[], str]) -> None:
        self.settings = settings
        self.early = settings.behaves_as == "3.9"
        protocols = settings.group_coordinator_rebalance_protocols or ("classic" if self.early else "classic,consumer")
        self.serves_consumer_groups = "consumer" in _listed_names(protocols)
        self.older = self.early and not self.serves_consumer_groups
        self.assignors = _listed_names(settings.group_consumer_assignors)
        policy = settings.group_consumer_migration_policy or ("disabled" if self.early else "bidirectional")
        self.upgrades = policy in ("upgrade", "bidirectional")
        self.downgrades = policy in ("downgrade", "bidirectional")
        self.catalog = catalog
        self.new_id = new_id
        self.groups: dict[str, ClassicGroup | ConsumerGroup] = {}
        self.timers: Timers[Timer] = Timers()
        self.now = 0.0
        self.replies: list[Reply] = []

    @property
    def group_operations(self) -> int:
        """What Kafka says may be done with a group where nothing is forbidden: a bit for each operation."""
        return 328 if self.early else 3400  # since groups have configs, to describe and alter these as well

    def classic_group(self, group_id: str) -> ClassicGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None

    def consumer_group(self, group_id: str) -> ConsumerGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ConsumerGroup) else None

    def reply(self, to: Asked | Parked, response: Any) -> None:
        self.replies.append(Reply(to.key, response))

    def take_replies(self) -> list[Reply]:
        replies, self.replies = self.replies, []
        return replies

    def ring(self, timer: Timer, in_ms: float) -> None:
        self.timers.set(timer, self.now + in_ms / 1000)

    def restart_session(self, group: ClassicGroup, member: Member, timeout_ms: int | None = None) -> None:
        timeout = member.session_timeout_ms if timeout_ms is None else timeout_ms
        self.ring(Timer("session", group.group_id, member.member_id), timeout)

    def end_session(self, group: ClassicGroup, member_id: str) -> None:
        self.timers.cancel(Timer("session", group.group_id, member_id))

    def end_timers(self, group_id: str, member_id: str) -> None:
        """All of a member's."""
        self.timers.cancel(Timer("session", group_id, member_id))
        self.timers.cancel(Timer("rebalance", group_id, member_id))
        self.timers.cancel(Timer("join", group_id, member_id))
        self.timers.cancel(Timer("sync", group_id, member_id))

    # Answers that several handlers give

    def refuse_join(self, to: Asked | Parked, code: int, member_id: str = "") -> None:
        self.reply(to, JoinGroupResponse(error_code=code, member_id=member_id, protocol_name=_unnamed(to.version)))

    def answer_join(
        self, to: Asked | Parked, group: ClassicGroup, member: Member, *, leader: str | None = None, skip: bool = False
    ) -> None:
        """The present generation; for its leader with all members, unless another is to be named as leader."""
        leads = leader is None and group.leader == member.member_id
        response = JoinGroupResponse(
            generation_id=group.generation,
            protocol_type=group.protocol_type,
            protocol_name=group.protocol if group.protocol is not None else _unnamed(to.version),
            leader=(leader if leader is not None else group.leader) or "",
            skip_assignment=skip,
            member_id=member.member_id,
            members=_listed(group) if leads else (),
        )
        self.reply(to, response)

    def refuse_parked_join(self, group: ClassicGroup, member: Member, code: int, member_id: str = "") -> None:
        parked = group.take_join(member)
        if parked is not None:
            self.refuse_join(parked, code, member_id)

    def refuse_parked_sync(self, member: Member, code: int) -> bool:
        """Whether there was one."""
        return self._take_sync(member, SyncGroupResponse(error_code=code))

    def answer_parked_sync(self, group: ClassicGroup, member: Member) -> bool:
        """Whether there was one."""
        return self._take_sync(member, assigned(group, member))

    def _take_sync(self, member: Member, response: SyncGroupResponse) -> bool:
        parked, member.syncing = member.syncing, None
        if parked is not None:
            self.reply(parked, response)
        return parked is not None


def assigned(group: ClassicGroup, member: Member) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=NONE,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        assignment=member.assignment,
    )


def _listed(group: ClassicGroup) -> list[JoinGroupResponseMember]:
    return [
        JoinGroupResponseMember(
            member_id=member.member_id, group_instance_id=member.instance_id, metadata=member.metadata(group.protocol)
        )
        for member in group.members.values()
    ]


def _listed_names(setting: str) -> list[str]:
    return [name.strip() for name in setting.split(",") if name.strip()]


def _unnamed(version: int) -> str | None:
    # Until version 7 no protocol is an empty one.
    return None if version >= 7 else ""
