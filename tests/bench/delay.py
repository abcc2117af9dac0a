"""A network with a delay: bytes are passed on to another address, and back, each after half a round trip. There is no netem
on a machine whose kernel has none."""

import asyncio
import os
import signal
import socket
import sys
import time


class Delay:
    """Doors that lead to other addresses, served by a process of their own until `close`."""

    def __init__(self, round_trip, doors):
        """Opens doors, a map of the (address, port) to listen at to the one behind; `round_trip` is in seconds."""
        listeners = [(listen(door), behind) for door, behind in doors.items()]
        self.process = os.fork()
        if self.process == 0:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            asyncio.run(serve(listeners, round_trip / 2))
        for listener, _ in listeners:
            listener.close()

    def close(self):
        os.kill(self.process, signal.SIGTERM)
        os.waitpid(self.process, 0)


def listen(door):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(door)
    listener.listen(512)
    listener.setblocking(False)
    return listener


async def serve(listeners, delay):
    servers = [await serve_door(listener, behind, delay) for listener, behind in listeners]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def serve_door(listener, behind, delay):
    async def handle(reader, writer):
        there_reader, there_writer = await asyncio.open_connection(*behind)
        await asyncio.gather(pass_on(reader, there_writer, delay), pass_on(there_reader, writer, delay))

    return await asyncio.start_server(handle, sock=listener)


async def pass_on(reader, writer, delay):
    loop = asyncio.get_running_loop()
    while True:
        try:
            chunk = await reader.read(1 << 16)
        except OSError:
            chunk = b""
        if not chunk:
            loop.call_later(delay, writer.close)
            return
        if delay:
            loop.call_later(delay, writer.write, chunk)
        else:
            writer.write(chunk)


def wait_for_port(port):
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens at port {port}")
