// Which bundle serves: a new one is compiled beside it, and takes over once Cube and the semantic service call it good.
'use strict';

const { readBundle, BundleError } = require('./bundle');

const TOLD_CHARACTERS = 20_000;
const ASK_AGAIN = [401, 403, 408, 425, 429];

/**
 * Asks the semantic service for its bundle, proves each new one before anybody's query sees it, and tells the verdict.
 *
 * An attempt is a bundle with an app of its own in Cube. One that was refused never serves, not even in part: offered
 * again, it is compiled afresh, because Cube's caches would leave out what was wrong and call the rest good.
 *
 * `buildable` gives the files that this Cube can compile and keep computed.
 */
function createBundleSync({ settings, service, notices, buildable }) {
  const kept = new Map(); // app id -> attempt: what serves, what is tried, and what requests may still be at
  let serving = null;
  let etag = null; // of the last bundle that was received, whatever became of it
  let waiting = null;
  let trying = false;
  let verdict = null; // {document, attempt} that the service has not answered yet; a refusal has no attempt
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

  function judged({ digest, environment, product }, outcome, { attempt = null, error = null, cubes = {} } = {}) {
    const text = error === null ? null : String(error).slice(0, TOLD_CHARACTERS);
    const document = { version: '1.0', instance: settings.instance, environment, product, bundle_digest: digest };
    verdict = { attempt, document: { ...document, outcome, error: text, cubes } };
  }

  function taken(attempt) {
    serving = attempt;
    notices.solved('bundle', 'the bundle that is offered was taken');
    notices.fact(`serves bundle ${attempt.digest}`);
  }

  function turnedDown(digest, why) {
    const instead = serving ? `${serving.digest} goes on serving` : 'nothing is served yet';
    notices.problem('bundle', `bundle ${digest} is not taken, ${instead}: ${why}`);
  }

  /** Nothing serves that the service does not agree to: it compares the members with what it rendered. */
  async function tellVerdict() {
    if (verdict === null) return;
    const { attempt, document } = verdict;
    let answer;
    try {
      answer = await service.post('/v1/cube/verdicts', document);
    } catch (error) {
      if (!(error.status >= 400 && error.status < 500) || ASK_AGAIN.includes(error.status)) throw error;
      turnedDown(document.bundle_digest, error.message);
      answer = { outcome: 'refused' };
    }
    if (verdict === null || verdict.document !== document) return;
    verdict = null;
    if (attempt === null) return;
    if (answer.outcome === 'served') taken(attempt);
    else {
      kept.delete(attempt.appId);
      turnedDown(attempt.digest, answer.error || 'the semantic service refuses it');
    }
  }

  async function tried(bundle) {
    attempts += 1;
    const attempt = { ...bundle, appId: `${bundle.digest}#${attempts}` };
    keep(attempt);
    try {
      attempt.files = buildable(bundle.files);
      attempt.cubes = await verify(attempt);
      attempt.members = new Set(Object.entries(attempt.cubes).flatMap(([cube, names]) => names.map((name) => `${cube}.${name}`)));
    } catch (error) {
      kept.delete(attempt.appId);
      turnedDown(bundle.digest, error.message);
      judged(bundle, 'refused', { error: error.message });
      return;
    }
    judged(bundle, 'served', { attempt, cubes: attempt.cubes });
  }

  /** One bundle is tried at a time; of those that come meanwhile, the last. */
  async function tryInTurn(bundle) {
    waiting = bundle;
    if (trying) return;
    trying = true;
    try {
      while (waiting !== null && !stopped) {
        const next = waiting;
        waiting = null;
        if (serving && serving.digest === next.digest) continue;
        await tried(next);
        if (waiting === null) await tellVerdict();
      }
    } finally {
      trying = false;
    }
  }

  function received(document) {
    let bundle;
    try {
      bundle = readBundle(document);
    } catch (error) {
      if (!(error instanceof BundleError)) throw error;
      const digest = String(document.bundle_digest);
      turnedDown(digest, error.message);
      judged({ ...document, digest }, 'refused', { error: error.message });
      return;
    }
    verdict = null;
    tryInTurn(bundle).catch((error) => notices.problem('service', error.message));
  }

  function withdrawn() {
    serving = null;
    waiting = null;
    verdict = null;
    kept.clear();
  }

  async function asked() {
    const answer = await service.bundle({ etag, serving: serving && serving.digest });
    notices.solved('service', `the semantic service at ${settings.url} answers`);
    if (answer.status === 304) return;
    if (answer.status === 410) withdrawn();
    if (answer.document === null) {
      etag = null;
      if (serving === null) notices.problem('offer', `there is no bundle to serve: ${answer.reason}`);
      return;
    }
    notices.solved('offer', 'a bundle is offered');
    const offer = answer.etag || `"${answer.document.bundle_digest}"`;
    if (offer === etag) return;
    etag = offer;
    received(answer.document);
  }

  async function polled() {
    try {
      if (!trying) await tellVerdict();
      if (verify !== null) await asked();
      if (!trying) await tellVerdict();
    } catch (error) {
      const meanwhile = serving ? `${serving.digest} goes on serving` : 'nothing can be served yet';
      notices.problem('service', `${error.message}; ${meanwhile}`);
    }
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

module.exports = { createBundleSync };
