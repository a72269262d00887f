"""ConfigMaps in manifests: which count, and what becomes of broken ones."""

import json

from terway_edge.cluster.files import ManifestFiles
from terway_edge.cluster.nodes import INSTANCE_TYPE_INFO, read_node


def config_map(name="eni-config", namespace="kube-system", data=None):
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def snapshot(path, **files):
    for name, document in files.items():
        (path / f"{name}.json").write_text(document if isinstance(document, str) else json.dumps(document))
    manifests = ManifestFiles(path)
    manifests.rescan()
    return manifests.snapshot()


def test_those_of_kube_system_count_by_name(tmp_path):
    found = snapshot(
        tmp_path,
        a=config_map(data={"eni_conf": "{}"}),
        b=config_map("other", data=None),
        c=config_map(namespace="default", data={"eni_conf": "wrong"}),
    )
    assert found.config_maps == {"eni-config": {"eni_conf": "{}"}, "other": {}}
    assert found.problems == ()


def test_a_broken_one_stays_as_it_was_last(tmp_path):
    manifests = ManifestFiles(tmp_path)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(config_map(data={"eni_conf": "{}"})))
    manifests.rescan()
    path.write_text(json.dumps(config_map(data=["eni_conf"])))
    manifests.reread(["a.json"])
    found = manifests.snapshot()
    assert found.config_maps == {"eni-config": {"eni_conf": "{}"}}
    assert [problem.where for problem in found.problems] == ["a.json: ConfigMap/eni-config: data"]
    path.unlink()
    manifests.reread(["a.json"])
    assert manifests.snapshot().config_maps == {}


def test_one_that_cannot_be_read_leaves_nodes_in_sync(tmp_path):
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    found = snapshot(tmp_path, a=config_map(data="text"), b=node)
    assert found.in_sync
    assert [node.name for node in found.nodes] == ["n1"]


def test_a_node_may_tell_of_its_instance_type():
    metadata = {"name": "n1", "annotations": {INSTANCE_TYPE_INFO: "{}"}}
    assert read_node({"metadata": metadata}).instance_type_info == "{}"
    assert read_node({"metadata": {"name": "n1"}}).instance_type_info == ""
