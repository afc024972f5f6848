"""Where the jars of a Kafka release are."""

from __future__ import annotations

import subprocess
from pathlib import Path

VERSION = "4.4.0"
ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "kafka"
_BESIDE = ("org.slf4j:slf4j-api:1.7.36", "com.fasterxml.jackson.core:jackson-databind:2.21.7")


def clients_jar(given: Path | None) -> Path:
    """The kafka-clients jar: the one given, else from the cache, filled by Maven where it is empty.

    The jars that kafka-clients needs are expected in the same folder.
    """
    if given is not None:
        return given
    jar = CACHE / f"kafka-clients-{VERSION}.jar"
    if not jar.exists():
        _fetch((f"org.apache.kafka:kafka-clients:{VERSION}", *_BESIDE))
    return jar


def release(jar: Path) -> str:
    """The version in the name of a kafka-clients jar."""
    return jar.stem.removeprefix("kafka-clients-")


def run_java(jar: Path, program: Path, *arguments: str) -> str:
    """Run a single-file Java program with `jar` and its neighbours on the class path; its standard output."""
    # Kafka's own jar comes first: other jars may hold older copies of its classes.
    class_path = f"{jar}:{jar.parent}/*"
    command = ["java", "-cp", class_path, str(program), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def _fetch(artifacts: tuple[str, ...]) -> None:
    """Copy the artifacts and what they need into the cache, through a project file made for the purpose."""
    CACHE.mkdir(parents=True, exist_ok=True)
    entries = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        for group, name, version in (artifact.split(":") for artifact in artifacts)
    )
    pom = CACHE / "pom.xml"
    pom.write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>jars</artifactId>"
        f"<version>1</version><dependencies>{entries}</dependencies></project>"
    )
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={CACHE}"]
    subprocess.run(["mvn", "--batch-mode", "--quiet", "--file", str(pom), *goal], check=True)
