"""Submits one mail with Python's smtplib: python3 examples/python.py [TASK-ID]. The second time is a repeat."""

import os
import smtplib
import sys
import uuid
from email.message import EmailMessage

task = sys.argv[1] if len(sys.argv) > 1 else str(uuid.uuid4())

mail = EmailMessage()
mail["From"] = "news@sender.example"
mail["To"] = "ada@example.com"
mail["Subject"] = "News"
mail["X-Task-Id"] = task  # In Celery: self.request.id
mail.set_content("Hello Ada, this is our newsletter.\n")

# smtp.send_message(mail) does the same, but keeps the server's last reply to itself.
with smtplib.SMTP("127.0.0.1", int(os.environ.get("MAILONCE_SMTP_PORT", "2525"))) as smtp:
    smtp.ehlo_or_helo_if_needed()
    smtp.mail("news@sender.example")
    smtp.rcpt("ada@example.com")
    code, text = smtp.data(mail.as_bytes())

print(code, text.decode())
sys.exit(0 if code == 250 else 1)
