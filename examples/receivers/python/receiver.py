"""A receiver of Polling API's webhooks: verify, drop what is old, answer, and only then work.

pip install standardwebhooks
WEBHOOK_SECRET=whsec_… python receiver.py
"""

import json
import os
import queue
import threading
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

MOST_BYTES = 256 * 1024  # a job has some 20 KB at most
MOST_WAITING = 1000  # jobs that are still to be worked on; beyond that the sender is asked to come again
MOST_REMEMBERED = 100_000  # jobs whose versions are known

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
waiting: "queue.Queue[dict]" = queue.Queue(MOST_WAITING)
newest: "OrderedDict[str, int]" = OrderedDict()  # the newest version taken of each job; in a real service a table
taking = threading.Lock()


def take(job: dict) -> bool:
    """Take a version of a job, unless it or a newer one was taken; answers whether there was room for it."""
    with taking:
        if job["version"] <= newest.get(job["id"], 0):
            return True  # webhooks come at least once: this one had come before, or was overtaken
        try:
            waiting.put_nowait(job)
        except queue.Full:
            return False
        newest[job["id"]] = job["version"]
        newest.move_to_end(job["id"])
        if len(newest) > MOST_REMEMBERED:
            newest.popitem(last=False)
        return True


def work() -> None:
    """Do what has to be done for each job, one after the other, long after the answer."""
    while True:
        job = waiting.get()
        print(f"{job['id']} version {job['version']}: {job['status']}", flush=True)  # your work stands here


class Receiver(BaseHTTPRequestHandler):
    """Answers within milliseconds: a sender waits some seconds at most, and sends again what had no 2xx."""

    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds for which a connection may be silent

    def do_POST(self) -> None:
        self.close_connection = True
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            return self.answer(411)
        if not 0 <= length <= MOST_BYTES:
            return self.answer(413)
        body = self.rfile.read(length)  # the very bytes: what was parsed and written again has another signature
        try:
            webhook.verify(body, dict(self.headers.items()), json_parse=False)
            event = json.loads(body)
        except (WebhookVerificationError, ValueError):
            return self.answer(401)
        job = event.get("data") or {}
        if not event.get("type", "").startswith("job.") or job.get("object") != "job":
            return self.answer(204)  # of a kind that did not exist when this was written
        return self.answer(204 if take(job) else 503)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "4000"))), Receiver)
    threading.Thread(target=work, daemon=True).start()
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
