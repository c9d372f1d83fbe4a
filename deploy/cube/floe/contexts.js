// Which bundle a request is answered from, and as whom.
'use strict';

const { CubejsHandlerError } = require('@cubejs-backend/api-gateway');
const { isObject, rolesIn, securityContext, trustedClaims, userIn, withOwnersAsText } = require('./caller');
const { callerRefusal, refusal } = require('./second_lock');

const NOTHING_YET = 'floe: Cube has no bundle to serve; its log says why';

/** What Cube asks of its configuration for each request; everything is refused while no bundle is good. */
function createContexts({ settings, bundles }) {
  function serving() {
    const bundle = bundles.serving();
    if (bundle === null) throw new CubejsHandlerError(503, 'Service Unavailable', NOTHING_YET);
    return bundle;
  }

  function appId(context) {
    return (context && context.floeApp) || serving().appId;
  }

  function keptBundle(context) {
    const bundle = bundles.ofApp(appId(context));
    if (bundle === undefined) {
      throw new CubejsHandlerError(503, 'Service Unavailable', 'floe: the bundle was replaced meanwhile; ask again');
    }
    return bundle;
  }

  function inApp(app, security) {
    return { securityContext: security, authInfo: security, floeApp: app };
  }

  return {
    appId,

    /** The model files of the request's bundle. */
    repository(context) {
      const { files } = keptBundle(context);
      return { localPath: () => '/', dataSchemaFiles: async () => files };
    },

    /** A request has one bundle from its beginning to its end, and the security context that policies expect. */
    async extended(request) {
      const token = request.securityContext;
      if (!isObject(token)) throw new CubejsHandlerError(403, 'Forbidden', 'the token has no claims');
      // Cube checks the token of a web socket, and of a connection of the SQL API, when it is opened.
      if (token.exp !== undefined && !(Date.now() / 1000 < token.exp)) {
        throw new CubejsHandlerError(403, 'Forbidden', 'the token has ended');
      }
      const { appId: app, verification } = serving();
      const claims = withOwnersAsText(trustedClaims(token, settings.claimsNamespace), verification.claims);
      const user = userIn(settings.userClaim, claims, token);
      const security = securityContext(claims, rolesIn(claims, settings.rolesClaim), user);
      // Cube asks about a query only if the policies let it pass; else it is said here why there is nothing to see.
      const why = callerRefusal(security, verification.claims);
      if (why !== null) throw new CubejsHandlerError(403, 'Forbidden', why);
      return inApp(app, security);
    },

    /** A caller who has every role and claim that the policies of a candidate know, to see all of its members. */
    ofCandidate({ appId: app, verification }) {
      return { ...inApp(app, securityContext(verification.claims, verification.roles)), requestId: `floe-${app}` };
    },

    /** Pre-aggregations are refreshed in the bundle that serves, by a caller without any rights. */
    async ofRefreshes() {
      const bundle = bundles.serving();
      return bundle === null ? [] : [inApp(bundle.appId, securityContext({}, []))];
    },

    /** What is refused whatever the policies say. */
    async guardedQuery(query, context) {
      const { verification, members } = keptBundle(context);
      const why = refusal(query, context.securityContext, { claims: verification.claims, members });
      if (why !== null) throw new CubejsHandlerError(403, 'Forbidden', why);
      return query;
    },
  };
}

module.exports = { createContexts, NOTHING_YET };
