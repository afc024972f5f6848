"""The kafka-clients jar that the generated code comes from, and Java programs run with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kafkastatic.testing import jars as fetched

ROOT = Path(__file__).resolve().parent.parent


def clients_jar(given: Path | None) -> Path:
    """The kafka-clients jar: the one given, else the one of the real Kafka, fetched by Maven where it is missing.

    The jars that kafka-clients needs are expected in the same folder.
    """
    return given if given is not None else fetched.clients_jar()


def release(jar: Path) -> str:
    """The version in the name of a kafka-clients jar."""
    return jar.stem.removeprefix("kafka-clients-")


def run_java(jar: Path, program: Path, *arguments: str) -> str:
    """Run a single-file Java program with `jar` and its neighbours on the class path; its standard output."""
    # Kafka's own jar comes first: other jars may hold older copies of its classes.
    class_path = f"{jar}:{jar.parent}/*"
    command = ["java", "-cp", class_path, str(program), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
