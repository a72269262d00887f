"""The API as a cluster source: what is loaded, watched, cached, and told when it goes wrong."""

from __future__ import annotations

import base64
import logging
import os
import stat
import threading
import time
from collections.abc import Callable

import pytest

from terway_edge.cluster.api.resources import CONFIG_LABEL, ENI_CONFIG
from terway_edge.core import eni_config
from terway_edge.core.bgp_peer import SecretRef
from terway_edge.core.ports import Annotation, Event, Snapshot
from terway_edge.core.secret import Secret
from tests.cluster.api.rig import Cluster, wait_until
from tests.cluster.api.scripted import (
    CONFIG_MAPS,
    DEADLINE,
    NODES,
    PEERS,
    SECRETS,
    Handler,
    Request,
    ScriptedApi,
    names,
    node,
    peer,
)

REF = SecretRef(name="s", key="password")


def secret(value: bytes, **more: bytes) -> dict[str, object]:
    data = {"password": value, **more}
    encoded = {key: base64.b64encode(each).decode() for key, each in data.items()}
    return {"metadata": {"name": "s", "namespace": "kube-system"}, "data": encoded}


def config_map(name: str, text: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "kube-system"}, "data": {"eni_conf": text}}


class Held:
    """The next request for a path waits until it is released, and is answered then."""

    def __init__(self, api: ScriptedApi, path: str) -> None:
        self.began, self._released = threading.Event(), threading.Event()
        api.fail(lambda request: request.path == path, self._act)

    def release(self) -> None:
        self._released.set()

    def _act(self, handler: Handler) -> None:
        self.began.set()
        self._released.wait(DEADLINE)
        handler.one()


def reasons(snapshot: Snapshot) -> list[str]:
    return [problem.reason for problem in snapshot.problems]


# --- following ---------------------------------------------------------------------------------------------------


def test_load_gives_the_whole_cluster(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n2", 2))
    api.put(NODES, node("n1"))
    api.put(PEERS, peer("p", "n1", secret="s"))
    api.put(SECRETS, secret(b"hello\n"))
    api.put(CONFIG_MAPS, config_map("eni-config", "{}"))
    snapshot = cluster.open().load()
    assert names(snapshot.nodes) == ("n1", "n2")
    assert names(snapshot.peers) == ("p",)
    assert snapshot.secrets == {REF: Secret(b"hello")}
    assert snapshot.config_maps == {"eni-config": {"eni_conf": "{}"}}
    assert snapshot.in_sync
    assert snapshot.peers_in_sync
    assert snapshot.problems == ()


def test_every_change_is_told_and_nothing_else(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    _, listener = cluster.followed()
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")
    api.put(NODES, node("n2", 3))
    listener.until(lambda snapshot: str(snapshot.nodes[1].pod_cidrs[0]) == "10.64.3.0/24")
    api.put(PEERS, peer("p"))
    listener.until(lambda snapshot: names(snapshot.peers) == ("p",))
    api.delete(NODES, "n1")
    listener.until_nodes("n2")
    api.delete(PEERS, "p")
    listener.until(lambda snapshot: snapshot.peers == ())


def test_the_beat_of_a_kubelet_is_not_told(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    _, listener = cluster.followed()
    for number in range(20):
        beat = node("n1")
        beat["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastHeartbeatTime": str(number)}]
        api.put(NODES, beat)
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")
    assert listener.queue.empty()
    assert listener.last is not None


def test_a_watch_without_load_tells_the_first_snapshot(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    listener = cluster.listen(cluster.open())
    listener.until_nodes("n1")


def test_nothing_begins_after_the_end_of_a_source_that_never_began(cluster: Cluster, api: ScriptedApi) -> None:
    source = cluster.open()
    source.close()
    source.emit(Event("R", "n1", "m"))
    source.write_annotation(Annotation("Node", "n1", "", "key", "value"))
    source.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "cluster"]
    assert api.requests == []


def test_nothing_is_told_after_close_and_a_listener_that_fails_is_told_again(
    cluster: Cluster, api: ScriptedApi, caplog: pytest.LogCaptureFixture
) -> None:
    source, listener = cluster.followed()
    told: list[Snapshot] = []

    def fail(snapshot: Snapshot) -> None:
        told.append(snapshot)
        raise RuntimeError("mine")

    watch = source.watch(fail)
    api.put(NODES, node("n1"))
    listener.until_nodes("n1")
    api.put(NODES, node("n2", 2))
    listener.until_nodes("n1", "n2")
    watch.close()
    known = len(told)
    api.put(NODES, node("n3", 3))
    listener.until_nodes("n1", "n2", "n3")
    assert len(told) == known
    assert known >= 2
    assert "the listener failed on a new cluster snapshot" in caplog.text


def test_a_bad_object_keeps_its_last_good_version_and_is_told(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p", "n1"))
    _, listener = cluster.followed()
    api.put(PEERS, peer("p", "n1", peerAsNumber=0))
    snapshot = listener.until(lambda snapshot: snapshot.problems != ())
    assert [peer.spec.peer_as_number for peer in snapshot.peers] == [65020]
    assert [problem.where for problem in snapshot.problems] == ["BGPPeer/p: spec.peerAsNumber"]
    assert reasons(snapshot) == ["InvalidObject"]
    assert snapshot.peers_in_sync


# --- Secrets and ConfigMaps --------------------------------------------------------------------------------------


def test_only_secrets_of_this_speaker_are_asked_for_and_by_name(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p", "n1", secret="s"))
    api.put(PEERS, peer("q", "n2", secret="foreign"))
    api.put(SECRETS, secret(b"mine", other=b"not asked for"))
    source = cluster.open()
    assert source.load().secrets == {REF: Secret(b"mine")}
    source.close()
    asked = {request.path for request in api.requests if request.path.startswith(SECRETS)}
    assert asked == {f"{SECRETS}/s"}
    assert all(not request.query for request in api.requests if request.path.startswith(SECRETS)), "get, no more"
    cached = (cluster.state_dir / "cluster" / "secrets.json").read_text()
    assert base64.b64encode(b"not asked for").decode() not in cached


def test_a_password_that_changes_or_goes_is_noticed(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p", "n1", secret="s"))
    _, listener = cluster.followed()
    api.put(SECRETS, secret(b"one"))
    listener.until(lambda snapshot: snapshot.secrets == {REF: Secret(b"one")})
    api.put(SECRETS, secret(b"two"))
    listener.until(lambda snapshot: snapshot.secrets == {REF: Secret(b"two")})
    api.put(SECRETS, secret(b"x" * 81))
    snapshot = listener.until(lambda snapshot: snapshot.problems != ())
    assert snapshot.secrets == {REF: Secret(b"two")}, "the last that can be used stays"
    assert [problem.where for problem in snapshot.problems] == ["kube-system: Secret/s: password"]
    api.delete(SECRETS, "s")
    listener.until(lambda snapshot: snapshot.secrets == {} and not snapshot.problems)


def test_a_secret_that_no_peer_names_any_more_is_forgotten_on_disk_too(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p", "n1", secret="s"))
    api.put(SECRETS, secret(b"mine"))
    source, listener = cluster.followed()
    api.put(PEERS, peer("p", "n1"))
    listener.until(lambda snapshot: snapshot.secrets == {})
    source.close()
    assert not (cluster.state_dir / "cluster" / "secrets.json").exists()


def test_a_new_peer_comes_together_with_its_password(cluster: Cluster, api: ScriptedApi) -> None:
    """Else its session would be told to lack one."""
    api.put(SECRETS, secret(b"mine"))
    _, listener = cluster.followed(poll=60.0)
    hold = Held(api, f"{SECRETS}/s")
    api.put(PEERS, peer("p", "n1", secret="s"))
    hold.began.wait(DEADLINE)
    api.put(NODES, node("n1"))
    path = cluster.state_dir / "cluster" / "nodes.json"
    wait_until(lambda: path.exists() and "n1" in path.read_text())  # so the source has seen both
    hold.release()
    snapshot = listener.until(lambda snapshot: snapshot.peers != ())
    assert snapshot.secrets == {REF: Secret(b"mine")}


def test_a_secret_that_comes_when_nobody_wants_it_any_more_is_not_kept(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p", "n1", secret="s"))
    api.put(SECRETS, secret(b"mine"))
    source, listener = cluster.followed()
    hold = Held(api, f"{SECRETS}/s")
    hold.began.wait(DEADLINE)
    api.put(PEERS, peer("p", "n1"))
    listener.until(lambda snapshot: snapshot.secrets == {})
    hold.release()
    api.put(PEERS, peer("q", "n1", secret="t"))  # the next round
    api.wait_for_requests(1, lambda request: request.path == f"{SECRETS}/t")
    source.close()
    assert not (cluster.state_dir / "cluster" / "secrets.json").exists()


def test_the_nodes_own_config_map_is_followed_by_its_label(cluster: Cluster, api: ScriptedApi) -> None:
    for name in ("eni-config", "mine", "other", "foreign"):
        api.put(CONFIG_MAPS, config_map(name, name))
    api.put(NODES, node("n1", **{CONFIG_LABEL: "mine"}))
    api.put(NODES, node("n2", 2, **{CONFIG_LABEL: "foreign"}))
    _, listener = cluster.followed()
    listener.until(lambda snapshot: set(snapshot.config_maps) == {"eni-config", "mine"})
    api.put(NODES, node("n1", **{CONFIG_LABEL: "other"}))
    listener.until(lambda snapshot: set(snapshot.config_maps) == {"eni-config", "other"})
    api.put(CONFIG_MAPS, config_map("other", "new"))
    listener.until(lambda snapshot: snapshot.config_maps.get("other") == {"eni_conf": "new"})
    api.delete(CONFIG_MAPS, "eni-config")
    listener.until(lambda snapshot: set(snapshot.config_maps) == {"other"})
    selectors = {request.query["fieldSelector"] for request in api.requests if request.path == CONFIG_MAPS}
    assert selectors == {"metadata.name=eni-config", "metadata.name=mine", "metadata.name=other"}


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        ("alibabacloud.com/is-edge-worker", set()),
        ("alibabacloud.com/ens-instance-id", {"eni-config"}),
        ("anything-else", {"eni-config"}),
    ],
)
def test_edge_nodes_ask_for_no_config_map(cluster: Cluster, api: ScriptedApi, label: str, wanted: set[str]) -> None:
    """They have no right to."""
    api.put(NODES, node("n1", **{label: "true"}))
    api.put(CONFIG_MAPS, config_map("eni-config", "{}"))
    assert set(cluster.open().load().config_maps) == wanted
    assert api.count(lambda request: request.path == CONFIG_MAPS and request.is_list) == len(wanted)


def test_the_names_are_those_that_the_configuration_is_read_by() -> None:
    assert (ENI_CONFIG, CONFIG_LABEL) == (eni_config.NAME, eni_config.NODE_LABEL)


# --- what stands in the way --------------------------------------------------------------------------------------


def forbidden(path: str) -> tuple[Callable[[Request], bool], Callable[[Handler], None]]:
    return (
        lambda request: request.path.startswith(path),
        lambda handler: handler.error(403, "Forbidden", 'User "x" cannot do that'),
    )


def test_a_missing_crd_means_no_peers_and_is_told_once(cluster: Cluster, api: ScriptedApi) -> None:
    fault = api.fail(lambda r: r.path == PEERS, lambda h: h.raw(404, b"404 page not found\n"), times=1000)
    _, listener = cluster.followed()
    snapshot = listener.last
    assert snapshot is not None
    assert snapshot.peers_in_sync
    assert [(problem.where, problem.reason) for problem in snapshot.problems] == [("Kubernetes API", "CRDMissing")]
    assert "bgppeers.network.openyurt.io" in snapshot.problems[0].message
    api.wait_for_requests(4, lambda request: request.path == PEERS)
    assert listener.queue.empty(), "it is told once"
    fault.times = 0
    api.put(PEERS, peer("p"))
    listener.until(lambda snapshot: names(snapshot.peers) == ("p",) and not snapshot.problems)


def test_a_crd_that_is_deleted_takes_its_objects_along(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p"))
    _, listener = cluster.followed()
    api.wait_for_requests(1, lambda request: request.path == PEERS and request.is_watch)
    api.fail(lambda request: request.path == PEERS, lambda h: h.raw(404, b"404 page not found\n"), times=1000)
    api.delete(PEERS, "p")
    api.drop_connections()
    listener.until(lambda snapshot: reasons(snapshot) == ["CRDMissing"] and snapshot.peers == ())


def test_an_api_server_that_begins_and_does_not_know_the_crd_yet_takes_no_peer_away(
    cluster: Cluster, api: ScriptedApi
) -> None:
    """It answers 404 for custom resources until it has read their definitions."""
    api.put(PEERS, peer("p"))
    _, listener = cluster.followed(absent=60.0)
    api.wait_for_requests(1, lambda request: request.path == PEERS and request.is_watch)
    fault = api.fail(lambda request: request.path == PEERS, lambda h: h.raw(404, b"404 page not found\n"), times=5)
    listener.seen.clear()
    api.drop_connections()
    api.wait_for(lambda: fault.times == 0)
    api.put(PEERS, peer("q"))
    listener.until(lambda snapshot: names(snapshot.peers) == ("p", "q") and not snapshot.problems)
    assert all("p" in names(snapshot.peers) for snapshot in listener.seen)


def test_a_cached_peer_outlives_a_404_as_well(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p"))
    source, _ = cluster.followed()
    source.close()
    api.fail(lambda request: request.path == PEERS, lambda h: h.raw(404, b"404 page not found\n"), times=1000)
    _, listener = cluster.followed(absent=60.0)
    snapshot = listener.until(lambda snapshot: reasons(snapshot) == ["ClusterUnreachable"])
    assert names(snapshot.peers) == ("p",)


def test_a_missing_right_is_told_by_its_name(cluster: Cluster, api: ScriptedApi) -> None:
    fault = api.fail(*forbidden(NODES), times=1000)
    _, listener = cluster.followed()
    snapshot = listener.until(lambda snapshot: snapshot.problems != ())
    (problem,) = snapshot.problems
    assert problem.reason == "ClusterForbidden"
    assert "does not let the agent list and watch nodes" in problem.message
    assert not snapshot.in_sync
    fault.times = 0
    listener.until(lambda snapshot: snapshot.in_sync and not snapshot.problems)


def test_a_secret_that_may_not_be_read_is_told_and_the_last_one_stays(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(PEERS, peer("p", "n1", secret="s"))
    api.put(SECRETS, secret(b"mine"))
    _, listener = cluster.followed()
    api.fail(*forbidden(SECRETS), times=1000)
    snapshot = listener.until(lambda snapshot: snapshot.problems != ())
    assert snapshot.secrets == {REF: Secret(b"mine")}
    assert "get secrets/s" in snapshot.problems[0].message


def test_refused_credentials_are_told(cluster: Cluster, api: ScriptedApi) -> None:
    api.fail(lambda request: True, lambda h: h.error(401, "Unauthorized", "Unauthorized"), times=1000)
    _, listener = cluster.followed()
    snapshot = listener.until(lambda snapshot: snapshot.problems != ())
    assert reasons(snapshot) == ["ClusterForbidden"]
    assert "does not accept the agent's credentials" in snapshot.problems[0].message


def test_an_api_that_is_away_is_told_after_a_while_and_changes_nothing(cluster: Cluster, api: ScriptedApi) -> None:
    api.put(NODES, node("n1"))
    _, listener = cluster.followed()
    api.stop()
    snapshot = listener.until(lambda snapshot: snapshot.problems != ())
    assert reasons(snapshot) == ["ClusterUnreachable"]
    assert f"127.0.0.1:{api.port}: Connection refused" in snapshot.problems[0].message
    assert names(snapshot.nodes) == ("n1",)
    assert snapshot.in_sync
    api.start()
    listener.until(lambda snapshot: snapshot.problems == ())


def test_a_short_absence_is_not_told(cluster: Cluster, api: ScriptedApi) -> None:
    _, listener = cluster.followed(grace=60.0)
    api.wait_for_requests(1, lambda request: request.path == NODES and request.is_watch)
    api.fail(lambda request: True, lambda handler: handler.error(503, "ServiceUnavailable", "later"), times=9)
    api.drop_connections()
    api.put(NODES, node("n1"))
    assert listener.until_nodes("n1").problems == ()


# --- the cache ---------------------------------------------------------------------------------------------------


def fill(api: ScriptedApi) -> None:
    api.put(NODES, node("n1", **{CONFIG_LABEL: "mine"}))
    api.put(NODES, node("n2", 2))
    api.put(PEERS, peer("p", "n1", secret="s"))
    api.put(SECRETS, secret(b"mine"))
    api.put(CONFIG_MAPS, config_map("eni-config", "{}"))
    api.put(CONFIG_MAPS, config_map("mine", "[]"))


def test_an_agent_that_starts_without_the_api_has_what_the_last_one_saw(cluster: Cluster, api: ScriptedApi) -> None:
    """Again and again: reboots during an outage are no reason to forget."""
    fill(api)
    source, listener = cluster.followed()
    before = listener.until(lambda snapshot: len(snapshot.config_maps) == 2)
    source.close()
    api.stop()
    for _ in range(3):
        source = cluster.open()
        began = time.monotonic()
        snapshot = source.load()
        assert time.monotonic() - began < cluster.timing.without_cache
        assert not snapshot.is_live
        assert snapshot._replace(problems=(), is_live=True) == before
        source.close()
    api.start()
    api.delete(NODES, "n2")
    _, listener = cluster.followed()
    listener.until(lambda snapshot: len(snapshot.nodes) == 1 and snapshot.is_live)


def test_a_server_that_hangs_delays_a_start_by_a_second_at_most(cluster: Cluster, api: ScriptedApi) -> None:
    fill(api)
    cluster.open().load()
    cluster.closing.close()
    ended = threading.Event()
    api.fail(lambda request: True, lambda handler: ended.wait(30), times=1000)
    source = cluster.open(with_cache=0.1, request=20.0)
    began = time.monotonic()
    snapshot = source.load()
    assert len(snapshot.nodes) == 2
    assert set(snapshot.config_maps) == {"eni-config", "mine"}
    assert time.monotonic() - began < 5.0, "not the time of a request"
    ended.set()


def test_without_cache_and_api_a_start_goes_on_unsynced(cluster: Cluster, api: ScriptedApi) -> None:
    api.stop()
    source = cluster.open(without_cache=0.2)
    snapshot = source.load()
    assert not snapshot.in_sync
    assert not snapshot.peers_in_sync
    listener = cluster.listen(source)
    api.put(NODES, node("n1"))
    api.start()
    snapshot = listener.until_nodes("n1")
    assert snapshot.in_sync


def test_half_a_cache_is_not_in_sync(cluster: Cluster, api: ScriptedApi) -> None:
    fill(api)
    cluster.open().load()
    cluster.closing.close()
    api.stop()
    (cluster.state_dir / "cluster" / "bgppeers.json").unlink()
    snapshot = cluster.open(without_cache=0.1).load()
    assert snapshot.in_sync
    assert not snapshot.peers_in_sync


def test_a_damaged_cache_counts_as_none_and_is_told_until_it_is_written_anew(
    cluster: Cluster, api: ScriptedApi
) -> None:
    fill(api)
    cluster.open().load()
    cluster.closing.close()
    path = cluster.state_dir / "cluster" / "nodes.json"
    path.write_bytes(path.read_bytes().replace(b"10.64", b"10.65"))
    api.stop()
    source = cluster.open(without_cache=0.1, grace=60.0)
    snapshot = source.load()
    assert snapshot.nodes == ()
    assert not snapshot.in_sync
    assert [problem.where for problem in snapshot.problems] == [str(path)]
    assert reasons(snapshot) == ["ClusterCacheDamaged"]
    listener = cluster.listen(source)
    api.start()
    listener.until(lambda snapshot: snapshot.problems == () and len(snapshot.nodes) == 2)
    source.close()
    assert b"10.64" in path.read_bytes()


def test_what_is_cached_is_private_and_secrets_are_never_logged(
    cluster: Cluster, api: ScriptedApi, caplog: pytest.LogCaptureFixture
) -> None:
    fill(api)
    api.put(SECRETS, secret(b"canary-of-a-password"))
    with caplog.at_level(logging.DEBUG):
        source, listener = cluster.followed()
        api.put(SECRETS, secret(b"canary-of-a-password\n" * 9))
        listener.until(lambda snapshot: snapshot.problems != ())
        source.close()
    encoded = base64.b64encode(b"canary-of-a-password").decode()
    for text in (caplog.text, repr(listener.last)):
        assert "canary" not in text
        assert encoded[:12] not in text
        assert "secret-token" not in text
    for path in (cluster.state_dir / "cluster").glob("*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((cluster.state_dir / "cluster").stat().st_mode) == 0o700


def test_equal_objects_are_not_written_to_disk_again(cluster: Cluster, api: ScriptedApi) -> None:
    fill(api)
    cluster.open().load()
    cluster.closing.close()
    path = cluster.state_dir / "cluster" / "nodes.json"
    before = path.stat()
    cluster.open().load()
    cluster.closing.close()
    assert os.path.samestat(before, path.stat())


def test_the_last_changes_get_on_disk_at_the_end(cluster: Cluster, api: ScriptedApi) -> None:
    source, listener = cluster.followed(cache=60.0)
    api.put(NODES, node("n1"))
    listener.until_nodes("n1")
    source.close()
    assert "n1" in (cluster.state_dir / "cluster" / "nodes.json").read_text()


def test_changes_reach_the_disk_without_an_end(cluster: Cluster, api: ScriptedApi) -> None:
    """A process that is killed has no end."""
    _, listener = cluster.followed()
    api.put(NODES, node("n1"))
    listener.until_nodes("n1")
    path = cluster.state_dir / "cluster" / "nodes.json"
    wait_until(lambda: path.exists() and "n1" in path.read_text())
