"""Kafka's `sticky` and `cooperative-sticky`: as even as it goes, and of that, what moves the fewest partitions.

The bytes are Kafka's, and so are the rules of who owns what (KIP-54, KIP-341, KIP-429, KIP-792): members of both can
share a group. How to get there is our own, and without racks, like `range`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafkastatic._group.balance import balanced
from kafkastatic._group.dealing import in_order
from kafkastatic._protocol.sticky_user_data import decode_generation, decode_sticky, encode_generation, encode_sticky
from kafkastatic.types import MemberSubscription, TopicPartition

Claims = Sequence[tuple[Sequence[TopicPartition], int]]
"""What each member says that it owns, and since which generation: -1 if it does not say."""


class StickyAssignor:
    """Kafka's `sticky`, for eager rebalances: members say in their user data what they were last assigned."""

    name = "sticky"

    def user_data(self, topics: frozenset[str], owned: frozenset[TopicPartition], generation: int) -> bytes | None:
        """What was last assigned, and when; nothing before that."""
        return None if generation < 0 else encode_sticky(owned, generation)

    def assign(
        self, partitions: Mapping[str, int], members: Sequence[MemberSubscription]
    ) -> dict[str, list[TopicPartition]]:
        ordered = in_order(members)
        owner = _owners([decode_sticky(member.user_data) for member in ordered])
        return _shares(partitions, ordered, owner)


class CooperativeStickyAssignor:
    """Kafka's `cooperative-sticky`: members say what they own, and go on with it while the group rebalances.

    A partition that changes hands is assigned to nobody until nobody says that he owns it: in the generation after.
    """

    name = "cooperative-sticky"
    cooperative = True

    def user_data(self, topics: frozenset[str], owned: frozenset[TopicPartition], generation: int) -> bytes | None:
        """The generation, for leaders that do not know it from the subscription (before Kafka 3.4)."""
        return encode_generation(generation)

    def assign(
        self, partitions: Mapping[str, int], members: Sequence[MemberSubscription]
    ) -> dict[str, list[TopicPartition]]:
        ordered = in_order(members)
        owner = _owners([(member.owned, _generation(member)) for member in ordered])
        shares = _shares(partitions, ordered, owner)
        for member, share in enumerate(shares.values()):
            # Of two owners in one generation both have to give it up: in `owner` it is nobody's.
            share[:] = [tp for tp in share if owner.get(tp, member) == member]
        return shares


def _generation(member: MemberSubscription) -> int:
    return member.generation if member.generation >= 0 else decode_generation(member.user_data)


def _owners(claims: Claims) -> dict[TopicPartition, int | None]:
    """Which member owns a partition: who says so of the latest generation; nobody if several do (KIP-792)."""
    owner: dict[TopicPartition, int | None] = {}
    since: dict[TopicPartition, int] = {}
    for member, (owned, generation) in enumerate(claims):
        for tp in set(owned):
            if tp not in since or generation > since[tp]:
                owner[tp], since[tp] = member, generation
            elif generation == since[tp]:
                owner[tp] = None
    return owner


def _shares(
    partitions: Mapping[str, int], members: Sequence[MemberSubscription], owner: Mapping[TopicPartition, int | None]
) -> dict[str, list[TopicPartition]]:
    """What each member gets, in the order of the members."""
    readers = [frozenset(member.topics) for member in members]
    kept = {
        tp: member
        for tp, member in owner.items()
        if member is not None and tp.topic in readers[member] and 0 <= tp.partition < partitions.get(tp.topic, 0)
    }
    shares = balanced(partitions, readers, kept)
    return {member.member_id: share for member, share in zip(members, shares, strict=True)}
