"""An app of Celery without Django, whose tasks mail with smtplib. No task says anything about mailonce."""

import os

import mailonce_jobs
from celery import Celery
from plain_mail import mail

mailonce_jobs.connect_celery()

app = Celery("plain", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])


@app.task(bind=True, default_retry_delay=0)
def newsletter(self, people):
    """Fails after half of the people, once."""
    for number, person in enumerate(people):
        if number == len(people) // 2 and self.request.retries == 0:
            raise self.retry()
        mail(person, "News")


def publish():
    newsletter.apply_async((["a@plain.example", "b@plain.example"],), queue="plain").get(timeout=60)
