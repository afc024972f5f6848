"""What options may be, and what a wrong one is told."""

from __future__ import annotations

import copy
import pickle
import ssl
from pathlib import Path
from typing import Any

import attrs
import pytest

from kafkastatic import Consumer
from kafkastatic._group.assignors import RangeAssignor
from kafkastatic.config import ConsumerConfig, option_names
from kafkastatic.errors import ConfigError
from kafkastatic.types import InstanceId, Secret

MAX = 2**31 - 1
CONTEXT = ssl.create_default_context()
LOGIN = {
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "PLAIN",
    "sasl_plain_username": "alice",
    "sasl_plain_password": "pa55",
}


def config(**options: Any) -> ConsumerConfig:
    return ConsumerConfig.from_mapping({"bootstrap_servers": "localhost", **options})


def refused(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config(**options)
    return str(caught.value)


# ── names ──


@pytest.mark.parametrize("name", ["group.instance.id", "group_instance_id", "group_instance.id"])
def test_names_may_have_dots(name: str) -> None:
    found = ConsumerConfig.from_mapping({"bootstrap.servers": "b1:1", "group.id": "g", name: "i-0"})

    assert (found.bootstrap_servers, found.group_id, found.group_instance_id) == (("b1:1",), "g", "i-0")
    assert isinstance(found.group_instance_id, InstanceId)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("session.timeout", "Did you mean 'session_timeout_ms'?"),
        ("group_idd", "Did you mean 'group_id'?"),
        ("boostrap.servers", "Did you mean 'bootstrap_servers'?"),
        ("value_deserialiser", "Did you mean 'value_deserializer'?"),
        ("key.deserializer", "key_deserializer is an argument of Consumer itself."),
        ("zzz", "See docs/configuration.md for the options."),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ConsumerConfig.from_mapping({"bootstrap_servers": "b1", name: 1})

    assert str(caught.value) == f"{name!r} is not an option of the consumer. {hint}"


def test_an_unknown_keyword_of_the_consumer_too() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'enable_auto_commit'"):
        Consumer("orders", bootstrap_servers="b1", enable_autocommit=False)  # type: ignore[call-arg]  # pyright: ignore


def test_a_name_in_both_spellings_is_refused() -> None:
    assert refused(**{"group_id": "a", "group.id": "b"}) == "group_id is given twice, in both spellings. Give it once."


def test_the_servers_have_to_be_named() -> None:
    with pytest.raises(ConfigError, match=r"bootstrap_servers is missing\. Name at least one broker"):
        ConsumerConfig.from_mapping({"group_id": "g"})


# ── types ──


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("group_id", 5, "must be a str, got 5"),
        ("group_id", b"g", "must be a str, got b'g'"),
        ("group_instance_id", 5, "must be a str, got 5"),
        ("client_id", None, "must be a str, got None"),
        ("client_id", 5, "must be a str, got 5"),
        ("client_rack", 5, "must be a str, got 5"),
        ("session_timeout_ms", "45000", "must be an int, got '45000'"),
        ("session_timeout_ms", 45000.0, "must be an int, got 45000.0"),
        ("session_timeout_ms", True, "must be an int, got True"),
        ("session_timeout_ms", None, "must be an int, got None"),
        ("drain_timeout_ms", "1", "must be an int, got '1'"),
        ("enable_auto_commit", "false", "must be True or False, got 'false'"),
        ("enable_auto_commit", 0, "must be True or False, got 0"),
        ("check_crcs", None, "must be True or False, got None"),
        ("auto_offset_reset", "newest", "must be 'latest', 'earliest' or 'none', or 'by_duration:...', got 'newest'"),
        ("auto_offset_reset", None, "must be 'latest', 'earliest' or 'none', or 'by_duration:...', got None"),
        ("auto_offset_reset", [], "must be 'latest', 'earliest' or 'none', or 'by_duration:...', got []"),
        ("isolation_level", "committed", "must be 'read_uncommitted' or 'read_committed', got 'committed'"),
        ("group_protocol", "Consumer", "must be 'classic' or 'consumer', got 'Consumer'"),
        ("group_protocol", None, "must be 'classic' or 'consumer', got None"),
        ("group_remote_assignor", 5, "must be a str, got 5"),
        ("instance_state_file", 5, "must be the path of a file, got 5"),
        ("instance_state_file", b"state", "must be the path of a file, got b'state'"),
        ("instance_id_wait_ms", "1", "must be an int, got '1'"),
        ("isolation_level", 1, "must be 'read_uncommitted' or 'read_committed', got 1"),
        ("ssl_context", True, "must be an ssl.SSLContext, got True"),
        ("ssl_cafile", 5, "must be the path of a PEM file, got 5"),
        ("ssl_cafile", b"ca.pem", "must be the path of a PEM file, got b'ca.pem'"),
        ("security_protocol", "sasl_ssl", "must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL', got 'sasl_ssl'"),
        ("security_protocol", None, "must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL', got None"),
        ("sasl_mechanism", "SCRAM", "must be 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512', got 'SCRAM'"),
        ("sasl_mechanism", [], "must be 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512', got []"),
        ("sasl_plain_username", b"alice", "must be a str, got b'alice'"),
        ("sasl_plain_password", 123, "must be a str, got a int"),
        ("partition_assignment_strategy", None, "must be a name, an Assignor, or several, got None"),
        ("partition_assignment_strategy", ["range", 5], "must be a name, an Assignor, or several, got ['range', 5]"),
        ("partition_assignment_strategy", RangeAssignor, "must be a name, an Assignor, or several, got <class"),
    ],
)
def test_a_wrong_type_is_told(name: str, value: object, words: str) -> None:
    assert f"{name} {words}" in refused(**{"group_id": "g", name: value})


@pytest.mark.parametrize("value", [None, 5, b"b1:1", [5], ["b1", None], {"b1": 1}.values()])
def test_servers_of_a_wrong_type_are_told(value: object) -> None:
    with pytest.raises(ConfigError, match="bootstrap_servers must be a str or several, got "):
        ConsumerConfig.from_mapping({"bootstrap_servers": value})


@pytest.mark.parametrize("value", ["REBOOTSTRAP", "", None])
def test_a_recovery_strategy_is_one_of_two(value: object) -> None:
    assert "metadata_recovery_strategy must be 'rebootstrap' or 'none'" in refused(metadata_recovery_strategy=value)
    assert ConsumerConfig(bootstrap_servers="b", metadata_recovery_strategy="none").metadata_recovery_strategy == "none"


# ── ranges, and what contradicts what ──

SMALLEST = {
    "fetch_min_bytes": 0,
    "fetch_max_wait_ms": 0,
    "retry_backoff_ms": 0,
    "retry_backoff_max_ms": 0,
    "reconnect_backoff_ms": 0,
    "reconnect_backoff_max_ms": 0,
    "drain_timeout_ms": 0,
    "instance_id_wait_ms": 0,
    "metadata_recovery_rebootstrap_trigger_ms": 0,
}
NUMBERS = sorted(field.name for field in attrs.fields(ConsumerConfig) if "int" in str(field.type).split(" | "))


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_have_their_range(name: str) -> None:
    smallest = SMALLEST.get(name, 1)
    for value in (smallest - 1, MAX + 1):
        assert f"{name} must be between {smallest} and {MAX}, got {value}." in refused(**{name: value})
    room = {"session_timeout_ms": MAX, "request_timeout_ms": MAX, "fetch_max_wait_ms": 0, "heartbeat_interval_ms": 1}
    room |= {"group_id": "g", "group_instance_id": "i-0"}
    for value in (max(smallest, 2), MAX - 1):
        assert getattr(config(**{**room, name: value}), name) == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_id": ""}, "group_id is empty."),
        ({"group_instance_id": "a"}, "group_instance_id is given without a group_id. Set group_id too."),
        (
            {"group_id": "g", "instance_id_wait_ms": 1},
            "instance_id_wait_ms is given without a group_instance_id."
            " Only a static member waits for a predecessor: set group_instance_id too.",
        ),
        *(
            (
                {"group_id": "g", "group_protocol": "consumer", name: value},
                f"{name} is the broker's to decide with group_protocol='consumer'. {remedy}",
            )
            for name, values, remedy in (
                (
                    "session_timeout_ms",
                    (45_000, 1),
                    "Set group.consumer.session.timeout.ms on the broker, or consumer.session.timeout.ms on the group.",
                ),
                (
                    "heartbeat_interval_ms",
                    (3_000, 1, 50_000),
                    "Set group.consumer.heartbeat.interval.ms on the broker,"
                    " or consumer.heartbeat.interval.ms on the group.",
                ),
                (
                    "partition_assignment_strategy",
                    ("range", ["roundrobin"], ()),
                    "Choose one of the broker's group.consumer.assignors with group_remote_assignor.",
                ),
            )
            for value in values
        ),
        *(
            (
                {"group_id": "g", "group_instance_id": "i", name: "x", **classic},
                f"{name} is given, but group_protocol='classic' has no use for it."
                " Set group_protocol to 'consumer', or leave it out.",
            )
            for name in ("group_remote_assignor", "instance_state_file")
            for classic in ({}, {"group_protocol": "classic"})
        ),
        (
            {"group_id": "g", "group_protocol": "consumer", "instance_state_file": "state.json"},
            "instance_state_file is given without a group_instance_id."
            " Only a static member goes on as the process before: set group_instance_id too.",
        ),
        *(
            (
                {"group_id": "g", "group_instance_id": "i", "group_protocol": "consumer", name: ""},
                f"{name} is empty. Leave it out.",
            )
            for name in ("group_remote_assignor", "instance_state_file")
        ),
        (
            {"session_timeout_ms": 3000},
            "heartbeat_interval_ms=3000 must be below session_timeout_ms=3000."
            " A third of the session timeout, or less, is usual.",
        ),
        (
            {"request_timeout_ms": 10, "fetch_max_wait_ms": 10},
            "fetch_max_wait_ms=10 must be below request_timeout_ms=10.",
        ),
        ({"partition_assignment_strategy": ""}, "partition_assignment_strategy is empty. Leave it out."),
        ({"partition_assignment_strategy": []}, "partition_assignment_strategy is empty. Leave it out."),
        (
            {"ssl_context": CONTEXT},
            "ssl_context is given, but security_protocol='PLAINTEXT' is not encrypted. Set security_protocol to 'SSL'.",
        ),
        (
            {**LOGIN, "security_protocol": "SASL_PLAINTEXT", "ssl_cafile": "ca.pem"},
            "ssl_cafile is given, but security_protocol='SASL_PLAINTEXT' is not encrypted."
            " Set security_protocol to 'SASL_SSL'.",
        ),
        (
            {"security_protocol": "SSL", "ssl_context": CONTEXT, "ssl_cafile": "ca.pem"},
            "ssl_context and ssl_cafile are both given, and one of them would be ignored."
            " Load the file into the context: ssl_context.load_verify_locations(cafile).",
        ),
        (
            {"sasl_mechanism": "PLAIN"},
            "sasl_mechanism is given, but security_protocol='PLAINTEXT' means no login."
            " Set security_protocol to 'SASL_SSL', or to 'SASL_PLAINTEXT' where nobody listens in.",
        ),
        (
            {"sasl_plain_password": "pa55", "security_protocol": "SSL"},
            "sasl_plain_password is given, but security_protocol='SSL' means no login."
            " Set security_protocol to 'SASL_SSL', or to 'SASL_PLAINTEXT' where nobody listens in.",
        ),
        (
            {"security_protocol": "SASL_SSL"},
            "security_protocol='SASL_SSL' needs a sasl_mechanism."
            " Set it to 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'.",
        ),
        *(
            (
                {**LOGIN, "sasl_mechanism": mechanism},
                f"sasl_mechanism={mechanism!r} is not there yet. Use 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'.",
            )
            for mechanism in ("GSSAPI", "OAUTHBEARER")
        ),
        *(
            (
                {**LOGIN, name: value},
                f"{name} {problem}. sasl_mechanism='PLAIN' logs in with a name and a password.",
            )
            for name in ("sasl_plain_username", "sasl_plain_password")
            for value, problem in (
                (None, "is missing"),
                ("", "is empty"),
                ("a\0b", "holds a character that cannot be sent"),
                ("\ud800", "holds a character that cannot be sent"),
            )
        ),
    ],
)
def test_options_that_cannot_work_are_told(options: dict[str, Any], message: str) -> None:
    assert refused(**options) == message


@pytest.mark.parametrize("name", ["session_timeout_ms", "heartbeat_interval_ms", "partition_assignment_strategy"])
def test_what_the_broker_decides_is_refused_however_it_was_given(name: str) -> None:
    """To a `ConsumerConfig` too; but one that was made for a classic group can be turned into one that was not."""
    value: Any = ("roundrobin",) if name == "partition_assignment_strategy" else 40_000
    options: dict[str, Any] = {"bootstrap_servers": "b", "group_id": "g", name: value}
    classic = ConsumerConfig(**options)

    with pytest.raises(ConfigError, match=f"{name} is the broker's to decide"):
        ConsumerConfig(**options, group_protocol="consumer")
    with pytest.raises(ConfigError, match=f"{name} is the broker's to decide"):
        attrs.evolve(classic, group_protocol="consumer")
    assert attrs.evolve(config(), group_protocol="consumer").group_protocol == "consumer"


def test_how_long_an_instance_id_is_waited_for() -> None:
    """By default as long as brokers let a session last, where a predecessor may hold the id."""
    names = {"group_id": "g", "group_instance_id": "i"}

    assert config(**names).instance_id_wait == 0
    assert config(**names, group_protocol="consumer").instance_id_wait == 60
    for protocol in ("classic", "consumer"):
        assert config(**names, group_protocol=protocol, instance_id_wait_ms=1500).instance_id_wait == 1.5
        assert config(**names, group_protocol=protocol, instance_id_wait_ms=0).instance_id_wait == 0


def test_a_state_file_is_named_by_a_path(tmp_path: Path) -> None:
    names = {"group_id": "g", "group_instance_id": "i", "group_protocol": "consumer"}
    for path in (tmp_path / "state", str(tmp_path / "state")):
        assert config(**names, instance_state_file=path).instance_state_file == str(tmp_path / "state")


def test_a_config_and_options_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match=r"Both config and the options \['group_id'\] are given"):
        Consumer("orders", config=config(), group_id="g")


def test_a_config_is_a_value() -> None:
    assert config(group_id="g") == config(**{"group.id": "g"})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config().group_id = "h"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert attrs.evolve(config(), group_id="g") == config(group_id="g")
    assert option_names() == {field.name for field in attrs.fields(ConsumerConfig)}


def test_secrets_are_not_shown() -> None:
    """Wherever a config may be printed, logged or dumped; a pickled one can still log in."""
    context = ssl.create_default_context()
    found = config(ssl_context=context, **LOGIN)
    without = attrs.evolve(found, ssl_context=None, security_protocol="SASL_PLAINTEXT")

    assert found.ssl_context is context
    assert "SSLContext" not in repr(found)
    assert found.sasl_plain_password is not None
    assert found.sasl_plain_password.reveal() == "pa55"
    for shown in (
        repr(found),
        str(found),
        f"{found.sasl_plain_password} {found.sasl_plain_password!r}",
        repr(attrs.asdict(without)),
        repr(attrs.astuple(without)),
        repr(ConsumerConfig.from_mapping(attrs.asdict(without))),
    ):
        assert "pa55" not in shown
    assert pickle.loads(pickle.dumps(without)) == without
    assert copy.deepcopy(without) == without
    assert hash(without.sasl_plain_password) == hash(Secret("pa55"))
    assert without != attrs.evolve(without, sasl_plain_password="other")


@pytest.mark.parametrize("password", [123, b"pa55", ["pa55"], "pa55\0", "pa55\ud800"])
def test_a_wrong_password_option_is_refused_without_being_shown(password: object) -> None:
    with pytest.raises(ConfigError) as caught:
        config(**{**LOGIN, "sasl_plain_password": password})
    assert "pa55" not in str(caught.value)
    assert "123" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_the_security_protocol_alone_says_what_is_spoken(protocol: str) -> None:
    found = config(**{**(LOGIN if "SASL" in protocol else {}), "security_protocol": protocol})

    assert (found.tls, found.sasl) == (protocol.endswith("SSL"), protocol.startswith("SASL"))


def test_a_path_may_be_a_path() -> None:
    assert config(security_protocol="SSL", ssl_cafile=Path("etc/ca.pem")).ssl_cafile == "etc/ca.pem"


# ── converters ──


class Custom:
    name = "custom"

    def assign(self, partitions: object, members: object) -> dict[str, list[Any]]:
        return {}


CUSTOM = Custom()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("range", ("range",)),
        (" range , mine,", ("range", "mine")),
        (["range", "mine"], ("range", "mine")),
        (CUSTOM, (CUSTOM,)),
        ((CUSTOM, "range"), (CUSTOM, "range")),
    ],
)
def test_assignors_are_named_or_given(value: Any, found: object) -> None:
    assert config(partition_assignment_strategy=value).partition_assignment_strategy == found


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 30.0),
        ({"max_poll_interval_ms": 10_000}, 5.0),
        ({"drain_timeout_ms": 250}, 0.25),
        ({"drain_timeout_ms": 0}, 0),
    ],
)
def test_the_drain_timeout_follows_the_rebalance_timeout(options: dict[str, int], seconds: float) -> None:
    assert config(**options).drain_timeout == seconds


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("broker:9093", ("broker:9093",)),
        ("broker", ("broker:9092",)),
        ("a:1,b:2", ("a:1", "b:2")),
        (" a:1 , b ,", ("a:1", "b:9092")),
        (["a:1", " b:2 "], ("a:1", "b:2")),
        (("a", ""), ("a:9092",)),
        ("Broker.Example.COM:9092", ("broker.example.com:9092",)),
        ("kafka_1.local-net:09092", ("kafka_1.local-net:9092",)),
        ("127.0.0.1:65535", ("127.0.0.1:65535",)),
        ("::1", ("[::1]:9092",)),
        ("[::1]", ("[::1]:9092",)),
        ("[::1]:9093,[FE80::1%eth0]:1", ("[::1]:9093", "[fe80::1%eth0]:1")),
        ("2001:DB8:0:0::9092", ("[2001:db8::9092]:9092",)),
    ],
)
def test_servers_are_read(value: object, found: tuple[str, ...]) -> None:
    """In one normal form, by which a process knows its clusters apart."""
    assert config(bootstrap_servers=value).bootstrap_servers == found


@pytest.mark.parametrize("value", ["", " , ", [], ()])
def test_no_server_at_all_is_told(value: object) -> None:
    assert refused(bootstrap_servers=value) == ("bootstrap_servers is empty. Name at least one broker as 'host:port'.")


@pytest.mark.parametrize(
    "junk",
    [
        ":9092",
        "a:",
        "a:0",
        "a:65536",
        "a:999999",
        "a:b",
        "a:-1",
        "a:1:2",
        "a:１",
        "a:²",
        "a b:1",
        "PLAINTEXT://a:1",
        "a:1/topic",
        "user@a:1",
        "[::1",
        "::1]",
        "[]:1",
        "[a]:1",
        "[::1]x",
        "[::1]1",
        "bröker:1",
        "a\n:1",
    ],
)
def test_a_server_that_is_none_is_told(junk: str) -> None:
    assert refused(bootstrap_servers=["ok:1", junk]) == (
        f"bootstrap_servers holds {junk!r}. Write each server as 'host:port'."
    )
