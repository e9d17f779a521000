"""POST one JSON text, over TCP, TLS or a unix socket, one connection each."""

import asyncio
import ssl
from urllib.parse import urlsplit

MAX_ANSWER = 1024 * 1024


class Target:
    """http://HOST[:PORT]/URI, https://..., http://unix:/SOCKET:/URI."""

    def __init__(self, url):
        if not isinstance(url, str) or not url.isprintable() or " " in url:
            raise ValueError("not an address: %r" % (url,))
        scheme, _, rest = url.partition("://")
        if scheme not in ("http", "https") or not rest:
            raise ValueError("not an http or https address: %r" % url)
        self.tls = scheme == "https"
        self.socket = None
        if rest.startswith("unix:"):
            self.socket, _, self.uri = rest[5:].partition(":")
            self.host, self.port, self.authority = "localhost", 0, "localhost"
        else:
            parts = urlsplit(url)
            self.host = parts.hostname
            self.port = parts.port or (443 if self.tls else 80)
            self.uri = parts.path + ("?" + parts.query if parts.query else "")
            self.authority = parts.netloc.rpartition("@")[2]
        if not (self.socket or self.host):
            raise ValueError("no host in address: %r" % url)
        self.uri = self.uri or "/"

    async def connect(self, context):
        if self.socket:
            return await asyncio.open_unix_connection(
                self.socket, limit=MAX_ANSWER)
        return await asyncio.open_connection(
            self.host, self.port, limit=MAX_ANSWER,
            ssl=context if self.tls else None)


def tls_context(ca_file=None, verify=True):
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _read_answer(reader):
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ConnectionError("not an HTTP answer")
        status = int(rest[:3])
        if status != 100:
            break
    headers = [tuple(part.strip() for part in line.split(":", 1))
               for line in lines[1:] if ":" in line]
    names = {name.lower(): value for name, value in headers}
    return status, headers, await _read_body(reader, names)


async def _read_body(reader, names):
    if "chunked" in names.get("transfer-encoding", ""):
        body = b""
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            chunk = await reader.readexactly(size + 2)
            if size == 0:
                return body
            body += chunk[:-2]
    if names.get("content-length", "").isdigit():
        return await reader.readexactly(int(names["content-length"]))
    return await reader.read(MAX_ANSWER)


async def post(url, body, timeout=30.0, context=None, headers=()):
    """Returns (status, headers, body); OSError or TimeoutError if that fails.

    Each call makes a connection of its own.
    """
    target = Target(url)
    lines = ["POST %s HTTP/1.1" % target.uri,
             "Host: %s" % target.authority,
             "User-Agent: gatesim",
             "Content-Type: application/json",
             "Content-Length: %d" % len(body),
             "Connection: close"]
    lines.extend("%s: %s" % header for header in headers)
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    writer = None

    async def exchange():
        nonlocal writer
        reader, writer = await target.connect(context)
        writer.write(head + body)
        await writer.drain()
        return await _read_answer(reader)

    try:
        return await asyncio.wait_for(exchange(), timeout)
    except asyncio.TimeoutError:
        raise TimeoutError("no answer in time") from None
    except (EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise ConnectionError("connection ended early") from error
    finally:
        if writer is not None:
            writer.close()
