"""Writes kafkastatic/_protocol/messages and error_codes.py from the schemas and tables inside a kafka-clients jar.

    python tools/generate.py [--jar kafka-clients-4.4.0.jar] [--check]

Without --jar it is that of the release which tools/real_kafka.py runs, fetched by Maven. --check writes nothing and
exits with 1 where the files differ from what would be written.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path

import emit
import kinds
import schema
from apis import APIS, OTHERS
from jars import ROOT, clients_jar, release, run_java

TARGET = ROOT / "kafkastatic" / "_protocol"
_PRIMITIVES = (
    "Bytes",
    "Message",
    "Reader",
    "Request",
    "Response",
    "TopLevel",
    "Writer",
    "ZERO_UUID",
    "absent",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jar", type=Path, help="a kafka-clients jar, the jars that it needs beside it")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    jar = clients_jar(options.jar)
    mark = f"# Generated from kafka-clients {release(jar)} by tools/generate.py; do not edit."
    files = {path: f"{mark}\n{text}" for path, text in generate(jar).items()}
    if options.check:
        return check(files)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in stale(files):
        path.unlink()
    print(f"{len(files)} files written to {TARGET.relative_to(ROOT)}.")
    return 0


def generate(jar: Path) -> dict[Path, str]:
    """The text of every generated file, without its first line."""
    folder = TARGET / "messages"
    files = {folder / f"{schema.snake(api)}.py": api_module(jar, api) for api in APIS}
    for name in OTHERS:
        raw = schema.load(jar, name)
        files[folder / f"{schema.snake(name)}.py"] = module([schema.parse(raw, schema.stable_versions(raw))])
    files[folder / "__init__.py"] = registry(jar)
    files[TARGET / "error_codes.py"] = error_codes(jar)
    return files


def api_module(jar: Path, api: str) -> str:
    """The response, then the request, whose class refers to it."""
    request, response = (schema.load(jar, api + kind) for kind in ("Request", "Response"))
    versions = schema.stable_versions(request)
    shared = frozenset(schema.struct_names(request) & schema.struct_names(response))
    return module([schema.parse(raw, versions, shared) for raw in (response, request)])


def module(messages: list[schema.Message]) -> str:
    body: list[str] = []
    for message in messages:
        response = messages[0].name if message.type == "request" else None
        body += emit.message(message, response)
    text = "\n".join(body)
    constants = sorted(set(re.findall(r"\b_(?:(?:BOOL|[IUF]\d+|UUID)_?)+\b", text)))
    layouts = [f'{name} = struct.Struct("{kinds.layout(name)}")' for name in constants]
    typing = [name for name in ("ClassVar", "Self") if name in text]
    used = [name for name in _PRIMITIVES if re.search(rf"\b{name}\b", text)]
    imports = ["from __future__ import annotations", ""]
    imports += ["import struct"] if constants else []
    imports += ["from collections.abc import Iterable"] if "Iterable[" in text else []
    imports += [f"from typing import {', '.join(typing)}", ""]
    imports += ["from kafkastatic._protocol.primitives import (", *emit.indented(f"{name}," for name in used), ")"]
    return "\n".join(["", *imports, *(["", *layouts] if layouts else []), text]) + "\n"


def registry(jar: Path) -> str:
    keys = {schema.load(jar, f"{api}Request")["apiKey"]: api for api in APIS}
    rows = [f'{key}: ("{schema.snake(api)}", "{api}Request"),' for key, api in sorted(keys.items())]
    lines = [
        '"""One module per API; import the module you need."""',
        "",
        "from typing import Final",
        "",
        "REQUESTS: Final = {",
        *emit.indented(rows),
        "}",
        '"""The module and class of each request, by API key."""',
    ]
    return "\n".join(lines) + "\n"


def error_codes(jar: Path) -> str:
    rows = [line.split("\t") for line in run_java(jar, ROOT / "tools" / "ErrorCodes.java").splitlines()]
    lines = [
        '"""Kafka\'s error codes: a constant each, and what Kafka says about it."""',
        "",
        "from typing import Final, NamedTuple",
        "",
        "",
        "class ErrorInfo(NamedTuple):",
        "    name: str",
        "    retriable: bool",
        "    message: str",
        "",
        "",
        *(f"{name}: Final = {code}" for code, name, _, _ in rows),
        "",
        "TABLE: Final[dict[int, ErrorInfo]] = {",
    ]
    for code, name, retriable, message in rows:
        quoted = '"' + message.replace("\\", "\\\\").replace('"', '\\"') + '"'
        lines += emit.indented([f'{code}: ErrorInfo("{name}", {retriable.capitalize()}, {quoted}),'])
    return "\n".join([*lines, "}"]) + "\n"


def stale(files: dict[Path, str]) -> list[Path]:
    """Modules of messages that are generated no more."""
    return sorted(path for path in (TARGET / "messages").glob("*.py") if path not in files)


def check(files: dict[Path, str]) -> int:
    """Compare with what is there; the exit status."""
    differing = stale(files)
    for path, text in files.items():
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if old != text:
            differing.append(path)
            sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), text.splitlines(True), "old", "new", n=1))
    for path in differing:
        print(f"{path.relative_to(ROOT)} is not what tools/generate.py writes.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
