"""Tables for people: what there is none of is said, and who was asked."""

import json

import pytest

from terway_edge.cli.main import main

STATUS = {
    "node": "n1",
    "ready": True,
    "why_not": "",
    "uptime_seconds": 312.4,
    "backend": "",
    "advertisers": [],
    "lan": "",
    "nodes": 0,
    "uplink": None,
    "pools": [],
    "leases": 0,
    "routes": 0,
    "plugins": [],
    "repairs": {},
    "conditions": [],
}
LEASE = {
    "pod": "shop/web",
    "addresses": ["10.64.1.1"],
    "ports": [],
    "container": "c1",
    "ifname": "eth0",
    "link": "tw1",
    "link_state": "up",
    "backend": "flannel_route",
}
SAME = {"prefix": "10.64.2.0/24", "desired": "via 172.16.0.12", "actual": "via 172.16.0.12", "origin": "node-2"}


@pytest.fixture
def ask(agent, config, capsys):
    """(exit status, stdout, stderr) of a command to which the agent answers `answer`."""

    def call(*words, **answer):
        agent.answer(**answer)
        status = main([*words, "--config", config])
        return status, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("words", "answer", "told"),
    [
        (["leases"], {"leases": []}, "no leases\n"),
        (["routes"], {"routes": []}, "no routes\n"),
        (["routes", "--diff"], {"routes": []}, "no differences\n"),
        (["routes", "--diff"], {"routes": [{**SAME, "state": "ok"}]}, "no differences\n"),
    ],
    ids=str,
)
def test_nothing_is_said_to_be_nothing(ask, words, answer, told):
    assert ask(*words, **answer) == (0, told, "")


def test_a_route_that_differs_is_shown_and_is_exit_status_1(ask):
    missing = {"prefix": "10.64.3.0/24", "desired": "via 172.16.0.13", "actual": "", "origin": "node-3"}
    routes = [{**SAME, "state": "ok"}, {**missing, "state": "missing"}]
    status, out, _ = ask("routes", "--diff", routes=routes)
    assert (status, out.count("\n")) == (1, 2)
    assert out.splitlines()[1].split() == ["10.64.3.0/24", "via", "172.16.0.13", "-", "node-3", "missing"]


def test_differences_for_scripts_are_json_also_when_there_are_none(ask):
    status, out, _ = ask("routes", "--diff", "--json", routes=[{**SAME, "state": "ok"}])
    assert (status, json.loads(out)) == (0, {"routes": []})


def test_no_fact_of_the_status_is_left_blank(ask):
    status, out, _ = ask("status", **STATUS)
    facts = dict(line.split(maxsplit=1) for line in out.partition("\n\n")[0].replace("up for", "up_for").splitlines())
    assert status == 0
    assert facts["up_for"] == "5m12s"
    assert {facts[name] for name in ("backend", "advertisers", "LAN", "uplink", "repairs")} == {"none"}


def test_a_node_that_is_not_ready_says_why_and_is_exit_status_1(ask):
    status, out, _ = ask("status", **{**STATUS, "ready": False, "why_not": "the cluster has no Node 'n1'"})
    assert status == 1
    assert "NO: the cluster has no Node 'n1'" in out


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m0s"),
        (3599, "59m59s"),
        (3600, "1h0m"),
        (86399, "23h59m"),
        (1252800, "14d12h"),
    ],
)
def test_ages_have_units_that_can_be_read(ask, seconds, age):
    _, out, _ = ask("leases", leases=[{**LEASE, "age_seconds": seconds}])
    assert out.splitlines()[1].split()[-1] == age


@pytest.mark.parametrize(
    ("differs", "state"),
    [
        ({"active": True}, "active"),
        ({}, "loaded"),
        ({"error": "ImportError: no x"}, "NOT USED: ImportError: no x"),
        ({"hooks": ["start", "relaese"]}, "STOPS THE AGENT: there is no hook relaese"),
    ],
    ids=str,
)
def test_the_agents_plugins_have_a_state(ask, differs, state):
    plugin = {"name": "other", "distribution": "d", "version": "1", "origin": "m:C", "hooks": ["start"], "error": ""}
    status, out, error = ask("plugins", plugins=[{**plugin, "active": False, **differs}])
    assert (status, error) == (0, "")
    assert f"other   {state}  d 1" in out


def test_without_an_agent_plugins_are_those_installed_and_that_is_said(config, capsys):
    assert main(["plugins", "--config", config]) == 0
    out, error = capsys.readouterr()
    assert "flannel_route" in out
    assert "no agent answers on" in error
    assert error.endswith("these are the plugins that are installed here\n")


def test_only_validate_takes_a_file(config, capsys):
    for what in ("schema", "show"):
        assert main(["config", what, config]) == 1
        assert capsys.readouterr() == (
            "",
            f"terway-edge: config {what} takes no FILE; name the settings with --config\n",
        )
