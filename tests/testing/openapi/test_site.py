"""Sites that people write, right and wrong, and the command that serves one."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest
from pydantic import ValidationError

from terway_edge.cli import emulator as command
from terway_edge.core.config_error import ConfigError
from terway_edge.core.errors import Refused
from terway_edge.testing.openapi import Emulator, Site
from terway_edge.testing.openapi.example import example_site
from terway_edge.testing.openapi.files import read_faults, read_site
from tests.testing.openapi.sdk import Sdk

SITE = """
account: "1234"
keys: [{id: mine, secret: hush}]
regions:
  - id: cn-hangzhou
    vpcs:
      - id: vpc-1
        cidr: 192.168.0.0/16
        security_groups: [sg-1]
        vswitches: [{id: vsw-h, zone: cn-hangzhou-h, cidr: 192.168.0.0/24}]
ens_sites:
  - id: edge-1
    networks:
      - {id: n-1, cidr: 10.0.0.0/8, security_groups: [sg-e], vswitches: [{id: vsw-e, cidr: 10.0.0.0/24}]}
instance_types: [{id: ecs.small, enis: 2, ipv4_per_eni: 6}]
instances:
  - {id: i-1, type: ecs.small, vswitch: vsw-h, enis: [{tags: {creator: terway}, addresses: [192.168.0.9]}]}
  - {id: i-e, vswitch: vsw-e, address: 10.0.0.9, }
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="site.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_site_of_a_file(write):
    emulator = Emulator(read_site(write(SITE)))
    primary, secondary = emulator.enis("i-1")
    assert (str(primary.primary), primary.security_groups, primary.status) == ("192.168.0.1", ("sg-1",), "InUse")
    assert (list(map(str, secondary.secondary)), secondary.tags) == (["192.168.0.9"], (("creator", "terway"),))
    assert [str(each.primary) for each in emulator.enis("i-e")] == ["10.0.0.9"]
    assert [(each.id, each.product, each.status) for each in emulator.instances()] == [
        ("i-1", "ecs", "Running"),
        ("i-e", "ens", "Running"),
    ]


def test_secrets_of_a_site_are_not_shown():
    assert "testsecret" not in repr(example_site())


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("vswitch: vsw-h,", "vswitch: vsw-x,", "instance i-1: vSwitch 'vsw-x' is not known, did you mean 'vsw-h'?"),
        (
            "type: ecs.small",
            "type: ecs.smal",
            "instance i-1: instance type 'ecs.smal' is not known, did you mean 'ecs.small'?",
        ),
        ("zone: cn-hangzhou-h, ", "", "vSwitch vsw-h: is in a VPC, so it needs a zone"),
        (
            "cidr: 192.168.0.0/24",
            "cidr: 172.16.0.0/24",
            "vSwitch vsw-h: 172.16.0.0/24 is not in vpc-1, which has 192.168.0.0/16",
        ),
        (
            "192.168.0.0/24}",
            "192.168.0.0/24, cidr6: 'fd00::/64'}",
            "vSwitch vsw-h: fd00::/64 is not in the IPv6 CIDR of vpc-1",
        ),
        (
            "192.168.0.0/24}",
            "192.168.0.0/24}, {id: vsw-i, zone: z, cidr: 192.168.0.128/25}",
            "vSwitch vsw-i: 192.168.0.128/25 overlaps 192.168.0.0/24 of vsw-h",
        ),
        (
            "address: 10.0.0.9",
            "address: 10.0.1.9",
            "address 10.0.1.9: is not in 10.0.0.0/24 of vsw-e, or kept back, or taken",
        ),
        (
            "[192.168.0.9]",
            "[192.168.0.1]",
            "address 192.168.0.1: is not in 192.168.0.0/24 of vsw-h, or kept back, or taken",
        ),
        ("[192.168.0.9]", "['fd00::1']", "address fd00::1: vsw-h has no IPv6 CIDR"),
        (
            "[192.168.0.9]",
            "[192.168.0.9, 192.168.0.9]",
            "192.168.0.9/32 of eni-000002 is in 192.168.0.9/32 of eni-000002",
        ),
        ("id: i-e,", "id: i-1,", "i-1: is there twice"),
        ("[sg-e]", "[sg-1]", "sg-1: is there twice"),
        ("id: i-e,", "id: i-e, role: admin,", "instance i-e: role 'admin' is not known"),
        ("id: i-e,", "id: i-e, security_groups: [sg-x],", "security group 'sg-x' is not known"),
        ("id: i-e,", "id: i-e, status: Starting,", "instance i-e: Starting is no status of ens instances"),
        ("enis: 2", "enis: 1", "i-1 has 2 ENIs of 1"),
    ],
)
def test_what_cannot_be(write, old, new, line):
    assert SITE.count(old) == 1
    site = read_site(write(SITE.replace(old, new)))
    with pytest.raises(ConfigError) as caught:
        Emulator(site)
    assert line in str(caught.value)


def test_a_vswitch_that_is_too_small(write):
    site = read_site(write(SITE.replace("10.0.0.0/24", "10.0.0.8/32").replace("address: 10.0.0.9, ", "")))
    with pytest.raises(ConfigError, match="vSwitch vsw-e has 0 free, 1 were asked"):
        Emulator(site)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("acount: '1'", "acount: is no setting, did you mean 'account'?"),
        ("account: 1", "account: got 1, expected a valid string"),
        (
            "keys: [{id: a, secret: ''}]",
            "keys[0].secret: got something else, expected text that should have at least 1 character",
        ),
        ("a: 1\n---\nb: 2", "holds 2 documents, expected one; remove the '---' between them"),
        ("a: [", "is no YAML"),
        ("instance_types: [{id: x, enis: 0, ipv4_per_eni: 1}]", "instance_types[0].enis: got 0, expected"),
    ],
)
def test_files_that_are_no_site(write, text, line):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        read_site(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert line in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory"):
        read_site(tmp_path / "none.yaml")


def test_an_empty_file_is_an_empty_site(write):
    assert read_site(write("")) == Site()


def test_faults_of_a_file(write):
    path = write("faults:\n  - {kind: throttle, calls: [1]}\n  - {kind: slow, seconds: 1}\n")
    assert [each.kind for each in read_faults(path).faults] == ["throttle", "slow"]


@pytest.mark.parametrize(
    "text",
    ["faults: [{kind: thrott}]", "faults: [{kind: slow}]", "faults: [{kind: drop, when: never}]", "faults: [{}]"],
)
def test_faults_that_are_none(write, text):
    with pytest.raises(ConfigError, match=r"site\.yaml: faults\[0\]"):
        read_faults(write(text))


def test_an_option_of_another_kind_of_fault_is_refused(write):
    with pytest.raises(ConfigError, match="seconds"):
        read_faults(write("faults: [{kind: throttle, seconds: 3}]"))


def test_models_are_frozen():
    with pytest.raises(ValidationError):
        example_site().account = "2"


RUN = """
import argparse, sys
from terway_edge.cli.emulator import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(write, number):
    site = write(SITE)
    faults = write("faults: [{kind: throttle, action: DescribeVpcs}]", "faults.yaml")
    options = ["--port", "0", "--site", str(site), "--faults", str(faults), "--metadata", "i-1=0"]
    with subprocess.Popen([sys.executable, "-c", RUN, *options], stdout=subprocess.PIPE, text=True) as process:
        lines = dict(process.stdout.readline().rstrip("\n").split(maxsplit=1) for _ in range(3))
        assert lines["AccessKey"] == "mine hush"
        with closing(Sdk(lines["endpoint"], tuple(lines["AccessKey"].split()))) as sdk:
            assert sdk("ecs", "DescribeInstances")["TotalCount"] == 1
        assert lines["metadata"].endswith(" i-1")
        assert "stop with Ctrl-C" in process.stdout.readline()
        os.kill(process.pid, number)
        assert process.wait(10) == 0


@pytest.mark.parametrize("option", ["i-none=80", "i-1", "i-1=x"])
def test_metadata_of_what_is_not_there(option):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(Refused, match=r"write INSTANCE=PORT; the instances are i-1, i-2, i-e1"):
        command.run(parser.parse_args(["--port", "0", "--metadata", option]))
