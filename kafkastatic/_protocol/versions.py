"""Which version of an API to speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kafkastatic._protocol.primitives import Request
from kafkastatic.errors import UnsupportedVersionError


class ApiVersionRange(NamedTuple):
    """Versions of an API, both ends included. Equal to the plain tuple."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"v{self.low} to v{self.high}"


def negotiate(request: type[Request[Any]], broker_ranges: Mapping[int, tuple[int, int]], cap: int | None = None) -> int:
    """The highest version of `request` that both sides speak.

    Args:
        broker_ranges: the broker's versions by API key, from its ApiVersions response.
        cap: the highest version that can say what the caller wants, `None` for any.

    Raises:
        UnsupportedVersionError: if there is none.
    """
    highest = request.MAX_VERSION if cap is None else min(cap, request.MAX_VERSION)
    ours = ApiVersionRange(request.MIN_VERSION, highest)
    if request.API_KEY not in broker_ranges:
        raise UnsupportedVersionError(
            api=request.NAME, detail=f"the broker does not serve this API; this client would speak {ours}"
        )
    theirs = ApiVersionRange(*broker_ranges[request.API_KEY])
    version = min(ours.high, theirs.high)
    if version < max(ours.low, theirs.low):
        raise UnsupportedVersionError(
            api=request.NAME, detail=f"the broker speaks {theirs}, this client would speak {ours}"
        )
    return version
