"""`terway-edge controlplane` as people start it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from terway_edge.testing.apiserver import Server, listen, write_kubeconfig
from tests.controlplane.test_process import until
from tests.controlplane.world import cluster

COMMAND = (sys.executable, "-m", "terway_edge.cli.main", "controlplane", "--config")


def write_settings(directory: Path, **changes: object) -> Path:
    path = directory / "config.json"
    settings = {
        "node_name": "cp",
        "state_dir": str(directory / "state"),
        "metrics": {"port": 0},
        "cluster": {"source": "api", "kubeconfig": str(directory / "kubeconfig")},
        "controlplane": {"allocate_pod_cidrs": True, "pod_cidr_ranges": ["10.64.0.0/16"]},
    }
    settings["controlplane"] |= {"service_cidrs": ["10.96.0.0/16"]}
    path.write_text(json.dumps({**settings, **changes}))
    return path


def free_port() -> int:
    with listen() as found:
        return int(found.getsockname()[1])


@pytest.mark.slow
def test_it_leads_tells_numbers_and_gives_the_lease_back(tmp_path):
    api = cluster("n1")
    port = free_port()
    config = write_settings(tmp_path, metrics={"port": port})
    with Server(api, listen()) as server, (tmp_path / "log").open("w") as log:
        write_kubeconfig(tmp_path / "kubeconfig", server.url)
        process = subprocess.Popen([*COMMAND, str(config)], stderr=log)
        try:
            until(lambda: api.objects.get("Node", "n1")["spec"].get("podCIDR") == "10.64.0.0/25", "n1 is served")
            answers = {
                path: urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read().decode()
                for path in ("/healthz", "/readyz", "/metrics")
            }
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
    assert answers["/healthz"] == answers["/readyz"] == "ok\n"
    assert "terway_edge_controlplane_leader 1.0" in answers["/metrics"]
    assert "terway_edge_controlplane_starving 0.0" in answers["/metrics"]
    (lease,) = api.objects.list("Lease", "kube-system")
    assert not lease["spec"].get("holderIdentity")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cluster": {"source": "manifests"}}, "set cluster.source to api"),
        ({"controlplane": {"allocate_pod_cidrs": True}}, "pod_cidr_ranges is empty: set it"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_1(tmp_path, changes, told):
    done = subprocess.run(
        [*COMMAND, str(write_settings(tmp_path, **changes))], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_agents_import_nothing_of_it():
    script = "import sys, terway_edge.agent.process; print([n for n in sys.modules if 'controlplane' in n])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
