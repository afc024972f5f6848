"""A classic member in its group: heartbeats and what they say, and the partitions that it owns, gives up or loses.

A rebalance of eager members takes everything first; one of cooperative members (KIP-429) only what is not subscribed to
any more, before they join, and what the new assignment does not hold, afterwards.
"""

from __future__ import annotations

from kafkastatic._group import requests
from kafkastatic._group.joining import Joining
from kafkastatic._group.member import (
    Action,
    AssignFinished,
    CloseRequested,
    CommitRejected,
    LoseFinished,
    Partitions,
    Report,
    RevokeFinished,
    Stop,
)
from kafkastatic._group.settings import Settings
from kafkastatic._group.states import IN_GROUP, State
from kafkastatic._protocol import error_codes as codes
from kafkastatic._protocol.faults import is_retriable
from kafkastatic._protocol.messages.heartbeat import HeartbeatResponse
from kafkastatic._protocol.messages.join_group import JoinGroupResponse
from kafkastatic._protocol.messages.leave_group import LeaveGroupResponse
from kafkastatic._protocol.messages.sync_group import SyncGroupResponse

IN_CALLBACK = frozenset({State.ASSIGNING, State.REVOKING, State.LOSING})
"""The states that end when the application's callback does."""


class Owning(Joining):
    """A member and its partitions."""

    def __init__(self, settings: Settings, topics: frozenset[str]) -> None:
        super().__init__(settings, topics)
        self._stepping_out = False
        self._closing: CloseRequested | None = None
        self._beaten = 0.0  # when the last heartbeat was sent
        self._sure_until = float("-inf")  # until when our session cannot have expired

    # ── heartbeats, and what the coordinator thinks of us ──

    def _beat(self, now: float) -> list[Action]:
        sent = super()._beat(now)
        if sent:
            self._beaten = now
        return sent

    def _heartbeat_answered(self, response: HeartbeatResponse, now: float) -> list[Action]:
        code = response.error_code
        if code == codes.NONE and self._unproven:
            return self._ask_for_proof()
        if code in (codes.NONE, codes.REBALANCE_IN_PROGRESS):
            # From when it was sent on: its answer may have lain about, if the event loop did not run.
            self._sure_until = self._beaten + self._settings.session_timeout
        return self._judged(code, "Heartbeat", now)

    def _ask_for_proof(self) -> list[Action]:
        """A coordinator that is loading answers NONE to any heartbeat, without a look at the member.

        In a stable group SyncGroup returns the standing assignment and changes nothing; while loading it is refused.
        """
        if "SyncGroup" in self._live or not self._coordinator:
            return []
        return [self._send(requests.sync(self.membership, self._protocol), self._answer_timeout)]

    def _proof_answered(self, response: SyncGroupResponse, now: float) -> list[Action]:
        if response.error_code == codes.REBALANCE_IN_PROGRESS:
            return []  # 3.9 answers so while it loads, too; of a rebalance the next heartbeat tells
        return self._judged(response.error_code, "SyncGroup", now)

    def _judged(self, code: int, api: str, now: float) -> list[Action]:
        """What the coordinator thinks of us while we are in the group."""
        doubted = self._unproven or self._session_until is None
        if code in (codes.NONE, codes.REBALANCE_IN_PROGRESS):
            self._attempt = 0
            self._unproven = False
            self._session_until = now + self._settings.session_timeout
        if code == codes.NONE:
            return [Report("membership_confirmed", self._who())] if doubted else []
        if code == codes.COORDINATOR_LOAD_IN_PROGRESS:
            return []
        if code == codes.REBALANCE_IN_PROGRESS:
            return self._rebalance("group is rebalancing", now)
        if code in (codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID):
            return self._lost(code, now)
        if code in (codes.COORDINATOR_NOT_AVAILABLE, codes.NOT_COORDINATOR) or is_retriable(code):
            return [Report("coordinator_lost", {"code": code}), *self._lose_coordinator()]
        return self._fail_code(code, api)

    def _coordinator_forgotten(self) -> list[Action]:
        """As if a heartbeat had told it; who is not in the group will be judged by whichever coordinator it joins."""
        if self.state not in IN_GROUP or self._finding:
            return []
        return [Report("coordinator_lost", {"api": "another request"}), *self._lose_coordinator(at_once=True)]

    def _commit_rejected(self, event: CommitRejected, now: float) -> list[Action]:
        then, present = event.who or self.membership, self.membership
        if self.state not in IN_GROUP or (then.member_id, then.epoch) != (present.member_id, present.epoch):
            return []  # it judges whom we were before, or the join that is under way will
        if event.code == codes.FENCED_INSTANCE_ID:
            return self._fail_code(event.code, "OffsetCommit")
        if event.code == codes.ILLEGAL_GENERATION:
            return self._lost(event.code, now)
        # UNKNOWN_MEMBER_ID of a commit is no proof: a group that moved to KIP-848 answers it to a fenced classic
        # member, whose blind rejoin would turn the whole group back. The heartbeat decides.
        return self._beat(now)

    # ── losing ──

    def _lost(self, code: int, now: float) -> list[Action]:
        lost = self._lost_by(code, alive=self._surely_alive(now))
        if code == codes.UNKNOWN_MEMBER_ID:
            self._identify("")
            self._sure_until = float("-inf")
        return lost

    def _surely_alive(self, now: float) -> bool:
        return now < self._sure_until

    def _join_answered(self, response: JoinGroupResponse, now: float) -> list[Action]:
        """What an answer says of partitions that we own while we join comes first."""
        code, owns = response.error_code, bool(self.membership.assignment)
        unknown = code == codes.UNKNOWN_MEMBER_ID and self.membership.member_id != ""
        if unknown and (owns or self._surely_alive(now)):
            return self._lost(code, now)
        if code == codes.NONE and owns and self._missed(response):
            return self._lost(codes.ILLEGAL_GENERATION, now)
        return super()._join_answered(response, now)

    def _missed(self, response: JoinGroupResponse) -> bool:
        """Whether a generation has passed without us, whose members did not know what we own.

        In a KIP-848 group, which names no leader, the coordinator knows it, and counts otherwise.
        """
        return bool(response.leader) and not 0 <= response.generation_id - self._generation <= 1

    def _sync_answered(self, response: SyncGroupResponse, now: float) -> list[Action]:
        code = response.error_code
        if code in (codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID) and self.membership.assignment:
            return self._lost(code, now)
        return super()._sync_answered(response, now)

    # ── giving up ──

    def _rebalance(self, reason: str, now: float) -> list[Action]:
        """Give up what cannot be kept, and join again; later, when a callback or a join is under way."""
        if self.state in (State.REVOKING, State.LOSING, State.PAUSED):
            return []  # a join follows, or must not
        self._reason = reason
        if self.state is State.STABLE or (self.state is not State.ASSIGNING and self._unwanted()):
            return self._give_up(now)
        self._rejoin_wanted = True
        return []

    def _unwanted(self) -> Partitions:
        """What cannot be kept on the way to what comes next."""
        owned = self.membership.assignment
        return self._not_subscribed(owned) if self._cooperative and not self._ends else owned

    @property
    def _ends(self) -> bool:
        return self._stepping_out or self._closing is not None

    def _give_up(self, now: float) -> list[Action]:
        """Give up what cannot be kept, then go on to what comes next. A join that is under way is given up, too."""
        self._then = None
        gone = self._unwanted()
        if not gone:
            return self._go_on(now)
        if self.state not in IN_GROUP:
            self._out_of_generation()
        self._move("revoke")
        return self._begin_to_revoke(gone, self._reason, self._drain_until(now))

    def _callback_finished(self, event: AssignFinished | RevokeFinished | LoseFinished, now: float) -> list[Action]:
        if event.error is not None:
            return self._fail(event.error)
        if isinstance(event, AssignFinished) and self.state is State.ASSIGNING:
            self._move("assigned")
            return self._give_up(now) if self._ends or self._rejoin_wanted else []
        if isinstance(event, RevokeFinished) and self.state is State.REVOKING:
            return self._revoked(now)
        if isinstance(event, LoseFinished) and self.state is State.LOSING:
            return self._go_on(now)
        return []

    def _revoked(self, now: float) -> list[Action]:
        self.membership = self.membership.evolve(assignment=self.membership.assignment - self._giving_up)
        if self._then is None or self._ends or self._unwanted():  # the last: the subscription has changed meanwhile
            return self._give_up(now)
        complete, self._then = self._then, None
        self._move("revoked")
        return self._own(complete)

    def _go_on(self, now: float) -> list[Action]:
        """Nothing is owned any more that cannot be kept: leave, step out, or join again."""
        if self._closing:
            return self._end(self._closing.leave)
        if self._stepping_out:
            return self._step_out(now)
        return self._join("rejoin", now)

    # ── out of the group ──

    def _step_out(self, now: float) -> list[Action]:
        """Be no active member: a dynamic one leaves, a static one keeps its member id for the way back."""
        self._stepping_out = False
        self._move("stepped out")
        if "JoinGroup" in self._live:
            self._abandon_join(now)
        self._out_of_generation()
        who = self.membership
        if who.instance_id is not None or not who.member_id or not self._coordinator:
            self.membership = who.evolve(epoch=-1)
            return [Report("stepped_out", self._who())]
        send = self._send(requests.leave(who, self._reason), self._settings.request_timeout)
        self._live.clear()  # nobody waits for the answer
        self._identify("")
        return [Report("stepped_out", self._who()), send]

    def _end(self, leave: bool) -> list[Action]:
        who = self.membership
        self._out_of_generation()
        if not (leave and who.member_id and self._coordinator) or self.state is State.IDLE:
            self._move("left")
            return [Report("closed", self._who()), Stop()]
        self._move("leave")
        return [self._send(requests.leave(who, self._reason), self._settings.request_timeout)]

    def _leave_answered(self, response: LeaveGroupResponse) -> list[Action]:
        answers = [response.error_code, *(member.error_code for member in response.members)]
        code = next((code for code in answers if code not in (codes.NONE, codes.UNKNOWN_MEMBER_ID)), codes.NONE)
        return self._left(code=code)
