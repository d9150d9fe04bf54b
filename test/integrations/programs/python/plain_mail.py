"""Mail with smtplib, as it is sent without Django."""

import os
import smtplib
from email.message import EmailMessage

import mailonce_jobs

mailonce_jobs.patch_smtplib()


def connect():
    return smtplib.SMTP("127.0.0.1", int(os.environ["SMTP_PORT"]), local_hostname="shop.example")


def mail(to, subject):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@shop.example", to, subject
    message.set_content("Hello")
    with connect() as server:
        server.send_message(message)
