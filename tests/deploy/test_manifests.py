"""What the manifests say fits the code: settings, paths, commands, times; and is no more than is needed."""

from __future__ import annotations

from importlib.metadata import version

import pytest
import yaml

from deploy.bgppeer import STRUCTURAL, WITH_CEL, WITH_IP, bgppeer_crd
from terway_edge.agent.agent import DRAIN
from terway_edge.agent.instance import LOCK_WAIT
from terway_edge.cli.main import COMMANDS
from terway_edge.core.config import Settings, load
from terway_edge.core.eni_keys import ADDON_SECRET
from terway_edge.core.environment import variables
from tests.deploy.objects import AGENTS, agent, by_name, containers, of_kind, pod_of, written_agent
from tests.deploy.tools import Object, kustomize


def workloads() -> list[Object]:
    return [*of_kind(kustomize("."), "DaemonSet", "Deployment"), *of_kind(kustomize("uninstall"), "DaemonSet")]


def settings() -> Settings:
    text = by_name(kustomize("."))["ConfigMap", "kube-system", "terway-edge"]["data"]["config.yaml"]
    return load(yaml.safe_load(text), {"NODE_NAME": "n"})


def mounts(container: Object) -> dict[str, Object]:
    return {each["mountPath"]: each for each in container["volumeMounts"]}


def test_nobody_is_privileged_or_may_become_so() -> None:
    for workload in workloads():
        pod = pod_of(workload)
        assert not {"hostPID", "hostIPC", "shareProcessNamespace"} & pod.keys()
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in containers(workload):
            context = each["securityContext"]
            assert not context.get("privileged")
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"]["drop"] == ["ALL"]


def test_only_the_agent_has_capabilities_and_only_what_works_on_nodes_is_root() -> None:
    for workload in workloads():
        pod = pod_of(workload)
        for each in containers(workload):
            args = each.get("args")
            added = each["securityContext"]["capabilities"].get("add", [])
            assert added == (["NET_ADMIN", "SYS_ADMIN"] if args in (["agent"], ["uninstall"]) else [])
            user = {**pod["securityContext"], **each["securityContext"]}["runAsUser"]
            assert (user == 0) == (args in (["agent"], ["prepare"], ["uninstall"]))


def test_memory_is_limited_and_cpu_is_not() -> None:
    for workload in workloads():
        for each in containers(workload):
            assert each["resources"]["limits"].keys() == {"memory"}
            assert each["resources"]["requests"].keys() == {"cpu", "memory"}


def test_pods_are_as_important_as_what_they_do() -> None:
    for nodes in AGENTS:
        pod = pod_of(agent(kustomize("."), nodes))
        assert pod["priorityClassName"] == "system-node-critical"
        assert pod["tolerations"] == [{"operator": "Exists"}]
    [control] = of_kind(kustomize("."), "Deployment")
    assert pod_of(control)["priorityClassName"] == "system-cluster-critical"
    assert control["spec"]["replicas"] == 2


def test_none_of_them_needs_the_network_that_it_makes() -> None:
    for workload in workloads():
        assert pod_of(workload)["hostNetwork"] is True
        assert pod_of(workload)["dnsPolicy"] == "Default"


def test_the_settings_are_good_and_say_the_api() -> None:
    assert settings().cluster.source == "api"


@pytest.mark.parametrize("nodes", AGENTS)
def test_the_agent_finds_its_directories(nodes: str) -> None:
    prepare, main = containers(agent(kustomize("."), nodes))
    found, own = mounts(main), settings()
    for path in (own.run_dir, own.state_dir, own.cni.conf_dir):
        assert not found[str(path)].get("readOnly"), path
    assert found[str(own.cni.bin_dir)]["readOnly"], "what the runtime executes is not the agent's to change"
    assert found["/run/netns"]["mountPropagation"] == "HostToContainer", "namespaces of pods to come"
    assert mounts(prepare).keys() == {"/etc/terway-edge", *map(str, (own.run_dir, own.state_dir, own.cni.bin_dir))}
    volumes = {each["name"]: each for each in pod_of(agent(kustomize("."), nodes))["volumes"]}
    assert volumes.keys() == {each["name"] for each in main["volumeMounts"]}
    for path in map(str, (own.run_dir, own.state_dir, own.cni.conf_dir, own.cni.bin_dir, "/run/netns")):
        assert volumes[found[path]["name"]]["hostPath"] == {"path": path, "type": "DirectoryOrCreate"}
    assert volumes["proc-sys-net"]["hostPath"]["path"] == "/proc/sys/net"


def test_variables_are_those_of_settings() -> None:
    known = {name for name, _, _ in variables(Settings)} | {"NODE_NAME", "POD_NAME"}
    for workload in workloads():
        for each in containers(workload):
            assert {variable["name"] for variable in each.get("env", ())} <= known


def test_sysctls_are_written_where_they_are_mounted() -> None:
    for nodes in AGENTS:
        *_, main = containers(agent(kustomize("."), nodes))
        environ = {each["name"]: each.get("value", "n") for each in main["env"]}
        assert str(load({}, environ).proc_sys_net) in mounts(main)


def test_the_credentials_of_add_ons_are_where_terway_has_them() -> None:
    def secret(nodes: str, path: str) -> Object:
        workload = agent(kustomize("."), nodes)
        *_, main = containers(workload)
        name = mounts(main)[path]["name"]
        [found] = [each["secret"] for each in pod_of(workload)["volumes"] if each["name"] == name]
        return found

    assert secret("cloud", "/var/addon") | {"defaultMode": 0} == {
        "secretName": "addon.network.token",
        "optional": True,
        "defaultMode": 0,
    }
    assert secret("ens", ADDON_SECRET)["secretName"] == "alibaba-addon-secret"
    assert secret("ens", ADDON_SECRET)["optional"]


def test_probes_ask_where_health_is_told() -> None:
    for workload in of_kind(kustomize("."), "DaemonSet", "Deployment"):
        *_, main = containers(workload)
        environ = {each["name"]: each.get("value", "n") for each in main["env"]}
        metrics = load({}, environ).metrics
        for kind, path in {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}.items():
            assert main[kind]["httpGet"] == {"host": str(metrics.address), "port": metrics.port, "path": path}


def test_the_two_on_one_node_listen_on_ports_of_their_own() -> None:
    ports = [list(containers(each))[-1]["livenessProbe"]["httpGet"]["port"] for each in workloads()[:4]]
    assert len(set(ports)) == 2


def test_a_stop_has_the_time_that_it_takes() -> None:
    for nodes in AGENTS:
        assert pod_of(agent(kustomize("."), nodes))["terminationGracePeriodSeconds"] >= DRAIN + LOCK_WAIT + 10


def test_nodes_that_are_offline_do_not_stop_an_upgrade() -> None:
    for nodes in AGENTS:
        update = agent(kustomize("."), nodes)["spec"]["updateStrategy"]
        assert update == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}


def test_images_are_of_this_version_and_commands_exist() -> None:
    for workload in workloads():
        for each in containers(workload):
            assert each["image"] == f"terway-edge:{version('terway-edge')}"
            if "command" not in each and each["args"] != ["controlplane"]:
                assert each["args"][0] in COMMANDS


def test_selectors_tell_the_workloads_apart() -> None:
    found = [tuple(sorted(each["spec"]["selector"]["matchLabels"].items())) for each in workloads()]
    assert len(set(found)) == len(found) == 5
    for workload in workloads():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_uninstallation_has_the_agents_rights_and_may_change_what_the_init_container_may() -> None:
    [uninstall] = of_kind(kustomize("uninstall"), "DaemonSet")
    [first, last] = containers(uninstall)
    [_, main] = containers(written_agent())
    assert (first["args"], first["securityContext"]) == (["uninstall"], main["securityContext"])
    assert mounts(first).keys() == mounts(main).keys()
    assert not mounts(first)["/opt/cni/bin"].get("readOnly")
    assert last["command"] == ["sleep", "infinity"]
    assert not {"livenessProbe", "readinessProbe", "startupProbe"} & first.keys()


@pytest.mark.parametrize(
    ("directory", "server"),
    [("overlays/everything", WITH_IP), ("overlays/before-1.31", WITH_CEL), ("overlays/before-1.25", STRUCTURAL)],
)
def test_older_servers_get_their_definition_and_all_else_alike(directory: str, server: tuple[int, int]) -> None:
    objects, newest = by_name(kustomize(directory)), by_name(kustomize("overlays/everything"))
    crd = "CustomResourceDefinition", "", "bgppeers.network.openyurt.io"
    assert objects.pop(crd) == bgppeer_crd(server)
    newest.pop(crd)
    assert objects == newest


def test_everything_is_in_kube_system_or_in_no_namespace() -> None:
    for kind, namespace, name in by_name(kustomize(".")):
        assert namespace in ("", "kube-system") or (kind.startswith("Role") and namespace == "default"), name
