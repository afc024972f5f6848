"""Our options against those of Kafka's own consumer.

java_defaults.json is what tools/ConsumerDefaults.java prints.
"""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import attrs
import pytest

from kafkastatic.config import ConsumerConfig, ConsumerOptions, option_names

JAVA: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "java_defaults.json").read_text())["options"]

OUR_OWN = {
    "drain_timeout_ms": "how long a revoke waits for the record in hand",
    "instance_id_wait_ms": "how long a static restart waits for its predecessor's session",
    "instance_state_file": "lets a process go on as the member that its predecessor was",
    "max_buffered_bytes": "bounds the memory of all partitions together",
    "max_decompressed_batch_bytes": "bounds what one hostile batch can become",
    "ssl_context": "stands for Kafka's ssl.* options",
    "ssl_cafile": "stands for Kafka's trust store, as in other Python clients",
    "sasl_plain_username": "stands for a part of sasl.jaas.config, as in other Python clients",
    "sasl_plain_password": "stands for a part of sasl.jaas.config, as in other Python clients",
}

OTHER_DEFAULTS = {
    "bootstrap_servers": "there is no consumer without one",
    "client_id": "brokers' logs and quotas should tell us from others",
    "sasl_mechanism": "Kafka's GSSAPI is not there, and no other is a good guess",
    "client_rack": "None says the same as Kafka's empty string",
}

NAMES_OF_CLASSES = {
    "org.apache.kafka.clients.consumer.RangeAssignor": "range",
    "org.apache.kafka.clients.consumer.CooperativeStickyAssignor": "cooperative-sticky",
}

NARROWER = {
    "auto_commit_interval_ms": "0 would commit all the time",
    "default_api_timeout_ms": "0 could do nothing",
    "fetch_max_bytes": "0 asks for nothing",
    "max_partition_fetch_bytes": "0 asks for nothing",
    "metadata_max_age_ms": "0 would ask all the time",
    "request_timeout_ms": "0 could do nothing",
}


def fields() -> dict[str, attrs.Attribute[Any]]:
    return {field.name: field for field in attrs.fields(ConsumerConfig)}


def kafkas(name: str) -> dict[str, Any]:
    return JAVA[name.replace("_", ".")]


def test_options_have_kafkas_names() -> None:
    assert {name for name in option_names() if name.replace("_", ".") not in JAVA} == OUR_OWN.keys()


@pytest.mark.parametrize("name", sorted(option_names() - OUR_OWN.keys()))
def test_options_have_kafkas_defaults(name: str) -> None:
    """But for those that we chose otherwise, with the reason beside them."""
    default, other = fields()[name].default, kafkas(name)["default"]
    if name == "partition_assignment_strategy":  # Kafka has classes where we have the names that members agree on
        other = tuple(NAMES_OF_CLASSES[item] for item in other)

    assert (default != other) == (name in OTHER_DEFAULTS)


@pytest.mark.parametrize("name", sorted(name for name in option_names() if fields()[name].type == "int"))
def test_options_take_what_kafka_takes(name: str) -> None:
    """The smallest value too, but for those where that makes no sense, with the reason beside them."""
    if name in OUR_OWN or not str(kafkas(name)["validator"]).startswith("["):
        return
    smallest = int(kafkas(name)["validator"].strip("[]").split(",")[0])
    field = fields()[name]
    assert field.validator is not None
    refused = False
    try:
        field.validator(None, field, smallest)
    except ValueError:
        refused = True

    assert refused == (name in NARROWER)


def test_the_options_for_editors_are_those_that_are_checked() -> None:
    """`ConsumerOptions` has the fields of `ConsumerConfig`, with what their converters take."""
    hints = ConsumerOptions.__annotations__
    assert list(hints) == list(fields())

    converted = {name for name, field in fields().items() if field.converter is not None}
    text = {name: hint.__forward_arg__ if isinstance(hint, typing.ForwardRef) else hint for name, hint in hints.items()}
    assert {name for name in text if text[name] != fields()[name].type} == converted
