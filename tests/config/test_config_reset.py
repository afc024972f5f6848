"""`auto_offset_reset="by_duration:..."`, judged as Kafka's own consumer judges it.

reset_policies.json is what tools/ResetPolicies.java prints.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import ConfigError

JAVA: dict[str, list[int] | None] = json.loads((Path(__file__).parent / "reset_policies.json").read_text())


def config(policy: str) -> ConsumerConfig:
    return ConsumerConfig.from_mapping({"bootstrap_servers": "b1", "auto_offset_reset": policy})


@pytest.mark.parametrize("policy", [policy for policy, duration in JAVA.items() if duration])
def test_durations_are_those_that_java_reads(policy: str) -> None:
    """Days, hours, minutes, seconds; signs anywhere, as long as the whole is not negative."""
    duration = JAVA[policy]
    assert duration is not None
    assert config(policy).reset_duration == duration[0] + duration[1] / 1e9


@pytest.mark.parametrize("policy", [policy for policy, duration in JAVA.items() if not duration])
def test_what_java_refuses_is_refused_with_an_example(policy: str) -> None:
    with pytest.raises(ConfigError, match="by_duration:PT1H") as caught:
        config(policy)
    assert repr(policy) in str(caught.value)


def test_a_negative_duration_is_told_what_it_counts() -> None:
    with pytest.raises(ConfigError) as caught:
        config("by_duration:-PT1H")
    assert str(caught.value) == (
        "auto_offset_reset='by_duration:-PT1H' is negative."
        " The duration counts back from now: 'by_duration:PT1H' starts with the last hour."
    )


@pytest.mark.parametrize("policy", ["latest", "earliest", "none"])
def test_other_policies_have_no_duration(policy: str) -> None:
    assert config(policy).reset_duration is None
