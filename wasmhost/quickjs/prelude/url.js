// URL and URLSearchParams of the URL standard, without names outside ASCII in hosts, which need tables.

const defaultPorts = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': '' };
const isSpecial = (protocol) => hasOwn(defaultPorts, protocol);

// percentEncoder returns a function that encodes the characters of a class and all that is not ASCII.
function percentEncoder(characters) {
  const wanted = `[\\u0000-\\u0020"<>\\u007f-\\uffff${characters}]+`;
  const any = new RegExp(wanted), each = new RegExp(wanted, 'g');
  return (text) => (!any.test(text) ? text : text.replace(each, (part) => {
    let encoded = '';
    for (const b of utf8Encode(part)) encoded += `%${(b < 16 ? '0' : '') + b.toString(16).toUpperCase()}`;
    return encoded;
  }));
}

const encodePath = percentEncoder('?^`{}#');
const encodeUser = percentEncoder('?^`{}#/:;=@\\[\\\\\\]|');
const encodeQuery = percentEncoder("#'");
const encodeOtherQuery = percentEncoder('#');
const encodeHash = percentEncoder('`');
const encodeOpaque = (text) => text.replace(/[\u0000-\u001f\u007f-\uffff]+/g, (part) => encodePath(part)); // of mailto: and the like

// percentDecode decodes leniently: what is not an escape stays, and what is not UTF-8 is replaced.
function percentDecode(text) {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return utf8Decode(latin1Encode(latin1Decode(utf8Encode(text)).replace(/%([0-9a-fA-F]{2})/g, (_, hex) => fromCharCode(parseInt(hex, 16)))), false);
  }
}

const wellFormed = (value) => String(value).toWellFormed();
const encodeForm = (text) => encodeURIComponent(wellFormed(text))
  .replace(/%20/g, '+').replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const decodeForm = (text) => percentDecode(text.includes('+') ? text.replace(/\+/g, ' ') : text);

class URLSearchParams {
  #list = [];
  #changed = () => {};

  constructor(init, changed) {
    if (changed) this.#changed = changed;
    if (init === undefined || init === null) return;
    if (typeof init === 'object' && typeof init[Symbol.iterator] === 'function') {
      for (const pair of init) {
        const [name, value, ...rest] = pair;
        if (value === undefined || rest.length > 0) throw new TypeError('Each query pair must be an iterable [name, value] tuple');
        this.#list.push([wellFormed(name), wellFormed(value)]);
      }
    } else if (typeof init === 'object') {
      for (const name of keys(init)) this.#list.push([wellFormed(name), wellFormed(init[name])]);
    } else {
      this.read(wellFormed(init));
    }
  }

  // read replaces the list by that of a query.
  read(query) {
    this.#list = [];
    for (const part of (query.startsWith('?') ? query.slice(1) : query).split('&')) {
      if (part === '') continue;
      const at = part.indexOf('=');
      this.#list.push(at < 0 ? [decodeForm(part), ''] : [decodeForm(part.slice(0, at)), decodeForm(part.slice(at + 1))]);
    }
  }

  get size() { return this.#list.length; }

  append(name, value) {
    this.#list.push([wellFormed(name), wellFormed(value)]);
    this.#changed();
  }

  delete(name, value) {
    this.#list = this.#list.filter(([n, v]) => n !== String(name) || (value !== undefined && v !== String(value)));
    this.#changed();
  }

  get(name) { return this.#list.find(([n]) => n === String(name))?.[1] ?? null; }
  getAll(name) { return this.#list.filter(([n]) => n === String(name)).map(([, v]) => v); }
  has(name, value) { return this.#list.some(([n, v]) => n === String(name) && (value === undefined || v === String(value))); }

  set(name, value) {
    const first = this.#list.find(([n]) => n === String(name));
    if (first) {
      first[1] = wellFormed(value);
      this.#list = this.#list.filter((pair) => pair === first || pair[0] !== String(name));
    } else {
      this.#list.push([wellFormed(name), wellFormed(value)]);
    }
    this.#changed();
  }

  sort() {
    this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed();
  }

  forEach(f, self) { for (const [name, value] of this.#list) f.call(self, value, name, this); }
  *entries() { for (const [name, value] of this.#list) yield [name, value]; }
  *keys() { for (const [name] of this.#list) yield name; }
  *values() { for (const [, value] of this.#list) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#list.map(([name, value]) => `${encodeForm(name)}=${encodeForm(value)}`).join('&'); }
}

// splitURL splits the text of a URL: scheme, then authority, path, query and hash.
const splitURL = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?([^?#]*)(\?[^#]*)?(#[\s\S]*)?$/;

// isPlainURL matches URLs that are their own normal form, so that most are not taken apart.
const isPlainURL = /^https?:\/\/[a-z0-9][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+(?:\/(?![.%])[A-Za-z0-9_~$&()*+,;=:@%.-]*)+(?:\?[A-Za-z0-9._~!$&()*+,;=:@%/?[\]{}|^-]*)?$/;
const normalURL = (input) => (typeof input === 'string' && isPlainURL.test(input) ? input : new URL(input).href);

function invalidURL(text) {
  const error = new TypeError('Invalid URL');
  error.code = 'ERR_INVALID_URL';
  error.input = text;
  return error;
}

function parseURL(text, base) {
  text = text.replace(/^[\u0000-\u0020]+|[\u0000-\u0020]+$/g, '').replace(/[\t\n\r]/g, '');
  const [, scheme, start, query, hash] = splitURL.exec(text);
  const protocol = scheme === undefined ? base?.protocol : `${scheme.toLowerCase()}:`;
  if (protocol === undefined) throw invalidURL(text);
  const special = isSpecial(protocol);
  const parts = {
    protocol, username: '', password: '', hostname: '', port: '', pathname: '', opaque: false,
    search: query === undefined ? '' : normalQuery(query, special), hash: hash === undefined ? '' : normalHash(hash),
  };
  let rest = special ? start.replace(/\\/g, '/') : start;
  // A special scheme without slashes is relative to a base of the same scheme.
  const relative = scheme === undefined || (special && base?.protocol === protocol && !rest.startsWith('/'));
  if (relative && base?.opaque && (rest !== '' || query !== undefined)) throw invalidURL(text);
  if (special && protocol !== 'file:' && !relative) rest = rest.replace(/^\/*/, '//');
  if (rest.startsWith('//')) {
    const [, authority, path] = /^\/\/([^/]*)([\s\S]*)$/.exec(rest);
    readAuthority(parts, authority, text);
    parts.pathname = normalPath(path, special);
    return parts;
  }
  if (!relative) {
    parts.opaque = !special && !rest.startsWith('/');
    parts.pathname = parts.opaque ? encodeOpaque(rest) : normalPath(rest, special);
    return parts;
  }
  const { username, password, hostname, port } = base;
  Object.assign(parts, { username, password, hostname, port, opaque: base.opaque });
  if (rest === '') {
    parts.pathname = base.pathname;
    if (query === undefined) parts.search = base.search;
  } else if (rest.startsWith('/')) {
    parts.pathname = normalPath(rest, special);
  } else {
    parts.pathname = normalPath(base.pathname.slice(0, base.pathname.lastIndexOf('/') + 1) + rest, special);
  }
  return parts;
}

function readAuthority(parts, authority, text) {
  const at = authority.lastIndexOf('@');
  if (at >= 0) {
    const [, user, password] = /^([^:]*):?([\s\S]*)$/.exec(authority.slice(0, at));
    parts.username = encodeUser(user);
    parts.password = encodeUser(password);
  }
  readHost(parts, authority.slice(at + 1), text);
}

function readHost(parts, host, text) {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]*)(?::(\d*))?$/.exec(host);
  if (!match) throw invalidURL(text);
  const special = isSpecial(parts.protocol);
  parts.hostname = special ? normalHost(match[1], text) : encodeOpaque(match[1]);
  if (special && parts.hostname === '' && parts.protocol !== 'file:') throw invalidURL(text);
  parts.port = normalPort(match[2] ?? '', parts.protocol, text);
}

function normalHost(host, text) {
  const name = host.startsWith('[') ? host.toLowerCase() : percentDecode(host).toLowerCase();
  if (/[\u0080-\uffff]/.test(name)) {
    const error = invalidURL(text);
    error.message = `Invalid URL: write the host ${toJSON(name)} in ASCII (xn--...)`;
    throw error;
  }
  if (!name.startsWith('[') && /[\u0000-\u0020"#%/:<>?@[\\\]^`{|}\u007f]/.test(name)) throw invalidURL(text);
  return name;
}

function normalPort(port, protocol, text) {
  if (port === '') return '';
  if (Number(port) > 65535) throw invalidURL(text);
  port = String(Number(port));
  return port === defaultPorts[protocol] ? '' : port;
}

// A query and a hash are kept with their first character, which alone is an empty one.
const normalQuery = (query, special) => `?${(special ? encodeQuery : encodeOtherQuery)(query.replace(/^\?/, ''))}`;
const normalHash = (hash) => `#${encodeHash(hash.replace(/^#/, ''))}`;
const unlessEmpty = (part) => (part.length > 1 ? part : '');

function normalPath(path, special) {
  if (path === '' && !special) return '';
  let encoded = encodePath(special ? path.replace(/\\/g, '/') : path);
  if (!encoded.startsWith('/')) encoded = `/${encoded}`;
  if (!/\/(?:\.|%2e)/i.test(encoded)) return encoded;
  const done = [];
  const segments = encoded.slice(1).split('/');
  segments.forEach((segment, i) => {
    const plain = segment.replace(/%2e/gi, '.');
    const last = i === segments.length - 1;
    if (plain === '..') done.pop();
    if (plain !== '.' && plain !== '..') done.push(segment);
    else if (last) done.push('');
  });
  return `/${done.join('/')}`;
}

class URL {
  #parts;
  #params;

  constructor(input, base) {
    const from = base === undefined ? undefined : base instanceof URL ? base.#parts : parseURL(String(base));
    this.#parts = parseURL(String(input), from);
  }

  static canParse(input, base) { return URL.parse(input, base) !== null; }
  static parse(input, base) {
    try {
      return new URL(input, base);
    } catch {
      return null;
    }
  }

  get href() {
    const p = this.#parts;
    const user = p.username === '' && p.password === '' ? '' : `${p.username}${p.password === '' ? '' : `:${p.password}`}@`;
    const slashes = isSpecial(p.protocol) || p.hostname !== '' ? '//' : '';
    return `${p.protocol}${slashes}${user}${this.host}${p.pathname}${p.search}${p.hash}`;
  }
  set href(value) { this.#replace(parseURL(String(value))); }

  get origin() { return isSpecial(this.protocol) && this.protocol !== 'file:' ? `${this.protocol}//${this.host}` : 'null'; }
  get protocol() { return this.#parts.protocol; }
  get username() { return this.#parts.username; }
  get password() { return this.#parts.password; }
  get hostname() { return this.#parts.hostname; }
  get port() { return this.#parts.port; }
  get host() { return this.port === '' ? this.hostname : `${this.hostname}:${this.port}`; }
  get pathname() { return this.#parts.pathname; }
  get search() { return unlessEmpty(this.#parts.search); }
  get hash() { return unlessEmpty(this.#parts.hash); }

  get searchParams() {
    return this.#params ??= new URLSearchParams(this.search, () => {
      const query = this.#params.toString();
      this.#parts.search = query === '' ? '' : `?${query}`;
    });
  }

  set protocol(value) {
    const match = /^([A-Za-z][A-Za-z0-9+.-]*):?/.exec(String(value));
    const protocol = match && `${match[1].toLowerCase()}:`;
    if (!match || isSpecial(protocol) !== isSpecial(this.protocol)) return;
    this.#parts.protocol = protocol;
    this.#parts.port = normalPort(this.port, protocol);
  }
  set username(value) { this.#parts.username = encodeUser(String(value)); }
  set password(value) { this.#parts.password = encodeUser(String(value)); }
  set host(value) {
    const host = /^[^/?#\\]*/.exec(String(value))[0];
    const { port } = this;
    this.#change((p) => {
      readHost(p, host);
      if (!/:\d+$/.test(host)) p.port = port;
    });
  }
  set hostname(value) { if (!/:\d*$/.test(String(value))) this.host = value; }
  set port(value) {
    const digits = /^\d*/.exec(String(value))[0];
    if (digits === '' && String(value) !== '') return;
    this.#change((p) => { p.port = normalPort(digits, p.protocol); });
  }
  set pathname(value) { if (!this.#parts.opaque) this.#parts.pathname = normalPath(String(value), isSpecial(this.protocol)); }
  set search(value) {
    this.#parts.search = String(value) === '' ? '' : normalQuery(String(value), isSpecial(this.protocol));
    this.#params?.read(this.search);
  }
  set hash(value) { this.#parts.hash = String(value) === '' ? '' : normalHash(String(value)); }

  // #change leaves the URL as it is if the new value is not valid, as the standard says.
  #change(f) {
    const changed = { ...this.#parts };
    try {
      f(changed);
    } catch {
      return;
    }
    this.#parts = changed;
  }
  #replace(parts) {
    this.#parts = parts;
    this.#params?.read(parts.search);
  }

  toString() { return this.href; }
  toJSON() { return this.href; }
}

define({ URL, URLSearchParams });
