"""No more filled than was ordered, by anybody; where a self check goes on; since when the starting cash is what it is.

The guards are statement triggers: a COPY of many fills costs two lookups an order. Their plans are made once a session
and must serve however the tables grow, so they always go by index. They fire after `keep_audit_chain`, by name, which
has taken the lock on the chain's head until the transaction ends: two transactions that fill the same order come here
one after the other, and the second sees what the first did.

An order moves along the same steps as in the code: only an approved one can be executed or canceled.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STEPS = (
    ("proposed", "approved"),
    ("proposed", "rejected"),
    ("approved", "executed"),
    ("approved", "canceled"),
)
STEPS_BEFORE = (*STEPS, ("proposed", "executed"), ("proposed", "canceled"))

# A canceled order that nobody recorded as canceled is another program's, and its fills may be told after it. Within one
# transaction the order of statements tells nothing: a whole life of an order may be written in any order.
WITHIN_ORDERS = """
    DECLARE
        bad record;
    BEGIN
        SELECT o.order_id, o.status, o.qty, filled.qty AS filled INTO bad
        FROM (SELECT DISTINCT order_id FROM new_rows) n
        JOIN public.orders o USING (order_id)
        CROSS JOIN LATERAL (SELECT sum(f.qty) AS qty FROM public.fills f WHERE f.order_id = o.order_id) filled
        WHERE filled.qty > o.qty OR o.status = 'rejected' OR (o.status = 'canceled' AND EXISTS (
            SELECT FROM public.order_transitions t WHERE t.order_id = o.order_id AND t.to_status = 'canceled'
            AND t.xmin <> pg_current_xact_id()::xid))
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'order %: a fill is refused, it is % and % of % are filled with it',
                bad.order_id, bad.status, bad.filled, bad.qty
                USING ERRCODE = 'PD409', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
        END IF;
        RETURN NULL;
    END"""
ONCE_A_QUOTE = """
    DECLARE
        bad record;
    BEGIN
        SELECT f.order_id, r.tick_id INTO bad
        FROM new_rows r JOIN public.fills f USING (fill_id)
        JOIN public.fills other ON other.order_id = f.order_id AND other.fill_id <> f.fill_id
        JOIN public.fill_receipts its ON its.fill_id = other.fill_id AND its.tick_id = r.tick_id
        LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'order %: quote % has filled it already', bad.order_id, bad.tick_id
                USING ERRCODE = 'PD409', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
        END IF;
        RETURN NULL;
    END"""
GUARDS = (
    ("fills", "keep_within_orders", WITHIN_ORDERS),
    ("fill_receipts", "keep_once_a_quote", ONCE_A_QUOTE),
)


def order_change(steps: tuple[tuple[str, str], ...]) -> str:
    listed = ", ".join(f"('{before}', '{after}')" for before, after in steps)
    return f"""
        CREATE OR REPLACE FUNCTION public.guard_order_change() RETURNS trigger LANGUAGE plpgsql VOLATILE
        SET search_path = pg_catalog, public, pg_temp AS $body$
        BEGIN
            IF to_jsonb(OLD) - '{{status,risk_reason}}'::text[]
                    IS DISTINCT FROM to_jsonb(NEW) - '{{status,risk_reason}}'::text[]
                OR (OLD.status = NEW.status AND OLD.risk_reason IS DISTINCT FROM NEW.risk_reason) THEN
                RAISE EXCEPTION 'order %: only its state may change, and the reason with it', OLD.order_id
                    USING ERRCODE = 'PD001', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
            END IF;
            IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN ({listed}) THEN
                RAISE EXCEPTION 'order %: % cannot become %', OLD.order_id, OLD.status, NEW.status
                    USING ERRCODE = 'PD409', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
            END IF;
            RETURN NEW;
        END
        $body$"""


def upgrade() -> None:
    for table, name, body in GUARDS:
        op.execute(
            f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql VOLATILE "
            f"SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off AS $body${body}\n$body$"
        )
        op.execute(
            f"CREATE TRIGGER {name} AFTER INSERT ON public.{table} REFERENCING NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION public.{name}()"
        )
        op.execute(f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {name}")
    op.execute(order_change(STEPS))
    op.add_column("account", sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "self_check_mark",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("fills", sa.BigInteger(), nullable=False),
        sa.Column("holdings", postgresql.JSONB(), nullable=False),
        sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_self_check_mark_only_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_self_check_mark")),
    )


def downgrade() -> None:
    op.drop_table("self_check_mark")
    op.drop_column("account", "opened_at")
    op.execute(order_change(STEPS_BEFORE))
    for table, name, _ in reversed(GUARDS):
        op.execute(f"DROP TRIGGER {name} ON public.{table}")
        op.execute(f"DROP FUNCTION public.{name}()")
