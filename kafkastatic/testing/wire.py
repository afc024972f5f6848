"""A small blocking client: what a test's handle of a real cluster needs, whatever event loop runs around it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.framing import decode_response, encode_request, frame_length
from kafkastatic._protocol.messages.api_versions import ApiVersionsRequest
from kafkastatic._protocol.messages.find_coordinator import FindCoordinatorRequest
from kafkastatic._protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from kafkastatic._protocol.primitives import R, Request
from kafkastatic._protocol.versions import negotiate
from kafkastatic.errors import BrokerError

T = TypeVar("T")
Address = tuple[str, int]

PATIENCE = 30.0  # seconds for what a cluster needs a moment for: leaders, coordinators, deletions
_PAUSE = 0.02
_CLIENT_ID = "kafkastatic-testing"


class Wire:
    """Requests to the nodes of a running cluster, each on a connection of its own. It speaks no TLS and has no login.

    Raises:
        OSError: from every method, if a node cannot be reached.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        first = bootstrap.split(",")[0].rpartition(":")
        self._first: Address = (first[0], int(first[2]))
        request = ApiVersionsRequest(client_software_name=_CLIENT_ID, client_software_version="0")
        answer = exchange(self._first, request, 3)
        self.ranges = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}

    def ask(self, request: Request[R], to: Address | None = None, cap: int | None = None) -> R:
        """The answer of a node, of the first one if it is not said.

        Args:
            cap: the highest version that says what is wanted.
        """
        return exchange(to or self._first, request, negotiate(type(request), self.ranges, cap))

    def metadata(self, *topics: str, to: Address | None = None) -> MetadataResponse:
        """The nodes and these topics; all topics if none is named."""
        asked = [MetadataRequestTopic(name=name) for name in topics] or None
        return self.ask(MetadataRequest(topics=asked, allow_auto_topic_creation=False), to, cap=9)

    def nodes(self) -> dict[int, Address]:
        """The addresses of the nodes, by id."""
        return {node.node_id: (node.host, node.port) for node in self.metadata().brokers}

    def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition.

        Raises:
            BrokerError: if it has no leader, or does not exist.
        """
        found = self.metadata(topic).topics[0]
        refuse(found.error_code, "Metadata", topic=topic)
        for one in found.partitions:
            if one.partition_index == partition:
                refuse(one.error_code, "Metadata", topic=topic, partition=partition)
                return one.leader_id
        raise ValueError(f"There is no partition {topic}-{partition}.")

    def ask_leader(self, request: Request[R], topic: str, partition: int, cap: int | None = None) -> R:
        return self.ask(request, self.nodes()[self.leader(topic, partition)], cap)

    def coordinator(self, group_id: str) -> int:
        """The node that coordinates a group.

        Raises:
            BrokerError: if there is none at the moment.
        """
        found = self.ask(FindCoordinatorRequest(key=group_id, key_type=0), cap=3)
        refuse(found.error_code, "FindCoordinator", group=group_id)
        return found.node_id

    def ask_coordinator(self, request: Request[R], group_id: str, cap: int | None = None) -> R:
        return self.ask(request, self.nodes()[self.coordinator(group_id)], cap)


def refuse(code: int, api: str, **context: Any) -> None:
    """Raise the error of an error code, if it is one."""
    if code:
        raise error_for(code, api=api, **context)


def patiently(call: Callable[[], T]) -> T:
    """Call again while a broker says that it may work later, for some time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except BrokerError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)


def eventually(reached: Callable[[], bool], what: str) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: if it takes too long.
    """
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}")
        time.sleep(_PAUSE)


def exchange(to: Address, request: Request[R], version: int, timeout: float = PATIENCE) -> R:
    """The answer of a node, on a connection of its own.

    Raises:
        OSError: if it cannot be reached, or does not answer within `timeout` seconds.
        ProtocolError: if what it answers cannot be read.
    """
    with socket.create_connection(to, timeout) as connection:
        connection.sendall(encode_request(request, version, 1, _CLIENT_ID))
        return decode_response(request, _read(connection, frame_length(_read(connection, 4))), version)


def _read(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        received = connection.recv(size - len(data))
        if not received:
            raise ConnectionResetError("the broker closed the connection")
        data += received
    return bytes(data)
