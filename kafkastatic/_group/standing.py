"""What a member of any group protocol has: an identity, requests that are waited for, partitions, and one end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from kafkastatic._group.member import (
    Action,
    Assign,
    Fail,
    FindCoordinator,
    Lose,
    Partitions,
    PollExpired,
    Report,
    Revoke,
    Send,
    Stop,
)
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import error_for
from kafkastatic._protocol.primitives import Request
from kafkastatic.errors import KafkaError
from kafkastatic.types import Membership

S = TypeVar("S")


class Standing(Generic[S]):
    """Where a member stands.

    Attributes:
        state: moves along the table of the protocol's states only.
        membership: the identity that is stamped on every request.
    """

    def __init__(
        self,
        membership: Membership,
        backoff: Callable[[int], float],
        table: Mapping[S, Mapping[str, S]],
        *,
        first: S,
        failed: S,
    ) -> None:
        self.state = first
        self.membership = membership
        self._table = table
        self._failed = failed
        self._backoff_of = backoff
        self._attempt = 0
        self._coordinator = False  # is known
        self._finding = False
        self._retry_at: float | None = None
        self._release_until: float | None = None  # how long a static member that starts waits for its predecessor
        self._giving_up: Partitions = frozenset()  # what is being revoked
        self._reason = "first join"
        self._last_key = 0
        self._live: dict[str, int] = {}  # the key of the answer that each API waits for

    def _move(self, cause: str) -> None:
        self.state = self._table[self.state][cause]

    def _out_of_generation(self) -> None:
        """Forget what belongs to the generation we were in. Its requests may still be answered: to nobody."""
        self._live.clear()

    def _identify(self, member_id: str, epoch: int = -1) -> None:
        self.membership = self.membership.evolve(member_id=member_id, epoch=epoch)

    def _send(self, request: Request[Any], timeout: float, ahead: Request[Any] | None = None) -> Send:
        self._last_key += 1
        self._live[request.NAME] = self._last_key
        return Send(request, self._last_key, timeout, ahead)

    def _take(self, key: int) -> str | None:
        """The API whose live request has this key; it waits no longer."""
        api = next((api for api, live in self._live.items() if live == key), None)
        if api is not None:
            del self._live[api]
        return api

    def _backoff(self) -> float:
        self._attempt += 1
        return self._backoff_of(self._attempt - 1)

    def _who(self) -> dict[str, object]:
        return {"member_id": self.membership.member_id, "epoch": self.membership.epoch}

    # ── the coordinator ──

    def _lose_coordinator(self, *, at_once: bool = False) -> list[Action]:
        """Look the coordinator up again, once, whoever noticed.

        Args:
            at_once: whoever noticed looks it up too, and waits between its own tries.
        """
        self._coordinator = False
        if self._finding:
            return []
        self._finding = True
        return [FindCoordinator(after=0.0 if at_once else self._backoff())]

    def _not_now(self, now: float, at_latest: float = math.inf) -> list[Action]:
        """Join again after a pause."""
        self._move("not now")
        self._retry_at = min(now + self._backoff(), at_latest)
        return []

    def _await_release(self, code: int, api: str, detail: str | None, patience: float, now: float) -> list[Action]:
        """Wait for what a predecessor, or another member, holds in the group: until it leaves, or has expired."""
        first = self._release_until is None
        until = self._release_until = now + patience if self._release_until is None else self._release_until
        if now >= until:
            still = f"still so after instance_id_wait_ms, {patience:g} s"
            return self._fail_code(code, api, f"{detail}; {still}" if detail else still)
        self._not_now(now, until)
        fields = {"error": error_for(code).name, "timeout_s": patience}
        return [Report("waiting_for_release", fields)] if first else []

    # ── partitions ──

    def _own(self, complete: Partitions) -> list[Action]:
        added = complete - self.membership.assignment
        self.membership = self.membership.evolve(assignment=complete)
        report = Report("assigned", {**self._who(), "partitions": len(complete), "added": len(added)})
        return [report, Assign(added, complete)]

    def _begin_to_revoke(self, partitions: Partitions, reason: str, deadline: float) -> list[Action]:
        self._giving_up = partitions
        fields = {**self._who(), "partitions": len(partitions), "reason": reason}
        return [Report("revoking", fields), Revoke(partitions, deadline)]

    def _lost_by(self, code: int, *, alive: bool) -> list[Action]:
        """We are not, or no longer, what the coordinator knows: the partitions may have another owner already.

        Args:
            alive: our session cannot have expired. Who is unknown all the same was removed, by an administrator as a
                rule.
        """
        removed = alive and code == codes.UNKNOWN_MEMBER_ID
        cause = "removed" if removed else error_for(code).name.lower()
        self._reason = f"lost membership: {cause}"
        report = Report("lost", {**self._who(), "cause": cause, "inferred": removed})
        return [report, *self._drop(cause)]

    def _drop(self, cause: str) -> list[Action]:
        gone = self.membership.assignment
        self._move("lost")
        self._out_of_generation()
        self.membership = self.membership.evolve(epoch=-1, assignment=frozenset())
        return [Lose(gone, cause)]

    # ── the end, or a rest ──

    def _poll_report(self, event: PollExpired) -> Report:
        self._reason = "max_poll_interval_ms exceeded"
        excess = round(event.excess * 1000)
        return Report("poll_expired", {**self._who(), "last": event.last, "excess_ms": excess})

    def _left(self, **how: object) -> list[Action]:
        self._move("left")
        return [Report("left", {**self._who(), **how}), Stop()]

    def _fail_code(self, code: int, api: str, detail: str | None = None, remedy: str | None = None) -> list[Action]:
        who = self.membership
        error = error_for(
            code,
            api=api,
            detail=detail,
            group=who.group,
            instance_id=who.instance_id,
            member_id=who.member_id,
            epoch=who.epoch,
            remedy=remedy,
        )
        return self._fail(error)

    def _fail(self, error: BaseException) -> list[Action]:
        """End, for good: partitions are dropped first, so that nothing more of them is handed out or committed."""
        gone = self.membership.assignment
        fenced = isinstance(error, KafkaError) and error.code == codes.FENCED_INSTANCE_ID
        self.state = self._failed
        self._out_of_generation()
        report = Report("fenced" if fenced else "failed", {**self._who(), "error": str(error)})
        self.membership = self.membership.evolve(assignment=frozenset())
        return [report, Lose(gone, "fenced" if fenced else "failed"), Fail(error)]
