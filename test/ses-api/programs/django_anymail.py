# Sends one task's mail twice by Django with anymail.
#
#     python3 django_anymail.py TASK RECIPIENT
import os
import sys

from django.conf import settings
from django.core.mail import EmailMessage

settings.configure(
    EMAIL_BACKEND="anymail.backends.amazon_ses.EmailBackend",
    ANYMAIL={
        "AMAZON_SES_CLIENT_PARAMS": {
            "endpoint_url": os.environ["AWS_ENDPOINT_URL_SES"],
            "region_name": "eu-west-1",
        }
    },
)

task, recipient = sys.argv[1:]
for _ in range(2):
    mail = EmailMessage("News", "Hello.", "App <app@sender.example>", [recipient], headers={"X-Task-Id": task})
    mail.send()
    print(mail.anymail_status.message_id)
