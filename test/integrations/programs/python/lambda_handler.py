"""A Lambda function on SQS as AWS documents it: it reports the records that failed, and SQS delivers these again."""

import json
import os

import mailonce_jobs
from django.conf import settings
from plain_mail import mail as mail_with_smtplib

settings.configure(
    EMAIL_BACKEND="mailonce_jobs.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=int(os.environ["SMTP_PORT"]),
    DEFAULT_FROM_EMAIL="shop@shop.example",
)

from django.core.mail import send_mail


def handler(event, context):
    failed = []
    for record in event["Records"]:
        try:
            with mailonce_jobs.job(record["messageId"]):
                handle(json.loads(record["body"]))
        except Exception:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def handle(order):
    send_mail("Your order", "Hello", None, [order["customer"]])
    if order.get("fails"):
        raise RuntimeError("the warehouse is away")
    mail_with_smtplib(order["warehouse"], "An order")
