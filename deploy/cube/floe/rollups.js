// Pre-aggregations that this Cube cannot build are not compiled: it would refuse every query that one of them matches.
'use strict';

const { createRequire } = require('node:module');
const { isDeepStrictEqual } = require('node:util');

const yaml = createRequire(require.resolve('@cubejs-backend/schema-compiler'))('js-yaml');

const ROLLUPS = /^( +)pre_aggregations:\n(?:\1(?: |- ).*\n?)*/gm;

/**
 * A function from model files to those that this Cube can build.
 *
 * External ones need Cube Store; the others are tables in the warehouse, and the file of the landed tables is read only.
 */
function createRollupFilter({ settings, notices }) {
  const builds = ({ external }) => (external === false ? settings.serveDatabase === null : settings.cubeStore);

  function filtered(file) {
    if (!file.content.includes('pre_aggregations:')) return file;
    const model = yaml.load(file.content);
    const unbuilt = (model.cubes || []).filter((cube) => (cube.pre_aggregations || []).some((rollup) => !builds(rollup)));
    if (unbuilt.length === 0) return file;
    const content = file.content.replace(ROLLUPS, '');
    const cubes = model.cubes.map(({ pre_aggregations: _, ...cube }) => cube);
    if (!isDeepStrictEqual(yaml.load(content), { ...model, cubes })) {
      throw new Error(`${file.fileName} has pre-aggregations that this Cube cannot build, and they cannot be taken out`);
    }
    return { ...file, content };
  }

  return (files) => {
    const kept = files.map(filtered);
    const changed = kept.filter((file, index) => file !== files[index]).length;
    if (changed > 0) {
      const why = settings.serveDatabase === null ? 'without Cube Store' : 'without Cube Store over read-only tables';
      notices.problem('rollups', `pre-aggregations in ${changed} files are left out: ${why} they cannot be built`);
    } else notices.solved('rollups', 'pre-aggregations are built');
    return kept;
  };
}

module.exports = { createRollupFilter };
