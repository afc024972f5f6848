"""Which implementations this process uses: chosen once, when `kafkastatic` is imported.

    >>> from kafkastatic import impl
    >>> impl.records
    'compiled'

The environment variable `KAFKASTATIC_IMPL` set to `plain` chooses plain Python although something quicker is there; set
to `compiled` it makes the import fail (`ImportError`) where the compiled modules are missing.

With the extra `fast`, `KAFKASTATIC_CODECS` set to `base` chooses the codecs that are used without it.

Attributes:
    gzip, lz4, snappy, zstd: what decompresses batches: for gzip "isal" where the extra `fast` has brought it, "cramjam"
        for all others.
    records: what decodes records: "compiled", or "plain" where the installation had no compiler.
"""

from __future__ import annotations

from typing import Final, Literal

from kafkastatic._records.chosen import RECORDS
from kafkastatic._records.compression.gzip import IMPLEMENTATION

records: Final[Literal["compiled", "plain"]] = RECORDS
gzip: Final[Literal["isal", "cramjam"]] = IMPLEMENTATION
lz4: Final = "cramjam"
snappy: Final = "cramjam"
zstd: Final = "cramjam"

__all__ = ["gzip", "lz4", "records", "snappy", "zstd"]
