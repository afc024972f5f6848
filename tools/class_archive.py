"""An archive of Kafka's classes as the JVM has them in memory: a broker starts with half the work (JEP 350).

It is made once for a version and a Java, beside the jars, by a broker that is started and stopped for it. A JVM that
cannot use one goes on without it.
"""

from __future__ import annotations

import fcntl
import hashlib
from pathlib import Path

from kafkastatic.testing.jars import cache_directory, java
from kafkastatic.testing.real import JVM_OPTIONS, RealKafka


def options(version: str) -> tuple[str, ...]:
    """The JVM options of a broker of this version; without effect until `ensure` has made the archive."""
    return (*JVM_OPTIONS, f"-XX:SharedArchiveFile={_archive(version)}")


def ensure(version: str) -> None:
    """Make the archive, unless it is there."""
    target = _archive(version)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released with the file
        if target.exists():  # another process was faster
            return
        partial = target.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with RealKafka(version, jvm_options=(*JVM_OPTIONS, f"-XX:ArchiveClassesAtExit={partial}")) as kafka:
            complete = kafka.stop(timeout=240)  # it is written when the JVM ends
        if complete and partial.exists():
            partial.rename(target)


def _archive(version: str) -> Path:
    """One that is of another Java, or of jars that were elsewhere, would not be used."""
    directory, program = (cache_directory() / "kafka").resolve(), Path(java() or "/").resolve()
    made_of = f"{directory} {program} {program.stat().st_mtime_ns}"
    return directory / f"{version}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.jsa"
