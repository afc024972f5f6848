"""The page on options and events says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs

from kafkastatic.config import ConsumerConfig
from tests.config.test_config_defaults import JAVA, OTHER_DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)`( \*\w+\*|) \| .* \|$", PAGE.partition("## Events")[0], re.MULTILINE))


def default_of(field: attrs.Attribute[Any]) -> str:
    return "required" if field.default is attrs.NOTHING else f"`{field.default!r}`"


def test_every_option_stands_there_in_order_with_its_default() -> None:
    found = re.findall(r"^\| `(\w+)`[^|]* \| (.*?) \|", PAGE.partition("## Events")[0], re.MULTILINE)
    named = {field.name: default_of(field) for field in attrs.fields(ConsumerConfig)}

    assert dict(found) == named
    assert len(found) == len(named)


def test_what_differs_from_kafka_is_marked() -> None:
    own = {field.name for field in attrs.fields(ConsumerConfig) if field.name.replace("_", ".") not in JAVA}
    other = OTHER_DEFAULTS.keys() - {"bootstrap_servers", "client_rack"}  # required; None says what Java's "" says

    assert {name: mark.strip(" *") for name, mark in ROWS.items() if mark} == (
        dict.fromkeys(own, "own") | dict.fromkeys(other, "other")
    )


def test_every_event_stands_there_and_no_other() -> None:
    words = r"(?:\b_?log\.(?:info|warning|error)|Report)\(\s*\"(\w+)\""
    said = {name for path in (ROOT / "kafkastatic").rglob("*.py") for name in re.findall(words, path.read_text())}
    said |= {"fenced", "failed"}  # one of them, by a condition
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", PAGE.partition("## Events")[2], re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }

    assert listed == said
