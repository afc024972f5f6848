"""`python -m examples.demo [--real]`"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator

from examples.demo.group import prepare
from examples.demo.screen import Screen
from examples.demo.story import DOWN, PARTITIONS, Story


@contextlib.asynccontextmanager
async def embedded_broker() -> AsyncGenerator[str]:
    from kafkastatic.broker import Broker

    async with Broker() as broker:
        yield broker.bootstrap


@contextlib.asynccontextmanager
async def real_broker() -> AsyncGenerator[str]:
    from tools.real_kafka import RealKafka

    with RealKafka() as kafka:
        yield kafka.bootstrap


async def show(real: bool, screen: Screen) -> int:
    if real:
        screen.say("A real Kafka starts; Maven fetches its jars the first time.")
    async with real_broker() if real else embedded_broker() as bootstrap:
        screen.say(
            f"{'A real Kafka' if real else 'The embedded broker'} at {bootstrap}: a topic of {PARTITIONS} partitions,"
            " read by two groups of three processes each.",
            "Sessions, heartbeats and commits take a tenth of their default times (heartbeats: every 0.3 s);"
            f" a restart takes {DOWN} s.",
        )
        amiss = await Story(bootstrap, screen).run()
    screen.say(*(f"NOT AS IT SHOULD BE: {what}" for what in amiss))
    return 1 if amiss else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="examples.demo", description="Static beside dynamic membership.")
    parser.add_argument("--real", action="store_true", help="on a real Kafka (Java >= 17, Maven)")
    real = parser.parse_args().real
    if real:
        from tools.real_kafka import available

        if reason := available():
            print(f"There is no real Kafka here: {reason}.", file=sys.stderr)
            return 1
    screen = Screen(sys.stdout)
    try:
        prepare()
        return asyncio.run(show(real, screen))
    except KeyboardInterrupt:
        return 130
    finally:
        screen.close()


if __name__ == "__main__":
    sys.exit(main())
