"""Something between a shim and the agent: it takes one call at the agent's own socket and may kill on the way."""

import socket
import threading
import time
from pathlib import Path

from terway_edge.cni import wire


class Between:
    """Hands one request on to the agent, and calls `kill` when `seconds` have passed, or after the answer if None.

    The caller gets no answer; later ones find the agent's socket again, whether anybody listens there or not.
    """

    def __init__(self, machine, kill, seconds):
        self._path = Path(machine.settings["run_dir"]) / "cni.sock"
        self._agent = self._path.with_name("agent.sock")
        self._kill, self._seconds = kill, seconds
        self.command = None
        self._path.rename(self._agent)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def join(self):
        self._thread.join(30)
        assert not self._thread.is_alive(), "no call came"

    def _serve(self):
        with self._listener:
            caller, _ = self._listener.accept()
            with caller, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
                request = wire.receive_request(caller)
                self.command = request.environ["CNI_COMMAND"]
                agent.connect(str(self._agent))
                frame = wire.encode_request(request.environ, request.stdin, request.budget_ms)
                socket.send_fds(agent, [frame], [request.netns_fd])
                request.close()
                if self._seconds is None:
                    self.reply = wire.receive_reply(agent, 30)
                else:
                    time.sleep(self._seconds)  # a moment of the agent's work, not a wait for it
                self._kill()
                self._agent.rename(self._path)
