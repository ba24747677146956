// Headers is the list of headers of the Fetch standard. Names are kept in lower case.

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

class Headers {
  #list = create(null);

  constructor(init) {
    if (init === undefined || init === null) return;
    if (init instanceof Headers) {
      init.forEach((value, name) => this.append(name, value));
    } else if (typeof init[Symbol.iterator] === 'function') {
      for (const [name, value] of init) this.append(name, value);
    } else {
      for (const name of keys(init)) this.append(name, init[name]);
    }
  }

  // fromAnswer takes an object with names in lower case as it is.
  static fromAnswer(list) {
    const headers = new Headers();
    headers.#list = setPrototypeOf(list, null);
    return headers;
  }

  append(name, value) {
    const key = lowerName(name);
    value = headerValue(name, value);
    this.#list[key] = key in this.#list ? `${this.#list[key]}, ${value}` : value;
  }

  set(name, value) { this.#list[lowerName(name)] = headerValue(name, value); }
  get(name) { return this.#list[lowerName(name)] ?? null; }
  has(name) { return lowerName(name) in this.#list; }
  delete(name) { delete this.#list[lowerName(name)]; }
  getSetCookie() { return this.has('set-cookie') ? [this.get('set-cookie')] : []; }

  forEach(f, self) {
    for (const name of keys(this.#list).sort()) f.call(self, this.#list[name], name, this);
  }

  *entries() { for (const name of keys(this.#list).sort()) yield [name, this.#list[name]]; }
  *keys() { for (const [name] of this.entries()) yield name; }
  *values() { for (const [, value] of this.entries()) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  toJSON() { return { ...this.#list }; }
}

function lowerName(name) {
  name = String(name);
  if (!headerName.test(name)) throw new TypeError(`${toJSON(name)} is not the name of a header`);
  return name.toLowerCase();
}

function headerValue(name, value) {
  value = String(value).trim();
  if (/[\0\r\n]/.test(value)) throw new TypeError(`The value of the header ${name} has a line break or a zero byte`);
  return value;
}

define({ Headers });
