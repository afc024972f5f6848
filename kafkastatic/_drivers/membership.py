"""Drives a membership machine: feeds it events, carries out its actions, calls it again at its deadline.

There are no rules here: requests and callbacks are child tasks whose end is the next event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from kafkastatic._drivers import cancellation
from kafkastatic._drivers.assignment import AssignmentDriver
from kafkastatic._drivers.coordinator import Coordinator
from kafkastatic._drivers.log import EventLog
from kafkastatic._drivers.metadata import GROUP, MetadataDriver
from kafkastatic._drivers.owner import owner_of
from kafkastatic._group import member as m
from kafkastatic._net.pool import Role, Versions
from kafkastatic._runtime import Runtime
from kafkastatic.errors import FencedInstanceIdError, KafkaError, KafkaTimeoutError, UnreleasedInstanceIdError
from kafkastatic.types import Membership, StateStore

_JOIN_APIS = frozenset({"JoinGroup", "SyncGroup"})

_TROUBLE = frozenset({"coordinator_lost", "failed", "fenced", "lost", "poll_expired", "session_timeout_passed"})
"""Reports of which somebody who watches for warnings should hear."""

SAVE_TIMEOUT = 30.0
"""Seconds for making the member id durable."""

CALLBACK_TIMEOUT = 30.0
"""Seconds that a failing consumer waits for a running callback."""


class MembershipDriver:
    """One membership and its traffic.

    Attributes:
        located: set when the coordinator was found and its versions will do, or the membership has ended.
        joined: set while in the group with its callbacks done; set at the end too.
        ended: set when the membership has ended, in order or not.
        failing: the membership has ended with an error, which is reported once on_partitions_lost is done.

    Args:
        store: where the member id is made durable, for a member that asks for it.
        server_side: the group is one of the consumer protocol (KIP-848).
    """

    def __init__(
        self,
        member: m.Member,
        coordinator: Coordinator,
        metadata: MetadataDriver,
        assignment: AssignmentDriver,
        runtime: Runtime,
        log: EventLog,
        *,
        failed: Callable[[BaseException], None],
        saw: Callable[[m.Event, list[m.Action], m.Member, float], None],
        store: StateStore | None = None,
        server_side: bool = False,
    ) -> None:
        self.located = asyncio.Event()
        self.joined = asyncio.Event()
        self.ended = asyncio.Event()
        self._member = member
        self._coordinator = coordinator
        self._metadata = metadata
        self._assignment = assignment
        self._runtime = runtime
        self._log = log
        self._failed = failed
        self._store = store
        self._server_side = server_side
        self._waiting: dict[int, asyncio.Event] = {}  # for the answer to each request
        self._saw = saw
        self._inbox: deque[m.Event] = deque()
        self._arrived = asyncio.Event()
        self._handled = asyncio.Event()
        self._callbacks = anyio.Lock(fast_acquire=True)  # the application's callbacks run one at a time, in order
        self._joining: anyio.CancelScope | None = None
        self._resolving: anyio.CancelScope | None = None
        self.failing = False
        self._over = False
        self._forgotten = False
        coordinator.forgotten = self._coordinator_forgotten

    @property
    def membership(self) -> Membership:
        return self._member.membership

    @property
    def moving(self) -> bool:
        """On the way into the next generation with what is owned: cooperatively. An eager member owns nothing then."""
        return self._joining is not None and bool(self.membership.assignment)

    def feed(self, event: m.Event) -> None:
        """Hand an event to the machine, soon."""
        self._inbox.append(event)
        self._arrived.set()
        if self._handled.is_set() and not self.ended.is_set():
            self._handled = asyncio.Event()

    def _coordinator_forgotten(self) -> None:
        """The machine hears of it behind all else: if a request of its own met it, that says more."""
        self._forgotten = True
        self._arrived.set()

    async def handled(self) -> None:
        """Wait until the machine has seen all that was fed to it."""
        await self._handled.wait()

    async def answered(self) -> None:
        """Wait until the coordinator has answered what is sent upon what was fed, be it behind what is under way."""
        await self.handled()
        for _ in range(2):
            for event in list(self._waiting.values()):
                await event.wait()
            await self.handled()

    async def run(self) -> None:
        """Run until the membership has ended."""
        self._metadata.watch(lambda snapshot: self.feed(m.MetadataChanged(snapshot)))
        self.feed(m.MetadataChanged(self._metadata.snapshot))
        self.feed(m.Started())
        try:
            async with anyio.create_task_group() as tasks:
                while not self._over:
                    event, now = await self._next(), self._runtime.now()
                    actions = self._member.handle(event, now)
                    self._saw(event, actions, self._member, now)
                    for action in actions:
                        self._carry_out(action, tasks)
                    if isinstance(event, m.CoordinatorFound) and not self.failing:
                        self.located.set()
                    if not self._inbox:
                        self._handled.set()
        finally:
            self.located.set()
            self.joined.set()
            self.ended.set()
            self._handled.set()
            for event in self._waiting.values():
                event.set()

    async def _next(self) -> m.Event:
        """The next event, or the deadline."""
        if not self._inbox and not self._forgotten:
            self._arrived.clear()
            deadline = self._member.deadline()
            timer = asyncio.get_running_loop().call_at(deadline, self._arrived.set) if deadline is not None else None
            try:
                await self._arrived.wait()
            finally:
                if timer is not None:
                    timer.cancel()
        if self._inbox:
            return self._inbox.popleft()
        if self._forgotten:
            self._forgotten = False
            return m.CoordinatorForgotten()
        return m.TimerFired()

    def _carry_out(self, action: m.Action, tasks: TaskGroup) -> None:
        match action:
            case m.Send():
                self._waiting[action.key] = asyncio.Event()
                tasks.start_soon(self._send, action, name=f"kafkastatic:{action.request.NAME}")
            case m.FindCoordinator():
                found = None if action.after else self._coordinator.found()
                if found is not None:
                    self._coordinator_found(found)
                else:
                    tasks.start_soon(self._find, action.after, name="kafkastatic:FindCoordinator")
            case m.FetchMetadata():
                self._metadata.track(action.topics, GROUP)
                self.feed(m.MetadataChanged(self._metadata.snapshot))
            case m.Assign():
                tasks.start_soon(self._assign, action, name="kafkastatic:on_partitions_assigned")
            case m.Revoke():
                self._metadata.renew_all()
                tasks.start_soon(self._revoke, action, name="kafkastatic:on_partitions_revoked")
            case m.Lose():
                self._assignment.drop(action.partitions)
                tasks.start_soon(self._lose, action, name="kafkastatic:on_partitions_lost")
            case m.Save():
                tasks.start_soon(self._save, action.member_id, name="kafkastatic:save")
            case m.ResolveTopics():
                self._resolve(action.topic_ids, tasks)
            case m.Report():
                tell = self._log.warning if action.event in _TROUBLE else self._log.info
                tell(action.event, **action.fields)
            case m.Fail():
                self.failing = True
                tasks.start_soon(self._fail, action.error, tasks, name="kafkastatic:fail")
            case m.Stop():
                self._over = True
                tasks.cancel_scope.cancel()

    # ── requests ──

    async def _send(self, action: m.Send) -> None:
        joins = action.request.NAME in _JOIN_APIS
        if action.request.NAME == "JoinGroup":
            self._metadata.track((), GROUP)  # whoever leads next is told what to watch
            if self.membership.assignment:  # a cooperative rebalance, before which nothing was revoked
                self._metadata.renew_all()
        if joins and self._joining is not None:
            # An earlier one that the machine has given up may be parked: whatever it says is of no account.
            self._joining.cancel()
            self._coordinator.abandon(Role.JOIN)
        with anyio.CancelScope() as scope:
            if joins:
                self._joining = scope
            try:
                role = Role.JOIN if joins else Role.QUICK
                answer = await self._coordinator.request(
                    action.request, role, timeout=action.timeout, ahead=action.ahead
                )
            except KafkaError as error:
                self.feed(m.RequestFailed(action.key, error))
            else:
                self.feed(m.Answered(action.key, answer))
            finally:
                self._waiting.pop(action.key).set()
                if self._joining is scope:
                    self._joining = None

    async def _find(self, after: float) -> None:
        if after:  # the one that is known has failed; whoever needs it sooner may find the next one
            self._coordinator.forget()
            await anyio.sleep(after)
        try:
            versions = await self._coordinator.find()
        except KafkaError as error:
            self.feed(m.CoordinatorRefused(error))
        else:
            self._coordinator_found(versions)

    def _coordinator_found(self, versions: Versions) -> None:
        self._forgotten = False  # that was before
        self.feed(m.CoordinatorFound(versions))

    async def _save(self, member_id: str) -> None:
        assert self._store is not None
        error: Exception | None = None
        try:
            with anyio.fail_after(SAVE_TIMEOUT):
                await self._runtime.run_in_thread(self._store.save, member_id)
        except TimeoutError:
            error = KafkaTimeoutError(f"The member id could not be made durable within {SAVE_TIMEOUT:.3g} s.")
        except KafkaError as refused:
            error = refused
        self.feed(m.Saved(error))

    def _resolve(self, topic_ids: frozenset[bytes], tasks: TaskGroup) -> None:
        """Only what was asked for last is looked for."""
        if self._resolving is not None:
            self._resolving.cancel()
        self._resolving = anyio.CancelScope()
        tasks.start_soon(self._look_for, topic_ids, self._resolving, name="kafkastatic:topic-ids")

    async def _look_for(self, topic_ids: frozenset[bytes], scope: anyio.CancelScope) -> None:
        with scope:
            await self._metadata.find(topic_ids)

    # ── callbacks ──

    async def _assign(self, action: m.Assign) -> None:
        error = await self._outcome(partial(self._assignment.assign, action.added))
        if self.membership.epoch >= 0 and self.membership.assignment == action.complete:
            self.joined.set()
        self.feed(m.AssignFinished(error))

    async def _revoke(self, action: m.Revoke) -> None:
        if action.partitions >= self.membership.assignment:
            self._no_longer_joined()
        revoke = partial(self._assignment.revoke, action.partitions, action.deadline)
        self.feed(m.RevokeFinished(await self._outcome(revoke)))

    async def _lose(self, action: m.Lose) -> None:
        self._no_longer_joined()
        self.feed(m.LoseFinished(await self._outcome(partial(self._assignment.lose, action.partitions))))

    def _no_longer_joined(self) -> None:
        if self.joined.is_set():
            self.joined = asyncio.Event()

    async def _outcome(self, callback: Callable[[], Awaitable[None]]) -> BaseException | None:
        """Run a callback when the one before it is done; what it raises is its outcome."""
        async with self._callbacks:
            try:
                await callback()
            except asyncio.CancelledError as error:
                if cancellation.from_outside():
                    raise
                return _chained(RuntimeError("A rebalance callback was cancelled from within."), error)
            except Exception as error:
                return error
            return None

    # ── the end ──

    async def _fail(self, error: BaseException, tasks: TaskGroup) -> None:
        """Let on_partitions_lost finish, find out who took over, and report the error once."""
        with anyio.move_on_after(CALLBACK_TIMEOUT):
            await anyio.lowlevel.checkpoint()  # the callback's task was started before this one
            async with self._callbacks:
                pass
        if isinstance(error, (FencedInstanceIdError, UnreleasedInstanceIdError)):
            error.owner = await owner_of(self.membership, self._coordinator, server_side=self._server_side)
        self._over = True
        self._failed(error)
        tasks.cancel_scope.cancel()


def _chained(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error
