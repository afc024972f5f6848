"""Which implementations this process uses: chosen once, when `kafkastatic` is imported.

    >>> from kafkastatic import impl
    >>> impl.records
    'compiled'

The environment variable `KAFKASTATIC_IMPL` set to `plain` chooses plain Python although something quicker is there; set
to `compiled` it makes the import fail (`ImportError`) where the compiled modules are missing.

`KAFKASTATIC_CODECS` set to `base` leaves out what the extra `fast` has installed.

Attributes:
    records: what decodes records: "compiled", or "plain" where the installation had no compiler.
    gzip: what decompresses gzip: "isal" with the extra `fast`, else "cramjam". The other codecs are cramjam's; the
        blocks of LZ4 frames are taken from it one by one.
"""

from __future__ import annotations

from typing import Final, Literal

from kafkastatic._records.chosen import RECORDS
from kafkastatic._records.compression.gzip import IMPLEMENTATION

records: Final[Literal["compiled", "plain"]] = RECORDS
gzip: Final[Literal["isal", "cramjam"]] = IMPLEMENTATION

__all__ = ["gzip", "records"]
