'use strict';
// Has Cube's compiler parse each text of a bundle once: it parses all of them as Python, policies repeat the same ones
// over and over, and that is most of its time. What it takes and what it refuses stays the same: only what was parsed is
// kept, and no refusal. Loaded into Cube's own worker threads too.
const path = require('node:path');
const { createRequire } = require('node:module');

function keepParsed(home) {
  const cube = createRequire(path.join(home, 'package.json'));
  const package_ = path.dirname(cube.resolve('@cubejs-backend/schema-compiler/package.json'));
  const inside = createRequire(path.join(package_, 'package.json'));
  const { YamlCompiler } = inside(path.join(package_, 'dist/src/compiler/YamlCompiler.js'));
  const { cloneNode } = inside('@babel/types');
  const parse = YamlCompiler.prototype.parsePythonAndTranspileToJs;
  if (typeof parse !== 'function') return;
  const kept = new Map();

  YamlCompiler.prototype.parsePythonAndTranspileToJs = function parseOnce(code, report) {
    if (typeof code !== 'string') return parse.call(this, code, report);
    if (kept.has(code)) return cloneNode(kept.get(code), true);
    let refused = false;
    const told = {
      error(...said) {
        refused = true;
        return report.error(...said);
      },
    };
    const parsed = parse.call(this, code, told);
    if (!refused && parsed) kept.set(code, cloneNode(parsed, true));
    return parsed;
  };
}

try {
  keepParsed(process.env.FLOE_GATE_CUBE_HOME);
} catch (error) {
  process.stderr.write(`${error.message}\n`); // another Cube than this was written for: it takes its time
}
