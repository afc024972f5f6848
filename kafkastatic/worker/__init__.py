"""`Consumer.run`: every record through a handler, partitions side by side, each partition or key in order."""

from kafkastatic.worker.run import Run

__all__ = ["Run"]
