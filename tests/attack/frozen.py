"""A trader that freezes itself inside its transaction: `python -m tests.attack.frozen URL KEY PLACE`.

It has the patience of a command, which the database never ends for idling: only the halt itself can.
PLACE is `deciding` (the gate and the account are held, nothing is written) or `committing` (all is written).
Thawed, it says how it ended.
"""

import os
import signal
import sys
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from webapp.domain.market import Quote
from webapp.domain.orders import Proposal, Side
from webapp.domain.policy import Policy
from webapp.extensions import COMMAND_LIMITS, connect_args
from webapp.services import trading
from webapp.services.trading import CycleRequest


def freeze(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


class Freezing:
    """A strategy that falls asleep over its decision."""

    name = "freezing"
    window_seconds = 60

    def __init__(self, place: str) -> None:
        self.place = place

    def decide(self, window: Sequence[Quote], position_qty: Decimal, policy: Policy) -> Proposal | None:
        if self.place == "deciding":
            freeze()
        return Proposal(Side.BUY, Decimal(1), Decimal("0.9"))


def main(url: str, key: str, place: str) -> str:
    engine = create_engine(url, poolclass=NullPool, connect_args=connect_args(COMMAND_LIMITS, "frozen"))
    with Session(engine) as session:
        if place == "committing":
            event.listen(session, "before_commit", freeze)
        try:
            answer = trading.run_cycle(
                session, CycleRequest("SOL-USDC", "test", None, key, "print"), "token:bot", strategy=Freezing(place)
            )
        except SQLAlchemyError as error:
            return f"failed {type(error).__name__}"
    return f"answered {answer.status_code}"


if __name__ == "__main__":
    print(main(*sys.argv[1:]), flush=True)
