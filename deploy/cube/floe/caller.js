// Who asks: the claims of a token, and what the policies of a bundle read beside them.
'use strict';

const HEX = 'hex_';

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The claims that rights are read from: all of a token, or those of its namespace, as an issuer may let others write the rest. */
function trustedClaims(token, namespace) {
  if (namespace === null) return token;
  const inner = Object.hasOwn(token, namespace) ? token[namespace] : null;
  return isObject(inner) ? inner : {};
}

/** The value of a claim, by its name or by a path through nested ones with dots between. */
const valueOf = (claims, claim) =>
  Object.hasOwn(claims, claim) ? claims[claim] : nested(claims, claim.split('.'));

/** The roles that a claim names. */
function rolesIn(claims, claim) {
  const value = valueOf(claims, claim);
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((role) => typeof role === 'string') : [];
}

function nested(claims, path) {
  let value = claims;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** Who asks, as the lineage is told: named by a claim of the first of these that has it; null if by none. */
function userIn(claim, ...places) {
  const named = places.map((claims) => valueOf(claims, claim));
  return named.find((value) => ['string', 'number'].includes(typeof value)) ?? null;
}

/**
 * The same claims, with whole numbers that name owners as texts.
 *
 * Cube's policies take the number 0 for no owner at all.
 *
 * @param {object} names has the claims of owners as names, nested as they are.
 */
function withOwnersAsText(claims, names) {
  const changed = Object.entries(names).filter(([name]) => Object.hasOwn(claims, name)).map(([name, inner]) => {
    const value = claims[name];
    if (isObject(inner)) return [name, isObject(value) ? withOwnersAsText(value, inner) : value];
    return [name, Number.isSafeInteger(value) ? String(value) : value];
  });
  return { ...claims, ...Object.fromEntries(changed) };
}

/**
 * The security context: the claims, and under `floe` what policies ask, whatever the token says there.
 *
 * `has` has no prototype, so that nobody has a role that JavaScript gives to every object, and each role stands there
 * under a name that Cube's policies can spell too. It is plain data: Cube keeps policies by the JSON of the context.
 */
function securityContext(claims, roles, user = null) {
  const has = Object.create(null);
  for (const role of roles) {
    has[HEX + Buffer.from(role, 'utf8').toString('hex')] = true;
    if (!role.startsWith(HEX)) has[role] = true;
  }
  return { ...claims, floe: { has, user } };
}

module.exports = { isObject, rolesIn, securityContext, trustedClaims, userIn, withOwnersAsText };
