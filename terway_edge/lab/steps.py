"""The steps of a lab run: what was done, how long it took, whether it went well. Progress goes out as it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from terway_edge.lab.errors import LabError


@dataclass(slots=True)
class Step:
    """`problems` are sentences for the operator; a step without any is ok."""

    name: str
    seconds: float = 0.0
    detail: str = ""
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def problem(self, message: str, look_at: str = "") -> None:
        self.problems.append(f"{message} (look at {look_at})" if look_at else message)


class Steps:
    """Collects steps and writes a line to `progress` at the end of each."""

    def __init__(self, progress: TextIO) -> None:
        self.done: list[Step] = []
        self._progress = progress
        self._begin = time.monotonic()

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.done)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begin

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time the body. An exception marks the step as failed and goes on to the caller."""
        step = Step(name)
        begin = time.monotonic()
        try:
            yield step
        except LabError as error:
            step.problem(str(error), error.look_at)
            raise
        except BaseException as error:
            step.problem("interrupted" if isinstance(error, KeyboardInterrupt) else repr(error))
            raise
        finally:
            step.seconds = time.monotonic() - begin
            self.done.append(step)
            self._say(step)

    def _say(self, step: Step) -> None:
        mark = "ok  " if step.ok else "FAIL"
        print(f"{mark} {step.seconds:7.3f} s  {step.name}  {step.detail}".rstrip(), file=self._progress, flush=True)
        for problem in step.problems:
            for line in problem.splitlines():
                print(f"     {line}", file=self._progress, flush=True)
