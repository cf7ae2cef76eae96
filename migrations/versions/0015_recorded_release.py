"""No release without its event: the switch's row turns to "released" only together with the event that says so.

A deferred trigger, because the row and its event may be written in either order; ENABLE ALWAYS, so that
`session_replication_role = replica` does not switch it off. What stops trading is never refused: the row may be turned
to "halted", or deleted, at any time, also by hand. The event must be of the same transaction, which the link
in the audit chain tells by the time that transaction began: an older release put back would be one that nobody did now.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

REQUIRE_EVENT = """
    CREATE FUNCTION public.require_release_event() RETURNS trigger LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, public, pg_temp AS $body$
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.enabled IS NOT DISTINCT FROM false THEN
            RETURN NULL;
        END IF;
        IF NOT EXISTS (
            SELECT FROM public.kill_switch_events e
            JOIN public.audit_chain c ON c.source = 'kill_switch_events' AND c.row_id = e.event_id
            WHERE e.event_id = NEW.event_id AND e.enabled = NEW.enabled AND c.recorded_at = now()
        ) THEN
            RAISE EXCEPTION 'the kill switch cannot be released without an event of the release'
                USING ERRCODE = 'PD409', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
        END IF;
        RETURN NULL;
    END
    $body$"""


def upgrade() -> None:
    op.execute(REQUIRE_EVENT)
    op.execute(
        "CREATE CONSTRAINT TRIGGER require_release_event AFTER INSERT OR UPDATE ON public.kill_switch "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.enabled = false) "
        "EXECUTE FUNCTION public.require_release_event()"
    )
    op.execute("ALTER TABLE public.kill_switch ENABLE ALWAYS TRIGGER require_release_event")


def downgrade() -> None:
    op.execute("DROP TRIGGER require_release_event ON public.kill_switch")
    op.execute("DROP FUNCTION public.require_release_event()")
