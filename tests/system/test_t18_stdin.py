"""T18: configurations that are none, by the real shim to the real agent: the right code, soon, and no memory lost."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.system.machine import CONF
from tests.system.pictures import picture

pytestmark = [pytest.mark.root, pytest.mark.slow]

LIMIT = 5.0  # seconds
MEMORY = 32 << 20  # bytes, resident, beside those of an agent at rest
DEEP = 10_000
FULL_SIZE = (1 << 20) - 200  # bytes, a little less than the shim lets through
HEAD = b'{"cniVersion":"1.1.0","name":"terway-edge","type":"terway-edge",'

DECODE, CONFIG, VERSION = 6, 7, 1
STDIN = {
    "nothing": (b"", DECODE),
    "blanks": (b" \n\t", DECODE),
    "half": (CONF.encode()[:-1], DECODE),
    "two": (CONF.encode() * 2, DECODE),
    "no object": (b"[]", DECODE),
    "null": (b"null", DECODE),
    "not UTF-8": (HEAD + b'"x":"\xff\xfe"}', DECODE),
    "UTF-16": (CONF.encode("utf-16"), DECODE),
    "a byte order mark": (b"\xef\xbb\xbf" + CONF.encode(), DECODE),
    "NUL": (CONF.encode() + b"\0", DECODE),
    "NaN": (HEAD + b'"x":NaN}', DECODE),
    "Infinity": (HEAD + b'"x":-Infinity}', DECODE),
    "too large a number": (HEAD + b'"x":1e999}', DECODE),
    "a number of a million digits": (HEAD + b'"x":' + b"9" * FULL_SIZE + b"}", DECODE),
    "deep objects": (HEAD + b'"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", DECODE),
    "deep lists": (HEAD + b'"x":' + b"[" * DEEP + b"]" * DEEP + b"}", DECODE),
    "deep and torn": (b"[" * FULL_SIZE, DECODE),
    "a deep prevResult": (HEAD + b'"prevResult":' + b'{"a":' * 40 + b"1" + b"}" * 41, DECODE),
    "a wide prevResult": (HEAD + b'"prevResult":{"ips":[' + b"1," * 190_000 + b"1]}}", DECODE),
    "many lists": (HEAD + b'"x":[' + b"[]," * (FULL_SIZE // 3 - 99) + b"[]]}", DECODE),
    "many objects": (HEAD + b'"x":[' + b"{}," * (FULL_SIZE // 3 - 99) + b"{}]}", DECODE),
    "duplicate keys, wrong last": (CONF.encode()[:-1] + b',"name":"../x"}', CONFIG),
    "duplicate versions, wrong last": (CONF.encode()[:-1] + b',"cniVersion":"9.9.9"}', VERSION),
    "no name": (b'{"cniVersion":"1.1.0","type":"terway-edge"}', CONFIG),
    "a long name": (HEAD + b'"name":"' + b"x" * (FULL_SIZE - 99) + b'"}', CONFIG),
    "a lone surrogate as name": (HEAD + b'"name":"\\ud800"}', CONFIG),
}
LARGE = [
    HEAD + b'"name":"../x","x":[' + b",".join(b'"%x"' % number for number in range(4 * FULL_SIZE // 9)) + b"]}",
    HEAD + b'"name":"../x","x":[' + b"1.5," * (FULL_SIZE - 99) + b"1]}",
]
"""Of a size that only a GC may have."""
QUIRKS = {
    "duplicate keys, right last": b'{"name":"../x","cniVersion":"9.9.9",' + CONF.encode()[1:],
    "a million bytes that nobody reads": HEAD + b'"x":"' + b"y" * (FULL_SIZE - 99) + b'"}',
}


def most_resident(pid):
    """Bytes."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def call(machine, command, pod, stdin):
    """(exit status, its JSON or None, seconds)"""
    began = time.monotonic()
    argv = [*machine.entry, "--", str(machine.directory / "bin" / "terway-edge")]
    done = subprocess.run(argv, env=machine.shim_environ(command, pod), input=stdin, capture_output=True, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, time.monotonic() - began


def test_t18_a_configuration_that_is_none_is_refused_and_costs_nothing(machine):
    pod, spare = machine.add()[0], machine.new_pod()
    before, resident = picture(machine, pod, spare), most_resident(machine._process.pid)
    for what, (stdin, code) in STDIN.items():
        for command in ("ADD", "CHECK", "DEL"):
            if what.endswith("prevResult"):
                code = DECODE if command != "DEL" else 0
            status, error, seconds = call(machine, command, spare, stdin)
            assert seconds < LIMIT, what
            assert (status, error["code"] if error else 0) == (min(code, 1), code), (what, command, error)
            assert error is None or len(json.dumps(error)) < 1000, what
    for stdin in LARGE:
        status, error, seconds = call(machine, "GC", spare, stdin)
        assert (status, error["code"], seconds < LIMIT) == (1, DECODE, True), error
        assert most_resident(machine._process.pid) - resident < MEMORY
    assert picture(machine, pod, spare) == before
    for what, stdin in QUIRKS.items():
        assert call(machine, "ADD", spare, stdin)[0] == 0, what
        machine.delete(spare)
