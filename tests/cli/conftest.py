"""An agent that answers every question alike, behind the socket of the configuration."""

import json

import pytest
import yaml

from terway_edge.agent.server import Server
from terway_edge.cni.wire import Reply

PEERS = {"peers": []}


class Agent:
    """What was asked, and what is answered to everything."""

    def __init__(self):
        self.asked = []
        self.reply = Reply(0, json.dumps(PEERS).encode())

    def __call__(self, request, connection):
        self.asked.append(request.environ["TERWAY_EDGE_QUERY"])
        connection.send(self.reply)

    def answer(self, **answer):
        self.reply = Reply(0, json.dumps(answer).encode())


@pytest.fixture
def agent(tmp_path):
    made = Agent()
    server = Server(tmp_path / "cni.sock", 1, made)
    server.serve()
    yield made
    assert server.drain(10)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"node_name": "n1", "run_dir": str(tmp_path)}))
    return str(path)
