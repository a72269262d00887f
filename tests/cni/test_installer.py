"""The installer: order, wholeness, ownership, and removal of nothing that is not ours."""

import json
import os
import stat
import subprocess

import pytest

from terway_edge.cni import installer
from terway_edge.cni.versions import VERSIONS
from terway_edge.core.errors import EdgeError, Refused, Retry


@pytest.fixture
def dirs(tmp_path):
    return tmp_path / "opt" / "bin", tmp_path / "etc" / "net.d"


@pytest.fixture
def trace(monkeypatch):
    """Every fsync and rename, in order, by the file's name: what a power cut may separate."""
    calls = []
    fsync, rename = os.fsync, os.rename

    def traced_fsync(descriptor):
        calls.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))))
        fsync(descriptor)

    def traced_rename(source, target, **dirs):
        calls.append(("rename", source, target))
        rename(source, target, **dirs)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "rename", traced_rename)
    return calls


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_shim_and_configuration_are_installed(dirs):
    bin_dir, conf_dir = dirs
    previous = os.umask(0o077)
    try:
        installed = installer.install(bin_dir, conf_dir, "edge")
    finally:
        os.umask(previous)
    shim, conf = bin_dir / "terway-edge", conf_dir / installer.CONF_NAME
    assert installed == installer.Installed((shim, conf), ())
    assert (mode(shim), mode(conf)) == (0o755, 0o644)
    ended = subprocess.run([shim], env={"CNI_COMMAND": "VERSION"}, capture_output=True, check=True)
    assert json.loads(ended.stdout)["supportedVersions"] == list(VERSIONS)


def test_the_configuration_says_what_runtimes_need(dirs):
    bin_dir, conf_dir = dirs
    installer.install(bin_dir, conf_dir, "edge", "05-edge.conflist")
    assert json.loads((conf_dir / "05-edge.conflist").read_bytes()) == {
        "cniVersion": "1.0.0",
        "cniVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
        "name": "edge",
        "plugins": [
            {
                "type": "terway-edge",
                "capabilities": {"bandwidth": True, "portMappings": True, "io.kubernetes.cri.pod-annotations": True},
            }
        ],
    }


def test_each_step_is_durable_before_the_next(dirs, trace):
    installer.install(*dirs, "edge")
    conf = installer.CONF_NAME
    assert trace == [
        ("fsync", ".terway-edge.new"),
        ("rename", ".terway-edge.new", "terway-edge"),
        ("fsync", "bin"),
        ("fsync", f".{conf}.new"),
        ("rename", f".{conf}.new", conf),
        ("fsync", "net.d"),
    ]


def test_what_is_right_already_is_not_touched(dirs):
    bin_dir, conf_dir = dirs
    installer.install(bin_dir, conf_dir, "edge")
    before = [path.stat() for path in (bin_dir / "terway-edge", conf_dir / installer.CONF_NAME, bin_dir, conf_dir)]
    assert installer.install(bin_dir, conf_dir, "edge").written == ()
    after = [path.stat() for path in (bin_dir / "terway-edge", conf_dir / installer.CONF_NAME, bin_dir, conf_dir)]
    assert [(s.st_ino, s.st_mtime_ns) for s in after] == [(s.st_ino, s.st_mtime_ns) for s in before]


@pytest.mark.parametrize("damage", ["content", "mode", "link", "truncated"])
def test_what_is_wrong_is_replaced(dirs, tmp_path, damage):
    bin_dir, conf_dir = dirs
    installer.install(bin_dir, conf_dir, "edge")
    shim = bin_dir / "terway-edge"
    whole = shim.read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(whole)
    if damage == "content":
        shim.write_bytes(whole[:-1] + b"?")
    elif damage == "truncated":
        shim.write_bytes(whole[:100])
    elif damage == "mode":
        shim.chmod(0o777)
    else:
        shim.unlink()
        shim.symlink_to(elsewhere)
        elsewhere.chmod(0o755)
    assert installer.install(bin_dir, conf_dir, "edge").written == (shim,)
    assert shim.read_bytes() == whole
    assert not shim.is_symlink()
    assert mode(shim) == 0o755


def test_a_running_shim_can_be_replaced(dirs):
    bin_dir, _ = dirs
    installer.install_shim(bin_dir)
    shim = bin_dir / "terway-edge"
    argv = [shim]
    environ = {"CNI_COMMAND": "STATUS", "TERWAY_EDGE_RUN": str(bin_dir)}
    with subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        shim.chmod(0o700)  # so that there is something to replace
        assert installer.install_shim(bin_dir).written == (shim,)
        process.communicate(b"{}")
    assert process.returncode == 1


def test_leftovers_of_a_killed_installer_are_replaced(dirs):
    bin_dir, conf_dir = dirs
    bin_dir.mkdir(parents=True)
    (bin_dir / ".terway-edge.new").write_text("half")
    installer.install(bin_dir, conf_dir, "edge")
    assert [path.name for path in bin_dir.iterdir()] == ["terway-edge"]


def test_failures_leave_the_old_file_and_no_leftovers(dirs):
    bin_dir, _ = dirs
    (bin_dir / "terway-edge").mkdir(parents=True)
    with pytest.raises(Retry, match="terway-edge") as caught:
        installer.install_shim(bin_dir)
    assert caught.value.code == 5
    assert [path.name for path in bin_dir.iterdir()] == ["terway-edge"]


def test_the_configuration_is_not_published_if_the_shim_failed(dirs):
    bin_dir, conf_dir = dirs
    (bin_dir / "terway-edge").mkdir(parents=True)
    with pytest.raises(EdgeError):
        installer.install(bin_dir, conf_dir, "edge")
    assert not conf_dir.exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Retry, match="file/bin"):
        installer.install_shim(tmp_path / "file" / "bin")


@pytest.mark.parametrize("permissions", [0o777, 0o1777, 0o757])
def test_directories_that_everybody_may_write_are_refused(dirs, permissions):
    bin_dir, conf_dir = dirs
    for directory, install in ((bin_dir, installer.install_shim), (conf_dir, lambda d: installer.publish(d, "edge"))):
        directory.mkdir(parents=True)
        directory.chmod(permissions)
        with pytest.raises(Refused, match="chmod 755"):
            install(directory)
        assert list(directory.iterdir()) == []


@pytest.mark.root
def test_directories_of_another_user_are_refused(dirs):
    bin_dir, _ = dirs
    bin_dir.mkdir(parents=True)
    os.chown(bin_dir, 65534, 65534)
    with pytest.raises(Refused, match=r"user 65534.*chown root"):
        installer.install_shim(bin_dir)


def test_configurations_that_come_before_ours_are_reported(dirs):
    _, conf_dir = dirs
    conf_dir.mkdir(parents=True)
    for name in ("05-calico.conflist", "10-flannel.conf", "09.json", "00-notes.txt", ".05.conflist.new", "99-x.conf"):
        (conf_dir / name).write_text("{}")
    assert installer.publish(conf_dir, "edge").ahead == ("05-calico.conflist", "09.json", "10-flannel.conf")


def test_uninstall_removes_what_is_ours(dirs):
    bin_dir, conf_dir = dirs
    installer.install(bin_dir, conf_dir, "edge")
    (bin_dir / "bridge").write_text("foreign")
    (conf_dir / "99-other.conf").write_text("{}")
    assert installer.uninstall(bin_dir, conf_dir) == (conf_dir / installer.CONF_NAME, bin_dir / "terway-edge")
    assert [path.name for path in bin_dir.iterdir()] == ["bridge"]
    assert [path.name for path in conf_dir.iterdir()] == ["99-other.conf"]
    assert installer.uninstall(bin_dir, conf_dir) == ()


@pytest.mark.parametrize("conf", [b"{", b"[]", b'{"plugins":[{"type":"bridge"}]}', b'{"plugins":{}}', b"\xff"])
def test_uninstall_leaves_foreign_files_with_our_names(dirs, conf):
    bin_dir, conf_dir = dirs
    bin_dir.mkdir(parents=True)
    conf_dir.mkdir(parents=True)
    (bin_dir / "terway-edge").write_bytes(b"\x7fELF something else")
    (conf_dir / installer.CONF_NAME).write_bytes(conf)
    assert installer.uninstall(bin_dir, conf_dir) == ()
    assert (bin_dir / "terway-edge").exists()
    assert (conf_dir / installer.CONF_NAME).exists()


def test_every_shim_carries_the_mark(shim_paths):
    for path in shim_paths.values():
        assert installer.MARK in path.read_bytes()


def test_uninstall_of_nothing_is_success(tmp_path):
    assert installer.uninstall(tmp_path / "a", tmp_path / "b") == ()


def test_directories_in_the_place_of_our_files_are_none_of_ours(dirs):
    bin_dir, conf_dir = dirs
    for directory in (
        bin_dir / "terway-edge",
        conf_dir / installer.CONF_NAME,
        bin_dir / installer.TWIN_HOME / "shim.py",
    ):
        directory.mkdir(parents=True)
    assert installer.uninstall(bin_dir, conf_dir) == ()
    assert (bin_dir / "terway-edge").is_dir()
