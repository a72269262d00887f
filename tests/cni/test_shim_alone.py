"""The shim with no agent behind it: VERSION, STATUS by heartbeat, refusals, budgets, stdin."""

import json
import os
import subprocess
import time

import pytest

from terway_edge.cni.versions import VERSIONS
from tests.agent.hostile import HOSTILE


def boot_seconds():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def test_version_lists_what_the_agent_speaks(shim):
    ended = shim("VERSION")
    assert ended.status == 0
    assert json.loads(ended.stdout) == {"cniVersion": VERSIONS[-1], "supportedVersions": list(VERSIONS)}
    assert ended.stderr == b""


def test_t16_version_needs_nothing_of_the_environment(shim):
    bare = subprocess.run([shim.path], env={"CNI_COMMAND": "VERSION"}, input=b"", capture_output=True, check=True)
    values = sorted({value for values in HOSTILE.values() for value in values if "\0" not in value})
    for value in values:
        variables = dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"), value)
        ended = shim("VERSION", **{name: os.fsencode(text) for name, text in variables.items()})
        assert (ended.status, ended.stdout, ended.stderr) == (0, bare.stdout, b""), value


def test_neither_path_nor_home_nor_a_directory_is_needed(shim, start_agent, answering):
    agent = start_agent(answering(payload=b"{}"))
    gone = shim.home / "gone"
    gone.mkdir()
    environ = {name: value for name, value in shim.environ("ADD").items() if name.startswith(("CNI_", "TERWAY_EDGE_"))}
    argv = ["/bin/sh", "-c", 'cd "$1" && rmdir "$1" && exec "$0"', shim.path, gone]
    ended = subprocess.run(argv, env=environ, input=b"{}", capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"{}", b"")
    assert len(agent.requests) == 1


def test_t18_version_does_not_wait_for_stdin(shim):
    process = shim.start("VERSION", subprocess.PIPE)  # which stays open until the shim has ended
    assert process.wait(timeout=5) == 0
    assert json.loads(process.stdout.read())["cniVersion"] == VERSIONS[-1]


def test_t18_version_with_closed_stdin(shim):
    argv = ["sh", "-c", 'exec "$0" <&-', shim.path]
    ended = subprocess.run(argv, env=shim.environ("VERSION"), capture_output=True, check=True)
    assert json.loads(ended.stdout)["supportedVersions"] == list(VERSIONS)


@pytest.mark.parametrize("command", [None, "", "add", "UPDATE", "ADD\n", 'A"\\\x01'])
def test_t16_unknown_commands_are_named(shim, command):
    error = shim(command).error
    assert error["code"] == 4
    assert "CNI_COMMAND" in error["msg"]


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"CNI_CONTAINERID": None}, ["CNI_CONTAINERID"]),
        ({"CNI_IFNAME": ""}, ["CNI_IFNAME"]),
        ({"CNI_CONTAINERID": "", "CNI_IFNAME": None}, ["CNI_CONTAINERID", "CNI_IFNAME"]),
    ],
)
def test_t16_del_names_all_missing_variables_at_once(shim, variables, named):
    error = shim("DEL", **variables).error
    assert error["code"] == 4
    assert error["msg"] == f"missing: {' '.join(named)}"
    assert not shim.spool.exists()


@pytest.mark.parametrize("command", ["ADD", "CHECK", "GC"])
def test_without_an_agent_the_call_is_to_be_tried_again(shim, command):
    ended = shim(command, TERWAY_EDGE_BUDGET_MS="300")
    assert ended.code == 11
    assert str(shim.run_dir / "cni.sock") in ended.error["msg"]
    assert "crictl" in ended.error["details"]
    assert ended.seconds < 3


def test_add_waits_for_an_agent_that_starts(shim, start_agent, answering):
    process = shim.start("ADD", CNI_NETNS="/proc/self/ns/net")
    with pytest.raises(subprocess.TimeoutExpired):  # the agent is late
        process.wait(0.3)
    start_agent(answering(payload=b'{"late":true}'))
    ended = shim.finish(process)
    assert (ended.status, ended.stdout) == (0, b'{"late":true}')


@pytest.mark.parametrize(
    ("heartbeat", "good"),
    [
        (lambda: f"{boot_seconds():.3f}\n", True),
        (lambda: f"{boot_seconds() - 25:.0f}", True),
        (lambda: f"{boot_seconds() - 31:.3f}", False),
        (lambda: f"{boot_seconds() + 60:.3f}", False),
        (lambda: "", False),
        (lambda: "soon", False),
        (lambda: "nan", False),
        (lambda: f"{boot_seconds():.3f} and more", False),
        (None, False),
    ],
)
def test_status_follows_the_heartbeat(shim, heartbeat, good):
    if heartbeat:
        (shim.run_dir / "heartbeat").write_text(heartbeat())
    ended = shim("STATUS")
    if good:
        assert (ended.status, ended.stdout) == (0, b"")
    else:
        assert ended.code == 50


def test_status_of_a_hung_agent_follows_the_heartbeat_within_its_second(shim, start_agent, hanging):
    start_agent(hanging)
    (shim.run_dir / "heartbeat").write_text(f"{boot_seconds():.3f}\n")
    ended = shim("STATUS")
    assert ended.status == 0
    assert 0.8 < ended.seconds < 3
    (shim.run_dir / "heartbeat").unlink()
    assert shim("STATUS", TERWAY_EDGE_BUDGET_MS="100").code == 50


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_t18_stdin_that_never_ends_is_an_io_error(shim, command):
    process = shim.start(command, subprocess.PIPE, TERWAY_EDGE_BUDGET_MS="200")
    assert process.wait(timeout=3) == 1
    error = json.loads(process.stdout.read())
    assert (error["code"], "stdin" in error["msg"]) == (5, True)


def test_t18_closed_stdin_is_an_io_error(shim):
    argv = ["sh", "-c", 'exec "$0" <&-', shim.path]
    ended = subprocess.run(argv, env=shim.environ("DEL"), capture_output=True, check=False)
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["code"] == 5


def test_t18_endless_data_on_stdin_is_refused(shim):
    ended = shim("ADD", stdin=b"x" * ((1 << 20) + 1))
    assert ended.code == 6


def test_an_environment_above_the_limit_is_refused(shim):
    values = {f"CNI_{number}": "x" * 100_000 for number in range(3)}
    assert shim("ADD", **values).code == 4


def test_a_run_directory_too_long_for_a_socket_is_refused(shim):
    assert shim("ADD", TERWAY_EDGE_RUN="/" + "x" * 107).code == 4


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\tb\x1b[31m", b"\xff\xfe", "\u00e4\u4e2d", "%s%n"])
def test_errors_are_valid_json_whatever_the_path(shim, name):
    raw = os.fsencode(shim.home) + b"/" + os.fsencode(name)
    error = shim("ADD", TERWAY_EDGE_RUN=raw, TERWAY_EDGE_BUDGET_MS="50").error
    assert error["code"] == 11
    assert error["msg"].isascii()
    assert error["msg"].isprintable()


def test_a_reader_that_went_away_is_no_crash(shim):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        ended = subprocess.run([shim.path], env=shim.environ("VERSION"), stdout=nobody, check=False)
    assert ended.returncode == 1  # not killed by SIGPIPE
