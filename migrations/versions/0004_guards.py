"""Guards in the database itself: the kill switch, append-only tables, the states of an order.

Statement triggers with transition tables, so that COPY, plain SQL and other programs are stopped like the desk is, at a
few microseconds a statement. All are ENABLE ALWAYS: `session_replication_role = replica` does not switch them off.

SQLSTATE: PD423 trading is halted, PD001 an append-only row was to change, PD409 an order cannot go to that state.

The gate is an advisory lock, shared by who trades and exclusive for who halts or releases. It is taken before any row,
so that a halt, which cancels resting orders, never meets a writer that holds one of them and waits for the gate.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

GATE = 0x50415045

APPEND_ONLY = (
    "risk_events",
    "kill_switch_events",
    "fills",
    "order_transitions",
    "policies",
    "fill_receipts",
    "audit_chain",
)

FUNCTIONS = {
    "take_gate": f"""
        BEGIN
            PERFORM pg_advisory_xact_lock_shared({GATE});
            RETURN NULL;
        END""",
    "take_gate_exclusively": f"""
        BEGIN
            PERFORM pg_advisory_xact_lock({GATE});
            RETURN NULL;
        END""",
    "guard_fills_insert": """
        BEGIN
            IF EXISTS (SELECT FROM new_rows) THEN
                PERFORM public.require_trading_on();
            END IF;
            RETURN NULL;
        END""",
    "guard_orders_insert": """
        BEGIN
            IF EXISTS (SELECT FROM new_rows WHERE status IN ('proposed', 'approved', 'executed')) THEN
                PERFORM public.require_trading_on();
            END IF;
            RETURN NULL;
        END""",
    "guard_orders_update": """
        BEGIN
            IF EXISTS (
                SELECT FROM new_rows n LEFT JOIN old_rows o USING (order_id)
                WHERE n.status IN ('proposed', 'approved', 'executed') AND o.status IS DISTINCT FROM n.status
            ) THEN
                PERFORM public.require_trading_on();
            END IF;
            RETURN NULL;
        END""",
    "refuse_change": """
        BEGIN
            RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'PD001', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
        END""",
    "guard_order_change": """
        BEGIN
            IF to_jsonb(OLD) - '{status,risk_reason}'::text[]
                    IS DISTINCT FROM to_jsonb(NEW) - '{status,risk_reason}'::text[]
                OR (OLD.status = NEW.status AND OLD.risk_reason IS DISTINCT FROM NEW.risk_reason) THEN
                RAISE EXCEPTION 'order %: only its state may change, and the reason with it', OLD.order_id
                    USING ERRCODE = 'PD001', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
            END IF;
            IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
                ('proposed', 'approved'), ('proposed', 'rejected'), ('proposed', 'executed'), ('proposed', 'canceled'),
                ('approved', 'executed'), ('approved', 'canceled')
            ) THEN
                RAISE EXCEPTION 'order %: % cannot become %', OLD.order_id, OLD.status, NEW.status
                    USING ERRCODE = 'PD409', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
            END IF;
            RETURN NEW;
        END""",
}

# Under READ COMMITTED each statement of a plpgsql function has a snapshot of its own, so a read that begins after the
# lock was granted sees a halt that committed before. A transaction with one snapshot for its whole life would read the
# switch as it was: there FOR SHARE fails with a serialization error when the row has changed since.
REQUIRE_TRADING_ON = f"""
    CREATE FUNCTION public.require_trading_on() RETURNS void LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, public, pg_temp AS $body$
    DECLARE
        switched_on boolean;
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({GATE});
        IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted') THEN
            SELECT enabled INTO switched_on FROM public.kill_switch WHERE id = 1;
        ELSE
            SELECT enabled INTO switched_on FROM public.kill_switch WHERE id = 1 FOR SHARE;
        END IF;
        IF switched_on IS DISTINCT FROM false THEN
            RAISE EXCEPTION 'the kill switch is %', CASE WHEN switched_on THEN 'on' ELSE 'in an unknown state' END
                USING ERRCODE = 'PD423', TABLE = 'kill_switch', HINT = 'Nothing trades until it is released.';
        END IF;
    END
    $body$"""

# (table, trigger, when, transition tables and level, function). Triggers of one kind fire in the order of their names.
TRIGGERS = (
    ("kill_switch", "guard_gate", "BEFORE INSERT OR UPDATE OR DELETE", "FOR EACH STATEMENT", "take_gate_exclusively"),
    ("orders", "guard_gate", "BEFORE INSERT OR UPDATE", "FOR EACH STATEMENT", "take_gate"),
    ("orders", "guard_states", "BEFORE UPDATE", "FOR EACH ROW", "guard_order_change"),
    ("orders", "guard_append_only", "BEFORE DELETE OR TRUNCATE", "FOR EACH STATEMENT", "refuse_change"),
    (
        "orders",
        "guard_kill_switch_insert",
        "AFTER INSERT",
        "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
        "guard_orders_insert",
    ),
    (
        "orders",
        "guard_kill_switch_update",
        "AFTER UPDATE",
        "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT",
        "guard_orders_update",
    ),
    ("fills", "guard_gate", "BEFORE INSERT", "FOR EACH STATEMENT", "take_gate"),
    (
        "fills",
        "guard_kill_switch_insert",
        "AFTER INSERT",
        "REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
        "guard_fills_insert",
    ),
    *(
        (table, "guard_append_only", "BEFORE UPDATE OR DELETE OR TRUNCATE", "FOR EACH STATEMENT", "refuse_change")
        for table in APPEND_ONLY
    ),
)


def upgrade() -> None:
    op.execute(REQUIRE_TRADING_ON)
    for name, body in FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql VOLATILE "
            f"SET search_path = pg_catalog, public, pg_temp AS $body${body}\n$body$"
        )
    for table, trigger, when, level, function in TRIGGERS:
        op.execute(f"CREATE TRIGGER {trigger} {when} ON public.{table} {level} EXECUTE FUNCTION public.{function}()")
        op.execute(f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {trigger}")


def downgrade() -> None:
    for table, trigger, *_ in reversed(TRIGGERS):
        op.execute(f"DROP TRIGGER {trigger} ON public.{table}")
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION public.{name}()")
    op.execute("DROP FUNCTION public.require_trading_on()")
