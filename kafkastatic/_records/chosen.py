"""The record classes and decoders in use: compiled where they were built, else in plain Python. Chosen once, here.

The environment variable `KAFKASTATIC_IMPL` overrides it: "plain", or "compiled", without which nothing is imported.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Final, Literal

_wanted = os.environ.get("KAFKASTATIC_IMPL", "")
if _wanted not in ("", "compiled", "plain"):
    raise ImportError(f'KAFKASTATIC_IMPL is {_wanted!r}; it may be "compiled" or "plain"')

_found: Literal["compiled", "plain"] = "plain"
if not TYPE_CHECKING and _wanted != "plain":
    try:
        from kafkastatic._records._compiled import (
            ConsumerRecord,
            RecordView,
            decode_records,
            decode_views,
            view_of,
        )

        _found = "compiled"
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "kafkastatic._records._compiled"
        what = "nothing was compiled in this installation" if missing else f"what was compiled does not load: {error}"
        if _wanted == "compiled":
            raise ImportError(f"KAFKASTATIC_IMPL is 'compiled', but {what}") from error
        if not missing:
            warnings.warn(f"kafkastatic goes on in plain Python: {what}", RuntimeWarning, stacklevel=2)
if TYPE_CHECKING or _found == "plain":
    from kafkastatic._records.plain import decode_records, decode_views, view_of
    from kafkastatic._records.record import ConsumerRecord, RecordView

RECORDS: Final = _found

__all__ = ["RECORDS", "ConsumerRecord", "RecordView", "decode_records", "decode_views", "view_of"]
