"""`./dev` trusts no virtual environment that is another checkout's, or that was never finished."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DEV = Path(__file__).parents[2] / "dev"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With nothing to install, and no package of its own: what `./dev` would run then is not there."""
    made = tmp_path / "checkout"
    made.mkdir()
    shutil.copy(DEV, made)
    for name in ("requirements.lock", "pyproject.toml"):
        (made / name).write_text("")
    return made


def environment(checkout: Path, pip_of: Path | None) -> None:
    """As far as `./dev` looks at one: a Python, a stamp that is right, and the first line of pip."""
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to("/bin/true")
    if pip_of is not None:
        (programs / "pip").write_text(f"#!{pip_of}/.venv/bin/python\n")
    stamp = subprocess.run(["sha256sum"], input=b"", capture_output=True, check=True).stdout.split()[0]
    (checkout / ".venv" / "terway-edge-stamp").write_bytes(stamp)
    (programs / "terway-edge").write_text("#!/bin/sh\necho ran\n")
    (programs / "terway-edge").chmod(0o755)


def dev_run(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([checkout / "dev", "run"], capture_output=True, text=True, check=False)


def test_its_own_is_used_as_it_is(checkout: Path) -> None:
    environment(checkout, checkout)
    done = dev_run(checkout)
    assert (done.stdout, done.stderr) == ("ran\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("former", ["elsewhere", None], ids=["moved", "without pip"])
def test_any_other_is_made_anew(checkout: Path, former: str | None) -> None:
    environment(checkout, checkout.with_name(former) if former else None)
    done = dev_run(checkout)
    assert "ran" not in done.stdout
    assert "dev: creating .venv with" in done.stderr
    assert f"{checkout}/.venv/bin/python" in (checkout / ".venv" / "bin" / "pip").read_text()
