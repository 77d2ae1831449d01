"""Sends tasks as Python producers do, and prints what they get back, as JSON: `produce.py NAME ...`."""

import json
import sys
import time
from datetime import datetime, timedelta, timezone

from celery import chain, chord, group

from app import SYNC, SYNC_ALL, app, note, sync

PATIENCE = 60


def send(args=("default", "account-0"), name=SYNC, **options):
    return app.send_task(name, args=list(args), queue="periodic", **options)


def got(result, **options):
    """What `get` returns or raises."""
    try:
        return result.get(timeout=PATIENCE, **options)
    except Exception as error:  # noqa: BLE001
        return {"raised": type(error).__name__, "text": str(error)}


def by_position():
    return got(send(["default", "account-0", True]))


def by_name():
    return got(send([], kwargs={"organization_id": "default", "pseudo_account": "account-0"}))


def of_everything():
    return got(send([], name=SYNC_ALL))


def compressed():
    return {kind: got(send(compression=kind)) for kind in ("zlib", "bzip2")}


def of_protocol_1():
    app.conf.task_protocol = 1
    return got(send())


def counted_down():
    begun = time.time()
    answer = got(send(countdown=4))
    return {"seconds": time.time() - begun, "answer": answer}


def expired():
    past = datetime.now(timezone.utc) - timedelta(seconds=5)
    return got(sync.apply_async(["default", "account-0"], queue="periodic", expires=past))


def with_a_time_limit():
    return got(send(["default", "slow"], time_limit=2))


def with_wrong_arguments():
    return got(send(["default"]))


def with_an_unknown_task():
    return got(send(name="no.such.task"))


def of_a_failing_account():
    result = send(["default", "failing"])
    states, deadline = [], time.time() + PATIENCE
    while time.time() < deadline and (not states or states[-1] != "FAILURE"):
        if not states or states[-1] != result.state:
            states.append(result.state)
        time.sleep(0.05)
    return {"states": states, "answer": got(result)}


def started():
    result, deadline = send(["default", "slow"]), time.time() + PATIENCE
    while result.state != "STARTED" and time.time() < deadline:
        time.sleep(0.05)
    return {"state": result.state, "info": result.info, "answer": got(result)}


def chained():
    steps = [sync.si("default", account).set(queue="periodic") for account in ("account-0", "account-1")]
    result = chain(*steps, note.s("last").set(queue="theirs")).apply_async()
    return {"last": got(result), "before": got(result.parent)["account"], "first": got(result.parent.parent)["account"]}


def chained_and_failing():
    steps = [sync.si("default", account).set(queue="periodic") for account in ("failing", "account-1")]
    return got(chain(*steps).apply_async())


def grouped():
    steps = [sync.si("default", f"account-{n}").set(queue="periodic") for n in range(2)]
    return [answer["account"] for answer in got(group(*steps).apply_async())]


def linked():
    return got(
        sync.apply_async(
            ["default", "account-0"],
            queue="periodic",
            link=note.s("linked").set(queue="theirs"),
            link_error=note.si("unexpected").set(queue="theirs"),
        )
    )


def linked_and_failing():
    return got(
        sync.apply_async(["default", "failing"], queue="periodic", link_error=note.s("failed").set(queue="theirs"))
    )


def of_a_chord():
    header = [sync.si("default", f"account-{n}").set(queue="periodic") for n in range(2)]
    return got(chord(header, note.s().set(queue="theirs")).apply_async())


def many(count):
    results = [send(["default", f"account-{n}"]) for n in range(int(count))]
    return [got(result) for result in results]


def revoked_while_it_runs():
    result, deadline = send(["default", "slow"]), time.time() + PATIENCE
    while result.state != "STARTED" and time.time() < deadline:
        time.sleep(0.05)
    result.revoke(terminate=True)
    return got(result)


def refused():
    try:
        return got(send())
    except Exception as error:  # noqa: BLE001
        return type(error).__name__


def traced():
    """As a producer that its team traces with OpenTelemetry's instrumentation."""
    from opentelemetry import trace
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    CeleryInstrumentor().instrument()
    with trace.get_tracer("team").start_as_current_span("a request") as span:
        context = span.get_span_context()
        return {"trace": format(context.trace_id, "032x"), "answer": got(send())}


def through_the_exchange():
    return got(app.send_task(SYNC, args=["default", "account-0"], exchange="periodic", routing_key="periodic"))


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    print(json.dumps(globals()[name](*arguments)))
