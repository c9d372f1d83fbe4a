// What is done before Cube ends.
'use strict';

const { CubejsServerCore } = require('@cubejs-backend/server-core');

const WITHIN_MS = 3000;

/**
 * Call `last` when Cube was told to end and all of its requests are answered, and wait a moment for it.
 *
 * Cube ends its process as soon as it is done itself, whatever other listeners of the signal are still at.
 */
function beforeEnding(last) {
  let ending = false;
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.once(signal, () => {
      ending = true;
    });
  }
  const { shutdown } = CubejsServerCore.prototype;
  CubejsServerCore.prototype.shutdown = async function shutdownAfterFloe() {
    if (ending) await Promise.race([last(), new Promise((resolve) => setTimeout(resolve, WITHIN_MS))]);
    return shutdown.call(this);
  };
}

module.exports = { beforeEnding };
