"""What processes count together: added up in memory, and written into their folder."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

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


def told_by(histogram: Histogram) -> list[Sample]:
    """What a scrape is told of its buckets and its sum."""
    (family,) = histogram.collect()
    return [sample for sample in family.samples if not sample.name.endswith("_created")]


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


@pytest.mark.parametrize(("amount", "bound"), [(0.0, "0.5"), (0.5, "0.5"), (0.6, "1.0"), (1.0, "1.0"), (7.0, "+Inf")])
def test_an_amount_is_counted_in_the_bucket_of_prometheus_client(amount: float, bound: str) -> None:
    ours, theirs = (
        kind("took", "Made up.", buckets=(0.5, 1), registry=None) for kind in (tallies.QuickHistogram, Histogram)
    )

    ours.observe(amount)
    theirs.observe(amount)

    told = [[(one.labels, one.value) for one in told_by(histogram)] for histogram in (ours, theirs)]
    assert told[0] == told[1]
    assert next(labels["le"] for labels, count in told[0] if count) == bound
