// Stands in for Cube's native module, whose binary npm does not bring: see deploy/cube/README.md for what that leaves
// unproven. Loaded by NODE_OPTIONS=--require, before Cube is.
'use strict';
const http = require('node:http');
const { createRequire } = require('node:module');

const native = createRequire(`${process.env.FLOE_SEMANTIC_CUBE_HOME}/package.json`)('@cubejs-backend/native');

native.setupLogger = () => {};
native.resetLogger = () => {};
native.isFallbackBuild = () => true;
native.redactSqlLiterals = (sql) => String(sql).replace(/'(?:[^']|'')*'/g, "'redacted'");
native.NativeInstance.prototype.newJinjaEngine = () => ({
  loadTemplate() {},
  renderTemplate() {
    throw new Error('Jinja is in the native module, which is not here');
  },
});
native.NativeInstance.prototype.loadPythonContext = () => {
  throw new Error('Python is in the native module, which is not here');
};

function formatted(value, type) {
  if (value === undefined || value === null) return null;
  if (type !== 'time' && !(value instanceof Date)) return value;
  const time = value instanceof Date ? value : new Date(/Z|[+-]\d\d:?\d\d$/.test(value) ? value : `${value}Z`);
  return Number.isNaN(time.getTime()) ? value : time.toISOString().replace('Z', '');
}

function transformed({ aliasToMemberNameMap, annotation, query, queryType, resType }, raw) {
  if (queryType !== 'regularQuery') throw new Error(`${queryType} is in the native module, which is not here`);
  const { members: aliases, columns } = JSON.parse(Buffer.from(raw).toString());
  const shown = [];
  aliases.forEach((alias, index) => {
    const member = aliasToMemberNameMap[alias];
    if (!member || !annotation[member]) {
      throw new Error(`You requested hidden member: '${alias}'. Please make it visible using \`public: true\`.`);
    }
    const values = columns[index].map((value) => formatted(value, annotation[member].type));
    const [cube, dimension, granularity] = member.split('.');
    shown.push([member, values]);
    if (granularity && !(query.dimensions || []).includes(`${cube}.${dimension}`)) {
      shown.push([`${cube}.${dimension}`, values]);
    }
  });
  if (resType === 'columnar') return { members: shown.map(([name]) => name), columns: shown.map(([, values]) => values) };
  const rows = Array.from({ length: columns.length ? columns[0].length : 0 }, (_, row) => row);
  if (resType === 'compact') {
    return {
      members: shown.map(([name]) => name),
      dataset: rows.map((row) => shown.map(([, values]) => values[row])),
    };
  }
  return rows.map((row) => Object.fromEntries(shown.map(([name, values]) => [name, values[row]])));
}

const encoded = (answer) => Buffer.from(JSON.stringify(answer));

native.getFinalQueryResult = async (transform, raw, answer) => encoded({ ...answer, data: transformed(transform, raw) });
native.getFinalQueryResultMulti = async (transforms, raws, answer) =>
  encoded({
    ...answer,
    results: answer.results.map((result, index) => ({ ...result, data: transformed(transforms[index], raws[index]) })),
    pivotQuery: undefined,
  });

// Cube listens on every interface; a test's server is reached from this machine alone.
const { listen } = http.Server.prototype;
http.Server.prototype.listen = function listenOnLoopback(port, ...rest) {
  const bare = (typeof port === 'number' || typeof port === 'string') && typeof rest[0] !== 'string';
  return bare ? listen.call(this, Number(port), '127.0.0.1', ...rest) : listen.call(this, port, ...rest);
};
