"""examples/fastapi_app.py under a real uvicorn, asked from the outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import eventually, in_group, write

ROOT = Path(__file__).resolve().parent.parent.parent
SOON = 60
CLOSED = "Application shutdown complete."


class Service:
    """The example as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []
        self.address = ""

    async def serves(self) -> None:
        """Read the log until it says where."""
        assert self.process.stderr
        while not self.address:
            line = (await self.process.stderr.readline()).decode()
            assert line, "".join(self.log)
            self.log.append(line)
            if found := re.search(r"running on (http://[\d.:]+)", line):
                self.address = found[1]

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and body."""
        return await asyncio.to_thread(_get, self.address + path)

    async def ends(self) -> str:
        """SIGTERM, and the whole log."""
        assert self.process.stderr
        self.process.terminate()
        self.log.append((await self.process.stderr.read()).decode())
        await self.process.wait()
        return "".join(self.log)


def _get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=SOON) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@contextlib.asynccontextmanager
async def serving(bootstrap: str, topic: str, group: str) -> AsyncIterator[Service]:
    settings = {
        "BOOTSTRAP_SERVERS": bootstrap,
        "TOPIC": topic,
        "GROUP_ID": group,
        "KAFKA_GROUP_INSTANCE_ID": "billing-0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "uvicorn", "examples.fastapi_app:app", "--host", "127.0.0.1", "--port", "0"),
        cwd=ROOT,
        env={**os.environ, **settings},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        service = Service(process)
        async with asyncio.timeout(SOON):
            await service.serves()
        yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.asyncio
async def test_readiness_comes_with_the_assignment_and_a_shutdown_commits(kafka, topic, group_id) -> None:
    """503 while the group still waits for another member; after SIGTERM everything handled is committed."""
    name, group = await topic(partitions=2), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer:
        other = RawMember(peer, group, [name], instance_id="other", session_timeout_ms=60_000)
        assert await other.settle() == {(name, 0), (name, 1)}
        async with serving(kafka.bootstrap, name, group) as service:
            assert await service.get("/healthz") == (200, {"status": "alive"})
            await in_group(peer, group, "PreparingRebalance", members=2)
            assert await service.get("/readyz") == (503, {"status": "joining the group: first join", "handled": 0})
            ((_, theirs),) = await other.settle()  # joins again, which is what the group waits for

            async def ready() -> bool:
                return await service.get("/readyz") == (200, {"status": "in the group", "handled": 0})

            await eventually(ready, timeout=SOON)
            await write(peer, name, 1 - theirs, [b"%d" % n for n in range(5)])

            async def handled() -> bool:
                return await service.get("/readyz") == (200, {"status": "in the group", "handled": 5})

            await eventually(handled, timeout=SOON)
            log = await service.ends()
            assert CLOSED in log
            assert "Traceback" not in log
            assert await peer.committed(group, [(name, 1 - theirs)]) == {(name, 1 - theirs): 5}
            assert set(await peer.member_ids(group)) == {"other", "billing-0"}  # its place is kept


@pytest.mark.asyncio
async def test_a_replica_that_was_fenced_is_alive_but_not_ready(kafka, topic, group_id) -> None:
    """The error's name is told; the shutdown is as clean as ever."""
    name, group = await topic(), group_id()
    async with RawPeer.connect(kafka.bootstrap) as peer, serving(kafka.bootstrap, name, group) as service:

        async def status() -> tuple[int, str]:
            code, body = await service.get("/readyz")
            return code, body["status"]

        async def ready() -> bool:
            return await status() == (200, "in the group")

        await eventually(ready, timeout=SOON)
        duplicate = RawMember(peer, group, [name], instance_id="billing-0", session_timeout_ms=60_000)
        await duplicate.settle()

        async def fenced() -> bool:
            return await status() == (503, "FencedInstanceIdError")

        await eventually(fenced, timeout=SOON)
        assert await service.get("/healthz") == (200, {"status": "alive"})
        assert await duplicate.heartbeat() == 0
        log = await service.ends()
        assert CLOSED in log
        assert "the consumer has died: " in log
        assert "Traceback" not in log
        assert await duplicate.heartbeat() == 0
