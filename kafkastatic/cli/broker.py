"""`kafkastatic broker`: the embedded broker as a process of its own, until it is ended."""

from __future__ import annotations

import argparse
import asyncio
import errno
import signal
import sys
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from kafkastatic._version import __version__
from kafkastatic.errors import ConfigError, KafkaError

if TYPE_CHECKING:
    from types import FrameType

    from kafkastatic.broker import Broker

_EPILOG = """\
The first line on standard output is what clients take as bootstrap_servers; it is
written when the broker is ready. Everything is kept in memory, and gone when it
ends: it is for tests and for trying things out.

  kafkastatic broker --brokers 3 --topic orders:6 --port 9092
"""

_LAST_PORT = 65_535
_MOST_BROKERS = 1_000


def add_to(commands: Any) -> None:
    """Add this command to those of the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "broker",
        help="run a Kafka broker in memory until Ctrl-C",
        description="Run a Kafka broker in memory, on loopback, until Ctrl-C or SIGTERM.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--brokers", type=_brokers, default=1, metavar="N", help="how many brokers the cluster has (default: 1)")
    add(
        "--topic",
        type=_topic,
        action="append",
        default=[],
        dest="topics",
        metavar="NAME[:PARTITIONS]",
        help="a topic to begin with, of one partition unless told otherwise; repeat it for more",
    )
    add("--port", type=_port, default=0, help="of the first broker, the others follow (default: free ports)")
    add("--behaves-as", choices=("3.9", "4.4"), help="the Kafka release to follow (default: 4.4)")
    add("--no-auto-create", action="store_true", help="do not create topics because clients ask for them")
    add(
        "--set",
        type=_setting,
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="a setting of the broker, such as group_max_size=3; repeat it for more",
    )
    parser.set_defaults(run=_run, refuse=parser.error)


def _run(options: argparse.Namespace) -> int:
    from kafkastatic.broker import Broker

    count, port = options.brokers, options.port
    if port + count - 1 > _LAST_PORT:
        options.refuse(f"argument --port: {count} brokers from {port} on would need ports above {_LAST_PORT}")
    try:
        names = [name for name, _ in options.topics]
        if twice := next((name for name in names if names.count(name) > 1), None):
            options.refuse(f"argument --topic: {twice!r} is given twice")
        settings = dict(_typed(name, value) for name, value in options.settings)
        if options.behaves_as:
            settings["behaves_as"] = options.behaves_as
        if options.no_auto_create:
            settings["auto_create_topics_enable"] = False
        asyncio.run(_serve(Broker(dict(options.topics), brokers=count, port=port, **settings)))
    except KafkaError as error:
        options.refuse(str(error))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            print(f"kafkastatic broker: {error.strerror}", file=sys.stderr)
            return 1
        where = f"ports {port} to {port + count - 1}" if count > 1 else f"port {port}"
        print(f"kafkastatic broker: cannot listen on {where}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def _serve(broker: Broker) -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(ended.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    async with broker:
        print(broker.bootstrap, flush=True)
        about = f"An embedded broker (kafkastatic {__version__}), in memory. Ctrl-C or SIGTERM ends it."
        print(about, file=sys.stderr, flush=True)
        await ended.wait()


def _typed(name: str, text: str) -> tuple[str, Any]:
    """A setting and its value, of the type that it is declared with; one that does not exist is left to the broker.

    Raises:
        ConfigError: if it is no such value.
    """
    from kafkastatic.broker import BrokerSettings

    kind = get_type_hints(BrokerSettings).get(name, str)
    try:
        if kind is bool:
            return name, {"true": True, "false": False}[text]
        if kind is int:
            return name, int(text)
        if choices := get_args(kind):
            return name, choices[choices.index(text)]
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number"}.get(kind) or " or ".join(get_args(kind))
        raise ConfigError(f"{name} is {wanted}, not {text!r}.") from None
    return name, text


# ── what arguments may be ──


def _brokers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_BROKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {_MOST_BROKERS}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to {_LAST_PORT}, or 0 for a free one")
    return int(text)


def _topic(text: str) -> tuple[str, int]:
    name, colon, partitions = text.partition(":")
    if not name or (colon and not partitions.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME:PARTITIONS")
    return name, int(partitions or 1)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.replace(".", "_"), value
