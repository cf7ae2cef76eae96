"""A bound on this side of the wire. The server's own timeouts end what is slow; they do not help when the server, or
the network on the way to it, has gone silent.
"""

import os
import socket
from contextlib import suppress
from threading import Timer
from typing import Any

from sqlalchemy import Engine, event

CLOCK = "deadline"


def bound(engine: Engine, seconds: float) -> Engine:
    """The engine, each of whose connections is hung up on that long after it was made.

    Whoever waits for an answer on it then gets an OperationalError, and the server rolls back what was not committed.
    """
    # First of all listeners: the questions an engine asks on its first connection may stay unanswered, too.
    event.listen(engine, "connect", lambda connection, record: _start(connection, record, seconds), insert=True)
    event.listen(engine, "close", _stop)
    return engine


def _start(connection: Any, record: Any, seconds: float) -> None:
    line = socket.socket(fileno=os.dup(connection.fileno()))
    clock = Timer(seconds, _hang_up, [line])
    clock.daemon = True
    clock.start()
    record.info[CLOCK] = clock, line


def _stop(_connection: Any, record: Any) -> None:
    clock, line = record.info.pop(CLOCK)
    clock.cancel()
    line.close()


def _hang_up(line: socket.socket) -> None:
    with line, suppress(OSError):  # it is over already
        line.shutdown(socket.SHUT_RDWR)
