# SPDX-License-Identifier: GPL-3.0-or-later
"""A minimal NATS client for tests: enough of the protocol to look into streams and to plant false messages in them.

It is no client to build on: one socket, blocking, no reconnect. The suite itself uses nats.c.
"""

import json
import secrets
import socket
import time


class NatsError(Exception):
    pass


class Message:
    def __init__(self, subject, reply, headers, payload, status=None):
        self.subject = subject
        self.reply = reply
        self.headers = headers
        self.payload = payload
        self.status = status  # "404 No Messages" of a header-only answer


def parse_headers(block):
    """Headers of a NATS/1.0 block as a list of pairs, and the status text of its first line."""
    lines = block.decode("utf-8", "replace").split("\r\n")
    status = lines[0][len("NATS/1.0"):].strip() or None
    pairs = []
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            pairs.append((name, value.strip()))
    return pairs, status


class Nats:
    def __init__(self, host, port, user=None, password=None, timeout=5.0, inbox_prefix="_INBOX"):
        self.timeout = timeout
        self.errors = []
        self.waiting = []
        self.next_sid = 1
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.buffer = b""
        self.info = json.loads(self._line()[len(b"INFO "):])
        options = {"verbose": False, "pedantic": False, "name": "tests", "lang": "python", "version": "0",
                   "protocol": 1, "headers": True, "no_responders": True}
        if user:
            options.update(user=user, **{"pass": password})
        self._send(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        self.inbox = f"{inbox_prefix}.{secrets.token_hex(8)}"
        self.flush()
        self.inbox_sid = self.subscribe(self.inbox + ".*")
        self.flush()
        if self.errors:
            raise NatsError(self.errors[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _send(self, data):
        self.socket.sendall(data)

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise NatsError("connection closed: " + "; ".join(self.errors))
        self.buffer += data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _exactly(self, size):
        while len(self.buffer) < size + 2:
            self._more()
        data, self.buffer = self.buffer[:size], self.buffer[size + 2:]
        return data

    def _step(self):
        """Reads one protocol line; returns (kind, message or None)."""
        line = self._line()
        word, _, rest = line.partition(b" ")
        word = word.upper()
        if word == b"PING":
            self._send(b"PONG\r\n")
        elif word == b"-ERR":
            self.errors.append(rest.decode().strip("'"))
        elif word in (b"MSG", b"HMSG"):
            fields = rest.decode().split()
            total = int(fields.pop())
            header_size = int(fields.pop()) if word == b"HMSG" else 0
            reply = fields[2] if len(fields) > 2 else None
            data = self._exactly(total)
            headers, status = parse_headers(data[:header_size]) if header_size else ([], None)
            self.waiting.append((int(fields[1]), Message(fields[0], reply, headers, data[header_size:], status)))
        return word

    def flush(self):
        """Waits until the server has handled everything that was sent; refusals are then in .errors."""
        self.socket.settimeout(self.timeout)
        self._send(b"PING\r\n")
        while self._step() != b"PONG":
            pass

    def subscribe(self, subject):
        sid = self.next_sid
        self.next_sid += 1
        self._send(f"SUB {subject} {sid}\r\n".encode())
        return sid

    def next(self, sid, timeout):
        """Next message of a subscription; TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            for index, (of, message) in enumerate(self.waiting):
                if of == sid:
                    del self.waiting[index]
                    return message
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no message: " + "; ".join(self.errors))
            self.socket.settimeout(left)
            self._step()

    def publish(self, subject, payload=b"", headers=None, reply=""):
        if headers is None:
            self._send(f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n")
            return
        pairs = headers.items() if isinstance(headers, dict) else headers
        block = ("NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in pairs) + "\r\n").encode()
        self._send(f"HPUB {subject} {reply} {len(block)} {len(block) + len(payload)}\r\n".encode()
                   + block + payload + b"\r\n")

    def request(self, subject, payload=b"", headers=None, timeout=None):
        reply = f"{self.inbox}.{secrets.token_hex(6)}"
        self.publish(subject, payload, headers, reply)
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            message = self.next(self.inbox_sid, deadline - time.monotonic())
            if message.subject == reply or message.reply:
                return message

    # JetStream

    def api(self, subject, question=None):
        answer = self.request("$JS.API." + subject, json.dumps(question).encode() if question is not None else b"")
        if answer.status:
            raise NatsError(f"{subject}: {answer.status}")
        value = json.loads(answer.payload)
        if "error" in value:
            raise NatsError(f"{subject}: {value['error'].get('description')}")
        return value

    def store(self, subject, payload=b"", headers=None):
        """Publishes into a stream; the sequence it got."""
        answer = self.request(subject, payload, headers)
        if answer.status:
            raise NatsError(f"{subject}: {answer.status}")
        value = json.loads(answer.payload)
        if "error" in value:
            raise NatsError(value["error"].get("description"))
        return value["seq"]

    def last(self, stream, subject):
        """Newest message on a subject, or None."""
        answer = self.request(f"$JS.API.DIRECT.GET.{stream}.{subject}")
        if answer.status:
            if answer.status.startswith("404"):
                return None
            raise NatsError(f"{stream}: {answer.status}")
        return answer
