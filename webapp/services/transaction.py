"""The frame of every use case."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from webapp.models.locks import GATE, TURN

_ENTER = """
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(:turn)) SELECT pg_advisory_xact_lock_shared(:gate) FROM turn
"""


@contextmanager
def transaction(session: Session) -> Iterator[Session]:
    """One transaction: committed at the end of the block, rolled back when it raises.

    A page may have read through the session before; that reading transaction is ended first, so that the use case sees
    the database as it is now. Raises RuntimeError when there are unsaved objects, which ending it would lose.
    """
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("a use case cannot begin in a session with unsaved changes")
    session.rollback()
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise


def enter_gate(session: Session) -> None:
    """Wait for one's turn to change the book, then take the trading gate, shared; both until the transaction ends.

    The turn is the book's mutex. Whoever waits for it waits outside the gate, so that a halt, which takes the gate
    exclusively and knows of no turns, waits for one trade and not for a queue of them. Advisory locks queue fairly, row
    locks do not. What they protect must be read in a later statement, because a statement sees the database as it was
    when it began, not as it is once a lock is granted.
    """
    session.execute(text(_ENTER), {"turn": TURN, "gate": GATE})


@contextmanager
def one_moment(session: Session) -> Iterator[None]:
    """A transaction that cannot write and in which every read sees the same moment; it locks nobody out."""
    session.rollback()
    try:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield
    finally:
        session.rollback()


def database_now(database: Session | Connection) -> datetime:
    """The database's clock, which is the one that ages are measured by."""
    now: datetime = database.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now
