// What cube.js is told by its environment, and what it refuses to start with.
'use strict';

const fs = require('node:fs');
const os = require('node:os');

const SIGNING = ['CUBEJS_API_SECRET', 'CUBEJS_API_SECRETS', 'CUBEJS_JWT_KEY', 'CUBEJS_JWK_URL'];
const CUBE_STORE = ['CUBEJS_CUBESTORE_HOST', 'CUBEJS_EXT_DB_TYPE', 'CUBEJS_EXT_DB_URL', 'CUBEJS_EXT_DB_HOST'];
const MASKS = ['STRING', 'NUMBER', 'TIME', 'BOOLEAN'].map((type) => `CUBEJS_ACCESS_POLICY_MASK_${type}`);
const KEPT_COMPILERS = 4;
const TRY_AGAIN_SECONDS = 300;

class SettingsError extends Error {}

/**
 * The settings, read once.
 *
 * Callers are let in with a token only: Cube itself lets everybody in unless NODE_ENV is production, which is set here,
 * and has two ways past the policies, its development mode and its playground, which are refused.
 *
 * @throws SettingsError if something is missing or would open Cube to anybody.
 */
function readSettings(environment) {
  const url = (environment.FLOE_SEMANTIC_URL || '').replace(/\/+$/, '');
  if (!/^https?:\/\//.test(url)) {
    throw new SettingsError('FLOE_SEMANTIC_URL must say where the semantic service is, as http://semantic:8080');
  }
  if (environment.CUBEJS_DEV_MODE === 'true') {
    throw new SettingsError('CUBEJS_DEV_MODE=true hands tokens to anybody: take it away');
  }
  if (environment.CUBEJS_PLAYGROUND_AUTH_SECRET) {
    throw new SettingsError('CUBEJS_PLAYGROUND_AUTH_SECRET opens a door past all policies: take it away');
  }
  const mask = MASKS.find((name) => environment[name] !== undefined);
  if (mask) throw new SettingsError(`${mask} would show and join by what is null for those who may not see it: take it away`);
  if (!SIGNING.some((name) => environment[name])) {
    throw new SettingsError(`nobody could be let in: set one of ${SIGNING.join(', ')}`);
  }
  environment.NODE_ENV = 'production';
  // What is proved of the policies is proved with this planner; Cube's other one is native.
  environment.CUBEJS_TESSERACT_SQL_PLANNER ??= 'false';
  // Cube's default is Cube Store, without which every query would fail.
  if (!environment.CUBEJS_CUBESTORE_HOST) environment.CUBEJS_CACHE_AND_QUEUE_DRIVER ||= 'memory';
  if (environment.FLOE_SERVE_DATABASE) environment.CUBEJS_DB_TYPE = 'duckdb';
  return Object.freeze({
    url,
    token: readToken(environment),
    environment: name(environment, 'FLOE_ENVIRONMENT'),
    product: name(environment, 'FLOE_PRODUCT'),
    rolesClaim: environment.FLOE_ROLES_CLAIM || 'roles',
    userClaim: environment.FLOE_USER_CLAIM || 'sub',
    claimsNamespace: environment.CUBEJS_JWT_CLAIMS_NAMESPACE || null,
    serveDatabase: environment.FLOE_SERVE_DATABASE || null,
    cubeStore: CUBE_STORE.some((name) => environment[name]),
    pollSeconds: seconds(environment, 'FLOE_CUBE_POLL_SECONDS', 1),
    answerSeconds: seconds(environment, 'FLOE_CUBE_ANSWER_SECONDS', 10),
    proveSeconds: seconds(environment, 'FLOE_CUBE_PROVE_SECONDS', 600),
    tryAgainSeconds: TRY_AGAIN_SECONDS,
    gracefulSeconds: seconds(environment, 'CUBEJS_GRACEFUL_SHUTDOWN', 10),
    instance: environment.FLOE_CUBE_INSTANCE || `${os.hostname()}-${environment.PORT || 4000}`,
    keptCompilers: KEPT_COMPILERS,
    logLevel: environment.CUBEJS_LOG_LEVEL || 'warn',
  });
}

function readToken(environment) {
  if (environment.FLOE_CUBE_TOKEN) return environment.FLOE_CUBE_TOKEN;
  if (!environment.FLOE_CUBE_TOKEN_FILE) return null;
  try {
    return fs.readFileSync(environment.FLOE_CUBE_TOKEN_FILE, 'utf8').trim() || null;
  } catch (error) {
    throw new SettingsError(`FLOE_CUBE_TOKEN_FILE cannot be read: ${error.message}`);
  }
}

/** An empty name is one that somebody forgot to fill in, and would be taken for "whatever there is". */
function name(environment, variable) {
  const value = environment[variable];
  if (value === undefined) return null;
  if (value.trim() === '') throw new SettingsError(`${variable} is empty: say whose bundle Cube is to serve`);
  return value;
}

function seconds(environment, name, otherwise) {
  const value = environment[name] === undefined || environment[name] === '' ? otherwise : Number(environment[name]);
  if (!(value > 0 && value <= 3600)) throw new SettingsError(`${name} must be a number of seconds up to 3600`);
  return value;
}

module.exports = { readSettings, SettingsError };
