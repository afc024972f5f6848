"""Logging in on a fresh connection: SaslHandshake, then SaslAuthenticate with PLAIN (RFC 4616) or SCRAM (RFC 5802)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TypedDict

import anyio

from kafkastatic._net.connection import Connection
from kafkastatic._net.scram import HASHES, Challenge, ScramClient, ScramError, salt_password
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from kafkastatic._protocol.messages.sasl_handshake import SaslHandshakeRequest
from kafkastatic._protocol.versions import negotiate
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import AuthenticationError


class Login:
    """Logs in on connections with the mechanism and the credentials of a configuration."""

    def __init__(self, config: ConsumerConfig, runtime: Runtime) -> None:
        assert config.sasl_mechanism and config.sasl_plain_username and config.sasl_plain_password
        self._mechanism = config.sasl_mechanism
        self._username = config.sasl_plain_username
        self._password = config.sasl_plain_password
        self._without = "SSL" if config.tls else "PLAINTEXT"
        self._runtime = runtime
        self._salting = anyio.Lock()
        self._salted: tuple[Challenge, bytes] | None = None  # the last one: all brokers ask for the same

    async def log_in(self, connection: Connection, versions: Mapping[int, tuple[int, int]], timeout: float) -> float:
        """Log in before anything else is asked; the caller bounds the time of all of it.

        Args:
            timeout: seconds for each request.

        Returns:
            For how many seconds the broker serves this connection (KIP-368); infinite if it sets no limit.

        Raises:
            AuthenticationError: if either side does not take the other for what it says it is.
            UnsupportedVersionError: if the broker is older than Kafka 1.0.
            BrokerUnreachableError, KafkaTimeoutError, ProtocolError: as `Connection.request`.
        """
        handshake = SaslHandshakeRequest(mechanism=self._mechanism)
        version = negotiate(SaslAuthenticateRequest, versions)
        offer = await connection.request(handshake, negotiate(SaslHandshakeRequest, versions), timeout)
        if offer.error_code != codes.NONE:
            raise self._refusal(offer.error_code, handshake.NAME, connection, offered=offer.mechanisms)

        # No frame that an error passes holds the password in a variable of its own: some loggers print those.
        send = partial(self._send, connection, version, timeout)
        if self._mechanism not in HASHES:
            last = await send(self._plain())
        else:
            scram = ScramClient(self._mechanism, self._username, self._runtime.new_nonce())
            try:
                challenge = scram.challenged((await send(_token(scram.first()))).auth_bytes)
                last = await send(_token(scram.proof(await self._salt(challenge))))
                scram.verify(last.auth_bytes)
            except ScramError as error:
                raise self._distrust(connection, str(error)) from None
        return last.session_lifetime_ms / 1000 if last.session_lifetime_ms > 0 else math.inf

    async def _send(
        self, connection: Connection, version: int, timeout: float, request: SaslAuthenticateRequest
    ) -> SaslAuthenticateResponse:
        answer = await connection.request(request, version, timeout)
        if answer.error_code != codes.NONE:
            raise self._refusal(answer.error_code, request.NAME, connection, detail=answer.error_message)
        return answer

    def _plain(self) -> SaslAuthenticateRequest:
        """Nobody to act as, the name and the password (RFC 4616)."""
        return _token(f"\0{self._username}\0{self._password.reveal()}".encode())

    async def _salt(self, challenge: Challenge) -> bytes:
        """The salted password: computed in a thread, once for the connections that ask at the same time and later."""
        async with self._salting:
            if self._salted is None or self._salted[0] != challenge:
                salted = await self._runtime.run_in_thread(salt_password, self._mechanism, self._password, challenge)
                self._salted = challenge, salted
            return self._salted[1]

    def _refusal(
        self,
        code: int,
        api: str,
        connection: Connection,
        *,
        detail: str | None = None,
        offered: list[str] | None = None,
    ) -> AuthenticationError:
        """The broker refuses."""
        known = error_for(code, api=api)
        cls = type(known) if isinstance(known, AuthenticationError) else AuthenticationError
        match code:
            case codes.UNSUPPORTED_SASL_MECHANISM:
                detail = f"it offers {', '.join(offered or ()) or 'none'}"
                remedy = "Set sasl_mechanism to one that the broker offers."
            case codes.ILLEGAL_SASL_STATE if api == SaslHandshakeRequest.NAME:
                detail = "the listener takes no login"
                remedy = f"Set security_protocol to {self._without!r}, or name a SASL listener in bootstrap_servers."
            case _:
                remedy = (
                    "Check sasl_plain_username and sasl_plain_password, and that the brokers know this user"
                    f" for {self._mechanism}."
                )
        return cls(code, known.name, api=api, detail=detail, remedy=remedy, **self._who(connection))

    def _distrust(self, connection: Connection, reason: str) -> AuthenticationError:
        """We refuse."""
        remedy = "Check that bootstrap_servers names your cluster, and sasl_plain_password."
        return AuthenticationError(detail=reason, remedy=remedy, **self._who(connection))

    def _who(self, connection: Connection) -> _Who:
        return {"address": connection.address, "mechanism": self._mechanism, "username": self._username}


def _token(data: bytes) -> SaslAuthenticateRequest:
    return SaslAuthenticateRequest(auth_bytes=data)


class _Who(TypedDict):
    address: str
    mechanism: str
    username: str
