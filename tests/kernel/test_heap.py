"""Threads share one arena of the C library's heap, and what is free between what is in use goes back to the kernel."""

import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys, threading
from terway_edge.kernel.heap import prepare

if sys.argv[1] == "one":
    prepare()
together = threading.Barrier(8)

def allocate():
    kept = [bytes(5000) for _ in range(100)]
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
"""


@pytest.mark.parametrize(("how", "is_one"), [("one", True), ("as ever", False)])
def test_threads_share_one_arena(how: str, is_one: bool) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    assert (done.stdout.count("<heap nr=") == 1) == is_one, done.stdout


MAPPED = """
import ctypes, sys
from terway_edge.kernel.heap import prepare

class Info(ctypes.Structure):
    _fields_ = [(str(number), ctypes.c_size_t) for number in range(10)]

def mapped():
    return getattr(libc.mallinfo2(), "3")  # hblks: blocks with a mapping of their own

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
if sys.argv[1] == "prepared":
    prepare()
bytes(1 << 20)  # given back at once: by itself the library would take smaller ones from the heap from now on
before = mapped()
kept = bytes(100_000)
print(mapped() - before)
"""


@pytest.mark.parametrize(("how", "count"), [("prepared", 1), ("as ever", 0)])
def test_large_blocks_leave_no_holes(how: str, count: int) -> None:
    done = subprocess.run([sys.executable, "-c", MAPPED, how], capture_output=True, text=True, check=True)
    assert int(done.stdout) == count


HOLES = """
import sys
from terway_edge.kernel.heap import give_back

def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1])

kept = [bytes(5000) for _ in range(10_000)]  # too large for Python's own allocator, too small for a mapping of its own
kept = kept[::20]
before = resident()
give_back()
print(before - resident())
"""


def test_holes_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 5000, "of some 12,000 pages that held nothing any more"
