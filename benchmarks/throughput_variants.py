"""Who reads in the throughput benchmark, and how each is built, started and waited for.

What a variant needs beyond this checkout's environment is looked for here; where it is missing, the variant is skipped
and the reason told. Products go to the cache (`tools.real_kafka.cache_directory`).
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Timer
from typing import Any

import attrs

from tools.real_kafka import DEFAULT_VERSION, cache_directory, fetch_jars

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORKERS = "benchmarks.throughput_workers"
PATIENCE = 180.0
"""Seconds after which a reading process is taken for stuck."""


class Missing(Exception):  # it is no error
    """Something that a variant needs is not here; the message names it."""


class Failed(Exception):
    """A reading process ended badly."""


Job = dict[str, Any]
Command = Callable[[Job], list[str]]


@attrs.frozen
class Variant:
    """One way to read a topic.

    Attributes:
        command: how a process that reads a job is started; raises `Missing`.
        client: who it is, for charts and comparisons.
        mode: which way of that client.
        env: what its environment has beyond ours.
        tuned: the topics on which larger fetches cost it less CPU than its own defaults, so that it has them there.
        share: which part of a topic it reads; less than 1 for the slow.
        topics: where it says something that others do not; empty for all.
    """

    name: str
    client: str
    command: Command
    mode: str = ""
    env: Mapping[str, str] = {}
    tuned: str = ""
    share: float = 1.0
    topics: str = ""

    def job(self, bootstrap: str, topic: str, name: str, count: int) -> Job:
        return {
            "bootstrap": bootstrap,
            "topic": name,
            "group": f"bench-{uuid.uuid4().hex[:12]}",
            "count": count,
            "mode": self.mode,
            "tuned": topic in self.tuned,
        }


# ── commands ──


def _python(module: str) -> Command:
    return lambda job: [sys.executable, "-m", f"{WORKERS}.{module}", json.dumps(job)]


def _run(command: list[str], cwd: Path, what: str) -> None:
    run = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if run.returncode:
        raise Missing(f"{what}: {(run.stdout + run.stderr).strip()[-400:]}")


@functools.cache
def _outcome(build: Callable[[], str]) -> tuple[str, str]:
    """What was built, or why not: tried once a run."""
    try:
        return build(), ""
    except Missing as error:
        return "", str(error)


def _built(build: Callable[[], str]) -> str:
    found, reason = _outcome(build)
    if reason:
        raise Missing(reason)
    return found


def _build_franz() -> str:
    if not (go := shutil.which("go")):
        raise Missing("no Go found")
    target = cache_directory().resolve() / "bench" / "franz"
    _run([go, "build", "-o", str(target), "."], HERE / "peers" / "franz", "franz-go could not be built")
    return str(target)


def _franz(job: Job) -> list[str]:
    return [_built(_build_franz), json.dumps(job)]


def _build_java() -> str:
    if not (javac := shutil.which("javac")):
        raise Missing("no JDK found")
    target = cache_directory().resolve() / "bench" / "java"
    target.mkdir(parents=True, exist_ok=True)
    classes = f"{fetch_jars().resolve()}/*"
    source = HERE / "peers" / "java" / "Reader.java"
    _run([javac, "-cp", classes, "-d", str(target), str(source)], HERE, "the Java reader could not be compiled")
    return f"{target}:{classes}"


def _java(job: Job) -> list[str]:
    arguments = [job["bootstrap"], job["topic"], job["group"], str(job["count"]), str(job["tuned"]).lower()]
    silent = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
    return ["java", silent, "-cp", _built(_build_java), "Reader", *arguments, DEFAULT_VERSION]


def _build_sketch() -> str:
    """The Python with a compiled sketch beside it."""
    given = os.environ.get("KAFKASTATIC_SKETCH")
    if not given:
        raise Missing("no sketch given (--sketch or KAFKASTATIC_SKETCH)")
    target = cache_directory().resolve() / "bench" / "sketch"
    python = target / "bin" / "python"
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(target)], ROOT, "no environment for the sketch")
        wanted = ("cython", "setuptools", "cramjam", "fastcrc", "lz4", "isal")
        _run([str(python), "-m", "pip", "install", "-q", *wanted], target, "the sketch's packages are not to be had")
    for name in ("sketch.py", "sketch_decode.pyx"):
        if not (Path(given) / name).exists():
            raise Missing(f"there is no {name} in the folder of the sketch")
        shutil.copyfile(Path(given) / name, target / name)
    _run([str(target / "bin" / "cythonize"), "-i", "-q", "sketch_decode.pyx"], target, "the sketch does not compile")
    return str(python)


def _sketch(job: Job) -> list[str]:
    python = Path(_built(_build_sketch))
    how = "record" if job["mode"] == "iter" else "batch"
    script = str(python.parent.parent / "sketch.py")
    return [str(python), script, job["bootstrap"], how, job["topic"], str(job["count"]), "--fast"]


# ── the variants ──

PLAIN = {"KAFKASTATIC_IMPL": "plain"}
BASE = {"KAFKASTATIC_CODECS": "base"}
"""Without what the extra `fast` brings."""

_ours = _python("ours")
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("ours-batches", "kafkastatic", _ours, "batches"),
        Variant("ours-lazy", "kafkastatic", _ours, "lazy"),
        Variant("ours-iter", "kafkastatic", _ours, "iter"),
        Variant("ours-getmany", "kafkastatic", _ours, "getmany"),
        Variant("ours-getone", "kafkastatic", _ours, "getone", share=0.25),
        Variant("ours-run", "kafkastatic", _ours, "run", share=0.25),
        Variant("ours-batches-base", "kafkastatic", _ours, "batches", BASE, topics="BD"),
        Variant("ours-iter-base", "kafkastatic", _ours, "iter", BASE, topics="BD"),
        Variant("ours-batches-plain", "kafkastatic", _ours, "batches", PLAIN, share=0.25),
        Variant("ours-iter-plain", "kafkastatic", _ours, "iter", PLAIN, share=0.25),
        Variant("franz", "franz-go", _franz, tuned="BDE"),
        Variant("java", "Java", _java, tuned="ABEF"),
        Variant("confluent", "confluent-kafka", _python("confluent")),
        Variant("confluent-aio", "confluent-kafka", _python("confluent"), "aio"),
        Variant("aiokafka", "aiokafka", _python("aiokafka_")),
        Variant("aiokafka-iter", "aiokafka", _python("aiokafka_"), "iter", share=0.25),
        Variant("kafka-python", "kafka-python", _python("kafka_python"), share=0.25),
        Variant("sketch", "sketch", _sketch, "batch"),
        Variant("sketch-iter", "sketch", _sketch, "iter"),
    )
}


# ── running one ──


class Reading:
    """One reading process, from its start on.

    Raises:
        Missing: something that it needs is not here.
    """

    def __init__(self, variant: Variant, job: Job) -> None:
        self._variant = variant
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed when the result is read
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        # By way of a shell that forks: a process's peak memory includes what its parent held when it was made, and ours
        # is larger than some of the readers.
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", '"$@"; exit $?', "sh", *variant.command(job)],
            cwd=ROOT,
            env={**os.environ, **variant.env},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._errors,
            start_new_session=True,
        )

    def kill(self) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def result(self, patience: float = PATIENCE) -> dict[str, Any]:
        """What it printed, once it has ended, and `start_cpu`: what it used besides reading (start, imports, close).

        Raises:
            Failed: it ended badly, or not in time.
        """
        timer = Timer(patience, os.killpg, (self._process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, used = os.wait4(self._process.pid, 0)
        except BaseException:
            self.kill()
            raise
        finally:
            timer.cancel()
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        with self._output, self._errors:
            self._output.seek(0)
            self._errors.seek(0)
            output, errors = self._output.read(), self._errors.read()
        try:
            found = json.loads(output.strip().splitlines()[-1])
        except (ValueError, IndexError):
            raise Failed(f"{self._variant.name} ended with {code}: {errors.strip()[-1000:]}") from None
        if self._variant.client == "sketch":
            found = _translated(found)
        return found | {"start_cpu": used.ru_utime + used.ru_stime - found.get("cpu", 0)}


def _translated(found: dict[str, Any]) -> dict[str, Any]:
    """The sketch's own words in ours."""
    return {
        "records": found["n"],
        "bytes": found["bytes"],
        "wall": found["n"] / found["krps"] / 1000,
        "first": 0.0,
        "cpu": found["cpu_per_m"] * found["n"] / 1e6,
        "rss_mb": float(found["rss"]),
        "versions": {},
    }
