"""The other side of a unit test: one broker on loopback whose answers the test scripts.

    async with ScriptedBroker({"orders": 2}) as broker:
        broker.append("orders", 0, b"first", b"second")
        broker.fail_next("Heartbeat", 27)                # the next answer carries this code
        join = broker.hold("JoinGroup")                  # later ones park until join.release()
        async with Consumer("orders", bootstrap_servers=broker.address, ...) as consumer: ...
        assert broker.apis() == ["ApiVersions", "Metadata", ...]

As Kafka does, it serves one request per connection at a time. The group has room for one member; a static one that
joins anew replaces its predecessor, which is answered 82 from then on (KIP-345). Framing and messages are
kafkastatic's own, which are proven byte for byte against Kafka's Java classes elsewhere.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable, Mapping
from ssl import SSLContext
from typing import Any, NamedTuple, Self

from kafkastatic._protocol.framing import decode_request, encode_response, request_class
from kafkastatic._protocol.messages import (
    REQUESTS,
    api_versions,
    describe_groups,
    fetch,
    join_group,
    leave_group,
    list_offsets,
    metadata,
    offset_commit,
    offset_fetch,
)
from kafkastatic._protocol.primitives import Request, Response
from kafkastatic._records.encoder import encode_batch

PATIENCE = 5.0
"""Seconds after which a test that waits for something has failed."""

NODE = 1
APIS: dict[str, type[Request[Any]]] = {cls.NAME: cls for cls in map(request_class, REQUESTS)}
TASK = "scripted-broker"


class Call(NamedTuple):
    """A request as it came in."""

    api: str
    version: int
    connection: int
    request: Any


Answer = Response | bytes | None
Handler = Callable[[Call], Answer | Awaitable[Answer]]


class Hold:
    """Requests of one API, parked."""

    def __init__(self, broker: ScriptedBroker, api: str) -> None:
        self._broker, self._api = broker, api
        self._released = asyncio.Event()
        self.code = 0

    def release(self, code: int = 0) -> None:
        """Answer those parked, with an error code or as usual; later ones are not parked any more."""
        self.code = code
        self._broker.holds.pop(self._api, None)
        self._released.set()

    async def wait(self) -> None:
        await self._released.wait()


class _Peer(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self._broker = broker
        self._bytes = bytearray()
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.number = next(broker.numbers)
        self.transport: asyncio.Transport
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._broker.peers[self.number] = self
        self._task = asyncio.create_task(self._serve(), name=f"{TASK}:{self.number}")

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        while len(self._bytes) >= 4 and len(self._bytes) >= (end := 4 + int.from_bytes(self._bytes[:4], "big")):
            self._frames.put_nowait(bytes(self._bytes[4:end]))
            del self._bytes[:end]

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()
        del self._broker.peers[self.number]
        self._broker.happened()

    async def _serve(self) -> None:
        while True:
            frame = await self._frames.get()
            header, request = decode_request(frame)
            call = Call(request.NAME, header.request_api_version, self.number, request)
            try:
                answer = await self._broker.answer(call)
            except Exception as error:
                self._broker.mistakes.append(error)
                answer = None
            if isinstance(answer, Response):
                version = call.version
                if isinstance(answer, api_versions.ApiVersionsResponse) and answer.error_code:
                    version = 0  # KIP-511
                answer = encode_response(answer, version, header.correlation_id)
            if answer is None:
                self.transport.abort()
            else:
                self.transport.write(answer)


class ScriptedBroker:
    """A broker, its log, and a group of one.

    Attributes:
        calls: every request, in the order of arrival.
        topics: how many partitions each topic has.
        advertised: where Metadata and FindCoordinator say that this broker is; itself if `None`.
        caps: the highest version served, by API name; -1 hides an API.
        committed: the group's offsets.
        peers: the open connections, by number.
    """

    def __init__(
        self, topics: Mapping[str, int] | None = None, *, ssl: SSLContext | None = None, port: int = 0
    ) -> None:
        self.topics = dict({"orders": 1} if topics is None else topics)
        self.calls: list[Call] = []
        self.advertised: tuple[str, int] | None = None
        self.caps: dict[str, int] = {}
        self.committed: dict[tuple[str, int], int] = {}
        self.peers: dict[int, _Peer] = {}
        self.holds: dict[str, Hold] = {}
        self.numbers = itertools.count(1)
        self.mistakes: list[Exception] = []  # what a handler raised
        self.host = "localhost" if ssl else "127.0.0.1"
        self.port = 0
        self._ssl = ssl
        self._log: dict[tuple[str, int], list[tuple[int, bytes]]] = {}  # the offset behind each batch, and its bytes
        self._happened = asyncio.Event()
        self._handlers: dict[str, Handler] = {}
        self._failures: dict[str, list[int]] = {}
        self._drops: dict[str, int] = {}
        self._delays: dict[str, float] = {}
        self.member_id = ""
        self.generation = 0
        self._assignment = b""
        self._members = itertools.count(1)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), "127.0.0.1", 0, ssl=self._ssl)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.disconnect()
        await self.until(lambda: not self.peers)
        for mistake in self.mistakes:
            raise mistake

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    # ── script ──

    def on(self, api: str, handler: Handler) -> None:
        """Answer with what `handler` returns: a response, raw bytes, or `None` to close the connection."""
        self._handlers[api] = handler

    def fail_next(self, api: str, *codes: int) -> None:
        """The next answers carry these error codes; 0 is an ordinary one."""
        self._failures.setdefault(api, []).extend(codes)

    def hold(self, api: str) -> Hold:
        """Park the requests of an API until they are released."""
        self.holds[api] = Hold(self, api)
        return self.holds[api]

    def drop_connection(self, api: str, times: int = 1) -> None:
        """Close the connection instead of answering the next requests of an API."""
        self._drops[api] = self._drops.get(api, 0) + times

    def delay(self, api: str, seconds: float) -> None:
        self._delays[api] = seconds

    def disconnect(self) -> None:
        """Close every connection."""
        for peer in self.peers.values():
            peer.transport.abort()

    def append(self, topic: str, partition: int, *values: bytes) -> None:
        """Write one batch of records, without keys."""
        log = self._log.setdefault((topic, partition), [])
        base = self.end(topic, partition)
        batch = encode_batch([(None, value, (), 1_700_000_000_000) for value in values], base_offset=base)
        log.append((base + len(values), batch))
        self.happened()

    def end(self, topic: str, partition: int) -> int:
        log = self._log.get((topic, partition))
        return log[-1][0] if log else 0

    # ── look ──

    def happened(self) -> None:
        happened, self._happened = self._happened, asyncio.Event()
        happened.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that happens here makes `condition` true."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await self._happened.wait()

    def apis(self) -> list[str]:
        return [call.api for call in self.calls]

    def of(self, api: str) -> list[Call]:
        return [call for call in self.calls if call.api == api]

    async def received(self, api: str, count: int = 1) -> Call:
        """Wait for the request number `count` of an API."""
        await self.until(lambda: len(self.of(api)) >= count)
        return self.of(api)[count - 1]

    # ── answer ──

    async def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        self.happened()
        api = call.api
        if api in self._delays:
            await asyncio.sleep(self._delays[api])
        codes = self._failures.get(api)
        code = codes.pop(0) if codes else 0
        if api in self.holds:
            hold = self.holds[api]
            await hold.wait()
            code = hold.code or code
        if self._drops.get(api, 0):
            self._drops[api] -= 1
            return None
        handler = self._handlers.get(api) or getattr(self, f"_{APIS[api].__module__.rpartition('.')[2]}", None)
        answer = refusal(call.request, code) if code or handler is None else handler(call)
        return await answer if inspect.isawaitable(answer) else answer

    def _api_versions(self, call: Call) -> Response:
        served = [
            api_versions.ApiVersion(
                api_key=cls.API_KEY, min_version=cls.MIN_VERSION, max_version=self.caps.get(name, cls.MAX_VERSION)
            )
            for name, cls in APIS.items()
            if self.caps.get(name, 0) >= 0
        ]
        too_new = call.version > self.caps.get("ApiVersions", call.version)
        return api_versions.ApiVersionsResponse(error_code=35 if too_new else 0, api_keys=served)

    def _metadata(self, call: Call) -> Response:
        host, port = self.advertised or (self.host, self.port)
        names = self.topics if call.request.topics is None else [topic.name for topic in call.request.topics]
        return metadata.MetadataResponse(
            brokers=[metadata.MetadataResponseBroker(node_id=NODE, host=host, port=port)],
            cluster_id="scripted",
            controller_id=NODE,
            topics=[
                metadata.MetadataResponseTopic(
                    error_code=0 if name in self.topics else 3,
                    name=name,
                    topic_id=_topic_id(name) if name in self.topics else bytes(16),
                    partitions=[
                        metadata.MetadataResponsePartition(partition_index=index, leader_id=NODE, leader_epoch=0)
                        for index in range(self.topics.get(name, 0))
                    ],
                )
                for name in names
            ],
        )

    def _find_coordinator(self, call: Call) -> Response:
        host, port = self.advertised or (self.host, self.port)
        return call.request.RESPONSE(node_id=NODE, host=host, port=port)

    def _join_group(self, call: Call) -> Response:
        request, known = call.request, self.member_id
        static = request.group_instance_id is not None
        if request.member_id and request.member_id != known:
            return refusal(request, 82 if static and known else 25)
        if not request.member_id and not static and call.version >= 4:
            self.member_id = f"dynamic-{next(self._members)}"
            return join_group.JoinGroupResponse(error_code=79, member_id=self.member_id)
        replaces = static and not request.member_id and bool(known and self._assignment)
        if not request.member_id:
            self.member_id = f"{request.group_instance_id or 'dynamic'}-{next(self._members)}"
        if not replaces:
            self.generation += 1
        chosen = request.protocols[0]
        return join_group.JoinGroupResponse(
            generation_id=self.generation,
            protocol_type="consumer",
            protocol_name=chosen.name,
            leader=self.member_id,
            skip_assignment=replaces,
            member_id=self.member_id,
            members=[
                join_group.JoinGroupResponseMember(
                    member_id=self.member_id, group_instance_id=request.group_instance_id, metadata=chosen.metadata
                )
            ],
        )

    def _judge(self, request: Any, generation: int) -> int:
        """What the coordinator thinks of a member."""
        if request.member_id != self.member_id:
            return 82 if request.group_instance_id is not None and self.member_id else 25
        return 0 if generation == self.generation else 22

    def _sync_group(self, call: Call) -> Response:
        code = self._judge(call.request, call.request.generation_id)
        if not code and call.request.assignments:
            self._assignment = call.request.assignments[0].assignment
        return type(call.request).RESPONSE(error_code=code, assignment=b"" if code else self._assignment)

    def _heartbeat(self, call: Call) -> Response:
        return type(call.request).RESPONSE(error_code=self._judge(call.request, call.request.generation_id))

    def _leave_group(self, call: Call) -> Response:
        self.member_id, self._assignment = "", b""
        return call.request.RESPONSE(
            members=[leave_group.MemberResponse(member_id=member.member_id) for member in call.request.members]
        )

    def _describe_groups(self, call: Call) -> Response:
        instance_id = self.member_id.rpartition("-")[0]
        member = describe_groups.DescribedGroupMember(
            member_id=self.member_id, group_instance_id=instance_id, client_id="scripted", client_host="/127.0.0.1"
        )
        found = [describe_groups.DescribedGroup(group_id=name, members=[member]) for name in call.request.groups]
        return describe_groups.DescribeGroupsResponse(groups=found)

    def _offset_commit(self, call: Call) -> Response:
        request = call.request
        code = self._judge(request, request.generation_id_or_member_epoch) if request.member_id else 0
        if code:
            return refusal(request, code)
        for topic in request.topics:
            for partition in topic.partitions:
                self.committed[topic.name, partition.partition_index] = partition.committed_offset
        return refusal(request, 0)

    def _offset_fetch(self, call: Call) -> Response:
        def found(name: str, index: int) -> offset_fetch.OffsetFetchResponsePartition:
            offset = self.committed.get((name, index), -1)
            return offset_fetch.OffsetFetchResponsePartition(partition_index=index, committed_offset=offset)

        return call.request.RESPONSE(
            topics=[
                offset_fetch.OffsetFetchResponseTopic(
                    name=topic.name, partitions=[found(topic.name, index) for index in topic.partition_indexes]
                )
                for topic in call.request.topics
            ]
        )

    def _list_offsets(self, call: Call) -> Response:
        answer = refusal(call.request, 0)
        for asked, topic in zip(call.request.topics, answer.topics, strict=True):
            for wanted, partition in zip(asked.partitions, topic.partitions, strict=True):
                end = self.end(asked.name, wanted.partition_index)
                partition.offset = end if wanted.timestamp == -1 else 0
        return answer

    async def _fetch(self, call: Call) -> Response:
        try:
            async with asyncio.timeout(call.request.max_wait_ms / 1000):
                while not any(self._found(call)):
                    await self._happened.wait()
        except TimeoutError:
            pass
        found = iter(self._found(call))
        answer = fetch.FetchResponse()
        for topic in call.request.topics:
            answer.responses.append(fetch.FetchableTopicResponse(topic=topic.topic, topic_id=topic.topic_id))
            answer.responses[-1].partitions = [
                fetch.PartitionData(
                    partition_index=p.partition,
                    high_watermark=self.end(self._name(topic), p.partition),
                    records=next(found),
                )
                for p in topic.partitions
            ]
        return answer

    def _found(self, call: Call) -> list[bytes]:
        return [
            b"".join(
                batch for end, batch in self._log.get((self._name(topic), p.partition), []) if end > p.fetch_offset
            )
            for topic in call.request.topics
            for p in topic.partitions
        ]

    def _name(self, topic: Any) -> str:
        return topic.topic or next(name for name in self.topics if _topic_id(name) == topic.topic_id)


def _topic_id(name: str) -> bytes:
    return name.encode()[:16].ljust(16, b"\1")


_BY_PARTITION: dict[str, tuple[type[Any], type[Any]]] = {
    "OffsetCommit": (offset_commit.OffsetCommitResponseTopic, offset_commit.OffsetCommitResponsePartition),
    "ListOffsets": (list_offsets.ListOffsetsTopicResponse, list_offsets.ListOffsetsPartitionResponse),
}


def refusal(request: Any, code: int) -> Any:
    """An answer that carries an error code wherever its API has the place for it."""
    response = type(request).RESPONSE
    if request.NAME in _BY_PARTITION:
        topic, partition = _BY_PARTITION[request.NAME]
        return response(
            topics=[
                topic(
                    name=t.name,
                    partitions=[partition(partition_index=p.partition_index, error_code=code) for p in t.partitions],
                )
                for t in request.topics
            ]
        )
    if request.NAME == "Metadata":
        return response(
            topics=[metadata.MetadataResponseTopic(name=t.name, error_code=code) for t in request.topics or ()]
        )
    if request.NAME == "DescribeGroups":
        return response(groups=[describe_groups.DescribedGroup(group_id=g, error_code=code) for g in request.groups])
    return response(error_code=code) if "error_code" in response.__slots__ else response()
