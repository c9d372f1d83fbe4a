// A bundle as the semantic service sends it, looked at before Cube sees any of it.
'use strict';

const MODEL_FILE = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\.ya?ml$/;
const TEMPLATE = /\{%|%\}|\{\{|\}\}/; // what has Cube take a YAML file for a Jinja template

/** A bundle that must not be compiled. */
class BundleError extends Error {}

/**
 * The bundle of an answer, with its files as Cube reads them.
 *
 * Cube runs model files that are JavaScript and evaluates those with template marks, so neither is taken: whoever
 * answers in the place of the semantic service runs nothing here.
 *
 * @throws BundleError if it is not what it should be.
 */
function readBundle(document) {
  const digest = document.bundle_digest;
  if (typeof digest !== 'string' || digest === '') throw new BundleError('the bundle has no digest');
  if (typeof document.version !== 'string' || !/^1\./.test(document.version)) {
    throw new BundleError(`this cube.js knows bundles of version 1, and not ${JSON.stringify(document.version)}`);
  }
  if (!Array.isArray(document.files) || document.files.length === 0) throw new BundleError('the bundle has no files');
  const seen = new Set();
  for (const file of document.files) {
    if (!file || typeof file.path !== 'string' || typeof file.content !== 'string') {
      throw new BundleError('a file of the bundle has no path or no content');
    }
    if (!MODEL_FILE.test(file.path)) throw new BundleError(`${JSON.stringify(file.path)} is no path of a YAML model file`);
    if (seen.has(file.path)) throw new BundleError(`${file.path} stands in the bundle twice`);
    if (TEMPLATE.test(file.content)) throw new BundleError(`${file.path} has marks of a template`);
    seen.add(file.path);
  }
  return Object.freeze({
    digest,
    environment: document.environment,
    product: document.product,
    files: document.files.map(({ path, content }) => Object.freeze({ fileName: path, content })),
    verification: readVerification(document.verification),
  });
}

function readVerification(verification) {
  const { roles, claims } = verification || {};
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) {
    throw new BundleError('the bundle does not say which roles its policies know');
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) {
    throw new BundleError('the bundle does not say which claims its policies know');
  }
  return Object.freeze({ roles, claims });
}

module.exports = { readBundle, BundleError };
