"""Opens many connections, asks once on each, and leaves them idle: what does one cost in memory?

Never counts the kernel's buffers, only what is resident in the contestant's processes.
"""

import select
import socket
import ssl
import time

from correctness import TRUSTING
from instances import Instance
from scenarios import OPEN_PATH

SETTLE_SECONDS = 2
QUESTION = f"GET {OPEN_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class ConnectionsLost(Exception):
    """Fewer connections than asked for were alive at the end."""


def connect(port: int, tls: bool) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    # the end of the handshake and the question are two small writes: the second must not wait for the first one's answer
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        connection = TRUSTING.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(QUESTION)
    answer = b""
    while b"}" not in answer:
        part = connection.recv(4096)
        if not part:
            raise ConnectionsLost("closed before its answer")
        answer += part
    if b" 200 " not in answer[:16]:
        raise ConnectionsLost(answer[:60].decode(errors="replace"))
    return connection


def kib_per_connection(instance: Instance, count: int, tls: bool) -> float:
    """Memory with `count` idle connections less memory before, for each connection."""
    # the first connection brings tables that later ones share
    connect(instance.placement.port(tls), tls).close()
    time.sleep(SETTLE_SECONDS / 2)
    before = instance.server.memory_mib()
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            opened.append(connect(instance.placement.port(tls), tls))
        time.sleep(SETTLE_SECONDS)
        after = instance.server.memory_mib()
        lost = sum(closed(connection) for connection in opened)
        if lost:
            raise ConnectionsLost(f"{lost} of {count} were closed")
    except (OSError, ssl.SSLError) as error:
        raise ConnectionsLost(f"after {len(opened)}: {error!r}") from error
    finally:
        for connection in opened:
            connection.close()
    return (after - before) * 1024 / count


def closed(connection: socket.socket) -> bool:
    """Whether the other side has ended it. Session tickets of TLS may lie there unread."""
    watch = select.poll()
    watch.register(connection.fileno(), select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    return bool(watch.poll(0))
