-- One row per input order, in its order: the id it has, or one reserved for it.
WITH input AS (
    SELECT x.*, CASE WHEN x.organization_id = $2 THEN ARRAY[x.organization_id, ''] ELSE ARRAY[x.organization_id] END
           AS organizations
    FROM jsonb_to_recordset($1::jsonb) AS x (
        ord integer, organization_id text, pseudo_account text, exchange text, order_day date,
        exchange_order_id text, line_digest text)
)
SELECT coalesce(by_id.id, by_line.id, nextval(pg_get_serial_sequence('tradingdb.orders', 'id'))::integer) AS "id!",
       coalesce(by_id.id, by_line.id) IS NOT NULL AS "exists!"
FROM input
LEFT JOIN LATERAL (
    SELECT o.id FROM tradingdb.orders o
    WHERE o.pseudo_account = input.pseudo_account
      AND o.exchange_order_id = input.exchange_order_id
      AND o.exchange = input.exchange
      AND coalesce(o.organization_id, '') = ANY(input.organizations)
      -- Not `=`, which could be looked up in `orders_day_idx`: a busy day has thousands of orders, an id one.
      AND coalesce(o.order_day,
                   (coalesce(o.exchange_time, o.platform_time, o."timestamp") AT TIME ZONE 'Asia/Kolkata')::date)
          IS NOT DISTINCT FROM input.order_day
    ORDER BY o.id LIMIT 1
) by_id ON true
LEFT JOIN LATERAL (
    SELECT o.id FROM tradingdb.orders o
    WHERE o.organization_id = input.organization_id
      AND o.pseudo_account = input.pseudo_account
      AND o.line_digest = input.line_digest
    ORDER BY o.id LIMIT 1
) by_line ON true
ORDER BY input.ord
