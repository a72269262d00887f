"""Another network plugin on the node: the reference plugin `bridge` with addresses of `host-local`."""

import json
from pathlib import Path

import pytest

from tests.system.machine import run

PLUGINS = Path("/usr/lib/cni")  # package containernetworking-plugins


def install_bridge(machine):
    """Its programs beside our shim, and the configuration that `publish_bridge` writes; the latter's content."""
    for name in ("bridge", "host-local"):
        if not (PLUGINS / name).exists():
            pytest.fail(f"not installed: {PLUGINS / name}; './dev test' installs what tests need")
        (Path(machine.settings["cni"]["bin_dir"]) / name).symlink_to(PLUGINS / name)
    ipam = {"type": "host-local", "subnet": "10.99.0.0/24", "dataDir": str(machine.directory / "host-local")}
    plugin = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "ipam": ipam}
    return {"cniVersion": "1.0.0", "name": "bridged", "plugins": [plugin]}


def publish_bridge(machine, name, conf):
    """Put it there under a name; within the directory, as runtimes want it."""
    path = Path(machine.settings["cni"]["conf_dir"]) / name
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(conf))
    temporary.rename(path)
    return path


def inside(netns):
    """All that the namespace at this path holds of links, addresses and routes."""
    commands = (("-d", "address"), ("route", "show", "table", "all"))
    return [run("nsenter", f"--net={netns}", "--", "ip", *words).stdout for words in commands]
