"""Subscriptions by regular expression, which the coordinator resolves. Pure.

Kafka's are RE2J's, Python's stand in for them here: what both understand means the same. Where Kafka looks for new
topics every ten seconds at most, and resolves an expression beside the request that brought it, it is done right after
a request here: what follows from it is seen by the next one.
"""

from __future__ import annotations

import re

from kafkastatic._protocol.error_codes import INVALID_REGULAR_EXPRESSION
from kafkastatic.broker.groups.consumer.group import ConsumerGroup, Refused
from kafkastatic.broker.groups.consumer.targets import look_up
from kafkastatic.broker.groups.desk import Desk

_NOT_RE2 = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=)|\\[1-9]|[*+?}]\+")
"""What Python has and RE2 has not: looking around, references, atoms that are not gone back into."""


def check(regex: str) -> None:
    """Raises Refused: if it is none."""
    try:
        if _NOT_RE2.search(regex) is None:
            re.compile(regex)
            return
        reason = "what it asks for is not supported"
    except re.error as error:
        reason = str(error)
    raise Refused(INVALID_REGULAR_EXPRESSION, f"SubscribedTopicRegex `{regex}` is not a valid one: {reason}.")


def resolve(desk: Desk, group: ConsumerGroup) -> None:
    """Find the topics of new expressions, and new topics for all of them: another group epoch if that changes any."""
    topics = frozenset(desk.catalog.names())
    regexes = group.regexes()
    if topics == group.seen and all(regex in group.resolved for regex in regexes):
        return
    group.seen = topics
    found = {regex: frozenset(filter(re.compile(regex).fullmatch, topics)) for regex in regexes}
    before, group.resolved = group.resolved, found
    metadata = look_up(desk, group)
    matched = any(matching != before.get(regex, frozenset()) for regex, matching in found.items())
    if matched or metadata != group.metadata:
        group.epoch += 1
        group.metadata = metadata
