// The driver of deploy/cube/floe/serve_database.js without Cube around it: a command a line in, an answer a line out.
'use strict';

const fs = require('node:fs');
const readline = require('node:readline');
const { createNotices } = require(`${process.argv[2]}/notices.js`);
const { createDriverFactory } = require(`${process.argv[2]}/serve_database.js`);

const told = [];
const notices = createNotices({ write: ({ level, message }) => told.push(`${level}: ${message}`) });
const driver = createDriverFactory(process.argv[3], { notices })({});
const streams = new Map();

const files = () =>
  fs
    .readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((file) => file.includes('serve.duckdb'));

const commands = {
  query: ({ sql }) => driver.query(sql, []),
  together: ({ sql, times }) => Promise.all(Array.from({ length: times }, () => driver.query(sql, []))),
  begin: async ({ sql, name }) => {
    const { rowStream, release } = await driver.stream(sql, [], { highWaterMark: 1 });
    streams.set(name, { rows: rowStream[Symbol.asyncIterator](), release });
    return (await streams.get(name).rows.next()).value;
  },
  finish: async ({ name }) => {
    const { rows } = streams.get(name);
    let count = 0;
    while (!(await rows.next()).done) count += 1;
    return count;
  },
  drop: async ({ name }) => {
    const { release } = streams.get(name);
    streams.delete(name);
    await release();
  },
  held: async () => {
    global.gc(); // DuckDB keeps a database for as long as there is a result of it
    await new Promise(setImmediate);
    return { files: files().length, threads: fs.readdirSync('/proc/self/task').length, rss: process.memoryUsage().rss };
  },
  told: async () => told.splice(0),
  release: () => driver.release(),
};

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { answer: (await commands[command.do](command)) ?? null };
  } catch (error) {
    answer = { error: String(error.message) };
  }
  process.stdout.write(`${JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? String(value) : value))}\n`);
});
