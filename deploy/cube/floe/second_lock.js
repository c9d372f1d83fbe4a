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

// Cube checks the form of a query itself, and later.
const list = (value) => (Array.isArray(value) ? value : []);

/** The filters of a query that are not made of others, at any depth. */
const leaves = (filters) =>
  list(filters).flatMap((filter) => {
    const [all, any] = [own(filter, 'and'), own(filter, 'or')];
    return all || any ? [...leaves(all), ...leaves(any)] : [filter];
  });

const namedMembers = (query) => [
  ...list(own(query, 'measures')),
  ...list(own(query, 'dimensions')),
  ...list(own(query, 'segments')),
  ...list(own(query, 'timeDimensions')).map((item) => own(item, 'dimension')),
  ...leaves(own(query, 'filters')).map((filter) => own(filter, 'member') || own(filter, 'dimension')),
];

/** An operator that writes a measure's own filters into WHERE: as they are, whatever policies hide of their columns. */
const filtersByMeasure = (query) =>
  leaves(own(query, 'filters')).some(
    (filter) => String(own(filter, 'operator')).replace(/[^A-Za-z]/g, '').toLowerCase() === 'measurefilter');

const NO_FILTER = 'a measure is no filter of rows';

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

/**
 * Why a query that came as JSON is refused before Cube looks at it, or null.
 *
 * The SQL API sends expressions as objects. The REST API would take them as well, keep what they name for all callers
 * under one key, and show a patched measure unmasked.
 */
function expressionRefusal(query) {
  const objects = namedMembers(query).some((member) => typeof member !== 'string');
  if (objects || own(query, 'subqueryJoins')) return 'members are named by text';
  return filtersByMeasure(query) ? NO_FILTER : null;
}

/** Why a query is refused, or null. */
function refusal(query, securityContext, bundle) {
  if (!bundle) return 'there is no model yet';
  const why = callerRefusal(securityContext, bundle.claims);
  if (why !== null) return why;
  if (filtersByMeasure(query)) return NO_FILTER;
  const members = namedMembers(query);
  // Cube applies no mask to a measure that a query changes.
  if (members.some((member) => own(own(member, 'expression'), 'type') === 'PatchMeasure')) {
    return 'measures are asked for as they are';
  }
  const unknown = members.find(
    (member) => typeof member === 'string' && !bundle.members.has(member.split('.').slice(0, 2).join('.')),
  );
  return unknown === undefined ? null : `there is no member ${unknown}`;
}

module.exports = { callerRefusal, expressionRefusal, refusal };
