// Cube's own log, and the log of its queries beside it.
'use strict';

const { createLogger: createCubeLogger } = require('@cubejs-backend/server-core/dist/src/core/logger');
const { version } = require('@cubejs-backend/server-core/package.json');
const { makeQueryLog, postTo } = require('./query_log');

/** Cube's default logger, which also tells the semantic service of queries. */
function createLogger({ settings, bundles, notices }) {
  const written = createCubeLogger(true, settings.logLevel);
  const told = (name) => () => bundles.serving()?.[name] ?? null;
  const queries = makeQueryLog({
    post: postTo(settings.url, () => settings.token),
    instance: settings.instance,
    environment: told('environment'),
    product: told('product'),
    bundleDigest: told('digest'),
    claims: () => Object.keys(bundles.serving()?.verification.claims ?? {}),
    userClaim: settings.userClaim,
    version,
    warn: (text) => notices.fact(text),
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => queries.stop());
  return (message, params) => {
    queries.observe(message, params);
    written(message, params);
  };
}

module.exports = { createLogger };
