"""What is imported, and when: the start of every process that uses the package waits for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

SPARED = {
    "kafkastatic.worker": "needed by run()",
    "kafkastatic._drivers.handling": "needed by run()",
    "kafkastatic._dead_letter": "needed by the first dead letter",
    "kafkastatic._drivers.producing": "needed by the first dead letter",
    "kafkastatic._protocol.messages.produce": "needed by the first dead letter",
    "kafkastatic._protocol.messages.init_producer_id": "needed by the first dead letter",
    "kafkastatic._net.auth": "needed by a Consumer with SASL",
    "kafkastatic._net.scram": "needed by a Consumer with SASL",
    "structlog": "used where the application has imported it",
    "anyio._backends._asyncio": "needed by start()",
    "anyio.streams.memory": "needed by start()",
    "ipaddress": "needed for IPv6 addresses in bootstrap_servers",
    "difflib": "needed to name the option that was meant",
    "uuid": "needed by nobody yet",
    "secrets": "needed by SCRAM",
    "urllib": "needed by nobody",
    "email": "needed by nobody",
    "http": "needed by nobody",
    "importlib.metadata": "needed by nobody",
    "unittest": "needed by nobody",
}
"""Modules, and who needs them."""


CLIENT = {"consumer", "config", "batch", "worker", "_drivers", "_net", "_group", "_cluster", "_fetch", "_produce"}
"""The client's modules and packages."""


def imported_by(statement: str, first: str = "pass") -> frozenset[str]:
    """All modules of a process after the import, but for those that it had before, for instance those of the tools
    that start with any process of this environment."""
    code = f"import sys; {first}; before = set(sys.modules); {statement}; print(*(sys.modules.keys() - before))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return frozenset(run.stdout.split())


@pytest.fixture(scope="module")
def imported() -> frozenset[str]:
    return imported_by("from kafkastatic import Consumer")


def test_the_import_is_seen(imported: frozenset[str]) -> None:
    """What a consumer is made of is there after it."""
    assert {"kafkastatic.consumer", "kafkastatic._drivers.client", "kafkastatic._net.pool"} <= imported


@pytest.mark.parametrize("module", SPARED)
def test_what_few_need_is_not_imported_by_all(imported: frozenset[str], module: str) -> None:
    """Each of these is imported when it is first needed, at a moment when nobody waits for a record."""
    assert module not in imported


@pytest.mark.parametrize("statement", ["import kafkastatic.cli", "import kafkastatic.broker"])
def test_what_serves_needs_no_client(statement: str) -> None:
    """The command line and the embedded broker start without a line of the client."""
    parts = {name.split(".")[1] for name in imported_by(statement) if name.startswith("kafkastatic.")}
    assert parts & CLIENT == set()


def test_the_pytest_plugin_is_all_that_a_test_run_imports() -> None:
    """Every test run of everybody who has the package installed loads the plugin, and it loads nothing else."""
    assert imported_by("import kafkastatic.testing.plugin", "import pytest, importlib") == {
        "kafkastatic",
        "kafkastatic._version",
        "kafkastatic.testing",
        "kafkastatic.testing.plugin",
    }


def test_every_public_name_is_there() -> None:
    """Those that are imported when they are asked for too, and no others."""
    import kafkastatic

    for name in kafkastatic.__all__:
        assert getattr(kafkastatic, name) is not None
    assert dir(kafkastatic) == kafkastatic.__all__
    with pytest.raises(AttributeError, match="no attribute 'Producer'"):
        _ = kafkastatic.Producer
