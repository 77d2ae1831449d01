"""A Celery application as a team has it that moves to syncfleet: its producers, its worker, its schedule."""

import os

import redis
from celery import Celery
from celery.schedules import schedule

SYNC = "app.tasks.comprehensive_sync_task.comprehensive_account_sync"
SYNC_ALL = "app.tasks.comprehensive_sync_task.sync_all_accounts_comprehensive"

app = Celery("app", broker=os.environ["RABBITMQ_URL"], backend=os.environ.get("BACKEND", os.environ["REDIS_URL"]))
app.conf.update(
    # Whoever declares a queue otherwise than it is, is refused.
    task_create_missing_queue_type=os.environ.get("QUEUE_TYPE", "quorum"),
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
    broker_connection_retry_on_startup=True,
    timezone="UTC",
    # Nothing of another test's, and nothing left behind.
    beat_schedule_filename=os.environ.get("BEAT_FILE", "beat"),
    beat_schedule={
        "sync_all_accounts_comprehensive": {
            "task": SYNC_ALL,
            "schedule": schedule(float(os.environ.get("BEAT_SECONDS", "5"))),
            "options": {"queue": "periodic"},
        }
    },
)

done = redis.Redis.from_url(os.environ["REDIS_URL"])


@app.task(name=SYNC, acks_late=True)
def sync(organization_id, pseudo_account, force_position_regeneration=False, check_external_orders=True):
    done.rpush("python-ran", sync.request.id)
    return {"status": "success", "account": pseudo_account, "by": "python"}


@app.task(name=SYNC_ALL)
def sync_all():
    for account in os.environ["ACCOUNTS"].split(","):
        sync.apply_async(["default", account], queue="periodic")
    done.rpush("python-fanned-out", sync_all.request.id)


@app.task(name="team.note")
def note(*args):
    done.rpush("noted", repr(args))
    return len(args)
