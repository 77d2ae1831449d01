-- Orders as Redis readers know them: all of an account ($1, $2), or with ids ($3) those alone. Columns that only this system
-- has, and that tell nobody anything, are not shown. A numeric is JSON already: it may have more digits than a decimal of ours.
SELECT o.id, o.amo, to_json(o.average_price) AS average_price, o.client_id, o.disclosed_quantity, o.exchange, o.exchange_order_id,
       o.exchange_time, o.filled_quantity, o.independent_exchange, o.independent_symbol, o.modified_time,
       o.nest_request_id, o.order_type, o.parent_order_id, o.pending_quantity, o.platform, o.platform_time,
       to_json(o.price) AS price, o.pseudo_account, o.publisher_id, o.status, o.status_message, o.stock_broker, o.symbol,
       o.trade_type, o.trading_account, to_json(o.trigger_price) AS trigger_price, o.validity, o.variety, o.timestamp,
       o.instrument_key, o.strategy_id, o.transition_type, o.quantity, o.product_type, to_json(o.target) AS target,
       to_json(o.stoploss) AS stoploss, to_json(o.trailing_stoploss) AS trailing_stoploss, o.position_category,
       o.position_type, o.comments, o.organization_id, o.isin, o.source, o.broker_order_id, o.broker_parent_id,
       o.strategy_method, to_json(o.strategy_confidence) AS strategy_confidence
FROM (
    -- Two branches, of which one is never run: with an OR a generic plan would read all orders each time.
    SELECT * FROM tradingdb.orders
    WHERE $3::int[] IS NULL AND pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2::text[])
    UNION ALL
    SELECT * FROM tradingdb.orders
    WHERE id = ANY($3) AND pseudo_account = $1 AND coalesce(organization_id, '') = ANY($2::text[])
) o
ORDER BY o.id
