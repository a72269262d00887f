"""Commands of plugins: found at start, asked over the agent's socket, wherever --config stands."""

import json

import pytest

from terway_edge.cli.main import build_parser, main
from terway_edge.cli.plugins import parse
from terway_edge.cni.wire import Reply
from terway_edge.core.errors import Refused
from tests.cli.conftest import PEERS


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "FILE", "bgp", "peers"],
        ["bgp", "--config", "FILE", "peers"],
        ["bgp", "peers", "--config", "FILE"],
        ["bgp", "peers", "--config=FILE"],
    ],
)
def test_config_may_stand_anywhere(agent, config, capsys, words):
    assert main([word.replace("FILE", config) for word in words]) == 0
    assert agent.asked == ["bgp peers"]
    assert capsys.readouterr().out == "this node speaks to no peer: no BGPPeer names it\n"


def test_config_before_a_command_of_our_own_counts_too(agent, config, capsys):
    agent.reply = Reply(0, json.dumps({"leases": []}).encode())
    assert main(["--config", config, "leases", "--json"]) == 0
    assert agent.asked == ["leases"]
    assert json.loads(capsys.readouterr().out) == {"leases": []}


def test_questions_reach_the_agent_in_words(agent, config):
    agent.reply = Reply(0, json.dumps({"text": "! nothing\n", "note": ""}).encode())
    assert main(["bgp", "switch-config", "lan-a", "--for", "bird", "--config", config]) == 0
    assert agent.asked == ["bgp switch-config lan-a bird"]


def test_a_refusal_is_one_line(agent, config, capsys):
    agent.reply = Reply(1, json.dumps({"msg": "there is no BGPPeer 'x'"}).encode())
    assert main(["bgp", "switch-config", "x", "--config", config]) == 1
    assert capsys.readouterr().err == "terway-edge: there is no BGPPeer 'x'\n"


def test_without_an_agent_it_is_one_line_too(config, capsys):
    assert main(["bgp", "peers", "--config", config]) == 1
    assert "is the agent running on this node" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["nonsense"], ["bgp"], ["bgp", "nonsense"], ["bgp", "peers", "--config"]])
def test_wrong_usage_is_exit_status_2(words, capsys):
    with pytest.raises(SystemExit) as raised:
        main(words)
    assert raised.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_names_the_plugins_commands(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    assert "questions to the plugin bgp of this node's agent" in capsys.readouterr().out


def test_plugins_get_a_function_that_asks(config, agent):
    arguments = parse(build_parser(with_plugins=True), ["bgp", "routes", "--config", config])
    assert arguments.ask(["routes"]) == PEERS
    agent.reply = Reply(1, b'{"msg": "no"}')
    with pytest.raises(Refused, match="no"):
        arguments.ask(["routes"])
