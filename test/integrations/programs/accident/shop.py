"""A shop's tasks, as they are without mailonce. A message that a worker has for a second counts as lost."""

import os

import django
from celery import Celery
from django.core.mail import send_mail

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

app = Celery("shop", broker=os.environ["REDIS_URL"])
app.conf.broker_transport_options = {"visibility_timeout": 1}
app.conf.worker_prefetch_multiplier = 1


@app.task(acks_late=True)
def newsletter(people):
    half = len(people) // 2
    for person in people[:half]:
        send_mail("News of November", "Read this.", None, [person])
    wait_for_the_database()
    for person in people[half:]:
        send_mail("News of November", "Read this.", None, [person])


def wait_for_the_database():
    """Takes longer than a second: until the test has it go on."""
    print("half of the newsletter is out", flush=True)
    with app.connection_for_read() as connection:
        connection.default_channel.client.blpop("go on", timeout=60)


if __name__ == "__main__":
    newsletter.delay([f"customer{number}@example.com" for number in range(20)])
