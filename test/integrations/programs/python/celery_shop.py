"""A shop on Django and Celery: its worker, and what publishes its tasks. No task says anything about mailonce."""

import logging
import os
import smtplib
import threading
from email.message import EmailMessage as Mail

import django
from celery import Celery, chain, chord, group
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="of the tests",
    ALLOWED_HOSTS=["shop.example"],
    EMAIL_BACKEND="mailonce_jobs.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=int(os.environ["SMTP_PORT"]),
    DEFAULT_FROM_EMAIL="shop@shop.example",
    SERVER_EMAIL="server@shop.example",
    ADMINS=[("Admin", os.environ.get("ADMIN", "admin@example.net"))],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.abspath("shop.sqlite3")}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.admin"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    ROOT_URLCONF="celery_shop_urls",
    LOGGING_CONFIG=None,
)
django.setup()

import mailonce_jobs
from django.contrib.auth.forms import PasswordResetForm
from django.core.mail import EmailMessage, mail_admins, send_mail
from django.utils.log import AdminEmailHandler

mailonce_jobs.connect_celery()

app = Celery("shop", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(
    broker_transport_options={"visibility_timeout": float(os.environ.get("VISIBILITY_TIMEOUT", "3600"))},
    task_protocol=int(os.environ.get("TASK_PROTOCOL", "2")),
    worker_prefetch_multiplier=1,
    worker_redirect_stdouts=False,
    broker_connection_retry_on_startup=True,
)
store = app.backend.client


class Unlucky(Exception):
    """What fails once in a job: a database that is away, for example."""


def fail_once(key):
    """Raises at the first call with the key, whichever process makes it."""
    if store.incr(f"failed:{key}") == 1:
        raise Unlucky(key)


def mail(to, subject, **options):
    send_mail(subject, "Hello", None, [to], **options)


@app.task
def welcome(to, subject):
    mail(to, subject)


@app.task(bind=True, default_retry_delay=0, max_retries=5)
def newsletter(self, people, subject, key):
    """Fails after half of the people, and begins again."""
    try:
        for number, person in enumerate(people):
            if number == len(people) // 2:
                fail_once(key)
            mail(person, subject)
    except Unlucky as error:
        raise self.retry(exc=error)


@app.task(autoretry_for=(Unlucky,), default_retry_delay=0, retry_backoff=False)
def invoices_by_autoretry(people, key):
    for person in people:
        mail(person, "Invoice")
        fail_once(f"{key} {person}")


@app.task(acks_late=True)
def slow_newsletter(people, subject, key):
    """Says that it is in the middle, and goes on when it is told to."""
    half = len(people) // 2
    for person in people[:half]:
        mail(person, subject)
    run = store.incr(f"runs:{key}")
    print(f"in the middle of {key}, run {run}", flush=True)
    store.blpop(f"go on:{key}:{run}")
    for person in people[half:]:
        mail(person, subject)
    print(f"end of {key}, run {run}", flush=True)


@app.task(acks_late=True, reject_on_worker_lost=True)
def killed_once(people, key):
    for person in people:
        mail(person, "Survives")
        if store.incr(f"killed:{key}") == 1:
            os.kill(os.getpid(), 9)


def refusal(send):
    """The reply's code when the mail is refused, None when it is taken."""
    try:
        send()
    except smtplib.SMTPDataError as error:
        return error.smtp_code
    return None


@app.task
def two_subjects(to):
    return [refusal(lambda: mail(to, subject)) for subject in ("Your order", "Your invoice")]


@app.task
def two_parts(to):
    for part in ("order", "invoice"):
        EmailMessage(f"Your {part}", "Hello", to=[to], headers={"X-Task-Part": part}).send()


@app.task
def with_archive(people, subjects):
    """Each mail has the archive among its recipients, as a Bcc."""
    return [
        refusal(EmailMessage(subject, "Hello", to=[person], bcc=["archive@example.net"]).send)
        for person, subject in zip(people, subjects)
    ]


@app.task
def mail_to_admins(subject):
    mail_admins(subject, "Look")


@app.task
def password_reset(address):
    form = PasswordResetForm({"email": address})
    assert form.is_valid()
    form.save(domain_override="shop.example", from_email="shop@shop.example")


@app.task
def with_field(to, name, value):
    EmailMessage(f"Has {name}", "Hello", to=[to], headers={name: value}).send()


@app.task
def logs_errors(subjects):
    """A logger that mails, as Django's default does on a server."""
    logger = logging.Logger("shop.errors")
    logger.addHandler(AdminEmailHandler())
    for subject in subjects:
        logger.error(subject)


@app.task
def calls_another(to):
    welcome(to, "Called directly")


@app.task
def applies_another(to):
    welcome.apply(args=(to, "Applied"), throw=True)


@app.task(bind=True)
def applies_itself(self, to, depth=1):
    if depth:
        self.apply(args=(to, depth - 1), throw=True)
    else:
        mail(to, "Applied itself")


@app.task
def in_threads(carried, bare):
    """Mails to some in threads that know of the job, and to others in threads that don't."""
    send = mailonce_jobs.carry(mail)
    threads = [threading.Thread(target=send, args=(to, "In a thread")) for to in carried]
    threads += [threading.Thread(target=mail, args=(to, "In a thread")) for to in bare]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@app.task
def forks(to):
    """A process that is forked in the job and outlives it, as those of a pool do."""
    child = os.fork()
    if child == 0:
        try:
            mail(to, "From a forked process")
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@app.task(bind=True, default_retry_delay=0)
def bills(self, orders, key):
    """Publishes a task for each order; the retry publishes those that are left."""
    left = orders if store.incr(f"bills:{key}") == 1 else orders[1:]
    for order in left:
        bill.delay(*order)
    if left is orders:
        raise self.retry()


@app.task
def bill(to, number):
    mail(to, "Your bill")


@app.task
def equal_bills(to):
    for _ in range(2):
        bill.delay(to, 1)


@app.task(bind=True)
def tenant_bill(self, to):
    """The tenant is in the headers of the message, as in django-tenants."""
    mail(to, f"Bill of {self.request.tenant}")


@app.task(bind=True, default_retry_delay=0)
def tenant_bills(self, to, tenants, key):
    left = tenants if store.incr(f"tenants:{key}") == 1 else tenants[1:]
    for tenant in left:
        tenant_bill.apply_async((to,), headers={"tenant": tenant, "traceparent": os.urandom(8).hex()})
    if left is tenants:
        raise self.retry()


@app.task
def bills_with_headers(to):
    hands_on_headers.delay(to)


@app.task(bind=True)
def hands_on_headers(self, to):
    """Gives its own headers to what it publishes, and mails the same person."""
    mail(to, "Hello")
    welcome.apply_async((to, "Hello"), headers={"mailonce_task": self.request.mailonce_task})


@app.task(bind=True)
def replaced(self, to):
    mail(to, "Hello")
    raise self.replace(replacement.s(to))


@app.task(bind=True, default_retry_delay=0)
def replacement(self, to):
    mail(to, "Hello")
    if self.request.retries == 0:
        raise self.retry()


@app.task(bind=True, default_retry_delay=0)
def canvases(self, to, key):
    """Publishes a chain, a group and a chord, all with callbacks, and again when it is retried."""
    chain(add.s(1, 2), tell.s(to, "chain"), tell.s(to, "chain's end")).delay()
    group(tell.s(number, to, f"group {number}") for number in range(3)).delay()
    chord((tell_in_turn.s(number, to, key) for number in range(3)), tell.s(to, "chord's body")).delay()
    add.apply_async((3, 4), link=tell.s(to, "callback"))
    if store.incr(f"canvases:{key}") == 1:
        raise self.retry()


@app.task
def add(one, other):
    return one + other


@app.task
def tell_in_turn(number, to, key):
    """Of three members of a chord, another one is the last in the second run."""
    run = store.incr(f"turn:{key}:{number}")
    is_last = number == (0 if run == 1 else 2)
    if is_last:
        for _ in range(2):
            store.blpop(f"turns:{key}:{run}")
    tell(number, to, f"chord {number}")
    if not is_last:
        store.rpush(f"turns:{key}:{run}", number)
    return number


@app.task
def tell(result, to, what):
    mail(to, f"{what}: {result}")
    store.rpush("told", what)
    return result


@app.task
def eager_publishes(to):
    publishes.apply(args=(to,), throw=True)


@app.task
def publishes(to):
    welcome.delay(to, "Published by an eager task")


# --- Called outside a worker ------------------------------------------------------------------------------------------


def add_user(address):
    from django.contrib.auth.models import User

    User.objects.create_user(address, address, "password")


def deliver_again():
    """What a worker does for tasks whose visibility time-out is over."""
    with app.connection_for_read() as connection:
        connection.default_channel.qos.restore_visible()


def eager(to, subject):
    """CELERY_TASK_ALWAYS_EAGER, as in a test or a small installation."""
    app.conf.task_always_eager = True
    try:
        welcome.delay(to, subject)
    finally:
        app.conf.task_always_eager = False


def one_message_in_two_jobs(to):
    """The ids under which one message object is sent in two jobs and outside, and what is left on the object."""
    message = EmailMessage("Same", "Hello", to=[to], connection=_Seen())
    for name in ("job-1", "job-2"):
        with mailonce_jobs.job(name):
            message.send()
    message.send()
    return [*message.connection.ids, message.extra_headers]


def message_of_an_own_class(to):
    """The ids that are on a message whose class writes one itself."""

    class Tagged(EmailMessage):
        def message(self):
            message = super().message()
            message["Idempotency-Key"] = "own"
            return message

    backend = _Seen()
    with mailonce_jobs.job("job-1"):
        Tagged("Own", "Hello", to=[to], connection=backend).send()
    return backend.ids


class _Backend:
    """A backend that keeps the id instead of sending."""

    def __init__(self):
        self.ids = []

    def send_messages(self, messages):
        self.ids += [message.message()["X-Task-Id"] for message in messages]


class _Seen(mailonce_jobs.TaskIdMixin, _Backend):
    pass
