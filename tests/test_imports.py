"""What `import kafkastatic` imports: the start of every process that uses it waits for that."""

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


@pytest.fixture(scope="module")
def imported() -> frozenset[str]:
    """All modules of a process after the import, but for those that it had before, for instance those of the tools
    that start with any process of this environment."""
    code = "import sys; before = set(sys.modules); import kafkastatic; print(*(sys.modules.keys() - before))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return frozenset(run.stdout.split())


def test_the_import_is_seen(imported: frozenset[str]) -> None:
    """The public names are there after it, and so is what a consumer is made of."""
    assert {"kafkastatic.consumer", "kafkastatic._drivers.client", "kafkastatic._net.pool"} <= imported


@pytest.mark.parametrize("module", SPARED)
def test_what_few_need_is_not_imported_by_all(imported: frozenset[str], module: str) -> None:
    """Each of these is imported when it is first needed, at a moment when nobody waits for a record."""
    assert module not in imported
