"""Files with last-good objects: single cases, and a model that any sequence of operations must agree with."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from terway_edge.cluster.files import MAX_BYTES, ManifestFiles, is_manifest
from terway_edge.core.bgp_peer import SecretRef
from terway_edge.core.ports import Snapshot
from terway_edge.core.secret import Secret
from tests.core.bgp_peers import written


def text(*names: str, label: str = "x", bad: int = 0) -> str:
    """A List of Nodes of these names, followed by `bad` items that cannot be used."""
    good = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": n, "labels": {"l": label}}} for n in names]
    wrong = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"BAD{i}"}} for i in range(bad)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": good + wrong})


def seen(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(node.name, node.labels["l"]) for node in snapshot.nodes]


def scan(files: ManifestFiles) -> Snapshot:
    files.rescan()
    return files.snapshot()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("a.json", "a.yaml", "a.yml")),
        *((name, False) for name in (".a.json", "a.json~", "a.yaml.tmp", "events.jsonl", "..data", "a")),
    ],
)
def test_which_names_are_manifests(name: str, expected: bool) -> None:
    assert is_manifest(name) is expected


def test_a_bad_file_keeps_its_last_good_objects_until_it_is_fixed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files = ManifestFiles(tmp_path)
    path.write_text(text("n1", "n2"))
    assert seen(scan(files)) == [("n1", "x"), ("n2", "x")]
    for broken in (text("n1", "n2")[:-9], "", "[1]", text("n1", bad=1), "\x00"):
        path.write_text(broken)
        snapshot = scan(files)
        assert seen(snapshot) == [("n1", "x"), ("n2", "x")]
        assert [problem.where.split(":")[0] for problem in snapshot.problems] == ["a.json"]
        assert snapshot.in_sync
        assert scan(files) == snapshot
    path.write_text(text("n2", label="longer"))
    assert scan(files).problems == ()
    assert seen(scan(files)) == [("n2", "longer")]
    path.unlink()
    assert scan(files) == Snapshot()


def test_what_was_bad_when_first_listed_keeps_the_snapshot_out_of_sync(tmp_path: Path) -> None:
    files = ManifestFiles(tmp_path)
    assert not files.snapshot().in_sync
    (tmp_path / "a.json").write_text(text("n1", bad=1))
    (tmp_path / "b.yaml").write_text("kind: [")
    snapshot = scan(files)
    assert seen(snapshot) == [("n1", "x")]
    assert not snapshot.in_sync
    (tmp_path / "a.json").write_text(text("n1", "n2"))
    assert not scan(files).in_sync
    (tmp_path / "b.yaml").unlink()
    assert scan(files) == Snapshot(scan(files).nodes, (), True)
    (tmp_path / "c.yaml").write_text("kind: [")  # came later: nothing known can be lost by it
    assert scan(files).in_sync


def test_of_two_objects_of_one_name_the_first_by_file_name_wins(tmp_path: Path) -> None:
    files = ManifestFiles(tmp_path)
    (tmp_path / "b.json").write_text(text("n1", label="b"))
    (tmp_path / "a.json").write_text(text("n1", "n1", label="a"))
    snapshot = scan(files)
    assert seen(snapshot) == [("n1", "a")]
    assert [problem[:2] for problem in snapshot.problems] == [
        (f"{name}: Node/n1", "is already in a.json, which comes first and wins; remove one of them")
        for name in ("a.json", "b.json")
    ]
    (tmp_path / "a.json").unlink()
    assert seen(scan(files)) == [("n1", "b")]


def peer_and_secret(name: str, password: str = "p", **changes: object) -> str:
    """A List of a BGPPeer, a Secret that it refers to and a Node, all of one name."""
    spec = written(authPassword={"secretKeyRef": {"name": name, "key": "k"}}, **changes)
    kinds = [
        ("network.openyurt.io/v1alpha1", "BGPPeer", {"spec": spec}),
        ("v1", "Secret", {"stringData": {"k": password}}),
        ("v1", "Node", {}),
    ]
    items = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "kube-system"}, **rest}
        for version, kind, rest in kinds
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def test_objects_of_different_kinds_may_share_a_name_and_those_of_one_kind_may_not(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(peer_and_secret("x", "first"))
    (tmp_path / "b.json").write_text(peer_and_secret("x", "second", peerAsNumber=1))
    snapshot = scan(ManifestFiles(tmp_path))
    assert [peer.spec.peer_as_number for peer in snapshot.peers] == [65001]
    assert snapshot.secrets == {SecretRef(name="x", key="k"): Secret(b"first")}
    assert [node.name for node in snapshot.nodes] == ["x"]
    assert [problem.where for problem in snapshot.problems] == [
        "b.json: BGPPeer/x",
        "b.json: Secret/x",
        "b.json: Node/x",
    ]


def test_an_invalid_peer_keeps_the_last_good_one(tmp_path: Path) -> None:
    path, files = tmp_path / "a.json", ManifestFiles(tmp_path)
    path.write_text(peer_and_secret("x", "first"))
    good = scan(files)
    path.write_text(peer_and_secret("x", "second", peerIP="0.0.0.0", holdTimeSeconds=1))
    snapshot = scan(files)
    assert (snapshot.peers, snapshot.secrets, snapshot.in_sync) == (good.peers, good.secrets, True)
    assert [problem.where for problem in snapshot.problems] == [
        "a.json: items[0]: BGPPeer/x: spec.peerIP",
        "a.json: items[0]: BGPPeer/x: spec.holdTimeSeconds",
    ]
    path.write_text(peer_and_secret("x", "second"))
    assert scan(files).secrets == {SecretRef(name="x", key="k"): Secret(b"second")}
    path.unlink()
    assert scan(files) == Snapshot()


def test_an_invalid_peer_of_which_nothing_better_is_known_leaves_the_peers_in_doubt_and_not_the_nodes(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.json").write_text(peer_and_secret("x", localAsNumber=0))
    snapshot = scan(ManifestFiles(tmp_path))
    assert (snapshot.in_sync, snapshot.peers_in_sync) == (True, False)


@pytest.mark.parametrize(
    ("text", "in_sync"),
    [
        ("{", (False, False)),
        ("", (False, False)),
        ('{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "-"}}', (False, True)),
        ('{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "-"}}', (True, True)),
        ('{"kind": "List", "items": [7]}', (False, False)),
        ('{"kind": "NodeList", "items": [7]}', (False, True)),
    ],
)
def test_a_file_that_was_never_good_leaves_in_doubt_what_it_may_hold(
    text: str, in_sync: tuple[bool, bool], tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(text)
    snapshot = scan(ManifestFiles(tmp_path))
    assert (snapshot.in_sync, snapshot.peers_in_sync) == in_sync


def test_equal_objects_are_the_same_ones(tmp_path: Path) -> None:
    path, files = tmp_path / "a.json", ManifestFiles(tmp_path)
    path.write_text(peer_and_secret("x"))
    before = scan(files)
    path.write_text(peer_and_secret("x") + "\n")
    after = scan(files)
    assert after == before
    assert after.peers[0] is before.peers[0]


def test_only_changed_files_are_read_again(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(text("n1"))
    second.write_text(text("n2"))
    files = ManifestFiles(tmp_path)
    before = scan(files)
    status = first.stat()
    first.write_text(text("n9"))  # same size; with the old time it looks the same
    os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert scan(files) == before
    files.reread(["a.json"])
    assert seen(files.snapshot()) == [("n9", "x"), ("n2", "x")]
    assert files.snapshot().nodes[1] is before.nodes[1]


def test_a_directory_that_disappears_takes_no_objects_with_it(tmp_path: Path) -> None:
    directory = tmp_path / "m"
    directory.mkdir()
    (directory / "a.json").write_text(text("n1"))
    files = ManifestFiles(directory)
    scan(files)
    directory.rename(tmp_path / "away")
    snapshot = scan(files)
    assert seen(snapshot) == [("n1", "x")]
    assert [problem[:2] for problem in snapshot.problems] == [
        (str(directory), "No such file or directory; the last objects read stay in force")
    ]
    directory.mkdir()
    assert scan(files) == Snapshot()


def test_what_is_no_plain_file_is_a_problem_and_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "dir.yaml").mkdir()
    (tmp_path / "dangling.json").symlink_to("nowhere")
    (tmp_path / "latin.yaml").write_bytes(b"kind: \xe9")
    with (tmp_path / "huge.json").open("wb") as huge:
        huge.truncate(MAX_BYTES + 1)
    (tmp_path / "bom.json").write_bytes(b"\xef\xbb\xbf" + text("n1").encode())
    snapshot = scan(ManifestFiles(tmp_path))
    assert seen(snapshot) == [("n1", "x")]
    assert {problem.where: problem.message for problem in snapshot.problems} == {
        "dir.yaml": "cannot be read: Is a directory; fix or remove the file",
        "fifo.json": "is no regular file; remove it",
        "huge.json": f"has {MAX_BYTES + 1} bytes, expected at most {MAX_BYTES}; split it",
        "latin.yaml": "is no UTF-8 text: byte 6 is wrong; write it again",
    }


@dataclass
class ModelFile:
    """What one file should contribute."""

    nodes: list[tuple[str, str]] = field(default_factory=list)
    good: bool = False
    broken: bool = False


class LastGood(RuleBasedStateMachine):
    """Any sequence of create, partial write, replace, delete, break, fix, and moves of the directory."""

    names = st.sampled_from(["a.json", "b.yaml", "c.yml"])
    node_names = st.lists(st.sampled_from(["n1", "n2", "n3", "n4"]), max_size=3, unique=True)
    label_texts = st.sampled_from(["x", "y", "longer"])

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="twt-files-"))
        self.directory, self.away = self.root / "m", self.root / "away"
        self.directory.mkdir()
        self.files = ManifestFiles(self.directory)
        self.model: dict[str, ModelFile] = {}
        self.unread: set[str] | None = None

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @property
    def present(self) -> bool:
        return self.directory.exists()

    def wrote(self, name: str, nodes: list[str], label: str, *, broken: bool) -> None:
        """Each operation is seen before the next: a file that nobody read cannot have been good."""
        entry = self.model.setdefault(name, ModelFile())
        if not (broken and entry.good):
            entry.nodes = [(node, label) for node in nodes]
        entry.broken = broken
        entry.good |= not broken
        self.files.reread([name])

    @precondition(lambda self: self.present)
    @rule(name=names, nodes=node_names, label=label_texts, rename=st.booleans())
    def write_good(self, name: str, nodes: list[str], label: str, rename: bool) -> None:
        target = self.directory / name
        if rename:
            (self.directory / ".new").write_text(text(*nodes, label=label))
            (self.directory / ".new").rename(target)
        else:
            target.write_text(text(*nodes, label=label))
        self.wrote(name, nodes, label, broken=False)

    @precondition(lambda self: self.present)
    @rule(name=names, nodes=node_names, label=label_texts)
    def write_partly_bad(self, name: str, nodes: list[str], label: str) -> None:
        (self.directory / name).write_text(text(*nodes, label=label, bad=1))
        self.wrote(name, nodes, label, broken=True)

    @precondition(lambda self: self.present)
    @rule(name=names, nodes=node_names, cut=st.integers(1, 30))
    def write_half(self, name: str, nodes: list[str], cut: int) -> None:
        whole = text(*nodes)
        (self.directory / name).write_text(whole[: max(len(whole) - cut, 0)])
        self.wrote(name, [], "", broken=True)

    @precondition(lambda self: self.present)
    @rule(name=names)
    def delete(self, name: str) -> None:
        (self.directory / name).unlink(missing_ok=True)
        self.model.pop(name, None)
        self.files.reread([name])

    @precondition(lambda self: self.present)
    @rule()
    def move_directory_away(self) -> None:
        self.directory.rename(self.away)

    @precondition(lambda self: not self.present)
    @rule()
    def move_directory_back(self) -> None:
        self.away.rename(self.directory)

    @rule()
    def rescan(self) -> None:
        self.files.rescan()
        if self.present and self.unread is None:
            self.unread = {name for name, entry in self.model.items() if not entry.good}

    @invariant()
    def agrees(self) -> None:
        snapshot = self.files.snapshot()
        expected: dict[str, str] = {}
        for _, entry in sorted(self.model.items()):
            for node, label in entry.nodes:
                expected.setdefault(node, label)
        assert seen(snapshot) == list(expected.items())
        broken = {name for name, entry in self.model.items() if entry.broken}
        told = {problem.where.split(":")[0] for problem in snapshot.problems if problem.where != str(self.directory)}
        assert told == broken | self.with_repeats()
        pending = {name for name in self.unread or () if name in self.model and not self.model[name].good}
        assert snapshot.in_sync is (self.unread is not None and not pending)

    def with_repeats(self) -> set[str]:
        """Files with an object that an earlier file has."""
        owners: dict[str, str] = {}
        found = set()
        for name, entry in sorted(self.model.items()):
            for node, _ in entry.nodes:
                if owners.setdefault(node, name) != name:
                    found.add(name)
        return found


TestLastGood = LastGood.TestCase
TestLastGood.settings = settings(deadline=None, max_examples=30, stateful_step_count=25)
