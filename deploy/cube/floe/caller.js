// Who asks: the claims of a token, and what the policies of a bundle read beside them.
'use strict';

const HEX = 'hex_';

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The claims of a token, those of its namespace beside the others. */
function liftedClaims(claims, namespace) {
  const inner = namespace !== null && Object.hasOwn(claims, namespace) ? claims[namespace] : null;
  return isObject(inner) ? { ...claims, ...inner } : claims;
}

/**
 * The roles that claims name.
 *
 * @param {string} claim the name of the claim, or a path through nested ones with dots between.
 */
function rolesIn(claims, claim) {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : nested(claims, claim.split('.'));
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

/**
 * The security context: the claims, and under `floe` what policies ask, whatever the token says there.
 *
 * `has` has no prototype, so that nobody has a role that JavaScript gives to every object, and each role stands there
 * under a name that Cube's policies can spell too. It is plain data: Cube keeps policies by the JSON of the context.
 */
function securityContext(claims, roles) {
  const has = Object.create(null);
  for (const role of roles) {
    has[HEX + Buffer.from(role, 'utf8').toString('hex')] = true;
    if (!role.startsWith(HEX)) has[role] = true;
  }
  return { ...claims, floe: { has } };
}

module.exports = { isObject, liftedClaims, rolesIn, securityContext };
