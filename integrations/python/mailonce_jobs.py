"""Puts the id of the running job on each mail that is sent in it, for Celery, RQ, AWS Lambda and other workers.

mailonce relays each mail of a job once. Copy this file into your project; it needs nothing but the standard library, and
imports Django, Celery or RQ only where you use them. How to install it for each: integrations/README.md.

    EMAIL_BACKEND = "mailonce_jobs.EmailBackend"            Django's mail
    mailonce_jobs.patch_smtplib()                           mail that is sent with smtplib
    mailonce_jobs.connect_celery()                          Celery: tasks that publish tasks
    rq worker --job-class mailonce_jobs.Job                 RQ
    with mailonce_jobs.job(record["messageId"]): ...        AWS Lambda on SQS, and any other worker
    Thread(target=mailonce_jobs.carry(send)).start()        a thread that mails for the running job

Outside a job nothing is added, nor to a mail that has one of mailonce's fields already, nor to what logging handlers mail.
Needs Python 3.7 or newer. Tested with Python 3.11, Django 3.2, Celery 5.2 and RQ 1.13.
"""

import contextlib
import contextvars
import copy
import functools
import hashlib
import json
import logging
import os
import pickle
import re
import smtplib
import sys
import threading
import uuid
import weakref
from collections import Counter

__all__ = ["TaskIdMixin", "carry", "connect_celery", "current_task", "job", "patch_smtplib"]

FIELDS = ("X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key")
"""The fields from which mailonce takes the task, the first one first."""

_logger = logging.getLogger(__name__)
_NAMESPACE = uuid.UUID("6d61696c-6f6e-5e63-a5a1-9d0e3d3f6b51")


class _Run:
    """One run of a job: the task of its mail, and what the job has published in this run."""

    def __init__(self, task):
        self.task = task
        self.groups = {}
        self._children = Counter()
        self._lock = threading.Lock()

    def child(self, what):
        """The task of a child job; equal children of one run are counted, as nothing else tells them apart."""
        with self._lock:
            ordinal = self._children[what]
            self._children[what] += 1
        return _derived(self.task, what, ordinal)


def _derived(*parts):
    return str(uuid.uuid5(_NAMESPACE, json.dumps(parts)))


# --- Which job runs ---------------------------------------------------------------------------------------------------


class _Scope:
    """A part of the program that is of one run. What was started in it and goes on after its end is outside."""

    def __init__(self, run):
        self.run = run
        self.is_open = True


_scope = contextvars.ContextVar("mailonce_scope", default=None)


@contextlib.contextmanager
def job(task):
    """All mail that is sent inside the block is of this task.

    The id has to be the same when the queue delivers the job again, and no other job may have it. It is 1 to 255
    printable ASCII characters; ValueError is raised for others. A job inside a job is the inner one.
    """
    if not isinstance(task, str) or not re.fullmatch("[ -~]{1,255}", task) or task.isspace():
        raise ValueError(f"not an id of a job: {task!r}")
    with _entered(_Run(task)):
        yield


@contextlib.contextmanager
def _entered(run):
    before, scope = _scope.get(), _Scope(run)
    _scope.set(scope)
    try:
        yield
    finally:
        scope.is_open = False
        _scope.set(before)


def carry(function):
    """The function, to be called in a thread that is started now: its mail is of the job that runs now.

    A call is the job's until it returns, even when the job has ended before. Where another job runs at the call, that one
    counts. Outside a job the function is returned as it is.
    """
    run = _running()
    if run is None:
        return function

    @functools.wraps(function)
    def carried(*args, **kwargs):
        with contextlib.nullcontext() if _running() else _entered(run):
            return function(*args, **kwargs)

    return carried


def current_task():
    """The task of mail that is sent now; None outside a job."""
    run = _running()
    return run.task if run else None


def _running():
    scope = _scope.get()
    if scope is not None and scope.is_open:
        return scope.run
    request = _celery_request()
    return _celery_run(request) if request is not None else None


def _after_fork():
    """A process that was forked in the middle of a job may outlive it, as those of a pool do: it is outside."""
    _scope.set(None)
    request = _celery_request()
    if request is not None:
        _celery_runs[request] = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# --- Mail -------------------------------------------------------------------------------------------------------------


def _task_of_mail():
    """What a logging handler mails is no mail of the job: each is another event, often under one subject."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is logging.Handler.handle.__code__:
            return None
        frame = frame.f_back
    return current_task()


class TaskIdMixin:
    """Goes over an e-mail backend of Django: class Backend(TaskIdMixin, YourBackend)."""

    def send_messages(self, email_messages):
        task = _task_of_mail()
        if task is None or not email_messages:
            return super().send_messages(email_messages)
        messages = list(email_messages)
        tagged = [_with_task(message, task) for message in messages]
        try:
            return super().send_messages(tagged)
        finally:
            for message, sent in zip(messages, tagged):
                _hand_back(message, sent)


def _with_task(message, task):
    """A copy, since the caller may send the same object again in another job."""
    headers = getattr(message, "extra_headers", None)
    if headers is None or any(name.lower() in _LOWER_FIELDS for name in headers):
        return message
    try:
        tagged = copy.copy(message)
        tagged.extra_headers = {**headers, FIELDS[0]: task}
        own_class = not type(message).message.__module__.startswith("django.")  # it may add a field itself
        written = tagged.message() if own_class else {}
        has_own = own_class and sum(len(written.get_all(name, ())) for name in FIELDS) > 1
    except Exception:  # Where it is the message's own fault, it fails as it would without us.
        return message
    return message if has_own else tagged


def _hand_back(message, sent):
    """What a backend notes on the mail that it has sent, such as the id that SES's API gave it, is for the caller."""
    if sent is not message:
        noted = dict(vars(sent), extra_headers=message.extra_headers)
        vars(message).update(noted)
        message.extra_headers.update({name: value for name, value in sent.extra_headers.items() if name != FIELDS[0]})


_LOWER_FIELDS = {name.lower() for name in FIELDS}


def _email_backend():
    from django.core.mail.backends import smtp

    class EmailBackend(TaskIdMixin, smtp.EmailBackend):
        """Django's own SMTP backend with the id of the running job."""

    return EmailBackend


def patch_smtplib():
    """From now on smtplib puts the task on what it sends, by sendmail and by send_message."""
    sendmail = smtplib.SMTP.sendmail
    if hasattr(sendmail, "has_mailonce"):
        return

    @functools.wraps(sendmail)
    def patched(self, from_addr, to_addrs, msg, *args, **kwargs):
        task = _task_of_mail()
        return sendmail(self, from_addr, to_addrs, msg if task is None else _with_field(msg, task), *args, **kwargs)

    patched.has_mailonce = True
    smtplib.SMTP.sendmail = patched


_LINE_END = r"(?:\r\n|\r(?!\n)|\n)"
_FIELD = re.compile(r"[!-9;-~]+[ \t]*:")
_TASK_FIELD = re.compile(rf"(?:^|[\r\n])(?:{'|'.join(FIELDS)})[ \t]*:", re.IGNORECASE)


def _with_field(message, task):
    """Text or octets with the field as the first one; as they are where they begin with no header."""
    text = message if isinstance(message, str) else bytes(message).decode("latin-1")
    header = re.split(_LINE_END * 2, text, maxsplit=1)[0]
    if not _FIELD.match(header) or _TASK_FIELD.search(header):
        return message
    line_end = re.search(_LINE_END, text)
    text = f"{FIELDS[0]}: {task}{line_end.group() if line_end else chr(13) + chr(10)}{text}"
    return text if isinstance(message, str) else text.encode("latin-1")


# --- Celery -----------------------------------------------------------------------------------------------------------

_HEADER = "mailonce_task"
"""In a task message: the task of its mail, for a member of a chord that of the chord, and the message's own Celery id.

Celery hands headers on from one message to another. The Celery id says for which message the rest is meant."""

_celery_runs = weakref.WeakKeyDictionary()
"""The run of each request, which Celery makes anew for each delivery."""

_CELERY_HEADERS = {
    *("lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id"),
    *("parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers"),
    *("stamps", "compression"),
}

_TRACING_HEADERS = re.compile(
    "traceparent|tracestate|baggage|sentry-|x-datadog-|newrelic|elasticapm|b3$|x-b3-|uber-trace-id"
    "|x-amzn-trace-id|x-cloud-trace-context|correlation[-_]id|x-request-id|celery_parent_id|__django_structlog__",
    re.IGNORECASE,
)
"""Of tools that trace and log. They are other ones in each run, and no task works by them."""


def _celery_request():
    """Of the outermost task that a worker runs in this thread; eager tasks and direct calls inside it are part of it."""
    state = sys.modules.get("celery._state")
    if state is not None:
        for task in state._task_stack.stack:
            for request in task.request_stack.stack:
                if not request.called_directly and not request.is_eager:
                    return request
    return None


def _celery_run(request):
    """None where the id of the task is not known to be of one job."""
    if request not in _celery_runs:
        connect_celery()
        own = _of_header(request)
        task = own[0] if own else request.id if _is_random(request.id) else None
        _celery_runs[request] = _Run(task) if task else None
        if own:
            _logger.info("The mail of task %s has the id %s", request.id, task)
    return _celery_runs[request]


def _of_header(request):
    """The header's parts, when it is meant for this very message."""
    value = getattr(request, _HEADER, None) or (request.headers or {}).get(_HEADER)  # protocol 2, protocol 1
    parts = value.split(" ", 2) if isinstance(value, str) else []
    return parts if len(parts) == 3 and parts[2] == request.id else None


def _is_random(task_id):
    """Whether Celery chose the id. Ids that people choose are used again for other jobs, such as "daily-report"."""
    try:
        return uuid.UUID(task_id).version == 4
    except (AttributeError, TypeError, ValueError):
        return False


def connect_celery():
    """From now on a task that is published inside a job gets an id that follows from the job and from what it is to do.

    When the job runs again, it publishes the same task again under another Celery id; mailonce then sees the same one.
    Needed wherever tasks are published: call it in the module of your Celery app.
    """
    from celery.signals import before_task_publish

    before_task_publish.connect(_before_task_publish, weak=False, dispatch_uid="mailonce_jobs")


def _before_task_publish(sender, body, headers, exchange=None, routing_key=None, **_):
    headers.pop(_HEADER, None)
    fields, args = (body, (body["args"], body["kwargs"])) if "id" not in headers else (headers, body[:2])
    celery_id, request = fields["id"], _celery_request()
    if request is not None and _is_retry(request, sender, fields):
        own, run = _of_header(request), _celery_run(request)
        if own:
            headers[_HEADER] = " ".join(own)
        elif run is None:
            headers[_HEADER] = f"{uuid.uuid4()} - {celery_id}"
        return
    run = _running()
    if request is not None and _is_body_of_chord(request, celery_id):
        # Any member may finish last, so the body is no child of that one.
        own = _of_header(request)
        chord = own[1] if own else "-"
        run = _Run(f"{chord}:body") if chord != "-" else None
    if run is not None:
        chosen = "" if _is_random(celery_id) else celery_id
        what = _digest(sender, chosen, getattr(exchange, "name", exchange), routing_key, _custom(headers), args)
        child = run.child(what)
        headers[_HEADER] = f"{child} {_chord_of(request, run, fields.get('group'), child)} {celery_id}"
    elif not _is_random(celery_id):
        # Published twice, it is two jobs: nothing says whether the second is meant to be the first.
        headers[_HEADER] = f"{uuid.uuid4()} - {celery_id}"


def _is_retry(request, name, fields):
    """self.retry() publishes the running task again; self.replace() publishes another task under its Celery id."""
    return fields["id"] == request.id and name == request.task and fields.get("retries") == request.retries + 1


def _is_body_of_chord(request, celery_id):
    chord = request.chord
    return bool(chord) and chord.get("options", {}).get("task_id") == celery_id


def _chord_of(request, run, group, child):
    """What all members of a group that is published in this run have in common: the task of the first."""
    if group is None:
        return "-"
    own = _of_header(request) if request is not None else None
    if own and group == request.group:
        return own[1]  # a task that replaces a member
    return run.groups.setdefault(group, child)


def _custom(headers):
    """What the application put into the headers, by which its workers may act: the tenant, for example."""
    return {
        name: _custom(value) if name == "headers" and isinstance(value, dict) else value
        for name, value in headers.items()
        if name not in _CELERY_HEADERS and not _TRACING_HEADERS.match(name)
    }


def _digest(*what):
    from kombu.utils import json as kombu_json

    try:
        octets = kombu_json.dumps(what, sort_keys=True).encode()
    except Exception:  # What JSON can't say is for pickle, or can't be published at all.
        try:
            octets = pickle.dumps(what, protocol=4)
        except Exception:
            octets = uuid.uuid4().bytes
    return hashlib.sha256(octets).hexdigest()


# --- RQ ---------------------------------------------------------------------------------------------------------------


def _rq_job():
    from rq.job import Job as RqJob

    class Job(RqJob):
        """A job whose mail has an id. RQ runs the same job again after its end, so the job's id alone is not enough.

        The id is of an occasion: the job, and when it was put into the queue. A retry and a requeue after a failure are
        the same occasion; a job that is put into the queue again after its end is another one. Which it is, the job's
        hash in Redis remembers until the job succeeds.
        """

        def perform(self):
            if self.worker_name == "sync" or _running() is not None:
                return super().perform()
            try:
                task = self._occasion()
            except Exception:
                _logger.warning("The mail of job %s has no id", self.id, exc_info=True)
                return super().perform()
            with job(task):
                return super().perform()

        def _handle_success(self, result_ttl, pipeline, *args, **kwargs):
            """What runs between the end of the function and here may fail yet, and then the job runs again."""
            super()._handle_success(result_ttl, pipeline, *args, **kwargs)
            pipeline.hdel(self.key, _HEADER)

        def _occasion(self):
            created = str(self.created_at)
            before = json.loads(self.connection.hget(self.key, _HEADER) or "null")
            if before and before["created"] == created and self._goes_on(before["retries_left"]):
                task = before["task"]
            else:
                task = f"{self.id}:{(self.enqueued_at or self.created_at).isoformat()}"
                if not re.fullmatch("[!-~]{1,255}", task):
                    task = _derived(task)
            record = {"task": task, "created": created, "retries_left": self.retries_left}
            self.connection.hset(self.key, _HEADER, json.dumps(record))
            return task

        def _goes_on(self, retries_left):
            """Only a retry uses up one of the retries. A requeue clears the end; a run that was killed had none."""
            if None not in (retries_left, self.retries_left) and self.retries_left < retries_left:
                return True
            is_periodic = "interval" in self.meta or "cron_string" in self.meta  # by rq-scheduler
            return self.ended_at is None and not is_periodic

    return Job


# --- What needs a framework is made when it is asked for --------------------------------------------------------------


def __getattr__(name):
    makers = {"EmailBackend": _email_backend, "Job": _rq_job}
    if name not in makers:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = makers[name]()
    return made
