"""The audit chain: every appended row is bound to the one before it by SHA-256.

row_hash = sha256(previous_hash | source | row id | recorded_at | text of the row), in hex. The text is a JSON array of
the row's columns in the order below; times are seconds since 1970 in UTC. It depends on no session setting, and any
program can compute it.

Statement triggers (ENABLE ALWAYS) append a whole COPY in one pass under one lock on audit_head. `audit_rows` shows
every audited row as source, id, time and text; checking and appending use the same functions as the triggers.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GATE = 0x50415045

# source: (id, time, columns with their types, in the order they are hashed)
SOURCES: dict[str, tuple[str, str, dict[str, str]]] = {
    "risk_events": (
        "risk_event_id",
        "created_at",
        {
            "risk_event_id": "uuid",
            "order_id": "uuid",
            "action": "text",
            "rule": "text",
            "details": "jsonb",
            "created_at": "timestamptz",
        },
    ),
    "kill_switch_events": (
        "event_id",
        "created_at",
        {"event_id": "uuid", "enabled": "boolean", "reason": "text", "actor": "text", "created_at": "timestamptz"},
    ),
    "fills": (
        "fill_id",
        "filled_at",
        {
            "fill_id": "uuid",
            "order_id": "uuid",
            "symbol": "text",
            "side": "text",
            "qty": "numeric",
            "fill_price": "numeric",
            "fee": "numeric",
            "slippage_bps": "integer",
            "filled_at": "timestamptz",
        },
    ),
    "order_transitions": (
        "transition_id",
        "created_at",
        {
            "transition_id": "uuid",
            "order_id": "uuid",
            "from_status": "text",
            "to_status": "text",
            "actor": "text",
            "reason": "text",
            "created_at": "timestamptz",
        },
    ),
    "policies": (
        "policy_id",
        "created_at",
        {
            "policy_id": "uuid",
            "version": "integer",
            "limits": "jsonb",
            "difference": "jsonb",
            "actor": "text",
            "reason": "text",
            "created_at": "timestamptz",
        },
    ),
}

HASH = """
    CREATE FUNCTION public.audit_hash(
        previous_hash text, source text, row_id uuid, recorded_at timestamptz, content text
    ) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN encode(sha256(convert_to(
        previous_hash || '|' || source || '|' || row_id::text || '|' || extract(epoch FROM recorded_at)::text
        || '|' || content, 'UTF8')), 'hex')"""

# An aggregate, used as a window function, runs along the rows and hands each hash on to the next.
STEP = """
    CREATE FUNCTION public.audit_step(
        running text, head text, source text, row_id uuid, recorded_at timestamptz, content text
    ) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $body$
    BEGIN
        RETURN public.audit_hash(coalesce(running, head), source, row_id, recorded_at, content);
    END
    $body$"""
FOLD = """
    CREATE AGGREGATE public.audit_fold(head text, source text, row_id uuid, recorded_at timestamptz, content text)
    (SFUNC = public.audit_step, STYPE = text, PARALLEL = RESTRICTED)"""


def text_call(source: str, row: str) -> str:
    columns = SOURCES[source][2]
    return f"public.audit_text_{source}({', '.join(f'{row}.{column}' for column in columns)})"


def text_function(source: str) -> str:
    """Inlined by the planner where it is called, which is why it has no SET clause and is STABLE, not IMMUTABLE."""
    columns = SOURCES[source][2]
    arguments = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    rendering = {"timestamptz": 'extract(epoch FROM "{}")'}
    values = ", ".join(rendering.get(kind, '"{}"').format(column) for column, kind in columns.items())
    return (
        f"CREATE FUNCTION public.audit_text_{source}({arguments}) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE "
        f"RETURN json_build_array({values})::text"
    )


def rows_view() -> str:
    selects = (
        f"SELECT '{source}'::text AS source, r.{key} AS row_id, r.{time} AS happened_at, "
        f"{text_call(source, 'r')} AS content FROM public.{source} r"
        for source, (key, time, _) in SOURCES.items()
    )
    return "CREATE VIEW public.audit_rows AS " + " UNION ALL ".join(selects)


def append_function(source: str) -> str:
    """The shared gate comes first, so that whoever holds the head never waits for a halt that wants the head."""
    key = SOURCES[source][0]
    return f"""
        CREATE FUNCTION public.audit_{source}() RETURNS trigger LANGUAGE plpgsql VOLATILE
        SET search_path = pg_catalog, public, pg_temp AS $body$
        DECLARE
            head public.audit_head;
            appended bigint;
        BEGIN
            IF NOT EXISTS (SELECT FROM new_rows) THEN
                RETURN NULL;
            END IF;
            PERFORM pg_advisory_xact_lock_shared({GATE});
            SELECT * INTO head FROM public.audit_head WHERE id = 1 FOR UPDATE;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'the audit chain has lost its head' USING ERRCODE = 'PD001', TABLE = 'audit_head';
            END IF;
            INSERT INTO public.audit_chain (seq, source, row_id, previous_hash, row_hash, recorded_at)
            SELECT head.seq + place, '{source}', row_id,
                lag(row_hash, 1, head.hash) OVER (ORDER BY place), row_hash, now()
            FROM (
                SELECT row_number() OVER arrival AS place, r.{key} AS row_id,
                    public.audit_fold(head.hash, '{source}', r.{key}, now(), {text_call(source, "r")})
                        OVER arrival AS row_hash
                FROM new_rows r WINDOW arrival AS (ROWS UNBOUNDED PRECEDING)
            ) hashed;
            GET DIAGNOSTICS appended = ROW_COUNT;
            UPDATE public.audit_head h SET seq = c.seq, hash = c.row_hash
            FROM public.audit_chain c WHERE h.id = 1 AND c.seq = head.seq + appended;
            RETURN NULL;
        END
        $body$"""


def upgrade() -> None:
    op.execute(HASH)
    op.execute(STEP)
    op.execute(FOLD)
    for source in SOURCES:
        op.execute(text_function(source))
    op.execute(rows_view())
    for source in SOURCES:
        op.execute(append_function(source))
        op.execute(
            f"CREATE TRIGGER keep_audit_chain AFTER INSERT ON public.{source} REFERENCING NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION public.audit_{source}()"
        )
        op.execute(f"ALTER TABLE public.{source} ENABLE ALWAYS TRIGGER keep_audit_chain")


def downgrade() -> None:
    for source in SOURCES:
        op.execute(f"DROP TRIGGER keep_audit_chain ON public.{source}")
        op.execute(f"DROP FUNCTION public.audit_{source}()")
    op.execute("DROP VIEW public.audit_rows")
    for source, (_, _, columns) in SOURCES.items():
        op.execute(f"DROP FUNCTION public.audit_text_{source}({', '.join(columns.values())})")
    op.execute("DROP AGGREGATE public.audit_fold(text, text, uuid, timestamptz, text)")
    op.execute("DROP FUNCTION public.audit_step(text, text, text, uuid, timestamptz, text)")
    op.execute("DROP FUNCTION public.audit_hash(text, text, uuid, timestamptz, text)")
