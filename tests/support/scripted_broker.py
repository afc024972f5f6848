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
import contextlib
import inspect
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ssl import SSLContext
from typing import Any, NamedTuple, Self, cast

from kafkastatic._protocol.framing import decode_request, encode_response, request_class
from kafkastatic._protocol.messages import REQUESTS
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

    @property
    def messages(self) -> Any:
        """The module of the request, which has the classes to answer it with."""
        return sys.modules[type(self.request).__module__]


Answer = Response | bytes | None
Handler = Callable[[Call], Answer | Awaitable[Answer]]


class Hold:
    """Requests of one API, parked."""

    def __init__(self, forget: Callable[[], object]) -> None:
        self._forget = forget
        self.released: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def release(self, code: int = 0) -> None:
        """Answer those parked, with an error code or as usual; later ones are not parked any more."""
        self._forget()
        self.released.set_result(code)


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
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of no such class
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

    @property
    def behind(self) -> int:
        """How many requests have come in behind the one that is being served."""
        return self._frames.qsize()

    async def _serve(self) -> None:
        while True:
            frame = await self._frames.get()
            header, request = decode_request(frame)
            self._broker.name_topics(request)
            call = Call(request.NAME, header.request_api_version, self.number, request)
            try:
                answer = await self._broker.answer(call)
            except Exception as error:
                self._broker.mistakes.append(error)
                answer = None
            if isinstance(answer, Response):
                version = call.version
                if call.api == "ApiVersions" and getattr(answer, "error_code", 0):
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
        committed: the group's offsets, and `committed_epochs` the leader epochs that came with them.
        leader_epoch: that of all partitions, and of the records appended from now on.
        topic_ids: the ids of topics that were created again; the others' follow from their names.
        peers: the open connections, by number.
        admits: whether a request is answered at all; the connection is closed otherwise.
    """

    def __init__(self, topics: Mapping[str, int] | None = None, ssl: SSLContext | None = None) -> None:
        self.topics = dict({"orders": 1} if topics is None else topics)
        self.calls: list[Call] = []
        self.advertised: tuple[str, int] | None = None
        self.caps: dict[str, int] = {}
        self.committed: dict[tuple[str, int], int] = {}
        self.topic_ids: dict[str, bytes] = {}
        self.committed_epochs: dict[tuple[str, int], int] = {}
        self.leader_epoch = 0
        self.peers: dict[int, _Peer] = {}
        self.holds: dict[str, Hold] = {}
        self.numbers = itertools.count(1)
        self.mistakes: list[Exception] = []  # what a handler raised
        self.host = "localhost" if ssl else "127.0.0.1"
        self.port = 0
        self.admits: Callable[[Call], bool] = lambda _: True
        self._ssl = ssl
        self._log: dict[tuple[str, int], list[tuple[int, bytes]]] = {}  # the offset behind each batch, and its bytes
        self._happened = asyncio.Event()
        self._handlers: dict[str, Handler] = {}
        self._failures: defaultdict[str, list[int]] = defaultdict(list)
        self._drops: Counter[str] = Counter()
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
        self._failures[api] += codes

    def hold(self, api: str) -> Hold:
        """Park the requests of an API until they are released."""
        self.holds[api] = Hold(lambda: self.holds.pop(api))
        return self.holds[api]

    def drop_connection(self, api: str, times: int = 1) -> None:
        """Close the connection instead of answering the next requests of an API."""
        self._drops[api] += times

    def delay(self, api: str, seconds: float) -> None:
        self._delays[api] = seconds

    def disconnect(self) -> None:
        """Close every connection."""
        for peer in self.peers.values():
            peer.transport.abort()

    def append(self, topic: str, partition: int, *values: bytes, keys: Sequence[bytes | None] = ()) -> None:
        """Write one batch of records, with these keys, or without."""
        base = self.end(topic, partition)
        pairs = zip(keys or itertools.repeat(None), values, strict=False)
        records = [(key, value, (), 1_700_000_000_000) for key, value in pairs]
        batch = encode_batch(records, base_offset=base, leader_epoch=self.leader_epoch)
        self.append_bytes(topic, partition, batch, base + len(values))

    def append_bytes(self, topic: str, partition: int, data: bytes, end: int) -> None:
        """Write batches as they are; `end` is the offset behind them."""
        self._log.setdefault((topic, partition), []).append((end, data))
        self.happened()

    def end(self, topic: str, partition: int) -> int:
        log = self._log.get((topic, partition))
        return log[-1][0] if log else 0

    def recreate(self, topic: str, *values: bytes) -> None:
        """Delete a topic and create it again, with these records in its partition 0; commits to the old one stay."""
        self.topic_ids[topic] = f"{topic} {len(self.calls)}".encode().ljust(16)[:16]
        for place in [place for place in self._log if place[0] == topic]:
            del self._log[place]
        self.append(topic, 0, *values)

    def topic_id(self, name: str) -> bytes:
        return self.topic_ids.get(name) or name.encode()[:16].ljust(16, b"\1")

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
        if not self.admits(call):
            return None
        api = call.api
        hold, code = self.holds.get(api), self._failures[api].pop(0) if self._failures[api] else 0
        if api in self._delays:
            await asyncio.sleep(self._delays[api])
        if hold is not None:
            code = await asyncio.shield(hold.released) or code
        if self._drops[api]:
            self._drops[api] -= 1
            return None
        handler = self._handlers.get(api, self.default)
        answer = refusal(call, code) if code else handler(call)
        if code and call.api == "Metadata":
            answer.brokers = self._metadata(call).brokers
        return await answer if inspect.isawaitable(answer) else answer

    def default(self, call: Call) -> Answer | Awaitable[Answer]:
        """The answer that nobody scripted."""
        answer = getattr(self, f"_{APIS[call.api].__module__.rpartition('.')[2]}", None)
        return answer(call) if answer else refusal(call, 0)

    def _api_versions(self, call: Call) -> Response:
        answer = call.request.RESPONSE()
        if call.version > self.caps.get(call.api, call.version):
            answer.error_code = 35
        for name, cls in APIS.items():
            highest = self.caps.get(name, cls.MAX_VERSION)
            if highest >= 0:
                served = call.messages.ApiVersion(api_key=cls.API_KEY, min_version=cls.MIN_VERSION, max_version=highest)
                answer.api_keys.append(served)
        return answer

    def _metadata(self, call: Call) -> Response:
        host, port = self.advertised or (self.host, self.port)
        answer, made = call.request.RESPONSE(cluster_id="scripted"), call.messages
        answer.brokers.append(made.MetadataResponseBroker(node_id=NODE, host=host, port=port))
        asked = call.request.topics
        for name in self.topics if asked is None else [topic.name or self._named(topic.topic_id) for topic in asked]:
            topic = made.MetadataResponseTopic(name=name or None, error_code=3 if name else 100)
            if name in self.topics:
                topic.error_code, topic.topic_id = 0, self.topic_id(name)
            for index in range(self.topics.get(name, 0)):
                entry = made.MetadataResponsePartition(
                    partition_index=index, leader_id=NODE, leader_epoch=self.leader_epoch
                )
                topic.partitions.append(entry)
            answer.topics.append(topic)
        return answer

    def _find_coordinator(self, call: Call) -> Response:
        host, port = self.advertised or (self.host, self.port)
        return call.request.RESPONSE(node_id=NODE, host=host, port=port)

    def _join_group(self, call: Call) -> Response:
        request, instance_id = call.request, call.request.group_instance_id
        if request.member_id and request.member_id != self.member_id:
            return refusal(call, 82 if instance_id is not None and self.member_id else 25)
        replaces = instance_id is not None and not request.member_id and bool(self.member_id and self._assignment)
        if not request.member_id:
            self.member_id = f"{instance_id or 'dynamic'}-{next(self._members)}"
            if instance_id is None and call.version >= 4:
                return request.RESPONSE(error_code=79, member_id=self.member_id)
        if not replaces:
            self.generation += 1
        chosen, me = request.protocols[0], self.member_id
        member = call.messages.JoinGroupResponseMember(
            member_id=me, group_instance_id=instance_id, metadata=chosen.metadata
        )
        answer = request.RESPONSE(generation_id=self.generation, leader=me, member_id=me, members=[member])
        answer.protocol_type, answer.protocol_name, answer.skip_assignment = "consumer", chosen.name, replaces
        return answer

    def _judge(self, request: Any, generation: int) -> int:
        """What the coordinator thinks of a member."""
        if request.member_id != self.member_id:
            return 82 if request.group_instance_id is not None and self.member_id else 25
        return 0 if generation == self.generation else 22

    def _sync_group(self, call: Call) -> Response:
        code = self._judge(call.request, call.request.generation_id)
        if not code and call.request.assignments:
            self._assignment = call.request.assignments[0].assignment
        return call.request.RESPONSE(error_code=code, assignment=b"" if code else self._assignment)

    def _heartbeat(self, call: Call) -> Response:
        return refusal(call, self._judge(call.request, call.request.generation_id))

    def _leave_group(self, call: Call) -> Response:
        self.member_id, self._assignment = "", b""
        return call.request.RESPONSE(
            members=[call.messages.MemberResponse(member_id=m.member_id) for m in call.request.members]
        )

    def _describe_groups(self, call: Call) -> Response:
        answer = refusal(call, 0)
        member = call.messages.DescribedGroupMember(
            member_id=self.member_id, client_id="scripted", client_host="/127.0.0.1"
        )
        member.group_instance_id = self.member_id.rpartition("-")[0]
        answer.groups[0].members.append(member)
        return answer

    def _offset_commit(self, call: Call) -> Response:
        request = call.request
        code = self._judge(request, request.generation_id_or_member_epoch) if request.member_id else 0
        for topic in request.topics if not code else ():
            for entry in topic.partitions:
                self.committed[topic.name, entry.partition_index] = entry.committed_offset
                self.committed_epochs[topic.name, entry.partition_index] = entry.committed_leader_epoch
        return refusal(call, code)

    def _offset_fetch(self, call: Call) -> Response:
        answer, made = refusal(call, 0), call.messages
        for asked in call.request.topics:
            topic = made.OffsetFetchResponseTopic(name=asked.name)
            topic.partitions += self._committed(asked, made.OffsetFetchResponsePartition)
            answer.topics.append(topic)
        for group, found in zip(call.request.groups, answer.groups, strict=True):
            for asked in group.topics:
                topic = made.OffsetFetchResponseTopics(name=asked.name, topic_id=asked.topic_id)
                topic.partitions += self._committed(asked, made.OffsetFetchResponsePartitions)
                found.topics.append(topic)
        return answer

    def _committed(self, asked: Any, entry: Any) -> list[Any]:
        return [
            entry(
                partition_index=index,
                committed_offset=self.committed.get((asked.name, index), -1),
                committed_leader_epoch=self.committed_epochs.get((asked.name, index), -1),
            )
            for index in asked.partition_indexes
        ]

    def name_topics(self, request: Any) -> None:
        """Give topics that a request names by their ids their names too."""
        groups = getattr(request, "groups", ())
        topics = request.topics if request.NAME == "OffsetCommit" else []
        for topic in (*topics, *(topic for group in groups if request.NAME == "OffsetFetch" for topic in group.topics)):
            topic.name = topic.name or self._named(topic.topic_id)

    def _named(self, topic_id: bytes) -> str:
        return next((name for name in self.topics if self.topic_id(name) == topic_id), "")

    def _list_offsets(self, call: Call) -> Response:
        answer = refusal(call, 0)
        for asked, topic in zip(call.request.topics, answer.topics, strict=True):
            for wanted, entry in zip(asked.partitions, topic.partitions, strict=True):
                entry.offset = self.end(asked.name, wanted.partition_index) if wanted.timestamp == -1 else 0
        return answer

    def _offset_for_leader_epoch(self, call: Call) -> Response:
        """Every epoch goes on to the end: nothing was ever truncated."""
        answer, made = call.request.RESPONSE(), call.messages
        for asked in call.request.topics:
            topic = made.OffsetForLeaderTopicResult(topic=asked.topic)
            for wanted in asked.partitions:
                end = made.EpochEndOffset(partition=wanted.partition, leader_epoch=wanted.leader_epoch)
                end.end_offset = self.end(asked.topic, wanted.partition)
                topic.partitions.append(end)
            answer.topics.append(topic)
        return answer

    async def _fetch(self, call: Call) -> Response:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(call.request.max_wait_ms / 1000):
                while not any(d.records or d.error_code for t in self._read(call).responses for d in t.partitions):
                    await self._happened.wait()
        return self._read(call)

    def _read(self, call: Call) -> Any:
        answer = call.request.RESPONSE()
        for asked in call.request.topics:
            name = asked.topic or self._named(asked.topic_id)
            topic = call.messages.FetchableTopicResponse(topic=asked.topic, topic_id=asked.topic_id)
            for wanted in asked.partitions:
                log = self._log.get((name, wanted.partition), [])
                records = b"".join(batch for end, batch in log if end > wanted.fetch_offset)
                data = call.messages.PartitionData(partition_index=wanted.partition, records=records)
                data.error_code = 0 if name in self.topics else 3 if asked.topic else 100
                data.high_watermark = self.end(name, wanted.partition)
                topic.partitions.append(data)
            answer.responses.append(topic)
        return answer


_ENTRIES = {
    "OffsetCommit": ("OffsetCommitResponseTopic", "OffsetCommitResponsePartition"),
    "ListOffsets": ("ListOffsetsTopicResponse", "ListOffsetsPartitionResponse"),
}


def refusal(call: Call, code: int) -> Any:
    """An answer that carries an error code wherever its API has the place for it."""
    request, answer, made = call.request, call.request.RESPONSE(), call.messages
    match call.api:
        case "OffsetCommit" | "ListOffsets":
            topic, entry = (getattr(made, name) for name in _ENTRIES[call.api])
            for asked in request.topics:
                entries = [entry(partition_index=p.partition_index, error_code=code) for p in asked.partitions]
                answer.topics.append(topic(name=asked.name, partitions=entries))
                if call.api == "OffsetCommit":
                    answer.topics[-1].topic_id = asked.topic_id
        case "OffsetFetch" if request.groups:
            answer.groups = [
                made.OffsetFetchResponseGroup(group_id=group.group_id, error_code=code) for group in request.groups
            ]
        case "Metadata":
            answer.topics = [made.MetadataResponseTopic(name=t.name, error_code=code) for t in request.topics or ()]
        case "ConsumerGroupDescribe":
            answer.groups = [made.DescribedGroup(group_id=name, error_code=code) for name in request.group_ids]
        case "DescribeGroups":
            answer.groups = [made.DescribedGroup(group_id=name, error_code=code) for name in request.groups]
        case _ if "error_code" in answer.__slots__:
            answer.error_code = code
    return answer
