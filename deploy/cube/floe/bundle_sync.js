// Which bundle serves: a new one is compiled beside it, and takes over once Cube and the semantic service call it good.
'use strict';

const { randomUUID } = require('node:crypto');
const { readBundle } = require('./bundle');

const TOLD_CHARACTERS = 20_000;
const ASK_AGAIN = [401, 403, 408, 425, 429];

/**
 * Asks the semantic service for its bundle, proves each new one before anybody's query sees it, and tells the verdict.
 *
 * An attempt is a bundle with an app of its own in Cube. One that was refused never serves, not even in part: offered
 * again, it is compiled afresh, because Cube's caches would leave out what was wrong and call the rest good.
 *
 * Offers are worked off one at a time, rubbish too; of those that come meanwhile, the last. What cannot be told of one
 * is told again with the next poll, unless there is a newer one by then.
 *
 * `buildable` gives the files that this Cube can compile and keep computed.
 */
function createBundleSync({ settings, service, notices, buildable }) {
  const start = randomUUID(); // by which the service knows that a Cube ended over an offer and was started again
  const kept = new Map(); // app id -> attempt: what serves, what is tried, and what requests may still be at
  let serving = null;
  let place = null; // of what served first: it serves no other product over the same warehouse
  let etag = null; // of the last bundle that was received, whatever became of it
  let waiting = null; // {document, offer} that is not judged yet
  let verdict = null; // {document, offer, attempt} that the service has not answered yet; a refusal has no attempt
  let refused = null; // digest of what was turned down last, until something is taken
  let tryAgainAt = null; // when what was turned down is tried again, should it be offered still
  let working = false;
  let attempts = 0;
  let verify = null;
  let timer = null;
  let stopped = false;

  function keep(attempt) {
    kept.set(attempt.appId, attempt);
    for (const appId of [...kept.keys()]) {
      if (kept.size <= settings.keptCompilers) break;
      if (appId !== attempt.appId && !(serving && appId === serving.appId)) kept.delete(appId);
    }
  }

  function judged({ digest, environment, product }, offer, outcome, { attempt = null, error = null, cubes = {} } = {}) {
    const text = error === null ? null : String(error).slice(0, TOLD_CHARACTERS);
    const document = { version: '1.0', instance: settings.instance, environment, product, bundle_digest: digest };
    verdict = { attempt, offer, document: { ...document, outcome, error: text, cubes } };
  }

  function taken(attempt) {
    serving = attempt;
    place ??= { environment: attempt.environment, product: attempt.product };
    refused = null;
    notices.solved('bundle', 'the bundle that is offered was taken');
    notices.fact(`serves bundle ${attempt.digest}`);
  }

  function turnedDown(digest, why) {
    const instead = serving ? `${serving.digest} goes on serving` : 'nothing is served yet';
    notices.problem('bundle', `bundle ${digest} is not taken, ${instead}: ${why}`);
    refused = digest;
    tryAgainAt = Date.now() + settings.tryAgainSeconds * 1000;
  }

  /** Nothing serves that the service does not agree to: it compares the members with what it rendered. */
  async function tellVerdict() {
    const { attempt, document, offer } = verdict;
    let answer;
    try {
      answer = await service.post('/v1/cube/verdicts', document, { offer });
    } catch (error) {
      if (!(error.status >= 400 && error.status < 500) || ASK_AGAIN.includes(error.status)) throw error;
      answer = { outcome: 'refused', error: error.message };
    }
    notices.solved('verdict', 'the semantic service takes verdicts again');
    if (verdict === null || verdict.document !== document) return; // it was withdrawn meanwhile
    verdict = null;
    if (attempt === null) return;
    if (answer.outcome === 'served') taken(attempt);
    else {
      kept.delete(attempt.appId);
      turnedDown(attempt.digest, answer.error || 'the semantic service refuses it');
    }
  }

  async function tried(bundle, offer) {
    attempts += 1;
    const attempt = { ...bundle, appId: `${bundle.digest}#${attempts}` };
    keep(attempt);
    try {
      attempt.files = buildable(bundle.files);
      attempt.cubes = await within(settings.proveSeconds, verify(attempt));
      attempt.members = new Set(Object.entries(attempt.cubes).flatMap(([cube, names]) => names.map((name) => `${cube}.${name}`)));
    } catch (error) {
      if (!kept.delete(attempt.appId)) return; // it was withdrawn meanwhile
      turnedDown(bundle.digest, error.message);
      judged(bundle, offer, 'refused', { error: error.message });
      return;
    }
    if (kept.has(attempt.appId)) judged(bundle, offer, 'served', { attempt, cubes: attempt.cubes });
  }

  async function judge({ document, offer }) {
    tryAgainAt = null;
    let bundle;
    try {
      bundle = readBundle(document);
    } catch (error) {
      const digest = String(document.bundle_digest);
      turnedDown(digest, error.message);
      judged({ ...document, digest }, offer, 'refused', { error: error.message });
      return;
    }
    if (serving && serving.digest === bundle.digest) return; // the next poll says that it serves
    await tried(bundle, offer);
  }

  function outdated() {
    if (verdict !== null && verdict.attempt !== null) kept.delete(verdict.attempt.appId);
    verdict = null;
  }

  async function workOff() {
    if (working) return;
    working = true;
    try {
      while (!stopped && (waiting !== null || verdict !== null)) {
        if (waiting === null) await tellVerdict();
        else {
          const next = waiting;
          waiting = null;
          outdated();
          await judge(next);
        }
      }
    } finally {
      working = false;
    }
  }

  function withdrawn() {
    serving = null;
    waiting = null;
    verdict = null;
    kept.clear();
  }

  /** Whose bundle the document is, if it is not this Cube's. */
  function stranger(document) {
    const own = { ...place };
    if (settings.environment) own.environment = settings.environment;
    if (settings.product) own.product = settings.product;
    const different = Object.keys(own).some((name) => document[name] !== own[name]);
    return different ? `${document.product} in ${document.environment}` : null;
  }

  async function asked() {
    if (tryAgainAt !== null && Date.now() >= tryAgainAt) {
      tryAgainAt = null;
      etag = null;
    }
    const answer = await service.bundle({ etag, serving: serving && serving.digest, place, start, refused });
    notices.solved('service', `the semantic service at ${settings.url} answers`);
    if (answer.status === 304) return;
    if (answer.status === 410) withdrawn();
    if (answer.document === null) {
      etag = null;
      if (serving === null) notices.problem('offer', `there is no bundle to serve: ${answer.reason}`);
      return;
    }
    const offer = answer.etag || `"${answer.document.bundle_digest}"`;
    if (offer === etag) return;
    etag = offer;
    const other = stranger(answer.document);
    if (other !== null) {
      // No verdict: the bundle may be good where it belongs.
      notices.problem('offer', `a bundle of ${other} is offered, and not taken: this Cube belongs to another product`);
      return;
    }
    notices.solved('offer', 'a bundle is offered');
    waiting = { document: answer.document, offer };
  }

  function disturbed(key, error) {
    const meanwhile = serving ? `${serving.digest} goes on serving` : 'nothing can be served yet';
    notices.problem(key, `${error.message}; ${meanwhile}`);
  }

  async function polled() {
    try {
      if (verify !== null) await asked();
    } catch (error) {
      disturbed('service', error);
    }
    workOff().catch((error) => disturbed('verdict', error));
    if (!stopped) timer = setTimeout(polled, settings.pollSeconds * 1000);
  }

  return {
    /** Poll until `stop`. */
    start() {
      timer = setTimeout(polled, 0);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
    /** How a candidate is proved: `(attempt) => {cube: [members]}`, which throws what Cube has against it. */
    proveWith(proof) {
      verify = proof;
    },
    /** What serves; null before there is a good bundle, and when the product was withdrawn. */
    serving: () => serving,
    /** The attempt of an app; undefined once it is no longer kept. */
    ofApp: (appId) => kept.get(appId),
  };
}

async function within(seconds, proof) {
  let timer;
  const late = new Promise((_, reject) => {
    const told = `Cube has not answered within ${seconds} s what it shows of it (FLOE_CUBE_PROVE_SECONDS)`;
    timer = setTimeout(() => reject(new Error(told)), seconds * 1000);
  });
  try {
    return await Promise.race([proof, late]);
  } finally {
    clearTimeout(timer);
  }
}

module.exports = { createBundleSync };
