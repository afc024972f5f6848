"""One table over all implementations of the codecs: the same data, the same outcome, whichever is in use."""

from __future__ import annotations

import gzip
import os
import random
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import cramjam
import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafkastatic._records.compression import (
    DEFAULT_LIMIT,
    SCRATCH,
    borrow,
    buffers,
    compress,
    decompress,
    estimate,
    fast,
    give_back,
)
from kafkastatic._records.compression import gzip as gzip_codec
from kafkastatic._records.compression import lz4 as lz4_codec
from kafkastatic._records.compression import snappy as snappy_codec
from kafkastatic._records.compression.lz4 import xxh32

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
KIB = 1 << 10
MIB = 1 << 20
TEXT = b"".join(b"%d lorem ipsum dolor sit amet " % i for i in range(10_000))  # 300 kB: several blocks of each codec
NOISE = random.Random(1).randbytes(150_000)
LONG = TEXT * 15  # more than a block of any size
ZEROS = bytes(65 * MIB)

GZIPS: dict[str, Callable[..., Any]] = {"isal": fast.whole_by_isal, "cramjam": gzip_codec.whole_by_cramjam}


class Case(NamedTuple):
    codec: int
    data: bytes
    outcome: bytes | str
    """What comes out, or what the error says."""


def frame(data: bytes, **settings: Any) -> bytes:
    return lz4.frame.compress(data, **settings)


def patched(data: bytes, at: int, byte: int | None = None) -> bytes:
    """Another byte there."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1 if byte is None else byte]) + data[at + 1 :]


def member(data: bytes, flags: int, extra: bytes) -> bytes:
    """A gzip member whose header has optional fields."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    return (
        struct.pack("<4BIBB", 31, 139, 8, flags, 0, 0, 3)
        + extra
        + body
        + struct.pack("<II", zlib.crc32(data), len(data))
    )


def hidden_zstd(data: bytes) -> bytes:
    stream = cramjam.zstd.Compressor(1)
    stream.compress(data)
    return bytes(stream.finish())


def wrong_zstd(size: int) -> bytes:
    """A frame of ten bytes that says it had another number."""
    return b"\x28\xb5\x2f\xfd\xa0" + size.to_bytes(4, "little") + b"\x51\x00\x00" + b"0123456789"


def lz4_header(flags: int, block: int, rest: bytes = b"") -> bytes:
    """A frame's header, its own checksum right (that of libraries' headers is checked by all other cases)."""
    return b"\x04\x22\x4d\x18" + bytes([flags, block]) + rest + bytes([xxh32(bytes([flags, block]) + rest) >> 8 & 255])


GZ = gzip.compress(TEXT)
FRAME = frame(TEXT, block_linked=False, block_size=4, store_size=False)
SIZED = frame(TEXT, block_linked=False)
XERIAL = compress(SNAPPY, TEXT)
RAW = bytes(cramjam.snappy.compress_raw(TEXT))
ZST = bytes(cramjam.zstd.compress(TEXT))
NO_BLOCKS = b"\0\0\0\0"
FAILED = "failed"

CASES = {
    "gzip": Case(GZIP, GZ, TEXT),
    "gzip of nothing": Case(GZIP, gzip.compress(b""), b""),
    "gzip of noise": Case(GZIP, gzip.compress(NOISE), NOISE),
    "gzip, stored": Case(GZIP, gzip.compress(NOISE, 0), NOISE),
    "gzip, members": Case(GZIP, GZ + gzip.compress(b"short"), TEXT + b"short"),
    "gzip, a short member first": Case(GZIP, gzip.compress(b"short") + GZ, b"short" + TEXT),
    "gzip, members that expand": Case(GZIP, gzip.compress(bytes(MIB)) * 3 + GZ, bytes(3 * MIB) + TEXT),
    "gzip, empty members": Case(GZIP, gzip.compress(b"") * 2 + GZ + gzip.compress(b"") * 2, TEXT),
    "gzip, members of one size": Case(GZIP, gzip.compress(b"12345") * 2, b"1234512345"),
    "gzip, a name and a comment": Case(GZIP, member(TEXT, 0x18, b"name\0comment\0"), TEXT),
    "gzip, an extra field": Case(GZIP, member(TEXT, 0x04, b"\x03\0abc"), TEXT),
    "gzip, a zero behind the end": Case(GZIP, GZ + b"\0", TEXT),
    "gzip, a block of zeros behind the end": Case(GZIP, GZ + bytes(512), TEXT),
    "gzip, text behind the end": Case(GZIP, GZ + b"not a member, whatever it may say here", TEXT),
    "gzip, a huge number behind the end": Case(GZIP, GZ + b"\xff" * 40, TEXT),
    "gzip, a broken member behind the end": Case(GZIP, GZ + b"\x1f\x8b\x08" + bytes(40), FAILED),
    "gzip, a truncated member behind the end": Case(GZIP, GZ + GZ[:-1], FAILED),
    "gzip, a wrong checksum": Case(GZIP, patched(GZ, -5), FAILED),
    "gzip, a wrong size": Case(GZIP, patched(GZ, -4), FAILED),
    "gzip, a size beyond the limit": Case(GZIP, patched(GZ, -1, 255), FAILED),
    "gzip, truncated": Case(GZIP, GZ[:-1], FAILED),
    "gzip, truncated within its content": Case(GZIP, GZ[: len(GZ) // 2], FAILED),
    "gzip, its header only": Case(GZIP, GZ[:10], FAILED),
    "gzip, nothing": Case(GZIP, b"", FAILED),
    "gzip, no gzip": Case(GZIP, TEXT, FAILED),
    "gzip, zlib": Case(GZIP, zlib.compress(TEXT), FAILED),
    "gzip, corrupt": Case(GZIP, patched(GZ, len(GZ) // 2), FAILED),
    "lz4": Case(LZ4, FRAME, TEXT),
    "lz4, sized": Case(LZ4, SIZED, TEXT),
    "lz4 of nothing": Case(LZ4, frame(b""), b""),
    "lz4 of nothing, unsized": Case(LZ4, frame(b"", store_size=False), b""),
    "lz4 of noise": Case(LZ4, frame(NOISE, block_linked=False), NOISE),
    "lz4 of noise, linked": Case(LZ4, frame(NOISE, block_size=4), NOISE),
    **{
        f"lz4, blocks of {kib} KiB, {'linked' if linked else 'independent'}{', sums' if sums else ''}": Case(
            LZ4,
            frame(LONG, block_size=size, block_linked=linked, content_checksum=sums, block_checksum=sums),
            LONG,
        )
        for size, kib in ((4, 64), (5, 256), (6, 1024), (7, 4096))
        for linked in (False, True)
        for sums in (False, True)
    },
    "lz4, frames": Case(LZ4, FRAME + frame(b"short") + frame(TEXT, block_size=4), TEXT + b"short" + TEXT),
    "lz4, empty frames": Case(LZ4, frame(b"") + FRAME + frame(b"", store_size=False), TEXT),
    "lz4, a zero behind the end": Case(LZ4, FRAME + b"\0", TEXT),
    "lz4, text behind the end": Case(LZ4, FRAME + b"neither a frame nor anything else", TEXT),
    "lz4, text behind the end of linked blocks": Case(LZ4, frame(TEXT, block_size=4) + b"no frame", TEXT),
    "lz4, a truncated frame behind the end": Case(LZ4, FRAME + FRAME[:-1], FAILED),
    "lz4, a wrong size": Case(LZ4, lz4_header(0x68, 0x40, (7).to_bytes(8, "little")) + FRAME[7:], "not as long"),
    "lz4, a wrong size, linked": Case(
        LZ4,
        lz4_header(0x48, 0x40, (7).to_bytes(8, "little")) + frame(TEXT, block_size=4, store_size=False)[7:],
        "at most",
    ),
    "lz4, a size beyond the limit": Case(LZ4, lz4_header(0x68, 0x40, (1 << 60).to_bytes(8, "little")), "at most"),
    "lz4, a wrong header checksum": Case(LZ4, patched(FRAME, 6), "checksum of an LZ4 frame's header"),
    "lz4, another version": Case(LZ4, lz4_header(0xA0, 0x40) + NO_BLOCKS, "unknown flags"),
    "lz4, reserved flags": Case(LZ4, lz4_header(0x62, 0x40) + NO_BLOCKS, "unknown flags"),
    "lz4, reserved bits of the block size": Case(LZ4, lz4_header(0x60, 0x41) + NO_BLOCKS, "unknown flags"),
    "lz4, an unknown block size": Case(LZ4, lz4_header(0x60, 0x30) + NO_BLOCKS, "unknown flags"),
    "lz4, a dictionary": Case(LZ4, lz4_header(0x61, 0x40, b"\1\0\0\0") + FRAME[7:], "dictionary"),
    "lz4, a block larger than the header says": Case(
        LZ4,
        lz4_header(0x60, 0x40) + frame(NOISE, block_linked=False, block_size=7, store_size=False)[7:],
        "larger than it can be",
    ),
    "lz4, more out of a block than the header says": Case(
        LZ4, lz4_header(0x60, 0x40) + frame(TEXT, block_linked=False, block_size=7, store_size=False)[7:], FAILED
    ),
    "lz4, a stored block beyond the end": Case(
        LZ4, lz4_header(0x60, 0x40) + b"\xff\0\0\x80abc" + NO_BLOCKS, "larger than it can be"
    ),
    "lz4, no end": Case(LZ4, FRAME[:-4], "truncated"),
    "lz4, linked, no end": Case(LZ4, frame(TEXT, block_size=4)[:-4], "truncated"),
    "lz4, truncated": Case(LZ4, FRAME[: len(FRAME) // 2], FAILED),
    "lz4, its header only": Case(LZ4, FRAME[:7], FAILED),
    "lz4, its magic only": Case(LZ4, FRAME[:4], FAILED),
    "lz4, no content checksum": Case(LZ4, frame(TEXT, content_checksum=True)[:-1], FAILED),
    "lz4, nothing": Case(LZ4, b"", FAILED),
    "lz4, no lz4": Case(LZ4, TEXT, FAILED),
    "gzip, reserved flags": Case(GZIP, bytes.fromhex("1f8b08a10000000001ff4b040043beb7e801000000"), FAILED),
    "snappy": Case(SNAPPY, RAW, TEXT),
    "snappy, xerial": Case(SNAPPY, XERIAL, TEXT),
    "snappy of nothing": Case(SNAPPY, bytes(cramjam.snappy.compress_raw(b"")), b""),
    "snappy of nothing, xerial": Case(SNAPPY, XERIAL[:16], b""),
    "snappy, streams": Case(SNAPPY, XERIAL + XERIAL, TEXT + TEXT),
    "snappy, text behind the end": Case(SNAPPY, RAW + b"text", FAILED),
    "snappy, xerial, text behind the end": Case(SNAPPY, XERIAL + b"some text", FAILED),
    "snappy, truncated": Case(SNAPPY, RAW[:-1], FAILED),
    "snappy, xerial, truncated": Case(SNAPPY, XERIAL[:-1], FAILED),
    "snappy, nothing": Case(SNAPPY, b"", FAILED),
    "zstd": Case(ZSTD, ZST, TEXT),
    "zstd of nothing": Case(ZSTD, bytes(cramjam.zstd.compress(b"")), b""),
    "zstd, hidden size": Case(ZSTD, hidden_zstd(TEXT), TEXT),
    "zstd, frames": Case(ZSTD, ZST + hidden_zstd(b"short") + ZST, TEXT + b"short" + TEXT),
    "zstd, a right size": Case(ZSTD, wrong_zstd(10), b"0123456789"),
    "zstd, a size too large": Case(ZSTD, wrong_zstd(11), FAILED),
    "zstd, a size too small": Case(ZSTD, wrong_zstd(9), FAILED),
    "zstd, text behind the end": Case(ZSTD, ZST + b"some text", FAILED),
    "zstd, a zero behind the end": Case(ZSTD, ZST + b"\0", FAILED),
    "zstd, truncated": Case(ZSTD, ZST[:-1], FAILED),
    "zstd, nothing": Case(ZSTD, b"", FAILED),
}


def implementations(case: Case) -> list[str]:
    return list(GZIPS) if case.codec == GZIP else ["cramjam"]


def choose(monkeypatch: pytest.MonkeyPatch, implementation: str) -> None:
    monkeypatch.setattr(gzip_codec, "_whole", GZIPS[implementation])


@pytest.fixture
def scratch() -> Iterator[memoryview]:
    """A borrowed buffer with something in it."""
    buffer = borrow()
    buffer[:] = b"\xaa" * len(buffer)
    yield buffer
    give_back(buffer)


@pytest.mark.parametrize("vouched", [False, True], ids=["verified", "vouched"])
@pytest.mark.parametrize(("name", "by"), [(name, by) for name, case in CASES.items() for by in implementations(case)])
def test_every_shape_comes_to_its_outcome(
    name: str, by: str, vouched: bool, scratch: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By every implementation, into a buffer of its own and into a borrowed one."""
    choose(monkeypatch, by)
    codec, data, outcome = CASES[name]
    for buffer in (None, scratch):
        if isinstance(outcome, bytes):
            assert decompress(codec, memoryview(data), vouched=vouched, scratch=buffer) == outcome
        else:
            with pytest.raises(ValueError, match=outcome):
                decompress(codec, memoryview(data), 8 * MIB, vouched=vouched, scratch=buffer)


@pytest.mark.parametrize("at", [-1, -9], ids=["content", "block"])
def test_lz4_checksums_are_verified_unless_somebody_vouches(at: int) -> None:
    """Those of content and of blocks; the batch's own CRC covers them too."""
    data = frame(TEXT[:100], block_linked=False, block_checksum=True, content_checksum=True)
    wrong = patched(data, at)

    with pytest.raises(ValueError, match="hecksum"):
        decompress(LZ4, wrong, 1000)
    assert decompress(LZ4, wrong, 1000, vouched=True) == TEXT[:100]


@pytest.mark.parametrize("by", GZIPS)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_change_of_gzip_has_the_same_outcome_as_with_zlib(by: str, data: st.DataObject) -> None:
    """What the quick ones accept, the standard library's own reader of members accepts too, and the other way round."""
    content = data.draw(st.binary(max_size=300)) * data.draw(st.integers(1, 5))
    packed = bytearray(gzip.compress(content, data.draw(st.integers(0, 9))))
    for _ in range(data.draw(st.integers(0, 2))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed += data.draw(st.sampled_from([b"", b"", b"\0", b"garbage", bytes(packed)]))
    whole = GZIPS[by](bytes(packed), int.from_bytes(packed[-4:], "little") % 5000, None)
    try:
        expected = bytes(gzip_codec._members(memoryview(packed), 5000))
    except ValueError:
        expected = None

    assert whole is None or bytes(whole) == expected


@settings(max_examples=100, deadline=None)
@given(
    content=st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 4000)), max_size=12),
    size=st.sampled_from([4, 5, 6, 7]),
    linked=st.booleans(),
    sums=st.booleans(),
    sized=st.booleans(),
    vouched=st.booleans(),
)
def test_any_lz4_frame_is_read_as_the_library_wrote_it(
    content: list[tuple[bytes, int]], size: int, linked: bool, sums: bool, sized: bool, vouched: bool
) -> None:
    """Any content, any setting of the frame."""
    plain = b"".join(part * times for part, times in content)
    packed = frame(plain, block_size=size, block_linked=linked, content_checksum=sums, store_size=sized)

    assert decompress(LZ4, packed, vouched=vouched) == plain


BOMBS: dict[str, tuple[int, Callable[[], bytes]]] = {
    "gzip": (GZIP, lambda: gzip.compress(ZEROS, 1)),
    "gzip, a small end": (GZIP, lambda: gzip.compress(ZEROS, 1) + gzip.compress(b"x")),
    "gzip, text behind the end": (GZIP, lambda: gzip.compress(ZEROS, 1) + b"\0\0\1\0"),
    "gzip, members": (GZIP, lambda: gzip.compress(ZEROS[:MIB], 1) * 65),
    "snappy": (SNAPPY, lambda: bytes(cramjam.snappy.compress_raw(ZEROS))),
    "snappy, xerial": (SNAPPY, lambda: compress(SNAPPY, ZEROS)),
    "lz4": (LZ4, lambda: frame(ZEROS, block_linked=False, block_size=4, store_size=False)),
    "lz4, large blocks": (LZ4, lambda: frame(ZEROS, block_linked=False, block_size=7, store_size=False)),
    "lz4, sized": (LZ4, lambda: frame(ZEROS, block_linked=False)),
    "lz4, linked": (LZ4, lambda: frame(ZEROS, store_size=False)),
    "lz4, frames": (LZ4, lambda: frame(ZEROS[:MIB], store_size=False) * 65),
    "zstd": (ZSTD, lambda: bytes(cramjam.zstd.compress(ZEROS, 1))),
    "zstd, hidden size": (ZSTD, lambda: hidden_zstd(ZEROS)),
    "zstd, frames": (ZSTD, lambda: bytes(cramjam.zstd.compress(ZEROS[:MIB], 1)) * 65),
}


@pytest.mark.parametrize("vouched", [False, True], ids=["verified", "vouched"])
@pytest.mark.parametrize(
    ("name", "by"), [(name, by) for name, (codec, _) in BOMBS.items() for by in implementations(Case(codec, b"", b""))]
)
def test_a_bomb_allocates_no_more_than_the_limit(
    name: str, by: str, vouched: bool, scratch: memoryview, monkeypatch: pytest.MonkeyPatch
) -> None:
    """65 MiB, declared or not, where two are allowed; a borrowed buffer is used before others are made."""
    choose(monkeypatch, by)
    codec, made = BOMBS[name]
    bomb = made()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"at most {2 * MIB} "):
            decompress(codec, bomb, 2 * MIB, vouched=vouched, scratch=scratch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 2 * MIB + 512 * 1024


def test_tiny_gzip_members_cost_no_more_than_their_bytes() -> None:
    """A library hands back a copy of all that a member did not use: that would be 2 GB here."""
    members = gzip.compress(b"") * 10_000
    tracemalloc.start()
    try:
        assert decompress(GZIP, members) == b""
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_a_borrowed_buffer_is_what_comes_out_if_there_is_room(codec: int, scratch: memoryview) -> None:
    """Nothing else of that size is allocated; what is larger has a buffer of its own, as has what ISA-L makes."""
    small, large = compress(codec, TEXT), compress(codec, TEXT * 4)
    inside = memoryview(decompress(codec, small, scratch=scratch))
    outside = decompress(codec, large, scratch=scratch)

    assert (inside.obj is scratch.obj) == (codec != GZIP or gzip_codec.IMPLEMENTATION == "cramjam")
    assert inside == TEXT
    assert outside == TEXT * 4
    assert len(scratch) == SCRATCH


def test_a_buffer_is_lent_to_one_at_a_time() -> None:
    """One that was given back is lent again."""
    one, two = borrow(), borrow()
    assert one is not two
    give_back(one)
    assert borrow() is one
    give_back(one)
    give_back(two)


def test_no_more_than_a_few_buffers_are_kept() -> None:
    """However many were lent at the same time."""
    lent = [borrow() for _ in range(20)]
    for buffer in lent:
        give_back(buffer)

    assert len(buffers._spare) == 4


@pytest.mark.parametrize("by", GZIPS)
def test_threads_decompress_beside_each_other(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each into a buffer that it borrowed: none reads what another wrote."""
    choose(monkeypatch, by)
    texts = [b"%d " % i * 50_000 for i in range(8)]
    packed = [(codec, compress(codec, text), text) for codec in (GZIP, SNAPPY, LZ4, ZSTD) for text in texts]
    together = threading.Barrier(4)

    def work(start: int) -> None:
        together.wait(10)
        for codec, data, text in packed[start:] + packed[:start]:
            buffer = borrow()
            try:
                assert decompress(codec, data, vouched=True, scratch=buffer) == text
            finally:
                give_back(buffer)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [0, 9, 18, 27]))


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_an_estimate_follows_the_size_of_what_comes_out(codec: int) -> None:
    """Within the order of magnitude of 0.05 to 1.3 GB/s; never less than for the bytes that are there."""
    small, large = compress(codec, TEXT), compress(codec, TEXT * 10)

    assert len(TEXT) / 1.3e9 <= estimate(codec, small) * 1.5 <= len(TEXT) / 0.04e9
    assert 5 <= estimate(codec, large) / estimate(codec, small) <= 15
    assert estimate(codec, NOISE) >= len(NOISE) / 1.3e9
    assert 0 <= estimate(codec, b"") < 0.001


@pytest.mark.parametrize(
    ("codec", "forged"),
    [(GZIP, patched(GZ, -1, 255)), (LZ4, CASES["lz4, a size beyond the limit"].data), (ZSTD, wrong_zstd(2**32 - 1))],
)
def test_an_estimate_believes_in_no_more_than_the_default_limit(codec: int, forged: bytes) -> None:
    assert estimate(codec, forged) <= DEFAULT_LIMIT / 0.05e9


@pytest.mark.parametrize("codec", [0, 5, 7])
def test_what_is_not_decompressed_takes_no_time(codec: int) -> None:
    """Not compressed, or by a codec that does not exist."""
    assert estimate(codec, TEXT) == 0


@pytest.mark.parametrize(("setting", "chosen"), [(None, "isal"), ("base", "cramjam")])
def test_the_base_codecs_can_be_chosen(setting: str | None, chosen: str) -> None:
    """By an environment variable, when the codec is first needed."""
    environment = {name: value for name, value in os.environ.items() if name != "KAFKASTATIC_CODECS"}
    if setting:
        environment["KAFKASTATIC_CODECS"] = setting
    program = "from kafkastatic import impl; print(impl.gzip, impl.lz4, impl.snappy, impl.zstd)"
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [chosen, "cramjam", "cramjam", "cramjam"]


def test_codecs_are_imported_when_they_are_needed() -> None:
    """A consumer of one topic needs one of them."""
    program = (
        "import sys, kafkastatic; from kafkastatic._records.compression import decompress\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('cramjam', 'isal')))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_lz4_blocks_of_64_kib_tell_how_much_comes_out() -> None:
    """As Java writes them: a frame's header says nothing of it."""
    for size in (0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 20 * MIB):
        told = lz4_codec.content_size(memoryview(compress(LZ4, bytes(size))))
        assert told is not None
        assert size <= told <= max(size + 64 * KIB, 1)


def test_forged_snappy_blocks_tell_nothing() -> None:
    """There would be too many of them to be looked at."""
    forged = XERIAL[:16] + b"\0\0\0\1\0" * 5000

    assert snappy_codec.content_size(memoryview(forged)) is None
    assert snappy_codec.content_size(memoryview(XERIAL)) == len(TEXT)
