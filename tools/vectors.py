"""Remakes tests/protocol/vectors.jsonl.gz, the bytes that Kafka's own classes write.

python tools/vectors.py [--jar kafka-clients-4.4.0.jar]
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

from apis import APIS, OTHERS
from jars import ROOT, clients_jar, run_java

TESTS = ROOT / "tests" / "protocol"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jar", type=Path, help="a kafka-clients jar, the jars that it needs beside it")
    jar = clients_jar(parser.parse_args().jar)
    names = [f"{api}{kind}" for api in APIS for kind in ("Request", "Response")]
    lines = run_java(jar, TESTS / "oracle" / "Vectors.java", *names, *OTHERS)
    target = TESTS / "vectors.jsonl.gz"
    # No time stamp: the same vectors give the same file.
    target.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    print(f"{lines.count(chr(10))} vectors, {target.stat().st_size} bytes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
