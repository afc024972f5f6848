"""Who a member is: a legal instance id, one holder in a process, and its name on every request."""

from __future__ import annotations

import pytest

from kafkastatic import identity
from kafkastatic._group import commits
from kafkastatic._group.classic import ClassicMember
from kafkastatic._group.member import (
    Answered,
    AssignFinished,
    CloseRequested,
    CoordinatorFound,
    Event,
    LoseFinished,
    RequestFailed,
    RevokeFinished,
    Send,
    Started,
    TimerFired,
)
from kafkastatic._group.settings import STATIC_VERSIONS
from kafkastatic._protocol.primitives import Request
from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import ConfigError
from kafkastatic.types import InstanceId, OffsetAndMetadata
from tests.group.machine import INST, LOST, O0, STATIC, VERSIONS, beaten, joined, left, synced

ILLEGAL = {
    "empty": "",
    "dot": ".",
    "dots": "..",
    "long": "a" * 250,
    "space": "a b",
    "letter": "ñ",
    "nul": "a\0",
    "slash": "a/b",
    "newline": "a\n",
}


@pytest.mark.scenario(3, where="machine")
@pytest.mark.parametrize("value", ILLEGAL.values(), ids=ILLEGAL)
def test_an_illegal_instance_id_is_refused_at_once(value: str) -> None:
    """Brokers would take any string; the rule is the Java client's, and both the value and the option hold it."""
    with pytest.raises(ConfigError, match="group_instance_id"):
        InstanceId(value)
    with pytest.raises(ConfigError, match="group_instance_id"):
        ConsumerConfig(bootstrap_servers="b1", group_id="payments", group_instance_id=value)


@pytest.mark.scenario(3, where="machine")
@pytest.mark.parametrize("value", ["a", "billing-0", "A.b_c-9", "...", "a" * 249])
def test_a_legal_instance_id_is_a_string(value: str) -> None:
    """It equals the string that it was made from."""
    assert InstanceId(value) == value


def test_an_instance_id_needs_a_group() -> None:
    """Without a group there is no member to name."""
    with pytest.raises(ConfigError, match="without a group_id"):
        ConsumerConfig(bootstrap_servers="b1", group_instance_id="billing-0")


# ── one holder in a process ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.scenario(40, where="machine")
def test_an_identity_is_held_once_in_a_process() -> None:
    """The second claim is refused, in whatever order the brokers are named; the first one's release frees it."""
    registry = identity.IdentityRegistry()
    claim = registry.claim(["b1:9092", "b2:9092"], "payments", INST)

    with pytest.raises(ConfigError, match=r"billing-0.*payments"):
        registry.claim(["b2:9092", "b1:9092"], "payments", INST)

    registry.release(claim)
    assert registry.claim(["b1:9092", "b2:9092"], "payments", INST) == claim


@pytest.mark.scenario(40, where="machine")
@pytest.mark.parametrize(
    "other",
    [(["b3:9092"], "payments", INST), (["b1:9092"], "refunds", INST), (["b1:9092"], "payments", "billing-1")],
    ids=["cluster", "group", "instance id"],
)
def test_another_cluster_group_or_instance_id_is_another_identity(other) -> None:
    """Only all three together are an identity."""
    registry = identity.IdentityRegistry()
    registry.claim(["b1:9092"], "payments", INST)

    registry.claim(*other)


@pytest.mark.scenario(40, where="machine")
def test_registries_stand_for_processes() -> None:
    """What one process holds is not known to another."""
    identity.IdentityRegistry().claim(["b1:9092"], "payments", INST)

    identity.IdentityRegistry().claim(["b1:9092"], "payments", INST)


# ── where it comes from ────────────────────────────────────────────────────────────────────────────────────────


def test_an_instance_id_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not set, or holds nonsense, is an error."""
    monkeypatch.setenv("KAFKA_GROUP_INSTANCE_ID", "billing-3")
    monkeypatch.setenv("NONSENSE", "a b")
    monkeypatch.delenv("NOTHING", raising=False)

    assert identity.from_env() == "billing-3"
    with pytest.raises(ConfigError, match="is not set"):
        identity.from_env("NOTHING")
    with pytest.raises(ConfigError, match="holds ' '"):
        identity.from_env("NONSENSE")


def test_a_pods_name_is_taken_from_a_statefulset_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Deployment's pod has another name after every restart, which would leave a ghost behind each time."""
    monkeypatch.setenv("POD_NAME", "billing-2")
    assert identity.from_pod() == "billing-2"

    monkeypatch.setenv("POD_NAME", "billing-7d9f8b6c54-x2x7k")
    with pytest.raises(ConfigError, match="Deployment"):
        identity.from_pod()


# ── on every request ───────────────────────────────────────────────────────────────────────────────────────────


def a_whole_life() -> list[Request]:
    """Every request of a static member: a coordinator lost and found, a rebalance, an expiry, a leave, a commit."""
    member = ClassicMember(STATIC, frozenset({"orders"}))
    sent: list[Request] = []

    def feed(event: Event, now: float) -> None:
        sent.extend(action.request for action in member.handle(event, now) if isinstance(action, Send))

    feed(Started(), 0.0)
    feed(CoordinatorFound(VERSIONS), 0.0)
    feed(Answered(1, joined()), 0.1)
    feed(Answered(2, synced()), 0.2)
    feed(AssignFinished(), 0.3)
    sent.append(commits.request(member.membership, {O0: OffsetAndMetadata(17)}))
    feed(RequestFailed(3, LOST), 1.0)
    feed(CoordinatorFound(VERSIONS), 2.0)
    feed(Answered(4, beaten(27)), 2.1)
    feed(RevokeFinished(), 2.2)
    feed(Answered(5, joined(generation=5)), 2.3)
    feed(Answered(6, synced()), 2.4)
    feed(AssignFinished(), 2.5)
    feed(Answered(7, beaten(25)), 2.6)
    feed(LoseFinished(), 2.7)
    feed(Answered(8, joined("billing-0-b", 6)), 2.8)
    feed(Answered(9, synced()), 2.9)
    feed(AssignFinished(), 3.0)
    sent.append(commits.request(member.membership, {O0: OffsetAndMetadata(18)}))
    feed(TimerFired(), 5.9)
    feed(CloseRequested(leave=True), 6.0)
    feed(RevokeFinished(), 6.1)
    feed(Answered(11, left()), 6.2)
    return sent


@pytest.mark.scenario(14, where="machine")
def test_every_request_of_a_static_member_names_it() -> None:
    """Join, sync, heartbeat, commit and leave carry the instance id, in every version that a static member speaks."""
    requests = a_whole_life()

    assert [request.NAME for request in requests] == [
        *("JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit"),  # the first join
        "Heartbeat",  # the coordinator was found again
        *("JoinGroup", "SyncGroup", "Heartbeat"),  # after the rebalance
        *("JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit"),  # after the expiry
        "LeaveGroup",
    ]
    needed = dict(STATIC_VERSIONS)
    for request in requests:
        highest = commits.NAMES_ONLY if request.NAME == "OffsetCommit" else request.MAX_VERSION
        for version in range(needed[type(request)], highest + 1):
            wire = bytes(request.encode(version))
            assert INST.encode() in wire
            read = type(request).decode(wire, version)
            named = read.members[0] if request.NAME == "LeaveGroup" else read
            assert named.group_instance_id == INST


@pytest.mark.scenario(14, where="machine")
def test_no_request_names_an_instance_without_a_version_for_it() -> None:
    """A version that cannot carry the instance id is refused, not sent without it."""
    for request in a_whole_life():
        version = dict(STATIC_VERSIONS)[type(request)] - 1
        with pytest.raises(ConfigError):
            request.encode(version)
