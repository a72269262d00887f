"""What is installed is what was locked, what is built twice is the same, and the image has nothing to break out with.

The image itself is not built here, where no container can be. What has known weaknesses is for a scanner to say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.locks import ROOT, locks
from tests.deploy.test_image import DOCKERFILE, of, run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHOLE = (ROOT / "requirements.lock").read_text()
TESTS_OF_MANIFESTS = (ROOT / "requirements-manifests.lock").read_text()
TEXTS = {"requirements.lock": WHOLE, "requirements-manifests.lock": TESTS_OF_MANIFESTS, **locks()}


# --- locks --------------------------------------------------------------------------------------------------------


def entries(text: str) -> Mapping[str, str]:
    """What a lock says of each package, by its name."""
    blocks = re.split(r"^(?=[^\s#])", text, flags=re.MULTILINE)[1:]
    return {canonicalize_name(re.split(r"[=\[ ]", block, maxsplit=1)[0]): block for block in blocks}


@pytest.mark.parametrize("name", TEXTS)
def test_t65_every_package_has_one_version_and_its_hashes(name: str) -> None:
    found = entries(TEXTS[name])
    assert found
    for package, block in found.items():
        assert re.match(r"[a-z0-9.-]+(\[[a-z0-9,-]+\])?==[^\s;]+( ; .*?)? \\\n", block), package
        assert re.search(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", block, re.MULTILINE), package


def wanted(*groups: str) -> Iterator[str]:
    """What pyproject.toml asks for directly; of no group, as users install it, and with extras."""
    own = PROJECT["project"]
    if not groups:
        yield from [*own["dependencies"], *(each for extra in own["optional-dependencies"].values() for each in extra)]
        yield from PROJECT["build-system"]["requires"]
    for group in groups:
        yield from (each for each in PROJECT["dependency-groups"][group] if isinstance(each, str))


def missing(locked: Mapping[str, str], direct: Iterator[str]) -> set[str]:
    """What these need, as the installed ones say, and no lock has."""
    seen: set[str] = set()
    waiting = [(each, "") for each in direct]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in seen and name in locked:
            needs = requires(name) or ()
            waiting += [(each, part) for each in needs for part in ("", *requirement.extras)]
        seen.add(name)
    return seen - locked.keys() - {"terway-edge"}


def test_t65_the_locks_are_complete() -> None:
    assert missing(entries(WHOLE), wanted()) == set()
    assert missing(entries(WHOLE), wanted("dev")) == set()
    assert missing(entries(TESTS_OF_MANIFESTS), wanted("manifests")) == set()
    assert missing(entries(locks()["run.lock"]), wanted()) >= {"pytest"}, "it would be noticed"


def test_t65_nothing_is_installed_without_its_hash() -> None:
    """By `./dev` and by the image; what is of this repository has no dependencies installed with it."""
    steps = re.sub(r"\\\n", "", (ROOT / "dev").read_text() + "\n".join(of("RUN")))
    installs = re.findall(r"pip\S*(?: -\S+| --python \S+)* (?:install|wheel|download) [^\n&]*", steps)
    assert len(installs) >= 6
    for install in installs:
        assert "--require-hashes -r " in install or "--no-deps" in install, install


# --- twice the same -----------------------------------------------------------------------------------------------


BUILD = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"


def checkout(whole: Path, home: Path, mode: int, time: int) -> Path:
    """As another user has it: modes, times and order on disk differ."""
    for path in sorted(whole.rglob("*"), reverse=bool(time % 2)):
        if path.is_file():
            target = home / path.relative_to(whole)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(mode | path.stat().st_mode & 0o111)
            os.utime(target, (time, time))
    return home


@pytest.mark.slow
def test_t65_the_wheel_is_the_same_whoever_builds_it(tmp_path: Path) -> None:
    """Also without SOURCE_DATE_EPOCH; with it, times are what it says."""
    whole = tmp_path / "whole"
    shutil.copytree(ROOT / "terway_edge/core", whole / "terway_edge/core")
    for name in ("pyproject.toml", "README.md", "LICENSE", "terway_edge/__init__.py", "terway_edge/py.typed"):
        shutil.copy(ROOT / name, whole / name)
    shim = whole / "terway_edge/cni/bin/terway-edge"
    shim.parent.mkdir(parents=True)
    shim.touch(0o755)
    own = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    made = []
    for number, (mode, environ) in enumerate(((0o600, {}), (0o664, {}), (0o644, {"SOURCE_DATE_EPOCH": "1700000000"}))):
        source = checkout(whole, tmp_path / f"user{number}", mode, 10**9 + number)
        run(sys.executable, "-c", BUILD, str(tmp_path), env={**own, **environ}, cwd=source)
        [wheel] = tmp_path.glob("*.whl")
        made.append(wheel.read_bytes())
        wheel.unlink()
    assert sha256(made[0]).hexdigest() == sha256(made[1]).hexdigest() != sha256(made[2]).hexdigest()
    build = DOCKERFILE.partition(" AS build\n")[2].partition("\nFROM ")[0]
    assert "\nARG SOURCE_DATE_EPOCH\n" in build


@pytest.mark.root
def test_t65_the_shim_is_the_same_wherever_it_is_compiled(tmp_path: Path) -> None:
    [flags] = re.findall(r"musl-gcc (.*?) -o", DOCKERFILE)
    made = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / "terway_edge/cni/shim.c", tmp_path / name / "shim.c")
        run("musl-gcc", *flags.split(), "-o", "shim", "shim.c", cwd=tmp_path / name)
        made.append((tmp_path / name / "shim").read_bytes())
    assert made[0] == made[1]


@pytest.mark.slow
def test_t65_bytecode_is_the_same_whatever_the_hash_seed(tmp_path: Path) -> None:
    [options] = re.findall(r"python -m compileall (.*?) /opt", DOCKERFILE)
    found = []
    for seed in ("1", "2"):
        source = tmp_path / seed / "core"
        shutil.copytree(ROOT / "terway_edge/core", source, ignore=shutil.ignore_patterns("__pycache__"))
        command = [sys.executable, "-m", "compileall", *options.split(), "core"]
        run(*command, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=tmp_path / seed)
        found.append({path.name: path.read_bytes() for path in source.rglob("*.pyc")})
    assert found[0] == found[1]
    assert len(found[0]) > 50


# --- the image ----------------------------------------------------------------------------------------------------


def test_t65_the_last_stage_is_what_was_left_of_another() -> None:
    """One layer: nothing that was removed is in one below."""
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert last.startswith("scratch\nCOPY --from=root / /\n")
    assert not re.findall(r"^(RUN|ADD|SHELL|ONBUILD|VOLUME)", last, re.MULTILINE)
    assert [json.loads(each) for each in (*of("ENTRYPOINT"), *of("CMD"))] == [["terway-edge"], ["agent"]], "no shell"
    [path] = re.findall(r"^ENV PATH=(\S+)", last, re.MULTILINE)
    assert path.split(":")[0] == "/opt/terway-edge/bin"


@pytest.mark.root
def test_t65_no_shell_and_no_suid_is_left(tmp_path: Path) -> None:
    """The step of the Dockerfile in a small root, with the programs that it needs and those that it is to remove."""
    for name in ("sh", "bash", "find", "chmod", "rm", "cat"):
        install(tmp_path, name)
    for name in (
        "bin/apt-get",
        "bin/dpkg",
        "bin/perl5.36.0",
        "local/bin/pip3",
        "local/lib/python3.11/site-packages/pip/x",
    ):
        (tmp_path / "usr" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "usr" / name).touch(0o755)
    for name, mode in (("su", 0o4755), ("wall", 0o2755)):
        (tmp_path / "usr/bin" / name).touch()
        (tmp_path / "usr/bin" / name).chmod(mode)
    kept = tmp_path / "usr/local/lib/python3.11/os.py"
    kept.touch()
    [step] = [each for each in of("RUN") if "chmod a-s" in each]
    run("chroot", str(tmp_path), "/bin/sh", "-c", step)
    left = {path.relative_to(tmp_path): path for path in (tmp_path / "usr").rglob("*") if path.is_file()}
    assert [name for name, path in left.items() if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []
    programs = {path.name for name, path in left.items() if os.access(path, os.X_OK) and "bin" in name.parts}
    assert programs == {"find", "chmod", "rm", "cat", "su", "wall"}
    assert kept.exists()
    done = subprocess.run(["chroot", str(tmp_path), "/bin/sh"], capture_output=True, check=False)
    assert done.returncode == 127


def install(root: Path, name: str) -> None:
    """A program of this machine, and the libraries that it is linked with; merged as Debian has /bin and /usr/bin."""
    for link in ("bin", "lib", "lib64"):
        (root / "usr" / link).mkdir(parents=True, exist_ok=True)
        if not (root / link).is_symlink():
            (root / link).symlink_to(f"usr/{link}")
    program = shutil.which(name)
    assert program
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", program))
    for path in (program, *libraries):
        target = root / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
