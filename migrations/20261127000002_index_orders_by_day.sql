-- Apart from everything else: they lock the writers of orders for as long as they are built. A look at a brokerage reads
-- the orders of the book's days and those that still live, not the whole history.
CREATE INDEX IF NOT EXISTS orders_day_idx ON tradingdb.orders (
    pseudo_account,
    (coalesce(order_day, (coalesce(exchange_time, platform_time, "timestamp") AT TIME ZONE 'Asia/Kolkata')::date)));
-- The words of `ledger::order_match::is_live`, as the replaced system and ours write them.
CREATE INDEX IF NOT EXISTS orders_live_idx ON tradingdb.orders (pseudo_account)
    WHERE upper(replace(status, ' ', '_')) IN (
        'OPEN', 'TRIGGER_PENDING', 'PENDING', 'PUT_ORDER_REQ_RECEIVED', 'VALIDATION_PENDING', 'OPEN_PENDING',
        'MODIFY_VALIDATION_PENDING', 'MODIFY_PENDING', 'MODIFIED', 'CANCEL_PENDING', 'AMO_REQ_RECEIVED', 'NOT_MODIFIED',
        'NOT_CANCELLED');
