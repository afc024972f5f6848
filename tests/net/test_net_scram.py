"""SCRAM by the RFCs' own examples and against a foreign implementation; what a hostile server may say."""

from __future__ import annotations

import base64
import re

import pytest
import scramp
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkastatic._net.scram import MAX_ITERATIONS, MIN_ITERATIONS, Challenge, ScramClient, ScramError, salt_password
from kafkastatic.types import Secret

MECHANISMS = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
NONCE = "fyko+d2lbbFgONRv9qkxdawL"

# mechanism, server-first, proof, signature; user "user", password "pencil". The first one is RFC 7677's, the second
# that of draft-melnikov-scram-sha-512.
EXAMPLES = [
    (
        "SCRAM-SHA-256",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
    (
        "SCRAM-SHA-512",
        b"r=rOprNGfwEbeRWgbNEkqO02431b08-2f89-4bad-a4e6-80c0564ec865,"
        b"s=Yin2FuHTt/M0kJWb0t9OI32n2VmOGi3m+JfjOvuDF88=,i=4096",
        b"Hc5yec3NmCD7t+kFRw4/3yD6/F3SQHc7AVYschRja+Bc3sbdjlA0eH1OjJc0DD4ghn1tnXN5/Wr6qm9xmaHt4A==",
        b"BQuhnKHqYDwQWS5jAw4sZed+C9KFUALsbrq81bB0mh+bcUUbbMPNNmBIupnS2AmyyDnG5CTBQtkjJ9kyY4kzmw==",
    ),
]


@pytest.mark.parametrize(("mechanism", "challenge", "proof", "signature"), EXAMPLES)
def test_the_published_examples(mechanism: str, challenge: bytes, proof: bytes, signature: bytes) -> None:
    """Every message, byte for byte."""
    client = ScramClient(mechanism, "user", "rOprNGfwEbeRWgbNEkqO")
    assert client.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"

    asked = client.challenged(challenge)
    nonce, salt, _ = challenge.split(b",")
    assert asked == Challenge(base64.b64decode(salt[2:]), 4096)

    assert client.proof(salt_password(mechanism, Secret("pencil"), asked)) == b"c=biws," + nonce + b",p=" + proof
    client.verify(b"v=" + signature)


@pytest.mark.parametrize(
    ("mechanism", "salted"),
    [
        ("SCRAM-SHA-256", "bac67623a217298adde8bb3ff3bacb928f38401d7fb59db85fb722e153520278"),
        (
            "SCRAM-SHA-512",
            "d41639e19499f330d4a6e066a4c140302e890bb262ddfb740705913b4a6916de"
            "54928642b324ccb48418b02b6801496721bb627319f72bb135ecfa673cb71956",
        ),
    ],
)
def test_a_password_is_salted_as_kafka_salts_it(mechanism: str, salted: str) -> None:
    """The bytes are those of Kafka's own ScramFormatter: it takes UTF-8 as it is, where SASLprep would change it."""
    assert salt_password(mechanism, Secret("Ⅸ ﬁne ａ½"), Challenge(b"salt", 4096)).hex() == salted


# ── against scramp ──


class Exchange:
    """Our client and scramp's server, which knows `password`."""

    def __init__(self, mechanism: str, user: str, password: str, iterations: int = 4096) -> None:
        foreign = scramp.ScramMechanism(mechanism)
        self.users: list[str] = []

        def stored(name: str) -> object:
            self.users.append(name)
            return foreign.make_auth_info(password, iterations, b"0123456789abcdef")

        self.mechanism = mechanism
        self.server = foreign.make_server(stored)
        self.client = ScramClient(mechanism, user, NONCE)

    def challenge(self) -> str:
        self.server.set_client_first(self.client.first().decode())
        return self.server.get_server_first()

    def answer(self, challenge: str, password: str) -> str:
        """What the server says to our proof."""
        salted = salt_password(self.mechanism, Secret(password), self.client.challenged(challenge.encode()))
        self.server.set_client_final(self.client.proof(salted).decode())
        return self.server.get_server_final()


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=20)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@given(user=PRINTABLE, password=PRINTABLE, iterations=st.integers(4096, 4200))
@settings(max_examples=25, deadline=None)
def test_a_foreign_server_takes_our_proof_and_we_take_its_signature(
    mechanism: str, user: str, password: str, iterations: int
) -> None:
    """Whatever the name and the password; commas and equals signs in the name included."""
    exchange = Exchange(mechanism, user, password, iterations)
    exchange.client.verify(exchange.answer(exchange.challenge(), password).encode())
    assert [name.replace("=2C", ",").replace("=3D", "=") for name in exchange.users] == [user]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_foreign_server_refuses_the_proof_of_a_wrong_password(mechanism: str) -> None:
    exchange = Exchange(mechanism, "alice", "secret")
    with pytest.raises(scramp.ScramException, match="invalid-proof"):
        exchange.answer(exchange.challenge(), "other")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_server_that_does_not_know_the_password_is_found_out(mechanism: str) -> None:
    """One that takes any proof: it can sign the same exchange with a guessed password only."""
    ours, guess = Exchange(mechanism, "alice", "secret"), Exchange(mechanism, "alice", "guess")
    challenge = ours.challenge()
    guess.server = scramp.ScramMechanism(mechanism).make_server(
        lambda _: scramp.ScramMechanism(mechanism).make_auth_info("guess", 4096, b"0123456789abcdef"),
        s_nonce=str(ours.server.s_nonce),
    )
    assert guess.challenge() == challenge
    forged = guess.answer(challenge, "guess")
    right = ours.answer(challenge, "secret")
    with pytest.raises(ScramError, match="signature is wrong"):
        ours.client.verify(forged.encode())
    ours.client.verify(right.encode())


# ── hostile servers ──


def challenged(message: bytes) -> Challenge:
    return ScramClient("SCRAM-SHA-256", "alice", NONCE).challenged(message)


GOOD = f"r={NONCE}XY,s=c2FsdA==,i=4096"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (GOOD.replace("XY", ""), "nonce does not continue ours"),
        (GOOD.replace(NONCE, NONCE[:-1]), "nonce does not continue ours"),
        (GOOD.replace(NONCE, "A" + NONCE), "nonce does not continue ours"),
        (GOOD.replace("r=", "m=extension,r="), "does not parse"),
        (GOOD.replace("4096", "4095"), "4095 iterations, which is outside 4096 to 1000000"),
        (GOOD.replace("4096", "1"), "1 iterations"),
        (GOOD.replace("4096", "1000001"), "1000001 iterations"),
        (GOOD.replace("4096", "9" * 18), "iterations"),
        (GOOD.replace("4096", "9" * 5000), "does not parse"),
        (GOOD.replace("4096", "-4096"), "does not parse"),
        (GOOD.replace("4096", "0"), "does not parse"),
        (GOOD.replace("4096", "٤٠٩٦"), "does not parse"),
        (GOOD.replace("4096", ""), "does not parse"),
        (GOOD.replace("c2FsdA==", "c2FsdA"), "bad base64"),
        (GOOD.replace("c2FsdA==", "=c2FsdA"), "bad base64"),
        (GOOD.replace("c2FsdA==", ""), "does not parse"),
        (GOOD.replace("XY", "X\nY"), "does not parse"),
        ("e=unknown-user", "does not parse"),
        ("", "does not parse"),
        (b"r=\xff,s=c2FsdA==,i=4096", "not UTF-8"),
    ],
)
def test_a_challenge_that_must_not_be_taken(message: str | bytes, words: str) -> None:
    with pytest.raises(ScramError, match=re.escape(words)):
        challenged(message.encode() if isinstance(message, str) else message)


@pytest.mark.parametrize("iterations", [MIN_ITERATIONS, 16384, MAX_ITERATIONS])
def test_iterations_within_the_bounds_are_taken(iterations: int) -> None:
    """16384 is the most that Kafka stores. Extensions behind them are none of our business."""
    assert challenged(GOOD.replace("4096", str(iterations)).encode()) == Challenge(b"salt", iterations)
    assert challenged(GOOD.replace("4096", f"{iterations},x=y").encode()) == Challenge(b"salt", iterations)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("e=other-error", "the server says other-error"),
        ("e=other-error,x=y", "the server says other-error"),
        ("v=", "signature is wrong"),
        ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "signature is wrong"),
        ("v=BAAD", "signature is wrong"),
        ("v=?", "bad base64"),
        ("v=ñ", "bad base64"),
        ("p=abc", "does not parse"),
        ("", "does not parse"),
        (b"v=\xff", "not UTF-8"),
    ],
)
def test_a_verdict_that_must_not_be_taken(message: str | bytes, words: str) -> None:
    client = ScramClient("SCRAM-SHA-256", "alice", NONCE)
    client.first()
    client.proof(salt_password("SCRAM-SHA-256", Secret("secret"), client.challenged(GOOD.encode())))
    with pytest.raises(ScramError, match=re.escape(words)):
        client.verify(message.encode() if isinstance(message, str) else message)


@given(st.binary(max_size=80))
def test_no_bytes_break_it(junk: bytes) -> None:
    """Whatever a server says is taken, or is a ScramError."""
    for message in (junk, GOOD.encode() + junk, b"v=" + junk):
        client = ScramClient("SCRAM-SHA-256", "alice", NONCE)
        try:
            client.challenged(message)
        except ScramError:
            client.challenged(GOOD.encode())
        client.proof(b"salted")
        with pytest.raises(ScramError):
            client.verify(message)
