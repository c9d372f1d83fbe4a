// Sends what is told of queries to the semantic service, in batches, as long as it takes, and never more than fits.
'use strict';

const MOST_WAITING = 5000;
const BATCH = 100;
const FIRST_BACKOFF = 1000;
const MOST_BACKOFF = 30000;
const POST_TIMEOUT = 10000;
const AGAIN = new Set([401, 403, 408, 425, 429]);

/**
 * A queue of records; the oldest are dropped where there is no room, and the number of them is told.
 *
 * post: takes a batch's text, resolves to the HTTP status; whatever it throws is tried again.
 * head: what a batch says beside its records; null while nothing is to be sent.
 * warn: told of what a human should see, once until it changes.
 */
function makeSender({ post, head, warn }) {
  let queue = [];
  let dropped = 0;
  let sending = null;
  let backoff = 0;
  let notBefore = 0;
  let trouble = null;

  function say(news, text) {
    if (news !== trouble && (news || trouble)) warn(text);
    trouble = news;
  }

  async function posted(batch, lost) {
    try {
      const status = await post(JSON.stringify({ ...head(), dropped: lost, events: batch }));
      return { status, reason: `HTTP ${status}` };
    } catch (error) {
      return { status: 0, reason: String((error && error.message) || error) };
    }
  }

  function wait() {
    backoff = Math.min(backoff ? backoff * 2 : FIRST_BACKOFF, MOST_BACKOFF);
    notBefore = Date.now() + backoff * (0.5 + Math.random() / 2);
  }

  async function sendAll() {
    while ((queue.length || dropped) && head()) {
      const batch = queue.slice(0, BATCH);
      const lost = dropped;
      const { status, reason } = await posted(batch, lost);
      const taken = status >= 200 && status < 300;
      const refused = status >= 400 && status < 500 && !AGAIN.has(status);
      if (!taken && !refused) {
        say('away', `queries are not told to the semantic service: ${reason}`);
        wait();
        return;
      }
      // Those in front may have been dropped for newer ones meanwhile.
      const sent = new Set(batch);
      queue = queue.filter((told) => !sent.has(told));
      if (refused) {
        say('refused', `the semantic service refuses what it is told of queries: ${reason}`);
        dropped += batch.length;
        wait();
        return;
      }
      say(null, 'queries are told to the semantic service again');
      backoff = 0;
      dropped -= lost;
    }
  }

  function send() {
    if (!sending && Date.now() >= notBefore) {
      sending = sendAll().finally(() => {
        sending = null;
      });
    }
    return sending;
  }

  return {
    send,
    /** Have a record sent with the next batch. */
    push(told) {
      if (queue.length >= MOST_WAITING) {
        queue.shift();
        dropped += 1;
      }
      queue.push(told);
      if (queue.length >= BATCH) send();
    },
    /** Count a query that cannot be told. */
    lose() {
      dropped += 1;
    },
    /** Send what waits, once. */
    async stop() {
      if (sending) await sending;
      notBefore = 0;
      await send();
    },
    counts: () => ({ waiting: queue.length, dropped }),
  };
}

/** Posts batches to the semantic service at `url` with the bearer token that `token` gives. */
function postTo(url, token) {
  return async (text) => {
    const bearer = token();
    const response = await fetch(`${url.replace(/\/+$/, '')}/v1/cube/queries`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) },
      body: text,
      signal: AbortSignal.timeout(POST_TIMEOUT),
    });
    await response.arrayBuffer();
    return response.status;
  };
}

module.exports = { makeSender, postTo };
