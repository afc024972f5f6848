"""The consumer.

async with Consumer("orders", bootstrap_servers="localhost:9092", group_id="billing",
                    group_instance_id="billing-0") as consumer:
    async for record in consumer:
        await handle(record.value)
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, cast, get_args, overload

import anyio
from anyio.abc import TaskStatus

from kafkastatic import identity
from kafkastatic._committing import Committing
from kafkastatic._drivers.client import Client
from kafkastatic._drivers.deserializers import Deserializers
from kafkastatic._drivers.handout import PORTION
from kafkastatic._positioned import Positioned
from kafkastatic._records import ConsumerRecord
from kafkastatic._runtime import Runtime
from kafkastatic.batch import Batch, LazyBatch
from kafkastatic.config import ConsumerConfig, ConsumerOptions
from kafkastatic.errors import ConfigError, ConsumerClosedError, IllegalStateError, KafkaTimeoutError
from kafkastatic.events import Event, Health
from kafkastatic.types import Membership, OnError, Ordering, RebalanceListener, TopicPartition

K = TypeVar("K")
V = TypeVar("V")
K2 = TypeVar("K2")
V2 = TypeVar("V2")


class Consumer(Committing[K, V], Positioned, Generic[K, V]):
    """Reads topics, as a member of a group or on its own.

    Calls about partitions raise `IllegalStateError` where those are not assigned; what asks the brokers raises
    `KafkaTimeoutError` after `default_api_timeout_ms`; and whatever ended the consumer is raised by every later call.

    Args:
        topics: what to subscribe to; `subscribe()` and `assign()` can say it later.
        config: the options as a `ConsumerConfig`, instead of keywords.
        key_deserializer, value_deserializer: applied to keys and values that are not null; sync or async.
        runtime: stands for the outside world; simulations pass their own.
        registry: the instance ids in use by this process; simulations of several processes pass their own.
        options: see `ConsumerConfig`.

    Raises:
        ConfigError: if an option is wrong. Making a consumer touches neither the network nor an event loop.
    """

    @overload
    def __init__(
        self: Consumer[bytes, bytes],
        *topics: str,
        config: ConsumerConfig | None = None,
        runtime: Runtime | None = None,
        registry: identity.IdentityRegistry | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Consumer[bytes, V2],
        *topics: str,
        config: ConsumerConfig | None = None,
        value_deserializer: Callable[[bytes], Awaitable[V2]] | Callable[[bytes], V2],
        runtime: Runtime | None = None,
        registry: identity.IdentityRegistry | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Consumer[K2, bytes],
        *topics: str,
        config: ConsumerConfig | None = None,
        key_deserializer: Callable[[bytes], Awaitable[K2]] | Callable[[bytes], K2],
        runtime: Runtime | None = None,
        registry: identity.IdentityRegistry | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Consumer[K2, V2],
        *topics: str,
        config: ConsumerConfig | None = None,
        key_deserializer: Callable[[bytes], Awaitable[K2]] | Callable[[bytes], K2],
        value_deserializer: Callable[[bytes], Awaitable[V2]] | Callable[[bytes], V2],
        runtime: Runtime | None = None,
        registry: identity.IdentityRegistry | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None: ...
    def __init__(
        self,
        *topics: str,
        config: ConsumerConfig | None = None,
        key_deserializer: Callable[[bytes], Any] | None = None,
        value_deserializer: Callable[[bytes], Any] | None = None,
        runtime: Runtime | None = None,
        registry: identity.IdentityRegistry | None = None,
        **options: Unpack[ConsumerOptions],
    ) -> None:
        if config is not None and options:
            raise ConfigError(f"Both config and the options {sorted(options)} are given.", remedy="Give one of them.")
        self._config = config or ConsumerConfig.from_mapping(cast("Mapping[str, Any]", options))
        self._registry = registry or identity.PROCESS
        deserializers = Deserializers(key_deserializer, value_deserializer)
        self._client = Client(self._config, runtime or Runtime(), _names(topics), deserializers)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    # ── life ──

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close. Leaving without an exception counts the record in hand as consumed, and raises a fatal error that
        nobody has met."""
        if kind is None and self._client.fatal is None:
            self._client.consumption.ask()
        await self.aclose()
        if kind is None:
            self._client.raise_unmet()

    async def start(self) -> None:
        """Find the cluster, the topics and the group's coordinator. Does not wait for an assignment.

        Raises:
            ConfigError: if another consumer of this process has the same identity, or the `instance_state_file` cannot
                be used; then nothing was asked of any broker.
            StateFileLockedError: if another process uses that file.
            BrokerUnreachableError, KafkaTimeoutError: if that takes longer than `default_api_timeout_ms`.
            UnknownTopicOrPartitionError: if a topic was missing all that time.
            UnsupportedVersionError: if the brokers are too old for a static member, or for the `group_protocol`.
        """
        self._client.check_startable()
        with contextlib.ExitStack() as held:
            self._claim(held)
            self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
            await self._take_up_state(held)
            ended = held.pop_all().close
        await self._client.start(ended)

    def _claim(self, held: contextlib.ExitStack) -> None:
        """Take the identity."""
        config = self._config
        if config.group_id is not None and config.group_instance_id is not None:
            claim = self._registry.claim(config.bootstrap_servers, config.group_id, config.group_instance_id)
            held.callback(self._registry.release, claim)

    async def _take_up_state(self, held: contextlib.ExitStack) -> None:
        """Take the state file, and go on as the member that the process before was."""
        path = self._config.instance_state_file
        if path is None:
            return
        from kafkastatic._state_file import StateFile  # most do without

        store = StateFile(path, self._config.group_id or "", self._config.group_instance_id or "")
        held.callback(store.close)
        seconds = self._config.default_api_timeout_ms / 1000
        try:
            with anyio.fail_after(seconds):
                self._client.resume(store, await self._client.runtime.run_in_thread(store.open))
        except TimeoutError:
            raise KafkaTimeoutError(f"instance_state_file {path!r} could not be read within {seconds:.3g} s.") from None
        self._client.check_startable()  # a close may have come meanwhile

    def __del__(self) -> None:
        client: Client | None = getattr(self, "_client", None)
        if client is None or not client.running:
            return
        warnings.warn(f"{self!r} was dropped without aclose()", ResourceWarning, source=self, stacklevel=2)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            assert self._loop is not None
            self._loop.call_soon_threadsafe(client.abandon)

    async def aclose(
        self, membership: Literal["default", "leave", "remain"] = "default", timeout: float | None = None
    ) -> None:
        """Revoke, commit what is consumed, and end. Never raises a fatal error; calling it again does nothing.

        Args:
            membership: `"leave"` gives up the place in the group for good, `"remain"` keeps it until the session
                times out; `"default"` remains as a static member and leaves as a dynamic one (KIP-1092).
            timeout: seconds until it ends the hard way; `default_api_timeout_ms` if not given. A cancelled close
                ends the hard way too.

        Raises:
            IllegalStateError: if called from a rebalance callback or a handler, which it would have to wait for.
        """
        if membership not in ("default", "leave", "remain"):
            raise ValueError(f"membership must be 'default', 'leave' or 'remain', got {membership!r}")
        if self._client.calling_back:
            where = "a rebalance callback" if self._client.in_callback else "a handler"
            raise IllegalStateError(f"aclose() inside {where} would wait for itself.", remedy="Use stop().")
        leave = membership == "leave" or (membership == "default" and self._config.group_instance_id is None)
        await self._client.aclose(leave, self._config.default_api_timeout_ms / 1000 if timeout is None else timeout)

    def stop(self) -> None:
        """End iteration normally after the record in hand. Safe from signal handlers, tasks and other threads.

        `aclose()`, or the end of `async with`, then commits and closes.
        """
        if self._loop is None:
            self._client.stop()
            return
        if threading.get_ident() == self._thread:
            self._client.stop()  # at once: a loop over a batch does not come back to the event loop by itself
        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it everything has stopped
            self._loop.call_soon_threadsafe(self._client.stop)

    # ── records ──

    async def __aiter__(self) -> AsyncGenerator[ConsumerRecord[K, V], None]:
        """Records, one by one, for ever: until `stop()`.

        The record before counts as consumed when the next one is asked for. `break` neither skips nor repeats.

        Raises:
            KafkaError: whatever ends the consumer, or a record that cannot be delivered.
        """
        while True:
            cursor = await self._client.hand_out.next()
            if cursor is None:
                return
            for record in cursor.iterator if cursor.size <= PORTION else islice(cursor.iterator, PORTION):
                yield record  # pyright: ignore[reportReturnType]

    async def getone(self) -> ConsumerRecord[K, V]:
        """The next record. Cancelling it loses nothing, so `asyncio.wait_for(consumer.getone(), 1)` is safe.

        Raises:
            ConsumerClosedError: if the consumer was stopped.
            KafkaError: as iteration.
        """
        record = self._client.hand_out.at_once()
        if record is None:
            cursor = await self._client.hand_out.next()
            record = None if cursor is None else next(cursor.iterator, None)
        if record is None:
            raise ConsumerClosedError("The consumer was stopped.")
        return cast("ConsumerRecord[K, V]", record)

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord[K, V]]]:
        """What is there, by partition: at least one record, or nothing after `timeout_ms` or a `stop()`.

        Args:
            partitions: records of these only.
            max_records: `max_poll_records` if not given.
        """
        limit = self._limit(max_records)
        only = frozenset(partitions) or None
        found: dict[TopicPartition, list[ConsumerRecord[K, V]]] = {}
        cursor = await self._client.hand_out.next(only, timeout_ms / 1000)
        if cursor is not None:
            for tp, records in self._client.hand_out.take(cursor, limit, only):
                found.setdefault(tp, []).extend(cast("list[ConsumerRecord[K, V]]", records))
        return found

    def _limit(self, max_records: int | None) -> int:
        if max_records is not None and max_records < 1:
            raise ValueError(f"max_records must be at least 1, got {max_records}")
        return max_records or self._config.max_poll_records

    @overload
    def batches(
        self, max_records: int | None = None, *, lazy: Literal[False] = False
    ) -> AsyncGenerator[Batch[K, V], None]: ...
    @overload
    def batches(self, max_records: int | None = None, *, lazy: Literal[True]) -> AsyncGenerator[LazyBatch, None]: ...
    async def batches(self, max_records: int | None = None, *, lazy: bool = False) -> AsyncGenerator[Any, None]:
        """Records in batches of one partition each, in the order of the log. Rules as for single records.

        Args:
            max_records: the most in one batch; `max_poll_records` if not given.
            lazy: give `RecordView`s in a `LazyBatch`: what is not read costs nothing, and keys and values are not
                copied but memoryviews. Worth it for large values, and where most records are passed over.

        Raises:
            ConfigError: `lazy` with deserializers, which need bytes.
        """
        limit = self._limit(max_records)
        if lazy and self._client.deserializers:
            raise ConfigError("Lazy batches do not go with deserializers.", remedy="Deserialize what you read of them.")
        kind: type[Batch[K, V] | LazyBatch] = LazyBatch if lazy else Batch
        while True:
            cursor = await self._client.hand_out.next(views=lazy)
            if cursor is None:
                return
            records: list[Any] = self._client.consumption.take(cursor, limit)
            yield kind(cursor.state.tp, records)

    async def run(
        self,
        handler: Callable[[ConsumerRecord[K, V]], object],
        *,
        ordering: Ordering = "partition",
        concurrency: int = 32,
        on_error: OnError = "raise",
        task_status: TaskStatus[frozenset[TopicPartition]] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Call `handler` with every record, until `stop()` or `aclose()`; partitions side by side.

        A record counts as consumed when its handler has returned, and those before it in its partition have too: that
        is what auto-commit and `commit()` cover. With `enable_auto_commit=False` and `ordering="partition"` the
        handler may commit its record itself: `commit(record)`.

        On a revoke, a stop or a close nothing more is begun, and handlers at work get `drain_timeout_ms`; then they are
        cancelled, their records are not consumed, and an event (`handler_cancelled`) names each.

        Handlers are called in a few tasks that go on from record to record: context variables that one sets may be seen
        by a later one. Where handlers never wait, other tasks get their turn every 5 ms.

        `await task_group.start(consumer.run, handler)` returns the first assignment.

        Args:
            handler: an async function, or a plain one, which is called in a worker thread and cannot be cancelled.
            ordering: `"partition"`, one record of a partition at a time, or `"key"`: records of a partition side by
                side, but for those with equal keys, which keep their order; those without a key have none.
            concurrency: how many records are handled at a time, over all partitions. By key, a partition that has
                `max_poll_records` begun and not done is given no further batch.
            on_error: what to do with a record whose handler, or deserialiser, raises: `"raise"`, `"skip"` it, `Retry`
                it, or write it to a `DeadLetter` topic.

        Raises:
            ConfigError: if an argument is wrong.
            IllegalStateError: if the consumer is not started, or another task takes its records.
            HandlerError: the handler raised, or its dead letter could not be written. Nothing from that record on is
                committed; the position is before it.
            MaxPollExceededError: it was at work on one record for longer than `max_poll_interval_ms`.
            KafkaError: as iteration.
        """
        if concurrency < 1:
            raise ConfigError(f"concurrency must be at least 1, got {concurrency}.")
        if ordering not in get_args(Ordering):
            raise ConfigError(f"ordering must be 'partition' or 'key', got {ordering!r}.")
        # Not needed by those who iterate; imported here, before the first record is asked for.
        from kafkastatic._drivers.handling import Handling
        from kafkastatic.worker import Run

        client = self._client
        handling = Handling(
            handler,
            on_error,
            client.deserializers,
            client.runtime,
            client.log,
            threads=concurrency,
            write=client.write_dead_letter,
        )
        await Run(client, handling, ordering, concurrency, self.assigned, task_status).run()

    # ── what to read ──

    def subscribe(
        self,
        topics: Iterable[str] = (),
        *,
        pattern: str | re.Pattern[str] | None = None,
        listener: RebalanceListener | None = None,
    ) -> None:
        """Read these topics instead, with the group sharing out their partitions.

        Args:
            pattern: read all topics whose whole name matches this regular expression, now or later, instead of naming
                them. Topics that appear or vanish change the subscription, at the latest after `metadata_max_age_ms`;
                until one matches, there is nothing to read. Kafka's own topics never match, unless
                `exclude_internal_topics` is off.
            listener: told of every change of the assignment.

        Raises:
            ConfigError: if both topics and a pattern are given, or the pattern is no regular expression.
            IllegalStateError: if partitions were assigned by hand, or without a group once started.
        """
        client, names, compiled = self._client, _names(topics), _compiled(pattern)
        if names and compiled is not None:
            raise ConfigError("Both topics and a pattern are given.", remedy="Give one of them.")
        if client.manual:
            raise IllegalStateError("Partitions were assigned by hand.", remedy="Use either subscribe() or assign().")
        if client.started:
            client.check()
            if client.membership is None:
                raise IllegalStateError("Without a group, topics are given before the start.", remedy="Set group_id.")
        client.subscription.subscribe(names, compiled)
        client.assignment.listener = listener
        if not client.subscription.wanted:
            client.assignment.do_not_drain()

    def unsubscribe(self) -> None:
        """Give all partitions up; the consumer stays open, and its listener is told.

        Whoever waits for records is told too: there is nothing to read (`IllegalStateError`).
        """
        self.subscribe((), listener=self._client.assignment.listener)

    def subscription(self) -> frozenset[str]:
        """The topics subscribed to; of a pattern those that match, as far as is known."""
        return self._client.subscription.names

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read these partitions, whatever a group does. Offsets can still be committed if there is a `group_id`.

        What is consumed of partitions that are given up by this is committed; handlers at work on them are cancelled.

        Raises:
            IllegalStateError: if topics are subscribed to.
        """
        client = self._client
        if client.subscription.wanted:
            raise IllegalStateError("Topics are subscribed to.", remedy="Use either subscribe() or assign().")
        if client.started:
            client.check()
        client.manual = True
        client.reassign(frozenset(TopicPartition(*tp) for tp in partitions))
        self._moved()

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that are read now."""
        return self._client.positions.partitions()

    async def assigned(self) -> frozenset[TopicPartition]:
        """Wait until the group has assigned partitions and `on_partitions_assigned` is done; may take a rebalance.

        Raises:
            KafkaError: what ended the consumer.
        """
        client = self._client
        client.check_readable()
        if client.membership is not None and not client.manual:
            await client.membership.joined.wait()
            client.check()
        return client.positions.partitions()

    # ── how it is ──

    @property
    def membership(self) -> Membership:
        """Who this consumer is to its group now: one immutable value, whose parts belong together. From any thread."""
        return self._client.identity()

    def events(self) -> AsyncIterator[Event]:
        """What happens to the membership from now on, until `stop()`, or until the consumer is closed.

        Several may read, each for itself and before `start()` too. For one who does not ask, 256 events are kept; how
        many older ones were not is told by `Missed`. Cancelling an ask loses nothing.

        Raises:
            KafkaError: what ended the consumer, after the last event.
        """
        return self._client.events.reader()

    def health(self) -> Health:
        """Whether the consumer is alive, and ready, and why. Never raises or waits, from any thread; see
        docs/health.md for what each state counts as."""
        return self._client.events.health()


def _names(topics: Iterable[str]) -> frozenset[str]:
    if isinstance(topics, str):
        raise ConfigError(
            f"topics must be several names, got the string {topics!r}.", remedy="Write subscribe([name])."
        )
    names = frozenset(topics)
    for name in names:
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"A topic must be a name, got {name!r}.")
    return names


def _compiled(pattern: str | re.Pattern[str] | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    written: object = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    if not isinstance(written, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"A pattern must be a str, or one compiled from a str, got {pattern!r}.")
    try:
        return re.compile(pattern)
    except re.error as error:
        where = "" if error.pos is None else f" at position {error.pos}"
        raise ConfigError(f"The pattern {pattern!r} is no regular expression: {error.msg}{where}.") from error
