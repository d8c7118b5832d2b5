"""A task of Celery (`pip install celery`): one client for each worker process.

`python examples/celery_worker.py` runs the task in this process, on the Bedrock on this machine.
A gunicorn worker makes its client in the hook `post_fork` in the same way.
"""

from celery import Celery
from celery.signals import worker_process_init

from bedrock_bearer import BedrockClient, BedrockError
from bedrock_bearer.local import local_client

app = Celery("examples", broker="memory://", backend="cache+memory://")
clients: list[BedrockClient] = []


@worker_process_init.connect
def make_client(**_: object) -> None:
    """Make the client after the fork; against AWS, `BedrockClient()`."""
    clients.append(local_client())


@app.task(autoretry_for=(BedrockError,), retry_backoff=True, max_retries=3)
def answer(question: str) -> str:
    """Answer a question. The client has retried already; the task tries again much later."""
    return clients[0].converse("us.amazon.nova-micro-v1:0", question).text


if __name__ == "__main__":
    make_client()
    print(answer.apply(args=["Hello"]).get())
