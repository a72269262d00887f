"""Puts the shim and the CNI configuration where the runtime looks for them, and takes them away again.

The shim first, the configuration last: a configuration promises that pods can be plugged in. Each file appears whole
or not at all (temporary file in the same directory, fsync, rename, fsync of the directory); a runtime notices a
configuration only if it was renamed inside its own directory, and reloads at each event there, so what is right
already is not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from terway_edge.cni.versions import VERSIONS
from terway_edge.core.errors import CONFLICTING_STATE, IO_FAILURE, Refused, Retry
from terway_edge.core.failpoints import reach

TYPE = "terway-edge"
"""Name of the shim in the runtime's directory: the `type` in the configuration."""
CONF_NAME = "10-terway-edge.conflist"
CONF_SUFFIXES = (".conf", ".conflist", ".json")
CAPABILITIES = {"bandwidth": True, "portMappings": True, "io.kubernetes.cri.pod-annotations": True}
MARK = b"terway-edge CNI shim"  # in every shim of ours, of any version

COMPILED = Path(__file__).with_name("bin") / "terway-edge"
TWIN = Path(__file__).with_name("shim.py")
TWIN_START = Path(__file__).with_name("start_shim.py")
TWIN_HOME = f"{TYPE}-python"
"""Directory beside the executable for the twin's module and the bytecode that the host's Python keeps of it."""
_NO_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class Installed(NamedTuple):
    """What install() did: the paths it wrote (none if all was right already), and the configurations of others that
    come before ours, so that the runtime uses them instead."""

    written: tuple[Path, ...]
    ahead: tuple[str, ...]


def install(bin_dir: Path, conf_dir: Path, network: str, conf_name: str = CONF_NAME) -> Installed:
    """Shim, then configuration. Raises as install_shim() and publish()."""
    shim = install_shim(bin_dir)
    published = publish(conf_dir, network, conf_name)
    return Installed(shim.written + published.written, published.ahead)


def install_shim(bin_dir: Path) -> Installed:
    """Put the compiled shim, or its Python twin if none was built, into `bin_dir` (made if missing).

    Raises Refused if others than root may change the directory, Retry if it cannot be written.
    """
    if not COMPILED.exists():
        return install_twin(bin_dir)
    with _directory(bin_dir) as directory:
        changed = _put(directory, TYPE, COMPILED.read_bytes(), 0o755)
    return Installed((bin_dir / TYPE,) if changed else (), ())


def install_twin(bin_dir: Path) -> Installed:
    """Put the Python twin into `bin_dir`: the module, then the executable that imports it. Raises as install_shim().

    Python writes bytecode without fsync and trusts it by its header. So each installation starts without any, and in a
    directory that is made here, with rights that depend on no runtime's umask.
    """
    home, written = bin_dir / TWIN_HOME, []
    with _directory(bin_dir) as directory, _directory(home) as inner, _directory(home / "__pycache__") as cache:
        if _put(inner, TWIN.name, TWIN.read_bytes(), 0o644):
            written.append(home / TWIN.name)
        _empty(cache)
        if _put(directory, TYPE, TWIN_START.read_bytes(), 0o755):
            written.append(bin_dir / TYPE)
    return Installed(tuple(written), ())


def publish(conf_dir: Path, network: str, conf_name: str = CONF_NAME) -> Installed:
    """Put the CNI configuration into `conf_dir` (made if missing). Call it when the agent serves. Raises as above."""
    with _directory(conf_dir) as directory:
        changed = _put(directory, conf_name, render_conf(network), 0o644)
        with os.scandir(directory) as entries:
            others = sorted(
                entry.name
                for entry in entries
                if entry.name.endswith(CONF_SUFFIXES) and not entry.is_dir(follow_symlinks=False)
            )
    ahead = tuple(name for name in others if name < conf_name)
    return Installed((conf_dir / conf_name,) if changed else (), ahead)


def uninstall(bin_dir: Path, conf_dir: Path, conf_name: str = CONF_NAME) -> tuple[Path, ...]:
    """Remove configuration and shim, in this order, if they are ours by content; returns what was removed."""
    removed = []
    for path, is_ours in ((conf_dir / conf_name, _is_our_conf), (bin_dir / TYPE, _is_our_shim)):
        with suppress(*_NO_FILE):
            if is_ours(path.read_bytes()):
                path.unlink()
                removed.append(path)
    home = bin_dir / TWIN_HOME
    with suppress(*_NO_FILE):
        if _is_our_shim((home / TWIN.name).read_bytes()):
            shutil.rmtree(home)
            removed.append(home)
    return tuple(removed)


@lru_cache(maxsize=1)  # asked for every two seconds, and an encoder that indents leaves work for the collector
def render_conf(network: str) -> bytes:
    """The configuration list: 1.0.0 for runtimes that know no newer, `cniVersions` for those that negotiate."""
    conf = {
        "cniVersion": "1.0.0",
        "cniVersions": VERSIONS,
        "name": network,
        "plugins": [{"type": TYPE, "capabilities": CAPABILITIES}],
    }
    return json.dumps(conf, indent=2).encode() + b"\n"


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    """Descriptor of a directory that nobody else may change, made if missing."""
    try:
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Retry(f"cannot open directory {path}: {error.strerror}", code=IO_FAILURE) from error
    try:
        _check_owner(path, os.fstat(directory))
        yield directory
    finally:
        os.close(directory)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        problem, fix = f"belongs to user {status.st_uid}", f"chown root {path}"
    elif status.st_mode & stat.S_IWOTH:
        problem, fix = "may be written by everybody", f"chmod 755 {path}"
    else:
        return
    raise Refused(
        f"{path} {problem}: what it holds is run as root on every pod start. Run: {fix}", code=CONFLICTING_STATE
    )


def _put(directory: int, name: str, content: bytes, mode: int) -> bool:
    """Make `name` hold exactly this; False if it did already. Raises Retry with code 5."""
    temporary = f".{name}.new"  # a suffix that runtimes do not read
    try:
        if _holds(directory, name, content, mode):
            return False
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)  # of an installer that was killed
        reach("install.write.before")
        _write(directory, temporary, content, mode)
        reach("install.write.written")
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise Retry(f"cannot install {name}: {error.strerror}", code=IO_FAILURE) from error
    reach("install.write.after")
    return True


def _empty(directory: int) -> None:
    """Remove the files of a directory. Raises Retry with code 5."""
    for name in os.listdir(directory):
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            continue  # a shim was about to rename it
        except OSError as error:
            raise Retry(f"cannot remove the old bytecode {name}: {error.strerror}", code=IO_FAILURE) from error


def _holds(directory: int, name: str, content: bytes, mode: int) -> bool:
    """True if `name` is a file (no symbolic link) of this content and mode."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != mode or status.st_size != len(content):
        return False
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory), "rb") as file:
        return file.read() == content


def _write(directory: int, name: str, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, mode, dir_fd=directory), "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), mode)  # whatever the umask is
        os.fsync(file.fileno())


def _is_our_shim(content: bytes) -> bool:
    return MARK in content


def _is_our_conf(content: bytes) -> bool:
    try:
        conf: Any = json.loads(content)
    except (ValueError, RecursionError):
        return False
    plugins = conf.get("plugins") if isinstance(conf, Mapping) else None
    return isinstance(plugins, list) and any(isinstance(p, Mapping) and p.get("type") == TYPE for p in plugins)
