"""Record what real brokers answer: `python -m tests.conformance.record [SCENARIO ...]`, all scenarios by default.

Needs Java >= 17 and Maven, as tools/real_kafka.py does. Read what changed before it is committed.
"""

from __future__ import annotations

import sys
import time

from tests.conformance import recordings
from tests.conformance.brokers import RELEASES, play_on, real
from tests.conformance.scripts import SCENARIOS
from tests.conformance.session import ENDED_EARLY


def main(chosen: list[str]) -> None:
    names = chosen or list(SCENARIOS)
    for release in RELEASES:
        with real(release) as kafka:
            began = time.monotonic()
            for name, steps in play_on(kafka.bootstrap, names).items():
                if steps[-1][0] == ENDED_EARLY:
                    raise SystemExit(f"{name} on {kafka.version}: {steps[-1]}")
                recordings.record(name, release, steps)
            print(f"{kafka.version}: {len(names)} scenarios in {time.monotonic() - began:.1f} s")
    for name in recordings.names() - SCENARIOS.keys():
        recordings.forget(name)


if __name__ == "__main__":
    main(sys.argv[1:])
