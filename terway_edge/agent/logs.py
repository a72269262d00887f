"""Log lines on stderr: for people, or one JSON object per line. Nobody waits for them, or fails because of them."""

from __future__ import annotations

import json
import logging
import os
import select
import time

STDERR = 2


class JsonFormatter(logging.Formatter):
    """`time` in UTC, `level`, `logger`, `thread`, `message`, and `error` with the traceback if there is one."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


class TextFormatter(logging.Formatter):
    """One line, and a traceback indented below it; control characters of foreign text cannot forge another one."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage().translate(_CONTROL)
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        line = f"{stamp}.{int(record.msecs):03d}Z {record.levelname:<7} {record.threadName}: {text}"
        return line + _indented(self.formatException(record.exc_info)) if record.exc_info else line


def _indented(traceback: str) -> str:
    """A traceback below its line; an error's own text may hold anything, so every line of it is set off."""
    return "".join(f"\n    {line.translate(_CONTROL)}" for line in traceback.split("\n"))


# C0, DEL and C1, and the two of Unicode that end a line; surrogates are what was no UTF-8.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_CONTROL |= {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0xD800, 0xE000))}


class LossyHandler(logging.Handler):
    """Writes each line at once or not at all: a disk that is full, a pipe that is closed or whose reader is stuck must
    not hold up a pod. What is lost is counted, and told before the next line that gets through."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        self._lost = 0
        self._is_cut = False
        """Part of a line is out, without its end."""

    def emit(self, record: logging.LogRecord) -> None:
        lines = [record] if not self._lost else [_loss(self._lost), record]
        text = "".join(f"{self.format(line)}\n" for line in lines)
        data = (f"\n{text}" if self._is_cut else text).encode(errors="backslashreplace")
        left = self._write(memoryview(data))
        self._is_cut = self._is_cut if left == len(data) else left > 0
        self._lost = self._lost + 1 if left else 0

    def _write(self, data: memoryview) -> int:
        """Bytes that could not be written without waiting."""
        while data and self._ready.poll(0):
            try:
                # A pipe that is ready takes so many bytes without blocking (POSIX, "poll" and "write").
                data = data[os.write(self._descriptor, data[: select.PIPE_BUF]) :]
            except OSError:
                break
        return len(data)


def _loss(lines: int) -> logging.LogRecord:
    told = "%d lines of this log are lost: they could not be written"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, told, (lines,), None)


def set_up(level: str, form: str) -> None:
    handler = LossyHandler(STDERR)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
