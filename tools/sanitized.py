"""The tests of hostile bytes with the compiled decoder built under sanitizers (`python -m tools.sanitized`).

The address sanitizer ends the run at the first byte that is read outside of an object, the other one at undefined
behaviour, such as an overflow of signed numbers. Every bytes object has its own malloc, so that its borders are seen.
Skipped, with the reason, where there is no gcc with sanitizers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / f"sanitized-{sys.version_info[0]}.{sys.version_info[1]}"
FLAGS = "-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
TESTS = ("compiled", "hostile", "twins", "views")
REPORT = TARGET / "report"  # pytest keeps what is written to stderr, and dies with it


def runtime() -> str | None:
    """Where gcc keeps the sanitizer's runtime, which has to be loaded before Python."""
    if sys.platform != "linux" or not shutil.which("gcc"):
        return None
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    path = found.stdout.strip()
    return path if os.path.isabs(path) else None


def main() -> int:
    preload = runtime()
    if preload is None:
        print("skipped: no gcc with an address sanitizer")
        return 0
    build = [sys.executable, "setup.py", "--quiet", "build", "--build-lib", str(TARGET), "--build-temp"]
    subprocess.run(
        [*build, str(TARGET / "temporary")],
        cwd=ROOT,
        env={**os.environ, "CC": "gcc", "CFLAGS": FLAGS, "LDFLAGS": FLAGS, "KAFKASTATIC_IMPL": "compiled"},
        check=True,
    )
    environment = {
        **os.environ,
        "LD_PRELOAD": preload,
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": f"detect_leaks=0:log_path={REPORT}",  # Python itself keeps things for ever
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={REPORT}",
        "KAFKASTATIC_IMPL": "compiled",
    }
    path = f"pythonpath={TARGET} ."
    files = [f"tests/records/test_records_{name}.py" for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", path, *files, *sys.argv[1:]]
    for old in TARGET.glob("report.*"):
        old.unlink()
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    for report in TARGET.glob("report.*"):
        print(report.read_text(errors="replace"))
        status = status or 1
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
