// Cube's API gateway, seen from inside: it proves candidates, and nobody gets in before there is a good bundle.
'use strict';

const { ApiGateway, CubejsHandlerError } = require('@cubejs-backend/api-gateway');
const { NOTHING_YET } = require('./contexts');
const { expressionRefusal } = require('./second_lock');

// The first keeps a GraphQL schema of what its first caller may see, for all callers; the next asks for no rights;
// the last cancels the queries of others, whose ids are what they called their requests.
const UNSERVED = ['/v1/graphql-to-json', '/v1/pre-aggregations/can-use', '/v1/running-query'];

/**
 * Take the gateway as soon as Cube makes it, and put routes before its own.
 *
 * cube.js is given no way to refuse readiness, so `initApp` is wrapped. Having the gateway, a candidate is proved by
 * what answers `/v1/meta`, without a token or a port that anybody else could use.
 */
function watchGateway({ bundles, contexts }) {
  let gateway = null;
  const { initApp } = ApiGateway.prototype;
  refuseExpressions();

  ApiGateway.prototype.initApp = function initAppBehindFloe(app) {
    gateway = this;
    const refusedUntilServing = (body) => (request, response, next) => {
      if (bundles.serving() !== null) next();
      else response.set('Retry-After', '1').status(503).json(body);
    };
    app.get('/readyz', refusedUntilServing({ health: 'DOWN', error: NOTHING_YET }));
    app.use(this.basePath, refusedUntilServing({ error: NOTHING_YET }));
    for (const path of UNSERVED) {
      app.use(this.basePath + path, (request, response) => {
        response.status(404).json({ error: `floe: ${path} is not served` });
      });
    }
    bundles.proveWith((attempt) => proved(this, contexts.ofCandidate(attempt)));
    return initApp.call(this, app);
  };

  return {
    /** A caller of the SQL API brings his token as the password; the user's name says nothing. */
    async sqlCaller(request, user, password) {
      if (gateway === null || typeof password !== 'string' || password === '') {
        throw new CubejsHandlerError(403, 'Forbidden', 'the password must be a token');
      }
      const { securityContext } = await gateway.checkAuthFn({}, password);
      if (!securityContext) throw new CubejsHandlerError(403, 'Forbidden', 'Invalid token');
      return { password, securityContext, superuser: false, skipPasswordCheck: false };
    },
  };
}

/** Have every query looked at before Cube does; only the SQL API may send expressions. */
function refuseExpressions() {
  const { getNormalizedQueries } = ApiGateway.prototype;

  ApiGateway.prototype.getNormalizedQueries = async function getQueriesWithoutExpressions(input, context, ...options) {
    const [, memberExpressions] = options;
    const query = this.parseQueryParam(input);
    const why = memberExpressions === true ? null : [query].flat().map(expressionRefusal).find((text) => text !== null);
    if (why) throw new CubejsHandlerError(403, 'Forbidden', why);
    return getNormalizedQueries.call(this, query, context, ...options);
  };
}

/** The members by cube or view that a candidate shows; throws what Cube has against it. */
async function proved(gateway, context) {
  let answer = null;
  await gateway.meta({
    context,
    res(message) {
      answer = message;
    },
  });
  if (answer === null) throw new Error('Cube did not answer what it serves');
  if (answer.error) throw new Error(String(answer.error));
  return Object.fromEntries(answer.cubes.map((cube) => [cube.name, members(cube)]));
}

function members({ measures = [], dimensions = [], segments = [] }) {
  return [...measures, ...dimensions, ...segments].map(({ name }) => name.slice(name.indexOf('.') + 1)).sort();
}

module.exports = { watchGateway };
