"""What a program measured, line by line, each beside what it is measured against and what it should reach."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import orjson
import typer

HEADS = ("", "ours", "beside", "ratio", "must", "want", "")

Quick = Annotated[bool, typer.Option("--quick", help="Fewer clients and rounds: to see that it works.")]
Kept = Annotated[Path | None, typer.Option("--json", help="A file for the figures, for whoever prints several.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure.

    Attributes:
        what: it is.
        ours: in each round.
        unit: of `ours`; empty for plain numbers.
        anchor: what it is measured beside, in the same round; empty where it stands alone.
        beside: the anchor's figure in each round.
        must: what the ratio to the anchor, or else the figure itself, has to reach.
        want: what it should reach.
        least: whether `must` and `want` are lower bounds, not upper ones.
    """

    what: str
    ours: Sequence[float]
    unit: str = ""
    anchor: str = ""
    beside: Sequence[float] = ()
    must: float | None = None
    want: float | None = None
    least: bool = False

    @property
    def ratios(self) -> list[float]:
        """Of each round."""
        return [one / other for one, other in zip(self.ours, self.beside, strict=True) if other] if self.beside else []

    @property
    def reached(self) -> str:
        """Which of the two bounds is kept by the median; empty where there is none."""
        if not self.ours:
            return "not measured"
        figure = median(self.ratios or self.ours)
        for name, bound in (("want", self.want), ("must", self.must)):
            if bound is not None and (figure >= bound if self.least else figure <= bound):
                return name
        return "" if self.must is None and self.want is None else "missed"

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row under `HEADS`."""
        bound = "at least " if self.least else "at most "
        return (
            self.what,
            f"{_spread(self.ours)} {self.unit}".strip(),
            f"{self.anchor} {_spread(self.beside)}".strip() if self.beside else self.anchor,
            _spread(self.ratios),
            "" if self.must is None else f"{bound}{_short(self.must)}",
            "" if self.want is None else _short(self.want),
            self.reached,
        )


def tell(lines: Sequence[Line], kept: Path | None) -> None:
    """Print lines as a table, and keep them in a file where one is named."""
    typer.echo(table(lines))
    if kept is not None:
        kept.write_bytes(orjson.dumps([asdict(line) for line in lines]))


def kept_in(file: Path) -> list[Line]:
    """What another program has kept."""
    return [Line(**line) for line in orjson.loads(file.read_bytes())]


def table(lines: Iterable[Line]) -> str:
    """Lines as a Markdown table whose columns stand under each other."""
    rows = [HEADS, *(line.cells for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    rule = tuple("-" * width for width in widths)
    padded = ((cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [HEADS, rule, *rows[1:]])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def percentile(seconds: Iterable[float], percent: float) -> float:
    """The time below which so many percent of some times lie."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(percent / 100 * len(ordered)))]


def _spread(figures: Sequence[float]) -> str:
    if not figures:
        return ""
    middle, least, most = median(figures), min(figures), max(figures)
    return _short(middle) if least == most else f"{_short(middle)} ({_short(least)} to {_short(most)})"


def _short(figure: float) -> str:
    """Three digits of it, or all that stand before the point."""
    if figure == int(figure) or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"
