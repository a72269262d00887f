"""The control plane's token is nowhere but in its requests, and a crash takes it to no disk."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.controlplane.test_process import Rig, until
from tests.system_api.canaries import Shown, crashed, leaks, processes

pytestmark = pytest.mark.slow


def test_t58_the_control_plane(tmp_path: Path) -> None:
    """As it leads, at the highest verbosity."""
    with ExitStack() as closing:
        rig = Rig(tmp_path, closing)
        token = yaml.safe_load(rig.kubeconfig.read_text())["users"][0]["user"]["token"]
        config, log = tmp_path / "config.yaml", tmp_path / "log"
        settings = {
            "node_name": "n1",
            "state_dir": str(tmp_path),
            "cluster": {"source": "api", "kubeconfig": str(rig.kubeconfig)},
            "log": {"level": "debug"},
            "metrics": {"enabled": False},
        }
        config.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "terway_edge.cli.main", "controlplane", "--config", str(config)]
        process = subprocess.Popen(command, stderr=closing.enter_context(log.open("wb")))
        closing.callback(process.wait)
        closing.callback(process.kill)
        until(lambda: rig.holder, "it leads")
        rig.api.log.wait("watch nodes")
        calls = [
            Shown(each.name, f"{each.call.path} {each.call.query}".encode() + each.call.body)
            for each in rig.api.log.calls()
        ]
        objects = [Shown(kind, str(rig.api.objects.list(kind)).encode()) for kind in ("Lease", "Event", "Node")]
        assert leaks([Shown("log", log.read_bytes()), *calls, *objects, *processes()], [token]) == set()
        assert b" DEBUG " in log.read_bytes()
        assert crashed(process) != os.CLD_DUMPED
