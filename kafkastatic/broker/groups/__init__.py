"""The group coordinator: a pure machine with the behaviour of Kafka's classic groups."""

from kafkastatic.broker.groups.coordinator import GroupCoordinator
from kafkastatic.broker.groups.describing import GroupSnapshot, MemberSnapshot
from kafkastatic.broker.groups.desk import Catalog, Reply

__all__ = ["Catalog", "GroupCoordinator", "GroupSnapshot", "MemberSnapshot", "Reply"]
