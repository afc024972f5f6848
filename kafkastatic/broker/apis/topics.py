"""Topics: CreateTopics, DeleteTopics, CreatePartitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from kafkastatic._protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from kafkastatic._protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from kafkastatic.broker.apis.configs import configs_of
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster
from kafkastatic.broker.topic_rules import collides_with, problem_with_config, problem_with_name
from kafkastatic.types import NO_TOPIC_ID

_MOST_PARTITIONS = 10_000
_DEFAULT = -1  # how a client leaves the number of partitions or replicas to the broker


class Refused(Exception):
    """Kafka would not do it.

    Attributes:
        code: the error code.
        message: what the client is told beside it.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class TopicsApi:
    """Topics as they are asked for over the wire, and by the control handle."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    # ── CreateTopics ──

    async def create_topics(self, call: Call) -> CreateTopicsResponse:
        request: CreateTopicsRequest = call.request
        seen = Counter(topic.name for topic in request.topics)
        results = [self._create(t, call.version, request.validate_only) for t in request.topics if seen[t.name] == 1]
        results += [
            _not_created(name, codes.INVALID_REQUEST, "Duplicate topic name.")
            for name, count in seen.items()
            if count > 1
        ]
        return CreateTopicsResponse(topics=results)

    def _create(self, asked: CreatableTopic, version: int, validate_only: bool) -> CreatableTopicResult:
        config = {entry.name: entry.value for entry in asked.configs}
        by_hand = {entry.partition_index: entry.broker_ids for entry in asked.assignments}
        try:
            replicas = self.plan(asked.name, asked.num_partitions, asked.replication_factor, config, by_hand)
        except Refused as refused:
            return _not_created(asked.name, refused.code, refused.message)
        given = {name: value or "" for name, value in config.items()}
        if validate_only:
            topic_id = self._cluster.new_topic_id()  # Kafka tells one too
        else:
            topic_id = self._cluster.create_topic(asked.name, len(replicas), replicas, given).topic_id
        return CreatableTopicResult(
            name=asked.name,
            topic_id=topic_id,
            error_message=None,
            num_partitions=len(replicas),
            replication_factor=len(replicas[0]),
            configs=[
                CreatableTopicConfigs(name=name, value=value, config_source=source)
                for name, value, source in configs_of(given)
            ],
        )

    def plan(
        self,
        name: str,
        partitions: int,
        factor: int,
        config: Mapping[str, str | None],
        by_hand: Mapping[int, Sequence[int]] | None = None,
    ) -> list[list[int]]:
        """The replicas of each partition of a new topic.

        Raises:
            Refused: if Kafka would not create it.
        """
        self._check_name(name)
        if by_hand:
            if partitions != _DEFAULT or factor != _DEFAULT:
                raise Refused(
                    codes.INVALID_REQUEST,
                    "Replication factor was not set to -1 but a manual partition assignment was specified."
                    if factor != _DEFAULT
                    else "Partition count was not set to -1 but a manual partition assignment was specified.",
                )
            replicas = self._by_hand(by_hand)
        else:
            replicas = self._spread(partitions, factor)
        problem = problem_with_config(config)
        if problem:
            raise Refused(codes.INVALID_CONFIG, problem)
        return replicas

    def _check_name(self, name: str) -> None:
        if name in self._cluster.topics:
            raise Refused(codes.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        problem = problem_with_name(name)
        if problem:
            raise Refused(codes.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {problem}")
        other = collides_with(name, self._cluster.topics)
        if other:
            raise Refused(codes.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {other}")

    def _spread(self, partitions: int, factor: int) -> list[list[int]]:
        settings, online = self._cluster.settings, len(self._cluster.online())
        if partitions == _DEFAULT:
            partitions = settings.num_partitions
        if factor == _DEFAULT:
            factor = min(settings.default_replication_factor, online)
        if factor < 1:
            raise Refused(
                codes.INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            )
        if partitions < 1:
            raise Refused(codes.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
        _check_count(partitions)
        if factor > online:
            raise Refused(
                codes.INVALID_REPLICATION_FACTOR,
                f"Unable to replicate the partition {factor} time(s): The target replication factor of {factor}"
                f" cannot be reached because only {online} broker(s) are registered.",
            )
        return self._cluster.spread(partitions, factor)

    def _by_hand(self, by_hand: Mapping[int, Sequence[int]]) -> list[list[int]]:
        if sorted(by_hand) != list(range(len(by_hand))):
            raise Refused(
                codes.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence"
            )
        for replicas in by_hand.values():
            self._check_replicas(replicas)
        return [list(by_hand[index]) for index in range(len(by_hand))]

    def _check_replicas(self, replicas: Sequence[int]) -> None:
        unknown = [node_id for node_id in replicas if node_id not in self._cluster.nodes]
        if not replicas or unknown or len(set(replicas)) < len(replicas):
            raise Refused(
                codes.INVALID_REPLICA_ASSIGNMENT, f"The manual partition assignment {list(replicas)} is not possible."
            )

    def create(self, name: str, partitions: int, factor: int | None, config: Mapping[str, str]) -> None:
        """A topic, as the control handle wants it.

        Raises:
            Refused: if Kafka would not create it.
        """
        replicas = self.plan(name, partitions, _DEFAULT if factor is None else factor, config)
        self._cluster.create_topic(name, len(replicas), replicas, config)

    # ── CreatePartitions ──

    async def create_partitions(self, call: Call) -> CreatePartitionsResponse:
        request: CreatePartitionsRequest = call.request
        return CreatePartitionsResponse(results=[self._grow(topic, request.validate_only) for topic in request.topics])

    def _grow(self, asked: CreatePartitionsTopic, validate_only: bool) -> CreatePartitionsTopicResult:
        by_hand = None if asked.assignments is None else [entry.broker_ids for entry in asked.assignments]
        try:
            self.grow(asked.name, asked.count, by_hand, validate_only=validate_only)
        except Refused as refused:
            told = None if refused.code == codes.UNKNOWN_TOPIC_OR_PARTITION else refused.message
            return CreatePartitionsTopicResult(name=asked.name, error_code=refused.code, error_message=told)
        return CreatePartitionsTopicResult(name=asked.name, error_message=None)

    def grow(
        self, name: str, count: int, by_hand: Sequence[Sequence[int]] | None = None, *, validate_only: bool = False
    ) -> None:
        """Give a topic more partitions, `count` in all.

        Raises:
            Refused: if Kafka would not.
        """
        topic = self._cluster.topics.get(name)
        if topic is None:
            raise Refused(codes.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
        now = len(topic.partitions)
        if count == now:
            raise Refused(codes.INVALID_PARTITIONS, f"Topic already has {now} partition(s).")
        if count < now:
            raise Refused(
                codes.INVALID_PARTITIONS,
                f"The topic {name} currently has {now} partition(s); {count} would not be an increase.",
            )
        _check_count(count)
        if by_hand is None:
            by_hand = self._cluster.spread(count - now, len(topic.partitions[0].replicas), first=now)
        elif len(by_hand) != count - now:
            raise Refused(
                codes.INVALID_REPLICA_ASSIGNMENT,
                f"Attempted to add {count - now} additional partition(s), but only {len(by_hand)} assignment(s)"
                " were specified.",
            )
        for replicas in by_hand:
            self._check_replicas(replicas)
        if not validate_only:
            self._cluster.add_partitions(topic, by_hand)

    # ── DeleteTopics ──

    async def delete_topics(self, call: Call) -> DeleteTopicsResponse:
        request: DeleteTopicsRequest = call.request
        asked = request.topics or [DeleteTopicState(name=name) for name in request.topic_names]
        return DeleteTopicsResponse(responses=[self._delete(topic) for topic in asked])

    def _delete(self, asked: DeleteTopicState) -> DeletableTopicResult:
        if (asked.name is None) == (asked.topic_id == NO_TOPIC_ID):
            return DeletableTopicResult(
                name=asked.name,
                topic_id=asked.topic_id,
                error_code=codes.INVALID_REQUEST,
                error_message="Either the topic's name or its id must be given, and not both.",
            )
        if asked.name is None:
            topic = self._cluster.topics_by_id.get(asked.topic_id)
            refusal = codes.UNKNOWN_TOPIC_ID
        else:
            topic = self._cluster.topics.get(asked.name)
            refusal = codes.UNKNOWN_TOPIC_OR_PARTITION
        if topic is None:
            return DeletableTopicResult(
                name=asked.name,
                topic_id=asked.topic_id,
                error_code=refusal,
                error_message="This server does not host this topic ID."
                if asked.name is None
                else "This server does not host this topic-partition.",
            )
        self._cluster.delete_topic(topic)
        return DeletableTopicResult(name=topic.name, topic_id=topic.topic_id, error_message=None)


def _check_count(partitions: int) -> None:
    if partitions > _MOST_PARTITIONS:
        raise Refused(codes.POLICY_VIOLATION, "Excessively large number of partitions per request.")


def _not_created(name: str, code: int, message: str) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=name, error_code=code, error_message=message, num_partitions=-1, replication_factor=-1, configs=[]
    )
