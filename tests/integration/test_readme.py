"""The README's example runs as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.support.raw_peer import RawMember, RawPeer

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.asyncio
async def test_the_example_prints_records_and_the_remedy_when_it_is_fenced(kafka, topic, group_id, tmp_path) -> None:
    """It reads what is produced, and ends by itself, with a message, once another process has its identity."""
    name, group = await topic(), group_id()
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example
    code = example[1].replace("localhost:9092", kafka.bootstrap).replace('"orders"', f'"{name}"')
    script = tmp_path / "example.py"
    script.write_text(code.replace('group_id="billing"', f'group_id="{group}"'))

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(script), cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}
    )
    assert process.stdout
    try:
        async with asyncio.timeout(30), RawPeer.connect(kafka.bootstrap) as peer:
            reading = asyncio.create_task(process.stdout.readline())
            while not reading.done():  # it starts at the end of the topic: produce until it has begun
                await peer.produce(name, 0, [b"an order"])
                await asyncio.wait([reading], timeout=0.2)
            assert reading.result().endswith(b" b'an order'\n")

            await RawMember(peer, group, [name], instance_id="billing-0").settle()
            remaining = await process.stdout.read()
            assert await process.wait() == 0
            assert b"billing-0" in remaining.splitlines()[-1]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
