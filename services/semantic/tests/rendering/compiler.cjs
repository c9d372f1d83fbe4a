// Cube's own schema compiler as a process that answers line by line: {files, queries, dialect} -> {errors, cubes, sql}.
'use strict';

console.log = console.warn = console.info = console.error;
process.env.CUBEJS_TESSERACT_SQL_PLANNER = 'false';
const load = require('node:module').createRequire(`${process.argv[2]}/package.json`);
const { prepareCompiler, PostgresQuery } = load('@cubejs-backend/schema-compiler');
const DIALECTS = {
  postgres: () => PostgresQuery,
  bigquery: () => load('@cubejs-backend/schema-compiler/dist/src/adapter/BigqueryQuery').BigqueryQuery,
  snowflake: () => load('@cubejs-backend/schema-compiler/dist/src/adapter/SnowflakeQuery').SnowflakeQuery,
  duckdb: () => {
    const driver = load('@cubejs-backend/duckdb-driver');
    return (driver.DuckDBDriver || driver.default || driver).dialectClass();
  },
};
const JINJA = { loadTemplate() {}, renderTemplate() { throw new Error('Jinja syntax found in a model file'); } };

async function answer({ files, queries = [], dialect = 'duckdb' }) {
  const repository = {
    localPath: () => '/',
    dataSchemaFiles: async () => Object.entries(files).map(([fileName, content]) => ({ fileName, content })),
  };
  const compilers = prepareCompiler(repository, {
    nativeInstance: { newJinjaEngine: () => JINJA }, allowJsDuplicatePropsInSchema: false,
  });
  try {
    await compilers.compiler.compile();
  } catch (error) {
    return { errors: String(error.messages || error.plainMessages || error.stack || error) };
  }
  const Query = DIALECTS[dialect]();
  const sql = queries.map((query) => {
    try {
      const built = new Query(compilers, { timezone: 'UTC', ...query });
      const [text, values] = built.buildSqlAndParams();
      return { sql: text, values, rollups: built.preAggregations.preAggregationsDescription() };
    } catch (error) {
      return { error: String(error.message || error) };
    }
  });
  return { errors: null, cubes: compilers.metaTransformer.cubes.map(({ config }) => config), sql };
}

(async () => {
  const lines = require('node:readline').createInterface({ input: process.stdin });
  for await (const line of lines) {
    let found;
    try {
      found = await answer(JSON.parse(line));
    } catch (error) {
      found = { errors: String(error.stack || error) };
    }
    process.stdout.write(`${JSON.stringify(found)}\n`);
  }
})();
