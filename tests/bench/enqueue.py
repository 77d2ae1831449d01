"""Enqueues syncs for syncfleet on `periodic`, as any Celery producer does.

    enqueue.py AMQP_URL DATABASE_URL force|due
"""

import sys

import psycopg
from celery import Celery

SYNC = "app.tasks.comprehensive_sync_task.comprehensive_account_sync"

amqp, database_url, how = sys.argv[1:]
app = Celery("producer", broker=amqp)
app.conf.update(task_create_missing_queue_type="quorum")
# Else what a busy server has not taken in by the end of this program is lost.
app.conf.broker_transport_options = {"confirm_publish": True}
with psycopg.connect(database_url) as database:
    query = "SELECT DISTINCT organization_id, pseudo_account FROM tradingdb.orders ORDER BY 2"
    accounts = database.execute(query).fetchall()
arguments = {"force_position_regeneration": how == "force", "check_external_orders": False}
with app.producer_pool.acquire(block=True) as producer:
    for account in accounts:
        app.send_task(SYNC, account, arguments, queue="periodic", producer=producer, ignore_result=True)
print(len(accounts))
