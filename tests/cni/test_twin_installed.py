"""The Python twin on a host: an executable, its module beside it, and the bytecode Python keeps of the module."""

import json
import os
import shutil
import stat
import subprocess

import pytest

from terway_edge.cni import installer
from terway_edge.core.errors import Refused

SWALLOWED = ("not found", "no such file or directory")  # what go-cni takes for success in a DEL error


@pytest.fixture
def bin_dir(tmp_path):
    installer.install_twin(tmp_path / "bin")
    return tmp_path / "bin"


def module(bin_dir):
    return bin_dir / "terway-edge-python" / "shim.py"


def bytecode(bin_dir):
    return list((bin_dir / "terway-edge-python" / "__pycache__").iterdir())


def call(path, home, command="VERSION"):
    environ = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": "c0ffee",
        "CNI_IFNAME": "eth0",
        "TERWAY_EDGE_RUN": str(home),
        "TERWAY_EDGE_STATE": str(home / "state"),
    }
    return subprocess.run([path], env=environ, input=b"{}", capture_output=True, check=False, umask=0, cwd="/")


def test_the_module_is_there_before_the_executable_and_what_is_right_is_not_touched(tmp_path):
    written = installer.install_twin(tmp_path).written
    assert written == (module(tmp_path), tmp_path / "terway-edge")
    assert stat.S_IMODE(written[0].stat().st_mode) == 0o644
    assert stat.S_IMODE(written[1].stat().st_mode) == 0o755
    assert installer.install_twin(tmp_path).written == ()


def test_no_runtimes_umask_lets_others_write_what_root_runs(bin_dir, tmp_path):
    for _ in range(2):
        assert call(bin_dir / "terway-edge", tmp_path).returncode == 0
    paths = [module(bin_dir).parent, *module(bin_dir).parent.rglob("*")]
    assert len(paths) == 4  # directory, module, cache, bytecode
    assert [path for path in paths if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


@pytest.mark.parametrize("part", ["terway-edge-python", "terway-edge-python/__pycache__"])
def test_a_directory_that_everybody_may_write_is_refused(bin_dir, part):
    (bin_dir / part).chmod(0o777)
    with pytest.raises(Refused, match="chmod 755"):
        installer.install_twin(bin_dir)


def test_the_executable_can_be_called_through_a_link(bin_dir, tmp_path):
    link = tmp_path / "link"
    link.symlink_to("bin/terway-edge")
    assert json.loads(call(link, tmp_path).stdout)["cniVersion"] == "1.1.0"


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"])
@pytest.mark.parametrize("damage", ["directory", "module", "truncated", "bytecode"])
def test_a_damaged_installation_is_an_error_until_the_next_one(bin_dir, tmp_path, command, damage):
    shim = bin_dir / "terway-edge"
    whole = module(bin_dir).read_bytes()
    assert call(shim, tmp_path).returncode == 0
    if damage == "directory":
        shutil.rmtree(module(bin_dir).parent)
    elif damage == "module":
        module(bin_dir).unlink()
    elif damage == "truncated":
        module(bin_dir).write_bytes(whole[: len(whole) // 2])
    else:
        [cached] = bytecode(bin_dir)
        os.truncate(cached, 100)
    ended = call(shim, tmp_path, command)
    error = json.loads(ended.stdout)
    assert (ended.returncode, error["code"], ended.stderr) == (1, 11, b"")
    assert not any(words in str(error).lower() for words in SWALLOWED)
    assert not (tmp_path / "state").exists()
    installer.install_twin(bin_dir)
    assert call(shim, tmp_path).returncode == 0


def test_an_installation_starts_without_old_bytecode(bin_dir, tmp_path):
    assert call(bin_dir / "terway-edge", tmp_path).returncode == 0
    assert len(bytecode(bin_dir)) == 1
    installer.install_twin(bin_dir)
    assert bytecode(bin_dir) == []


def test_a_cache_that_cannot_be_written_costs_time_only(bin_dir, tmp_path):
    cache = module(bin_dir).parent / "__pycache__"
    cache.rmdir()
    cache.write_text("in the way")
    assert call(bin_dir / "terway-edge", tmp_path).returncode == 0


def test_the_source_runs_by_itself(tmp_path):
    assert json.loads(call(installer.TWIN, tmp_path).stdout)["cniVersion"] == "1.1.0"


def test_uninstall_removes_both_files_and_the_bytecode(bin_dir, tmp_path):
    assert call(bin_dir / "terway-edge", tmp_path).returncode == 0
    assert installer.uninstall(bin_dir, tmp_path) == (bin_dir / "terway-edge", bin_dir / "terway-edge-python")
    assert list(bin_dir.iterdir()) == []


def test_uninstall_leaves_a_foreign_directory_with_our_name(tmp_path):
    module(tmp_path).parent.mkdir()
    module(tmp_path).write_text("print('mine')")
    assert installer.uninstall(tmp_path, tmp_path) == ()
    assert module(tmp_path).exists()
