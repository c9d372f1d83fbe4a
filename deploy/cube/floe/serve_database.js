// The landed tables, as the catalog service writes them: a DuckDB file of views that is replaced after each landing.
//
// Cube keeps one driver for as long as it runs. This one looks at the file before each query, and opens what has taken
// its place; queries that are at work go on with the file that they began with, which is let go after the last of them.
'use strict';

const fs = require('node:fs');
const { DuckDBDriver } = require('@cubejs-backend/duckdb-driver');

const PROBLEM = 'serve database';
const ATTACHED = 'floe_attached_database';
const TRY_AGAIN_AFTER_MS = 1000;

const literal = (text) => `'${text.replaceAll("'", "''")}'`;

/** One file, opened for reading; reaches the folders of the tables that it shows, and no other file. */
class OpenedFile extends DuckDBDriver {
  users = 0;
  retired = false;

  constructor(path, key) {
    super({ databasePath: ':memory:' });
    this.path = path;
    this.key = key;
  }

  async init() {
    const { instance, defaultConnection } = await super.init();
    const connect = async () => {
      const connection = await instance.connect();
      await this.prepare(connection);
      return connection;
    };
    return { defaultConnection, instance: { connect, closeSync: () => instance.closeSync() } };
  }

  /** What fails here fails the query: the driver's own `initSql` would only write it to the log. */
  async configureConnection(connection) {
    await super.configureConnection(connection);
    await connection.run(`ATTACH ${literal(this.path)} AS ${ATTACHED} (READ_ONLY)`);
    const shown = await connection.runAndReadAll(
      `SELECT DISTINCT location FROM ${ATTACHED}.floe_serve.tables WHERE location LIKE 'file:%' AND refused IS NULL`,
    );
    const folders = shown.getRows().map(([location]) => literal(location.replace(/^file:(\/\/)?/, '')));
    await connection.run(`SET allowed_directories = [${folders.join(', ')}]`);
    await connection.run('SET enable_external_access = false');
    await this.prepare(connection);
  }

  async prepare(connection) {
    await connection.run(`USE ${ATTACHED}`);
    await connection.run("SET TimeZone = 'UTC'"); // Cube takes what has no zone for UTC; DuckDB, for the machine's
  }

  /** Let it go once nobody uses it. */
  async retire() {
    this.retired = true;
    if (this.users === 0) await this.release();
  }

  async left() {
    this.users -= 1;
    if (this.retired && this.users === 0) await this.release();
  }
}

/** The driver that Cube has; `path` is the file, `notices` tells of problems once. */
class ServeDatabaseDriver extends DuckDBDriver {
  opened = null;
  opening = null;
  failed = null;

  constructor({ path, notices }) {
    super({ databasePath: ':memory:' });
    this.path = path;
    this.notices = notices;
  }

  /** The file as it is now, with one user more. */
  async acquired() {
    for (;;) {
      const opened = await this.current();
      if (!opened.retired) {
        opened.users += 1;
        return opened;
      }
    }
  }

  async current() {
    let key;
    try {
      const stat = await fs.promises.stat(this.path, { bigint: true });
      key = `${stat.dev}.${stat.ino}.${stat.mtimeNs}.${stat.size}`;
    } catch (error) {
      return this.asBefore(`it cannot be looked at (${error.code || error.message}): it is there once a run has landed`);
    }
    if (this.opened && this.opened.key === key) return this.opened;
    const failed = this.failed;
    if (this.opened && failed && failed.key === key && Date.now() - failed.at < TRY_AGAIN_AFTER_MS) return this.opened;
    this.opening ??= this.open(key).finally(() => {
      this.opening = null;
    });
    return this.opening;
  }

  async open(key) {
    const next = new OpenedFile(this.path, key);
    try {
      await next.testConnection();
    } catch (error) {
      this.failed = { key, at: Date.now() };
      return this.asBefore(`it cannot be opened: ${error.message}`);
    }
    const former = this.opened;
    this.opened = next;
    this.failed = null;
    this.notices.solved(PROBLEM, `${this.path} is read again`);
    if (former) await former.retire();
    return next;
  }

  /** What was open goes on serving. */
  asBefore(reason) {
    this.notices.problem(PROBLEM, `${this.path} is not read: ${reason}`);
    if (this.opened) return this.opened;
    throw new Error(`the tables cannot be read: of ${this.path}, ${reason}`);
  }

  async query(query, values, options) {
    const opened = await this.acquired();
    try {
      return await opened.query(query, values, options);
    } finally {
      await opened.left();
    }
  }

  async stream(query, values, options) {
    const opened = await this.acquired();
    try {
      const streamed = await opened.stream(query, values, options);
      streamed.rowStream.once('close', () => opened.left());
      return streamed;
    } catch (error) {
      await opened.left();
      throw error;
    }
  }

  async testConnection() {
    await this.query('SELECT 1', []);
  }

  /** Pre-aggregations are not built among the tables. */
  readOnly() {
    return true;
  }

  async release() {
    const { opened } = this;
    this.opened = null;
    if (opened) await opened.retire();
  }
}

/** Cube's `driverFactory`: a driver of the file at `path`. */
function createDriverFactory(path, { notices }) {
  return () => new ServeDatabaseDriver({ path, notices });
}

module.exports = { createDriverFactory };
