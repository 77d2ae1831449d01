#!/usr/bin/env python3
"""Prints each notification of syncfleet once. Made to be copied: put what you do with one into handle().

    RABBITMQ_URL=amqp://user:password@host:5672/%2f consumer.py MEMORY QUEUE KEY...
    RABBITMQ_URL=... consumer.py desk.sqlite positions-desk 'account.*.sync_completed'
"""

import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time

import pika
from pika.exceptions import AMQPError

EXCHANGE = "sync_notifications"
PREFETCH = 20  # messages that RabbitMQ sends ahead of their acks
KEPT = 100_000  # messages that are remembered to know a duplicate by
LONGEST_PAUSE = 30.0  # seconds between two tries to connect

stopping = threading.Event()


def handle(db, properties, body):
    """What you do with a message. What you write with `db` is stored together with the memory of the message: once.

    Whatever you do elsewhere is done again if the program dies before that. An exception ends the program: the message is
    not acked and comes back.
    """
    account = f"{properties.headers['organization_id']}/{body['account']}"
    if body["type"] == "sync_completed":
        what = body["summary"]["status"]
    else:
        order = body["order"]
        what = f"external order {order['trade_type']} {order['quantity']} {order['exchange']} {order['symbol']}"
    print(f"{account} {what} sequence={properties.headers.get('sequence')} {properties.message_id}", flush=True)


def open_memory(path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY, message TEXT NOT NULL UNIQUE)")
    db.execute(
        "CREATE TABLE IF NOT EXISTS latest (organization TEXT, account TEXT, sequence INTEGER NOT NULL,"
        " PRIMARY KEY (organization, account))"
    )
    return db


def no_news(db, properties, body):
    """Why a message is none, or None; remembers it."""
    # A dead letter that is replayed keeps its id: after `failed` comes how it ended then.
    status = body.get("summary", {}).get("status", "")
    cursor = db.execute("INSERT OR IGNORE INTO seen (message) VALUES (?)", (f"{properties.message_id} {status}",))
    if cursor.rowcount == 0:
        return "duplicate"
    db.execute("DELETE FROM seen WHERE id <= ?", (cursor.lastrowid - KEPT,))
    sequence = properties.headers.get("sequence")
    # The newest outcome of an account counts. An external order counts once, however late it comes.
    if body["type"] == "sync_completed" and sequence is not None:
        cursor = db.execute(
            "INSERT INTO latest VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence"
            " WHERE excluded.sequence >= latest.sequence",
            (properties.headers["organization_id"], body["account"], sequence),
        )
        if cursor.rowcount == 0:
            return "older than what was seen"
    return None


def take(db, properties, raw):
    try:
        body = json.loads(raw)
        is_known = body["type"] in ("sync_completed", "external_order_detected")
        if not (is_known and properties.message_id and body["account"] and properties.headers["organization_id"]):
            raise ValueError(body["type"])
    except (ValueError, TypeError, KeyError) as error:
        return log(f"dropped, not understood: {properties.message_id}: {error!r}")
    with db:  # one transaction, rolled back by an exception
        reason = no_news(db, properties, body)
        if reason is None:
            handle(db, properties, body)
        else:
            log(f"dropped, {reason}: {properties.message_id}")


def consume(url, db, queue, keys):
    """Takes messages until it is to stop, or the connection is lost. Then what was not acked comes back."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for key in keys:
        channel.queue_bind(queue, EXCHANGE, key)
    channel.basic_qos(prefetch_count=PREFETCH)
    log(f"consuming {queue}")
    for method, properties, raw in channel.consume(queue, inactivity_timeout=0.5):
        if method is not None and not stopping.is_set():
            take(db, properties, raw)
            channel.basic_ack(method.delivery_tag)
        if stopping.is_set():
            break
    connection.close()


def log(text):
    print(text, file=sys.stderr, flush=True)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    memory, queue, *keys = sys.argv[1:]
    urls = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@localhost:5672/%2f").split(",")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    db = open_memory(memory)
    tries = 0
    while not stopping.is_set():
        begun = time.monotonic()
        try:
            consume(urls[tries % len(urls)].strip(), db, queue, keys)
        except (AMQPError, OSError) as error:
            # What worked for a while is tried again soon.
            tries = 1 if time.monotonic() - begun > LONGEST_PAUSE else tries + 1
            pause = min(LONGEST_PAUSE, 2.0 ** min(tries, 8)) * random.uniform(0.1, 1.0)
            log(f"no connection, again in {pause:.1f} s: {error!r}")
            stopping.wait(pause)
    db.close()


if __name__ == "__main__":
    main()
