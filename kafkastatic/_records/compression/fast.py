"""What the extra `fast` brings: where it is not installed, importing this fails, and the base codecs are used."""

from __future__ import annotations

from typing import Protocol, cast

from isal import igzip_lib

from kafkastatic._records.compression.buffers import Data


class _Member(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: Data, max_length: int) -> bytes: ...


_IsalError = cast(type[Exception], igzip_lib.IsalError)


def whole_by_isal(data: Data, size: int, scratch: memoryview | None) -> Data | None:
    """The content of one gzip member, or `None` if the data is anything else or does not have `size` bytes.

    ISA-L makes its own output, of not more than `size` bytes.
    """
    member = cast(_Member, igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP))
    try:
        output = member.decompress(data, max(size, 1))
    except _IsalError:
        return None
    return output if member.eof and not member.unused_data else None
