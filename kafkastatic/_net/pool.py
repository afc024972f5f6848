"""The brokers of one cluster and their connections.

A broker serves one request per connection at a time, so what may wait long never shares a connection with what
must be quick. Per broker there is one connection for each `Role`, opened when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import anyio

from kafkastatic._net.backoff import Backoff
from kafkastatic._net.connection import Connection
from kafkastatic._net.opening import Node, Opener, Role, Versions
from kafkastatic._net.race import Race
from kafkastatic._net.silence import Silence
from kafkastatic._protocol.primitives import R, Request
from kafkastatic._protocol.versions import negotiate
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import (
    AuthenticationError,
    BrokerUnreachableError,
    KafkaError,
    KafkaTimeoutError,
)
from kafkastatic.types import Broker

PATIENCE = 1.0
PARKED_PATIENCE = 10.0
"""Seconds after which an answer that should be there, or a parked one, has us doubt the broker."""

_FETCH = 1
_CLIENTS_WAIT = 8
"""From this version of Fetch on, which came with Kafka 2.0, brokers answer at once and leave the waiting to clients."""

_AS_SASL_DOES = (
    "as a listener with SASL does to a client that does not log in (security_protocol SASL_PLAINTEXT or SASL_SSL)"
)


class Pool:
    """Requests to brokers by node id, over connections that are opened, kept and reopened here.

    Args:
        on_throttle: told whenever a broker wants silence (KIP-219): its address, the connection's role, the seconds.
        refused: told when a broker refuses our login, beside whoever asked for the connection.

    Raises:
        ConfigError: if `ssl_cafile` is of no use.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        runtime: Runtime,
        on_throttle: Callable[[str, Role, float], None] | None = None,
        *,
        refused: Callable[[AuthenticationError], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._on_throttle = on_throttle
        self._refused = refused
        self._opener = Opener(config, runtime)
        self._nodes: dict[str, Node] = {}
        self._addresses: dict[int, str] = {}
        self._bootstrap = [self._node(*_split(address)) for address in config.bootstrap_servers]
        self._closed = False
        self._silence: Silence[Node] = Silence(PATIENCE)

    # ── requests ──

    async def request(
        self,
        node_id: int,
        request: Request[R],
        role: Role,
        *,
        timeout: float,
        cap: int | None = None,
        ahead: Request[Any] | None = None,
    ) -> R:
        """Send a request to a broker and return its answer.

        Args:
            timeout: seconds for all of it, the opening of a connection included.
            cap: the highest version to use, below our own highest.
            ahead: a request of the same kind that goes out directly before it, on the same connection, so that the
                broker serves it first; its answer is dropped.

        Raises:
            BrokerUnreachableError: if the broker is not known, or no connection to it can be made or kept.
            AuthenticationError: if it refuses our login.
            KafkaTimeoutError: if the time ran out.
            UnsupportedVersionError: if broker and client share no version, or the request does not fit in it.
            ProtocolError: if the other side does not speak Kafka's protocol.
        """
        node = self._known(node_id)
        with self._refusal_told(), self._waiting(node, role, getattr(request, "max_wait_ms", 0) / 1000):
            answer = await self._request(node, request, role, timeout, cap, ahead)
        node.silent = False
        return answer

    def silence(self) -> bool:
        """Whether a broker owes us an answer for longer than it should; told of once in a while for as long as it does.

        Such a broker is the last one to be asked by `request_any`.
        """
        silent = self._silence.look(self._runtime.now())
        for node in silent:
            node.silent = True
        return bool(silent)

    def next_silence(self) -> float:
        """Until when `silence` need not be asked again, if no request begins meanwhile."""
        return self._silence.next_look()

    def _waiting(self, node: Node, role: Role, expected: float = 0.0) -> AbstractContextManager[None]:
        patience = PATIENCE if role in (Role.FETCH, Role.QUICK) else PARKED_PATIENCE
        return self._silence.waiting(node, self._runtime.now(), expected, patience, lambda: node.received(role))

    async def request_any(self, request: Request[R], *, timeout: float, cap: int | None = None) -> tuple[R, str]:
        """Send a request to whichever broker answers first, tried one after another.

        The known brokers come first, of them the connected ones. One that does not answer soon goes on being waited for
        beside the next one, see `Race`. Where all of them fail, or say nothing for long, the client begins anew at the
        bootstrap servers (KIP-899); with `metadata_recovery_strategy="none"` it does not.

        Returns:
            The answer, and the address that gave it.

        Raises:
            BrokerUnreachableError: if none of them answered; all are named.
            AuthenticationError: if one refuses our login; the others are not tried. Where a bootstrap server does while
                a known broker may still answer, that one is waited for.
        """

        async def ask(node: Node, left: float) -> R:
            return await self._request(node, request, Role.QUICK, left, cap)

        race = Race(ask, self._runtime.now, self._runtime.now() + timeout)
        with self._refusal_told():
            await race.run(*self._candidates())
            if race.refused is not None:
                raise race.refused
        if race.won is None:
            raise self._none_answered(race.failures) from (race.failures[-1][1] if race.failures else None)
        return race.won

    @contextmanager
    def _refusal_told(self) -> Generator[None]:
        try:
            yield
        except AuthenticationError as error:
            self._refused(error)
            raise

    def versions(self, node_id: int) -> Versions:
        """The API versions that a broker serves, `(lowest, highest)` by API key; empty before it was asked."""
        return self.versions_at(self._addresses.get(node_id, ""))

    def versions_at(self, address: str) -> Versions:
        """As `versions`, of the broker at an address."""
        node = self._nodes.get(address)
        return node.versions or {} if node else {}

    def throttled(self, node_id: int, role: Role) -> float:
        """Seconds for which a broker will not read from a connection of ours (KIP-219); a request would wait there."""
        node = self._nodes.get(self._addresses.get(node_id, ""))
        connection = node.connections.get(role) if node else None
        return max(connection.throttled_until - self._runtime.now(), 0.0) if connection and connection.alive else 0.0

    async def ensure(self, node_id: int, role: Role = Role.QUICK) -> Versions:
        """Connect to a broker, if need be, and return the API versions that it serves. Raises as `request` does."""
        node = self._known(node_id)
        with self._refusal_told(), self._waiting(node, role):
            await self._connection(node, role)
        return node.versions or {}

    def connected(self, node_id: int) -> Versions | None:
        """What `ensure` would return at once; `None` if it would have to connect."""
        node = self._nodes.get(self._addresses.get(node_id, ""))
        return node.versions if node is not None and self._open(node, Role.QUICK) is not None else None

    def _known(self, node_id: int) -> Node:
        address = self._addresses.get(node_id)
        if address is None:
            name = f"broker {node_id}"
            raise BrokerUnreachableError(f"The cluster's metadata does not name {name}.", address=name)
        return self._nodes[address]

    def _candidates(self) -> tuple[list[Node], list[Node]]:
        """The known brokers, and the bootstrap servers that are none of them."""
        known = list(dict.fromkeys(self._nodes[address] for address in self._addresses.values()))
        others = [node for node in self._bootstrap if node not in known]
        if known and self._config.metadata_recovery_strategy == "none":
            others = []
        return self._ordered(known), self._ordered(others)

    def _ordered(self, nodes: list[Node]) -> list[Node]:
        start = int(self._runtime.random() * len(nodes))  # spread the load of many clients
        return sorted(nodes[start:] + nodes[:start], key=lambda node: (node.silent, not node.alive, node.not_before))

    def _none_answered(self, failures: list[tuple[str, KafkaError]]) -> KafkaError:
        if failures and not any(error.retriable for _, error in failures):
            return failures[0][1]  # none of them ever will
        names = ", ".join(dict.fromkeys(address for address, _ in failures)) or ", ".join(
            self._config.bootstrap_servers
        )
        reasons = "; ".join(dict.fromkeys(str(error.args[0]).rstrip(".") for _, error in failures))
        return BrokerUnreachableError(
            f"No broker answered: {reasons or 'the time ran out'}.",
            address=names,
            remedy="Check bootstrap_servers, and that this machine can reach them"
            + (" and speaks TLS to a TLS listener." if self._config.tls else "."),
        )

    async def _request(
        self,
        node: Node,
        request: Request[R],
        role: Role,
        timeout: float,
        cap: int | None,
        ahead: Request[Any] | None = None,
    ) -> R:
        deadline = self._runtime.now() + timeout
        connection = self._open(node, role)
        if connection is None or connection.throttled_until > self._runtime.now():
            connection = await self._heard_connection(node, role, timeout)
        version = negotiate(type(request), node.versions or {}, cap)
        try:
            if ahead is not None:
                connection.tell(ahead, version)  # nothing is awaited before the other one is written, too
            answer = await connection.request(request, version, max(deadline - self._runtime.now(), 0.001))
        except BrokerUnreachableError as error:
            if connection.hung_up and not node.served and not self._config.sasl:
                error.args = (f"{error.args[0].rstrip('.')} upon the first request, {_AS_SASL_DOES}.",)
            raise
        node.served = True
        self._heed_throttle(node, role, connection, getattr(answer, "throttle_time_ms", 0))
        return answer

    async def _heard_connection(self, node: Node, role: Role, timeout: float) -> Connection:
        """A connection on which the broker listens. Raises `KafkaTimeoutError` if there is none in time."""
        what = f"No connection to {node.address}"
        try:
            with anyio.fail_after(timeout):
                connection = await self._connection(node, role)
                what = f"{node.address} throttles this client: nothing could be sent"
                while (pause := connection.throttled_until - self._runtime.now()) > 0:
                    await anyio.sleep(pause)
                    connection = await self._connection(node, role)  # its session may have ended meanwhile
        except TimeoutError:
            raise KafkaTimeoutError(f"{what} within {timeout:.3g} s.") from None
        return connection

    def _heed_throttle(self, node: Node, role: Role, connection: Connection, throttle_ms: int) -> None:
        """Be silent on a connection for as long as its broker says; brokers before 2.0 have waited themselves."""
        if throttle_ms > 0 and (node.versions or {}).get(_FETCH, (0, 0))[1] >= _CLIENTS_WAIT:
            connection.throttled_until = self._runtime.now() + throttle_ms / 1000
            if self._on_throttle is not None:
                self._on_throttle(node.address, role, throttle_ms / 1000)

    # ── brokers ──

    def update(self, brokers: Iterable[Broker], advertised_by: str | None = None) -> None:
        """Take over the cluster's brokers as metadata names them, told by `advertised_by`."""
        before, self._addresses = self._addresses, {}
        for broker in brokers:
            self.add(broker, advertised_by)
        present = set(self._addresses.values())
        for address in set(before.values()) - present:
            self._nodes[address].leave()
        keep = present | {node.address for node in self._bootstrap}
        for address in self._nodes.keys() - keep:
            self._nodes.pop(address).leave()

    def rebootstrap(self) -> None:
        """Forget the cluster and close every connection: go on from the bootstrap servers, wherever they are by now."""
        for node in self._nodes.values():
            for connection in node.connections.values():
                connection.close()
        for node in self._bootstrap:
            node.not_before = 0.0
        self.update(())

    def knows(self, address: str) -> bool:
        """Whether one of the cluster's brokers is reached at an address."""
        return address in self._addresses.values()

    def add(self, broker: Broker, advertised_by: str | None = None) -> None:
        """Know one broker more, or that it is reached elsewhere now."""
        node = self._node(broker.host, broker.port)
        if node.advertised_by is None and node not in self._bootstrap:
            node.advertised_by = advertised_by
        self._addresses[broker.node_id] = node.address

    def _node(self, host: str, port: int) -> Node:
        address = f"{host}:{port}"
        if address not in self._nodes:
            config = self._config
            backoff = Backoff(config.reconnect_backoff_ms, config.reconnect_backoff_max_ms, self._runtime.random)
            self._nodes[address] = Node(host, port, backoff)
        return self._nodes[address]

    def abandon(self, role: Role) -> None:
        """Close the connections of a role, whichever broker they lead to: nobody waits for their answers any more."""
        for node in self._nodes.values():
            connection = node.connections.pop(role, None)
            if connection is not None:
                connection.close()

    async def aclose(self) -> None:
        """Close every connection and wait until the sockets are gone."""
        self._closed = True
        connections = [connection for node in self._nodes.values() for connection in node.connections.values()]
        for connection in connections:
            connection.close()
        for connection in connections:
            await connection.wait_closed()

    # ── connections ──

    async def _connection(self, node: Node, role: Role) -> Connection:
        connection = self._open(node, role)
        if connection is not None:
            return connection
        lock, departures = node.locks.setdefault(role, anyio.Lock(fast_acquire=True)), node.departures
        async with lock:
            connection = node.connections.get(role)
            if connection is not None and self._worn(connection):
                connection.close()
            if connection is None or not connection.alive:
                if node.departures != departures:
                    raise self._not_used(node)
                connection = await self._open_when_allowed(node)
                node.connections[role] = connection
            return connection

    def _open(self, node: Node, role: Role) -> Connection | None:
        connection = node.connections.get(role)
        return connection if connection is not None and connection.alive and not self._worn(connection) else None

    def _worn(self, connection: Connection) -> bool:
        """Whether the broker will soon refuse to serve it, and nobody waits for an answer on it."""
        return connection.worn_at <= self._runtime.now() and not connection.in_flight

    async def _open_when_allowed(self, node: Node) -> Connection:
        if self._closed:
            raise BrokerUnreachableError("The consumer is closed.", address=node.address)
        scope = anyio.CancelScope()
        node.opening.add(scope)
        connection: Connection | None = None
        try:
            with scope:
                pause = node.not_before - self._runtime.now()
                if pause > 0:
                    await anyio.sleep(pause)
                connection = await self._opener.open(node)
        except KafkaError:
            node.not_before = self._runtime.now() + node.backoff.next()
            raise
        finally:
            node.opening.discard(scope)
        if connection is not None:
            node.backoff.reset()
            if not scope.cancel_called and not self._closed and self._nodes.get(node.address) is node:
                return connection
            connection.close()  # nobody would close it later
        raise self._not_used(node)

    def _not_used(self, node: Node) -> BrokerUnreachableError:
        return BrokerUnreachableError(f"Broker {node.address} is not used any more.", address=node.address)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
