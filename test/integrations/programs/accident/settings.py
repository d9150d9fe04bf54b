"""Settings of a shop on Django. The one line for mailonce is EMAIL_BACKEND; the host and the port are its own."""

import os

SECRET_KEY = "of the tests"
EMAIL_BACKEND = "mailonce_jobs.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ["SMTP_PORT"])
DEFAULT_FROM_EMAIL = "Shop <news@shop.example>"
