"""T15: the wall clock of the agent steps by an hour and by a year, both ways; cool-downs are as long as ever.

The agent is started with a library before libc's that shows it another wall clock. What else shortens a cool-down is
in tests/agent/test_t15_reuse_distance.py.
"""

import os
import subprocess
import sys
import time

import pytest

from tests.system.machine import node_manifest, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

FULL = os.environ.get("TERWAY_EDGE_FULL") == "1"
HOUR, YEAR = 3600, 365 * 86400
STEPS = (HOUR, -HOUR, YEAR, -YEAR)  # seconds, each counted from the true time
COOLDOWN = 1.0
ROOM = 2  # addresses of a /30

LIBRARY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t ahead(void)
{
    char text[32] = "";
    int file = open(getenv("TWT_WALL_CLOCK"), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    if (read(file, text, sizeof text - 1) < 0)
        text[0] = 0;
    close(file);
    return atol(text);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, now);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
        now->tv_sec += ahead();
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
"""


class WallClock:
    def __init__(self, directory):
        self._file, source, library = (directory / name for name in ("wall", "wall.c", "wall.so"))
        source.write_text(LIBRARY)
        subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
        self.environ = {"LD_PRELOAD": str(library), "TWT_WALL_CLOCK": str(self._file)}
        self.step(0)
        assert abs(self.seen() - time.time()) < 10

    def step(self, seconds):
        """By how much it is ahead from now on."""
        temporary = self._file.with_suffix(".new")
        temporary.write_text(str(seconds))
        temporary.rename(self._file)

    def seen(self):
        ask = [sys.executable, "-c", "import time; print(time.time())"]
        return float(subprocess.run(ask, env=os.environ | self.environ, capture_output=True, check=True).stdout)


class Lives:
    """Pods that live for a moment, each of another UID, in one namespace."""

    def __init__(self, machine):
        self._machine, self._pod, self._number = machine, machine.new_pod(), 0
        self._released = {}

    def live(self):
        """False if there is no address now."""
        self._number += 1
        name = f"c{self._number}"
        pod = {"container": name, "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_UID={name}"}
        status, answer = self._machine.cni("ADD", self._pod, **pod)
        if status:
            assert answer["details"] == "addresses cooling down", answer
            return False
        rested = time.monotonic() - self._released.get(answer["ips"][0]["address"], -COOLDOWN)
        assert rested >= COOLDOWN, answer
        self._released[answer["ips"][0]["address"]] = time.monotonic()  # it cannot be given back earlier
        assert self._machine.cni("DEL", self._pod, **pod)[0] == 0
        until(lambda: self._machine.links() == [], "it is unplugged")
        return True


@pytest.mark.timeout(300)
def test_t15_no_step_of_the_wall_clock_changes_a_cool_down(stopped, tmp_path):
    machine, clock = stopped, WallClock(tmp_path)
    machine.environ = clock.environ
    machine.settings["ipam"] = {"cooldown_seconds": COOLDOWN}
    machine.write("n1", node_manifest("n1", "192.0.2.10", "10.64.1.0/30"))
    machine.start()
    lives = Lives(machine)
    for number, step in enumerate(STEPS * (5 if FULL else 1)):
        clock.step(step)
        if FULL or number == 2:
            machine.kill()
            machine.start()
        for _ in range(ROOM):
            until(lives.live, "the cool-down ends", COOLDOWN + 1.0)
        assert not lives.live(), "both addresses rest"
    assert clock.seen() < time.time() - YEAR + 60, "and it was shown another time"
