"""What the image installs, with the hashes of `requirements.lock`: what an agent needs, and what its build needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def locks() -> dict[str, str]:
    """Texts by file name: of the image itself, and of the stage that builds the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    blocks = _blocks((ROOT / "requirements.lock").read_text())
    own = project["project"]
    runtime = [*own["dependencies"], *own["optional-dependencies"]["cloud"]]
    return {"run.lock": _text(blocks, runtime), "build.lock": _text(blocks, project["build-system"]["requires"])}


def _text(blocks: Mapping[str, str], direct: Iterable[str]) -> str:
    head = "# Generated from pyproject.toml and requirements.lock by deploy/generate.py.\n"
    return head + "".join(blocks[name] for name in sorted(_closure(direct)))


def _closure(direct: Iterable[str]) -> set[str]:
    """Names of these packages and of all that they need, as the installed ones say."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(text, "") for text in direct]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        found.add(name)
        for part in {(name, each) for each in ("", *requirement.extras)} - seen:
            seen.add(part)
            waiting += [(each, part[1]) for each in requires(name) or ()]
    return found


def _blocks(lock: str) -> dict[str, str]:
    """Of each package its line and hashes, by its name."""
    found: dict[str, str] = {}
    for block in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]:
        lines = [line for line in block.splitlines() if not line.lstrip().startswith("#")]
        lines[-1] = lines[-1].removesuffix(" \\")
        found[canonicalize_name(Requirement(lines[0].removesuffix(" \\")).name)] = "\n".join(lines) + "\n"
    return found
