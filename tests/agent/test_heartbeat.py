"""The heartbeat file: whole, for root only, and written nowhere else."""

import stat

import pytest

from terway_edge.agent.heartbeat import beat


def test_a_beat_is_the_time_in_seconds_for_root_only(tmp_path):
    path = tmp_path / "heartbeat"
    for now in (12.3456, 99.0):
        beat(path, now)
        assert path.read_text() == f"{now:.3f}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("leftover", ["half a beat", "a link"])
def test_what_is_in_the_way_is_replaced_and_not_written_through(tmp_path, leftover):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    elsewhere.chmod(0o644)
    temporary = tmp_path / ".heartbeat.tmp"
    temporary.symlink_to(elsewhere) if leftover == "a link" else temporary.write_text("1")
    beat(tmp_path / "heartbeat", 5.0)
    assert elsewhere.read_text() == "kept"
    assert not (tmp_path / "heartbeat").is_symlink()
    assert (tmp_path / "heartbeat").read_text() == "5.000\n"
