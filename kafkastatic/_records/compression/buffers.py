"""Where decompressed bytes go: a buffer that was used before, or a new one, never of more bytes than the limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

Data: TypeAlias = bytes | bytearray | memoryview

SCRATCH: Final = 1024 * 1024
"""Bytes of a buffer for reuse: a usual batch fits. What comes out of a larger one goes into a buffer of its own."""

_KEPT: Final = 4

# As many as there were batches decompressed at the same time, in the loop and in worker threads; append and pop are
# atomic. The pages of one that no batch ever reached are never touched, so they take no memory.
_spare: list[memoryview] = []


class NoRoom(Exception):
    """The output does not fit, or, where a library does not say, the data may be corrupt."""


def borrow() -> memoryview:
    """A buffer to hand to `decompress`, for as long as the caller reads what came out; then `give_back`."""
    try:
        return _spare.pop()
    except IndexError:
        return memoryview(bytearray(SCRATCH))


def give_back(scratch: memoryview) -> None:
    """Let others overwrite a borrowed buffer. Whatever is needed of it has been copied."""
    if len(_spare) < _KEPT:
        _spare.append(scratch)


def fill(
    decompress_into: Callable[[memoryview, memoryview], int],
    data: memoryview,
    known: int | None,
    limit: int,
    scratch: memoryview | None,
) -> Data:
    """Decompress into the scratch buffer, or into new ones of growing size until all has room.

    Args:
        decompress_into: from data into a buffer; returns how many bytes it wrote, raises `NoRoom` if there are more.
        known: how many bytes should come out, where the data tells. It may be wrong.

    Returns:
        A view of `scratch`, or a buffer of its own.

    Raises:
        ValueError: there is no end within `limit`.
    """
    if scratch is not None and (known is None or known <= SCRATCH):
        size = min(limit, SCRATCH)
        view = scratch[:size]
    else:
        size = min(limit, known or max(4096, 4 * len(data)))
        view = memoryview(bytearray(size))
    while True:
        try:
            return view[: decompress_into(data, view)]
        except NoRoom as error:
            if size >= limit:
                raise ValueError(f"decompression into at most {limit} bytes failed: {error}") from error
        size = min(limit, 8 * size)
        del view  # before the next one is allocated
        view = memoryview(bytearray(size))


def refuse(size: int, data: Data, limit: int) -> ValueError:
    """The error where data tells that too much would come out."""
    return ValueError(f"{size} bytes would come out of {len(data)}; at most {limit} are allowed")
