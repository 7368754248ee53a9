#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Forward a TCP port of this host, each way after a delay.

Usage: delay-proxy.py LISTEN-PORT TARGET-PORT MILLISECONDS

Bandwidth is not limited: only the time of flight is added, as a network
would.  Runs until killed.
"""

import collections
import socket
import sys
import threading
import time

listen, target = int(sys.argv[1]), int(sys.argv[2])
delay = float(sys.argv[3]) / 1000


def pump(a, b):
    """Copy from a to b; each chunk leaves DELAY after it came."""
    queue = collections.deque()
    cond = threading.Condition()

    def sender():
        while True:
            with cond:
                while not queue:
                    cond.wait()
                due, data = queue.popleft()
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                if not data:
                    b.shutdown(socket.SHUT_WR)
                    return
                b.sendall(data)
            except OSError:
                return

    threading.Thread(target=sender, daemon=True).start()
    while True:
        try:
            data = a.recv(1 << 18)
        except OSError:
            data = b""
        with cond:
            queue.append((time.monotonic() + delay, data))
            cond.notify()
        if not data:
            return


server = socket.create_server(("127.0.0.1", listen))
while True:
    a, _ = server.accept()
    b = socket.create_connection(("127.0.0.1", target))
    for s in a, b:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=pump, args=(a, b), daemon=True).start()
    threading.Thread(target=pump, args=(b, a), daemon=True).start()
