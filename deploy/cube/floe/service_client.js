// The semantic service over HTTP: its bundle, and what it is told.
'use strict';

const LARGEST_BUNDLE = 64 * 1024 * 1024;
const LARGEST_PROBLEM = 64 * 1024;
const TOLD_CHARACTERS = 500;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

class ServiceError extends Error {
  /** @param {number | null} status of the answer; null if there was none. */
  constructor(message, status = null) {
    super(message);
    this.status = status;
  }
}

/** A client with deadlines and limits, so that no answer and no silence can hold Cube up. */
function createServiceClient(settings) {
  async function asked(path, options) {
    const headers = { accept: 'application/json', ...options.headers };
    if (settings.token) headers.authorization = `Bearer ${settings.token}`;
    const signal = AbortSignal.timeout(settings.answerSeconds * 1000);
    let answer;
    try {
      answer = await fetch(settings.url + path, { ...options, headers, signal, redirect: 'error' });
      const text = await limitedText(answer, answer.ok ? LARGEST_BUNDLE : LARGEST_PROBLEM);
      return { status: answer.status, etag: answer.headers.get('etag'), text };
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      const cause = error.cause && (error.cause.code || error.cause.message);
      throw new ServiceError(`${settings.url} does not answer: ${cause || error.message}`);
    }
  }

  return {
    /**
     * What is offered, unless `etag` names it.
     *
     * `place` is where this Cube belongs as far as its settings leave that open, `start` names its process, and `refused` is
     * the digest that it turned down last: one that serves nothing is given what others serve first, unless it is this.
     *
     * @returns {Promise<{status: number, document: object | null, etag: string | null, reason: string}>} 200 with the
     *   document, 304, 404 where nothing is offered, or 410 where the product was withdrawn.
     * @throws ServiceError if the service does not answer, or not as agreed.
     */
    async bundle({ etag, serving, place, start, refused: turnedDown }) {
      const { environment, product } = place || {};
      const query = new URLSearchParams();
      if (settings.environment || environment) query.set('environment', settings.environment || environment);
      if (settings.product || product) query.set('product', settings.product || product);
      const headers = {
        'x-floe-cube-instance': settings.instance,
        'x-floe-cube-start': start,
        'x-floe-cube-serving': serving || '',
      };
      if (DIGEST.test(turnedDown)) headers['x-floe-cube-refused'] = turnedDown;
      if (etag) headers['if-none-match'] = etag;
      const answer = await asked(`/v1/cube/bundle?${query}`, { headers });
      if (![200, 304, 404, 410].includes(answer.status)) throw refused(answer);
      const document = answer.status === 200 ? object(answer.text) : null;
      const reason = answer.status === 404 || answer.status === 410 ? problemText(answer) : '';
      return { status: answer.status, document, etag: answer.etag, reason };
    },

    /**
     * Send a document, and what was answered; `offer` is the ETag of what it is about.
     *
     * @throws ServiceError if it was not taken, with the status of the answer.
     */
    async post(path, document, { offer } = {}) {
      const headers = { 'content-type': 'application/json' };
      if (offer) headers['if-match'] = offer;
      const answer = await asked(path, { method: 'POST', headers, body: JSON.stringify(document) });
      if (answer.status !== 200) throw refused(answer);
      return object(answer.text);
    },
  };
}

function refused(answer) {
  const hint = answer.status === 401 || answer.status === 403 ? ' (FLOE_CUBE_TOKEN is not its token)' : '';
  return new ServiceError(`the semantic service answered ${answer.status}${hint}: ${problemText(answer)}`, answer.status);
}

function problemText({ text }) {
  const document = parsed(text);
  const said = document && (document.detail || document.message || document.title || document.error);
  const hint = said && document.hint ? ` (${document.hint})` : '';
  return `${said || text || 'nothing more'}${hint}`.slice(0, TOLD_CHARACTERS);
}

function parsed(text) {
  try {
    const document = JSON.parse(text);
    return typeof document === 'object' && !Array.isArray(document) ? document : null;
  } catch {
    return null;
  }
}

function object(text) {
  const document = parsed(text);
  if (document === null) throw new ServiceError('the semantic service answered with something that is no JSON object');
  return document;
}

async function limitedText(answer, limit) {
  const parts = [];
  let size = 0;
  for await (const part of answer.body || []) {
    size += part.length;
    if (size > limit) throw new ServiceError(`an answer of the semantic service is larger than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

module.exports = { createServiceClient, ServiceError };
