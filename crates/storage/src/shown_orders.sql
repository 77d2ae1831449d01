-- Orders as Redis readers know them: all of an account ($1, $2), or with ids ($3) those alone.
SELECT o.id::bigint AS "id!", o.status, o.instrument_key, NULL::text AS product, o.strategy_id, NULL::bigint AS quantity,
       (to_jsonb(o) - '{raw,line_digest,order_day,announced_at}'::text[])::text AS "json!"
FROM (
    -- Two branches, of which one is never run: with an OR a generic plan would read all orders each time.
    SELECT * FROM tradingdb.orders
    WHERE $3::int[] IS NULL AND pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2::text[])
    UNION ALL
    SELECT * FROM tradingdb.orders
    WHERE id = ANY($3) AND pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2::text[])
) o
ORDER BY o.id
