"""The scenarios, a module for each group of APIs; importing them fills the table."""

from tests.conformance.scripts import (
    consumer_assignments,
    consumer_joining,
    consumer_offsets,
    consumer_static,
    dynamic_members,
    fencing,
    group_admin,
    leaving,
    migration,
    newest_versions,
    offsets,
    records,
    static_members,
    topics,
)
from tests.conformance.session import SCENARIOS

__all__ = [
    "SCENARIOS",
    "consumer_assignments",
    "consumer_joining",
    "consumer_offsets",
    "consumer_static",
    "dynamic_members",
    "fencing",
    "group_admin",
    "leaving",
    "migration",
    "newest_versions",
    "offsets",
    "records",
    "static_members",
    "topics",
]
