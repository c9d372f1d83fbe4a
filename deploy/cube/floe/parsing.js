// Cube's compiler parses every text of a model as Python, which is most of its time, and policies repeat the same texts
// over and over. Here its workers are given `parse_once.js`.
'use strict';

const path = require('node:path');
const { createRequire } = require('node:module');

/** Have each text of a bundle parsed once by each worker; a Cube that works otherwise takes its time. */
function parseTextsOnce() {
  const workerpool = createRequire(require.resolve('@cubejs-backend/schema-compiler'))('workerpool');
  const { pool } = workerpool;
  if (typeof pool !== 'function') return;
  workerpool.pool = (script, options) => {
    if (path.basename(String(script)) !== 'transpiler_worker') return pool(script, options);
    const execArgv = [...process.execArgv, '--require', path.join(__dirname, 'parse_once.js')];
    return pool(script, { ...options, workerThreadOpts: { ...(options || {}).workerThreadOpts, execArgv } });
  };
}

module.exports = { parseTextsOnce };
