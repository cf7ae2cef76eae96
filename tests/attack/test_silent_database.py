"""A database that says nothing any more, as when the network swallows everything: nobody waits for it for ever."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tests.attack.wire import Proxy
from tests.services.desks import cycle, quote, take
from webapp.domain.errors import Unconfirmed
from webapp.services import books, kill_switch

ADA = "user:ada"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_switch, "ANSWER_SECONDS", 2.0)


@pytest.mark.timeout(120)
def test_halt_that_hears_nothing_is_not_confirmed_and_the_next_one_halts(
    session: Session, through: Engine, proxy: Proxy
) -> None:
    take(session, quote(100))
    cycle(session, "buy", 1, 99)
    for number in (1, 3, 6):
        proxy.cut_at(number, "silent")
        with pytest.raises(Unconfirmed, match="assume trading is ON"):
            kill_switch.halt(through, "silent", ADA)
        assert proxy.disarm()
        assert not kill_switch.state(session).enabled, "not confirmed, but the desk is halted"
        session.rollback()
        assert kill_switch.halt(through, "heard", ADA).orders_canceled == (number == 1)
        kill_switch.release(session.get_bind(), "again", ADA)
    assert books.verify(session).drifts == []


def test_release_that_hears_nothing_is_not_confirmed_and_the_desk_stays_halted(
    session: Session, through: Engine, proxy: Proxy
) -> None:
    kill_switch.halt(session.get_bind(), "a drill", ADA)
    proxy.cut_at(4, "silent")
    with pytest.raises(Unconfirmed, match="look at the switch"):
        kill_switch.release(through, "it is over", ADA)

    assert kill_switch.state(session).enabled
