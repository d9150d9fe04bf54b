# Sends one task's mail to two people twice, by the calls that django-ses 4.7 makes of boto3: it asks for the rate, then hands on
# the whole mail, with all recipients in one list. Debian has no package of django-ses.
#
#     python3 django_ses.py 1|2 TASK RECIPIENT BLIND_RECIPIENT        with mailonce_jobs.py in PYTHONPATH
import os
import sys

import boto3
import mailonce_jobs
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class Ses(BaseEmailBackend):
    def send_messages(self, messages):
        name = "sesv2" if version == "2" else "ses"
        session = boto3.Session(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="secret")
        ses = session.client(name, region_name="eu-west-1", endpoint_url=os.environ["AWS_ENDPOINT_URL_SES"], config=None)
        for message in messages:
            quota = ses.get_account()["SendQuota"] if version == "2" else ses.get_send_quota()
            assert float(quota["MaxSendRate"]) > 0
            octets = message.message().as_bytes(linesep="\r\n")
            if version == "2":
                answer = ses.send_email(
                    FromEmailAddress=message.from_email,
                    Destination={"ToAddresses": message.recipients()},
                    Content={"Raw": {"Data": octets}},
                )
            else:
                answer = ses.send_raw_email(
                    Source=message.from_email, Destinations=message.recipients(), RawMessage={"Data": octets}
                )
            message.extra_headers["message_id"] = answer["MessageId"]
            message.extra_headers["request_id"] = answer["ResponseMetadata"]["RequestId"]
        return len(messages)


class Backend(mailonce_jobs.TaskIdMixin, Ses):
    pass


settings.configure(EMAIL_BACKEND="__main__.Backend")
version, task, to, blind = sys.argv[1:]
for _ in range(2):
    mail = EmailMessage("News", "Hello.", "App <app@sender.example>", [to], bcc=[blind])
    with mailonce_jobs.job(task):
        mail.send()
    assert mail.extra_headers["request_id"] and "X-Task-Id" not in mail.extra_headers
    print(mail.extra_headers["message_id"])
