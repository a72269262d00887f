"""A container image without a registry: one static program, packed as `docker save` packs images."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

NAME = "localhost/terway-edge/pause:1"
SOURCE = Path(__file__).with_name("pause.c")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def build(directory, machine):
    """The archive's path. `machine`: what `uname -m` says."""
    program = directory / "pause"
    subprocess.run(["musl-gcc", "-Os", "-static", "-s", "-o", program, SOURCE], check=True)
    layer = _tar({"pause": program.read_bytes()})
    config = {
        "architecture": ARCHITECTURES[machine],
        "os": "linux",
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    archive = directory / "pause.tar"
    files = {"layer.tar": layer, "config.json": _json(config), "manifest.json": _json(manifest)}
    archive.write_bytes(_tar(files))
    return archive


def _json(value):
    return json.dumps(value).encode()


def _tar(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
