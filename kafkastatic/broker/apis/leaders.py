"""Who may answer for a partition."""

from __future__ import annotations

from kafkastatic._protocol import error_codes as codes
from kafkastatic.broker.cluster import Partition


def refusal(partition: Partition, node: int, leader_epoch: int = -1, *, leader_only: bool = True) -> int:
    """Why a broker does not answer for a partition, 0 if it does.

    Args:
        node: the broker that is asked.
        leader_epoch: the leader's that the client believes in, -1 for any (KIP-320).
        leader_only: whether a follower's answer will not do.
    """
    if node not in partition.replicas:
        return codes.NOT_LEADER_OR_FOLLOWER
    if 0 <= leader_epoch < partition.leader_epoch:
        return codes.FENCED_LEADER_EPOCH
    if leader_epoch > partition.leader_epoch:
        return codes.UNKNOWN_LEADER_EPOCH
    if leader_only and node != partition.leader:
        return codes.NOT_LEADER_OR_FOLLOWER
    return codes.NONE
