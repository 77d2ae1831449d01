"""The account sync as a careful Python team writes it with Celery: what `cargo xtask bench` measures syncfleet against.

Prefork workers with late acks; one read of the orders, one transaction that replaces positions and holdings, one Redis
pipeline, one confirmed notification. Connections are made once per process. Nothing is kept between syncs, so each
costs the account's whole history.

    celery_peer.py seed ACCOUNTS ORDERS        makes the schema anew, and fills it with `rows.sql`
    celery_peer.py trade ACCOUNTS ORDER        one order more in every account
    celery_peer.py sync                        enqueues a sync of every account
    celery_peer.py noop COUNT                  enqueues jobs that do nothing, and then one that tells of the end

PEER_AMQP, PEER_PG and PEER_REDIS say where the servers are.
"""

import json
import os
import sys
from collections import defaultdict, deque
from datetime import datetime, timezone
from pathlib import Path

import psycopg
import redis
from celery import Celery
from celery.signals import worker_ready
from kombu import Connection, Exchange
from psycopg.rows import dict_row

AMQP, PG, REDIS = (os.environ[name] for name in ("PEER_AMQP", "PEER_PG", "PEER_REDIS"))
TTL = 86400

app = Celery("celery_peer", broker=AMQP)
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=16,
    task_default_queue="peer",
    # Like syncfleet's: replicated, and on disk before it is confirmed.
    task_default_queue_type="quorum",
    task_default_exchange_type="topic",
    worker_detect_quorum_queues=True,
    broker_connection_retry_on_startup=True,
    # Else what a busy server has not taken in by the end of whoever enqueues is lost.
    broker_transport_options={"confirm_publish": True},
    timezone="UTC",
)
notifications = Exchange("sync_notifications", type="topic", durable=True)

_connections = None


@worker_ready.connect
def say_ready(**_):
    print("the peer is ready", flush=True)


def connections():
    """PostgreSQL, Redis and RabbitMQ, one connection each for the life of this process."""
    global _connections
    if _connections is None:
        producer = Connection(AMQP, transport_options={"confirm_publish": True}).Producer(serializer="json")
        database = psycopg.connect(PG, autocommit=True, row_factory=dict_row)
        _connections = database, redis.Redis.from_url(REDIS), producer
    return _connections


def first_in_first_out(fills):
    """Open lots, realised profit, and what was bought and sold, of one instrument."""
    lots, realised = deque(), 0.0
    bought = sold = bought_value = sold_value = 0.0
    for side, quantity, price in fills:
        if side == "BUY":
            bought, bought_value, rest = bought + quantity, bought_value + quantity * price, quantity
        else:
            sold, sold_value, rest = sold + quantity, sold_value + quantity * price, -quantity
        while rest and lots and (lots[0][0] > 0) != (rest > 0):
            lot, lot_price = lots[0]
            matched = min(abs(lot), abs(rest))
            sign = 1 if lot > 0 else -1
            realised += (price - lot_price) * matched * sign
            lot -= matched * sign
            rest += matched * sign
            if lot:
                lots[0] = (lot, lot_price)
            else:
                lots.popleft()
        if rest:
            lots.append((rest, price))
    return lots, realised, bought, bought_value, sold, sold_value


POSITIONS = """
INSERT INTO tradingdb.positions (pseudo_account, exchange, symbol, instrument_key, type, buy_quantity, buy_value, buy_avg_price,
    sell_quantity, sell_value, sell_avg_price, net_quantity, net_value, realised_pnl, direction, "timestamp")
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
HOLDINGS = """
INSERT INTO tradingdb.holdings (pseudo_account, exchange, symbol, instrument_key, product, quantity, avg_price, currentvalue, "timestamp")
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@app.task(name="peer.sync", acks_late=True)
def sync(organization, account):
    database, cache, producer = connections()
    orders = database.execute(
        'SELECT * FROM tradingdb.orders WHERE pseudo_account = %s ORDER BY "timestamp", id', (account,)
    ).fetchall()
    instruments = defaultdict(list)
    for order in orders:
        if order["filled_quantity"]:
            instrument = order["exchange"], order["symbol"], order["instrument_key"], order["product_type"]
            fill = order["trade_type"], order["filled_quantity"], order["average_price"]
            instruments[instrument].append(fill)
    now = datetime.now(timezone.utc)
    positions, holdings = [], []
    for (exchange, symbol, key, product), fills in instruments.items():
        lots, realised, bought, bought_value, sold, sold_value = first_in_first_out(fills)
        net, cost = sum(lot for lot, _ in lots), sum(lot * price for lot, price in lots)
        direction = "BUY" if net > 0 else "SELL" if net < 0 else "NONE"
        positions.append(
            (account, exchange, symbol, key, product, bought, bought_value, bought_value / bought if bought else 0,
             sold, sold_value, sold_value / sold if sold else 0, net, sold_value - bought_value, realised, direction, now)
        )
        if product == "CNC" and net > 0:
            holdings.append((account, exchange, symbol, key, product, net, cost / net, cost, now))
    with database.transaction(), database.cursor() as cursor:
        cursor.execute("DELETE FROM tradingdb.positions WHERE pseudo_account = %s", (account,))
        cursor.execute("DELETE FROM tradingdb.holdings WHERE pseudo_account = %s", (account,))
        # A pipeline: all rows go in one round trip.
        cursor.executemany(POSITIONS, positions)
        cursor.executemany(HOLDINGS, holdings)
        read = "SELECT * FROM tradingdb.{} WHERE pseudo_account = %s"
        stored_positions = cursor.execute(read.format("positions"), (account,)).fetchall()
        stored_holdings = cursor.execute(read.format("holdings"), (account,)).fetchall()
    base = f"trade_data:{organization}:{account}"
    with cache.pipeline(transaction=False) as pipe:
        store(pipe, base, stored_positions, stored_holdings, orders)
        by_strategy = defaultdict(list)
        for order in orders:
            if order["strategy_id"]:
                by_strategy[order["strategy_id"]].append(order)
        for strategy, own in by_strategy.items():
            store(pipe, f"{base}:strategies:{strategy}", [], [], own)
        pipe.execute()
    report = {
        "status": "success",
        "positions_updated": len(positions),
        "holdings_updated": len(holdings),
        "orders_processed": len(orders),
    }
    message = {"type": "sync_completed", "account": account, "timestamp": now.isoformat(), "summary": report, "full_results": report}
    tell(producer, message, f"account.{account}.sync_completed")
    return report


def store(pipe, base, positions, holdings, orders):
    def put(name, rows):
        pipe.setex(f"{base}:{name}", TTL, json.dumps(rows, default=str))

    put("positions", positions)
    put("holdings", holdings)
    put("orders", orders)
    by_status = defaultdict(list)
    for order in orders:
        by_status[order["status"]].append(order)
    for status, rows in by_status.items():
        put(f"orders:by_status:{status}", rows)
    put("margins", [])


def tell(producer, message, routing_key):
    producer.publish(message, exchange=notifications, routing_key=routing_key, delivery_mode=2, declare=[notifications])


@app.task(name="peer.noop", acks_late=True)
def noop(organization, account):
    return None


@app.task(name="peer.last", acks_late=True)
def last():
    tell(connections()[2], {"type": "done"}, "account.last.sync_completed")


SCHEMA = """
DROP SCHEMA IF EXISTS tradingdb CASCADE;
CREATE SCHEMA tradingdb;
CREATE TABLE tradingdb.orders (
    id serial PRIMARY KEY, pseudo_account text, organization_id text, exchange text, symbol text, trade_type text, order_type text,
    product_type text, quantity int NOT NULL, filled_quantity int, price float8, average_price float8, status text,
    variety text NOT NULL, "timestamp" timestamptz, instrument_key text, strategy_id text, platform text, stock_broker text);
CREATE TABLE tradingdb.positions (
    id serial PRIMARY KEY, pseudo_account text, exchange text, symbol text, instrument_key text, type text, buy_quantity int,
    buy_value float8, buy_avg_price float8, sell_quantity int, sell_value float8, sell_avg_price float8, net_quantity int,
    net_value float8, realised_pnl float8, direction text, strategy_id text, "timestamp" timestamptz);
CREATE TABLE tradingdb.holdings (
    id serial PRIMARY KEY, pseudo_account text, exchange text, symbol text, instrument_key text, product text, quantity int,
    avg_price float8, currentvalue float8, strategy_id text, "timestamp" timestamptz);
CREATE INDEX ON tradingdb.orders (pseudo_account);
CREATE INDEX ON tradingdb.positions (pseudo_account);
CREATE INDEX ON tradingdb.holdings (pseudo_account);
"""


def insert(database, accounts, first, last):
    rows = Path(__file__).with_name("rows.sql").read_text()
    for name, value in (("accounts", accounts), ("first", first), ("last", last)):
        rows = rows.replace(f":{name}", str(value))
    database.execute(rows)


def enqueue(jobs):
    with app.producer_pool.acquire(block=True) as producer:
        for task, arguments in jobs:
            task.apply_async(arguments, producer=producer)


def main(command, *numbers):
    numbers = [int(number) for number in numbers]
    with psycopg.connect(PG, autocommit=True) as database:
        if command == "seed":
            database.execute(SCHEMA)
            insert(database, numbers[0], 1, numbers[1])
            database.execute("VACUUM ANALYZE")
        elif command == "trade":
            insert(database, numbers[0], numbers[1], numbers[1])
        elif command == "sync":
            accounts = database.execute("SELECT DISTINCT organization_id, pseudo_account FROM tradingdb.orders ORDER BY 2")
            enqueue((sync, account) for account in accounts.fetchall())
        elif command == "noop":
            enqueue((noop, ("org1", f"acct-{number:06}")) for number in range(numbers[0]))
            enqueue([(last, ())])
        else:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
