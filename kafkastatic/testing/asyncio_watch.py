"""The leak check in the event loops of pytest-asyncio: a fixture for each scope that a test's loop can have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Literal

import pytest
import pytest_asyncio

from kafkastatic.testing import plugin

if TYPE_CHECKING:
    Scope = Literal["function", "class", "module", "package", "session"]


def _watch_in(scope: Scope) -> object:
    @pytest_asyncio.fixture(loop_scope=scope, name=f"_watch_in_asyncio_{scope}")
    async def watch_in_loop(request: pytest.FixtureRequest, _kafka_of_the_test: plugin.Kafka) -> AsyncIterator[None]:
        from kafkastatic.testing.watch import Watch

        own = scope == "function" and plugin.loop_is_own(request)
        watch = Watch(_kafka_of_the_test, plugin.let_go(request), own_loop=own)
        yield
        if not plugin.ended_early(request):
            await watch.acheck()

    return watch_in_loop


in_function = _watch_in("function")
in_class = _watch_in("class")
in_module = _watch_in("module")
in_package = _watch_in("package")
in_session = _watch_in("session")
