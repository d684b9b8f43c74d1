"""Held answers over a real watch, without HTTP."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from in_process.carriers import LocalCarrier
from in_process.nodes import NO_COMPARISON, Node, running_node
from in_process.sources import HeldSource


@pytest.fixture
def source(engine: AsyncEngine) -> HeldSource:
    return HeldSource(engine)


@pytest.fixture
async def node(source: HeldSource) -> AsyncIterator[Node]:
    """Whose comparison makes up for nothing while a test runs."""
    async with running_node(source, LocalCarrier().transport(), NO_COMPARISON) as running:
        yield running
