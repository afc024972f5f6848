"""Settings, as they are asked for: DescribeConfigs."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster
from kafkastatic.broker.topic_rules import TOPIC_CONFIGS, ConfigType, problem_with_name

_TOPIC_RESOURCE, _BROKER_RESOURCE = 2, 4
_TOPIC_SOURCE, _STATIC_SOURCE, _DEFAULT_SOURCE = 1, 4, 5

_CHANGEABLE = {"message.max.bytes", "log.message.timestamp.type"}
"""Kafka lets these settings of a broker be changed while it runs."""

_KAFKA_DEFAULTS = {
    "auto.create.topics.enable": "true",
    "num.partitions": "1",
    "default.replication.factor": "1",
    "group.initial.rebalance.delay.ms": "3000",
    "group.min.session.timeout.ms": "6000",
    "group.max.session.timeout.ms": "1800000",
    "group.max.size": "2147483647",
    "message.max.bytes": "1048588",
    "socket.request.max.bytes": "104857600",
    "fetch.max.bytes": "57671680",
    "log.message.timestamp.type": "CreateTime",
}
"""A setting with another value was given to the broker."""


class ConfigsApi:
    """The settings of topics and brokers."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def describe_configs(self, call: Call) -> DescribeConfigsResponse:
        request: DescribeConfigsRequest = call.request
        results = [self._describe(resource) for resource in request.resources]
        if not request.include_synonyms:
            for config in (config for result in results for config in result.configs):
                config.synonyms = []
        return DescribeConfigsResponse(results=results)

    def _describe(self, resource: DescribeConfigsResource) -> DescribeConfigsResult:
        kind, name = resource.resource_type, resource.resource_name
        code, message = self._problem(kind, name)
        configs = [] if code else self._topic(name) if kind == _TOPIC_RESOURCE else self._broker(name)
        wanted = resource.configuration_keys
        return DescribeConfigsResult(
            error_code=code,
            error_message=message,
            resource_type=kind,
            resource_name=name,
            configs=[config for config in configs if wanted is None or config.name in wanted],
        )

    def _problem(self, kind: int, name: str) -> tuple[int, str]:
        if kind == _TOPIC_RESOURCE:
            problem = problem_with_name(name)
            if problem:
                return codes.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {problem}"
            return (codes.NONE if name in self._cluster.topics else codes.UNKNOWN_TOPIC_OR_PARTITION), ""
        if kind != _BROKER_RESOURCE:
            return codes.INVALID_REQUEST, f"Unsupported resource type: {kind}"
        if name and (not name.isdecimal() or int(name) not in self._cluster.nodes):
            return codes.INVALID_REQUEST, f"Unexpected broker id {name}."
        return codes.NONE, ""

    def _topic(self, topic: str) -> list[DescribeConfigsResourceResult]:
        return [
            DescribeConfigsResourceResult(
                name=name,
                value=value,
                config_source=source,
                config_type=TOPIC_CONFIGS[name].type,
                synonyms=_synonyms(name, value, source),
                documentation=None,
            )
            for name, value, source in configs_of(self._cluster.topics[topic].config)
        ]

    def _broker(self, node: str) -> list[DescribeConfigsResourceResult]:
        if not node:
            return []  # the cluster's dynamic defaults: there are none
        settings = {name.replace("_", "."): value for name, value in attrs.asdict(self._cluster.settings).items()}
        return [_of_broker(name, settings[name]) for name in _KAFKA_DEFAULTS]


def configs_of(given: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Name, value and source of a topic's settings: what it was given, and defaults."""
    told = [(name, value, _TOPIC_SOURCE) for name, value in given.items()]
    return told + [
        (name, config.default, _DEFAULT_SOURCE)
        for name, config in TOPIC_CONFIGS.items()
        if name not in given and config.default is not None
    ]


def _synonyms(name: str, value: str, source: int) -> list[DescribeConfigsSynonym]:
    """Where the value comes from, and what it would be otherwise."""
    config = TOPIC_CONFIGS[name]
    found = [DescribeConfigsSynonym(name=name, value=value, source=source)] if source == _TOPIC_SOURCE else []
    if config.broker_name is not None:
        found.append(DescribeConfigsSynonym(name=config.broker_name, value=config.default, source=_DEFAULT_SOURCE))
    return found


def _of_broker(name: str, value: object) -> DescribeConfigsResourceResult:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    source = _DEFAULT_SOURCE if text == _KAFKA_DEFAULTS[name] else _STATIC_SOURCE
    kinds: dict[type, ConfigType] = {bool: ConfigType.BOOLEAN, int: ConfigType.INT, str: ConfigType.STRING}
    return DescribeConfigsResourceResult(
        name=name,
        value=text,
        read_only=name not in _CHANGEABLE,
        config_source=source,
        config_type=kinds[type(value)],
        synonyms=[DescribeConfigsSynonym(name=name, value=text, source=source)],
        documentation=None,
    )
