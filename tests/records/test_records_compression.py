"""The shapes in which producers compress, and the bounds of what comes out."""

from __future__ import annotations

import gzip
import tracemalloc

import cramjam
import pytest
from aiokafka import codec as aiokafka

from kafkastatic._records.compression import compress, decompress
from kafkastatic.errors import UnsupportedCodecError

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
MIB = 1 << 20
TEXT = b"".join(b"%d lorem ipsum dolor sit amet " % i for i in range(10_000))  # 300 kB: several blocks of each codec
ZEROS = bytes(32 * MIB)


@pytest.mark.parametrize("codec", range(5))
@pytest.mark.parametrize("data", [b"", b"x", TEXT], ids=["empty", "byte", "text"])
def test_what_is_compressed_comes_back(codec: int, data: bytes) -> None:
    """Also nothing, and more than one block."""
    assert decompress(codec, memoryview(compress(codec, data))) == data


@pytest.mark.parametrize(
    ("codec", "decoder"),
    [
        (GZIP, gzip.decompress),
        (SNAPPY, aiokafka.snappy_decode),
        (LZ4, aiokafka.lz4_decode),
        (ZSTD, aiokafka.zstd_decode),
    ],
)
def test_a_peer_decompresses_what_we_compress(codec: int, decoder: object) -> None:
    assert callable(decoder)
    assert bytes(decoder(compress(codec, TEXT))) == TEXT


def test_lz4_blocks_are_independent() -> None:
    """Kafka's Java decoder refuses dependent ones; this flag says which they are."""
    assert compress(LZ4, TEXT)[4] & 0x20


def test_incompressible_lz4_blocks_are_stored() -> None:
    noise = gzip.compress(TEXT)
    packed = compress(LZ4, noise)
    assert len(packed) <= len(noise) + 7 + 4 * (len(noise) // 65536 + 1) + 4
    assert decompress(LZ4, packed) == noise == bytes(cramjam.lz4.decompress(packed))


def test_lz4_blocks_may_be_linked() -> None:
    """As the lz4 library writes them unless told otherwise."""
    linked = bytes(cramjam.lz4.compress(TEXT))

    assert not linked[4] & 0x20
    assert decompress(LZ4, linked) == TEXT


def test_zstd_frames_may_hide_their_size() -> None:
    """Streaming encoders, Kafka's Java client among them, do not know it in advance."""
    stream = cramjam.zstd.Compressor(3)
    stream.compress(TEXT)
    hidden = bytes(stream.finish())

    assert hidden[4] >> 5 == 0  # neither a content size nor a single segment
    assert decompress(ZSTD, hidden) == TEXT


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_791, 65_792, 300_000])
def test_zstd_frames_may_tell_their_size(size: int) -> None:
    """In a field of 1, 2 or 4 bytes."""
    data = (TEXT + TEXT)[:size]
    assert decompress(ZSTD, bytes(cramjam.zstd.compress(data)), limit=size) == data


def test_snappy_may_be_one_raw_block() -> None:
    assert decompress(SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))) == TEXT


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_streams_may_be_concatenated(codec: int) -> None:
    """The first guess at the size is wrong then; the buffer grows."""
    packed = compress(codec, TEXT) + compress(codec, b"short")
    assert decompress(codec, packed) == TEXT + b"short"


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_the_limit_itself_may_come_out(codec: int) -> None:
    packed = compress(codec, TEXT)

    assert decompress(codec, packed, len(TEXT)) == TEXT
    with pytest.raises(ValueError, match=f"at most {len(TEXT) - 1} "):
        decompress(codec, packed, len(TEXT) - 1)


def hidden_zstd(data: bytes) -> bytes:
    stream = cramjam.zstd.Compressor(1)
    stream.compress(data)
    return bytes(stream.finish())


BOMBS = {
    "gzip": (GZIP, gzip.compress(ZEROS, 1)),
    "gzip, small end": (GZIP, gzip.compress(ZEROS, 1) + gzip.compress(b"x")),
    "snappy": (SNAPPY, bytes(cramjam.snappy.compress_raw(ZEROS))),
    "snappy, xerial": (SNAPPY, compress(SNAPPY, ZEROS)),
    "snappy, 4 GiB forged": (SNAPPY, b"\xff\xff\xff\xff\x0f\x00"),
    "lz4": (LZ4, compress(LZ4, ZEROS)),
    "lz4, linked": (LZ4, bytes(cramjam.lz4.compress(ZEROS))),
    "zstd": (ZSTD, bytes(cramjam.zstd.compress(ZEROS, 1))),
    "zstd, hidden size": (ZSTD, hidden_zstd(ZEROS)),
    "zstd, many frames": (ZSTD, bytes(cramjam.zstd.compress(bytes(MIB // 4), 1)) * 100),
    "zstd, 2**60 forged": (ZSTD, b"\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00" * 3),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_allocates_no_more_than_the_limit(name: str) -> None:
    """Small data that would fill the memory ends in an error instead."""
    codec, bomb = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"at most {MIB} "):
            decompress(codec, bomb, MIB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < MIB + 256 * 1024


def test_forged_tiny_snappy_blocks_take_no_memory() -> None:
    """Each of them five bytes long, and nothing in any."""
    forged = compress(SNAPPY, b"") + b"\x00\x00\x00\x01\x00" * 5_000
    tracemalloc.start()
    try:
        assert decompress(SNAPPY, forged) == b""
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    with pytest.raises(ValueError, match="failed"):
        decompress(SNAPPY, forged + b"\x00\x00\x00\x05\x00junk")


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_truncated_data_is_an_error(codec: int) -> None:
    """At every length, never a shorter answer: but an empty snappy stream is one."""
    packed = compress(codec, b"0123456789" * 20)
    whole_streams = {16} if codec == SNAPPY else set[int]()
    for size in range(1, len(packed)):
        if size not in whole_streams:
            with pytest.raises(ValueError, match=r"failed|at most"):
                decompress(codec, packed[:size], 4096)


@pytest.mark.parametrize("codec", [-1, 5, 6, 7])
def test_an_unknown_codec_is_named(codec: int) -> None:
    with pytest.raises(UnsupportedCodecError, match=f"codec {codec} "):
        decompress(codec, b"")
    with pytest.raises(UnsupportedCodecError, match=f"codec {codec} "):
        compress(codec, b"")
