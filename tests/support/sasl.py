"""What a SASL listener does, for a `ScriptedBroker`; SCRAM is by scramp, a foreign implementation.

    async with ScriptedBroker() as broker:
        listener = SaslListener(broker)
        async with Consumer("orders", bootstrap_servers=broker.address, **LOGIN) as consumer: ...
        assert listener.logins == [1, 2]     # the connections that logged in

As Kafka does, it closes the connection of whoever asks for anything but ApiVersions without a login.
"""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import scramp

from kafkastatic.errors import KafkaError
from tests.support.scripted_broker import Call, ScriptedBroker

LOGIN: dict[str, Any] = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "SCRAM-SHA-256",
    "sasl_plain_username": "alice",
    "sasl_plain_password": "secret-of-alice",
}
MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
FAILED = 58


class SaslListener:
    """Users and how far each connection has come.

    Attributes:
        passwords: by name; a user who is not here is refused.
        logins: the connections that have logged in, in order.
        offered: the mechanisms.
        tamper: changes what the server says by SCRAM.
        session_lifetime_ms: for how long a login is good.
    """

    def __init__(self, broker: ScriptedBroker, *, salt: bytes = b"salt of 16 bytes", iterations: int = 4096) -> None:
        self.passwords = {"alice": "secret-of-alice"}
        self.logins: list[int] = []
        self.offered = list(MECHANISMS)
        self.tamper: Callable[[str], str] = lambda message: message
        self.session_lifetime_ms = 0
        self.salt, self.iterations = salt, iterations
        self._exchanges: dict[int, Any] = {}
        broker.admits = lambda call: (
            call.api in ("ApiVersions", "SaslHandshake", "SaslAuthenticate") or (call.connection in self.logins)
        )
        broker.on("SaslHandshake", self._handshake)
        broker.on("SaslAuthenticate", self._authenticate)

    def _handshake(self, call: Call) -> Any:
        mechanism = call.request.mechanism
        if mechanism not in self.offered:
            return call.request.RESPONSE(error_code=33, mechanisms=self.offered)
        self._exchanges[call.connection] = (
            "PLAIN"
            if mechanism == "PLAIN"
            else scramp.ScramMechanism(mechanism).make_server(lambda user: self._stored(mechanism, user))
        )
        return call.request.RESPONSE(mechanisms=self.offered)

    def _stored(self, mechanism: str, user: str) -> Any:
        return scramp.ScramMechanism(mechanism).make_auth_info(self.passwords[user], self.iterations, self.salt)

    def _authenticate(self, call: Call) -> Any:
        exchange, data = self._exchanges[call.connection], call.request.auth_bytes
        answer = call.request.RESPONSE(session_lifetime_ms=self.session_lifetime_ms)
        try:
            if exchange == "PLAIN":
                _, user, password = data.decode().split("\0")
                if self.passwords[user] != password:
                    raise KeyError(user)
            elif data.startswith(b"n,,"):
                exchange.set_client_first(data.decode())
                answer.auth_bytes = self.tamper(exchange.get_server_first()).encode()
                return answer
            else:
                exchange.set_client_final(data.decode())
                answer.auth_bytes = self.tamper(exchange.get_server_final()).encode()
        except (KeyError, scramp.ScramException):
            return call.request.RESPONSE(error_code=FAILED, error_message="Authentication failed.")
        self.logins.append(call.connection)
        return answer


def everything_said(error: BaseException) -> str:
    """An error as it may end up in a log: its text, its attributes, its pickle, its traceback with the variables of our
    frames; its causes too."""
    parts = []
    link: BaseException | None = error
    while link is not None:
        parts += [str(link), repr(link), repr(vars(link)), *traceback.format_exception(link)]
        if isinstance(link, KafkaError):
            parts.append(repr(pickle.dumps(link)))
        for frame, _ in traceback.walk_tb(link.__traceback__):
            if f"{os.sep}kafkastatic{os.sep}" in frame.f_code.co_filename:
                parts.append(repr(frame.f_locals))
        link = link.__cause__ or link.__context__
    return "\n".join(parts)
