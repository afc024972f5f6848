"""The state file: one process at a time has it, a crash at any point leaves it whole, what is wrong with it is told.

The other processes are real ones, and they are killed.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kafkastatic._state_file import StateFile
from kafkastatic.errors import ConfigError, StateFileLockedError

DEADLINE = 60.0
"""Seconds that another process may take."""

OPENED = """
import os, signal, sys
from kafkastatic._state_file import StateFile
state = StateFile(sys.argv[1], "billing", "billing-0")
"""
HOLDS = OPENED + "print(state.open(), flush=True); sys.stdin.read()"


class Process:
    """Another process; its program is given the path of the state file."""

    def __init__(self, program: str, path: Path, **options: Any) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", program, str(path)]
        self._popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options)
        self.pid = self._popen.pid

    def says(self) -> str:
        """Its next line."""
        assert self._popen.stdout is not None
        return self._popen.stdout.readline().strip()

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait(DEADLINE)

    def ends(self) -> tuple[int, str]:
        """Its return code, and all that it said."""
        out, err = self._popen.communicate(timeout=DEADLINE)
        return self._popen.returncode, out + err


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "billing-0.json"


@pytest.fixture
def processes(path: Path) -> Iterator[Any]:
    """Starts processes, which end with the test at the latest."""
    started: list[Process] = []

    def start(program: str, **options: Any) -> Process:
        started.append(Process(program, path, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.ends()


def ours(path: Path) -> StateFile:
    return StateFile(str(path), "billing", "billing-0")


def kept(path: Path) -> str | None:
    """What the next process finds."""
    state = ours(path)
    try:
        return state.open()
    finally:
        state.close()


def with_id(path: Path, member_id: str = "m-1") -> None:
    state = ours(path)
    state.open()
    state.save(member_id)
    state.close()


# ── what is kept ──


def test_a_member_id_outlives_its_process(path: Path) -> None:
    """There is none at first; the last one that was saved is found."""
    state = ours(path)

    assert state.open() is None
    assert not path.exists()
    state.save("m-1")
    state.save("m-2")
    state.close()
    assert kept(path) == "m-2"


def test_the_file_can_be_read_and_is_the_owners_only(path: Path) -> None:
    """Whatever the umask."""
    before = os.umask(0)
    try:
        with_id(path)
    finally:
        os.umask(before)

    lock = path.with_name("billing-0.json.lock")
    assert json.loads(path.read_text()) == {
        "version": 1,
        "group": "billing",
        "instance_id": "billing-0",
        "member_id": "m-1",
        "lock": lock.stat().st_ino,
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in (path, lock)} == {0o600}
    assert {file.name for file in path.parent.iterdir()} == {path.name, lock.name}


# ── one process at a time ──


def test_another_process_that_has_it_is_named(path: Path, processes: Any) -> None:
    """The error is one to try again after, and nothing of the file is changed."""
    with_id(path)
    before = path.read_bytes()
    other = processes(HOLDS)
    assert other.says() == "m-1"

    with pytest.raises(StateFileLockedError) as caught:
        ours(path).open()

    assert (caught.value.pid, caught.value.path, caught.value.retriable) == (other.pid, str(path), True)
    assert f"in use by process {other.pid}" in str(caught.value)
    assert path.read_bytes() == before


def test_another_consumer_of_this_process_is_refused_too(path: Path) -> None:
    first = ours(path)
    first.open()

    with pytest.raises(StateFileLockedError, match=f"process {os.getpid()}"):
        ours(path).open()
    first.close()
    assert kept(path) is None


def test_a_process_that_was_killed_has_it_no_longer(path: Path, processes: Any) -> None:
    with_id(path)
    other = processes(HOLDS)
    other.says()
    other.kill()

    assert kept(path) == "m-1"


def test_a_child_does_not_hold_it_for_its_dead_parent(path: Path, processes: Any) -> None:
    """A forked child inherits the descriptor, and with it the lock, which nobody could break."""
    fork = "\nstate.open()\nif os.fork() == 0:\n    print('forked', flush=True)\nsys.stdin.read()"
    other = processes(OPENED + fork)
    assert other.says() == "forked"
    other.kill()

    assert kept(path) is None


def test_who_deletes_the_lock_of_a_living_process_gains_nothing(path: Path, processes: Any) -> None:
    with_id(path)
    other = processes(HOLDS)
    other.says()
    path.with_name("billing-0.json.lock").unlink()

    with pytest.raises(ConfigError, match="its lock file was deleted"):
        ours(path).open()


def test_a_copy_is_refused(path: Path, tmp_path: Path) -> None:
    """Both processes would be the same member to the coordinator; they may be on different machines."""
    with_id(path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(path, elsewhere / path.name)

    with pytest.raises(ConfigError, match="was copied"):
        ours(elsewhere / path.name).open()


def test_the_lock_is_kept_until_the_work_on_the_file_has_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A close does not wait for a save under way, and nobody else has the file before its end."""
    state = ours(path)
    state.open()
    replace, under_way, go_on = os.replace, threading.Event(), threading.Event()

    def slow(source: str, target: str) -> None:
        under_way.set()
        assert go_on.wait(DEADLINE)
        replace(source, target)

    monkeypatch.setattr(os, "replace", slow)
    saving = threading.Thread(target=state.save, args=("m-1",))
    saving.start()
    assert under_way.wait(DEADLINE)

    state.close()
    with pytest.raises(StateFileLockedError):
        ours(path).open()
    go_on.set()
    saving.join(DEADLINE)
    assert kept(path) == "m-1"
    with pytest.raises(ConfigError, match="was given up already"):
        state.save("m-2")


# ── crashes ──


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("before", [None, "m-1"])
def test_a_crash_while_saving_leaves_what_was_there(path: Path, processes: Any, call: str, before: str | None) -> None:
    """Before the file is durable, and before it takes the other's place; what is left behind does no harm."""
    if before:
        with_id(path, before)
    crash = f"\nstate.open()\nos.{call} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\nstate.save('m-2')"
    assert processes(OPENED + crash).ends() == (-9, "")
    assert path.with_name("billing-0.json.new").exists()

    assert kept(path) == before
    with_id(path, "m-3")
    assert kept(path) == "m-3"


def test_a_full_disk_is_told_and_leaves_what_was_there(path: Path, processes: Any) -> None:
    with_id(path)
    full = (
        "\nimport resource\nstate.open()\nresource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))"
        "\ntry:\n    state.save('m-2')\nexcept Exception as error:\n    print(repr(type(error)), error)"
    )
    code, said = processes(OPENED + full).ends()

    assert (code, "ConfigError" in said, os.strerror(errno.EFBIG) in said) == (0, True, True)
    assert kept(path) == "m-1"


# ── what cannot be used ──

STATE = {"version": 1, "group": "billing", "instance_id": "billing-0", "member_id": "m-1", "lock": 0}


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in STATE.items() if name != key}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is corrupt"),
        (b'{"version": 1, "gro', "is corrupt"),
        (b"\xff\xfe", "is corrupt"),
        (b"[" * 70_000, "is corrupt"),
        (b"[" * 60_000, "is corrupt"),
        ([], "is corrupt"),
        ({}, "is corrupt"),
        (without("version"), "is corrupt"),
        (without("member_id"), "its fields are not"),
        (without("lock"), "its fields are not"),
        ({**STATE, "member_id": ""}, "its fields are not"),
        ({**STATE, "member_id": 5}, "its fields are not"),
        ({**STATE, "more": 5}, "its fields are not"),
        ({**STATE, "version": 2}, "has version 2; this release knows 1"),
        ({**STATE, "group": "orders"}, "is another instance's: group 'orders', not 'billing'"),
        ({**STATE, "instance_id": "billing-1"}, "is another instance's: instance_id 'billing-1', not 'billing-0'"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(path: Path, content: Any, words: str) -> None:
    """Until somebody removes it: then there is nothing that would still hold it."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        kept(path)

    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before
    path.unlink()
    assert kept(path) is None


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    """Replacing it would leave its target behind, which others may look at."""
    for name in (path.name, f"{path.name}.lock"):
        link = tmp_path / name
        link.symlink_to(tmp_path / "target")
        with pytest.raises(ConfigError, match="is a symbolic link"):
            kept(path)
        link.unlink()
    assert not (tmp_path / "target").exists()


def test_what_is_no_file_is_refused(path: Path) -> None:
    """Reading from a pipe might never end."""
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="is no regular file"):
        kept(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="is no regular file"):
        kept(path)


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be used: No such file .*Its directory has to exist"):
        kept(tmp_path / "missing" / "state.json")


def test_a_directory_that_cannot_be_written_is_told() -> None:
    """Before anything depends on it, be it that the file itself is there and its lock can be had."""
    nobody = "\nimport fcntl\nif os.geteuid() == 0:\n    os.seteuid(65534)\nstate.open()"
    with tempfile.TemporaryDirectory() as directory:  # that nobody could come to below pytest's own
        path = Path(directory) / "state.json"
        with_id(path)
        for file in path.parent.iterdir():
            file.chmod(0o666)
        path.parent.chmod(0o555)
        code, said = Process(OPENED + nobody, path).ends()
        path.parent.chmod(0o755)

    assert code == 1
    assert f"cannot be used: Permission denied ({path}.new)" in said


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """As NFS may be."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ConfigError, match="be on a file system that has locks"):
        kept(path)


def test_a_system_without_such_locks_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(ConfigError, match="locks that end with their process"):
        kept(path)
