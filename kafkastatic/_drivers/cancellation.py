"""Telling a cancelled task from an application's code that cancelled itself."""

from __future__ import annotations

import asyncio
import math

import anyio


def from_outside() -> bool:
    """Whether the `CancelledError` that was just caught means this task, natively or by a scope around it.

    If not, code that was called here cancelled something of its own and let that out: to take it for our own
    cancellation would end the task without a word.
    """
    task = asyncio.current_task()
    return anyio.current_effective_deadline() == -math.inf or (task is not None and task.cancelling() > 0)
