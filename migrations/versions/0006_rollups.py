"""Rollups: NAV and mid prices by minute, hour and day (UTC), kept by triggers as rows come in.

What is first and last in a bucket goes by (time, id), so the result does not depend on the order of arrival, and the
views `derived_candles` and `derived_nav_buckets`, which say the same from the rows themselves, agree to the last digit.
Rows are folded into minutes first, in one sort; hours and days come from the minutes, which are few.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

EPOCH = "timestamptz '1970-01-01 00:00:00+00'"

CANDLES = """
    WITH placed AS (
        SELECT symbol, bucket_at, event_at, tick_id, mid_price,
            lag(tick_id) OVER minute IS NULL AS is_first, lead(tick_id) OVER minute IS NULL AS is_last
        FROM (
            SELECT symbol, date_bin('60 seconds', event_at, {epoch}) AS bucket_at, event_at, tick_id, mid_price
            FROM {rows}
        ) binned
        WINDOW minute AS (PARTITION BY symbol, bucket_at ORDER BY event_at, tick_id)
    ), minutes AS (
        SELECT symbol, bucket_at,
            max(mid_price) FILTER (WHERE is_first) AS open, max(mid_price) AS high,
            min(mid_price) AS low, max(mid_price) FILTER (WHERE is_last) AS close, count(*) AS ticks,
            min(event_at) AS first_at, (array_agg(tick_id) FILTER (WHERE is_first))[1] AS first_id,
            max(event_at) AS last_at, (array_agg(tick_id) FILTER (WHERE is_last))[1] AS last_id
        FROM placed GROUP BY symbol, bucket_at
    ), wider AS (
        SELECT m.*, w.width_seconds, w.wide_at,
            lag(m.ticks) OVER bucket IS NULL AS is_first, lead(m.ticks) OVER bucket IS NULL AS is_last
        FROM minutes m CROSS JOIN LATERAL (VALUES
            (3600, date_bin('3600 seconds', m.bucket_at, {epoch})),
            (86400, date_bin('86400 seconds', m.bucket_at, {epoch}))
        ) w (width_seconds, wide_at)
        WINDOW bucket AS (PARTITION BY m.symbol, w.width_seconds, w.wide_at ORDER BY m.bucket_at)
    )
    SELECT symbol, 60 AS width_seconds, bucket_at, open, high, low, close, ticks, first_at, first_id, last_at, last_id
    FROM minutes
    UNION ALL
    SELECT symbol, width_seconds, wide_at, max(open) FILTER (WHERE is_first), max(high),
        min(low), max(close) FILTER (WHERE is_last), sum(ticks)::bigint,
        min(first_at), (array_agg(first_id) FILTER (WHERE is_first))[1],
        max(last_at), (array_agg(last_id) FILTER (WHERE is_last))[1]
    FROM wider GROUP BY symbol, width_seconds, wide_at"""

NAV_BUCKETS = """
    WITH placed AS (
        SELECT bucket_at, captured_at, snapshot_id, nav,
            lag(snapshot_id) OVER minute IS NULL AS is_first, lead(snapshot_id) OVER minute IS NULL AS is_last
        FROM (
            SELECT date_bin('60 seconds', captured_at, {epoch}) AS bucket_at, captured_at, snapshot_id, nav FROM {rows}
        ) binned
        WINDOW minute AS (PARTITION BY bucket_at ORDER BY captured_at, snapshot_id)
    ), minutes AS (
        SELECT bucket_at,
            max(nav) FILTER (WHERE is_first) AS first_nav, min(nav) AS min_nav,
            max(nav) AS max_nav, max(nav) FILTER (WHERE is_last) AS last_nav,
            min(captured_at) AS first_at, (array_agg(snapshot_id) FILTER (WHERE is_first))[1] AS first_id,
            max(captured_at) AS last_at, (array_agg(snapshot_id) FILTER (WHERE is_last))[1] AS last_id
        FROM placed GROUP BY bucket_at
    ), wider AS (
        SELECT m.*, w.width_seconds, w.wide_at,
            lag(m.first_id) OVER bucket IS NULL AS is_first, lead(m.first_id) OVER bucket IS NULL AS is_last
        FROM minutes m CROSS JOIN LATERAL (VALUES
            (3600, date_bin('3600 seconds', m.bucket_at, {epoch})),
            (86400, date_bin('86400 seconds', m.bucket_at, {epoch}))
        ) w (width_seconds, wide_at)
        WINDOW bucket AS (PARTITION BY w.width_seconds, w.wide_at ORDER BY m.bucket_at)
    )
    SELECT 60 AS width_seconds, bucket_at, first_nav, min_nav, max_nav, last_nav, first_at, first_id, last_at, last_id
    FROM minutes
    UNION ALL
    SELECT width_seconds, wide_at, max(first_nav) FILTER (WHERE is_first), min(min_nav),
        max(max_nav), max(last_nav) FILTER (WHERE is_last),
        min(first_at), (array_agg(first_id) FILTER (WHERE is_first))[1],
        max(last_at), (array_agg(last_id) FILTER (WHERE is_last))[1]
    FROM wider GROUP BY width_seconds, wide_at"""

FIRST = ("first_at", "first_id")
LAST = ("last_at", "last_id")
EARLIER = "(EXCLUDED.first_at, EXCLUDED.first_id) < (b.first_at, b.first_id)"
LATER = "(EXCLUDED.last_at, EXCLUDED.last_id) > (b.last_at, b.last_id)"


def pick(condition: str, *columns: str) -> list[str]:
    return [f"{column} = CASE WHEN {condition} THEN EXCLUDED.{column} ELSE b.{column} END" for column in columns]


# Sorted by key, so that two writers of the same buckets wait for each other instead of deadlocking.
UPSERT_CANDLES = f"""
    INSERT INTO public.candles AS b
    SELECT * FROM ({CANDLES.format(rows="new_rows", epoch=EPOCH)}) n ORDER BY symbol, width_seconds, bucket_at
    ON CONFLICT (symbol, width_seconds, bucket_at) DO UPDATE SET
        high = greatest(b.high, EXCLUDED.high), low = least(b.low, EXCLUDED.low), ticks = b.ticks + EXCLUDED.ticks,
        {", ".join(pick(EARLIER, "open", *FIRST) + pick(LATER, "close", *LAST))}"""
UPSERT_NAV_BUCKETS = f"""
    INSERT INTO public.nav_buckets AS b
    SELECT * FROM ({NAV_BUCKETS.format(rows="new_rows", epoch=EPOCH)}) n ORDER BY width_seconds, bucket_at
    ON CONFLICT (width_seconds, bucket_at) DO UPDATE SET
        min_nav = least(b.min_nav, EXCLUDED.min_nav), max_nav = greatest(b.max_nav, EXCLUDED.max_nav),
        {", ".join(pick(EARLIER, "first_nav", *FIRST) + pick(LATER, "last_nav", *LAST))}"""

ROLLUPS = (
    ("market_ticks", "candles", CANDLES, UPSERT_CANDLES),
    ("portfolio_snapshots", "nav_buckets", NAV_BUCKETS, UPSERT_NAV_BUCKETS),
)


def upgrade() -> None:
    for source, rollup, select, upsert in ROLLUPS:
        op.execute(f"CREATE VIEW public.derived_{rollup} AS {select.format(rows='public.' + source, epoch=EPOCH)}")
        op.execute(f"""
            CREATE FUNCTION public.roll_up_{source}() RETURNS trigger LANGUAGE plpgsql VOLATILE
            SET search_path = pg_catalog, public, pg_temp AS $body$
            BEGIN
                {upsert};
                RETURN NULL;
            END
            $body$""")
        op.execute(
            f"CREATE TRIGGER keep_rollup AFTER INSERT ON public.{source} REFERENCING NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION public.roll_up_{source}()"
        )
        op.execute(f"ALTER TABLE public.{source} ENABLE ALWAYS TRIGGER keep_rollup")


def downgrade() -> None:
    for source, rollup, *_ in reversed(ROLLUPS):
        op.execute(f"DROP TRIGGER keep_rollup ON public.{source}")
        op.execute(f"DROP FUNCTION public.roll_up_{source}()")
        op.execute(f"DROP VIEW public.derived_{rollup}")
