"""Puts jobs into RQ's queue as a test asks for it in Redis, and answers with the job's id."""

import json

import rq_shop
from rq import Queue, Retry
from rq.job import Job
from rq_shop import store

queue = Queue("mail", connection=store)
kept = {}


def enqueue(name, args, job_id=None, retry=None, meta=None):
    job = queue.enqueue(
        getattr(rq_shop, name), *args, job_id=job_id, retry=Retry(**retry) if retry else None, meta=meta or {}
    )
    kept[job.id] = job
    return job.id


def requeue(job_id):
    """As `rq requeue` does with a failed job."""
    return Job.fetch(job_id, connection=store).requeue().id


def enqueue_again(job_id):
    """As rq-scheduler does with a job of a cron string or an interval."""
    return queue.enqueue_job(Job.fetch(job_id, connection=store)).id


def enqueue_kept(job_id):
    """As a scheduler does that keeps the object of a job."""
    return queue.enqueue_job(kept[job_id]).id


def at_once(to):
    Queue("at once", is_async=False, connection=store).enqueue(rq_shop.mail, to, "At once")


def status(job_id):
    job = Job.fetch(job_id, connection=store)
    return [job.get_status(), job.return_value()]


print("the desk is open", flush=True)
while True:
    _, asked = store.blpop("asked")
    name, args = json.loads(asked)
    try:
        answer = {"result": globals().get(name, getattr(rq_shop, name, None))(*args)}
    except Exception as error:
        answer = {"error": repr(error)}
    store.rpush("answered", json.dumps(answer))
