"""`kafkastatic broker` as scripts and people meet it: a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from kafka.protocol.metadata import MetadataRequest

from kafkastatic._version import __version__
from kafkastatic.cli import main
from tests.support.raw_peer import RawPeer

COMMAND = (sys.executable, "-m", "kafkastatic")


class Running:
    """The broker's process, and the address that it has told."""

    def __init__(self, process: asyncio.subprocess.Process, bootstrap: str) -> None:
        self.process = process
        self.bootstrap = bootstrap

    @property
    def nodes(self) -> list[tuple[str, int]]:
        return [(host, int(port)) for host, _, port in (node.rpartition(":") for node in self.bootstrap.split(","))]

    async def ended(self, number: signal.Signals) -> tuple[int, str, str]:
        """Its exit code and what else it printed, after a signal."""
        self.process.send_signal(number)
        output, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, output.decode(), errors.decode()


@contextlib.asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "broker", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            assert process.stdout
            yield Running(process, (await process.stdout.readline()).decode().strip())
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def refused(*arguments: str) -> tuple[int, str]:
    """The exit code and the whole of standard error of a command that ends by itself."""
    run = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert run.stdout == ""
    return run.returncode, run.stderr


@pytest.mark.asyncio
async def test_the_first_line_is_an_address_at_which_kafka_answers() -> None:
    """It is written when the broker is ready: every node answers ApiVersions, and the topics are there."""
    async with running("--brokers", "3", "--topic", "orders:6", "--topic", "letters") as broker:
        assert len(set(broker.nodes)) == 3
        for host, port in broker.nodes:
            async with RawPeer.connect(f"{host}:{port}") as peer:
                answer = await peer.request("ApiVersions", 3, client_software_name="x", client_software_version="1")
                assert answer.error_code == 0
                leaders = await peer.partitions("orders")
                assert sorted(leaders) == [0, 1, 2, 3, 4, 5]
                assert set(leaders.values()) == {1, 2, 3}
                assert sorted(await peer.partitions("letters")) == [0]


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    """Exit code 0, nothing more on standard output, who it was on standard error; clients are cut, the port is free."""
    async with running() as broker:
        host, port = broker.nodes[0]
        reader, writer = await asyncio.open_connection(host, port)
        assert await broker.ended(number) == (
            0,
            "",
            f"An embedded broker (kafkastatic {__version__}), in memory. Ctrl-C or SIGTERM ends it.\n",
        )
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, port)


@pytest.mark.asyncio
async def test_the_port_and_the_settings_are_those_that_were_asked_for() -> None:
    """It listens where it was told to, by name of Kafka's or with underscores, and creates no topics unasked."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ("--no-auto-create", "--behaves-as", "3.9", "--set", "num.partitions=2", "--set", "group_max_size=3")
    async with running("--port", str(port), *options) as broker:
        assert broker.bootstrap == f"127.0.0.1:{port}"
        async with RawPeer.connect(broker.bootstrap) as peer:
            answer = await peer.request("ApiVersions", 0)
            versions = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
            assert versions[0][1] == 11  # Produce, of which 4.x serves version 12 too
            # Version 3 cannot forbid that the topic is created.
            asked = MetadataRequest.MetadataRequestTopic(name="nowhere")
            unknown = await peer.request("Metadata", 3, topics=[asked])
            assert unknown.topics[0].error_code == 3


def test_a_port_in_use_is_told_in_one_line() -> None:
    """No traceback, and not the code of a wrong command: the same command may work later."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, words = refused("broker", "--port", str(port))
    assert (code, words) == (1, f"kafkastatic broker: cannot listen on port {port}: Address already in use\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["broker", "--topic", "orders:six"], "argument --topic: 'orders:six' is not NAME or NAME:PARTITIONS"),
        (["broker", "--set", "group_max_siz=3"], "no setting 'group_max_siz'. Did you mean group_max_size?"),
        (["broker", "--set", "group_max_size"], "argument --set: 'group_max_size' is not NAME=VALUE"),
        (["broker", "--set", "group_max_size=few"], "group_max_size is a whole number, not 'few'."),
        (["broker", "--set", "auto_create_topics_enable=1"], "auto_create_topics_enable is true or false, not '1'."),
        (["broker", "--set", "behaves_as=2.8"], "behaves_as is 3.9 or 4.4, not '2.8'."),
        (["broker", "--brokers", "0"], "argument --brokers: '0' is no number from 1 to 1000"),
        (["broker", "--topic", "orders:2", "--topic", "orders:3"], "argument --topic: 'orders' is given twice"),
        (["broker", "--set", "group_max_size=-3"], "group_max_size is -3"),
        (["broker", "--port", "65536"], "argument --port: '65536' is no port"),
        (["broker", "--port", "65535", "--brokers", "2"], "2 brokers from 65535 on would need ports above 65535"),
        (["brokr"], "invalid choice: 'brokr'"),
        ([], "required: COMMAND"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and one line that says what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output, errors = capsys.readouterr()
    assert (ended.value.code, output, errors.count("\n")) == (2, "", 1)
    assert words in errors


def test_topics_that_kafka_would_refuse_are_told_in_one_line() -> None:
    """Exit code 2, with Kafka's name of the error."""
    code, line = refused("broker", "--topic", "orders", "--topic", "or ders")
    assert (code, line.count("\n")) == (2, 1)
    assert "INVALID_TOPIC_EXCEPTION (17) for topic='or ders'" in line


def test_the_version_is_told() -> None:
    """`kafkastatic --version` names the package and its version."""
    run = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stdout) == (0, f"kafkastatic {__version__}\n")
