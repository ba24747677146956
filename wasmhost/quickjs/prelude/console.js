// console writes lines to the log. A level other than info is named at the start of the line.

const maxDepth = 2, maxEntries = 100;

function formatError(error) {
  const title = `${error.name ?? 'Error'}: ${error.message ?? ''}`;
  const stack = connectorFrames(error);
  const cause = error.cause === undefined ? '' : `\n  cause: ${inspect(error.cause)}`;
  return (stack ? `${title}\n${stack}` : title) + cause;
}

// connectorFrames returns the lines of an error's stack that are in the connector.
function connectorFrames(error) {
  if (typeof error?.stack !== 'string') return '';
  return error.stack.split('\n').filter((line) => line.trim() !== '' && !line.includes('crmgate:prelude') && !line.endsWith('(native)')).slice(0, 10).join('\n');
}

function formatKey(key) {
  if (typeof key === 'symbol') return `[${String(key)}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : formatText(key);
}

function formatText(text) {
  const quote = !text.includes("'") ? "'" : !text.includes('"') ? '"' : '`';
  return quote + text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replaceAll(quote, `\\${quote}`) + quote;
}

// format renders a value about as Node's console does, on one line.
function format(value, depth, parents) {
  switch (typeof value) {
    case 'string': return depth === 0 ? value : formatText(value);
    case 'bigint': return `${value}n`;
    case 'symbol': return String(value);
    case 'function': return value.name ? `[Function: ${value.name}]` : '[Function (anonymous)]';
    case 'object': break;
    default: return Object.is(value, -0) ? '-0' : String(value);
  }
  if (value === null) return 'null';
  if (value instanceof Error) return formatError(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (parents.includes(value)) return '[Circular]';
  if (value instanceof Promise) return 'Promise {}';
  const name = getPrototypeOf(value) === null ? '[Object: null prototype]' : value.constructor?.name ?? 'Object';
  if (depth > maxDepth) return isArray(value) ? '[Array]' : `[${name}]`;
  const inner = [...parents, value];
  const list = (entries, of) => {
    const shown = entries.slice(0, maxEntries).map(of);
    if (entries.length > maxEntries) shown.push(`... ${entries.length - maxEntries} more`);
    return shown.join(', ');
  };
  const item = (v) => format(v, depth + 1, inner);
  const braces = (title, text) => (title ? `${title} ` : '') + (text ? `{ ${text} }` : '{}');
  if (isArray(value)) return value.length === 0 ? '[]' : `[ ${list(value, item)} ]`;
  if (value instanceof Map) return braces(`Map(${value.size})`, list([...value], ([k, v]) => `${item(k)} => ${item(v)}`));
  if (value instanceof Set) return braces(`Set(${value.size})`, list([...value], item));
  if (ArrayBuffer.isView(value) && 'length' in value) return `${name}(${value.length}) [ ${list([...value.subarray(0, maxEntries + 1)], item)} ]`;
  return braces(name === 'Object' ? '' : name, list(keys(value), (k) => `${formatKey(k)}: ${item(value[k])}`));
}

// inspect renders a value with texts in quotation marks.
const inspect = (value) => (typeof value === 'string' ? formatText(value) : format(value, 0, []));

// formatAll renders the arguments of a call of the console, with the format %s, %d, %i, %f, %j, %o, %O, %c and %%.
function formatAll(args) {
  let rest = args;
  let text = '';
  if (typeof args[0] === 'string' && args.length > 1) {
    let next = 1;
    text = args[0].replace(/%[sdifjoOc%]/g, (directive) => {
      if (directive === '%%') return '%';
      if (next >= args.length) return directive;
      const value = args[next++];
      switch (directive) {
        case '%s': return typeof value === 'object' && value !== null ? format(value, maxDepth, []) : String(value);
        case '%d': return typeof value === 'object' ? 'NaN' : String(Number(value));
        case '%i': return typeof value === 'object' ? 'NaN' : String(parseInt(value, 10));
        case '%f': return String(parseFloat(value));
        case '%j': return toJSON(value);
        case '%c': return '';
        default: return inspect(value);
      }
    });
    rest = args.slice(next);
    if (rest.length > 0) text += ' ';
  }
  return text + rest.map((v) => format(v, 0, [])).join(' ');
}

function log(level, args) {
  let text;
  try {
    text = formatAll(args);
  } catch (e) { // a getter or a toString of the connector
    text = `(a value that cannot be shown: ${e})`;
  }
  // The host cuts long lines. If they were cut here, it would not know that a line can end with a part of a secret.
  printLine(level === 'info' ? text : `${level}: ${text}`);
}

const writer = (level) => (...args) => log(level, args);
const counts = new Map();
const started = new Map();

const console = {
  log: writer('info'), info: writer('info'), debug: writer('debug'), trace: writer('debug'),
  warn: writer('warn'), error: writer('error'), dir: (value) => log('info', [value]), dirxml: writer('info'), table: writer('info'),
  group: writer('info'), groupCollapsed: writer('info'), groupEnd() {},
  assert(condition, ...args) {
    if (!condition) log('error', ['Assertion failed', ...args]);
  },
  count(label = 'default') {
    counts.set(label, (counts.get(label) ?? 0) + 1);
    log('info', [`${label}: ${counts.get(label)}`]);
  },
  countReset: (label = 'default') => { counts.delete(label); },
  time: (label = 'default') => { started.set(label, now()); },
  timeLog: (label = 'default', ...args) => { if (started.has(label)) log('info', [`${label}: ${now() - started.get(label)}ms`, ...args]); },
  timeEnd(label = 'default') {
    console.timeLog(label);
    started.delete(label);
  },
};

define({ console });
