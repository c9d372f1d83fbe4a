// What an operator is to know, told once: a poll each second would say it each second.
'use strict';

/** Tells of problems when they begin, change and end. */
function createNotices({ write = (line) => console.log(JSON.stringify(line)) } = {}) {
  const open = new Map();

  function told(level, message) {
    write({ timestamp: new Date().toISOString(), level, message: `floe: ${message}` });
  }

  return {
    /** Something is as it should be. */
    fact: (message) => told('info', message),
    /** Something is wrong, until `solved` is called with the same key. */
    problem(key, message) {
      if (open.get(key) === message) return;
      open.set(key, message);
      told('error', message);
    },
    /** What was told under this key is over. */
    solved(key, message) {
      if (open.delete(key)) told('info', message);
    },
  };
}

module.exports = { createNotices };
