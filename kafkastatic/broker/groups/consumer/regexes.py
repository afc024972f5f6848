"""Subscriptions by regular expression, which the coordinator resolves. Pure.

Where Kafka looks for new topics every ten seconds at most, and resolves an expression beside the request that brought
it, it is done right after a request here: what follows from it is seen by the next one.
"""

from __future__ import annotations

from kafkastatic._protocol.error_codes import INVALID_REGULAR_EXPRESSION
from kafkastatic.broker.groups.consumer.group import ConsumerGroup, Refused
from kafkastatic.broker.groups.consumer.patterns import BadPatternError, compiled
from kafkastatic.broker.groups.consumer.targets import look_up
from kafkastatic.broker.groups.desk import Desk


def check(regex: str) -> None:
    """Raises Refused: if it is none."""
    try:
        compiled(regex)
    except BadPatternError as error:
        reason = f"SubscribedTopicRegex `{regex}` is not a valid one: {error}."
        raise Refused(INVALID_REGULAR_EXPRESSION, reason) from None


def resolve(desk: Desk, group: ConsumerGroup) -> None:
    """Find the topics of new expressions, and new topics for all of them: another group epoch if that changes any."""
    topics = frozenset(desk.catalog.names())
    regexes = group.regexes()
    if topics == group.seen and all(regex in group.resolved for regex in regexes):
        return
    group.seen = topics
    found = {regex: frozenset(filter(compiled(regex), topics)) for regex in regexes}
    before, group.resolved = group.resolved, found
    metadata = look_up(desk, group)
    matched = any(matching != before.get(regex, frozenset()) for regex, matching in found.items())
    if matched or metadata != group.metadata:
        group.epoch += 1
        group.metadata = metadata
