"""`python -m terway_edge.lab.relay NETNS ADDRESS PORT HOST PORT`: takes connections in a namespace, and passes on what
they carry to a server that the host reaches. Says `ready` once it listens."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

from terway_edge.lab.sockets import socket_in

CHUNK = 64 << 10  # octets


async def relay(listening: socket.socket, host: str, port: int) -> None:
    """Never returns."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(host, port)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        writer.close()

    server = await asyncio.start_server(accept, sock=listening)
    print("ready", flush=True)
    await server.serve_forever()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until one side ends."""
    with suppress(OSError):
        while piece := await source.read(CHUNK):
            target.write(piece)
            await target.drain()
    target.close()


def main(netns: str, address: str, port: str, host: str, target: str) -> None:
    listening = socket_in(netns, socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, int(port)))
    listening.listen()
    asyncio.run(relay(listening, host, int(target)))


if __name__ == "__main__":
    main(*sys.argv[1:])
