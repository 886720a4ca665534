"""Forwards TCP connections so that they come to the server from another address of this machine, until it is killed.

relay.py PORT TARGET SOURCE: ports of 127.0.0.1. What one side does not read is not read from the other: it holds 4 KiB
and small buffers of the kernel.
"""

import asyncio
import socket
import sys

port, target = int(sys.argv[1]), int(sys.argv[2])
source = sys.argv[3]


async def pump(reader, writer):
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def serve(near_reader, near):
    ends = [near]
    try:
        bare = socket.socket()
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bare.setblocking(False)
        bare.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(bare, ("127.0.0.1", target))
        far_reader, far = await asyncio.open_connection(sock=bare, limit=4096)
        ends.append(far)
        for end in ends:
            end.transport.set_write_buffer_limits(high=0)
        ways = [asyncio.ensure_future(pump(near_reader, far)), asyncio.ensure_future(pump(far_reader, near))]
        # A server that has closed has done so for good; a client may still read.
        await asyncio.wait([ways[1]])
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    except OSError:
        pass
    finally:
        for end in ends:
            end.transport.abort()


async def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    listener.bind(("127.0.0.1", port))
    server = await asyncio.start_server(serve, sock=listener, limit=4096, backlog=1024)
    print("relaying", file=sys.stderr, flush=True)
    await server.serve_forever()


asyncio.run(main())
