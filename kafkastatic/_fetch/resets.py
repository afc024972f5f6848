"""Where `auto_offset_reset` leads, as timestamps to ask ListOffsets for. Pure."""

from __future__ import annotations

import math

from kafkastatic._fetch.positions import EARLIEST, LATEST
from kafkastatic.config import AutoOffsetReset

BY_DURATION = -1000
"""Stands for a timestamp that is known when the lookup is sent: the wall clock less the duration (KIP-1106)."""


def reset_for(policy: AutoOffsetReset) -> int:
    """The timestamp of a policy other than `"none"`."""
    return {"earliest": EARLIEST, "latest": LATEST}.get(policy, BY_DURATION)


def timestamp_of(reset: int, duration: float | None, wall: float) -> int:
    """What to ask for now.

    Args:
        duration: the policy's, in seconds.
        wall: seconds since the epoch.
    """
    if reset != BY_DURATION or duration is None:
        return reset
    return max(0, math.floor((wall - duration) * 1000))  # below zero are the ends of the log
