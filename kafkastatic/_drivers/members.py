"""The membership machines, set up by the options."""

from __future__ import annotations

from collections.abc import Callable

from kafkastatic._drivers.topics import TopicsDriver
from kafkastatic._group import member as m
from kafkastatic._group.assignors import resolve
from kafkastatic._group.classic import ClassicMember
from kafkastatic._group.settings import ConsumerSettings, Settings
from kafkastatic._net.backoff import delay
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig


def member(
    config: ConsumerConfig, runtime: Runtime, subscription: TopicsDriver, kept: str | None, *, persistent: bool
) -> m.Member:
    """A member by the protocol that the options name.

    Args:
        kept: the member id of the process before, to go on under.
        persistent: whether the member id outlives this process.
    """
    if config.server_side:
        return _server_side(config, runtime, subscription, kept, persistent)
    return _classic(config, runtime, subscription)


def _classic(config: ConsumerConfig, runtime: Runtime, subscription: TopicsDriver) -> m.Member:
    settings = Settings(
        group=config.group_id or "",
        assignors=resolve(config.partition_assignment_strategy),
        instance_id=config.group_instance_id,
        session_timeout=config.session_timeout_ms / 1000,
        heartbeat_interval=config.heartbeat_interval,
        rebalance_timeout=config.max_poll_interval_ms / 1000,
        drain_timeout=config.drain_timeout,
        request_timeout=config.request_timeout_ms / 1000,
        release_timeout=config.instance_id_wait,
        rack=config.client_rack,
        backoff=_backoff(config, runtime),
    )
    return ClassicMember(settings, subscription.names)


def _server_side(
    config: ConsumerConfig, runtime: Runtime, subscription: TopicsDriver, kept: str | None, persistent: bool
) -> m.Member:
    """Of a group of the consumer protocol (KIP-848)."""
    from kafkastatic._group.kip848 import ConsumerMember  # those of classic groups do not need it

    settings = ConsumerSettings(
        group=config.group_id or "",
        member_id=kept or runtime.new_id(),
        instance_id=config.group_instance_id,
        resumed=kept is not None,
        persistent=persistent,
        assignor=config.group_remote_assignor,
        rebalance_timeout=config.max_poll_interval_ms / 1000,
        drain_timeout=config.drain_timeout,
        request_timeout=config.request_timeout_ms / 1000,
        wait_timeout=config.instance_id_wait,
        rack=config.client_rack,
        backoff=_backoff(config, runtime),
    )
    return ConsumerMember(settings, subscription.names, subscription.server_pattern)


def _backoff(config: ConsumerConfig, runtime: Runtime) -> Callable[[int], float]:
    return lambda attempt: delay(attempt, config.retry_backoff_ms, config.retry_backoff_max_ms, runtime.random)
