"""Frames: a length, a header, a message.

The client's side comes first; the broker's twins at the end serve the embedded broker.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from kafkastatic._protocol.messages import REQUESTS
from kafkastatic._protocol.messages.request_header import RequestHeader
from kafkastatic._protocol.messages.response_header import ResponseHeader
from kafkastatic._protocol.primitives import Bytes, R, Request, Response
from kafkastatic.errors import ProtocolError, UnsupportedVersionError

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
"""A longer frame is refused before its buffer exists."""

_API_VERSIONS = 18


def encode_request(request: Request[Any], version: int, correlation_id: int, client_id: str | None) -> bytes:
    """The whole frame, its length included.

    Raises:
        UnsupportedVersionError: if there is no such version, or it lacks a field that is set.
        ProtocolError: if a value does not fit its field.
    """
    body = request.encode(version)
    header = RequestHeader(
        request_api_key=request.API_KEY,
        request_api_version=version,
        correlation_id=correlation_id,
        client_id=client_id,
    ).encode(_request_header_version(request, version))
    return b"".join((_prefix(len(header) + len(body)), header, body))


def frame_length(prefix: Bytes, limit: int = MAX_RESPONSE_BYTES) -> int:
    """How many bytes follow the first four of a frame.

    Raises:
        ProtocolError: if the length is negative or above `limit`, as it is when something else than Kafka listens.
    """
    length = int.from_bytes(prefix[:4], "big", signed=True)
    if 0 <= length <= limit:
        return length
    start = bytes(prefix[:4])
    if start == b"HTTP":
        raise ProtocolError("This is not a Kafka listener (looks like HTTP).")
    if start[:2] == b"\x15\x03":
        raise ProtocolError("This is not a plaintext Kafka listener (looks like TLS).")
    raise ProtocolError(f"A frame of {length} bytes is outside the limit of {limit}.")


def response_correlation_id(frame: Bytes) -> int:
    """Which request a frame, its length left out, answers.

    Raises:
        ProtocolError: if it is too short to say.
    """
    if len(frame) < 4:
        raise ProtocolError(f"A response of {len(frame)} bytes has no correlation id.")
    return int.from_bytes(frame[:4], "big", signed=True)


def decode_response(request: Request[R] | type[Request[R]], frame: Bytes, version: int) -> R:
    """The answer to `request` in a frame, its length left out. The correlation id is not looked at.

    Raises:
        ProtocolError: if the bytes do not parse, or some are left over.
    """
    _, offset = ResponseHeader.decode_prefix(frame, _response_header_version(request, version))
    response: type[R] = request.RESPONSE
    return response.decode(frame, version, offset)


def request_class(api_key: int) -> type[Request[Any]]:
    """The request of an API; its module is imported when it is first asked for.

    Raises:
        UnsupportedVersionError: if the API is not one of ours.
    """
    if api_key not in REQUESTS:
        raise UnsupportedVersionError(api=f"API {api_key}", detail="the API is not known here")
    module, name = REQUESTS[api_key]
    return cast("type[Request[Any]]", getattr(import_module(f"kafkastatic._protocol.messages.{module}"), name))


def decode_request(frame: Bytes) -> tuple[RequestHeader, Request[Any]]:
    """A request from a frame, its length left out.

    Raises:
        UnsupportedVersionError: if the API, or its version, is not one of ours.
        ProtocolError: if the bytes do not parse.
    """
    header = decode_request_header(frame)
    request, offset = request_body(header, frame)
    return header, request.decode(frame, header.request_api_version, offset)


def decode_request_header(frame: Bytes) -> RequestHeader:
    """What a request in a frame is, whether or not the API and its version are ours.

    Raises:
        ProtocolError: if the bytes do not parse.
    """
    # Version 1 is a prefix of version 2, so it can be read before the version is known.
    header, _ = RequestHeader.decode_prefix(frame, 1)
    return header


def request_body(header: RequestHeader, frame: Bytes) -> tuple[type[Request[Any]], int]:
    """The class of the request that a header announces, and where it begins in the frame.

    Raises:
        UnsupportedVersionError: if the API, or its version, is not one of ours.
        ProtocolError: if the bytes do not parse.
    """
    request, version = request_class(header.request_api_key), header.request_api_version
    request.check_version(version)
    _, offset = RequestHeader.decode_prefix(frame, _request_header_version(request, version))
    return request, offset


def encode_response(response: Response, version: int, correlation_id: int) -> bytes:
    """The whole frame, its length included.

    Raises:
        UnsupportedVersionError: if there is no such version, or it lacks a field that is set.
        ProtocolError: if a value does not fit its field.
    """
    body = response.encode(version)
    header = ResponseHeader(correlation_id=correlation_id).encode(_response_header_version(response, version))
    return b"".join((_prefix(len(header) + len(body)), header, body))


def _prefix(length: int) -> bytes:
    if length > 0x7FFFFFFF:
        raise ProtocolError(f"A frame of {length} bytes cannot be sent.")
    return length.to_bytes(4, "big")


def _request_header_version(request: Request[Any] | type[Request[Any]], version: int) -> int:
    return 2 if version >= request.FLEXIBLE_SINCE else 1


def _response_header_version(message: Request[Any] | type[Request[Any]] | Response, version: int) -> int:
    # An ApiVersions answer must be readable by a client that does not know yet what the broker speaks (KIP-511).
    return 1 if version >= message.FLEXIBLE_SINCE and message.API_KEY != _API_VERSIONS else 0
