"""Record what real brokers answer: `python -m tests.conformance.record [SCENARIO ...]`, all scenarios by default.

Needs Java >= 17 and Maven, as tools/real_kafka.py does. Read what changed before it is committed.
"""

from __future__ import annotations

import sys
import time

from tests.conformance import recordings
from tests.conformance.brokers import BROKERS, play_on, real
from tests.conformance.scripts import SCENARIOS
from tests.conformance.session import ENDED_EARLY, played_on


def main(chosen: list[str]) -> None:
    for broker in BROKERS:
        names = [name for name in played_on(broker) if name in chosen or not chosen]
        if names:
            record_of(broker, names)
    for name in recordings.names() - SCENARIOS.keys():
        recordings.forget(name)


def record_of(broker: str, names: list[str]) -> None:
    with real(broker) as kafka:
        began = time.monotonic()
        for name, steps in play_on(kafka.bootstrap, names).items():
            if steps[-1][0] == ENDED_EARLY:
                print(f"{name} on {broker}: {steps[-1]}")
            recordings.record(name, broker, steps)
        print(f"{broker}: {len(names)} scenarios in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
