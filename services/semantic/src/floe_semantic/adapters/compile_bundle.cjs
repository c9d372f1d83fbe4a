'use strict';
// Has Cube's own compiler take the files of a bundle: standard input {"files": [{"path", "content"}]}, standard output
// {"errors": [text]}. What Cube says besides goes to standard error.
console.log = console.error;
console.info = console.error;
console.warn = console.error;
process.env.CUBEJS_TESSERACT_SQL_PLANNER = 'false';
process.env.CUBEJS_TELEMETRY = 'false';

const { createRequire } = require('node:module');
const path = require('node:path');

const home = process.argv[2];
const { prepareCompiler } = createRequire(path.join(home, 'package.json'))('@cubejs-backend/schema-compiler');

function refuse() {
  throw new Error('Jinja syntax in a model file');
}

async function compile(files) {
  const repository = {
    localPath: () => '/',
    dataSchemaFiles: async () => files.map(({ path: fileName, content }) => ({ fileName, content })),
  };
  const options = {
    // Stands in for the template engine, which is part of Cube's native module: bundles hold no templates.
    nativeInstance: { newJinjaEngine: () => ({ loadTemplate() {}, renderTemplate: refuse }) },
    allowJsDuplicatePropsInSchema: false,
  };
  try {
    await prepareCompiler(repository, options).compiler.compile();
    return [];
  } catch (error) {
    const found = error.messages || error.plainMessages || error.message || error;
    return [found].flat().map((item) => String((item && item.message) || item));
  }
}

async function main() {
  const { files } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
  const answer = JSON.stringify({ errors: await compile(files) });
  process.stdout.write(answer, () => process.exit(0));
}

main().catch((error) => {
  process.stderr.write(`${error && error.stack}\n`, () => process.exit(3));
});
