"""`python -m kafkastatic`."""

from __future__ import annotations

import sys

from kafkastatic.cli import main

sys.exit(main())
