"""A WebSocket client from the standard library alone, with the calls that ComfyUI's examples make.

Stands in for the package websocket-client where that is not installed. Speaks ws:// only.
"""
import base64
import os
import socket
import struct
from urllib.parse import urlsplit


class WebSocket:
    def connect(self, url):
        parts = urlsplit(url)
        self.stream = socket.create_connection((parts.hostname, parts.port or 80), timeout=120)
        key = base64.b64encode(os.urandom(16)).decode()
        target = parts.path + ("?" + parts.query if parts.query else "")
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self.stream.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.rest = b""
        while b"\r\n\r\n" not in self.rest:
            self.rest += self._receive()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode())

    def recv(self):
        """The next message: str or bytes."""
        whole, kind = b"", None
        while True:
            first, second = self._take(2)
            opcode, length = first & 15, second & 127
            if length == 126:
                (length,) = struct.unpack(">H", self._take(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._take(8))
            payload = self._take(length)
            if opcode == 8:
                raise ConnectionError("closed")
            if opcode == 9:
                self._send(10, payload)
            if opcode >= 8:
                continue
            kind = kind or opcode
            whole += payload
            if first & 128:
                return whole.decode() if kind == 1 else whole

    def send(self, text):
        self._send(1, text.encode())

    def close(self):
        self._send(8, b"")
        self.stream.close()

    def _send(self, opcode, payload):
        mask = os.urandom(4)
        if len(payload) < 126:
            head = struct.pack(">BB", 128 | opcode, 128 | len(payload))
        else:
            head = struct.pack(">BBH", 128 | opcode, 128 | 126, len(payload))
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self.stream.sendall(head + mask + masked)

    def _take(self, count):
        while len(self.rest) < count:
            self.rest += self._receive()
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def _receive(self):
        received = self.stream.recv(65536)
        if not received:
            raise ConnectionError("the server hung up")
        return received
