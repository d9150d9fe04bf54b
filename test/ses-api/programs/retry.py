# Sends one mail by boto3, which tries again by itself when its answer is lost.
#
#     python3 retry.py RECIPIENT
import os
import sys

import boto3

(recipient,) = sys.argv[1:]
client = boto3.client("sesv2", endpoint_url=os.environ["AWS_ENDPOINT_URL_SESV2"], region_name="eu-west-1")
mail = f"From: app@sender.example\nTo: {recipient}\nSubject: News\n\nHello.\n"
answer = client.send_email(Content={"Raw": {"Data": mail.encode()}})
print(answer["ResponseMetadata"]["RetryAttempts"], answer["MessageId"])
