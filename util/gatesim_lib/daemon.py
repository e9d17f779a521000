"""What both programs do around their work: listen, tell, wait, clean up."""

import asyncio
import os
import signal

from .httpd import Server


def write_ready(path, addresses):
    """Atomically, so that whoever sees the file sees all of it."""
    temporary = "%s.%d" % (path, os.getpid())
    with open(temporary, "w", encoding="utf-8") as file:
        for address in addresses:
            file.write(address.removeprefix("unix:") + "\n")
    os.rename(temporary, path)


async def serve(handler, addresses, ready_file):
    """Serves until SIGTERM or SIGINT.

    `addresses` are pairs of an address and a TLS context or None.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(handler)
    try:
        bound = [await server.listen(address, tls)
                 for address, tls in addresses]
        if ready_file:
            write_ready(ready_file, bound)
        for address in bound:
            print("listening on %s" % address, flush=True)
        await stop.wait()
    finally:
        server.close()
