"""A mount and a process namespace for a container runtime, so that nothing it makes is the host's.

The runtime sees `/run` and `/var/lib` as directories of the test's own, whatever paths it has built in. All that runs
in there, containers and their guardians included, ends with the first process, and mounts go with the last one; the
first process ends with the test's, however that ends. Only cgroups outlive it: they are all below one name of ours.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

from tests.system.machine import until

CGROUPS = Path("/sys/fs/cgroup")
FIRST = """
import os, signal, subprocess
for path, source in {binds}.items():
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "--bind", "--make-shared", source, path], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the orphans that come to process 1
print("ready", flush=True)
while True:
    signal.pause()
"""
WITH_US = ("setpriv", "--pdeathsig", "KILL")  # ends with the test's process
SPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class World:
    """`netns`: name of the network namespace that is the node's. `shared`: {path in here: directory of the host}."""

    def __init__(self, directory, netns, shared):
        self.run, self.lib, self._netns = directory / "run", directory / "lib", netns
        self.cgroup = f"/{netns}"
        self._running = []
        for made in (self.run, self.run / "netns", self.lib):
            made.mkdir(parents=True)
        binds = {"/run": str(self.run), "/var/lib": str(self.lib), **shared}
        self._first = subprocess.Popen(
            [*WITH_US, "unshare", *SPACES, "--propagation", "slave", sys.executable, "-c", FIRST.format(binds=binds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert self._first.stdout.readline() == "ready\n"
            [self._pid] = children(self._first.pid)
        except BaseException:
            self.close()
            raise

    def close(self):
        self._first.kill()
        self._first.wait()
        self._first.stdout.close()
        for process in self._running:
            process.wait(10)
        for controller in (CGROUPS, *CGROUPS.iterdir()):
            until(lambda path=controller / self.cgroup[1:]: _remove_cgroup(path), f"{controller} lets go", 5.0)

    def entry(self):
        """What a command needs before it to run in here."""
        return [*self._enter_files(), f"--pid=/proc/{self._pid}/ns/pid", "--"]

    def side_entry(self):
        """The same for a container on the side, as a pod of the host's network has it: it sees the mounts of here as
        they come and go, and has processes of its own."""
        return [*WITH_US, *self._enter_files(), "--", "unshare", "--mount", "--propagation", "slave", "--mount-proc"]

    def _enter_files(self):
        return ["nsenter", f"--net=/run/netns/{self._netns}", f"--mount=/proc/{self._pid}/ns/mnt"]

    def path(self, path):
        """A path in here as the test can open it."""
        return Path(f"/proc/{self._pid}/root{path}")

    def start(self, *command, log, env=None):
        """Start a process that stays; what it says is appended to `log`."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*self.entry(), *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
            )
        self._running.append(process)
        return process

    def call(self, *command, env=None, check=True, timeout=60):
        """Run to the end; its process, with what it said."""
        done = subprocess.run(
            [*self.entry(), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=env,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()} {done.stdout.strip()}"
        return done


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _remove_cgroup(path):
    """True if it is gone, and all below it."""
    with contextlib.suppress(OSError):
        for below in sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True):
            below.rmdir()
        path.rmdir()
    return not path.exists()
