"""Jobs of a shop on RQ, without Django. None says anything about mailonce."""

import os
import signal
import smtplib

from plain_mail import mail
from redis import Redis

store = Redis.from_url(os.environ["REDIS_URL"])


class Unlucky(Exception):
    """What fails once in a job."""


def newsletter(people, subject, key=None, failures=0, how="raise"):
    """Fails after half of the people, as often as it is told to."""
    for number, person in enumerate(people):
        if number == len(people) // 2 and failures and store.incr(f"failed:{key}") <= failures:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise Unlucky(key)
        mail(person, subject)


def two_subjects(to):
    try:
        mail(to, "Your order")
        mail(to, "Your invoice")
    except smtplib.SMTPDataError as error:
        return error.smtp_code


def runs_another_at_once(to):
    """A queue that is not asynchronous runs its jobs in the process that enqueues them."""
    from rq import Queue

    Queue("at once", is_async=False, connection=store).enqueue(mail, to, "At once")
