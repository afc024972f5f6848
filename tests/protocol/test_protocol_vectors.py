"""Messages against the bytes that Kafka's own Java classes write; `tools/vectors.py` made them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from kafkastatic._protocol.consumer_protocol import (
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from kafkastatic._protocol.framing import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    request_class,
)
from kafkastatic._protocol.messages import REQUESTS
from kafkastatic._protocol.messages.consumer_protocol_assignment import ConsumerProtocolAssignment
from kafkastatic._protocol.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from kafkastatic._protocol.messages.request_header import RequestHeader
from kafkastatic._protocol.messages.response_header import ResponseHeader
from kafkastatic._protocol.primitives import Message, TopLevel
from kafkastatic.errors import ProtocolError, UnsupportedVersionError
from kafkastatic.types import TopicPartition

Line = dict[str, Any]

LINES: list[Line] = [
    json.loads(line)
    for line in gzip.decompress((Path(__file__).parent / "vectors.jsonl.gz").read_bytes()).decode().splitlines()
]
CLASSES: dict[str, type[TopLevel]] = {
    cls.__name__: cls
    for cls in (
        *(request_class(key) for key in REQUESTS),
        *(request_class(key).RESPONSE for key in REQUESTS),
        ConsumerProtocolAssignment,
        ConsumerProtocolSubscription,
        RequestHeader,
        ResponseHeader,
    )
}
every_message = pytest.mark.parametrize("name", sorted(CLASSES))


def lines(kind: str, name: str | None = None) -> Iterator[tuple[Line, int, bytes]]:
    """The vectors of a kind, with version and bytes."""
    for line in LINES:
        if line["kind"] == kind and name in (None, line["name"]):
            yield line, line["version"], bytes.fromhex(line.get("hex", ""))


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def assert_renders(value: object, rendered: Any) -> None:
    """`value` is what Kafka rendered as JSON: bytes as base64, uuids as its URL-safe form; defaults may be left out."""
    if isinstance(value, Message):
        default = type(value)()
        known = {camel(field): getattr(value, field) for field in value.__slots__}
        assert set(rendered) <= set(known)
        for field in value.__slots__:
            if camel(field) in rendered:
                assert_renders(getattr(value, field), rendered[camel(field)])
            else:
                assert getattr(value, field) == getattr(default, field), field
    elif isinstance(value, list):
        for item, expected in zip(cast("list[object]", value), rendered, strict=True):
            assert_renders(item, expected)
    elif isinstance(value, bytes | memoryview):
        data = bytes(cast("bytes", value))
        assert rendered in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode().rstrip("="))
    else:
        assert (type(value), value) == (type(rendered), rendered)


@every_message
def test_decodes_what_kafka_encoded(name: str) -> None:
    """Every field of every version has the value that Kafka renders, and encodes to the same bytes again."""
    for line, version, data in lines("message", name):
        message = CLASSES[name].decode(data, version)

        assert_renders(message, line["json"])
        assert message.encode(version) == data


@every_message
def test_every_version_has_vectors(name: str) -> None:
    """The vectors cover exactly the versions that the class claims."""
    cls = CLASSES[name]
    assert {version for _, version, _ in lines("message", name)} == set(range(cls.MIN_VERSION, cls.MAX_VERSION + 1))


REFUSED = {"UnsupportedVersionException": UnsupportedVersionError, "NullPointerException": ProtocolError}


@every_message
def test_fields_that_a_version_lacks(name: str) -> None:
    """A field is dropped, or refused, in the versions without it exactly as Kafka does."""
    for line, version, data in lines("move", name):
        message = CLASSES[name].decode(data, version)

        for other, expected in line["to"].items():
            if expected in REFUSED:
                with pytest.raises(REFUSED[expected]):
                    message.encode(int(other))
            else:
                assert message.encode(int(other)).hex() == expected
                assert CLASSES[name].decode(bytes.fromhex(expected), int(other)).encode(int(other)).hex() == expected


@every_message
def test_every_truncation_is_refused(name: str) -> None:
    """A message cut anywhere, or with a byte too many, is a ProtocolError."""
    cls = CLASSES[name]
    for _, version, data in lines("message", name):
        for end in range(0, len(data), 1 + len(data) // 60):
            with pytest.raises(ProtocolError):
                cls.decode(data[:end], version)
        with pytest.raises(ProtocolError, match="ends at byte"):
            cls.decode(data + b"\x00", version)


@every_message
def test_the_kind_of_buffer_does_not_matter(name: str) -> None:
    """bytes, bytearray and memoryview decode alike, from an offset as well."""
    for _, version, data in lines("message", name):
        message = CLASSES[name].decode(data, version)

        assert CLASSES[name].decode(bytearray(b"###" + data), version, 3) == message
        assert CLASSES[name].decode(memoryview(data), version) == message


def test_header_versions_are_kafkas() -> None:
    """Requests and responses of every API and version carry the header that Kafka expects."""
    ours = [(line, version) for line, version, _ in lines("headers") if line["key"] in REQUESTS]
    assert {line["name"] for line, _ in ours} == {request_class(key).NAME for key in REQUESTS}
    for line, version in ours:
        cls = request_class(line["key"])
        if version > cls.MAX_VERSION:
            continue  # not stable in this release
        request, response = cls(), cls.RESPONSE()
        sent = encode_request(request, version, 7, "me")
        header = RequestHeader(
            request_api_key=cls.API_KEY, request_api_version=version, correlation_id=7, client_id="me"
        )
        assert sent[4:] == header.encode(line["request"]) + request.encode(version)
        assert decode_request(sent[4:]) == (header, request)

        answer = encode_response(response, version, 7)
        assert answer[4:] == ResponseHeader(correlation_id=7).encode(line["response"]) + response.encode(version)
        assert decode_response(request, answer[4:], version) == response


OWNED = [TopicPartition("t2", 1), TopicPartition("t1", 3), TopicPartition("t2", 0), TopicPartition("t1", 1)]


def test_subscriptions_are_kafkas() -> None:
    """A member's metadata is byte for byte what the Java consumer sends, in every version."""
    for line, version, data in lines("subscription"):
        if line["name"] == "full":
            assert encode_subscription(["t2", "t1"], b"\1\2\3", OWNED, 5, "rack-a", version) == data
            expected = (
                ["t1", "t2"],
                b"\1\2\3",
                sorted(OWNED) if version >= 1 else [],
                5 if version >= 2 else -1,
                "rack-a" if version >= 3 else None,
            )
            assert decode_subscription(data) == expected
        else:
            assert encode_subscription(["t1"], version=version) == data
            assert decode_subscription(data) == (["t1"], None, [], -1, None)
            assert line["name"] == "empty" or encode_subscription(["t1"]) == data


def test_assignments_are_kafkas() -> None:
    """What the leader hands out is byte for byte what the Java consumer sends, in every version."""
    for line, version, data in lines("assignment"):
        full = line["name"] == "full"
        assert encode_assignment(OWNED if full else [], b"\1\2\3" if full else None, version) == data
        assert sorted(decode_assignment(data)) == (sorted(OWNED) if full else [])
