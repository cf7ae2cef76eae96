"""A man in the middle: forwards PostgreSQL's protocol, counts the client's messages, and cuts where it is told to."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Literal

from sqlalchemy.engine import URL

Cut = Literal["unsent", "unanswered", "silent"]
"""The connection dies before the server got the message, or after: then it is carried out, and nobody hears of it. Or
it stays, and nothing more comes through it in either direction, as when the network swallows everything.
"""
PORT = 5432
NO_SESSION = {80877102: b"", 80877103: b"N", 80877104: b"N"}
"""First packets that begin no session: a cancel request, and the questions for SSL and GSS, which are declined."""
CHUNK = 65_536


@dataclass(frozen=True)
class Message:
    """One message of a client: on which connection of the proxy's, of what kind, and how it begins."""

    connection: int
    kind: str
    text: str

    @property
    def writes(self) -> bool:
        """Whether it would change a row of the desk's own tables."""
        return self.kind == "Q" and self.text.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE", "COPY"))


@dataclass
class Connection:
    """Both ends of one forwarded connection."""

    number: int
    client: socket.socket
    server: socket.socket
    muted: bool = False
    over: bool = False
    """Whether the server has closed its end, which it does when the transaction is over, one way or the other."""

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Proxy:
    """A Unix socket in ``folder`` that leads to ``server``, until :meth:`close`."""

    server: URL
    folder: Path
    messages: list[Message] = field(default_factory=list)
    fired: bool = False
    _left: int = 0
    _how: Cut = "unsent"
    _lock: Lock = field(default_factory=Lock)
    _connections: list[Connection] = field(default_factory=list)
    _threads: list[Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.folder / f".s.PGSQL.{PORT}"))
        self._listening.listen(64)
        self._start(self._accept)

    @property
    def url(self) -> URL:
        """The way to the server's database through this proxy."""
        return self.server.set(port=PORT, query={"host": str(self.folder)})

    def cut_at(self, number: int, how: Cut) -> None:
        """Cut the connection at the message of that number from now on, counted over all connections, once."""
        with self._lock:
            self._left, self._how, self.fired = number, how, False

    def disarm(self) -> bool:
        """Cut nothing more; whether it did."""
        with self._lock:
            self._left = 0
            return self.fired

    @property
    def quiet(self) -> bool:
        """Whether every connection there ever was is over."""
        return all(connection.over for connection in list(self._connections))

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self._connections):
            connection.close()
        for thread in list(self._threads):
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> None:
        thread = Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = self._dial()
            except OSError:
                client.close()
                continue
            connection = Connection(len(self._connections), client, server)
            self._connections.append(connection)
            self._start(self._forward, connection)

    def _dial(self) -> socket.socket:
        host = self.server.query.get("host") or self.server.host or "localhost"
        port = self.server.port or 5432
        if not str(host).startswith("/"):
            return socket.create_connection((str(host), port))
        dialled = socket.socket(socket.AF_UNIX)
        try:
            dialled.connect(f"{host}/.s.PGSQL.{port}")
        except OSError:
            dialled.close()
            raise
        return dialled

    def _forward(self, connection: Connection) -> None:
        """The client's half, message by message; the server's half is a thread of its own."""
        back = Thread(target=_answer, args=(connection,), daemon=True)
        back.start()
        try:
            with connection.client.makefile("rb") as stream:
                self._forward_messages(connection, stream)
        except OSError:
            pass
        finally:
            with suppress(OSError):
                connection.client.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                connection.server.shutdown(socket.SHUT_WR)  # it finishes what it has, and then reads the end
            back.join()
            connection.client.close()
            connection.server.close()
            connection.over = True

    def _forward_messages(self, connection: Connection, stream: object) -> None:
        for kind, raw in _messages(stream, connection.client):
            text = raw[5:205].rstrip(b"\0").decode(errors="replace") if kind == "Q" else ""
            with self._lock:
                self.messages.append(Message(connection.number, kind, text))
                cut = self._count(kind)
                connection.muted = cut
            if cut and self._how == "silent":
                connection.client.recv(1, socket.MSG_PEEK)  # until the client gives up
            if cut and self._how != "unanswered":
                return
            connection.server.sendall(raw)
            if cut:
                return

    def _count(self, kind: str) -> bool:
        """Whether the cut is due at this message. A goodbye is none: what it ends is over already."""
        if self._left == 0 or kind == "X":
            return False
        self._left -= 1
        self.fired = self._left == 0
        return self.fired


def _messages(stream: object, client: socket.socket) -> Iterator[tuple[str, bytes]]:
    """Kind and bytes of each whole message; the first of a connection has no kind, and is called S here."""
    while True:
        head = _read(stream, 8)
        length, code = struct.unpack("!II", head)
        body = _read(stream, length - 8)
        if code not in NO_SESSION:
            yield "S", head + body
            break
        if not NO_SESSION[code]:
            yield "C", head + body
            return
        client.sendall(NO_SESSION[code])
    while True:
        head = _read(stream, 5)
        kind, length = struct.unpack("!cI", head)
        yield kind.decode(), head + _read(stream, length - 4)


def _read(stream: object, count: int) -> bytes:
    found: bytes = stream.read(count)  # type: ignore[attr-defined]
    if len(found) < count:
        raise ConnectionResetError
    return found


def _answer(connection: Connection) -> None:
    """The server's half, as it comes. When the server is gone, so is the client's connection."""
    try:
        while data := connection.server.recv(CHUNK):
            if not connection.muted:
                connection.client.sendall(data)
    except OSError:
        pass
    with suppress(OSError):
        connection.client.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy_to(server: URL, folder: Path) -> Iterator[Proxy]:
    """A proxy for as long as the block lasts."""
    folder.mkdir(exist_ok=True)
    proxy = Proxy(server, folder)
    try:
        yield proxy
    finally:
        proxy.close()
