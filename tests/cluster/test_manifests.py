"""The manifest directory as a cluster source: real files, real inotify, deadlines instead of sleeps."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terway_edge.cluster.files import is_manifest
from terway_edge.cluster.inotify import Changes, DirectoryWatch
from terway_edge.cluster.manifests import ManifestDirectory
from terway_edge.core.bgp_peer import SecretRef
from terway_edge.core.errors import Refused
from terway_edge.core.ports import ClusterSource, Event, Snapshot, StatusEntry
from terway_edge.core.secret import Secret

DEADLINE = 5.0  # seconds; generous, for loaded machines


def text(*names: str, label: str = "x") -> str:
    items = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": n, "labels": {"l": label}}} for n in names]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def replace(path: Path, content: str) -> None:
    """As `kubectl get ... > file` should be done: whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(content)
    temporary.rename(path)


class Listener:
    """Collects snapshots; `until` waits for one that satisfies a condition."""

    def __init__(self) -> None:
        self.queue: Queue[Snapshot] = Queue()
        self.last: Snapshot | None = None

    def __call__(self, snapshot: Snapshot) -> None:
        self.queue.put(snapshot)

    def until(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.last = self.queue.get(timeout=max(end - time.monotonic(), 0))
            except Empty:
                raise AssertionError(f"not seen within {DEADLINE} s; last was {self.last}") from None
            if condition(self.last):
                return self.last

    def until_names(self, *names: str) -> Snapshot:
        return self.until(lambda snapshot: tuple(node.name for node in snapshot.nodes) == names)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    return path


@pytest.fixture
def listener(directory: Path) -> Iterator[Listener]:
    """Listens to `directory`, which was loaded with one node n0."""
    (directory / "0.json").write_text(text("n0"))
    source: ClusterSource = ManifestDirectory(directory)
    assert [node.name for node in source.load().nodes] == ["n0"]
    found = Listener()
    watch = source.watch(found)
    yield found
    watch.close()


def test_load_refuses_a_directory_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"No such file or directory; create it .* or set cluster.manifests"):
        ManifestDirectory(tmp_path / "none").load()


def test_a_watch_without_load_tells_the_first_snapshot(directory: Path) -> None:
    listener = Listener()
    watch = ManifestDirectory(directory).watch(listener)
    try:
        assert listener.until(lambda snapshot: True) == Snapshot()
    finally:
        watch.close()


def test_what_changed_between_load_and_watch_is_told(directory: Path) -> None:
    source = ManifestDirectory(directory)
    source.load()
    (directory / "a.json").write_text(text("n1"))
    listener = Listener()
    watch = source.watch(listener)
    try:
        listener.until_names("n1")
    finally:
        watch.close()


def test_create_replace_rename_and_delete(directory: Path, listener: Listener) -> None:
    (directory / "a.json").write_text(text("n1"))
    listener.until_names("n0", "n1")
    replace(directory / "a.json", text("n2"))
    listener.until_names("n0", "n2")
    (directory / "a.json").rename(directory / ".hidden")
    listener.until_names("n0")
    (directory / ".hidden").rename(directory / "b.yaml")
    listener.until_names("n0", "n2")
    (directory / "b.yaml").unlink()
    listener.until_names("n0")


def test_links_are_read_when_they_appear(directory: Path, tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "one.json").write_text(text("n1"))
    (tmp_path / "two.json").write_text(text("n2"))
    (directory / "1.json").symlink_to(tmp_path / "one.json")
    listener.until_names("n0", "n1")
    (directory / "2.json").hardlink_to(tmp_path / "two.json")
    listener.until_names("n0", "n1", "n2")


def test_a_file_in_the_making_is_not_read_before_it_is_closed(directory: Path, listener: Listener) -> None:
    whole = text("n1")
    with (directory / "a.json").open("w") as file:
        file.write(whole[:20])
        file.flush()
        replace(directory / "b.json", text("n2"))
        assert listener.until_names("n0", "n2").problems == ()
        file.write(whole[20:])
    assert listener.until_names("n0", "n1", "n2").problems == ()


def test_a_broken_file_is_a_problem_until_it_is_fixed(directory: Path, listener: Listener) -> None:
    (directory / "0.json").write_text(text("n0")[:-5])
    snapshot = listener.until(lambda snapshot: bool(snapshot.problems))
    assert [node.name for node in snapshot.nodes] == ["n0"]
    assert snapshot.problems[0].where == "0.json"
    replace(directory / "0.json", text("n0"))
    assert [node.name for node in listener.until(lambda snapshot: not snapshot.problems).nodes] == ["n0"]


def test_a_config_map_volume_swaps_all_files_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "volume"
    directory.mkdir()
    for version, nodes in (("..v1", ("n1", "n2")), ("..v2", ("n3", "n4"))):
        (directory / version).mkdir()
        for number, node in enumerate(nodes):
            (directory / version / f"{number}.json").write_text(text(node))
    (directory / "..data").symlink_to("..v1")
    for number in (0, 1):
        (directory / f"{number}.json").symlink_to(f"..data/{number}.json")
    source, listener = ManifestDirectory(directory), Listener()
    assert [node.name for node in source.load().nodes] == ["n1", "n2"]
    watch = source.watch(listener)
    try:
        (directory / "..data_tmp").symlink_to("..v2")
        (directory / "..data_tmp").rename(directory / "..data")
        listener.until_names("n3", "n4")
        assert listener.queue.empty()
    finally:
        watch.close()


def test_a_directory_that_goes_and_comes(directory: Path, tmp_path: Path, listener: Listener) -> None:
    directory.rename(tmp_path / "away")
    snapshot = listener.until(lambda snapshot: bool(snapshot.problems))
    assert [node.name for node in snapshot.nodes] == ["n0"]
    (tmp_path / "away" / "1.json").write_text(text("n1"))
    (tmp_path / "away").rename(directory)
    assert listener.until_names("n0", "n1").problems == ()
    replace(directory / "2.json", text("n2"))
    listener.until_names("n0", "n1", "n2")
    shutil.rmtree(directory)
    directory.mkdir()
    listener.until(lambda snapshot: snapshot.nodes == () and not snapshot.problems)
    replace(directory / "3.json", text("n3"))
    listener.until_names("n3")


def test_a_directory_whose_parents_go_and_come(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b" / "c"
    directory.mkdir(parents=True)
    source, listener = ManifestDirectory(directory), Listener()
    source.load()
    watch = source.watch(listener)
    try:
        directory.rmdir()
        listener.until(lambda snapshot: bool(snapshot.problems))
        shutil.rmtree(tmp_path / "a")
        directory.mkdir(parents=True)
        listener.until(lambda snapshot: not snapshot.problems)
        replace(directory / "a.json", text("n1"))
        listener.until_names("n1")
    finally:
        watch.close()


def test_what_changes_nothing_is_not_told(directory: Path, listener: Listener) -> None:
    replace(directory / "0.json", text("n0"))
    (directory / "map.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap"}')
    (directory / "note.txt").write_text("x")
    replace(directory / "1.json", text("n1"))
    assert len(listener.queue.get(timeout=DEADLINE).nodes) == 2  # the first that was told
    (directory / "map.json").unlink()
    replace(directory / "2.json", text("n2"))
    assert len(listener.queue.get(timeout=DEADLINE).nodes) == 3
    assert listener.queue.empty()


def test_a_burst_gives_few_snapshots_and_the_last_is_whole(directory: Path, listener: Listener) -> None:
    for number in range(300):
        replace(directory / f"b{number:03}.json", text(f"b{number:03}"))
    count = 0

    def whole(snapshot: Snapshot) -> bool:
        nonlocal count
        count += 1
        return len(snapshot.nodes) == 301

    listener.until(whole)
    assert count < 100


def test_a_change_is_told_soon(directory: Path, listener: Listener) -> None:
    """The best of five, for other processes may hold the processors."""
    times = []
    for number in range(5):
        started = time.monotonic()
        replace(directory / "a.json", text("n1", label=str(number)))
        listener.until(lambda snapshot, n=number: snapshot.nodes[-1].labels["l"] == str(n))  # type: ignore[misc]
        times.append(time.monotonic() - started)
    assert min(times) < 0.1


def test_a_listener_that_fails_hears_of_the_next_change(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()

    def fails(snapshot: Snapshot) -> None:
        listener(snapshot)
        raise RuntimeError("no")

    watch = ManifestDirectory(directory).watch(fails)
    try:
        listener.until_names()
        replace(directory / "a.json", text("n1"))
        listener.until_names("n1")
    finally:
        watch.close()
    assert "the listener failed" in caplog.text


def test_close_twice_from_outside_and_once_from_the_listener(directory: Path) -> None:
    source = ManifestDirectory(directory)
    source.load()
    before = len(os.listdir("/proc/self/fd"))
    watch = source.watch(lambda snapshot: watch.close())
    (directory / "a.json").write_text(text("n1"))
    watch._thread.join(DEADLINE)
    assert not watch._thread.is_alive()
    watch.close()
    other = source.watch(lambda snapshot: None)
    other.close()
    other.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_overflow_of_the_queue_means_everything(directory: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}: too many to overflow")
    watch = DirectoryWatch(directory, is_manifest)
    try:
        one, two = directory / "x", directory / "y"
        one.touch()
        for _ in range(limit // 2 + 1):
            one.rename(two)
            two.rename(one)
        changes = watch.wait()
        assert changes is not None
        assert changes.everything
    finally:
        watch.close()


def test_a_burst_without_end_is_reported_nevertheless(directory: Path) -> None:
    def wanted(name: str) -> bool:
        (directory / name).write_text("")  # every event that is read makes another
        return True

    watch = DirectoryWatch(directory, wanted)
    try:
        (directory / "a.json").write_text("")
        assert watch.wait() == Changes({"a.json"})
    finally:
        watch.close()


def test_everything_is_looked_at_from_time_to_time(directory: Path) -> None:
    watch = DirectoryWatch(directory, is_manifest, idle=0.01)
    try:
        changes = watch.wait()
        assert changes is not None
        assert changes.everything
    finally:
        watch.close()


def test_events_go_beside_the_manifests_and_are_no_change(directory: Path) -> None:
    source = ManifestDirectory(directory)
    source.load()
    listener = Listener()
    watch = source.watch(listener)
    try:
        source.emit(Event("Started", "n1", "agent started"))
        replace(directory / "a.json", text("n1"))
        listener.until_names("n1")
        assert listener.queue.empty()
    finally:
        watch.close()
    assert json.loads((directory / "events.jsonl").read_text())["reason"] == "Started"
    elsewhere = directory.parent / "e.jsonl"
    ManifestDirectory(directory, elsewhere).emit(Event("Started", "n1", "agent started"))
    assert elsewhere.exists()


def test_status_goes_beside_the_manifests_and_is_no_change(directory: Path, listener: Listener) -> None:
    source = ManifestDirectory(directory)
    source.write_status(StatusEntry("BGPPeer", "lan-1", "n1", {"state": "Idle"}))
    replace(directory / "a.json", text("n1"))
    listener.until_names("n0", "n1")
    assert listener.queue.empty()
    assert json.loads((directory / "status" / "BGPPeer-lan-1.n1.json").read_text()) == {"state": "Idle"}


def test_a_password_that_changes_is_told(directory: Path, listener: Listener) -> None:
    (directory / "peer.yaml").write_bytes((Path(__file__).parent / "bgppeer.yaml").read_bytes())
    ref = SecretRef(name="bgp-secret", key="password")
    listener.until(lambda snapshot: snapshot.secrets == {ref: Secret(b"mySecretValue")})
    rotated = (directory / "peer.yaml").read_text().replace("bXlTZWNyZXRWYWx1ZQ==", "b3RoZXI=")
    replace(directory / "peer.yaml", rotated)
    assert len(listener.until(lambda snapshot: snapshot.secrets == {ref: Secret(b"other")}).peers) == 1


operations = st.lists(
    st.tuples(
        st.sampled_from(["write", "replace", "break", "delete"]),
        st.sampled_from(["a.json", "b.json"]),
        st.sampled_from(["n1", "n2", "n3"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_after_each_operation_the_listener_has_the_last_good_objects(
    tmp_path: Path, steps: list[tuple[str, str, str]]
) -> None:
    directory = tmp_path / "m"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    source, listener = ManifestDirectory(directory), Listener()
    source.load()
    watch = source.watch(listener)
    good: dict[str, str] = {}
    broken: set[str] = set()
    before: tuple[object, ...] = ((), frozenset())
    try:
        for operation, name, node in steps:
            path = directory / name
            if operation == "delete":
                path.unlink(missing_ok=True)
                good.pop(name, None)
                broken.discard(name)
            elif operation == "break":
                path.write_text(text(node)[:-3])
                broken.add(name)
            else:
                (replace if operation == "replace" else Path.write_text)(path, text(node))  # type: ignore[operator]
                good[name] = node
                broken.discard(name)
            names = tuple(dict.fromkeys(good[name] for name in sorted(good)))
            repeated = {"b.json"} if len(good) == 2 and len(names) == 1 else set()
            expected = (names, frozenset(broken | repeated))
            if expected != before:
                listener.until(lambda snapshot, e=expected: _projection(snapshot) == e)  # type: ignore[misc]
            before = expected
    finally:
        watch.close()
    assert source.load().in_sync


def _projection(snapshot: Snapshot) -> tuple[object, ...]:
    names = tuple(node.name for node in snapshot.nodes)
    return names, frozenset(problem.where.split(":")[0] for problem in snapshot.problems)
