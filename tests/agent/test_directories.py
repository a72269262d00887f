"""Directories of the agent: never another's, and nothing of another's is removed with them."""

import os
import stat

import pytest

from terway_edge.agent.directories import private_directory, remove_directory
from terway_edge.agent.instance import instance_lock
from terway_edge.agent.spool import locked
from terway_edge.core.errors import Refused


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_one_is_for_root_alone_and_its_parents_are_as_usual(tmp_path):
    private_directory(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a") == 0o777 & ~_umask()


def test_the_agents_own_earlier_one_is_fine(tmp_path):
    private_directory(tmp_path / "run")
    private_directory(tmp_path / "run")
    assert mode(tmp_path / "run") == 0o700


@pytest.mark.parametrize("use", [private_directory, instance_lock, lambda path: locked(path, 0).__enter__()])
@pytest.mark.parametrize("looser", [0o755, 0o1777, 0o710])
def test_one_that_others_use_is_refused_and_left_as_it_is(tmp_path, use, looser):
    shared = tmp_path / "run"
    shared.mkdir()
    shared.chmod(looser)
    with pytest.raises(Refused, match=rf"run has mode {looser:04o}, expected 0700.*Set run_dir.*chmod 0700 /"):
        use(shared)
    assert mode(shared) == looser
    assert list(shared.iterdir()) == []


@pytest.mark.root
def test_one_of_another_user_is_refused(tmp_path):
    (tmp_path / "run").mkdir(mode=0o700)
    os.chown(tmp_path / "run", 12345, -1)
    with pytest.raises(Refused, match=r"run belongs to user 12345, expected root.*chown root /"):
        private_directory(tmp_path / "run")


def test_ours_are_removed_and_then_the_directory(tmp_path):
    home = tmp_path / "spool"
    home.mkdir()
    for name in (".lock", "a.del", "b.del"):
        (home / name).write_text("")
    assert remove_directory(home, (".lock", "*.del")) == f"removed {home}"
    assert not home.exists()
    assert remove_directory(home, (".lock",)) == ""


def test_files_of_others_stay_and_keep_the_directory(tmp_path):
    for name in ("leases.journal", "precious", "other.delta"):
        (tmp_path / name).write_text("")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "leases.journal").write_text("")
    assert remove_directory(tmp_path, ("leases.*", "*.del")) == f"kept {tmp_path}: it holds files of others"
    assert {path.name for path in tmp_path.iterdir()} == {"precious", "other.delta", "deep"}
    assert (tmp_path / "deep" / "leases.journal").exists()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
