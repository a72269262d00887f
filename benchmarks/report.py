"""What a bench found: tables to read, and goals that are met or missed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


class Goal(NamedTuple):
    """`better` is "lower" or "higher": on which side of `goal` the value has to be."""

    name: str
    value: float
    goal: float
    better: str

    @property
    def met(self) -> bool:
        """A value that is not a number meets nothing."""
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal


class Report:
    """Collects tables and goals; `samples` is how many single measurements they come from, if the bench counts."""

    def __init__(self, bench: str) -> None:
        self.bench = bench
        self.samples = 0
        self.tables: list[Table] = []
        self.goals: list[Goal] = []

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table. Raises ValueError if a row has not one cell per column."""
        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"table {title!r}: row {row!r} has {len(row)} cells for {len(columns)} columns")
        self.tables.append(Table(title, tuple(columns), tuple(tuple(row) for row in rows)))

    def goal(self, name: str, value: float, goal: float, better: str = "lower") -> None:
        """Add a goal. Raises ValueError if `better` is neither "lower" nor "higher"."""
        if better not in ("lower", "higher"):
            raise ValueError(f"goal {name!r}: better={better!r}; give 'lower' or 'higher'")
        self.goals.append(Goal(name, value, goal, better))

    def progress(self, text: str) -> None:
        """Tell a waiting person what goes on, on stderr."""
        print(f"{self.bench}: {text}", file=sys.stderr, flush=True)

    @property
    def met(self) -> bool:
        return all(goal.met for goal in self.goals)

    def text(self) -> str:
        """All tables and then the goals, for people."""
        goals = [
            (g.name, g.value, f"{'<=' if g.better == 'lower' else '>='} {_cell(g.goal)}", "met" if g.met else "MISSED")
            for g in self.goals
        ]
        tables = list(self.tables)
        if goals:
            tables.append(Table("goals", ("goal", "measured", "wanted", ""), tuple(goals)))
        return "\n\n".join(map(_lines, tables))

    def json(self) -> str:
        """All of it as one line."""
        document = {
            "bench": self.bench,
            "goals": [{**goal._asdict(), "met": goal.met} for goal in self.goals],
            "tables": [table._asdict() for table in self.tables],
            "samples": self.samples,
        }
        return json.dumps(document, default=str)


def _cell(value: object) -> str:
    """Numbers with three or four significant digits, everything else as it is."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _lines(table: Table) -> str:
    """Columns as wide as their widest cell; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *cells, strict=True)]
    numeric = [
        all(isinstance(row[n], int | float) for row in table.rows) and bool(table.rows)
        for n in range(len(table.columns))
    ]

    def line(row: Sequence[str]) -> str:
        parts = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        )
        return ("  " + "  ".join(parts)).rstrip()

    return "\n".join([table.title, line(table.columns), line(["-" * width for width in widths]), *map(line, cells)])
