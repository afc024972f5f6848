"""The group's commits: one after another, each under the identity and for the partitions that it was meant for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import anyio

from kafkastatic._drivers.coordinator import Coordinator
from kafkastatic._drivers.log import EventLog
from kafkastatic._fetch.consumption import Consumption
from kafkastatic._fetch.positions import PartitionState
from kafkastatic._group import commits
from kafkastatic._group.commits import Outcome, Verdict
from kafkastatic._net.backoff import Backoff
from kafkastatic._net.pool import Role
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for
from kafkastatic._runtime import Runtime
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import CommitFailedError, KafkaError
from kafkastatic.types import NO_TOPIC_ID, Membership, OffsetAndMetadata, TopicPartition

Offsets = Mapping[TopicPartition, OffsetAndMetadata]

_REMEDIES = {
    codes.REBALANCE_IN_PROGRESS: "The group is rebalancing: commit again once partitions are assigned.",
    codes.STALE_MEMBER_EPOCH: "Commit again, if the partitions are still assigned.",
}
_BETWEEN = frozenset({codes.ILLEGAL_GENERATION, codes.REBALANCE_IN_PROGRESS})
"""What a commit is answered that meets the group between two generations: nothing against a member that keeps what it
owns, and commits again in the next one."""

_LEFT_BEHIND = "The group went on without this member; its partitions start again at the last commit."
_NO_MEMBER = "Other consumers are members of this group: give assigned partitions a group_id of their own."


class Claim(NamedTuple):
    """Who may commit, and for which spell of owning each partition; both end with a rebalance.

    Attributes:
        jumps: what is committed is news of a partition only as long as no seek or reset has moved it.
        topic_ids: the topics that the offsets are of, `None` where an id is not known.
    """

    who: Membership
    states: Mapping[TopicPartition, PartitionState | None]
    jumps: Mapping[TopicPartition, int]
    topic_ids: Mapping[str, bytes] | None = None


class CommitDriver:
    """Sends commits and keeps `consumption` informed of what was accepted.

    Attributes:
        last_error: the last passing failure met, to name when the time has run out.

    Args:
        identity: the membership to stamp on a commit.
        rejected: told the error code, and the identity that it judges, when the coordinator does not take the
            member for what it says it is.
        judged: ends when the member knows what the coordinator thinks of it, after `rejected`.
        moving: whether the member is on its way into the next generation with what it owns (KIP-429).
        outdated: told when the coordinator does not know a topic by its id any more.
    """

    def __init__(
        self,
        config: ConsumerConfig,
        coordinator: Coordinator | None,
        consumption: Consumption,
        runtime: Runtime,
        log: EventLog,
        *,
        identity: Callable[[], Membership],
        rejected: Callable[[int, Membership], None],
        judged: Callable[[], Awaitable[None]],
        moving: Callable[[], bool],
        outdated: Callable[[], None],
    ) -> None:
        self.last_error: KafkaError | None = None
        self._config = config
        self._coordinator = coordinator
        self._consumption = consumption
        self._runtime = runtime
        self._log = log
        self._identity = identity
        self._rejected = rejected
        self._judged = judged
        self._moving = moving
        self._outdated = outdated
        self._lock = anyio.Lock()  # none may overtake a later one

    async def commit(self, offsets: Offsets) -> None:
        """Commit what the application asked for, retrying passing failures; the caller bounds the time.

        Raises:
            CommitFailedError: if the member or the offsets are refused, or a partition is not ours any more.
        """
        claim = self._claim(offsets)
        self._refuse_former(offsets, claim)
        async with self._lock:
            await self._commit(lambda: (offsets, claim))

    def _refuse_former(self, offsets: Offsets, claim: Claim) -> None:
        """A record of a topic that was deleted and created again is behind all that was read of the new one."""
        self._consumption.settle()
        old = [tp for tp, state in claim.states.items() if state and state.reborn and offsets[tp].offset > state.handed]
        if old:
            raise CommitFailedError(
                f"{', '.join(f'{topic}-{partition}' for topic, partition in old)}: the topic was deleted and created"
                " again, and nothing up to the offset was read of the new one.",
                group=self._config.group_id,
                offsets={tp: offsets[tp].offset for tp in old},
                remedy="Forget what was read of the old topic; to skip records of the new one, seek first.",
            )

    async def auto(self, choose: Callable[[], Mapping[TopicPartition, int]], when: str) -> None:
        """Commit without the application's doing: a refusal is an event, the records are delivered again.

        Args:
            choose: the offsets, asked for when it is this commit's turn, so that it undoes none before it, and anew
                for each try: what a seek has gone back behind since, or what is owned no more, is not tried again.
        """
        if self._coordinator is None:
            return

        def chosen() -> tuple[Offsets, Claim] | None:
            offsets = self._consumption.positions.with_epochs(choose())
            return (offsets, self._claim(offsets)) if offsets else None

        async with self._lock:
            try:
                await self._commit(chosen)
            except KafkaError as error:
                self._log.warning("auto_commit_failed", when=when, error=str(error))

    async def parting(self, offsets: Offsets) -> None:
        """Commit partitions that the application itself has just given up; nobody else is given them."""
        nobody = Claim(self._identity(), {}, {})
        async with self._lock:
            try:
                await self._commit(lambda: (offsets, nobody))
            except KafkaError as error:
                self._log.warning("auto_commit_failed", when="on_assign", error=str(error))

    def _claim(self, offsets: Offsets) -> Claim:
        states = {tp: self._consumption.positions.get(tp) for tp in offsets}
        jumps = {tp: state.jumps for tp, state in states.items() if state is not None}
        ids = {tp[0]: state.topic_id for tp, state in states.items() if state is not None}
        return Claim(self._identity(), states, jumps, None if NO_TOPIC_ID in ids.values() else ids)

    def _check(self, offsets: Offsets, claim: Claim) -> Claim:
        """The broker would take a commit for any partition, and an old offset under a new identity.

        Returns:
            The claim, under the present epoch: partitions may be kept while the group goes on to the next one.
        """
        positions, who = self._consumption.positions, self._identity()
        deleted = [tp for tp, state in claim.states.items() if state is not None and state.gone]
        if deleted:
            raise CommitFailedError(
                f"The topic of {', '.join(f'{topic}-{partition}' for topic, partition in deleted)} was deleted.",
                group=self._config.group_id,
                offsets={tp: offsets[tp].offset for tp in deleted},
            )
        gone = [tp for tp, state in claim.states.items() if state is None or positions.get(tp) is not state]
        if gone:
            raise CommitFailedError(
                f"{', '.join(f'{topic}-{partition}' for topic, partition in gone)} not assigned to this consumer"
                f"{'' if None in claim.states.values() else ' any more'}.",
                group=self._config.group_id,
                offsets={tp: offsets[tp].offset for tp in gone},
                remedy="Commit before the partitions are revoked; their next owner starts at the last commit.",
            )
        if who.member_id and who.epoch < 0:
            raise CommitFailedError(
                "This consumer is not in its group now.",
                group=self._config.group_id,
                offsets={tp: offset.offset for tp, offset in offsets.items()},
                remedy=_LEFT_BEHIND,
            )
        return claim._replace(who=who)

    async def _commit(self, meant: Callable[[], tuple[Offsets, Claim] | None]) -> None:
        """Try until it is done, or refused; `meant` is asked before each try, and may find nothing left to do."""
        config = self._config
        assert self._coordinator is not None
        backoff = Backoff(config.retry_backoff_ms, config.retry_backoff_max_ms, self._runtime.random)
        renewed = False
        while (now := meant()) is not None:
            offsets, claim = now[0], self._check(*now)
            moving = self._moving()
            outcome = await self._try(offsets, claim)
            self._note(offsets, outcome, claim)
            if outcome.verdict is Verdict.DONE:
                return
            if outcome.code in _BETWEEN and (moving or self._moved(claim)) and self._holds(claim):
                await anyio.sleep(backoff.next())
                continue
            if outcome.verdict in (Verdict.REJECTED, Verdict.STALE):
                self._rejected(outcome.code, claim.who)
            if outcome.verdict is Verdict.STALE and not renewed:
                renewed = True
                await self._judged()
                if self._identity().epoch != claim.who.epoch:
                    continue
            if outcome.verdict in (Verdict.REJECTED, Verdict.STALE, Verdict.REFUSED):
                raise self._refusal(outcome, offsets, claim.who)
            if outcome.verdict is Verdict.MOVED:
                self._coordinator.forget()
            if codes.UNKNOWN_TOPIC_ID in outcome.refused.values():
                self._outdated()
            await anyio.sleep(backoff.next())

    def _moved(self, claim: Claim) -> bool:
        return self._moving() or self._identity().epoch != claim.who.epoch

    def _holds(self, claim: Claim) -> bool:
        """Whether all is owned that was when the commit was meant."""
        positions = self._consumption.positions
        return bool(claim.states) and all(
            state is not None and positions.get(tp) is state for tp, state in claim.states.items()
        )

    def _note(self, offsets: Offsets, outcome: Outcome, claim: Claim) -> None:
        """What was accepted is committed, whatever else was not.

        But it is no news of a partition that another spell of ownership has by now, or that was moved meanwhile.
        """
        if outcome.verdict not in (Verdict.DONE, Verdict.REFUSED):
            return
        news: dict[TopicPartition, OffsetAndMetadata] = {}
        for tp, offset in offsets.items():
            state = self._consumption.positions.get(tp)
            known = state is not None and state is claim.states.get(tp) and state.jumps == claim.jumps[tp]
            if known and tp not in outcome.refused:
                news[tp] = offset
        self._consumption.committed(news)

    async def _try(self, offsets: Offsets, claim: Claim) -> Outcome:
        assert self._coordinator is not None
        timeout = self._config.request_timeout_ms / 1000
        request = commits.request(claim.who, offsets, claim.topic_ids)
        cap = commits.NAMES_ONLY if claim.topic_ids is None else None
        try:
            answer = await self._coordinator.request(request, Role.QUICK, timeout=timeout, cap=cap)
        except KafkaError as error:
            if not error.retriable:
                raise
            self.last_error = error
            return Outcome(Verdict.MOVED)
        return commits.classify(answer, claim.topic_ids)

    def _refusal(self, outcome: Outcome, offsets: Offsets, who: Membership) -> CommitFailedError:
        cause = error_for(
            outcome.code,
            api="OffsetCommit",
            group=who.group,
            instance_id=who.instance_id,
            member_id=who.member_id,
            epoch=who.epoch,
        )
        remedy = None
        if outcome.verdict in (Verdict.REJECTED, Verdict.STALE):
            remedy = _REMEDIES.get(outcome.code, _LEFT_BEHIND if who.member_id else _NO_MEMBER)
        error = CommitFailedError(
            f"The coordinator refused the commit with {cause.name}.",
            group=who.group,
            offsets={tp: offsets[tp].offset for tp in outcome.refused if tp in offsets},
            remedy=remedy,
        )
        error.__cause__ = cause
        return error
