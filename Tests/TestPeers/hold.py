"""Opens connections and keeps them, doing as little as it can, until it is killed: what is closed is opened again.

hold.py PORT KIND COUNT SOURCE…: COUNT connections from each source address.
KIND: silent (nothing is sent), hello (half a ClientHello), tls (a whole handshake and then nothing), head (half a
request's head, without TLS).
On standard error: "holding" once all have been tried, then every second how many are open.
"""

import asyncio
import socket
import ssl
import sys

port, kind, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sources = sys.argv[4:]
START = {
    "silent": b"",
    "hello": bytes.fromhex("16030101000100 00fc0303") + bytes(40),
    "tls": b"",
    "head": b"GET /iotgateway/browse HTTP/1.1\r\nHost: localhost\r\nX-A: ",
}
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
opened = 0
tried = 0


async def hold(source):
    global opened, tried
    first = True
    while True:
        writer = None
        isOpen = False
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(source, 0), ssl=context if kind == "tls" else None, limit=4096
            )
            writer.write(START[kind])
            await writer.drain()
            opened, isOpen = opened + 1, True
            if first:
                tried, first = tried + 1, False
            await reader.read()
        except OSError:
            pass
        finally:
            opened -= isOpen
            if writer:
                writer.transport.abort()
        if first:
            tried, first = tried + 1, False
        await asyncio.sleep(0.2)


async def main():
    tasks = [asyncio.ensure_future(hold(source)) for source in sources for _ in range(count)]
    while tried < len(tasks):
        await asyncio.sleep(0.05)
    print("holding", file=sys.stderr, flush=True)
    while True:
        print(f"{opened} open", file=sys.stderr, flush=True)
        await asyncio.sleep(1)


asyncio.run(main())
