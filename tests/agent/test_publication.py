"""The CNI configuration is kept as it is, and what comes before it is told and taken back."""

import json
import os
import time

import pytest

from terway_edge.agent.conditions import Conditions
from terway_edge.agent.publication import Publication
from terway_edge.agent.telemetry import Telemetry
from terway_edge.core.config import Settings
from terway_edge.core.errors import Retry
from terway_edge.testing import RecordedEvents

NAME = "10-terway-edge.conflist"


class Node:
    def __init__(self, directory):
        self.bin, self.conf = directory / "bin", directory / "net.d"
        settings = Settings(node_name="n1", cni={"bin_dir": self.bin, "conf_dir": self.conf})
        self.events, self.telemetry = RecordedEvents(), Telemetry()
        self.conditions = Conditions(self.events)
        self.publication = Publication(settings, self.conditions, self.telemetry)

    def told(self):
        """[(reason, message)] of what is said now."""
        assert {each.subject for each in self.conditions.all()} <= {"n1"}
        return [(each.reason, each.message) for each in self.conditions.all()]


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path)
    made.publication.begin()
    assert made.told() == []
    return made


def damage_shim(node):
    (node.bin / "terway-edge").unlink()
    return node.bin / "terway-edge"


def damage_conf(node):
    (node.conf / NAME).write_text("{}")
    return node.conf / NAME


def damage_directory(node):
    (node.conf / NAME).unlink()
    node.conf.rmdir()
    return node.conf / NAME


def damage_conf_alike(node):
    conf = node.conf / NAME
    conf.write_bytes(conf.read_bytes().replace(b"terway-edge", b"terway-ed9e"))
    return conf


def damage_mode(node):
    (node.conf / NAME).chmod(0o600)
    return node.conf / NAME


def settle(node):
    """As an hour later, with all looked at since."""
    node.publication.keep()
    for path in (node.conf, *node.conf.iterdir(), *node.bin.iterdir()):
        os.utime(path, (time.time() - 3600,) * 2)
    node.publication.keep()
    assert node.publication._seen == node.publication._look()


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("damage", [damage_shim, damage_conf, damage_directory, damage_conf_alike, damage_mode])
def test_what_others_take_away_is_put_back(node, caplog, damage, is_settled):
    if is_settled:
        settle(node)
    content = {path: path.read_bytes() for path in (node.bin / "terway-edge", node.conf / NAME)}
    damaged = damage(node)
    node.publication.keep()
    assert {path: path.read_bytes() for path in content} == content
    assert f"somebody removed or changed {damaged}" in caplog.text
    assert node.telemetry.repairs == {"installation": 1}
    node.publication.keep()
    assert node.telemetry.repairs == {"installation": 1}


def test_a_shim_of_another_version_is_let_be(node):
    (node.bin / "terway-edge").write_bytes(b"newer")
    node.publication.keep()
    assert (node.bin / "terway-edge").read_bytes() == b"newer"


def test_what_comes_before_ours_is_told_until_it_is_gone(node):
    bad, other = node.conf / "00-bad.conflist", node.conf / "05-bridge.conf"
    bad.write_text("{")
    other.write_text(json.dumps({"type": "bridge"}))
    (node.conf / "99-later.conflist").write_text("{")
    (node.conf / "00-notes.txt").write_text("{")
    (node.conf / "00-directory.conf").mkdir()
    node.publication.keep()
    [(first, broken), (second, foreign)] = node.told()
    assert (first, second) == ("CniConfigUnreadable", "CniConfigOfOthers")
    assert f"{bad} is not JSON" in broken
    assert "Repair or remove it" in broken
    assert f"{other} comes before ours" in foreign
    assert "Remove it" in foreign
    for path in (bad, other):
        path.unlink()
    node.publication.keep()
    assert node.told() == []
    assert node.events.reasons("n1")[2:] == ["CniConfigUnreadableResolved", "CniConfigOfOthersResolved"]


def test_what_is_there_at_the_start_is_told_at_once(tmp_path):
    node = Node(tmp_path)
    node.conf.mkdir(mode=0o755)
    (node.conf / "00-bad.conf").write_text("")
    node.publication.begin()
    assert [reason for reason, _ in node.told()] == ["CniConfigUnreadable"]


def test_a_start_that_cannot_install_fails_and_publishes_nothing(tmp_path):
    node = Node(tmp_path)
    (node.bin / "terway-edge").mkdir(parents=True)
    with pytest.raises(Retry, match="cannot install terway-edge"):
        node.publication.begin()
    assert not node.conf.exists()


def test_what_cannot_be_put_back_is_told_and_tried_again(node):
    (node.conf / NAME).unlink()
    (node.conf / NAME).mkdir()
    node.publication.keep()
    [(reason, message)] = node.told()
    assert (reason, message) == ("NotInstalled", f"cannot install {NAME}: Is a directory")
    (node.conf / NAME).rmdir()
    node.publication.keep()
    assert node.told() == []
    assert (node.conf / NAME).is_file()


def test_a_file_system_that_refuses_is_told_as_well(node):
    """A directory where the new file is to be made."""
    (node.conf / NAME).chmod(0o600)  # so that there is something to do
    obstacle = node.conf / f".{NAME}.new"
    obstacle.mkdir()
    node.publication.keep()
    assert node.told() == [("NotInstalled", f"cannot install {NAME}: Is a directory")]
    obstacle.rmdir()
    node.publication.keep()
    assert node.told() == []


def test_another_configuration_that_is_mended_in_place_is_read_again(node):
    rival = node.conf / "00-other.conflist"
    rival.write_text("{")
    settle(node)
    assert [reason for reason, _ in node.told()] == ["CniConfigUnreadable"]
    rival.write_text('{"name": "x", "plugins": [{"type": "x"}]}')
    node.publication.keep()
    assert [reason for reason, _ in node.told()] == ["CniConfigOfOthers"]
