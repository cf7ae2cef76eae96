"""The declarative base: plain SQLAlchemy, so that the engine process and the tests need no Flask.

Every constraint has a name, because a migration can only drop what it can name.
"""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, DateTime, MetaData, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Decimal without further notice is money or a quantity: NUMERIC(18,8)."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, TypeEngine[Any]]] = {
        Decimal: Numeric(18, 8),
        dict[str, Any]: JSONB(),
        datetime: DateTime(timezone=True),
        str: Text(),
        int: BigInteger(),
        uuid.UUID: Uuid(),
    }


def not_nan(*columns: str) -> CheckConstraint:
    """NaN sorts above every number, so `x > 0` and `ask >= bid` let it in: refuse it by name."""
    return CheckConstraint(" AND ".join(f"{column} <> 'NaN'::numeric" for column in columns), name="not_nan")


def one_of(column: str, *values: str) -> CheckConstraint:
    """The listed values of a text column, and no other."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def only_row(column: str) -> CheckConstraint:
    """A table that holds the current state of one thing has one row, numbered 1."""
    return CheckConstraint(f"{column} = 1", name="only_row")
