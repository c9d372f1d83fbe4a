// Cube's own log, and the log of its queries beside it.
'use strict';

const { createLogger } = require('@cubejs-backend/server-core');
const { version } = require('@cubejs-backend/server-core/package.json');
const { makeQueryLog, postTo } = require('./query_log');

/** Cube's default logger, which also tells the semantic service of queries; `stop` sends what still waits. */
function createLog({ settings, bundles, notices }) {
  const written = createLogger(true, settings.logLevel);
  const told = (name) => () => bundles.serving()?.[name] ?? null;
  const queries = makeQueryLog({
    post: postTo(settings.url, () => settings.token),
    instance: settings.instance,
    environment: told('environment'),
    product: told('product'),
    bundleDigest: told('digest'),
    claims: () => bundles.serving()?.verification.claims ?? {},
    userClaim: 'floe.user',
    version,
    warn: (text) => notices.fact(text),
  });
  return {
    stop: () => queries.stop(),
    logger(message, params) {
      queries.observe(message, params);
      written(message, params);
    },
  };
}

module.exports = { createLog };
