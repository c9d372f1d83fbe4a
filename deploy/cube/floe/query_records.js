// What a query is told to have been: the members that it names, and nothing that a caller typed beside them.
'use strict';

const MOST_MEMBERS = 200;
const MOST_SQL = 10000;
const MOST_ERROR = 500;
const MOST_DEPTH = 10;
const MEMBER = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*){1,2}$/;
const WORD = /^[A-Za-z_]\w*$/;
const UNNAMED = '?';
const QUOTED = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`/g;
/** What literals cannot be told by: escapes, which some warehouses have and others not, quotes of dollars, comments. */
const UNCERTAIN = /\\|\$\w*\$|--|\/\*/;
const QUOTES = '[\'"`\u2018-\u201f\u00ab\u00bb\u2039\u203a]';
const ANY_QUOTE = new RegExp(QUOTES);
/** Of `can't find 'x'`, the second. */
const FIRST_QUOTE = new RegExp(`(?!(?<=n)'t\\b)${QUOTES}`);
/** All up to the last quote, and on to the end if a word follows, as if that one opened. */
const UP_TO_LAST_QUOTE = new RegExp(`^.*${QUOTES}(?:[\\p{L}\\p{N}_].*)?`, 'su');

const listed = (value) => (Array.isArray(value) ? value.slice(0, MOST_MEMBERS) : []);

function memberName(value) {
  if (typeof value === 'string') return MEMBER.test(value) ? value : UNNAMED;
  // An expression of the SQL API: its text holds what the caller wrote, its cube does not.
  const cube = value && value.cubeName;
  return typeof cube === 'string' && WORD.test(cube) ? `${cube}.${UNNAMED}` : UNNAMED;
}

function filterShape(filter, depth) {
  if (!filter || typeof filter !== 'object' || depth > MOST_DEPTH) return { member: UNNAMED };
  for (const junction of ['and', 'or']) {
    if (Array.isArray(filter[junction])) {
      return { [junction]: listed(filter[junction]).map((inner) => filterShape(inner, depth + 1)) };
    }
  }
  const operator = WORD.test(filter.operator) ? filter.operator : UNNAMED;
  return { member: memberName(filter.member || filter.dimension || filter), operator };
}

function orderShape(order) {
  if (Array.isArray(order)) {
    return listed(order).map((item) =>
      Array.isArray(item) ? [memberName(item[0]), String(item[1]) === 'desc'] : [memberName(item && item.id), !!(item && item.desc)],
    );
  }
  return order && typeof order === 'object'
    ? listed(Object.entries(order)).map(([name, direction]) => [memberName(name), direction === 'desc'])
    : [];
}

/** A query without its values: what it asks for, by what it filters and how, and in which order. */
function queryShape(query) {
  const given = query && typeof query === 'object' ? query : {};
  return {
    measures: listed(given.measures).map(memberName),
    dimensions: listed(given.dimensions).map(memberName),
    segments: listed(given.segments).map(memberName),
    time_dimensions: listed(given.timeDimensions).map((item) => ({
      dimension: memberName(item && item.dimension),
      granularity: item && WORD.test(item.granularity) ? item.granularity : null,
      ranged: !!(item && (item.dateRange || item.compareDateRange)),
    })),
    filters: listed(given.filters).map((item) => filterShape(item, 0)),
    order: orderShape(given.order).map(([member, descending]) => ({ member, descending })),
    ungrouped: given.ungrouped === true,
  };
}

/** Members that a query filters by, those that policies added among them. */
function filteredMembers(query) {
  const found = [];
  const collect = (filter, depth) => {
    if (!filter || typeof filter !== 'object' || depth > MOST_DEPTH) return;
    const inner = filter.and || filter.or;
    if (Array.isArray(inner)) listed(inner).forEach((item) => collect(item, depth + 1));
    else found.push(memberName(filter.member || filter.dimension || filter));
  };
  listed(query && query.filters).forEach((item) => collect(item, 0));
  listed(query && query.segments).forEach((item) => found.push(memberName(item)));
  listed(query && query.timeDimensions).forEach((item) => item && item.dateRange && found.push(memberName(item.dimension)));
  return found;
}

/** SQL as Cube runs it. What callers of REST and GraphQL filter by is bound; those of the SQL API write SQL themselves. */
function sqlText(sql, writtenByCaller) {
  if (typeof sql !== 'string') return null;
  const text = writtenByCaller ? withoutLiterals(sql) : sql;
  return text === null || text.length > MOST_SQL ? null : text;
}

/** SQL without its literals; null where it is not certain what they are. */
function withoutLiterals(sql) {
  if (UNCERTAIN.test(sql) || ANY_QUOTE.test(sql.replace(QUOTED, ''))) return null;
  const hidden = (quoted) => (quoted.includes("'") ? `${quoted[0]}?${quoted[0]}` : quoted);
  return sql
    .replace(QUOTED, hidden)
    .replace(/(?<![\w".$])\d\w*(?:\.\d+)?(?:[eE][+-]?\d+)?/g, '?');
}

/** The first line of an error, without what it quotes or counts, unless `known` takes all that it quotes. */
function errorText(error, known) {
  const text = error instanceof Error ? error.message : String((error && error.error) || error || 'failed');
  const [line, ...others] = text.replace(/^Error: /, '').split('\n');
  return withoutQuoted(line, others.length > 0, known)
    .replace(/(?<!\w)\d[\d.,:-]*/g, '?')
    .slice(0, MOST_ERROR);
}

/** Warehouses quote values of rows and escape no quote in them: what stands between two quotes may be inside a value. */
function withoutQuoted(line, goesOn, known) {
  const first = line.search(FIRST_QUOTE);
  if (first < 0) return line;
  const quoted = line.slice(first);
  const unknown = quoted.replace(QUOTED, (whole) => (known(whole.slice(1, -1).replace(/__/g, '.')) ? '' : whole));
  if (!ANY_QUOTE.test(unknown)) return line;
  return line.slice(0, first) + (goesOn ? "'?'" : quoted.replace(UP_TO_LAST_QUOTE, "'?'"));
}

/** Members that policies masked in a query, and cubes whose policies grant it nothing. */
function restrictions(query) {
  const masked = listed(query && query.maskedMembers).map((item) => memberName(item && (item.member || item)));
  const denied = listed(query && query.segments)
    .filter((item) => item && item.name === 'rlsAccessDenied')
    .map((item) => memberName(`${item.cubeName}.${item.cubeName}`).split('.')[0]);
  return { masked, denied };
}

module.exports = { errorText, filteredMembers, listed, memberName, queryShape, restrictions, sqlText };
