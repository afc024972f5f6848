"""The log of one partition. Pure."""

from __future__ import annotations


class PartitionLog:
    """Record batches in memory, with the offsets and leader epochs that they were given."""

    start_offset = 0
    end_offset = 0
