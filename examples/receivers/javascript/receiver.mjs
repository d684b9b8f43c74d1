// A receiver of Polling API's webhooks: verify, drop what is old, answer, and only then work.
//
//     npm install
//     WEBHOOK_SECRET=whsec_… node receiver.mjs

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const MOST_BYTES = 256 * 1024; // a job has some 20 KB at most
const MOST_WAITING = 1000; // jobs that are still to be worked on; beyond that the sender is asked to come again
const MOST_REMEMBERED = 100_000; // jobs whose versions are known

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const waiting = [];
const newest = new Map(); // the newest version taken of each job; in a real service a table

// Take a version of a job, unless it or a newer one was taken; answers whether there was room for it.
function take(job) {
  if (job.version <= (newest.get(job.id) ?? 0)) return true; // it had come before, or was overtaken
  if (waiting.length >= MOST_WAITING) return false;
  waiting.push(job);
  newest.delete(job.id);
  newest.set(job.id, job.version);
  if (newest.size > MOST_REMEMBERED) newest.delete(newest.keys().next().value);
  if (waiting.length === 1) setImmediate(work);
  return true;
}

// Do what has to be done for each job, one after the other, after the answer.
async function work() {
  while (waiting.length > 0) {
    const job = waiting[0];
    console.log(`${job.id} version ${job.version}: ${job.status}`); // your work stands here
    waiting.shift();
  }
}

// The very bytes: what was parsed and written again has another signature. Null where they are too many.
async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MOST_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function statusFor(request) {
  if (request.method !== "POST") return 405;
  const body = await bodyOf(request);
  if (body === null) return 413;
  let event;
  try {
    event = webhook.verify(body, request.headers);
  } catch {
    return 401;
  }
  const isJob = String(event?.type).startsWith("job.") && event.data?.object === "job";
  if (!isJob) return 204; // of a kind that did not exist when this was written
  return take(event.data) ? 204 : 503;
}

const server = createServer({ requestTimeout: 10_000 }, async (request, response) => {
  const status = await statusFor(request).catch(() => 400); // the body broke off
  response.writeHead(status, { Connection: "close" }).end();
});

server.listen(Number(process.env.PORT ?? 4000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
