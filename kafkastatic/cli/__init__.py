"""The command line: `kafkastatic`, or `python -m kafkastatic`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from kafkastatic._version import __version__
from kafkastatic.cli import broker


class Parser(argparse.ArgumentParser):
    """One that says in one line what it does not understand."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help tells what there is)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 if it did what it was asked for, 1 if it could not, 2 if it was asked for what makes no sense,
        130 if Ctrl-C came before it had begun.
    """
    parser = Parser(prog="kafkastatic", description="Kafka for asyncio, with static group membership.")
    parser.add_argument("--version", action="version", version=f"kafkastatic {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    broker.add_to(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:  # before the command could see to it
        return 130
