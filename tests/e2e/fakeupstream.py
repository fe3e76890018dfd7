# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake in the place of PowerDNS, for what the real one of this distribution cannot be made to do: it records the requests
that the proxy passes on, octet by octet, and answers what the test says.
"""

import contextlib
import dataclasses
import socket
import threading


@dataclasses.dataclass
class Seen:
    """A request as it arrived."""
    line: str
    fields: list   # (name, value)
    body: bytes
    size: int      # of the body; it is not kept where keep_bodies is off
    connection: int

    def all(self, name):
        return [value for have, value in self.fields if have.lower() == name.lower()]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
# What the proxy itself asks, to know whether PowerDNS is there: that is not passed on, and not recorded.
OWN = "pdns-distribute/"
IDENTITY = b'{"type": "Server", "daemon_type": "authoritative", "version": "4.7.3"}'
HERE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(IDENTITY), IDENTITY)
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class FakeUpstream:
    """
    answer: called with what was Seen, gives bytes or pieces of bytes; None ends the connection without an answer. A connection
    is kept until the proxy closes it or an answer has "Connection: close".
    """

    def __init__(self, answer=lambda seen: OK, keep_bodies=True, port=0):
        self.answer = answer
        self.keep_bodies = keep_bodies
        self.seen = []
        self.connections = 0
        self.lock = threading.Lock()
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=200)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.listener.close()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def forget(self):
        with self.lock:
            seen, self.seen = self.seen, []
        return seen

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open.add(connection)
                number = self.connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection, number):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, EOFError), connection, connection.makefile("rb", 1 << 18) as stream:
            while seen := self._read(stream, number):
                if any(agent.startswith(OWN) for agent in seen.all("user-agent")):
                    connection.sendall(HERE)
                    continue
                with self.lock:
                    self.seen.append(seen)
                pieces = self.answer(seen)
                if pieces is None:
                    break
                close = False
                for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                    close |= b"connection: close" in piece[:4096].lower()
                    connection.sendall(piece)
                if close:
                    break
        with self.lock:
            self.open.discard(connection)

    def _read(self, stream, number):
        line = stream.readline()
        if not line:
            return None
        fields = []
        while (field := stream.readline()) not in (b"\r\n", b""):
            name, _, value = field.decode("latin-1").rstrip("\r\n").partition(":")
            fields.append((name, value.strip(" ")))
        seen = Seen(line.decode("latin-1").rstrip("\r\n"), fields, b"", 0, number)
        pieces = []

        def take(size):
            while size:
                piece = stream.read(min(size, 1 << 18))
                if not piece:
                    raise EOFError
                size -= len(piece)
                seen.size += len(piece)
                if self.keep_bodies:
                    pieces.append(piece)
        if seen.all("transfer-encoding"):
            while size := int(stream.readline().split(b";")[0] or b"0", 16):
                take(size)
                stream.readline()
            while stream.readline() not in (b"\r\n", b""):
                pass
        elif seen.all("content-length"):
            take(int(seen.all("content-length")[0]))
        seen.body = b"".join(pieces)
        return seen
