# Sends one task's mail twice by Django with anymail: with a field, and in a job, which adds the field.
#
#     python3 django_anymail.py TASK RECIPIENT        with mailonce_jobs.py in PYTHONPATH
import os
import sys

import mailonce_jobs
from django.conf import settings
from django.core.mail import EmailMessage

settings.configure(
    EMAIL_BACKEND="__main__.Backend",
    ANYMAIL={
        "AMAZON_SES_CLIENT_PARAMS": {
            "endpoint_url": os.environ["AWS_ENDPOINT_URL_SES"],
            "region_name": "eu-west-1",
        }
    },
)

task, recipient = sys.argv[1:]

from anymail.backends.amazon_ses import EmailBackend  # noqa: E402 - it reads the settings


class Backend(mailonce_jobs.TaskIdMixin, EmailBackend):
    pass


def send(**headers):
    mail = EmailMessage("News", "Hello.", "App <app@sender.example>", [recipient], headers=headers)
    mail.send()
    print(mail.anymail_status.message_id)


send(**{"X-Task-Id": task})
with mailonce_jobs.job(task):
    send()
