# Sends one task's mail by boto3, by each call of both versions of the API, each twice. Its surroundings name the endpoint.
#
#     python3 send.py TASK RECIPIENT
import os
import sys

import boto3

task, recipient = sys.argv[1:]
sender = "app@sender.example"
places = {"region_name": "eu-west-1"}
v1 = boto3.client("ses", endpoint_url=os.environ["AWS_ENDPOINT_URL_SES"], **places)
v2 = boto3.client("sesv2", endpoint_url=os.environ["AWS_ENDPOINT_URL_SESV2"], **places)

raw = f"From: {sender}\nTo: {recipient}\nSubject: News\nX-Task-Id: {task}\n\nHello.\n".encode()
to = {"ToAddresses": [recipient]}
body = {"Text": {"Data": "Hello."}}
calls = {
    "SendRawEmail": lambda: v1.send_raw_email(RawMessage={"Data": raw}),
    "SendEmail of version 1": lambda: v1.send_email(
        Source=sender,
        Destination=to,
        Message={"Subject": {"Data": "News"}, "Body": body},
        Tags=[{"Name": "task-id", "Value": task}],
    ),
    "Raw": lambda: v2.send_email(Content={"Raw": {"Data": raw}}),
    "Simple": lambda: v2.send_email(
        FromEmailAddress=sender,
        Destination=to,
        Content={"Simple": {"Subject": {"Data": "News"}, "Body": body}},
        EmailTags=[{"Name": "task-id", "Value": task}],
    ),
}
for send in calls.values():
    for _ in range(2):
        print(send()["MessageId"])
print(v1.get_send_quota()["MaxSendRate"], v2.get_account()["SendQuota"]["MaxSendRate"])
