"""Who comes in, and what they do to the doors: sessions, share links, and acts in the audit chain.

A session and a share link are kept as the SHA-256 of a secret that only the browser has. Acts (logins, people, tokens,
links) may only be appended and are chained like every audited row, by a trigger as in 0005.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

GATE = 0x50415045
ACTS = {
    "act_id": "uuid",
    "act": "text",
    "actor": "text",
    "subject": "text",
    "details": "jsonb",
    "address": "text",
    "created_at": "timestamptz",
}
KEYS = {
    "risk_events": ("risk_event_id", "created_at", ("risk_event_id", "order_id", "action", "rule", "details",
                                                    "created_at")),
    "kill_switch_events": ("event_id", "created_at", ("event_id", "enabled", "reason", "actor", "created_at")),
    "fills": ("fill_id", "filled_at", ("fill_id", "order_id", "symbol", "side", "qty", "fill_price", "fee",
                                       "slippage_bps", "filled_at")),
    "order_transitions": ("transition_id", "created_at", ("transition_id", "order_id", "from_status", "to_status",
                                                          "actor", "reason", "created_at")),
    "policies": ("policy_id", "created_at", ("policy_id", "version", "limits", "difference", "actor", "reason",
                                             "created_at")),
}  # fmt: skip
"""The audited tables of 0005: id, time, and the columns in the order they are hashed."""
WITH_ACTS = {**KEYS, "acts": ("act_id", "created_at", tuple(ACTS))}


def text_call(source: str, columns: tuple[str, ...]) -> str:
    return f"public.audit_text_{source}({', '.join(f'r.{column}' for column in columns)})"


def rows_view(sources: dict[str, tuple[str, str, tuple[str, ...]]]) -> str:
    selects = (
        f"SELECT '{source}'::text AS source, r.{key} AS row_id, r.{time} AS happened_at, "
        f"{text_call(source, columns)} AS content FROM public.{source} r"
        for source, (key, time, columns) in sources.items()
    )
    return "CREATE OR REPLACE VIEW public.audit_rows AS " + " UNION ALL ".join(selects)


def text_function() -> str:
    arguments = ", ".join(f'"{column}" {kind}' for column, kind in ACTS.items())
    values = ", ".join(
        f'extract(epoch FROM "{column}")' if kind == "timestamptz" else f'"{column}"' for column, kind in ACTS.items()
    )
    return (
        f"CREATE FUNCTION public.audit_text_acts({arguments}) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE "
        f"RETURN json_build_array({values})::text"
    )


APPEND = f"""
    CREATE FUNCTION public.audit_acts() RETURNS trigger LANGUAGE plpgsql VOLATILE
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
        SELECT head.seq + place, 'acts', row_id, lag(row_hash, 1, head.hash) OVER (ORDER BY place), row_hash, now()
        FROM (
            SELECT row_number() OVER arrival AS place, r.act_id AS row_id,
                public.audit_fold(head.hash, 'acts', r.act_id, now(), {text_call("acts", tuple(ACTS))})
                    OVER arrival AS row_hash
            FROM new_rows r WINDOW arrival AS (ROWS UNBOUNDED PRECEDING)
        ) hashed;
        GET DIAGNOSTICS appended = ROW_COUNT;
        UPDATE public.audit_head h SET seq = c.seq, hash = c.row_hash
        FROM public.audit_chain c WHERE h.id = 1 AND c.seq = head.seq + appended;
        RETURN NULL;
    END
    $body$"""
TRIGGERS = {
    "guard_append_only": "BEFORE UPDATE OR DELETE OR TRUNCATE ON public.acts FOR EACH STATEMENT "
    "EXECUTE FUNCTION public.refuse_change()",
    "keep_audit_chain": "AFTER INSERT ON public.acts REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT "
    "EXECUTE FUNCTION public.audit_acts()",
}


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("browser", sa.Text(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_sessions_user_id_users")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_sessions_secret_hash")),
    )
    op.create_index(op.f("ix_sessions_user_id_created_at"), "sessions", ["user_id", sa.text("created_at DESC")])
    op.create_table(
        "share_links",
        sa.Column("link_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("last_used_at", moment, nullable=True),
        sa.Column("revoked_at", moment, nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_share_links")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_share_links_secret_hash")),
    )
    op.create_table(
        "acts",
        sa.Column("act_id", sa.Uuid(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("act_id", name=op.f("pk_acts")),
    )
    for name, columns in (("", []), ("_act", ["act"]), ("_actor", ["actor"])):
        newest_first = [*columns, sa.text("created_at DESC"), sa.text("act_id DESC")]
        op.create_index(f"ix_acts{name}_created_at_act_id", "acts", newest_first)
    op.execute(text_function())
    op.execute(rows_view(WITH_ACTS))
    op.execute(APPEND)
    for name, how in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {how}")
        op.execute(f"ALTER TABLE public.acts ENABLE ALWAYS TRIGGER {name}")


def downgrade() -> None:
    """The acts are gone, their links stay in the chain, and `audit verify` says so from the first one on."""
    for name in reversed(TRIGGERS):
        op.execute(f"DROP TRIGGER {name} ON public.acts")
    op.execute("DROP FUNCTION public.audit_acts()")
    op.execute(rows_view(KEYS))
    op.execute(f"DROP FUNCTION public.audit_text_acts({', '.join(ACTS.values())})")
    op.drop_table("acts")
    op.drop_table("share_links")
    op.drop_table("sessions")
