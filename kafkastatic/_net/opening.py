"""Opening connections: a broker at an address, what a connection to it is for, and what is done on a fresh one."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from ssl import SSLCertVerificationError, SSLError
from typing import TYPE_CHECKING

import anyio

from kafkastatic._net import tls
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.connection import Connection
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.framing import decode_response
from kafkastatic._protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from kafkastatic._runtime import Runtime
from kafkastatic._version import __version__
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import BrokerUnreachableError, KafkaError, ProtocolError

if TYPE_CHECKING:
    from kafkastatic._net.auth import Login

Versions = Mapping[int, tuple[int, int]]

SESSION_SHARE = 0.85
"""The share of a connection's lifetime, where the broker sets one, after which another one takes its place."""


class Role(enum.Enum):
    """What a connection is for."""

    FETCH = "fetch"  # long polls
    JOIN = "join"  # JoinGroup and SyncGroup, parked for as long as a rebalance takes
    SLOW = "slow"  # whatever else may wait long: creating topics, acks=all
    QUICK = "quick"  # heartbeats, commits, lookups


class Node:
    """A broker, or a bootstrap server, at one address.

    Attributes:
        departures: how often it left the cluster.
        served: whether it has ever answered a request that is not part of connecting.
        silent: it has left a request unanswered for too long, and answered none since.
    """

    def __init__(self, host: str, port: int, backoff: Backoff) -> None:
        self.host = host
        self.port = port
        self.backoff = backoff
        self.advertised_by: str | None = None
        self.versions: Versions | None = None
        self.connections: dict[Role, Connection] = {}
        self.locks: dict[Role, anyio.Lock] = {}
        self.asking = anyio.Lock(fast_acquire=True)
        self.opening: set[anyio.CancelScope] = set()
        self.departures = 0
        self.logging_in: set[Connection] = set()
        self.served = False
        self.not_before = 0.0
        self.silent = False

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def alive(self) -> bool:
        return any(connection.alive for connection in (*self.connections.values(), *self.logging_in))

    def received(self, role: Role) -> int:
        connection = self.connections.get(role)
        return connection.received if connection else 0

    def leave(self) -> None:
        """The cluster does not count it as one of its own any more: whoever waits for it waits in vain."""
        self.departures += 1
        for scope in self.opening:
            scope.cancel()
        for connection in self.connections.values():
            connection.close()


class Opener:
    """Makes connections that are ready for use.

    Raises:
        ConfigError: if `ssl_cafile` is of no use.
    """

    def __init__(self, config: ConsumerConfig, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        self._tls = tls.context(config)
        self._login = _login(config, runtime) if config.sasl else None

    async def open(self, node: Node) -> Connection:
        """Connect, log in, and ask for the API versions: once, until the broker may be another release."""
        setup = self._config.socket_connection_setup_timeout_ms / 1000
        connection: Connection | None = None
        try:
            with anyio.fail_after(setup):
                connection = await self._dial(node)
                async with node.asking:
                    if not node.alive:
                        node.versions = await _ask_versions(connection, setup)
                    node.logging_in.add(connection)
                if self._login is not None:
                    lifetime = await self._login.log_in(connection, node.versions or {}, setup)
                    connection.worn_at = self._runtime.now() + SESSION_SHARE * lifetime
        except TimeoutError:
            error = self._unreachable(node, f"no answer within {setup:.3g} s", None)
        except KafkaError as caught:
            error = self._unreachable(node, str(caught.args[0]), None) if caught.retriable else caught
        except OSError as caught:
            error = self._unreachable(node, _reason(caught), caught)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        else:
            return connection
        finally:
            if connection is not None:
                node.logging_in.discard(connection)
        if connection is not None:
            connection.close()
        raise error

    async def _dial(self, node: Node) -> Connection:
        """The first of the host's addresses that takes a connection."""
        last: OSError = OSError("the name has no address")
        for address in await self._runtime.resolve(node.host, node.port):
            connection = Connection(node.address, self._config.client_id)
            try:
                transport, _ = await self._runtime.connect(
                    connection.factory,
                    address,
                    node.port,
                    ssl=self._tls,
                    server_hostname=node.host.strip("[]"),
                )
            except OSError as error:
                last = error
                continue
            connection.attach(transport)
            return connection
        raise last

    def _unreachable(self, node: Node, reason: str, cause: OSError | None) -> BrokerUnreachableError:
        remedy = "Check the address and that a broker listens there."
        if node.advertised_by:
            remedy = "Check the broker's advertised.listeners: this machine must be able to reach them."
        elif isinstance(cause, SSLCertVerificationError):
            remedy = "Name the CA of the broker's certificate as ssl_cafile, and use a host name that it is made for."
        elif self._tls is not None:
            remedy = "Check the address, and that the listener there speaks TLS."
        error = BrokerUnreachableError(
            f"Cannot use broker {node.address}: {reason.rstrip('.')}"
            + (f" (the address that {node.advertised_by} advertises)" if node.advertised_by else "")
            + ".",
            address=node.address,
            advertised_by=node.advertised_by,
            remedy=remedy,
        )
        error.retriable = not isinstance(cause, SSLCertVerificationError)
        error.__cause__ = cause
        return error


def _login(config: ConsumerConfig, runtime: Runtime) -> Login:
    from kafkastatic._net.auth import Login  # SASL's messages and SCRAM are for those who log in

    return Login(config, runtime)


async def _ask_versions(connection: Connection, timeout: float) -> Versions:
    """Which API versions a broker serves.

    A broker that does not know our version of ApiVersions answers UNSUPPORTED_VERSION in version 0 (KIP-511).
    """
    request = ApiVersionsRequest(client_software_name="kafkastatic", client_software_version=__version__)
    version = ApiVersionsRequest.MAX_VERSION
    while True:
        frame = await connection.exchange(request, version, timeout)
        if int.from_bytes(frame[4:6], "big") == codes.UNSUPPORTED_VERSION:
            answer = decode_response(request, frame, 0)
            offered = _ranges(answer).get(ApiVersionsRequest.API_KEY, (0, 0))[1]
            if offered >= version:
                raise ProtocolError(f"{connection.address} refuses the versions of ApiVersions that it offers.")
            version = offered
            continue
        answer = decode_response(request, frame, version)
        if answer.error_code != codes.NONE:
            raise ProtocolError(f"{connection.address} answered ApiVersions with error {answer.error_code}.")
        return _ranges(answer)


def _ranges(answer: ApiVersionsResponse) -> dict[int, tuple[int, int]]:
    return {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}


def _reason(error: OSError) -> str:
    if isinstance(error, SSLCertVerificationError):
        return f"TLS failed: {error.reason}, {error.verify_message}"
    if isinstance(error, SSLError):
        return f"TLS failed: {error.reason or error}"
    return error.strerror or str(error) or type(error).__name__
