"""The client's side of SCRAM (RFC 5802, RFC 7677): bytes in, bytes out; no sockets, randomness or threads.

    client                              server
    first()       n,,n=user,r=nonce  ->
                                     <- r=nonce + theirs,s=salt,i=iterations     challenged()
    proof()       c=biws,r=..,p=..   ->
                                     <- v=signature                              verify()

Names and passwords are their UTF-8 bytes, without the RFC's SASLprep: that is what Kafka's brokers derive their stored
keys from (`ScramFormatter.normalize`), so a prepared password would not fit (shown on a real broker).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

from kafkastatic.types import Secret

MIN_ITERATIONS = 4096
"""Kafka's own minimum. A server that asks for less may want to guess the password from the proof."""

MAX_ITERATIONS = 1_000_000
"""Kafka stores 16384 at most; a server that asks for far more wants our CPU."""

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
"""The hash of each mechanism."""

_NO_CHANNEL_BINDING = b"n,,"
_CHALLENGE = re.compile(r"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,17})(?:,.*)?", re.DOTALL)
_VERDICT = re.compile(r"([ve])=([^,]*)(?:,.*)?", re.DOTALL)


class ScramError(Exception):
    """The server said something that it must not, or could not prove that it knows the password."""


class Challenge(NamedTuple):
    """What the password is to be salted with."""

    salt: bytes
    iterations: int


def salt_password(mechanism: str, password: Secret, challenge: Challenge) -> bytes:
    """The slow part: fit for a worker thread, and for a cache."""
    return hashlib.pbkdf2_hmac(HASHES[mechanism], password.reveal().encode(), challenge.salt, challenge.iterations)


class ScramClient:
    """One exchange; each method is called once, in the order above.

    Args:
        mechanism: a key of `HASHES`.
        nonce: fresh and unguessable; printable ASCII without commas.
    """

    def __init__(self, mechanism: str, username: str, nonce: str) -> None:
        self._hash = HASHES[mechanism]
        self._nonce = nonce
        name = username.replace("=", "=3D").replace(",", "=2C")
        self._first = f"n={name},r={nonce}".encode()
        self._final = b""  # without the proof
        self._transcript = b""  # what both sides sign
        self._salted = b""

    def first(self) -> bytes:
        """The first message, which names the user."""
        return _NO_CHANNEL_BINDING + self._first

    def challenged(self, message: bytes) -> Challenge:
        """Take the server's first message.

        Raises:
            ScramError: if it does not parse, does not continue our nonce, or wants too few or too many iterations.
        """
        match = _CHALLENGE.fullmatch(_text(message))
        if match is None:
            raise ScramError("the server's challenge does not parse")
        nonce, salt, iterations = match[1], _decode(match[2]), int(match[3])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ScramError("the server's nonce does not continue ours")
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            bounds = f"{MIN_ITERATIONS} to {MAX_ITERATIONS}"
            raise ScramError(f"the server asks for {iterations} iterations, which is outside {bounds}")
        self._final = b"c=" + base64.b64encode(_NO_CHANNEL_BINDING) + b",r=" + nonce.encode()
        self._transcript = b",".join((self._first, message, self._final))
        return Challenge(salt, iterations)

    def proof(self, salted_password: bytes) -> bytes:
        """The final message, which proves that we know the password."""
        self._salted = salted_password
        key = self._hmac(salted_password, b"Client Key")
        signature = self._hmac(hashlib.new(self._hash, key).digest(), self._transcript)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return self._final + b",p=" + base64.b64encode(proof)

    def verify(self, message: bytes) -> None:
        """Take the server's final message.

        Raises:
            ScramError: if it refuses, does not parse, or does not prove that the server knows the password.
        """
        match = _VERDICT.fullmatch(_text(message))
        if match is None:
            raise ScramError("the server's final message does not parse")
        if match[1] == "e":
            raise ScramError(f"the server says {match[2]}")
        expected = self._hmac(self._hmac(self._salted, b"Server Key"), self._transcript)
        if not hmac.compare_digest(_decode(match[2]), expected):
            raise ScramError("the server's signature is wrong: it does not know this password")

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        return hmac.digest(key, message, self._hash)


def _text(message: bytes) -> str:
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise ScramError("the server's message is not UTF-8") from None


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ScramError("the server's message holds bad base64") from None
