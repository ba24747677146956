// Buffer of Node, in the encodings utf8, hex, base64, base64url, latin1 and ascii.

const encodings = {
  utf8: { read: utf8Encode, write: (bytes) => utf8Decode(bytes, false) },
  hex: { read: hexDecode, write: hexEncode },
  base64: { read: base64Decode, write: base64Encode },
  base64url: { read: base64Decode, write: base64URLEncode },
  latin1: { read: latin1Encode, write: latin1Decode },
  ascii: { read: latin1Encode, write: (bytes) => latin1Decode(bytes.map((b) => b & 0x7f)) },
};
const otherNames = { 'utf-8': 'utf8', binary: 'latin1' };

function encodingOf(name = 'utf8') {
  const lower = String(name).toLowerCase();
  const found = otherNames[lower] ?? lower;
  if (!hasOwn(encodings, found)) throw new TypeError(`Unknown encoding: ${name}. Here are ${keys(encodings).join(', ')}`);
  return encodings[found];
}

function hexEncode(bytes) {
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += (bytes[i] < 16 ? '0' : '') + bytes[i].toString(16);
  return text;
}

// hexDecode stops at the first pair that is not hexadecimal, as Node's does.
function hexDecode(text) {
  const digits = /^(?:[0-9a-fA-F]{2})*/.exec(text)[0];
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

function base64URLEncode(bytes) {
  return base64Encode(bytes).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

class Buffer extends Uint8Array {
  static from(value, encoding, length) {
    if (typeof value === 'string') return asBuffer(encodingOf(encoding).read(value));
    if (value instanceof String) return Buffer.from(String(value), encoding);
    if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
    if (value?.type === 'Buffer' && isArray(value.data)) return Buffer.from(value.data);
    if (ArrayBuffer.isView(value) || isArray(value) || typeof value?.length === 'number') {
      const copy = new Buffer(value.length);
      for (let i = 0; i < copy.length; i++) copy[i] = value[i];
      return copy;
    }
    if (value?.valueOf && value.valueOf() !== value) return Buffer.from(value.valueOf(), encoding, length);
    throw new TypeError(`Buffer.from: expected a string, a buffer or an array, but got ${value === null ? 'null' : typeof value}`);
  }

  static alloc(size, fill, encoding) { return fill === undefined ? new Buffer(size) : new Buffer(size).fill(fill, encoding); }
  static allocUnsafe(size) { return new Buffer(size); }
  static isBuffer(value) { return value instanceof Buffer; }
  static isEncoding(name) { return hasOwn(encodings, otherNames[String(name).toLowerCase()] ?? String(name).toLowerCase()); }
  static byteLength(value, encoding) { return typeof value === 'string' ? encodingOf(encoding).read(value).length : value.byteLength; }

  static concat(list, total = list.reduce((sum, b) => sum + b.length, 0)) {
    const all = new Buffer(list.length > 0 ? total : 0);
    let at = 0;
    for (const b of list) {
      all.set(b.subarray(0, max(0, total - at)), at);
      at += b.length;
      if (at >= total) break;
    }
    return all;
  }

  static compare(a, b) {
    for (let i = 0; i < a.length && i < b.length; i++) {
      if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return a.length < b.length ? -1 : a.length > b.length ? 1 : 0;
  }

  toString(encoding, start = 0, end = this.length) { return encodingOf(encoding).write(this.subarray(start, end)); }
  toLocaleString(encoding) { return this.toString(encoding); }
  toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  equals(other) { return Buffer.compare(this, other) === 0; }
  compare(other) { return Buffer.compare(this, other); }
  slice(start, end) { return this.subarray(start, end); }

  write(text, offset = 0, length = this.length - offset, encoding = 'utf8') {
    if (typeof offset === 'string') return this.write(text, 0, this.length, offset);
    if (typeof length === 'string') return this.write(text, offset, this.length - offset, length);
    const bytes = encodingOf(encoding).read(text).subarray(0, min(length, this.length - offset));
    this.set(bytes, offset);
    return bytes.length;
  }

  copy(target, at = 0, start = 0, end = this.length) {
    const part = this.subarray(start, min(end, start + target.length - at));
    target.set(part, at);
    return part.length;
  }

  fill(value, encoding) {
    if (typeof value !== 'string') return super.fill(value);
    const bytes = encodingOf(encoding).read(value);
    for (let i = 0; i < this.length; i++) this[i] = bytes.length ? bytes[i % bytes.length] : 0;
    return this;
  }

  indexOf(value, from = 0, encoding = 'utf8') {
    if (typeof value === 'number') return super.indexOf(value, from);
    const wanted = typeof value === 'string' ? encodingOf(encoding).read(value) : value;
    for (let i = from; i + wanted.length <= this.length; i++) {
      if (wanted.every((b, k) => this[i + k] === b)) return i;
    }
    return -1;
  }
  includes(value, from, encoding) { return this.indexOf(value, from, encoding) >= 0; }
}

// asBuffer makes a Buffer of the same memory.
const asBuffer = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);

// readUInt16BE and so on, by the functions of DataView.
for (const [name, kind, size] of [['UInt8', 'Uint8', 1], ['Int8', 'Int8', 1], ['UInt16', 'Uint16', 2], ['Int16', 'Int16', 2],
  ['UInt32', 'Uint32', 4], ['Int32', 'Int32', 4], ['BigUInt64', 'BigUint64', 8], ['BigInt64', 'BigInt64', 8], ['Float', 'Float32', 4], ['Double', 'Float64', 8]]) {
  for (const order of size === 1 ? [''] : ['BE', 'LE']) {
    define({
      [`read${name}${order}`](offset = 0) { return new DataView(this.buffer, this.byteOffset, this.length)[`get${kind}`](offset, order === 'LE'); },
      [`write${name}${order}`](value, offset = 0) {
        new DataView(this.buffer, this.byteOffset, this.length)[`set${kind}`](offset, value, order === 'LE');
        return offset + size;
      },
    }, Buffer.prototype);
  }
}

define({ Buffer });
builtinModules.buffer = () => ({ Buffer, atob, btoa });
