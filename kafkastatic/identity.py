"""Where an instance id comes from, and which ids this process uses already.

Consumer("orders", ..., group_instance_id=identity.from_pod())
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from typing import NamedTuple

from kafkastatic.errors import ConfigError
from kafkastatic.types import InstanceId

_DEPLOYMENT_POD = r"-[a-f0-9]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$"
"""What a ReplicaSet appends to its pods' names: it changes at every restart."""

_ORDINAL = r"-[0-9]+$"
"""What a StatefulSet appends."""


def from_env(name: str = "KAFKA_GROUP_INSTANCE_ID") -> InstanceId:
    """The id in an environment variable.

    Raises:
        ConfigError: if the variable is not set, or holds no legal id.
    """
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"The environment variable {name} is not set.", remedy="Set it to this replica's own id.")
    return InstanceId(value)


def from_hostname() -> InstanceId:
    """This machine's host name: fit for servers with one consumer each, and for StatefulSet pods.

    Raises:
        ConfigError: if the name is no legal id.
    """
    return InstanceId(socket.gethostname())


def from_pod() -> InstanceId:
    """The name of this StatefulSet pod, from `POD_NAME` (downward API) or the host name.

    Raises:
        ConfigError: if the name does not end in a StatefulSet's ordinal, for others change at every restart: those
            of a Deployment, a DaemonSet, a Job, and a container's id; or if it is no legal id.
    """
    name = os.environ.get("POD_NAME") or socket.gethostname()
    if re.search(_DEPLOYMENT_POD, name):
        raise ConfigError(
            f"The pod name {name!r} looks like a Deployment's, which changes at every restart.",
            remedy="Use a StatefulSet, or give group_instance_id from something that outlives the pod.",
        )
    if not re.search(_ORDINAL, name):
        raise ConfigError(
            f"The pod name {name!r} does not end in a StatefulSet's ordinal.",
            remedy="Use a StatefulSet; for a host name that outlives restarts there is from_hostname().",
        )
    return InstanceId(name)


class Claim(NamedTuple):
    """One identity as this process sees it: the cluster by its bootstrap addresses, group and instance id."""

    cluster: frozenset[str]
    group: str
    instance_id: str


class IdentityRegistry:
    """The identities in use by one process.

    Two consumers of one identity would fence each other for ever; within a process that is refused before any
    request. One registry stands for the process; tests and simulations of several processes pass their own.
    """

    def __init__(self) -> None:
        self._claims: set[Claim] = set()

    def claim(self, bootstrap_servers: Sequence[str], group: str, instance_id: str) -> Claim:
        """Take an identity.

        Raises:
            ConfigError: if a consumer of this process has it.
        """
        claim = Claim(frozenset(bootstrap_servers), group, instance_id)
        if claim in self._claims:
            raise ConfigError(
                f"A consumer of this process already uses group_instance_id {instance_id!r} in group {group!r}.",
                remedy="Give each consumer its own id, for instance with a suffix, or close the other one first.",
            )
        self._claims.add(claim)
        return claim

    def release(self, claim: Claim) -> None:
        self._claims.discard(claim)


PROCESS = IdentityRegistry()
"""The registry of this process."""
