#!/usr/bin/python3 -ISE
"""terway-edge CNI shim: the executable of the Python twin on a host. It imports shim.py, which is installed beside it.

Two files, because Python compiles a script anew in every run, but what it imports only once. The answer below is for
a module that is gone, or whose bytecode a power cut has damaged; the agent's next start mends both.
"""

import posix
import sys

DAMAGED = (
    b'{"cniVersion":"1.0.0","code":11,"msg":"the Python module of the terway-edge CNI plugin is missing or damaged",'
    b'"details":"directory terway-edge-python beside the plugin; starting the terway-edge agent installs it anew"}\n'
)

if __name__ == "__main__":
    here = posix.open(__file__, posix.O_PATH)
    sys.path.insert(0, posix.readlink(f"/proc/self/fd/{here}") + "-python")  # the real path: links are followed
    posix.close(here)
    try:
        from shim import main  # type: ignore[import-not-found]
    except Exception:  # noqa: BLE001 - whatever is wrong with a file there, the runtime must get a CNI error
        posix.write(1, DAMAGED)
        posix._exit(1)
    posix._exit(main())  # skips the interpreter's clean-up, 1.7 ms
