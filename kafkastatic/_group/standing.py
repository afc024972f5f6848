"""What a member of any group protocol has: an identity, requests that are waited for, and one end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from kafkastatic._group.member import Action, Fail, Lose, Report, Send
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
