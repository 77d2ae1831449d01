SELECT o.id, o.broker_order_id, o.exchange_order_id, o.exchange, o.status, o.quantity, o.filled_quantity,
       o.publisher_id,
       CASE WHEN o.average_price BETWEEN -1e15 AND 1e15 THEN round(o.average_price::text::numeric, 12)
       END AS average_price,
       CASE WHEN o.price BETWEEN -1e15 AND 1e15 THEN round(o.price::text::numeric, 12) END AS price,
       coalesce(o.order_day,
                (coalesce(o.exchange_time, o.platform_time, o."timestamp") AT TIME ZONE 'Asia/Kolkata')::date)
           AS "day!"
FROM tradingdb.orders o
WHERE o.pseudo_account = $1 AND coalesce(o.organization_id, '') = ANY($2)
  AND coalesce(o.order_day,
               (coalesce(o.exchange_time, o.platform_time, o."timestamp") AT TIME ZONE 'Asia/Kolkata')::date)
      = ANY($3::date[])
ORDER BY o.id
