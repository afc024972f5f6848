"""Fetch: what a client wants to read, at once or as soon as there is enough of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)
from kafkastatic.broker.admission import LogError
from kafkastatic.broker.apis.leaders import refusal
from kafkastatic.broker.call import Call
from kafkastatic.broker.cluster import Cluster, Partition
from kafkastatic.broker.sessions import Fetch, FetchSessions, Wanted

_FOLLOWERS_SINCE = 11  # from here on a follower may answer a consumer (KIP-392)
_LEADERS_SINCE = 16  # from here on an answer tells who leads (KIP-951)
_READ_COMMITTED = 1


class Clock(Protocol):
    """Seconds: of the event loop, and as the rest of the world counts them."""

    def now(self) -> float: ...
    def wall(self) -> float: ...


class Reading:
    """What was found for one request.

    Attributes:
        answers: of the partitions that there is something to say about.
        size: of the batches, in bytes.
        failed: whether a partition cannot be read; a client is told at once.
        unknown: how many partitions there are not; those alone are told when there is something else to tell.
        partitions: those that were read.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[Wanted, PartitionData, list[bytes]]] = []
        self.strange: list[tuple[Wanted, PartitionData, list[bytes]]] = []
        self.size = 0
        self.failed = False
        self.partitions: list[Partition] = []


class FetchApi:
    """Fetches, with a set of sessions for each broker.

    A client's last fetched epoch is not looked at: replicas send one, consumers do not.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._sessions: dict[int, FetchSessions] = {}
        self._ids = itertools.count(1)

    def forget(self, node: int) -> None:
        """A broker was stopped: its sessions are gone."""
        self._sessions.pop(node, None)

    async def fetch(self, call: Call) -> FetchResponse:
        request: FetchRequest = call.request
        sessions = self._sessions.get(call.node)
        if sessions is None:
            sessions = self._sessions[call.node] = FetchSessions(lambda: next(self._ids))
        fetch = sessions.begin(request, call.version, self._cluster.name, self._clock.now())
        if fetch.error:
            return FetchResponse(error_code=fetch.error)
        found = await self._enough(call, fetch)
        answers = found.answers + found.strange
        for _, data, batches in answers:
            data.records = memoryview(batches[0] if len(batches) == 1 else b"".join(batches))
        error, session_id = sessions.finish(
            fetch, [(wanted, data) for wanted, data, _ in answers], self._clock.now()
        )
        if error:
            return FetchResponse(error_code=error, session_id=session_id)
        return self._response(call, session_id, ((wanted, data) for wanted, data, _ in answers))
