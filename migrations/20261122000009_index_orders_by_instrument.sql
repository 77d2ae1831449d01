-- Apart from everything else: it locks the writers of orders for as long as it is built. A correction of one order makes
-- its instrument's ledger anew, from that instrument's orders alone.
CREATE INDEX IF NOT EXISTS orders_instrument_idx
    ON tradingdb.orders (pseudo_account, (tradingdb.instrument_key_of(instrument_key, exchange, symbol)));
