"""What processes count together: added up in memory, and written into their folder."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, values
from prometheus_client.multiprocess import MultiProcessCollector

from polling_api import metrics, tallies


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all metrics that the test makes are shared."""
    monkeypatch.setenv(metrics.SHARED_FOLDER, str(tmp_path))
    monkeypatch.setattr(tallies, "Written", values.MultiProcessValue())  # pyright: ignore[reportUnknownMemberType]
    monkeypatch.setattr(values, "ValueClass", tallies.Tally)
    return tmp_path


def shared(folder: Path, name: str) -> float | None:
    """A figure as another process reads it."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    return registry.get_sample_value(name)


def test_what_is_counted_is_shared_when_it_is_written(folder: Path) -> None:
    counter = Counter("deeds", "Made up.", registry=None)
    counter.inc(2)
    counter.inc()
    before = shared(folder, "deeds_total")

    tallies.write()

    assert (before, shared(folder, "deeds_total")) == (0.0, 3.0)


def test_nothing_is_written_twice(folder: Path) -> None:
    counter = Counter("deeds", "Made up.", registry=None)
    counter.inc()
    tallies.write()

    tallies.write()
    counter.inc()
    tallies.write()

    assert shared(folder, "deeds_total") == 2.0


def test_what_is_set_counts_more_than_what_was_counted_before(folder: Path) -> None:
    gauge = Gauge("present", "Made up.", registry=None, multiprocess_mode="livesum")
    gauge.inc(5)

    gauge.set(1)
    gauge.inc()
    tallies.write()

    assert shared(folder, "present") == 2.0
