"""Instance ids: which ones are legal, where they come from, and that a process uses each once."""

from __future__ import annotations

import socket
import string

import pytest

from kafkastatic import identity
from kafkastatic.errors import ConfigError
from kafkastatic.types import InstanceId

LEGAL = string.ascii_letters + string.digits + "._-"


# ── Java's rule ──


def test_every_character_that_java_takes_is_legal_and_no_other() -> None:
    """`Topic.validate`, which `group.instance.id` goes through: [a-zA-Z0-9._-]."""
    found = "".join(chr(code) for code in range(0x3000) if _legal(f"a{chr(code)}"))

    assert sorted(found) == sorted(LEGAL)


def _legal(value: str) -> bool:
    try:
        InstanceId(value)
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("value", ["a", "0", "-", "_", "...", ".a", "billing-0", "x" * 249, LEGAL])
def test_legal_ids(value: str) -> None:
    made = InstanceId(value)

    assert made == value
    assert isinstance(made, str)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is empty"),
        (".", "is not allowed"),
        ("..", "is not allowed"),
        ("x" * 250, "is 250 characters long"),
        ("a b", "holds ' '"),
        ("a/b", "holds '/'"),
        ("réplique", "holds 'é'"),
        ("a\n", r"holds '\n'"),
    ],
)
def test_illegal_ids_are_told_why(value: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        InstanceId(value)

    assert str(caught.value) == f"group_instance_id {value[:60]!r} {problem}. Use 1 to 249 of [a-zA-Z0-9._-]."


# ── where it comes from ──


def test_an_id_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_GROUP_INSTANCE_ID", "billing-3")
    monkeypatch.setenv("REPLICA", "billing-4")

    assert identity.from_env() == "billing-3"
    assert identity.from_env("REPLICA") == "billing-4"
    assert isinstance(identity.from_env(), InstanceId)


@pytest.mark.parametrize(("value", "words"), [(None, "REPLICA is not set"), ("", "is empty"), ("a b", "holds ' '")])
def test_an_environment_without_an_id(monkeypatch: pytest.MonkeyPatch, value: str | None, words: str) -> None:
    """An empty variable is a mistake, not a dynamic member."""
    monkeypatch.delenv("REPLICA", raising=False)
    if value is not None:
        monkeypatch.setenv("REPLICA", value)
    with pytest.raises(ConfigError, match=words):
        identity.from_env("REPLICA")


def test_an_id_from_the_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "web-1.example.com")
    assert identity.from_hostname() == "web-1.example.com"

    monkeypatch.setattr(socket, "gethostname", lambda: "my laptop")
    with pytest.raises(ConfigError, match="holds ' '"):
        identity.from_hostname()


@pytest.mark.parametrize("name", ["billing-0", "billing-api-12", "a-b-c-0", "app-66b6c48dd5-0"])
@pytest.mark.parametrize("source", ["POD_NAME", "host name"])
def test_an_id_from_a_stateful_sets_pod(monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> None:
    """The variable of the downward API goes first: a pod may be given another host name."""
    monkeypatch.setattr(socket, "gethostname", lambda: name if source == "host name" else "other")
    monkeypatch.setenv("POD_NAME", name if source == "POD_NAME" else "")

    assert identity.from_pod() == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("billing-66b6c48dd5-7s8zx", "looks like a Deployment's"),
        ("billing-api-75675f5897-24567", "looks like a Deployment's"),
        ("billing-5d4f8c7b9-x2x2x", "looks like a Deployment's"),
        ("billing-7s8zx", "does not end in a StatefulSet's ordinal"),
        ("3f2a9c7d1b04", "does not end in a StatefulSet's ordinal"),
        ("localhost", "does not end in a StatefulSet's ordinal"),
    ],
    ids=["deployment", "digits", "short hash", "daemon set or job", "container", "host"],
)
def test_a_pod_whose_name_changes_at_every_restart_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setenv("POD_NAME", name)
    with pytest.raises(ConfigError, match=words):
        identity.from_pod()


# ── once a process ──


def test_an_identity_is_claimed_once() -> None:
    registry = identity.IdentityRegistry()
    claim = registry.claim(["a:1", "b:2"], "g", "i")
    with pytest.raises(ConfigError, match="already uses group_instance_id 'i' in group 'g'"):
        registry.claim(["b:2", "a:1"], "g", "i")
    for other in ((["a:1"], "g", "i"), (["a:1", "b:2"], "h", "i"), (["a:1", "b:2"], "g", "j")):
        registry.claim(*other)

    registry.release(claim)
    registry.release(claim)
    registry.claim(["a:1", "b:2"], "g", "i")
