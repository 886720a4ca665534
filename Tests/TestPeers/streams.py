"""Many clients of one stream over HTTPS: opens them, takes what comes, and tells on standard error.

A {} in the target is the client's number. Prints "opened N" now and then and "open N" when all are, then every second "bytes N events N" of all of them together, until it is ended.
"""

import base64
import selectors
import socket
import ssl
import sys
import time

_, port, target, count, users, password, authority = sys.argv[:7]
users = users.split(",")
context = ssl.create_default_context(cafile=authority)
selector = selectors.DefaultSelector()
for number in range(int(count)):
    login = base64.b64encode(f"{users[number % len(users)]}:{password}".encode()).decode()
    path = target.replace("{}", str(number))
    plain = socket.create_connection(("127.0.0.1", int(port)), timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = context.wrap_socket(plain, server_hostname="127.0.0.1")
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {login}\r\n\r\n".encode())
    head = client.recv(12)
    if head != b"HTTP/1.1 200":
        print("refused", head, client.recv(65536), file=sys.stderr, flush=True)
        sys.exit(1)
    client.setblocking(False)
    selector.register(client, selectors.EVENT_READ)
    if number % 50 == 49:
        print("opened", number + 1, file=sys.stderr, flush=True)
print("open", count, file=sys.stderr, flush=True)
taken = events = 0
told = time.monotonic()
while True:
    for key, _ in selector.select(0.2):
        try:
            while True:
                piece = key.fileobj.recv(65536)
                if not piece:
                    selector.unregister(key.fileobj)
                    print("closed", file=sys.stderr, flush=True)
                    break
                taken += len(piece)
                events += piece.count(b"event: values")
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
    if time.monotonic() - told >= 1:
        told = time.monotonic()
        print("bytes", taken, "events", events, file=sys.stderr, flush=True)
