"""Connects, does a whole TLS handshake and closes, as fast as it can, from several processes, until it is killed.

handshakes.py PORT SOURCE PROCESSES. On standard error: "flooding", and at its end how many handshakes there were and how many failed.
"""

import multiprocessing
import signal
import socket
import ssl
import sys

port, source, processes = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def flood(done, failed, stop):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    while not stop.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), 10, (source, 0)) as bare:
                context.wrap_socket(bare).close()
            with done.get_lock():
                done.value += 1
        except OSError:
            with failed.get_lock():
                failed.value += 1


if __name__ == "__main__":
    # The parent alone hears of the end.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    done, failed = multiprocessing.Value("l", 0), multiprocessing.Value("l", 0)
    stop = multiprocessing.Event()
    workers = [multiprocessing.Process(target=flood, args=(done, failed, stop), daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    print("flooding", file=sys.stderr, flush=True)
    signal.sigwait({signal.SIGTERM})
    stop.set()
    for worker in workers:
        worker.join()
    print(f"{done.value} handshakes, {failed.value} failed", file=sys.stderr, flush=True)
