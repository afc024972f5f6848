"""The demo on the embedded broker, as `make demo` runs it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

import pytest

from tests.support.demo import COMMAND, ROOT, check, demo

pytestmark = pytest.mark.once


def test_it_shows_what_static_membership_saves() -> None:
    """No rebalance of the static group, some of the dynamic one, a fenced duplicate, and not a record lost."""
    check(demo())


def test_it_needs_no_more_than_the_package_does() -> None:
    """`make demo` installs the package's dependencies alone; `isal` is used where it happens to be there."""
    modules = "examples.demo.__main__, kafkastatic.broker, tools.real_kafka, anyio._backends._asyncio"
    code = f"import sys, {modules}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)

    ours = {"kafkastatic", "examples", "tools", "cython_runtime", "isal"}
    needed = {"anyio", "attr", "attrs", "structlog", "cramjam", "fastcrc", "idna", "typing_extensions"}
    found = {name for name in run.stdout.split() if not name.startswith("_")}
    assert {"anyio", "attrs", "fastcrc"} < found
    assert found - sys.stdlib_module_names - ours - needed == set()


def read_until(terminal: int, text: bytes, output: bytes = b"") -> bytes:
    """What is written to a terminal, up to a text or the end of its writer; within a minute."""
    deadline = time.monotonic() + 60
    with contextlib.suppress(OSError):  # what Linux says when nobody has it open any more
        while text not in output:
            readable, _, _ = select.select([terminal], [], [], max(deadline - time.monotonic(), 0))
            assert readable, f"{text!r} does not come after {output[-2000:]!r}"
            if not (chunk := os.read(terminal, 65536)):
                break
            output += chunk
    return output


def test_ctrl_c_ends_it_and_leaves_nothing_behind() -> None:
    """The terminal is as it was, there is no traceback, and no process is left."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
    process = subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        output = read_until(ours, b"One member restarts.")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all of them
        output = read_until(ours, b"no such text", output)
        assert process.wait(30) == 130
    finally:
        process.kill()
        os.close(ours)

    assert b"static-0   reads" in output
    assert b"Traceback" not in output
    assert output.endswith(b"\x1b[?25h")
    with pytest.raises(ProcessLookupError):
        for _ in range(500):  # the process that forked the members sees the end of ours, and ends too
            os.killpg(process.pid, 0)
            time.sleep(0.01)
