"""Counts notifications of a vhost, whoever publishes them, and says when the last one was there.

    stopwatch.py AMQP_URL COUNT

Prints `ready` when none can be missed any more, and then seconds since 1970 of the first and of the last.
"""

import sys
import time

from kombu import Connection, Exchange, Queue

# Long enough to leave the processors to what is measured.
POLL = 0.005

url, expected = sys.argv[1], int(sys.argv[2])
with Connection(url) as connection:
    channel = connection.channel()
    exchange = Exchange("sync_notifications", type="topic", durable=True)
    queue = Queue("", exchange, routing_key="account.*.sync_completed", exclusive=True, auto_delete=True)(channel)
    queue.declare()
    print("ready", flush=True)
    first = None
    while True:
        count = channel.queue_declare(queue.name, passive=True).message_count
        now = time.time()
        if count and first is None:
            first = now
        if count >= expected:
            break
        time.sleep(POLL)
print(f"done {first:.6f} {now:.6f} {count}", flush=True)
