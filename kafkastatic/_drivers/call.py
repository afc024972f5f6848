"""One call of the application, bounded by time and by the consumer's end."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import anyio

from kafkastatic.errors import ConsumerClosedError, KafkaTimeoutError

if TYPE_CHECKING:
    from kafkastatic._drivers.client import Client


class Call:
    """One call of the application, as `Client.call` bounds it.

    Raises:
        ConsumerClosedError, or whatever ended the consumer: if it ended meanwhile.
        KafkaTimeoutError: if the time ran out, with the last failure met.
    """

    def __init__(self, client: Client, what: str) -> None:
        self._client = client
        self._what = what
        self._seconds = client.config.default_api_timeout_ms / 1000
        self._scope = anyio.CancelScope(deadline=client.runtime.now() + self._seconds)

    def __enter__(self) -> None:
        client = self._client
        client.check()
        client.offsets.last_error = client.commits.last_error = None
        if not client.calling_back:  # its calls go on while the consumer is closing
            client.calls.add(self._scope)
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        client = self._client
        client.calls.discard(self._scope)
        self._scope.__exit__(kind, error, traceback)
        if not self._scope.cancelled_caught:
            return
        client.raise_fatal()
        if client.closing and client.runtime.now() < self._scope.deadline:
            raise ConsumerClosedError(f"{self._what} was under way when the consumer was closed.")
        last = client.commits.last_error or client.offsets.last_error
        why = f": {last}" if last else "."
        raise KafkaTimeoutError(f"{self._what} did not end within {self._seconds:.3g} s{why}") from last
