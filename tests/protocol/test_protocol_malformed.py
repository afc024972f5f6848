"""Bytes that are no Kafka message: refused as ProtocolError, before anything large is allocated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkastatic._protocol.consumer_protocol import decode_assignment, decode_subscription
from kafkastatic._protocol.framing import decode_request, decode_response, request_class
from kafkastatic._protocol.messages import REQUESTS
from kafkastatic._protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from kafkastatic._protocol.messages.describe_groups import DescribeGroupsRequest
from kafkastatic._protocol.messages.fetch import EpochEndOffset, FetchRequest, FetchResponse, PartitionData
from kafkastatic._protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from kafkastatic._protocol.messages.join_group import JoinGroupRequestProtocol
from kafkastatic._protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from kafkastatic._protocol.messages.offset_commit import OffsetCommitRequest
from kafkastatic._protocol.messages.offset_fetch import OffsetFetchRequest
from kafkastatic._protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from kafkastatic._protocol.messages.sync_group import SyncGroupResponse
from kafkastatic._protocol.primitives import Reader, TopLevel, Writer
from kafkastatic.errors import KafkaError, ProtocolError, UnsupportedVersionError

DECODERS: list[tuple[type[TopLevel], int]] = [
    (cls, version)
    for key in REQUESTS
    for cls in (request_class(key), request_class(key).RESPONSE)
    for version in range(cls.MIN_VERSION, cls.MAX_VERSION + 1)
]


@given(decoder=st.sampled_from(DECODERS), data=st.binary(max_size=300))
def test_arbitrary_bytes_decode_or_are_refused(decoder: tuple[type[TopLevel], int], data: bytes) -> None:
    """No decoder raises anything but ProtocolError, and what decodes encodes again."""
    cls, version = decoder
    try:
        message = cls.decode(data, version)
    except ProtocolError:
        return
    assert cls.decode(message.encode(version), version) == message


@given(decoder=st.sampled_from(DECODERS), data=st.data())
def test_one_wrong_byte_is_survived(decoder: tuple[type[TopLevel], int], data: st.DataObject) -> None:
    """Flipping a byte of a valid message gives another message or a ProtocolError."""
    cls, version = decoder
    valid = cls().encode(version)
    if not valid:
        return
    valid[data.draw(st.integers(0, len(valid) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        cls.decode(valid, version)


@given(st.binary(max_size=200))
def test_arbitrary_frames_and_metadata_are_survived(data: bytes) -> None:
    """The other entrances to foreign bytes raise errors of this package only."""
    decoders: tuple[Callable[[bytes], object], ...] = (
        decode_request,
        decode_subscription,
        decode_assignment,
        partial(decode_response, HeartbeatRequest, version=4),
    )
    for decode in decoders:
        try:
            decode(data)
        except KafkaError as error:
            assert isinstance(error, ProtocolError | UnsupportedVersionError)


@pytest.mark.parametrize(
    ("cls", "version", "data"),
    [
        pytest.param(MetadataResponse, 0, b"\x7f\xff\xff\xff", id="array"),
        pytest.param(MetadataResponse, 9, b"\0\0\0\0\xff\xff\xff\xff\x0f", id="compact array"),
        pytest.param(HeartbeatRequest, 0, b"\x7f\xff", id="string"),
        pytest.param(HeartbeatRequest, 4, b"\xff\xff\xff\xff\x0f", id="compact string"),
        pytest.param(SyncGroupResponse, 0, b"\0\0\x7f\xff\xff\xff", id="bytes"),
        pytest.param(SyncGroupResponse, 4, b"\0\0\0\0\0\0\xff\xff\xff\xff\x0f", id="compact bytes"),
        pytest.param(HeartbeatResponse, 4, b"\0\0\0\0\0\0\x01\x09\xff\xff\xff\xff\x0f", id="tagged field"),
        pytest.param(HeartbeatResponse, 4, b"\0\0\0\0\0\0\xff\xff\xff\xff\x0f", id="number of tagged fields"),
    ],
)
def test_forged_lengths_are_refused_before_allocation(cls: type[TopLevel], version: int, data: bytes) -> None:
    """A length beyond the bytes that are there costs nothing."""
    with pytest.raises(ProtocolError):
        cls.decode(data, version)


def test_a_forged_array_of_numbers_is_refused() -> None:
    """The count fits the bytes, the elements do not."""
    for count in (1, 20):
        with pytest.raises(ProtocolError):
            OffsetFetchRequest.decode(
                b"\0\0" + b"\0\0\0\1" + b"\0\1t" + count.to_bytes(4, "big") + b"\0" * 3 * count, 1
            )


@pytest.mark.parametrize(
    ("cls", "version", "data"),
    [
        pytest.param(HeartbeatRequest, 0, b"\xff\xff", id="null string"),
        pytest.param(HeartbeatRequest, 0, b"\xff\xfe", id="negative string"),
        pytest.param(HeartbeatRequest, 4, b"\0", id="null compact string"),
        pytest.param(DescribeGroupsRequest, 0, b"\xff\xff\xff\xff", id="null array"),
        pytest.param(MetadataRequest, 1, b"\xff\xff\xff\xfe", id="negative nullable array"),
        pytest.param(SyncGroupResponse, 0, b"\0\0\xff\xff\xff\xff", id="null bytes"),
        pytest.param(HeartbeatRequest, 0, b"\0\2\xc3\x28", id="no UTF-8"),
        pytest.param(HeartbeatRequest, 4, b"\x80\x80\x80\x80\x80\x01", id="long varint"),
    ],
)
def test_malformed_values_are_refused(cls: type[TopLevel], version: int, data: bytes) -> None:
    """Nulls where there is none, negative lengths, bad text and endless varints are ProtocolErrors."""
    with pytest.raises(ProtocolError):
        cls.decode(data + bytes(40), version)


HEARTBEAT = bytes(6)
"""A heartbeat response without its tagged fields."""


def test_unknown_tagged_fields_are_skipped() -> None:
    """A newer broker may send tags that we do not know; they are dropped."""
    data = HEARTBEAT + b"\x02" + b"\x03\x02ab" + b"\xc8\x01\x00"

    assert HeartbeatResponse.decode(data, 4) == HeartbeatResponse()


def test_unknown_tags_among_known_ones_are_skipped() -> None:
    """The known tag behind an unknown one is read."""
    known = ApiVersionsResponse(finalized_features_epoch=5, zk_migration_ready=True).encode(3)
    assert known.endswith(b"\x02" + b"\x01\x08\0\0\0\0\0\0\0\x05" + b"\x03\x01\x01")
    data = known.replace(b"\x02\x01\x08", b"\x03\x01\x08") + b"\x09\x01\x00"

    decoded = ApiVersionsResponse.decode(data, 3)

    assert (decoded.finalized_features_epoch, decoded.zk_migration_ready) == (5, True)


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(b"\x01\x01\x09" + bytes(9), id="size too large"),
        pytest.param(b"\x01\x01\x07" + bytes(8), id="size too small"),
        pytest.param(b"\x02\x03\x01\x01\x03\x01\x01", id="twice"),
        pytest.param(b"\x02\x03\x01\x01\x01\x08" + bytes(8), id="out of order"),
    ],
)
def test_odd_tagged_fields_are_refused(tags: bytes) -> None:
    """A tag's size must be that of its value, and tags ascend."""
    start = ApiVersionsResponse().encode(3).removesuffix(b"\0")

    with pytest.raises(ProtocolError):
        ApiVersionsResponse.decode(start + tags, 3)


def test_any_nonzero_byte_is_true() -> None:
    """As Kafka reads it."""
    data = MetadataRequest(topics=None, allow_auto_topic_creation=True).encode(4)
    assert data[-1] == 1
    data[-1] = 0x40

    assert MetadataRequest.decode(data, 4).allow_auto_topic_creation is True


def test_versions_outside_the_range_are_refused() -> None:
    """In both directions, with the API named."""
    for version in (-1, 5):
        with pytest.raises(UnsupportedVersionError, match="Heartbeat"):
            HeartbeatRequest().encode(version)
        with pytest.raises(UnsupportedVersionError, match="Heartbeat"):
            HeartbeatRequest.decode(b"", version)


def test_a_set_field_that_the_version_lacks_is_named() -> None:
    """The error says which field, and which version cannot carry it."""
    with pytest.raises(UnsupportedVersionError, match=r"HeartbeatRequest.group_instance_id is set, which v2") as caught:
        HeartbeatRequest(group_instance_id="billing-0").encode(2)

    assert (caught.value.code, caught.value.api) == (35, "Heartbeat")


@pytest.mark.parametrize(
    ("message", "version"),
    [
        pytest.param(MetadataRequest(topics=None), 0, id="null array"),
        pytest.param(MetadataRequest(topics=[MetadataRequestTopic(name=None)]), 9, id="null string"),
        pytest.param(MetadataRequest(topics=[MetadataRequestTopic(topic_id=b"short")]), 12, id="short uuid"),
        pytest.param(FetchRequest(max_wait_ms=2**31), 4, id="large number"),
        pytest.param(HeartbeatRequest(group_id="x" * 40000), 0, id="long string"),
        pytest.param(HeartbeatRequest(group_id="\ud800"), 0, id="lone surrogate"),
    ],
)
def test_values_that_do_not_fit_are_refused(message: TopLevel, version: int) -> None:
    """What cannot be said in a version is a ProtocolError, not an error of `struct`."""
    with pytest.raises(ProtocolError):
        message.encode(version)


def test_records_are_a_view_of_the_response() -> None:
    """The bytes of record batches are not copied."""
    frame = bytearray(FetchResponse().encode(4))
    partition = PartitionData(records=b"0123456789")
    out = Writer()
    partition.write(out, 4)

    decoded = PartitionData.read(Reader(out.buffer), 4)

    assert isinstance(decoded.records, memoryview)
    assert decoded.records.obj is out.buffer
    assert decoded == partition
    assert "records=<10 bytes>" in repr(decoded)
    assert frame == FetchResponse.decode(frame, 4).encode(4)


def test_messages_compare_by_value_and_share_nothing() -> None:
    """Defaults belong to one message each, and a list that is passed in is copied."""
    topics = [MetadataRequestTopic(name="a")]
    first, second = MetadataRequest(topics=topics), MetadataRequest(topics=topics)
    assert first == second
    assert first != MetadataRequest()
    assert first != object()

    topics.append(MetadataRequestTopic(name="b"))
    assert first == second
    assert PartitionData().diverging_epoch is not PartitionData().diverging_epoch
    assert PartitionData().diverging_epoch == EpochEndOffset(epoch=-1, end_offset=-1)
    assert repr(ApiVersion(api_key=3, max_version=9)) == "ApiVersion(api_key=3, min_version=0, max_version=9)"
    assert repr(SaslAuthenticateRequest(auth_bytes=b"password")) == "SaslAuthenticateRequest(auth_bytes=***)"
    with pytest.raises(TypeError):
        hash(JoinGroupRequestProtocol())
    with pytest.raises(AttributeError):
        OffsetCommitRequest().group_instnce_id = "typo"  # pyright: ignore[reportAttributeAccessIssue]
