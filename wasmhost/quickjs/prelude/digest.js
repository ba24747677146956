// SHA-1, SHA-256 (FIPS 180-4), MD5 (RFC 1321) and HMAC (RFC 2104).

// padded returns a message with its padding, for a block of 64 bytes.
function padded(message, littleEndian) {
  const length = message.length;
  const bytes = new Uint8Array((length + 72) & ~63);
  bytes.set(message);
  bytes[length] = 0x80;
  const view = new DataView(bytes.buffer);
  const bits = [floor(length / 2 ** 29), (length << 3) >>> 0];
  view.setUint32(bytes.length - 8, bits[littleEndian ? 1 : 0], littleEndian);
  view.setUint32(bytes.length - 4, bits[littleEndian ? 0 : 1], littleEndian);
  return view;
}

function digestBytes(state, littleEndian) {
  const view = new DataView(new ArrayBuffer(4 * state.length));
  state.forEach((word, i) => view.setUint32(4 * i, word, littleEndian));
  return new Uint8Array(view.buffer);
}

// firstPrimes returns the fractional parts of a root of the first primes, which are constants of SHA-2.
function rootsOfPrimes(count, root) {
  const words = [];
  for (let n = 2; words.length < count; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) prime &&= n % d !== 0;
    if (prime) words.push(floor((n ** root % 1) * 2 ** 32) | 0);
  }
  return words;
}

let sha256Constants;

function sha256(message) {
  const k = sha256Constants ??= rootsOfPrimes(64, 1 / 3);
  const state = new Int32Array(rootsOfPrimes(8, 1 / 2));
  const view = padded(message, false);
  const w = new Int32Array(64);
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10);
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const t = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) + ((e & f) ^ (~e & g)) + k[i] + w[i] | 0;
      const u = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + ((a & b) ^ (a & c) ^ (b & c)) | 0;
      h = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] += word; });
  }
  return digestBytes(state, false);
}

function sha1(message) {
  const state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]);
  const view = padded(message, false);
  const w = new Int32Array(80);
  for (let at = 0; at < view.byteLength; at += 64) {
    for (let i = 0; i < 80; i++) {
      if (i < 16) {
        w[i] = view.getInt32(at + 4 * i);
      } else {
        const x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
        w[i] = x << 1 | x >>> 31;
      }
    }
    let [a, b, c, d, e] = state;
    for (let i = 0; i < 80; i++) {
      const [f, k] = i < 20 ? [(b & c) | (~b & d), 0x5a827999] : i < 40 ? [b ^ c ^ d, 0x6ed9eba1]
        : i < 60 ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc] : [b ^ c ^ d, 0xca62c1d6];
      const t = (a << 5 | a >>> 27) + f + e + k + w[i] | 0;
      e = d; d = c; c = b << 30 | b >>> 2; b = a; a = t;
    }
    [a, b, c, d, e].forEach((word, i) => { state[i] += word; });
  }
  return digestBytes(state, false);
}

const md5Shifts = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

function md5(message) {
  const state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]);
  const view = padded(message, true);
  for (let at = 0; at < view.byteLength; at += 64) {
    let [a, b, c, d] = state;
    for (let i = 0; i < 64; i++) {
      const [f, g] = i < 16 ? [(b & c) | (~b & d), i] : i < 32 ? [(d & b) | (~d & c), (5 * i + 1) % 16]
        : i < 48 ? [b ^ c ^ d, (3 * i + 5) % 16] : [c ^ (b | ~d), (7 * i) % 16];
      const t = a + f + floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) + view.getInt32(at + 4 * g, true) | 0;
      const shift = md5Shifts[i >> 4][i & 3];
      a = d; d = c; c = b; b = b + (t << shift | t >>> 32 - shift) | 0;
    }
    [a, b, c, d].forEach((word, i) => { state[i] += word; });
  }
  return digestBytes(state, true);
}

const digests = { sha1, sha256, md5 };

// digestOf returns a digest by a name of Node's or of Web Crypto's.
function digestOf(name) {
  const found = digests[String(name).toLowerCase().replace('-', '')];
  if (!found) throw new Error(`The digest ${toJSON(name)} is not supported: sha1, sha256 and md5 are`);
  return found;
}

function hmac(digest, key, message) {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? digest(key) : key);
  const keyed = (pad, text) => {
    const all = new Uint8Array(64 + text.length);
    for (let i = 0; i < 64; i++) all[i] = block[i] ^ pad;
    all.set(text, 64);
    return digest(all);
  };
  return keyed(0x5c, keyed(0x36, message));
}
