# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.x by bare sockets, for tests that must see and send every octet: requests as bytes, answers taken apart unchanged."""

import dataclasses
import socket

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "proxy-connection")


class Broken(Exception):
    """What came is no HTTP answer, or not a whole one."""


@dataclasses.dataclass
class Reply:
    version: str
    code: int
    reason: str
    fields: list                 # (name, value) as they came, in their order
    body: bytes = b""
    framing: str = "none"        # none, length, chunked, close
    interim: list = dataclasses.field(default_factory=list)  # codes of 1xx answers before it
    rest: bytes = b""            # what came after it until the connection ended

    def all(self, name):
        return [value for have, value in self.fields if have.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def end_to_end(self):
        """The fields but those that speak of this connection alone."""
        named = [word.strip().lower() for value in self.all("connection") for word in value.split(",")]
        return [(name, value) for name, value in self.fields if name.lower() not in HOP_BY_HOP and name.lower() not in named]


class Connection:
    """One connection; what is sent is sent as it is."""

    def __init__(self, port, host="127.0.0.1", source=None, timeout=30, context=None):
        self.socket = socket.create_connection((host, port), timeout=timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        """False at the end."""
        data = self.socket.recv(1 << 18)
        self.buffer += data
        return bool(data)

    def _until(self, mark, what):
        while mark not in self.buffer:
            if not self._more():
                raise Broken(f"the connection ended within {what}: {self.buffer[-200:]!r}")
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def _exactly(self, size, what):
        pieces, have = [self.buffer], len(self.buffer)
        while have < size:
            data = self.socket.recv(min(1 << 20, size - have))
            if not data:
                raise Broken(f"the connection ended after {have} of {size} octets of {what}")
            pieces.append(data)
            have += len(data)
        whole = b"".join(pieces)
        self.buffer = whole[size:]
        return whole[:size]

    def head(self):
        """Status line and fields; the body is left for body()."""
        interim = []
        while True:
            lines = self._until(b"\r\n\r\n", "the head").decode("latin-1").split("\r\n")
            words = lines[0].split(" ", 2)
            if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
                raise Broken(f"no status line: {lines[0]!r}")
            code = int(words[1])
            if code < 200 and code != 101:
                interim.append(code)
                continue
            fields = []
            for line in lines[1:]:
                name, colon, value = line.partition(":")
                if not colon:
                    raise Broken(f"no field: {line!r}")
                fields.append((name, value.strip(" \t")))
            return Reply(words[0], code, words[2] if len(words) > 2 else "", fields, interim=interim)

    def body(self, reply, method):
        """Reads the body that belongs to the head, as RFC 9112 6.3 says where it ends."""
        if method.upper() == "HEAD" or reply.code in (204, 304) or reply.code < 200:
            return reply
        if "chunked" in (reply.get("transfer-encoding") or "").lower():
            reply.framing = "chunked"
            pieces = []
            while size := int(self._until(b"\r\n", "a chunk's size").split(b";")[0], 16):
                pieces.append(self._exactly(size, "a chunk"))
                if self._exactly(2, "a chunk's end") != b"\r\n":
                    raise Broken("a chunk does not end where it says")
            while self._until(b"\r\n", "the trailer"):
                pass
            reply.body = b"".join(pieces)
        elif reply.get("content-length") is not None:
            reply.framing = "length"
            reply.body = self._exactly(int(reply.get("content-length")), "the body")
        else:
            reply.framing = "close"
            reply.body = self.end()
        return reply

    def reply(self, method="GET"):
        return self.body(self.head(), method)

    def end(self):
        """All until the server closes."""
        while self._more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)


def exchange(port, data, method="GET", half_close=False, timeout=30, **where):
    """One request on a connection of its own, which has to be closed by the server: the answer and all that comes after it."""
    with Connection(port, timeout=timeout, **where) as connection:
        try:
            connection.send(data)
            if half_close:
                connection.half_close()
            reply = connection.reply(method)
            reply.rest = connection.end()
        except (ConnectionError, BrokenPipeError) as error:
            raise Broken(repr(error)) from None
        return reply
