"""Publishes tasks, or calls functions outside a worker, as a test asks for it in Redis; answers with what came of it."""

import json

import celery_shop
from celery_shop import app, store
from django.core.management import call_command

call_command("migrate", verbosity=0)
print("the desk is open", flush=True)

while True:
    _, asked = store.blpop("asked")
    asked = json.loads(asked)
    try:
        if "task" in asked:
            task = app.tasks[f"celery_shop.{asked['task']}"]
            result = task.apply_async(asked["args"], **asked.get("options", {}))
            answer = {"id": result.id}
            if asked["wait"]:
                answer["result"] = result.get(timeout=60)
        else:
            answer = {"result": getattr(celery_shop, asked["call"])(*asked["args"])}
    except Exception as error:
        answer = {"error": repr(error)}
    store.rpush("answered", json.dumps(answer))
