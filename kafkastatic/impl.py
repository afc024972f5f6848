"""Which implementations this process uses: chosen once, when `kafkastatic` is imported.

    >>> from kafkastatic import impl
    >>> impl.records
    'compiled'

The environment variable `KAFKASTATIC_IMPL` set to `plain` chooses plain Python although something quicker is there; set
to `compiled` it makes the import fail (`ImportError`) where the compiled modules are missing.

Attributes:
    records: what decodes records: "compiled", or "plain" where the installation had no compiler.
"""

from __future__ import annotations

from typing import Final, Literal

from kafkastatic._records.chosen import RECORDS

records: Final[Literal["compiled", "plain"]] = RECORDS

__all__ = ["records"]
