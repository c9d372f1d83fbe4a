// Cube as floe runs it: its model is the bundle that the semantic service offers, and everything is denied that the
// bundle's policies do not grant. README.md beside this file has the settings.
'use strict';

const { readSettings } = require('./floe/settings');
const { createServiceClient } = require('./floe/service_client');
const { createNotices } = require('./floe/notices');
const { createBundleSync } = require('./floe/bundle_sync');
const { parseTextsOnce } = require('./floe/parsing');
const { createRollupFilter } = require('./floe/rollups');
const { watchGateway } = require('./floe/gateway');
const { createContexts } = require('./floe/contexts');
const { createLog } = require('./floe/logging');
const { beforeEnding } = require('./floe/ending');

parseTextsOnce();

const settings = readSettings(process.env);
const notices = createNotices();
const service = createServiceClient(settings);
const bundles = createBundleSync({ settings, service, notices, buildable: createRollupFilter({ settings, notices }) });
const contexts = createContexts({ settings, bundles });

const log = createLog({ settings, bundles, notices });
const gateway = watchGateway({ contexts, bundles });

beforeEnding(() => {
  bundles.stop();
  return log.stop();
});

const warehouse = {};
if (settings.serveDatabase !== null) {
  const { createDriverFactory } = require('./floe/serve_database');
  warehouse.driverFactory = createDriverFactory(settings.serveDatabase, { notices });
}

module.exports = {
  ...warehouse,
  telemetry: false,
  gracefulShutdown: settings.gracefulSeconds,
  compilerCacheSize: settings.keptCompilers,
  logger: log.logger,
  repositoryFactory: contexts.repository,
  contextToAppId: contexts.appId,
  contextToOrchestratorId: () => 'floe',
  extendContext: contexts.extended,
  queryRewrite: contexts.guardedQuery,
  checkSqlAuth: gateway.sqlCaller,
  canSwitchSqlUser: () => false,
  scheduledRefreshContexts: contexts.ofRefreshes,
};

bundles.start();
