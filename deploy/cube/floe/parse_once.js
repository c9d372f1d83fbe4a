// Loaded into a worker of Cube's compiler, which ends with the bundle that it works on.
'use strict';

const path = require('node:path');
const { createRequire } = require('node:module');

/** Keep what each text was parsed to; what is refused is parsed, and refused, each time. */
function keepParsed() {
  const inside = createRequire(require.resolve('@cubejs-backend/schema-compiler'));
  const compiled = path.dirname(require.resolve('@cubejs-backend/schema-compiler'));
  const { YamlCompiler } = inside(path.join(compiled, 'compiler/YamlCompiler.js'));
  const { cloneNode } = inside('@babel/types');
  const parse = YamlCompiler.prototype.parsePythonAndTranspileToJs;
  if (typeof parse !== 'function') return;
  const kept = new Map();

  YamlCompiler.prototype.parsePythonAndTranspileToJs = function parseOnce(text, report) {
    if (typeof text !== 'string') return parse.call(this, text, report);
    if (kept.has(text)) return cloneNode(kept.get(text), true);
    let refused = false;
    const told = {
      error(...said) {
        refused = true;
        return report.error(...said);
      },
    };
    const parsed = parse.call(this, text, told);
    if (!refused && parsed) kept.set(text, cloneNode(parsed, true));
    return parsed;
  };
}

try {
  keepParsed();
} catch (error) {
  console.error(`floe: texts of the model are parsed again and again: ${error.message}`);
}
