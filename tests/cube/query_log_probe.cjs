// Plays Cube's logger to deploy/cube/floe/query_log.js with a clock of its own, and prints what is posted.
// Arguments: the module, and the name of what happens.
'use strict';
const { mock } = require('node:test');

mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.parse('2026-11-21T12:00:00Z') });
const { makeQueryLog } = require(process.argv[2]);

const batches = [];
const warnings = [];
let status = 202;
const log = makeQueryLog({
  post: async (text) => {
    if (status === 0) throw new Error('nobody is there');
    if (status < 300) batches.push(JSON.parse(text));
    return status;
  },
  instance: 'cube-1',
  environment: () => 'prod',
  product: () => product,
  bundleDigest: () => null,
  claims: () => ({ brand: 'x', org: { unit: 'x' } }),
  warn: (text) => warnings.push(text),
});
let product = 'shop';

const context = (sub) => ({ sub, brand: 'acme', org: { unit: 7 }, secret: 'keep me' });
const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const seconds = async (count) => {
  for (let second = 0; second < count; second += 1) {
    mock.timers.tick(1000);
    await settle();
  }
};
const asks = (id, sub = 'ann', dimension = 'orders.status') => {
  const common = { requestId: `${id}-span-1`, securityContext: context(sub) };
  const query = { dimensions: [dimension] };
  return {
    begin: () => log.observe('Load Request', { ...common, apiType: 'rest', query }),
    sql: (more = {}) => log.observe('Load Request SQL', { ...common, query: { ...query, ...more }, sqlQuery: { memberNames: [dimension], sql: ['select 1'] } }),
    wait: () => log.observe('Continue wait', { ...common, query, duration: 5000 }),
    succeed: () => log.observe('Load Request Success', { ...common, query, duration: 1 }),
    fail: (error) => log.observe('UserError', { ...common, query, error, duration: 1 }),
  };
};

const cases = {
  async bounded() {
    status = 0;
    for (let number = 0; number < 7000; number += 1) {
      const query = asks(`r${number}`);
      query.begin();
      query.sql();
      query.succeed();
      if (number % 500 === 0) await settle();
    }
    const held = log.counts();
    status = 202;
    await seconds(60);
    return { held, told: batches.reduce((sum, batch) => sum + batch.events.length, 0), dropped: batches.reduce((sum, batch) => sum + batch.dropped, 0) };
  },
  async long() {
    const query = asks('long');
    query.begin();
    query.sql();
    await seconds(130);
    query.succeed();
    await seconds(2);
    return {};
  },
  async polled() {
    asks('first').begin();
    asks('first').sql();
    asks('first').wait();
    await seconds(2);
    asks('second').begin();
    asks('second').sql();
    asks('second').wait();
    asks('other', 'bob').begin();
    asks('third').begin();
    asks('third').sql();
    asks('third').succeed();
    asks('other', 'bob').fail('no');
    await seconds(2);
    return {};
  },
  async abandoned() {
    asks('gone').begin();
    asks('gone').wait();
    await seconds(700);
    return {};
  },
  async refused_after_success() {
    const query = asks('hidden');
    query.begin();
    query.sql({ segments: [{ name: 'rlsAccessDenied', cubeName: 'orders' }] });
    query.succeed();
    query.fail("You requested hidden member: 'orders__status'. 'x' of 'ann.smith' and 4711");
    await seconds(2);
    return {};
  },
  async refused_by_the_service() {
    status = 400;
    asks('one').begin();
    asks('one').fail('no');
    await seconds(120);
    status = 202;
    asks('two').begin();
    asks('two').fail('no');
    await seconds(60);
    return { told_as_dropped: batches.reduce((sum, batch) => sum + batch.dropped, 0) };
  },
  async odd() {
    for (const params of [null, undefined, {}, { requestId: 7 }, { requestId: 'x', query: 3 }]) {
      log.observe('Load Request', params);
      log.observe('Load Request SQL', params);
      log.observe('Load Request Success', params);
    }
    const common = { requestId: 'odd', securityContext: { ...context('ann'), brand: { $ne: 1 }, sub: ['a'] }, apiType: 'sql' };
    const nested = (depth) => (depth ? { and: [nested(depth - 1)] } : { member: 'orders.status', operator: 'equals', values: ['secret'] });
    const query = {
      measures: [{ expression: ['sum(x)'], cubeName: 'orders', name: 'secret' }, 'orders.count', 'a value', { toString: 1 }],
      filters: [nested(3), nested(50)],
      timeDimensions: [null, { dimension: 'orders.at', granularity: 'x; drop', dateRange: 'secret' }],
      order: [['orders.count', 'desc'], { id: 'orders.count', desc: true }],
    };
    log.observe('Load Request SQL', { ...common, query, sqlQuery: { memberNames: ['orders.count'], sql: ["select 'sec''ret', 42, \"c2\" from t where a = 4.5e3 and b1 > 7"] } });
    log.observe('Load Request Success', { ...common, query });
    await seconds(2);
    return {};
  },
  async statement() {
    const common = { requestId: 'statement-span-1', securityContext: context('ann'), apiType: 'sql' };
    log.observe('Load Request', { ...common, query: { sql: "select 'secret'" } });
    log.observe('Load Request SQL', { ...common, query: { measures: ['orders.count'] }, sqlQuery: { memberNames: ['orders.count'] } });
    log.observe('Query completed', { requestId: common.requestId, query: 'select 1', duration: 3 });
    await seconds(20);
    return {};
  },
  async product_unknown() {
    product = null;
    asks('early').begin();
    asks('early').fail('no bundle');
    await seconds(5);
    const early = batches.length;
    product = 'shop';
    await seconds(2);
    return { early };
  },
};

cases[process.argv[3]]().then((found) => {
  process.stdout.write(JSON.stringify({ ...found, events: batches.flatMap((batch) => batch.events).slice(0, 20), warnings, counts: log.counts() }));
});
