"""Frames, versions and error codes."""

from __future__ import annotations

import ast
import copy
import pickle
from pathlib import Path

import pytest

import kafkastatic._protocol as package
from kafkastatic._protocol import error_codes
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._protocol.framing import (
    MAX_RESPONSE_BYTES,
    decode_request,
    decode_response,
    encode_request,
    frame_length,
    request_class,
    response_correlation_id,
)
from kafkastatic._protocol.messages.api_versions import ApiVersionsRequest
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkastatic._protocol.messages.join_group import JoinGroupRequest
from kafkastatic._protocol.messages.request_header import RequestHeader
from kafkastatic._protocol.versions import ApiVersionRange, negotiate
from kafkastatic.errors import (
    BrokerError,
    FencedInstanceIdError,
    ProtocolError,
    UnsupportedVersionError,
    classes_by_code,
)


def test_a_request_is_framed() -> None:
    """Length, header v1 with a plain client id, body: written out by hand."""
    sent = encode_request(HeartbeatRequest(group_id="g", generation_id=3, member_id="m"), 0, 9, "me")

    body = b"\0\x01g" + b"\0\0\0\x03" + b"\0\x01m"
    assert sent == b"\0\0\0\x16" + b"\0\x0c\0\0\0\0\0\x09\0\x02me" + body


def test_the_client_id_stays_plain_in_flexible_headers() -> None:
    """Header v2 keeps the old string, which every broker can read."""
    sent = encode_request(ApiVersionsRequest(client_software_name="k", client_software_version="1"), 3, 1, "me")

    assert sent[4:] == b"\0\x12\0\x03\0\0\0\x01\0\x02me\0" + b"\x02k\x021\0"


def test_a_response_is_taken_apart() -> None:
    """The correlation id first, then the body with a type that follows from the request's."""
    frame = b"\0\0\0\x09\0" + b"\0\0\0\x05\0\x1b\0"

    assert response_correlation_id(frame) == 9
    answer: HeartbeatResponse = decode_response(HeartbeatRequest(), frame, 4)
    assert answer == HeartbeatResponse(throttle_time_ms=5, error_code=27)


@pytest.mark.parametrize("frame", [b"", b"\0\0\0"])
def test_a_frame_without_correlation_id_is_refused(frame: bytes) -> None:
    """Nobody could tell which request it answers."""
    with pytest.raises(ProtocolError):
        response_correlation_id(frame)


def test_frame_lengths_are_bounded() -> None:
    """Up to 256 MiB, and the error names what answered instead of Kafka."""
    assert frame_length(b"\0\0\x01\0") == 256
    assert frame_length(MAX_RESPONSE_BYTES.to_bytes(4, "big")) == 256 * 1024 * 1024
    for prefix, words in (
        ((MAX_RESPONSE_BYTES + 1).to_bytes(4, "big"), "limit"),
        (b"\xff\xff\xff\xff", "-1 bytes"),
        (b"HTTP", r"not a Kafka listener \(looks like HTTP\)"),
        (b"\x15\x03\x03\0", "looks like TLS"),
    ):
        with pytest.raises(ProtocolError, match=words):
            frame_length(prefix)


def test_unknown_requests_are_refused_with_their_header_readable() -> None:
    """A broker can answer an unknown version: the header's first version is a prefix of the second."""
    frame = b"\0\x12\x00\x63\0\0\0\x07\0\x02me\0"
    with pytest.raises(UnsupportedVersionError):
        decode_request(frame)
    header, _ = RequestHeader.decode_prefix(frame, 1)
    assert (header.request_api_version, header.correlation_id, header.client_id) == (99, 7, "me")
    with pytest.raises(UnsupportedVersionError):
        request_class(999)


def test_the_highest_common_version_is_spoken() -> None:
    """Of the broker's range, ours, and the cap."""
    assert negotiate(JoinGroupRequest, {11: (0, 99)}) == JoinGroupRequest.MAX_VERSION
    assert negotiate(JoinGroupRequest, {11: (0, 5)}) == 5
    assert negotiate(JoinGroupRequest, {11: (0, 9)}, cap=4) == 4
    assert negotiate(JoinGroupRequest, {11: ApiVersionRange(9, 20)}) == 9


@pytest.mark.parametrize(
    ("ranges", "cap", "words"),
    [
        ({11: (10, 12)}, None, "the broker speaks v10 to v12, this client would speak v0 to v9"),
        ({11: (5, 9)}, 4, "the broker speaks v5 to v9, this client would speak v0 to v4"),
        ({11: (0, -1)}, None, "the broker speaks v0 to v-1"),
        ({}, None, "does not serve this API"),
    ],
)
def test_no_common_version_is_an_error_with_both_ranges(
    ranges: dict[int, tuple[int, int]], cap: int | None, words: str
) -> None:
    """One sees at once who is too old."""
    with pytest.raises(UnsupportedVersionError, match=words) as caught:
        negotiate(JoinGroupRequest, ranges, cap)
    assert caught.value.api == "JoinGroup"


def test_the_error_table_is_whole() -> None:
    """Every code has its constant, and codes that this client acts on have Kafka's numbers and retriability."""
    for code, info in error_codes.TABLE.items():
        assert getattr(error_codes, info.name) == code
    assert sorted(error_codes.TABLE) == list(range(-1, len(error_codes.TABLE) - 1))
    assert (error_codes.NONE, error_codes.FENCED_INSTANCE_ID, error_codes.UNKNOWN_MEMBER_ID) == (0, 82, 25)
    assert (error_codes.UNRELEASED_INSTANCE_ID, error_codes.MEMBER_ID_REQUIRED) == (111, 79)
    assert is_retriable(error_codes.NOT_COORDINATOR)
    assert not is_retriable(error_codes.NONE)
    assert not is_retriable(error_codes.FENCED_INSTANCE_ID)


def test_classes_of_codes_agree_with_kafka() -> None:
    """The hand-written classes carry Kafka's name of their code."""
    for code, cls in classes_by_code().items():
        error = error_for(code, api="JoinGroup")
        assert type(error) is cls
        assert (cls.name, error.code, error.name) == (error_codes.TABLE[code].name, code, cls.name)
        assert error.retriable == error_codes.TABLE[code].retriable


def test_errors_carry_their_context() -> None:
    """The message names what is known, and survives a copy."""
    error = error_for(82, api="SyncGroup", group="g", instance_id="billing-0", detail="replaced")

    assert isinstance(error, FencedInstanceIdError)
    assert "SyncGroup answered FENCED_INSTANCE_ID (82) for group='g', group_instance_id='billing-0': replaced" in str(
        error
    )
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(twin), str(twin), twin.instance_id) == (type(error), str(error), "billing-0")


def test_an_unknown_code_keeps_its_number() -> None:
    """A newer broker's code is a plain BrokerError, never retried blindly."""
    error = error_for(4321, api="Fetch")

    assert type(error) is BrokerError
    assert (error.code, error.name, error.retriable) == (4321, "UNKNOWN_CODE_4321", False)
    assert not is_retriable(4321)


FORBIDDEN = {"asyncio", "anyio", "socket", "ssl", "threading", "time", "random", "uuid", "structlog"}


def test_the_package_does_no_io() -> None:
    """No module imports a clock, a socket or a loop."""
    for path in Path(package.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not FORBIDDEN & {name.split(".")[0] for name in names}, path


def test_importing_the_framing_imports_no_api() -> None:
    """Each API's module is loaded when it is first needed: the registry names modules only."""
    for name in ("framing.py", "primitives.py", "versions.py", "messages/__init__.py"):
        tree = ast.parse((Path(package.__path__[0]) / name).read_text(encoding="utf-8"))
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        messages = {module.rpartition(".")[2] for module in modules if "messages." in module}
        assert messages <= {"request_header", "response_header"}
