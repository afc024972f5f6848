"""Remakes what Kafka's own assignors make of random groups: tests/group/assignors.jsonl.gz and sticky.jsonl.gz.

python tools/assignor_vectors.py [--jar kafka-clients-4.4.0.jar]
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

from jars import ROOT, clients_jar, run_java

TESTS = ROOT / "tests" / "group"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jar", type=Path, help="a kafka-clients jar, the jars that it needs beside it")
    jar = clients_jar(parser.parse_args().jar)
    for program, name in (("Assignors.java", "assignors.jsonl.gz"), ("StickyAssignors.java", "sticky.jsonl.gz")):
        lines = run_java(jar, TESTS / "oracle" / program)
        target = TESTS / name
        # No time stamp: the same groups give the same file.
        target.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
        print(f"{name}: {lines.count(chr(10))} groups, {target.stat().st_size} bytes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
