"""All the parts of one consumer, wired, and the supervisor task that they live in."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, cast

import anyio
from anyio.abc import TaskGroup

from kafkastatic import _cluster
from kafkastatic._drivers import members
from kafkastatic._drivers.assignment import AssignmentDriver
from kafkastatic._drivers.call import Call
from kafkastatic._drivers.commits import CommitDriver
from kafkastatic._drivers.coordinator import Coordinator
from kafkastatic._drivers.deserializers import Deserializers
from kafkastatic._drivers.events import EventsDriver
from kafkastatic._drivers.fetching import FetchDriver
from kafkastatic._drivers.handout import HandOut
from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.membership import MembershipDriver
from kafkastatic._drivers.metadata import ASSIGNED, MetadataDriver
from kafkastatic._drivers.offsets import OffsetsDriver
from kafkastatic._drivers.polls import PollWatch
from kafkastatic._drivers.starts import StartsDriver
from kafkastatic._drivers.throttling import ThrottleReport
from kafkastatic._drivers.topics import TopicsDriver
from kafkastatic._drivers.truncation import TruncationDriver
from kafkastatic._drivers.watchdog import Watchdog
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.plan import low_water
from kafkastatic._fetch.positions import Positions
from kafkastatic._group import member as m
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Pool, Role
from kafkastatic._protocol.faults import error_for, is_retriable
from kafkastatic._records import ConsumerRecord
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import (
    AuthenticationError,
    BrokerUnreachableError,
    ConsumerClosedError,
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
    MaxPollExceededError,
    ProtocolError,
)
from kafkastatic.types import Membership, OffsetAndMetadata, StateStore, TopicPartition, Worker

if TYPE_CHECKING:
    from kafkastatic._drivers.producing import Producer

ABORT_TIMEOUT = 0.5
"""Seconds that a close which was cancelled, or ran out of time, may still take."""


class Client:
    """One consumer's parts and their life: start, failure, close.

    Attributes:
        fatal: what ended the consumer, the first of it.
        closing: a close has begun.
        worker: whoever works on records for the application, while a handler runs.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        runtime: Runtime,
        topics: frozenset[str],
        deserializers: Deserializers,
    ) -> None:
        self.config = config
        self.runtime = runtime
        self.deserializers = deserializers
        self._store: StateStore | None = None
        self.fatal: BaseException | None = None
        self.log = EventLog(group=config.group_id, group_instance_id=config.group_instance_id)
        self.pool = Pool(config, runtime, ThrottleReport(runtime, self.log), refused=self._login_refused)
        self.metadata = MetadataDriver(config, self.pool, runtime, self.log)
        self.positions = Positions(self.metadata.topic)
        self.consumption = Consumption(
            self.positions,
            check_crcs=config.check_crcs,
            max_decompressed=config.max_decompressed_batch_bytes,
            low_water=low_water(config),
        )
        self.coordinator = Coordinator(config, self.pool, runtime, self.log) if config.group_id else None
        self.offsets = OffsetsDriver(
            config,
            self.pool,
            self.metadata,
            self.coordinator,
            runtime,
            member=self._as_member,
            rejected=self._rejected,
            judged=self._judged,
        )
        self.commits = CommitDriver(
            config,
            self.coordinator,
            self.consumption,
            runtime,
            self.log,
            identity=self.identity,
            rejected=self._rejected,
            judged=self._judged,
            moving=lambda: self.membership is not None and self.membership.moving,
            outdated=self.metadata.refresh_soon,
        )
        self.hand_out = HandOut(
            self.consumption,
            runtime,
            deserializers,
            check=self.check_readable,
            asked=self._asked,
            emptied=lambda: self.fetch.wake(),
        )
        self.fetch = FetchDriver(
            config,
            self.pool,
            self.metadata,
            self.positions,
            runtime,
            self.log,
            arrived=self.hand_out.arrived,
        )
        self.starts = StartsDriver(
            config,
            self.offsets,
            self.metadata,
            self.positions,
            runtime,
            self.log,
            changed=self._assignment_changed,
        )
        self.fetch.replanned.append(self.starts.wake)
        self.truncation = TruncationDriver(
            config,
            self.pool,
            self.metadata,
            self.consumption,
            runtime,
            self.log,
            changed=self._assignment_changed,
        )
        self.fetch.replanned.append(self.truncation.wake)
        self.assignment = AssignmentDriver(
            config, self.consumption, self.commits, runtime, self.log, changed=self._assignment_changed
        )
        self.polls = PollWatch(config, self.consumption, runtime, lambda: self.manual, self._poll_expired)
        self.subscription = TopicsDriver(
            config,
            self.metadata,
            self.consumption,
            self.log,
            topics,
            server_side=config.server_side,
            subscribed=self._subscribed,
            forget=self.assignment.forget,
            moved=self._topics_changed,
        )
        self.watchdog = Watchdog(config, runtime, self.log)
        self.events = EventsDriver(config, runtime, raise_fatal=self.raise_fatal, silent=self.watchdog.silent)
        self.membership = self._membership() if self.coordinator else None
        self.manual = False
        self.worker: Worker | None = None
        self._producer: Producer | None = None
        self._parted: dict[TopicPartition, OffsetAndMetadata] = {}  # where they stood whose commit is under way
        self._supervisor: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope | None = None
        self._tasks: TaskGroup | None = None
        self._ready = asyncio.Event()
        self._close_wanted = asyncio.Event()
        self.closing = False
        self._leave = False
        self._met = False
        self.calls: set[anyio.CancelScope] = set()
        self._last_error: KafkaError | None = None

    def _membership(self, kept: str | None = None) -> MembershipDriver:
        """A membership that was not started.

        Args:
            kept: the member id of the process before, where the group's protocol has such.
        """
        assert self.coordinator is not None
        persistent = self._store is not None
        return MembershipDriver(
            members.member(self.config, self.runtime, self.subscription, kept, persistent=persistent),
            self.coordinator,
            self.metadata,
            self.assignment,
            self.runtime,
            self.log,
            failed=self.fail,
            store=self._store,
            server_side=self.config.server_side,
            saw=self.events.saw,
        )

    def resume(self, store: StateStore, kept: str | None) -> None:
        """Before the start: keep the member id here, and go on under the one that was kept, if any was."""
        self._store = store
        self.membership = self._membership(kept)

    # ── state ──

    def identity(self) -> Membership:
        """Who commits: the member, or, where partitions were assigned by hand, nobody in particular."""
        if self.membership is not None and not self.manual:
            return self.membership.membership
        return Membership(self.config.group_id or "")

    def _as_member(self) -> Membership | None:
        """Who asks for committed offsets: of consumer groups, members do so under their epoch (KIP-848)."""
        who = self.identity()
        return who if self.config.server_side and who.member_id and who.epoch > 0 else None

    @property
    def started(self) -> bool:
        return self._supervisor is not None

    def check(self) -> None:
        """Raise what ended the consumer; raise if it was not started, or was closed."""
        self.raise_fatal()
        if self._supervisor is None and not self.closing:
            raise IllegalStateError("The consumer was not started.", remedy="Use 'async with', or await start() first.")
        if self.closing and not self.calling_back:
            raise ConsumerClosedError("The consumer was closed.", remedy="Make a new Consumer.")

    def check_startable(self) -> None:
        """Raise if the consumer was started, or closed, already."""
        if self.closing:
            raise ConsumerClosedError("The consumer was closed.", remedy="Make a new Consumer.")
        if self._supervisor is not None:
            raise IllegalStateError("The consumer was started already.")

    def raise_unmet(self) -> None:
        """Raise what ended the consumer, if no call has raised it yet."""
        if not self._met:
            self.raise_fatal()

    def raise_fatal(self) -> None:
        if self.fatal is not None:
            self._met = True
            raise _fresh(self.fatal)

    def check_readable(self) -> None:
        """Raise as `check`, and if there is nothing to read."""
        self.check()
        if not self.subscription.wanted and not self.manual:
            raise IllegalStateError("There is nothing to read.", remedy="subscribe() to topics or assign() partitions.")

    @property
    def failing(self) -> bool:
        """Whether the membership has ended with an error that `fatal` does not hold yet, but will soon."""
        return self.fatal is None and self.membership is not None and self.membership.failing

    async def meet_the_end(self) -> None:
        """When the membership is ending with an error, wait for it: it ends the call under way too."""
        if self.membership is not None and not self.manual and not self.in_callback:
            await self.membership.handled()
            if self.failing:
                await anyio.sleep_forever()

    def need_group(self, what: str) -> None:
        if self.config.group_id is None:
            raise IllegalStateError(f"{what}() needs a group.", remedy="Set group_id.")

    @property
    def in_callback(self) -> bool:
        """Whether the application's rebalance callback is calling."""
        return self.assignment.in_callback

    @property
    def calling_back(self) -> bool:
        """Whether code of the application calls that a close waits for: a rebalance callback, or a handler."""
        return self.in_callback or (self.worker is not None and self.worker.calling)

    @contextlib.contextmanager
    def worked_by(self, worker: Worker) -> Generator[None]:
        """Records go to a handler meanwhile: what it is done with is consumed, what it is not is handed out again.

        Raises:
            IllegalStateError: if records go to somebody else, or the consumer is in no state to read.
        """
        self.check_readable()
        if self.worker is not None or self.hand_out.busy:
            raise IllegalStateError("Another task is asking this consumer for records.", remedy="Let one task run().")
        self.worker = self.assignment.worker = worker
        self.polls.oldest = worker.oldest
        self.consumption.begin_handling()
        self.fetch.wake()
        self._asked()
        try:
            yield
        finally:
            self.consumption.end_handling()
            self.worker = self.assignment.worker = self.polls.oldest = None
            self.assignment.asked()
            self.fetch.wake()

    async def write_dead_letter(self, topic: str, record: ConsumerRecord[bytes, bytes], error: Exception) -> object:
        """Write a record to another topic, and what it met; says where it stands there. Raises as `Producer.send`."""
        from kafkastatic._dead_letter import dead_letter  # both for those few who write dead letters
        from kafkastatic._drivers.producing import Producer

        if self._producer is None:
            self._producer = Producer(self.config, self.pool, self.metadata, self.runtime)
        letter = dead_letter(record, error, group=self.config.group_id, now_ms=round(self.runtime.wall() * 1000))
        tp, offset = await self._producer.send(topic, *letter)
        return f"{tp} offset {offset}"

    def call(self, what: str) -> Call:
        """Bound one call of the application: by time (`default_api_timeout_ms`), and by the consumer's end."""
        return Call(self, what)

    def fail(self, error: BaseException) -> None:
        """End with this error: it is raised from every pending and later call. The first one counts."""
        if self.fatal is None:
            self.fatal = error
            self.events.failed(error)
            self._last_words()

    def _last_words(self) -> None:
        self._close_wanted.set()
        self.hand_out.arrived()
        if self.worker is not None:
            self.worker.changed()
        for scope in self.calls:
            scope.cancel()

    # ── start and close ──

    async def start(self, ended: Callable[[], None]) -> None:
        """Start the supervisor and wait until the cluster, the topics and the coordinator are found.

        Args:
            ended: called when nothing of the consumer runs any more.
        """
        self.check_startable()
        self.events.starting()
        self._scope = anyio.CancelScope()
        identity = f"{self.config.group_id or '-'}/{self.config.group_instance_id or '-'}"
        self._supervisor = asyncio.create_task(self._supervise(ended), name=f"kafkastatic:{identity}")
        self._supervisor.add_done_callback(lambda _: self.worker and self.worker.changed())
        limit = self.config.default_api_timeout_ms / 1000
        try:
            with anyio.move_on_after(limit):
                await self._ready.wait()
        except BaseException:
            await self._abort()
            raise
        if self.fatal is None and not self._ready.is_set():
            self.fail(self._why_not_ready(limit))
        if self.fatal is not None:
            await self._abort()
            self.raise_fatal()
        if self.closing:
            raise ConsumerClosedError("start() was under way when the consumer was closed.")

    def _why_not_ready(self, limit: float) -> KafkaError:
        missing = _cluster.missing(self.metadata.snapshot, self.subscription.names)
        for topic, code in missing.items():
            if code > 0:
                return error_for(code, api="Metadata", topic=topic)
        last = self._last_error or (self.coordinator.last_error if self.coordinator else None)
        if last is not None:
            return last
        if not self.metadata.snapshot.brokers:
            servers = ", ".join(self.config.bootstrap_servers)
            return BrokerUnreachableError(
                f"No broker answered within {limit:.3g} s at {servers}.",
                address=servers,
                remedy="Check bootstrap_servers, and that a Kafka broker listens there.",
            )
        return KafkaTimeoutError(f"The consumer was not ready within {limit:.3g} s.")

    async def aclose(self, leave: bool, timeout: float) -> None:
        """Close in order within `timeout` seconds, else at once. Returns when nothing is left."""
        if self._supervisor is None:
            self.closing = True
            self.events.closed()
            return
        if not self.closing:
            self.closing, self._leave = True, leave
            self.events.closing()
            self.consumption.stop()
            self.assignment.close()
            self._last_words()
            if not self._ready.is_set():
                self._cancel()
        try:
            await asyncio.wait([self._supervisor], timeout=timeout)
        except asyncio.CancelledError:
            await self._abort()
            raise
        await self._abort()

    async def _abort(self) -> None:
        """End whatever still runs, without waiting for the network."""
        self.closing = True
        if self._supervisor is None or self._supervisor.done():
            return
        self._cancel()
        with anyio.CancelScope(shield=True, deadline=self.runtime.now() + ABORT_TIMEOUT):
            await asyncio.wait([self._supervisor], timeout=ABORT_TIMEOUT)

    @property
    def running(self) -> bool:
        return self._supervisor is not None and not self._supervisor.done()

    def abandon(self) -> None:
        """End at once, when nobody is left to wait for it."""
        self.closing = True
        self._cancel()

    def _cancel(self) -> None:
        assert self._scope is not None
        self._scope.cancel()

    def stop(self) -> None:
        """End the hand-out after the record in hand."""
        self.consumption.stop()
        self.events.stopped()
        self.hand_out.arrived()

    # ── the supervisor ──

    async def _supervise(self, ended: Callable[[], None]) -> None:
        assert self._scope is not None
        try:
            with self._scope:
                await self._live()
        except asyncio.CancelledError:  # somebody cancelled all tasks of the loop
            self.fail(ConsumerClosedError("The consumer's own task was cancelled.", remedy="Close it with aclose()."))
            raise
        except BaseException as error:  # a driver broke: the consumer ends with what broke it
            self.fail(first_leaf(error))
            if isinstance(self.fatal, (KeyboardInterrupt, SystemExit)):
                raise self.fatal from self.fatal.__cause__
        finally:
            self._ready.set()
            self._last_words()
            self.events.closed()
            try:
                with anyio.CancelScope(shield=True, deadline=self.runtime.now() + ABORT_TIMEOUT):
                    await self.pool.aclose()
            finally:
                ended()

    async def _live(self) -> None:
        async with anyio.create_task_group() as tasks:
            if self.coordinator is not None and self.subscription.wanted:
                role = Role.QUICK if self.config.server_side else Role.JOIN
                tasks.start_soon(self.coordinator.look_ahead, role, name="kafkastatic:look-ahead")
            await self._bootstrap()
            tasks.start_soon(self.metadata.run, name="kafkastatic:metadata")
            if self.membership is not None:
                tasks.start_soon(self._run_membership, self.membership, name="kafkastatic:membership")
                if not self.manual:
                    await self.membership.located.wait()  # the join goes out before what waits for an assignment begins
            tasks.start_soon(self.fetch.run, name="kafkastatic:fetch")
            tasks.start_soon(self.starts.run, name="kafkastatic:starts")
            tasks.start_soon(self.truncation.run, name="kafkastatic:truncation")
            if self.membership is not None:
                await self.membership.located.wait()
                tasks.start_soon(self.watchdog.run, name="kafkastatic:watchdog")  # its thread while the join is away
                tasks.start_soon(self.polls.run, name="kafkastatic:poll-interval")
                if self.config.enable_auto_commit:
                    tasks.start_soon(self._auto_commit, name="kafkastatic:auto-commit")
            else:
                self.subscription.alone = not self.manual
                self.subscription.look()
            self._tasks = tasks
            if self.membership is None or self.manual:
                self.events.alone()
            if self.fatal is None:
                self._ready.set()
                await self._close_wanted.wait()
            if self.fatal is None:
                await self._close()
            tasks.cancel_scope.cancel()

    async def _run_membership(self, membership: MembershipDriver) -> None:
        await membership.run()
        if not self._close_wanted.is_set():
            self.fail(RuntimeError("The membership ended without a reason."))

    async def _bootstrap(self) -> None:
        """Reach the cluster and see the topics, retrying until the caller's patience ends."""
        config = self.config
        backoff = Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self.runtime.random)
        while True:
            try:
                await self.metadata.refresh()
            except ProtocolError as error:
                raise ProtocolError(
                    f"{', '.join(config.bootstrap_servers)}: {error}",
                    remedy="Check that bootstrap_servers names a Kafka listener;"
                    " one with TLS needs security_protocol SSL or SASL_SSL.",
                ) from error
            except KafkaError as error:
                if not error.retriable:
                    raise
                self._last_error = error
            else:
                self._last_error = None
                missing = _cluster.missing(self.metadata.snapshot, self.subscription.names)
                refused = [(topic, code) for topic, code in missing.items() if code > 0 and not is_retriable(code)]
                if refused:
                    raise error_for(refused[0][1], api="Metadata", topic=refused[0][0])
                if not missing:
                    return
            await anyio.sleep(backoff.next())

    async def _close(self) -> None:
        """Commit what is consumed and give the partitions up, leaving the group only when that is wanted."""
        if self.membership is None or self.manual:
            if self.worker is not None:
                await self.assignment.finish()
            if self.manual and self.config.enable_auto_commit:
                await self.commits.auto(self.consumption.consumed_offsets, "on_close")
        if self.membership is not None:
            self.membership.feed(m.CloseRequested(leave=self._leave))
            await self.membership.ended.wait()

    def reassign(self, wanted: frozenset[TopicPartition]) -> None:
        """Read these partitions, assigned by hand; what is consumed of others is committed."""
        before = self.positions.partitions()
        gone = before - wanted
        commits = self.config.enable_auto_commit and self.coordinator is not None
        consumed = self.positions.with_epochs(self.consumption.consumed_offsets(gone) if commits else {})
        self.assignment.forget(gone)
        self.positions.add(wanted - before)
        self.metadata.track({tp.topic for tp in wanted}, ASSIGNED)
        self.subscription.alone = False
        if self._ready.is_set():
            self.events.alone()
        for tp in wanted & self._parted.keys():
            self.positions[tp].go_on(self._parted.pop(tp))  # its commit may still be under way
        self._parted.update(consumed)
        if consumed and self._tasks is not None:
            self._tasks.start_soon(self._commit_parted, consumed, name="kafkastatic:commit")

    async def _commit_parted(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        await self.commits.parting(offsets)
        for tp in offsets:
            self._parted.pop(tp, None)

    # ── clocks ──

    async def _auto_commit(self) -> None:
        interval = self.config.auto_commit_interval_ms / 1000
        while True:
            await anyio.sleep(interval)
            with anyio.move_on_after(self.config.default_api_timeout_ms / 1000):
                await self.commits.auto(self.consumption.consumed_offsets, "on_timer")

    def _asked(self) -> None:
        self.assignment.asked()
        if self.polls.resumed() and self.membership is not None:
            self.membership.feed(m.PollResumed())

    def _poll_expired(self, error: MaxPollExceededError) -> None:
        if self.worker is not None:
            self.worker.fail(error)
        if self.membership is not None:
            self.membership.feed(m.PollExpired(error.last, error.excess_ms / 1000))

    def _subscribed(self, names: frozenset[str]) -> None:
        if self.membership is not None:
            self.membership.feed(m.SubscriptionChanged(names, self.subscription.server_pattern))

    def _rejected(self, code: int, who: Membership) -> None:
        if self.membership is not None and not self.manual:
            self.membership.feed(m.CommitRejected(code, who))

    async def _judged(self) -> None:
        """Wait until the member knows what the coordinator thinks of it by now."""
        if self.membership is not None and not self.manual:
            await self.membership.answered()

    def _login_refused(self, error: AuthenticationError) -> None:
        """Whoever meets it first, the consumer ends: a member by way of its on_partitions_lost."""
        if self.membership is not None and not self.manual:
            self.membership.feed(m.CoordinatorRefused(error))
        else:
            self.fail(error)

    def _topics_changed(self) -> None:
        self._assignment_changed()
        if self.worker is not None:
            self.worker.changed()

    def _assignment_changed(self) -> None:
        self.fetch.replan()
        self.hand_out.arrived()


def first_leaf(error: BaseException) -> BaseException:
    """The first leaf of a group: users are never shown an ExceptionGroup of ours."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _fresh(error: BaseException) -> BaseException:
    """A copy to raise, so that tracebacks do not pile up on the one that is kept."""
    return copy.copy(error) if isinstance(error, KafkaError) else error
