// What deploy/cube/floe/bundle_sync.js does with a service that is played: `node <this> <scenario>` prints what was seen.
'use strict';

const path = require('node:path');

const FLOE = path.join(__dirname, '..', '..', 'deploy', 'cube', 'floe');
const { createBundleSync } = require(path.join(FLOE, 'bundle_sync'));
const { createNotices } = require(path.join(FLOE, 'notices'));

const WITHIN_MS = 20_000;
const LOOK_AGAIN_MS = 5;

const document = (digest, more = {}) => ({
  version: '1.0',
  environment: 'dev',
  product: 'orders',
  bundle_digest: digest,
  files: [{ path: 'orders.yml', content: 'cubes: []' }],
  verification: { roles: [], claims: {} },
  ...more,
});

async function until(fact, what) {
  const deadline = Date.now() + WITHIN_MS;
  while (!fact()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** A service with one offer, and a Cube whose proofs are `prove`. */
function played({ settings = {}, prove = async () => ({ orders: ['count'] }) } = {}) {
  const seen = { polls: [], told: [], offers: [], lines: [] };
  const faked = { offer: null, status: 404, post: async (verdict) => ({ outcome: verdict.outcome }) };
  const service = {
    async bundle(asked) {
      seen.polls.push(asked);
      if (faked.offer === null) return { status: faked.status, document: null, etag: null, reason: 'nothing' };
      const etag = `"${faked.offer.bundle_digest}.1"`;
      return asked.etag === etag
        ? { status: 304, document: null, etag, reason: '' }
        : { status: 200, document: faked.offer, etag, reason: '' };
    },
    async post(_, verdict, options) {
      seen.offers.push(options && options.offer);
      seen.told.push(`${verdict.bundle_digest} ${verdict.outcome}`);
      return faked.post(verdict);
    },
  };
  const base = { pollSeconds: 0.01, proveSeconds: 60, tryAgainSeconds: 3600, instance: 'cube', keptCompilers: 4 };
  const notices = createNotices({ write: ({ message }) => seen.lines.push(message) });
  const all = { ...base, environment: null, product: null, ...settings };
  const bundles = createBundleSync({ settings: all, service, notices, buildable: (files) => files });
  bundles.proveWith(prove);
  bundles.start();
  const serves = (digest) => until(() => (bundles.serving() || {}).digest === digest, `${digest} serves`);
  const polledAgain = async () => {
    const before = seen.polls.length;
    await until(() => seen.polls.length > before + 2, 'it asks again');
  };
  return { bundles, faked, seen, serves, polledAgain };
}

const SCENARIOS = {
  async verdictLostWhileTheNextComes() {
    const cube = played();
    let fails = true;
    cube.faked.offer = document('A');
    cube.faked.post = async (verdict) => {
      if (verdict.bundle_digest !== 'A' || !fails) return { outcome: verdict.outcome };
      cube.faked.offer = document('B');
      await cube.polledAgain();
      fails = false;
      throw new Error('does not answer');
    };
    await cube.serves('B');
    return cube;
  },

  async verdictLostOnce() {
    const cube = played();
    let failures = 2;
    cube.faked.offer = document('A');
    cube.faked.post = async (verdict) => {
      if (failures-- > 0) throw new Error('does not answer');
      return { outcome: verdict.outcome };
    };
    await cube.serves('A');
    return cube;
  },

  async rubbishWhileAnotherIsProved() {
    let proven;
    const cube = played({ prove: () => new Promise((resolve) => { proven = () => resolve({ orders: ['count'] }); }) });
    cube.faked.offer = document('A');
    await until(() => proven, 'A is tried');
    cube.faked.offer = document('V2', { version: '2.0' });
    await cube.polledAgain();
    proven();
    await until(() => cube.seen.told.includes('V2 refused'), 'the rubbish is refused');
    return cube;
  },

  async proofThatDoesNotEnd() {
    const prove = ({ digest }) => (digest === 'H' ? new Promise(() => {}) : Promise.resolve({ orders: ['count'] }));
    const cube = played({ settings: { proveSeconds: 0.05 }, prove });
    cube.faked.offer = document('H');
    await until(() => cube.seen.told.includes('H refused'), 'H is refused');
    cube.faked.offer = document('B');
    await cube.serves('B');
    return cube;
  },

  async withdrawnWhileItIsProved() {
    let proven;
    const cube = played({ prove: () => new Promise((resolve) => { proven = () => resolve({ orders: ['count'] }); }) });
    cube.faked.offer = document('A');
    await until(() => proven, 'A is tried');
    cube.faked.offer = null;
    cube.faked.status = 410;
    await cube.polledAgain();
    proven();
    await cube.polledAgain();
    return cube;
  },

  async anotherProduct() {
    const cube = played();
    cube.faked.offer = document('A');
    await cube.serves('A');
    cube.faked.offer = null;
    cube.faked.status = 410;
    await until(() => cube.bundles.serving() === null, 'it is withdrawn');
    cube.faked.offer = document('P', { product: 'payroll' });
    await until(() => cube.seen.lines.some((line) => line.includes('payroll')), 'it says so');
    await cube.polledAgain();
    return cube;
  },

  async namedProduct() {
    const cube = played({ settings: { environment: 'dev', product: 'orders' } });
    cube.faked.offer = document('P', { product: 'payroll' });
    await until(() => cube.seen.lines.some((line) => line.includes('payroll')), 'it says so');
    await cube.polledAgain();
    return cube;
  },

  async refusedAndOfferedStill() {
    let proofs = 0;
    const prove = async () => {
      proofs += 1;
      if (proofs === 1) throw new Error('out of memory');
      return { orders: ['count'] };
    };
    const cube = played({ settings: { tryAgainSeconds: 0.2 }, prove });
    cube.faked.offer = document('A');
    await until(() => cube.seen.told.includes('A refused'), 'A is refused');
    await cube.polledAgain();
    cube.seen.after = cube.seen.polls.at(-1);
    await cube.serves('A');
    return cube;
  },
};

(async () => {
  const { bundles, seen } = await SCENARIOS[process.argv[2]]();
  bundles.stop();
  const serving = bundles.serving() && bundles.serving().digest;
  const last = seen.after || seen.polls.at(-1);
  const { told, offers, lines } = seen;
  process.stdout.write(JSON.stringify({ serving, told, offers, lines, last }), () => process.exit(0));
})().catch((error) => {
  process.stderr.write(`${error.stack}\n`, () => process.exit(1));
});
