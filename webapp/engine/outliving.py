"""What a thread that watches does about an error: it says so and goes on, to try again at its next turn."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError
from structlog.stdlib import BoundLogger

from webapp.domain.errors import DomainError
from webapp.services.leadership import Fenced


@contextmanager
def outliving(log: BoundLogger, event: str) -> Iterator[None]:
    """End the block at an error and log it as ``event``: what was foreseen in a line, anything else with its stack.

    A thread that died would look like an engine that lives, or like a desk without a reason to halt.
    """
    try:
        yield
    except (SQLAlchemyError, DomainError, Fenced) as error:
        log.warning(event, error=str(error).partition("\n")[0])
    except Exception:  # nobody foresaw it, and still it must not end the watch
        log.exception(event)
