"""The README and the pages in docs: their Python runs as it stands there, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = {str(page.relative_to(ROOT)): page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
SURROUNDINGS = {"POD_NAME": "billing-0", "KAFKA_PASSWORD": "secret"}


def examples() -> list[tuple[str, str]]:
    """Those that need nothing from outside.

    The others are in tests/integration, test_readme.py and test_integration_security.py; docs/testing.md has its own.
    """
    return [
        (page, code)
        for page, text in PAGES.items()
        if page != "docs/testing.md"
        for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        if "asyncio.run(" not in code and "/etc/kafka/" not in code
    ]


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "code"), examples())
def test_an_example_runs(page: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself: with all it imports, and with options that are accepted."""
    for name, value in SURROUNDINGS.items():
        monkeypatch.setenv(name, value)
    exec(compile(code, page, "exec"), {"__name__": "example"})


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        path, _, heading = target.partition("#")
        if "://" in path:
            continue
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not heading or heading in anchors(file.read_text()), target
