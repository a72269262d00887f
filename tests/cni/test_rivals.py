"""Which configurations of others a runtime can read, as libcni has it."""

import json
import os

import pytest

from terway_edge.cni.rivals import LIMIT, read_rival

BRIDGE = {"type": "bridge", "bridge": "cni0"}


def problem(path, content):
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    rival = read_rival(path)
    assert rival.path == path
    return rival.problem


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("05-b.conflist", {"cniVersion": "1.0.0", "name": "b", "plugins": [BRIDGE, {"type": "portmap"}]}),
        ("05-b.conf", {"cniVersion": "0.3.1", "name": "b", **BRIDGE}),
        ("05-b.json", BRIDGE),
        ("05-b.conf", b'{"type": "bridge", "name": "\xff"}'),
    ],
)
def test_what_runtimes_read(tmp_path, name, content):
    assert problem(tmp_path / name, content) == ""


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("05-b.conflist", b"", "is not JSON"),
        ("05-b.conflist", b'{"name": "b", "plugins": [{"type": "bri', "is not JSON"),
        ("05-b.conf", b"\xff\xfe", "is not JSON"),
        ("05-b.conf", b"[" * 100_000, "is not JSON"),
        ("05-b.conf", json.dumps(BRIDGE).encode("utf-8-sig"), "is not JSON"),
        ("05-b.conf", json.dumps(BRIDGE).encode("utf-16"), "is not JSON"),
        ("05-b.conf", b'{"type": "bridge", "mtu": NaN}', "is not JSON"),
        ("05-b.conf", [BRIDGE], "is no JSON object"),
        ("05-b.conflist", {"plugins": [BRIDGE]}, "has no name"),
        ("05-b.conflist", {"name": "b", "plugins": []}, "has no plugins"),
        ("05-b.conflist", {"name": "b", **BRIDGE}, "has no plugins"),
        ("05-b.conflist", {"name": "b", "plugins": [BRIDGE, {"kind": "portmap"}]}, "names no plugin"),
        ("05-b.conflist", {"name": "b", "plugins": ["bridge"]}, "names no plugin"),
        ("05-b.json", {"name": "b", "plugins": [BRIDGE]}, "names no plugin"),
        ("05-b.conf", b" " * (LIMIT + 1), "is no file of at most"),
    ],
)
def test_what_they_cannot_read(tmp_path, name, content, told):
    assert told in problem(tmp_path / name, content)


def test_what_is_no_file_is_told_and_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "fifo.conf")
    (tmp_path / "gone.conf").symlink_to(tmp_path / "nowhere")
    assert "is no file" in read_rival(tmp_path / "fifo.conf").problem
    assert read_rival(tmp_path / "gone.conf").problem == "cannot be read: No such file or directory"
