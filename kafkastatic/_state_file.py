"""The state file: the member id of an instance id, kept so that the next process can go on as the same member.

    {"version": 1, "group": "billing", "instance_id": "billing-0", "member_id": "8f0e...", "lock": 1311768}

A coordinator cannot tell two processes that show one member id, so no process touches the file without its lock: a
file beside it, which is never replaced, locked by `flock` until the process lets go of it or dies. `lock` is the inode
of that file: where it is another one the file was copied, or its lock was deleted, and whoever uses the original may
still run.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

from kafkastatic.errors import ConfigError, StateFileLockedError

T = TypeVar("T")

VERSION = 1
_LARGEST = 64 * 1024
_KEYS = frozenset({"version", "group", "instance_id", "member_id", "lock"})
_NEW, _LOCK = ".new", ".lock"

_held: set[int] = set()
"""The descriptors of the locks that this process holds. A child would hold them on, were they not closed in it."""


class StateFile:
    """The state file of one consumer, a `types.StateStore`. Every method blocks; they may be called from any thread.

    Args:
        path: the file; its directory has to exist.
    """

    def __init__(self, path: str, group: str, instance_id: str) -> None:
        self.path = os.path.abspath(path)
        self._group = group
        self._instance_id = instance_id
        self._mutex = threading.Lock()  # held for the books only, never during I/O
        self._lock: int | None = None
        self._busy = 0
        self._closed = False

    def open(self) -> str | None:
        """Take the lock, see that the file can be written, and return the member id that was kept, if any.

        Raises:
            StateFileLockedError: if another process uses the file, or another consumer of this one.
            ConfigError: if it cannot be used, and why. Nothing of it was changed.
        """

        def take() -> str | None:
            self._take_lock()
            member_id = self._load()
            os.close(_open_new(self.path))
            os.unlink(self.path + _NEW)
            return member_id

        return self._work(take)

    def save(self, member_id: str) -> None:
        """Keep this member id: either it, or what was there before, is there after a crash of the machine.

        Raises:
            ConfigError: if it cannot be written, or the lock is gone.
        """
        self._work(lambda: self._save(member_id))

    def close(self) -> None:
        """Let go of the lock, once whatever is at work on the file has ended; does not wait for that."""
        with self._mutex:
            self._closed = True
            if not self._busy:
                self._let_go()

    def _work(self, work: Callable[[], T]) -> T:
        with self._mutex:
            if self._closed:
                raise ConfigError(f"instance_state_file {self.path!r} was given up already.")
            self._busy += 1
        try:
            with _explained(self.path):
                return work()
        finally:
            with self._mutex:
                self._busy -= 1
                if self._closed and not self._busy:
                    self._let_go()

    # ── the lock ──

    def _take_lock(self) -> None:
        try:
            import fcntl
        except ImportError:
            raise ConfigError(
                "instance_state_file needs locks that end with their process, which this system does not have.",
                remedy="Leave it out; after a crash the instance id is waited for (instance_id_wait_ms).",
            ) from None
        _refuse_irregular(self.path)
        _refuse_irregular(self.path + _LOCK)
        lock = os.open(self.path + _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(lock)
            os.close(lock)
            raise StateFileLockedError(self.path, pid) from None
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        _held.add(lock)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)

    def _let_go(self) -> None:
        if self._lock in _held:  # in a forked child it is not
            _held.discard(self._lock)
            os.close(self._lock)
        self._lock = None

    # ── the file ──

    def _load(self) -> str | None:
        _refuse_irregular(self.path)
        try:
            with open(self.path, "rb", opener=_no_symlink) as file:
                written = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        try:
            state = json.loads(written) if len(written) <= _LARGEST else None
        except (ValueError, RecursionError):
            state = None
        if not isinstance(state, dict) or "version" not in state:
            raise ConfigError(
                f"instance_state_file {self.path!r} is corrupt: it holds no state of an instance.",
                remedy="Name another file, or delete this one: the instance id is then waited for once.",
            )
        return self._checked(cast("dict[str, Any]", state))

    def _checked(self, state: dict[str, Any]) -> str:
        if state["version"] != VERSION:
            raise ConfigError(
                f"instance_state_file {self.path!r} has version {state['version']!r}; this release knows {VERSION}.",
                remedy="Use the release that wrote it, or delete it: the instance id is then waited for once.",
            )
        for key, ours in (("group", self._group), ("instance_id", self._instance_id)):
            if state.get(key) != ours:
                raise ConfigError(
                    f"instance_state_file {self.path!r} is another instance's: {key} {state.get(key)!r}, not {ours!r}.",
                    remedy="Give every instance a file of its own.",
                )
        member_id = state.get("member_id")
        if state.keys() != _KEYS or not isinstance(member_id, str) or not member_id:
            raise ConfigError(
                f"instance_state_file {self.path!r} is corrupt: its fields are not {', '.join(sorted(_KEYS))}.",
                remedy="Delete it: the instance id is then waited for once.",
            )
        if state["lock"] != self._inode():
            raise ConfigError(
                f"instance_state_file {self.path!r} was copied, or its lock file was deleted: another process that"
                " uses the original would not be noticed.",
                remedy="When none does any more, delete the file: the instance id is then waited for once.",
            )
        return member_id

    def _inode(self) -> int:
        if self._lock is None:
            raise ConfigError(f"instance_state_file {self.path!r} is not locked.")
        return os.fstat(self._lock).st_ino

    def _save(self, member_id: str) -> None:
        state = {
            "version": VERSION,
            "group": self._group,
            "instance_id": self._instance_id,
            "member_id": member_id,
            "lock": self._inode(),
        }
        _write_new(self.path, json.dumps(state).encode() + b"\n")
        _refuse_irregular(self.path)
        os.replace(self.path + _NEW, self.path)
        directory = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _open_new(path: str) -> int:
    """What is to take the file's place, empty and its owner's; one that a crash left behind is emptied."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(path + _NEW, flags, 0o600)
    try:
        os.fchmod(file, 0o600)
    except BaseException:
        os.close(file)
        raise
    return file


def _write_new(path: str, content: bytes) -> None:
    """Write what is to take the file's place, durably."""
    file = _open_new(path)
    try:
        while content:
            content = content[os.write(file, content) :]
        os.fsync(file)
    finally:
        os.close(file)


def _no_symlink(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _refuse_irregular(path: str) -> None:
    """A link would be replaced, not followed; and from what is no file, reading might never end."""
    with contextlib.suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode):
            kind = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
            raise ConfigError(f"instance_state_file: {path!r} is {kind}.", remedy="Name the file itself.")


def _pid_in(lock: int) -> int | None:
    written = os.pread(lock, 32, 0).strip()
    return int(written) if written.isdigit() else None


@contextlib.contextmanager
def _explained(path: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"instance_state_file {path!r} cannot be used: {error.strerror or error}"
            f"{f' ({error.filename})' if error.filename and error.filename != path else ''}.",
            remedy="Its directory has to exist, be writable for this process, and be on a file system that has locks.",
        ) from error


def _close_in_child() -> None:
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
