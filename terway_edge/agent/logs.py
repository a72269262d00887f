"""Log lines on stderr: for people, or one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
import time


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


def set_up(level: str, form: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
