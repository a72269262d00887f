"""A machine whose agent dies where a failpoint says, its runtime with books, and two pods that talk meanwhile."""

import contextlib
import json
import re
import signal
import subprocess
import types

from tests.failpoints import FailpointFile
from tests.system.machine import CONF, Machine, until


class Crashes:
    def __init__(self, directory, **settings):
        self.points = FailpointFile(directory)
        self.machine = Machine(directory)
        self.machine.environ = self.points.environ
        self.machine.settings |= {"metrics": {"enabled": False}, **settings}
        self.books = {}  # what the runtime was told: the address of each pod
        self._ports = iter(range(30000, 32767))

    def close(self):
        self.points.write()
        self.machine.close()

    # --- the runtime -----------------------------------------------------------------------------------------------

    def conf(self, **more):
        return json.dumps(json.loads(CONF) | more)

    def conf_with_port(self):
        """For a pod that has a port of the host."""
        port = {"hostPort": next(self._ports), "containerPort": 80, "protocol": "tcp"}
        return self.conf(runtimeConfig={"portMappings": [port]})

    def add(self, pod):
        """ADD of a pod with a port of the host; True if it succeeded, and then it is in the books."""
        status, result = self.machine.cni("ADD", pod, conf=self.conf_with_port())
        if status == 0:
            self.books[pod] = result["ips"][0]["address"].split("/")[0]
        else:
            # 104: an ADD that nobody had the answer of was finished; a runtime must DEL after any error.
            assert result["code"] in (11, 104), result
        return status == 0

    def steps(self):
        """The points that an ADD reaches until it is answered, and how often."""
        pod = self.machine.new_pod()
        self.points.forget()
        assert self.add(pod)
        steps = self.points.reached()
        self.delete(pod)
        self.machine.forget_pod(pod)
        self.assert_whole()
        return [step for step in steps if step[0] != "reply.after"]

    @contextlib.contextmanager
    def paused_add(self, pod, name, nth):
        """A with-block during which an ADD waits at its point; afterwards it has come to its end, as `said` there."""
        self.points.forget()
        self.points.write(f"{name} pause {nth}")
        with self.machine.begin("ADD", pod, self.conf_with_port()) as shim:
            said = types.SimpleNamespace(shim=shim, status=None, answer=None)
            try:
                self.points.wait_for((name, nth))
                yield said
            finally:
                self.points.write()
            out = shim.stdout.read()
            said.status, said.answer = shim.wait(), json.loads(out) if out.strip() else None

    def delete(self, pod):
        """DEL, which always succeeds."""
        status, error = self.machine.cni("DEL", pod)
        assert status == 0, error
        self.books.pop(pod, None)

    def collect(self):
        """GC: all that is not in the books goes; True if it succeeded."""
        valid = [{"containerID": pod, "ifname": "eth0"} for pod in self.books]
        conf = self.conf(**{"cni.dev/valid-attachments": valid})
        status, error = self.machine.cni("GC", "", CNI_CONTAINERID="", CNI_NETNS="", CNI_IFNAME="", conf=conf)
        assert status == 0 or error["code"] == 11, error
        return status == 0

    # --- the agent -------------------------------------------------------------------------------------------------

    def dies(self, within=1.0):
        """True if the agent's failpoint kills it; what it does for its callers may be over already."""
        try:
            code = self.machine.wait(within)
        except subprocess.TimeoutExpired:
            return False
        assert code == -signal.SIGKILL, self.machine.tail()
        return True

    def restart(self):
        """After a death, or by one: a new process, which serves; with no failpoint left."""
        self.points.write()
        self.machine.kill()
        self.machine.start()

    # --- looking ---------------------------------------------------------------------------------------------------

    def leases(self):
        status, answer = self.machine.cni("STATUS", "", TERWAY_EDGE_QUERY="leases")
        assert status == 0, answer
        return {lease["container"]: lease["addresses"][0] for lease in answer["leases"]}

    def assert_whole(self):
        """Agent, kernel and books say the same."""
        machine = self.machine
        assert self.leases() == self.books
        assert len(set(self.books.values())) == len(self.books), "two owners"
        until(lambda: len(machine.links()) == len(self.books), f"no link is left over\n{machine.tail()}")
        hosts = {prefix for prefix in machine.routes() if "/" not in prefix}
        assert hosts == set(self.books.values())
        for pod in self.books:
            assert machine.cni("CHECK", pod) == (0, None), f"{pod}\n{machine.tail()}"


class Talk:
    """Pings from one pod to another, a hundred a second, until `lost` is asked for."""

    def __init__(self, machine, pod, address):
        command = ["nsenter", f"--net=/run/netns/{pod}", "ping", "-n", "-i", "0.01", address]
        self._ping = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            while " ttl=" not in self._ping.stdout.readline():
                assert self._ping.poll() is None, "no answer to the first ping"
        except BaseException:
            self.close()
            raise

    def lost(self):
        """(answers, sequence numbers without one); the last may be under way."""
        self._ping.send_signal(signal.SIGINT)
        out, _ = self._ping.communicate(timeout=5)
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", out)}
        return len(answered), sorted(set(range(min(answered), max(answered))) - answered)

    def close(self):
        self._ping.kill()
        self._ping.communicate()
