"""A small HTTP/1.1 server on asyncio: keep-alive, pipelining, chunked bodies,
and the ways to fail that a test wants (close, reset, cut short)."""

import asyncio
import http
import json
import os
import socket
import ssl
import stat
import struct
from urllib.parse import parse_qs, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
_REASONS = {int(status): status.phrase for status in http.HTTPStatus}


class BadRequest(Exception):
    """What came is not HTTP; the connection ends."""


class Request:
    """One request: raw head, exact body."""

    __slots__ = ("head", "method", "target", "path", "version", "headers",
                 "body", "connection", "_names")

    def __init__(self, head, connection):
        self.head = head
        self.connection = connection
        self.body = b""
        lines = head.decode("latin-1").split("\r\n")
        try:
            self.method, self.target, self.version = lines[0].split(" ")
        except ValueError:
            raise BadRequest("request line") from None
        if not self.version.startswith("HTTP/1."):
            raise BadRequest("version")
        self.path = self.target.partition("?")[0]
        self.headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest("header line")
            self.headers.append((name, value.strip(" \t")))
        self._names = {name.lower(): value for name, value in self.headers}

    def header(self, name, default=""):
        """The last header of that (lower-case) name."""
        return self._names.get(name, default)

    @property
    def secure(self):
        return self.connection.secure

    @property
    def query(self):
        """The query arguments, each the last of its name."""
        arguments = parse_qs(urlsplit(self.target).query, True)
        return {name: values[-1] for name, values in arguments.items()}

    @property
    def keep_alive(self):
        wish = self.header("connection").lower()
        if self.version == "HTTP/1.0":
            return "keep-alive" in wish
        return "close" not in wish


class Response:
    """What to send; `fate` replaces it by "drop", "reset" or "cut:BYTES"."""

    __slots__ = ("status", "body", "headers", "fate")

    def __init__(self, status=200, body=b"", headers=(), fate=None):
        self.status = status
        self.body = body
        self.headers = headers
        self.fate = fate

    @classmethod
    def json(cls, value, status=200, **more):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return cls(status, text.encode("utf-8", "replace"), **more)

    def encode(self, keep_alive, head_only=False):
        lines = ["HTTP/1.1 %d %s" % (self.status,
                                     _REASONS.get(self.status, "Status")),
                 "Content-Type: application/json; charset=utf-8",
                 "Content-Length: %d" % len(self.body),
                 "Connection: %s" % ("keep-alive" if keep_alive else "close")]
        lines.extend("%s: %s" % header for header in self.headers)
        head = "\r\n".join(lines) + "\r\n\r\n"
        return head.encode("latin-1") + (b"" if head_only else self.body)


class _Sized:
    """Body reader for Content-Length."""

    def __init__(self, length):
        self.left = length
        self.body = b""

    def feed(self, buffer):
        if len(buffer) < self.left:
            return False
        self.body = bytes(buffer[:self.left])
        del buffer[:self.left]
        return True


class _Chunked:
    """Body reader for Transfer-Encoding: chunked."""

    def __init__(self):
        self.parts = []
        self.left = None            # None: a size line is next
        self.size = 0
        self.trailer = False

    @property
    def body(self):
        return b"".join(self.parts)

    def feed(self, buffer):
        while True:
            if self.trailer or self.left is None:
                end = buffer.find(b"\r\n")
                if end < 0:
                    if len(buffer) > MAX_HEAD:
                        raise BadRequest("chunk line")
                    return False
                line = bytes(buffer[:end])
                del buffer[:end + 2]
                if self.trailer:
                    if not line:
                        return True
                    continue
                self._size_line(line)
                continue
            if len(buffer) < self.left + 2:
                return False
            if buffer[self.left:self.left + 2] != b"\r\n":
                raise BadRequest("chunk end")
            self.parts.append(bytes(buffer[:self.left]))
            del buffer[:self.left + 2]
            self.left = None

    def _size_line(self, line):
        digits = line.split(b";")[0].strip()
        try:
            if not digits or digits[:1] in b"+-" or b"_" in digits:
                raise ValueError
            self.left = int(digits, 16)
        except ValueError:
            raise BadRequest("chunk size") from None
        self.size += self.left
        if self.size > MAX_BODY:
            raise BadRequest("body too large")
        self.trailer = self.left == 0


class Connection(asyncio.Protocol):
    """One client; requests are answered in order, one at a time."""

    def __init__(self, handler, connections):
        self.handler = handler
        self.connections = connections
        self.buffer = bytearray()
        self.transport = None
        self.secure = False
        self.sni = None
        self.request = None
        self.reader = None
        self.task = None
        self.ended = False
        self.watchers = []      # futures that end with the connection

    def connection_made(self, transport):
        self.transport = transport
        tls = transport.get_extra_info("ssl_object")
        self.secure = tls is not None
        self.sni = getattr(tls, "sni", None)
        self.connections.add(self)

    def connection_lost(self, exc):
        self.connections.discard(self)
        self._wake()

    def _wake(self):
        self.ended = True
        for future in list(self.watchers):
            if not future.done():
                future.set_result("lost")

    def data_received(self, data):
        self.buffer += data
        if self.task is None:
            self._pump()
        elif len(self.buffer) > MAX_HEAD:
            self.transport.pause_reading()

    def eof_received(self):
        """A client that shut its half down still gets the answer."""
        self._wake()
        return self.task is not None and not self.secure

    def close(self):
        if self.task is not None:
            self.task.cancel()
        if self.transport is not None:
            self.transport.abort()

    def _pump(self):
        try:
            while self.task is None and not self.transport.is_closing():
                request = self._next_request()
                if request is None:
                    return
                self._dispatch(request)
        except BadRequest as error:
            answer = Response.json({"status": "error", "code": "400",
                                    "message": "bad HTTP: %s" % error}, 400)
            self.transport.write(answer.encode(False))
            self.transport.close()

    def _dispatch(self, request):
        try:
            result = self.handler(request)
        except Exception as error:          # a bug: say so, and go on
            result = self._failed(error)
        if isinstance(result, Response):
            self._send(request, result)
        else:
            self.task = asyncio.get_running_loop().create_task(
                self._finish(request, result))

    @staticmethod
    def _failed(error):
        asyncio.get_running_loop().call_exception_handler(
            {"message": "request handler failed", "exception": error})
        return Response.json({"status": "error", "code": "500",
                              "message": "the server failed"}, 500)

    def _next_request(self):
        if self.reader is None and not self._read_head():
            return None
        if not self.reader.feed(self.buffer):
            if len(self.buffer) > MAX_BODY + MAX_HEAD:
                raise BadRequest("body too large")
            return None
        request, self.request = self.request, None
        request.body, self.reader = self.reader.body, None
        return request

    def _read_head(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > MAX_HEAD:
                raise BadRequest("head too large")
            return False
        head = bytes(self.buffer[:end])
        del self.buffer[:end + 4]
        self.request = Request(head, self)
        if "chunked" in self.request.header("transfer-encoding").lower():
            self.reader = _Chunked()
        else:
            length = self.request.header("content-length", "0")
            if not length.isascii() or not length.isdigit() \
                    or int(length) > MAX_BODY:
                raise BadRequest("content length")
            self.reader = _Sized(int(length))
        if self.request.header("expect").lower() == "100-continue" \
                and not self.buffer:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    async def _finish(self, request, result):
        try:
            response = await result
        except asyncio.CancelledError:
            return
        except Exception as error:
            response = self._failed(error)
        self.task = None
        self._send(request, response)
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._pump()

    def _send(self, request, response):
        if self.transport.is_closing():
            return
        if response.fate == "reset":
            self._reset()
            return
        if response.fate == "drop":
            self.transport.close()
            return
        keep = request.keep_alive and not self.ended
        data = response.encode(keep, request.method == "HEAD")
        if response.fate is not None:           # "cut:BYTES"
            data = data[:int(response.fate.partition(":")[2])]
            keep = False
        self.transport.write(data)
        if not keep:
            self.transport.close()

    def _reset(self):
        sock = self.transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        self.transport.abort()


def tls_context(cert, key):
    """For listen(); connections then know the name the client asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.sni_callback = lambda tls, name, _: setattr(tls, "sni", name)
    return context


class Server:
    """Listening sockets of one handler.

    The handler takes a Request and returns a Response or an awaitable of one.
    """

    def __init__(self, handler):
        self.handler = handler
        self.connections = set()
        self.listeners = []
        self.sockets = []

    def _connection(self):
        return Connection(self.handler, self.connections)

    async def listen(self, address, tls=None):
        """Listens on unix:PATH or HOST:PORT; returns the address in use."""
        loop = asyncio.get_running_loop()
        if address.startswith("unix:"):
            path = address[5:]
            listener = await loop.create_unix_server(
                self._connection, path, backlog=1024, ssl=tls)
            os.chmod(path, 0o666)
            self.sockets.append(path)
        else:
            host, _, port = address.rpartition(":")
            listener = await loop.create_server(
                self._connection, host.strip("[]"), int(port), backlog=1024,
                ssl=tls)
            port = listener.sockets[0].getsockname()[1]
            address = "%s:%d" % (host, port)
        self.listeners.append(listener)
        return address

    def close(self):
        for listener in self.listeners:
            listener.close()
        for connection in list(self.connections):
            connection.close()
        for path in self.sockets:
            try:
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    os.unlink(path)
            except OSError:
                pass
