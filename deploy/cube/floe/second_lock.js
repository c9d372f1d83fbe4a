'use strict';

/**
 * The second lock: what is refused whatever the policies of the bundle say.
 *
 * Cube calls `queryRewrite` after it has applied the policies. All that stands here holds as well if a policy is wrong,
 * is missing, or was compiled from another bundle.
 */

/** Own names only: a claim named `constructor` is not what every object has. */
const own = (value, name) =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? value[name] : undefined;

/** The paths of the claims that choose rows, as arrays of names. */
const claimPaths = (claims) =>
  Object.entries(claims || {}).flatMap(([name, inner]) =>
    typeof inner === 'object' && inner !== null ? claimPaths(inner).map((path) => [name, ...path]) : [[name]]);

/** Lists, objects and booleans become texts that an owner might be named; they are none. */
const isOwner = (value) => (typeof value === 'string' && value !== '') || Number.isSafeInteger(value);

const leaves = (filters) =>
  (filters || []).flatMap((filter) => (filter.and || filter.or ? leaves(filter.and || filter.or) : [filter]));

const namedMembers = (query) => [
  ...(query.measures || []),
  ...(query.dimensions || []),
  ...(query.segments || []),
  ...(query.timeDimensions || []).map((item) => item.dimension),
  ...leaves(query.filters).map((filter) => filter.member || filter.dimension),
];

/** Why a caller is refused whatever he asks for, or null. */
function callerRefusal(securityContext, claims) {
  const has = own(own(securityContext, 'floe'), 'has');
  if (typeof has !== 'object' || has === null || Object.getPrototypeOf(has) !== null) {
    return 'it is not known which roles you have';
  }
  const missing = claimPaths(claims).find((path) => !isOwner(path.reduce(own, securityContext)));
  if (missing === undefined) return null;
  return `rows have owners, and your token names none: the claim ${missing.join('.')} must be a text or a whole number`;
}

/** Why a query is refused, or null. */
function refusal(query, { securityContext, fromHttp }, bundle) {
  if (!bundle) return 'there is no model yet';
  const why = callerRefusal(securityContext, bundle.claims);
  if (why !== null) return why;
  const members = namedMembers(query);
  // The SQL API passes expressions as objects. The REST API would take them as well, without asking who sends them.
  if (fromHttp && ((query.subqueryJoins || []).length || members.some((member) => typeof member !== 'string'))) {
    return 'members are named by text';
  }
  const unknown = members.find(
    (member) => typeof member === 'string' && !bundle.members.has(member.split('.').slice(0, 2).join('.')),
  );
  return unknown === undefined ? null : `there is no member ${unknown}`;
}

module.exports = { callerRefusal, refusal };
