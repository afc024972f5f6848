"""The scenarios, a module for each group of APIs; importing them fills the table."""

from tests.conformance.scripts import (
    dynamic_members,
    fencing,
    group_admin,
    leaving,
    newest_versions,
    offsets,
    records,
    static_members,
    topics,
)
from tests.conformance.session import SCENARIOS

__all__ = [
    "SCENARIOS",
    "dynamic_members",
    "fencing",
    "group_admin",
    "leaving",
    "newest_versions",
    "offsets",
    "records",
    "static_members",
    "topics",
]
