"""Sends a request over TLS with one byte in each record, for as long as the server takes it.

records.py PORT SOURCE BYTES: a POST with so large a body. Prints the status of the answer, or what became of the connection.
"""

import socket
import ssl
import sys

port, source, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 60, (source, 0))) as connection:
    head = f"POST /iotgateway/read HTTP/1.1\r\nHost: localhost\r\nAuthorization: {sys.argv[4]}\r\nContent-Length: {size}\r\n\r\n"
    try:
        connection.sendall(head.encode())
        for _ in range(size):
            connection.send(b" ")
    except OSError:
        pass
    try:
        print(connection.recv(4096).split(b"\r\n")[0].decode() or "closed")
    except OSError as error:
        print(type(error).__name__)
