"""A process that trades as fast as it can: ``python -m tests.proof.writer URL NUMBER``, until its input is closed.

A process and not a thread, so that what a halt waits for is the database and not the interpreter. It says `ready`, and
at the end how many cycles were accepted, how many refused by the switch, and how often its connection was ended.
"""

import select
import sys
from collections import Counter
from uuid import uuid4

from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tests.services.desks import BTC, SOL, cycle

SYMBOLS = (SOL, BTC)


def told_to_stop() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def trade_until_told(url: str, number: int) -> Counter[str]:
    """Buys and sells by turns, now and then one that rests far away; every third one carries a key."""
    engine = create_engine(url, pool_size=1, pool_pre_ping=True, connect_args={"options": "-c TimeZone=UTC"})
    seen: Counter[str] = Counter()
    symbol = SYMBOLS[number % 2]
    while not told_to_stop():
        turn = sum(seen.values())
        key = uuid4().hex if turn % 3 == 0 else None
        try:
            with Session(engine) as session:
                limit = 1 if turn % 7 == 4 else None
                answer = cycle(session, ("buy", "sell")[turn % 2], 1, limit, symbol=symbol, key=key)
        except OperationalError:
            seen["cut"] += 1
            continue
        seen[{202: "accepted", 423: "halted"}.get(answer.status_code, "blocked")] += 1
    engine.dispose()
    return seen


if __name__ == "__main__":
    print("ready", flush=True)
    found = trade_until_told(sys.argv[1], int(sys.argv[2]))
    print(found["accepted"], found["halted"], found["blocked"], found["cut"], flush=True)
