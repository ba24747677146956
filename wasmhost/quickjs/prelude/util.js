// Small things that connectors and bundles expect: structuredClone, and Node's modules url, querystring and util.

function clone(value, seen) {
  if (typeof value === 'function' || typeof value === 'symbol') throw new DOMException(`${String(value)} could not be cloned.`, 'DataCloneError');
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (copy) => {
    seen.set(value, copy);
    return copy;
  };
  if (value instanceof Date) return keep(new Date(value));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (ArrayBuffer.isView(value)) return keep(new Uint8Array(value).constructor === value.constructor ? value.slice() : Uint8Array.prototype.slice.call(value));
  if (value instanceof Map) {
    const copy = keep(new Map());
    for (const [k, v] of value) copy.set(clone(k, seen), clone(v, seen));
    return copy;
  }
  if (value instanceof Set) {
    const copy = keep(new Set());
    for (const v of value) copy.add(clone(v, seen));
    return copy;
  }
  if (value instanceof Error) return keep(Object.assign(new Error(value.message), { name: value.name, stack: value.stack }));
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw new DOMException(`${value} could not be cloned.`, 'DataCloneError');
  const copy = keep(isArray(value) ? [] : {});
  for (const name of keys(value)) copy[name] = clone(value[name], seen);
  return copy;
}

function parseQuery(text, separator = '&', equals = '=') {
  const values = create(null);
  for (const part of String(text).split(separator)) {
    if (part === '') continue;
    const at = part.indexOf(equals);
    const [name, value] = at < 0 ? [decodeForm(part), ''] : [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + equals.length))];
    if (name in values) values[name] = [].concat(values[name], value);
    else values[name] = value;
  }
  return values;
}

const escapeQuery = (value) => (typeof value === 'object' || value === undefined ? '' : encodeURIComponent(String(value)));

function writeQuery(values, separator = '&', equals = '=') {
  return keys(values ?? {}).flatMap((name) => (isArray(values[name]) ? values[name] : [values[name]])
    .map((value) => escapeQuery(name) + equals + escapeQuery(value))).join(separator);
}

// parseOld is url.parse, Node's parser before URL, for absolute URLs and paths.
function parseOld(text, withQuery) {
  let parsed;
  try {
    parsed = new URL(text, 'relative://relative');
  } catch {
    throw invalidURL(text);
  }
  const absolute = parsed.protocol !== 'relative:';
  const of = (value) => value || null;
  return {
    protocol: absolute ? parsed.protocol : null, slashes: absolute || null, auth: of([parsed.username, parsed.password].filter(Boolean).join(':')),
    host: absolute ? of(parsed.host) : null, port: of(parsed.port), hostname: absolute ? of(parsed.hostname) : null, hash: of(parsed.hash),
    search: of(parsed.search), query: withQuery ? parseQuery(parsed.search.slice(1)) : of(parsed.search.slice(1)), pathname: of(parsed.pathname),
    path: of(parsed.pathname + parsed.search), href: absolute ? parsed.href : text,
  };
}

builtinModules.url = () => ({ URL, URLSearchParams, parse: parseOld, format: (url) => (typeof url === 'string' ? url : url.href), resolve: (from, to) => new URL(to, from).href });
builtinModules.querystring = () => ({
  parse: parseQuery, decode: parseQuery, stringify: writeQuery, encode: writeQuery, escape: escapeQuery, unescape: percentDecode,
});
builtinModules.util = () => ({
  TextEncoder, TextDecoder,
  format: (...args) => formatAll(args),
  inspect: (value) => inspect(value),
  promisify: (f) => (...args) => new NativePromise((resolve, reject) => f(...args, (error, value) => (error ? reject(error) : resolve(value)))),
  inherits(child, parent) { setPrototypeOf(child.prototype, parent.prototype); },
  types: { isPromise: (v) => v instanceof Promise, isDate: (v) => v instanceof Date, isRegExp: (v) => v instanceof RegExp },
});

define({ structuredClone: (value) => clone(value, new Map()), global });
