// crypto: the parts of Web Crypto and of Node's module that sign-ins use.

// dataBytes returns the bytes of a string in an encoding, or of a buffer.
const dataBytes = (data, encoding) => (typeof data === 'string' ? encodingOf(encoding).read(data) : bytesOf(data));

function getRandomValues(array) {
  if (!ArrayBuffer.isView(array)) throw new DOMException('crypto.getRandomValues: expected a typed array', 'TypeMismatchError');
  if (array.byteLength > 65536) throw new DOMException('crypto.getRandomValues gives at most 65,536 bytes at once', 'QuotaExceededError');
  randomFill(bytesOf(array));
  return array;
}

function randomUUID() {
  const b = randomFill(new Uint8Array(16));
  b[6] = b[6] & 0x0f | 0x40;
  b[8] = b[8] & 0x3f | 0x80;
  return hexEncode(b).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const webDigest = (algorithm) => {
  const name = typeof algorithm === 'string' ? algorithm : algorithm?.name;
  if (!/^sha-(1|256)$/i.test(name)) throw new DOMException(`The digest ${toJSON(name)} is not supported: SHA-1 and SHA-256 are`, 'NotSupportedError');
  return digestOf(name);
};

const onlyHMAC = (algorithm) => {
  const name = typeof algorithm === 'string' ? algorithm : algorithm?.name;
  if (String(name).toUpperCase() !== 'HMAC') throw new DOMException(`The algorithm ${toJSON(name)} is not supported: HMAC is`, 'NotSupportedError');
};

class CryptoKey {
  #digest;
  #bytes;
  type = 'secret';
  constructor(digest, bytes, extractable, usages) {
    this.#digest = digest;
    this.#bytes = bytes;
    this.extractable = extractable;
    this.usages = usages;
    this.algorithm = { name: 'HMAC' };
  }
  static sign(key, data) { return hmac(key.#digest, key.#bytes, data); }
}

const subtle = {
  async digest(algorithm, data) { return webDigest(algorithm)(bytesOf(data)).buffer; },
  async importKey(format, bytes, algorithm, extractable, usages) {
    onlyHMAC(algorithm);
    if (format !== 'raw') throw new DOMException(`The format ${toJSON(format)} of a key is not supported: raw is`, 'NotSupportedError');
    return new CryptoKey(webDigest(algorithm.hash), bytesOf(bytes).slice(), extractable, usages);
  },
  async sign(algorithm, key, data) {
    onlyHMAC(algorithm);
    return CryptoKey.sign(key, bytesOf(data)).buffer;
  },
  async verify(algorithm, key, signature, data) {
    onlyHMAC(algorithm);
    return timingSafeEqual(CryptoKey.sign(key, bytesOf(data)), bytesOf(signature));
  },
};

const crypto = { getRandomValues, randomUUID, subtle };

// Hash is the object of createHash and createHmac.
class Hash {
  #finish;
  #parts = [];
  constructor(finish) { this.#finish = finish; }
  update(data, encoding) {
    if (!this.#finish) throw new Error('Digest already called');
    this.#parts.push(dataBytes(data, encoding));
    return this;
  }
  digest(encoding) {
    if (!this.#finish) throw new Error('Digest already called');
    const sum = asBuffer(this.#finish(Buffer.concat(this.#parts)));
    this.#finish = undefined;
    return encoding === undefined || encoding === 'buffer' ? sum : sum.toString(encoding);
  }
}

function timingSafeEqual(a, b) {
  a = bytesOf(a);
  b = bytesOf(b);
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i % b.length];
  return difference === 0;
}

function randomInt(low, high) {
  if (high === undefined) [low, high] = [0, low];
  return low + floor(random() * (high - low));
}

builtinModules.crypto = () => ({
  createHash(name) { return new Hash(digestOf(name)); },
  createHmac(name, key) {
    const digest = digestOf(name);
    const bytes = dataBytes(key);
    return new Hash((message) => hmac(digest, bytes, message));
  },
  randomBytes: (size) => asBuffer(randomFill(new Uint8Array(size))),
  randomInt, randomUUID, getRandomValues, subtle, webcrypto: crypto,
  timingSafeEqual(a, b) {
    if (a.byteLength !== b.byteLength) throw new RangeError('Input buffers must have the same byte length');
    return timingSafeEqual(a, b);
  },
  getHashes: () => keys(digests),
});

define({ crypto });
