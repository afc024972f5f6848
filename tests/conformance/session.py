"""What a scenario is written with: clients with names, whose answers go into the transcript in the order of awaiting.

    @scenario
    async def a_restart(s: Session) -> None:
        a = s.member("a", instance_id="a")
        await a.join()                                # sent, awaited, recorded
        parked = await a.join(member_id="").parked()  # sent, recorded as parked (or as what it answered instead)
        await parked                                  # recorded when it is awaited

The clients speak through kafka-python's encoders, a connection for each request in flight.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any, Self

from tests.conformance.transcript import Step, Transcript
from tests.support.raw_peer import API_KEYS, MESSAGES, RawPeer

ANSWER_WITHIN = 10.0
EVENTUALLY = 40.0
"""Seconds after which a broker that has not done what it is to do never will: a second pattern alone takes ten."""

QUIET = 0.1
"""Seconds after which a request without an answer counts as parked."""

COMMON_CONFIGS = ("cleanup.policy", "max.message.bytes", "message.timestamp.type", "retention.ms")

ENDED_EARLY = "the script ended early"

Script = Callable[["Session"], Awaitable[None]]

SCENARIOS: dict[str, Script] = {}
"""Every scenario by its name; filled by `@scenario` when its module is imported."""

_PLAYED_ON: dict[str, tuple[str, ...]] = {}
"""The brokers that a scenario is played on, see brokers.py; those of the classic protocol where it is not said."""

_CLASSIC = ("4.4", "3.9")
CONSUMER = ("4.4", "3.9-java")
"""The brokers that have consumer groups (KIP-848)."""
SHORT = ("4.4-short", "3.9-java-short")
"""The same with short sessions, for the scenarios in which one runs out."""


def scenario(script: Script) -> Script:
    name = script.__name__  # type: ignore[attr-defined]
    assert name not in SCENARIOS, f"two scenarios are called {name}"
    SCENARIOS[name] = script
    return script


def consumer_scenario(script: Script) -> Script:
    """A scenario of consumer groups."""
    return on(*CONSUMER)(scenario(script))


def on(*brokers: str) -> Callable[[Script], Script]:
    """Play a scenario on these brokers only, and record it of the first one."""

    def marked(script: Script) -> Script:
        _PLAYED_ON[script.__name__] = brokers  # type: ignore[attr-defined]
        return script

    return marked


def first_played_on(name: str) -> str:
    """The broker whose answers others are compared with."""
    return _PLAYED_ON.get(name, _CLASSIC)[0]


def played_on(broker: str) -> list[str]:
    """The scenarios for a broker."""
    return [name for name in SCENARIOS if broker in _PLAYED_ON.get(name, _CLASSIC)]


_DISTURBING: set[str] = set()


def disturbing(script: Script) -> Script:
    """One that deletes topics: 3.9 then looks through all groups, and forgets those that are empty."""
    _DISTURBING.add(script.__name__)  # type: ignore[attr-defined]
    return script


async def play(name: str, bootstrap: str, tls: ssl.SSLContext | None = None) -> list[Step]:
    """Run one scenario and return its transcript; where the broker's answers end the script, that is its last step."""
    session = Session(name, bootstrap, tls)
    try:
        await SCENARIOS[name](session)
    except Exception as error:
        session.transcript.note(ENDED_EARLY, error=repr(error))
    finally:
        await session.close()
    return session.transcript.steps


async def play_all(
    names: Sequence[str], bootstrap: str, *, at_once: int, tls: ssl.SSLContext | None = None
) -> dict[str, list[Step]]:
    """Run scenarios side by side, `at_once` of them at a time, those that disturb others last."""
    turn = asyncio.Semaphore(at_once)
    found: dict[str, list[Step]] = {}

    async def one(name: str) -> None:
        async with turn:
            found[name] = await play(name, bootstrap, tls)

    for disturb in (False, True):
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                if (name in _DISTURBING) is disturb:
                    tasks.create_task(one(name), name=name)
    return found


class Session:
    """One run of one scenario; its group and its topics are named after it."""

    unknown_id = uuid.UUID(int=0xDEAD)
    """A topic id that no topic has."""

    def __init__(self, name: str, bootstrap: str, tls: ssl.SSLContext | None = None) -> None:
        self.group = name
        self.bootstrap = bootstrap
        self._tls = tls
        self.transcript = Transcript()
        self._peers: dict[str, RawPeer] = {}
        self._calls: list[Call] = []
        self._versions: dict[int, int] = {}

    async def close(self) -> None:
        for call in self._calls:
            call.task.cancel()
        await asyncio.gather(*(call.task for call in self._calls), return_exceptions=True)
        for peer in self._peers.values():
            await peer.aclose()

    def peer(self, name: str) -> RawPeer:
        """The raw client of that name, which is its client id too."""
        if name not in self._peers:
            self._peers[name] = RawPeer(self.bootstrap, name, self._tls)
        return self._peers[name]

    def send(
        self,
        who: str,
        api: str,
        version: int | None,
        note: str = "",
        *,
        then: Callable[[Any], None] | None = None,
        **fields: Any,
    ) -> Call:
        """Send a request made of plain values; what `version` has no field for is left out. None: the newest it speaks.

        `then` is given the response as soon as it is there, awaited or not; it may remove what is not to be recorded.
        """

        async def exchange() -> Any:
            chosen = await self._newest(api) if version is None else version
            response = await self.peer(who).request(api, chosen, **built(api, chosen, fields))
            if then is not None:
                then(response)
            return response

        return self._call(f"{who}: {api}" if version is None else f"{who}: {api} v{version}", note, exchange())

    async def _newest(self, api: str) -> int:
        """The newest version of an API that the broker speaks."""
        if not self._versions:
            answer = await self.peer("setup").request("ApiVersions", 0)
            self._versions |= {one.api_key: one.max_version for one in answer.api_keys}
        return self._versions[API_KEYS[api]]

    def send_bytes(self, who: str, what: str, payload: bytes) -> Call:
        """Send a frame that no encoder would write, on a connection of its own."""

        async def exchange() -> bytes:
            return await (await self.peer(who).connection()).exchange(payload)

        return self._call(f"{who}: {what}", "", exchange())

    def _call(self, label: str, note: str, exchange: Coroutine[Any, Any, Any]) -> Call:
        self._calls.append(Call(self, f"{label} ({note})" if note else label, asyncio.create_task(exchange)))
        return self._calls[-1]

    def own_groups(self, response: Any) -> None:
        """Remove from a ListGroups response what other scenarios made."""
        response.groups = [group for group in response.groups if group.group_id.startswith(self.group)]

    def own_configs(self, response: Any) -> None:
        """Keep, of the settings of a topic, those that every broker has."""
        for topic in response.topics:
            topic.configs = [config for config in topic.configs or () if config.name in COMMON_CONFIGS]

    def own_topics(self, response: Any) -> None:
        """Remove from a Metadata response what other scenarios made, and Kafka itself."""
        response.topics = [topic for topic in response.topics if (topic.name or "").startswith(f"{self.group}.")]

    async def topic(self, suffix: str = "t", partitions: int = 1, **config: str) -> str:
        """A topic of this scenario's own, made off the record; returns its name."""
        name = f"{self.group}.{suffix}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        peer = self.peer("setup")
        await peer.create_topic(name, partitions, settings)
        one = {"current_leader_epoch": -1, "timestamp": -1}
        asked = [{"name": name, "partitions": [one | {"partition_index": p} for p in range(partitions)]}]
        fields = built("ListOffsets", 5, {"replica_id": -1, "isolation_level": 0, "topics": asked})
        await self.eventually(
            lambda: peer.request("ListOffsets", 5, **fields),
            lambda found: all(p.error_code == 0 for p in found.topics[0].partitions),
        )
        return name

    async def topic_id(self, topic: str) -> uuid.UUID:
        """The id of a topic, off the record."""
        fields = built("Metadata", 12, {"topics": [{"name": topic}]})
        return (await self.peer("setup").request("Metadata", 12, **fields)).topics[0].topic_id

    async def gone(self, topic: str) -> None:
        """Delete a topic, off the record, and wait until nobody knows it any more."""
        peer = self.peer("setup")
        await peer.delete_topic(topic)
        await self.eventually(lambda: peer.partitions(topic), lambda found: not found)

    async def until(self, group: str | None = None, **wanted: Any) -> None:
        """Wait, off the record, until DescribeGroups shows the state or the number of members that is wanted."""

        def matches(found: Any) -> bool:
            shown = {"state": found.group_state, "members": len(found.members)}
            return all(shown[key] == value for key, value in wanted.items())

        await self.eventually(lambda: self.peer("setup").describe(group or self.group), matches)

    async def eventually(self, ask: Callable[[], Awaitable[Any]], enough: Callable[[Any], bool]) -> Any:
        """Ask, off the record, until the answer is good enough."""
        async with asyncio.timeout(EVENTUALLY):
            while not enough(answer := await ask()):
                await asyncio.sleep(0.02)
        return answer

    async def passed(self, seconds: float) -> None:
        """Wait because waiting is what the scenario is about."""
        await asyncio.sleep(seconds)

    async def settled(self) -> None:
        """Wait until what was sent has been looked at: a moment, and then one round trip behind it."""
        await asyncio.sleep(QUIET)
        await self.peer("setup").describe(self.group)


class Call:
    """A request on its way. Awaiting it waits for the answer and records it."""

    def __init__(self, session: Session, label: str, task: asyncio.Task[Any]) -> None:
        self._session = session
        self.label = label
        self.task = task

    def __await__(self) -> Generator[Any, None, Any]:
        return self._answer().__await__()

    async def _answer(self) -> Any:
        note = self._session.transcript.note
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                response = await self.task
        except TimeoutError:
            note(self.label, outcome="no answer")
            return None
        except (asyncio.IncompleteReadError, ConnectionError):
            note(self.label, outcome="connection closed")
            return None
        note(self.label, **({"bytes": response} if isinstance(response, bytes) else response.to_dict(json=False)))
        return response

    async def parked(self) -> Self:
        """Record that there is no answer yet; an answer that is there is recorded in its place."""
        await self._session.settled()
        self._session.transcript.note(f"{self.label}: {'answered' if self.task.done() else 'parked'}")
        return self


def built(api: str, version: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values as kafka-python's structures, without the fields that this version does not have."""
    return _fields(MESSAGES[API_KEYS[api]][1], version, values)


def _fields(message: Any, version: int, values: Mapping[str, Any]) -> dict[str, Any]:
    known = message.fields
    if unknown := values.keys() - known.keys():
        raise ValueError(f"{message.__name__} has no {unknown}")
    return {
        name: _value(known[name], version, value)
        for name, value in values.items()
        if known[name].for_version_q(version)
    }


def _value(field: Any, version: int, value: Any) -> Any:
    if value is not None and field.is_struct_array():
        return [field.data_class(**_fields(field.data_class, version, element)) for element in value]
    return value
