"""Sends messages of every form that smtplib takes, each in a job of its own, and says which of them the job changed."""

import asyncio
import concurrent.futures
import email

import mailonce_jobs
from plain_mail import connect, mail

HEADER = "From: shop@shop.example\nTo: {to}\nSubject: {to}\n"


def text(to, more=""):
    return (HEADER + more + "\nHello\n\nx-task-id: in the body\n").format(to=to)


def send(to, message):
    with connect() as server:
        if isinstance(message, email.message.Message):
            before = message.as_string()
            server.send_message(message)
            assert message.as_string() == before
        else:
            server.sendmail("shop@shop.example", [to], message)


forms = {
    "text-lf": lambda to: text(to),
    "text-crlf": lambda to: text(to).replace("\n", "\r\n"),
    "text-cr": lambda to: text(to).replace("\n", "\r"),
    "octets-lf": lambda to: text(to).encode(),
    "octets-crlf": lambda to: text(to).replace("\n", "\r\n").encode(),
    "octets-8bit": lambda to: text(to).replace("Hello", "Grüße").encode(),
    "octets-mutable": lambda to: bytearray(text(to).encode()),
    "folded": lambda to: text(to, "X-Folded: one\n two\n"),
    "header-only": lambda to: HEADER.format(to=to),
    "object": lambda to: email.message_from_string(text(to)),
    "has-own": lambda to: text(to, "idempotency-KEY : own-id\n"),
    "no-header": lambda to: f"Hello {to}\n\nHow are you?\n",
    "empty-header": lambda to: "\nHello\n",
}
for name, form in forms.items():
    to = f"{name}@form.example"
    with mailonce_jobs.job(f"job-{name}"):
        send(to, form(to))

# A job's end is the end of what it started, unless that carries the job.
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    with mailonce_jobs.job("job-pool-1"):
        carried = mailonce_jobs.carry(mail)
        pool.submit(carried, "pool-carried@form.example", "1").result()
        pool.submit(mail, "pool-bare@form.example", "2").result()
    pool.submit(carried, "pool-after@form.example", "3").result()
    with mailonce_jobs.job("job-pool-2"):
        carried("pool-other@form.example", "4")
mail("outside@form.example", "5")


async def main():
    """Two jobs at once on one event loop, and what the first leaves behind."""
    turn, left = asyncio.Event(), asyncio.Event()

    async def goes_on():
        await left.wait()
        mail("async-left@form.example", "6")

    async def one():
        with mailonce_jobs.job("job-async-1"):
            background = asyncio.create_task(goes_on())
            await turn.wait()
            await asyncio.to_thread(mail, "async-1@form.example", "7")
        left.set()
        await background

    async def other():
        with mailonce_jobs.job("job-async-2"):
            turn.set()
            await asyncio.sleep(0)
            mail("async-2@form.example", "8")

    await asyncio.gather(one(), other())


asyncio.run(main())

with mailonce_jobs.job("job-outer"), mailonce_jobs.job("job-inner"):
    mail("inner@form.example", "9")
for wrong in (None, "", " ", 7, b"id", "ä", "a\nb", "x" * 256):
    try:
        with mailonce_jobs.job(wrong):
            raise AssertionError(wrong)
    except ValueError:
        pass
mailonce_jobs.patch_smtplib()
with mailonce_jobs.job("job-patched-twice"):
    mail("twice@form.example", "10")
