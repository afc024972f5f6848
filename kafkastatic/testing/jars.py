"""The jars of Apache Kafka, fetched by Maven once, and the Java that runs them.

They are kept in the directory that KAFKASTATIC_CACHE names, else in the user's cache directory.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

DEFAULT_VERSION = "4.4.0"
OLDEST_JAVA = 17

_POM = Path(__file__).with_name("kafka.pom.xml")


class RealKafkaError(Exception):
    """The broker or its jars could not be had; the message carries the tail of the log."""


def java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


@functools.cache
def _java_major(path: str) -> int | None:
    try:
        run = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', run.stderr + run.stdout)
    return int(found[1]) if found else None


def available(version: str = DEFAULT_VERSION) -> str | None:
    """Why a real Kafka cannot run here, or None if it can."""
    if os.name != "posix":
        return "the real Kafka fixture needs a POSIX system"
    found = java()
    if found is None:
        return f"no Java found: a real Kafka needs Java >= {OLDEST_JAVA} (on PATH or in JAVA_HOME)"
    major = _java_major(found)
    if major is None:
        return f"{found} does not run: a real Kafka needs Java >= {OLDEST_JAVA}"
    if major < OLDEST_JAVA:
        return f"Java {major} is too old: a real Kafka needs Java >= {OLDEST_JAVA}"
    if not _jar_directory(version).is_dir() and shutil.which("mvn") is None:
        return "no Maven found: `mvn` fetches the jars of a real Kafka (once)"
    return None


def cache_directory() -> Path:
    if given := os.environ.get("KAFKASTATIC_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kafkastatic"


def _jar_directory(version: str) -> Path:
    return cache_directory() / "kafka" / version


def fetch_jars(version: str = DEFAULT_VERSION) -> Path:
    """The directory with the broker's jars (kafka-clients among them), fetched by Maven if it is not there yet.

    :raises RealKafkaError: if Maven is missing or fails
    """
    target = _jar_directory(version)
    if target.is_dir():
        return target
    with _locked(target.with_name(f"{version}.lock")):
        if target.is_dir():  # another process was faster
            return target
        maven = shutil.which("mvn")
        if maven is None:
            raise RealKafkaError("no Maven found: `mvn` fetches the jars of a real Kafka (once)")
        partial = target.with_name(f"{version}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        options = ("-q", "-B", "-f", str(_POM), f"-Dkafka.version={version}")
        goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial.resolve()}")
        run = subprocess.run(
            [maven, *options, *goal],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0 or not list(partial.glob("kafka-clients-*.jar")):
            raise RealKafkaError(f"Maven could not fetch Kafka {version}:\n{(run.stdout + run.stderr)[-4000:]}")
        partial.rename(target)
    return target


def clients_jar(version: str = DEFAULT_VERSION) -> Path:
    """kafka-clients-VERSION.jar: holds Kafka's own message schemas under common/message/*.json.

    :raises RealKafkaError: if Maven is missing or fails
    """
    return fetch_jars(version) / f"kafka-clients-{version}.jar"


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    import fcntl  # POSIX only

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released with the file
        yield
