"""The init container's work: directories as the agent asks for them, and the shim."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from terway_edge.agent.directories import private_directory
from terway_edge.agent.preparing import prepare_node
from terway_edge.core.config import Settings
from terway_edge.core.errors import Refused


def settings(home: Path, **cni: bool) -> Settings:
    section = {"bin_dir": home / "bin", "conf_dir": home / "net.d", **cni}
    return Settings.model_validate(
        {"node_name": "n", "run_dir": home / "run", "state_dir": home / "state", "cni": section}
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_directories_that_the_kubelet_made_become_private(tmp_path: Path) -> None:
    for name in ("run", "state"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    told = list(prepare_node(settings(tmp_path, install=False)))
    assert told == [f"made {tmp_path}/{name} private" for name in ("run", "state")]
    for name in ("run", "state"):
        private_directory(tmp_path / name)  # as the agent does at its start


def test_missing_ones_are_made_and_the_shim_is_installed_without_a_configuration(tmp_path: Path) -> None:
    told = list(prepare_node(settings(tmp_path)))
    assert (mode(tmp_path / "run"), mode(tmp_path / "state")) == (0o700, 0o700)
    assert (tmp_path / "bin/terway-edge").is_file()
    assert f"installed {tmp_path}/bin/terway-edge" in told
    assert not (tmp_path / "net.d").exists(), "which promises that pods can be plugged in"


def test_the_second_time_there_is_nothing_to_do(tmp_path: Path) -> None:
    list(prepare_node(settings(tmp_path)))
    assert list(prepare_node(settings(tmp_path))) == []


def test_one_that_holds_anything_is_left_as_it_is_and_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "run/precious").touch()
    with pytest.raises(Refused, match="run has mode 0755, expected 0700"):
        list(prepare_node(settings(tmp_path)))
    assert mode(tmp_path / "run") == 0o755
    assert not (tmp_path / "bin").exists()


def test_without_install_the_shim_is_somebody_elses(tmp_path: Path) -> None:
    list(prepare_node(settings(tmp_path, install=False)))
    assert not (tmp_path / "bin").exists()
