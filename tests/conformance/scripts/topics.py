"""Topics and the cluster: created, grown, deleted, described."""

from __future__ import annotations

from typing import Any

from tests.conformance.session import COMMON_CONFIGS, Call, Session, disturbing, scenario
from tests.support.raw_peer import API_KEYS, MESSAGES

COMMON_APIS = {
    *("Produce", "Fetch", "ListOffsets", "Metadata", "OffsetCommit", "OffsetFetch", "FindCoordinator", "JoinGroup"),
    *("Heartbeat", "LeaveGroup", "SyncGroup", "DescribeGroups", "ListGroups", "ApiVersions", "CreateTopics"),
    *("DeleteTopics", "InitProducerId", "OffsetForLeaderEpoch", "DescribeConfigs", "CreatePartitions", "DeleteGroups"),
    *("OffsetDelete", "DescribeCluster"),
}


def created(s: Session, version: int, note: str = "", *, validate_only: bool = False, **topic: Any) -> Call:
    """CreateTopics for one topic, of one partition and one replica unless told otherwise."""
    one = {"name": "", "num_partitions": 1, "replication_factor": 1, "assignments": [], "configs": []} | topic
    fields = {"topics": [one], "timeout_ms": 10_000, "validate_only": validate_only}
    return s.send("admin", "CreateTopics", version, note, then=s.own_configs, **fields)


@scenario
async def topics_are_created(s: Session) -> None:
    for version in range(2, 8):
        await created(s, version, name=f"{s.group}.{version}", num_partitions=version)
    await created(s, 7, "again", name=f"{s.group}.7")
    await created(s, 7, "by default", name=f"{s.group}.default", num_partitions=-1, replication_factor=-1)
    await created(s, 7, "validated only", name=f"{s.group}.none", num_partitions=2, validate_only=True)
    await created(s, 7, "it was not made", name=f"{s.group}.none")


@scenario
async def topics_that_are_refused(s: Session) -> None:
    name = f"{s.group}.refused"
    for what, illegal in {"empty": "", "a dot": ".", "two dots": "..", "a space": "a b", "long": "x" * 250}.items():
        await created(s, 7, what, name=illegal)
    for count in (0, -2):
        await created(s, 7, f"{count} partitions", name=name, num_partitions=count)
    for factor in (0, 2, -2):
        await created(s, 7, f"{factor} replicas", name=name, replication_factor=factor)
    configs = {"unknown": ("no.such", "1"), "not a number": ("retention.ms", "x"), "null": ("retention.ms", None)}
    for what, (key, value) in configs.items():
        await created(s, 7, f"config: {what}", name=name, configs=[{"name": key, "value": value}])
    here = {"partition_index": 0, "broker_ids": [1]}
    await created(s, 7, "assigned and counted", name=name, assignments=[here])
    free = {"num_partitions": -1, "replication_factor": -1}
    await created(s, 7, "assigned to nobody", name=name, **free, assignments=[here | {"broker_ids": [9]}])
    await created(s, 7, "assigned with a gap", name=name, **free, assignments=[here | {"partition_index": 1}])
    await created(s, 7, "assigned", name=name, **free, assignments=[here])


@scenario
async def topics_that_differ_in_dots(s: Session) -> None:
    """Their metrics would collide: 17."""
    await created(s, 7, name=f"{s.group}.a.b")
    await created(s, 7, name=f"{s.group}.a_b")


@scenario
async def several_topics_at_once(s: Session) -> None:
    one = {"num_partitions": 1, "replication_factor": 1, "assignments": [], "configs": []}
    names = (f"{s.group}.1", "", f"{s.group}.2", f"{s.group}.2")
    topics = [one | {"name": name} for name in names]
    fields = {"topics": topics, "timeout_ms": 10_000, "validate_only": False}
    await s.send("admin", "CreateTopics", 7, then=s.own_configs, **fields)
    await s.send("admin", "CreateTopics", 7, "none", topics=[], timeout_ms=10_000, validate_only=False)


@scenario
async def topics_grow(s: Session) -> None:
    topic = await s.topic(partitions=2)

    def grown(note: str, name: str, count: int, *, assignments: Any = None, version: int = 3) -> Call:
        wanted = [{"name": name, "count": count, "assignments": assignments}]
        return s.send("admin", "CreatePartitions", version, note, topics=wanted, timeout_ms=10_000, validate_only=False)

    for version in range(4):
        await grown(f"to {3 + version}", topic, 3 + version, version=version)
    await grown("to what it has", topic, 6)
    await grown("to fewer", topic, 2)
    await grown("to none", topic, 0)
    await grown("unknown", f"{s.group}.none", 2)
    await grown("assigned", topic, 7, assignments=[{"broker_ids": [1]}])
    await grown("assigned too little", topic, 9, assignments=[{"broker_ids": [1]}])
    await grown("assigned to nobody", topic, 8, assignments=[{"broker_ids": [9]}])


@scenario
@disturbing
async def topics_are_deleted(s: Session) -> None:
    topics = [await s.topic(str(number)) for number in range(1, 8)]
    for version in range(1, 6):
        await s.send("admin", "DeleteTopics", version, topic_names=[topics[version]], timeout_ms=10_000)
    (shown,) = (await s.send("admin", "Metadata", 12, topics=[{"name": topics[0]}])).topics
    by_id = {"topic_id": shown.topic_id, "name": None}
    both = {"topic_id": shown.topic_id, "name": topics[0]}
    for what, topic in {"by id": by_id, "again": by_id, "by both": both, "by name": {"name": topics[6]}}.items():
        await s.send("admin", "DeleteTopics", 6, what, topics=[topic], timeout_ms=10_000)
    for version in (4, 5):
        await s.send("admin", "DeleteTopics", version, "unknown", topic_names=[f"{s.group}.none"], timeout_ms=10_000)
    await s.send("admin", "DeleteTopics", 6, "unknown", topics=[{"name": f"{s.group}.none"}], timeout_ms=10_000)
    await s.send("admin", "DeleteTopics", 6, "an unknown id", topics=[{"topic_id": s.unknown_id}], timeout_ms=10_000)
    await s.send("admin", "DeleteTopics", 6, "none", topics=[], timeout_ms=10_000)


@scenario
async def metadata_at_every_version(s: Session) -> None:
    topic = await s.topic(partitions=2)
    for version in range(13):
        topics = [{"name": topic}, {"name": f"{s.group}.none"}]
        await s.send("a", "Metadata", version, topics=topics, allow_auto_topic_creation=False)


@scenario
async def metadata_of_what_is_not_there(s: Session) -> None:
    for name in ("", "a b", "x" * 250, f"{s.group}.none"):
        await s.send("a", "Metadata", 8, repr(name[:30]), topics=[{"name": name}], allow_auto_topic_creation=True)
    await s.send("a", "Metadata", 12, "an unknown id", topics=[{"topic_id": s.unknown_id, "name": None}])
    await s.send("a", "Metadata", 12, "no name, no id", topics=[{"name": None}])
    await s.send("a", "Metadata", 8, "none", topics=[], allow_auto_topic_creation=False)


@scenario
async def metadata_by_topic_id(s: Session) -> None:
    topic = await s.topic()
    (shown,) = (await s.send("a", "Metadata", 12, topics=[{"name": topic}])).topics
    for version in (10, 11, 12):
        await s.send("a", "Metadata", version, "by id", topics=[{"topic_id": shown.topic_id, "name": None}])
    await s.send("a", "Metadata", 12, "by both", topics=[{"topic_id": shown.topic_id, "name": topic}])
    await s.send("a", "Metadata", 12, "by both, another", topics=[{"topic_id": s.unknown_id, "name": topic}])


@scenario
async def metadata_of_all(s: Session) -> None:
    """Null from version 1 on, an empty list before; those of other scenarios are left out here."""
    await s.topic("b", partitions=2)
    await s.topic("a")
    for version in (0, 1, 8, 12):
        topics = [] if version == 0 else None
        await s.send("a", "Metadata", version, topics=topics, allow_auto_topic_creation=True, then=s.own_topics)


@scenario
async def metadata_with_authorized_operations(s: Session) -> None:
    topic = await s.topic()
    both = {"include_cluster_authorized_operations": True, "include_topic_authorized_operations": True}
    for version in (8, 10, 12):
        await s.send("a", "Metadata", version, topics=[{"name": topic}], **both)


@scenario
async def cluster_is_described(s: Session) -> None:
    for version in (0, 1):
        for operations in (False, True):
            await s.send("admin", "DescribeCluster", version, include_cluster_authorized_operations=operations)
    await s.send("admin", "DescribeCluster", 1, "controllers", endpoint_type=2)
    await s.send("admin", "DescribeCluster", 1, "no such endpoints", endpoint_type=3)


@scenario
async def configs_of_a_topic(s: Session) -> None:
    """A value that was given, a default, and synonyms in order."""
    topic = await s.topic(retention_ms="60000", cleanup_policy="compact")
    keys = list(COMMON_CONFIGS)
    for version in range(1, 5):
        for synonyms in (False, True):
            await described(s, version, 2, topic, keys, include_synonyms=synonyms)
    await described(s, 4, 2, topic, ["no.such.key"])
    await described(s, 4, 2, topic, ["cleanup.policy"], include_documentation=True)
    await described(s, 4, 2, f"{s.group}.none", keys)
    await described(s, 4, 2, "a b", keys)
    await described(s, 4, 99, "x", keys)


@scenario
async def configs_of_a_broker(s: Session) -> None:
    keys = ["group.max.size", "message.max.bytes", "num.partitions", "group.max.session.timeout.ms"]
    for version in (1, 4):
        await described(s, version, 4, "1", keys)
    await described(s, 4, 4, "9", keys)
    await described(s, 4, 4, "x", keys)
    await described(s, 4, 4, "", keys)


def described(s: Session, version: int, kind: int, name: str, keys: list[str] | None, **options: bool) -> Call:
    """DescribeConfigs of one resource: 2 is a topic, 4 a broker."""
    one = {"resource_type": kind, "resource_name": name, "configuration_keys": keys}
    return s.send("admin", "DescribeConfigs", version, f"{kind} {name}", resources=[one], **options)


def only_common(response: Any) -> None:
    """Leave out the APIs that the embedded broker does not have."""
    response.api_keys = [one for one in response.api_keys if MESSAGES.get(one.api_key, ("",))[0] in COMMON_APIS]


@scenario
async def api_versions(s: Session) -> None:
    for version in range(5):
        client = {"client_software_name": "peer", "client_software_version": "1"}
        await s.send("a", "ApiVersions", version, then=only_common, **client)
    illegal_name = bytes.fromhex("0012 0003 00000007 0001 61 00 04612062 0231 00")
    await s.send_bytes("a", "ApiVersions v3 (an illegal name)", illegal_name)


@scenario
async def api_versions_of_another_age(s: Session) -> None:
    """A version that nobody knows is answered in version 0, with the versions that there are."""
    request = bytes.fromhex("0012 7fff 00000007 0001 61 00 057065657200 023100")
    answer = await s.send_bytes("a", "ApiVersions v32767", request).task
    response = MESSAGES[API_KEYS["ApiVersions"]][2].decode(answer, version=0, header=True)
    only_common(response)
    s.transcript.note("a: ApiVersions v32767", **response.to_dict(json=False))


@scenario
async def versions_and_apis_that_are_unknown(s: Session) -> None:
    """The connection is closed."""
    await s.send_bytes("a", "Heartbeat v99", bytes.fromhex("000c 0063 00000001 0001 61 00"))
    await s.send_bytes("a", "API 9999 v0", bytes.fromhex("270f 0000 00000001 0001 61"))
    await s.send_bytes("a", "Heartbeat v4 cut short", bytes.fromhex("000c 0004 00000001 0001 61 00 05"))
    await s.send_bytes("a", "no header", b"")
    await s.send_bytes("a", "half a header", b"\0\x12\0")
