"""The image: what its Dockerfile copies is there, and what it builds and installs works.

The image itself is not built here, where no container can be; the steps that can be done without one are done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import pytest

from deploy.locks import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = [
    re.split(r"\s+", line, maxsplit=1)
    for line in re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
    if line
]
"""[[instruction, its words], ...]"""


def of(instruction: str) -> list[str]:
    return [words for name, words in INSTRUCTIONS if name == instruction]


def copied() -> Iterator[tuple[list[str], str]]:
    """(sources, target) of what comes from the repository."""
    for words in of("COPY"):
        if not words.startswith("--from"):
            *sources, target = words.split()
            yield sources, target


def is_sent(path: str) -> bool:
    """Whether a file or directory reaches the builder, by .dockerignore: the last line that matches counts."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!").removeprefix("**/")
            if any(each.match(pattern) for each in (PurePosixPath(path), *PurePosixPath(path).parents)):
                sent = line.startswith("!")
    return sent


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    sources = [source for found, _ in copied() for source in found]
    assert len(sources) >= 6
    for source in sources:
        assert (ROOT / source).exists(), source
        assert is_sent(source.rstrip("/")), source
    for path in (
        ".git",
        "tests/conftest.py",
        "requirements.lock",
        "terway_edge/cni/bin/terway-edge",
        "x/__pycache__/y",
    ):
        assert not is_sent(path), path


def test_what_is_installed_is_locked() -> None:
    steps = " && ".join(of("RUN"))
    installs = re.findall(r"pip(?: --python \S+)? install .*?(?= && |$)", steps)
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes -r /locks/" in install or "--no-deps /wheels/" in install, install
    assert "-e " not in steps, "not editable"


def test_the_compiler_stays_behind() -> None:
    root, last = DOCKERFILE.split("\nFROM ")[-2:]
    assert "gcc" not in root + last
    assert re.findall(r"install -y --no-install-recommends (.*?) \\\\?", root) == ["nftables"]
    assert re.findall(r"^COPY (.*)", root, re.MULTILINE) == ["--from=build /opt/terway-edge /opt/terway-edge"]
    assert re.findall(r"^COPY (.*)", last, re.MULTILINE) == ["--from=root / /"]


def test_the_shim_is_compiled_as_for_developers() -> None:
    flags = r"-std=\S+ -Os -static -s -Wall -Wextra -Werror"
    assert re.findall(flags, DOCKERFILE) == re.findall(flags, (ROOT / "dev").read_text()) != []


def test_the_base_can_be_pinned_and_the_version_is_this_one() -> None:
    stages = ["${PYTHON} AS shim", "${PYTHON} AS build", "${PYTHON} AS root", "scratch"]
    assert of("FROM") == stages
    assert [word for word in of("ARG") if word.startswith("PYTHON=python:3.11-")]
    assert f'image.version="{version("terway-edge")}"' in DOCKERFILE


@pytest.mark.slow
def test_the_wheel_of_what_is_copied_is_whole(tmp_path: Path) -> None:
    source = tmp_path / "src"
    for sources, target in list(copied())[2:]:
        for each in sources:
            if (ROOT / each).is_dir():
                shutil.copytree(ROOT / each, source / target, ignore=shutil.ignore_patterns("__pycache__", "bin"))
            else:
                source.mkdir(exist_ok=True)
                shutil.copy(ROOT / each, source)
    shim = source / "terway_edge/cni/bin/terway-edge"
    shim.parent.mkdir()
    shim.write_bytes(b"compiled terway-edge CNI shim")
    python = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    run(*python, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source))
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    licence = f"terway_edge-{version('terway-edge')}.dist-info/licenses/LICENSE"
    assert {"terway_edge/cni/bin/terway-edge", "terway_edge/py.typed", licence} <= names
    home = tmp_path / "installed"
    run(*python, "install", "--no-deps", "--no-compile", "--target", str(home), str(wheel))
    environ = {**os.environ, "PYTHONPATH": str(home)}
    where = "import terway_edge.cni.installer as i; print(i.COMPILED); print(i.COMPILED.read_bytes().decode())"
    assert run(sys.executable, "-c", where, env=environ, cwd=tmp_path) == (
        f"{home}/terway_edge/cni/bin/terway-edge\ncompiled terway-edge CNI shim\n"
    )
    schema = json.loads(run(str(home / "bin/terway-edge"), "config", "schema", env=environ, cwd=tmp_path))
    assert schema["title"] == "Settings"


def run(*command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=cwd)
    assert done.returncode == 0, f"{done.stderr}{done.stdout}"
    return done.stdout
