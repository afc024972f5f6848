"""The README's example runs as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.support.raw_peer import RawMember, RawPeer
from tests.support.scenes import eventually, foreign_read

ROOT = Path(__file__).resolve().parent.parent.parent


async def started(code: str, script: Path) -> asyncio.subprocess.Process:
    script.write_text(code)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(script), cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}
    )


def example(holding: str) -> str:
    """The code block of the README that holds these words."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return next(block for block in blocks if holding in block)


async def ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


@pytest.mark.asyncio
async def test_the_example_prints_records_and_the_remedy_when_it_is_fenced(kafka, topic, group_id, tmp_path) -> None:
    """It reads what is produced, and ends by itself, with a message, once another process has its identity."""
    name, group = await topic(), group_id()
    code = example("async for record").replace("localhost:9092", kafka.bootstrap).replace('"orders"', f'"{name}"')
    process = await started(code.replace('group_id="billing"', f'group_id="{group}"'), tmp_path / "example.py")
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
        await ended(process)


@pytest.mark.asyncio
async def test_the_example_of_a_handler_prints_numbers_and_writes_letters(kafka, topic, group_id, tmp_path) -> None:
    """What it cannot handle stands in the other topic, and it goes on."""
    name, letters, group = await topic(), await topic(), group_id()
    code = example("consumer.run").replace("localhost:9092", kafka.bootstrap).replace('"orders"', f'"{name}"')
    code = code.replace('"orders-dead"', f'"{letters}"').replace('group_id="billing"', f'group_id="{group}"')
    process = await started(code, tmp_path / "example.py")
    assert process.stdout
    try:
        async with asyncio.timeout(30), RawPeer.connect(kafka.bootstrap) as peer:
            reading = asyncio.create_task(process.stdout.readline())
            while not reading.done():
                await peer.produce(name, 0, [b"7"])
                await asyncio.wait([reading], timeout=0.2)
            assert reading.result() == b"7\n"
            await peer.produce(name, 0, [b"seven"])
            await eventually(lambda: foreign_read(kafka.bootstrap, letters))
            await peer.produce(name, 0, [b"8"])
            while await process.stdout.readline() != b"8\n":
                pass
    finally:
        await ended(process)
