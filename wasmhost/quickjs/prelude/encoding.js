// Text and bytes: TextEncoder, TextDecoder, and base64. btoa, atob and the base64 of bytes are the engine's own.

function utf8Encode(text) {
  text = String(text);
  const length = text.length;
  const bytes = new Uint8Array(length * 3);
  let n = 0;
  for (let i = 0; i < length; i++) {
    let c = text.charCodeAt(i);
    if (c < 0x80) {
      bytes[n++] = c;
      continue;
    }
    if (c >= 0xd800 && c <= 0xdfff) {
      const low = text.charCodeAt(i + 1);
      if (c < 0xdc00 && low >= 0xdc00 && low <= 0xdfff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i++;
      } else {
        c = 0xfffd; // half of a pair
      }
    }
    if (c < 0x800) {
      bytes[n++] = 0xc0 | c >> 6;
    } else {
      if (c < 0x10000) {
        bytes[n++] = 0xe0 | c >> 12;
      } else {
        bytes[n++] = 0xf0 | c >> 18;
        bytes[n++] = 0x80 | c >> 12 & 0x3f;
      }
      bytes[n++] = 0x80 | c >> 6 & 0x3f;
    }
    bytes[n++] = 0x80 | c & 0x3f;
  }
  return bytes.slice(0, n);
}

// utf8Decode replaces each malformed part by U+FFFD, as the Encoding standard says, or throws if fatal is true.
function utf8Decode(bytes, fatal) {
  const units = [];
  let text = '';
  const flush = () => {
    text += apply(fromCharCode, null, units);
    units.length = 0;
  };
  for (let i = 0; i < bytes.length;) {
    if (units.length > 4000) flush();
    const first = bytes[i++];
    if (first < 0x80) {
      units.push(first);
      continue;
    }
    let more = first >= 0xc2 && first <= 0xdf ? 1 : first >= 0xe0 && first <= 0xef ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
    let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    let c = more === 0 ? -1 : first & (0x3f >> more);
    for (; more > 0; more--) {
      const next = bytes[i];
      if (!(next >= low && next <= high)) {
        c = -1;
        break;
      }
      c = c << 6 | next & 0x3f;
      low = 0x80;
      high = 0xbf;
      i++;
    }
    if (c < 0) {
      if (fatal) throw new TypeError('The data is not valid UTF-8');
      c = 0xfffd;
    }
    if (c > 0xffff) units.push(0xd7c0 + (c >> 10), 0xdc00 | c & 0x3ff);
    else units.push(c);
  }
  flush();
  return text;
}

// bytesOf returns the bytes of a buffer or a view, without a copy.
function bytesOf(data) {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError('expected an ArrayBuffer, a typed array or a Buffer');
}

function latin1Decode(bytes) {
  let text = '';
  for (let i = 0; i < bytes.length; i += 4000) text += apply(fromCharCode, null, bytes.subarray(i, i + 4000));
  return text;
}

function latin1Encode(text) {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const nativeBtoa = btoa, nativeAtob = atob;
const base64Encode = (bytes) => nativeBtoa(latin1Decode(bytes));

// base64Decode is as lenient as Node's Buffer: it takes both alphabets, and ignores padding and other characters.
function base64Decode(text) {
  const clean = String(text).split('=', 1)[0].replace(/-/g, '+').replace(/_/g, '/').replace(/[^A-Za-z0-9+/]/g, '');
  return latin1Encode(nativeAtob(clean.length % 4 === 1 ? clean.slice(0, -1) : clean));
}

class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') { return utf8Encode(text); }
  encodeInto(text, target) {
    let read = 0, written = 0;
    for (const character of String(text)) {
      const bytes = utf8Encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

class TextDecoder {
  #latin1;
  #options;
  constructor(label = 'utf-8', options = {}) {
    const name = String(label).trim().toLowerCase();
    if (!/^(utf-?8|unicode-1-1-utf-8|latin1|iso-8859-1|ascii|us-ascii|windows-1252)$/.test(name)) {
      throw new RangeError(`The encoding ${toJSON(label)} is not supported: utf-8 and latin1 are`);
    }
    this.#latin1 = !name.startsWith('u') || name === 'us-ascii';
    this.#options = options;
  }
  get encoding() { return this.#latin1 ? 'windows-1252' : 'utf-8'; }
  get fatal() { return Boolean(this.#options.fatal); }
  get ignoreBOM() { return Boolean(this.#options.ignoreBOM); }
  decode(data) {
    if (data === undefined) return '';
    const bytes = bytesOf(data);
    if (this.#latin1) return latin1Decode(bytes);
    const text = utf8Decode(bytes, this.fatal);
    return !this.ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

define({ TextEncoder, TextDecoder });
