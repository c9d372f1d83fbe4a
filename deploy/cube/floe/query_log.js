// Tells the semantic service of every query, for the lineage: what Cube's logger says of it, joined by its request.
//
// Nothing here may slow a query down or make it fail: `observe` only writes to memory, what waits is bounded, and what
// finds no room is counted. A query is told once it has ended; one that takes longer is told to have started, and again
// every minute, so that the service notices when this Cube dies over it.
'use strict';

const { errorText, filteredMembers, listed, memberName, queryShape, restrictions, sqlText } = require('./query_records.js');
const { makeSender, postTo } = require('./query_sender.js');

const MOST_OPEN = 5000;
const TICK_MILLISECONDS = 1000;
const ANNOUNCED_AFTER = 1000;
const ANNOUNCED_AGAIN_AFTER = 60000;
const ABANDONED_AFTER = 600000;
const LOST_AFTER = 6 * 3600000;
const SETTLED_AFTER = 10000;
const MOST_CLAIM = 200;
const MOST_SQLS = 4;
const CACHED = new Set(['Using cache for', 'Found in memory cache entry']);
const FETCHED = new Set(['Missing cache for', 'Force no cache for', 'Waiting for renew']);
const SPAN = /-span-\d+$/;

/**
 * The log of one Cube process.
 *
 * post: takes a batch's text, resolves to the HTTP status; whatever it throws is tried again.
 * instance, environment, product: whose queries these are; environment and product may be functions, if not yet known.
 * bundleDigest: the digest of the bundle that serves now, or null.
 * claims: the claims that decide on rows: their names, or a document that has a value for each.
 * userClaim: the claim that names who asks.
 * version: of Cube.
 * warn: told of what a human should see.
 */
function makeQueryLog({ post, instance, environment, product, bundleDigest, claims, userClaim = 'sub', version = '', warn = () => {} }) {
  const open = new Map(); // request id -> its records, as several queries of one request may run at once
  const waiting = new Map(); // who asks for what -> the record whose caller was told to come again
  // Request id -> what was told of its end, for a moment: an error may follow a success.
  let ended = new Map();
  let endedBefore = new Map();
  let openCount = 0;
  let unreadable = false;
  const head = () =>
    valueOf(product) && {
      version: '1.0',
      instance,
      cube_version: version,
      environment: valueOf(environment),
      product: valueOf(product),
    };
  const sender = makeSender({ post, head, warn });

  const now = () => Date.now();
  const own = (context, path) => {
    const step = (value, name) =>
      value && typeof value === 'object' && Object.prototype.hasOwnProperty.call(value, name) ? value[name] : undefined;
    const value = path.split('.').reduce(step, context);
    return ['string', 'number'].includes(typeof value) ? String(value).slice(0, MOST_CLAIM) : null;
  };

  function begun(id, params) {
    const context = params.securityContext;
    const shape = listed(Array.isArray(params.query) ? params.query : [params.query]).map(queryShape);
    const user = own(context, userClaim);
    const key = JSON.stringify([user, shape]);
    const again = waiting.get(key);
    if (again) {
      waiting.delete(key);
      remove(again);
      add(id, again);
      return;
    }
    if (openCount >= MOST_OPEN) {
      sender.lose();
      return;
    }
    const rowOwners = {};
    for (const name of claimNames(claims())) {
      const value = own(context, name);
      if (value !== null) rowOwners[name] = value;
    }
    add(id, {
      key,
      first: id,
      id,
      at: now(),
      seen: now(),
      announced: 0,
      api: WORDS.has(params.apiType) ? params.apiType : 'other',
      bundle: bundleDigest(),
      shape,
      user,
      rowOwners,
      members: new Set(),
      shown: new Set(),
      filtered: new Set(),
      masked: new Set(),
      denied: new Set(),
      sql: [],
      preAggregations: new Set(),
      cached: null,
    });
  }

  function add(id, record) {
    record.id = id;
    record.seen = now();
    record.waits = false;
    const those = open.get(id);
    if (those) those.push(record);
    else open.set(id, [record]);
    openCount += 1;
  }

  function remove(record) {
    const those = open.get(record.id);
    const index = those ? those.indexOf(record) : -1;
    if (index < 0) return;
    those.splice(index, 1);
    if (!those.length) open.delete(record.id);
    openCount -= 1;
  }

  function translated(record, { query, sqlQuery }) {
    const sql = sqlQuery || {};
    // A statement of the SQL API names its members only here.
    if (record.api === 'sql') record.shape = [...record.shape.filter(namesMembers), queryShape(query)].slice(-MOST_SQLS);
    for (const name of listed(sql.memberNames)) record.members.add(memberName(name));
    for (const name of listed(Object.values(sql.aliasNameToMember || {}))) record.shown.add(memberName(name));
    filteredMembers(query).forEach((name) => record.filtered.add(name));
    const { masked, denied } = restrictions(query);
    masked.forEach((name) => record.masked.add(name));
    denied.forEach((name) => record.denied.add(name));
    for (const item of listed(sql.preAggregations)) {
      if (item && typeof item.preAggregationId === 'string') record.preAggregations.add(memberName(item.preAggregationId));
    }
    const text = sqlText(Array.isArray(sql.sql) ? sql.sql[0] : null, record.api === 'sql');
    if (text && record.sql.length < MOST_SQLS && !record.sql.includes(text)) record.sql.push(text);
    record.translated = true;
  }

  function end(record, kind, error) {
    remove(record);
    waiting.delete(record.key);
    const told = document(record, kind);
    if (error !== undefined) told.error = errorText(error, namedIn(told));
    ended.set(record.id, told);
    sender.push(told);
  }

  function document(record, kind) {
    return {
      kind,
      request: record.first,
      started_at: new Date(record.at).toISOString(),
      at: new Date().toISOString(),
      announced: record.announced > 0,
      api: record.api,
      bundle_digest: record.bundle,
      queries: record.shape,
      members: [...record.members],
      shown: [...record.shown],
      filtered: [...record.filtered],
      masked: [...record.masked],
      denied: [...record.denied],
      sql: record.sql,
      pre_aggregations: [...record.preAggregations],
      cached: record.cached,
      user: record.user,
      row_owners: record.rowOwners,
      error: null,
    };
  }

  function see(message, params) {
    const id = typeof params.requestId === 'string' ? params.requestId.replace(SPAN, '').slice(0, MOST_CLAIM) : null;
    if (!id) return;
    if (message === 'Load Request') {
      begun(id, params);
      return;
    }
    if (message === 'Load Request SQL' && params.apiType === 'sql' && !open.has(id)) begun(id, params);
    const those = open.get(id);
    if (!those) {
      const last = ended.get(id) || endedBefore.get(id);
      // What policies hide is noticed when the answer is written, after the success was logged.
      if (last && last.kind === 'succeeded' && isRefusal(params)) {
        Object.assign(last, { kind: 'failed', error: errorText(params.error, namedIn(last)) });
      }
      return;
    }
    those.forEach((record) => Object.assign(record, { seen: now() }));
    if (message === 'Load Request SQL') translated(those.find((record) => !record.translated) || those[0], params);
    else if (message === 'Load Request Success') end(those.find((record) => record.translated) || those[0], 'succeeded');
    else if (message === 'Query completed') those.forEach((record) => Object.assign(record, { fetched: now() }));
    else if (message === 'Continue wait') {
      if (!params.securityContext) return; // the orchestrator's; the gateway's own follows
      those.forEach((record) => {
        record.waits = true;
        waiting.set(record.key, record);
      });
    } else if (isRefusal(params)) end(those[0], 'failed', params.error);
    else if (params.primaryQuery && !params.renewCycle) {
      if (FETCHED.has(message)) those.forEach((record) => Object.assign(record, { cached: false }));
      else if (CACHED.has(message)) those.forEach((record) => Object.assign(record, { cached: record.cached ?? true }));
    }
  }

  // The gateway's own word on a request: it alone names the caller and how long it took.
  function isRefusal(params) {
    return params.error !== undefined && 'securityContext' in params && typeof params.duration === 'number';
  }

  function tick() {
    const at = now();
    endedBefore = ended;
    ended = new Map();
    for (const those of [...open.values()]) {
      for (const record of [...those]) {
        if (at - record.seen > (record.waits ? ABANDONED_AFTER : LOST_AFTER)) end(record, 'abandoned');
        // Of a statement of the SQL API the native module has the last word, and may keep it to itself.
        else if (record.api === 'sql' && at - record.fetched > SETTLED_AFTER) end(record, 'succeeded');
        else if (at - (record.announced || record.at + ANNOUNCED_AFTER - ANNOUNCED_AGAIN_AFTER) >= ANNOUNCED_AGAIN_AFTER) {
          record.announced = at;
          sender.push(document(record, 'started'));
        }
      }
    }
    sender.send();
  }

  const timer = setInterval(tick, TICK_MILLISECONDS);
  timer.unref();

  return {
    /** Take note of what Cube logs. Never throws. */
    observe(message, params) {
      try {
        if (params) see(message, params);
      } catch (error) {
        sender.lose();
        if (!unreadable) warn(`a query cannot be told: ${error && error.message}`);
        unreadable = true;
      }
    },
    /** Send what waits, once, and no more after that. */
    async stop() {
      clearInterval(timer);
      await sender.stop();
    },
    /** How many wait, are open and were dropped. */
    counts: () => ({ ...sender.counts(), open: openCount }),
  };
}

const WORDS = new Set(['rest', 'graphql', 'sql', 'ws']);

function namedIn(told) {
  const names = new Set([...told.members, ...told.shown, ...told.denied]);
  for (const shape of told.queries) [...shape.measures, ...shape.dimensions, ...shape.segments].forEach((name) => names.add(name));
  return (name) => names.has(name);
}

/** Names of the claims of a document such as {brand: '...', org: {unit: '...'}}: brand and org.unit. */
function claimNames(claims, before = '') {
  if (Array.isArray(claims)) return claims;
  return Object.entries(claims || {}).flatMap(([name, value]) =>
    value && typeof value === 'object' && !Array.isArray(value) ? claimNames(value, `${before}${name}.`) : [before + name],
  );
}

const namesMembers = (shape) =>
  [shape.measures, shape.dimensions, shape.segments, shape.time_dimensions].some((names) => names.length > 0);

const valueOf = (value) => (typeof value === 'function' ? value() : value);

module.exports = { makeQueryLog, postTo };
