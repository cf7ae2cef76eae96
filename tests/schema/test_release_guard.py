"""The switch is released together with the event that says so, or not at all; a halt is never refused."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from tests.schema.test_kill_switch_guard import SWITCH, refused, turn

STATE = "PD409"
RELEASED = "UPDATE kill_switch SET enabled = false, event_id = :id"
EVENT = "INSERT INTO kill_switch_events (event_id, enabled) VALUES (:id, :on)"
"""What a release writes, in two statements."""


def turn_to(connection: Connection, on: bool, *statements: str) -> UUID:
    """One flip by these statements, of one event."""
    event_id = uuid4()
    for statement in statements:
        connection.execute(text(statement), {"id": event_id, "on": on})
    return event_id


def is_halted(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.execute(text("SELECT enabled FROM kill_switch")).scalar_one()


@pytest.mark.parametrize("role", ["origin", "replica"])
@pytest.mark.parametrize(
    "statements",
    [(SWITCH,), (RELEASED,), (SWITCH, EVENT), (RELEASED, EVENT.replace(":on", "true"))],
    ids=["nothing said", "of no event", "event not named", "event of a halt"],
)
def test_release_without_its_event_is_refused_at_commit(engine: Engine, statements: tuple[str, ...], role: str) -> None:
    turn(engine, True)
    with refused(STATE), engine.begin() as connection:
        connection.execute(text(f"SET LOCAL session_replication_role = {role}"))
        turn_to(connection, False, *statements)
    assert is_halted(engine)


@pytest.mark.parametrize("statements", [(RELEASED, EVENT), (EVENT, RELEASED)], ids=["row first", "event first"])
def test_release_with_its_event_passes_in_either_order_also_within_a_savepoint(
    engine: Engine, statements: tuple[str, ...]
) -> None:
    turn(engine, True)
    with engine.begin() as connection, connection.begin_nested():
        turn_to(connection, False, *statements)
    assert not is_halted(engine)


def test_event_of_an_older_release_is_none_of_this_one(engine: Engine) -> None:
    turn(engine, True)
    with engine.begin() as connection:
        event_id = turn_to(connection, False, RELEASED, EVENT)
    turn(engine, True)
    with refused(STATE), engine.begin() as connection:
        connection.execute(text(RELEASED), {"id": event_id})
    assert is_halted(engine)


def test_row_put_in_released_without_an_event_is_refused_as_well(engine: Engine) -> None:
    turn(engine, None)
    with refused(STATE), engine.begin() as connection:
        connection.execute(text("INSERT INTO kill_switch (id, enabled) VALUES (1, false)"))


def test_halt_by_hand_needs_no_event(engine: Engine) -> None:
    turn(engine, True)
    assert is_halted(engine)


def test_without_its_trigger_a_release_by_hand_would_pass(engine: Engine) -> None:
    turn(engine, True)
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER require_release_event ON kill_switch"))
    turn(engine, False)
    assert not is_halted(engine)
