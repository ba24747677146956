// Random numbers of an operation: the stream of ChaCha20 (RFC 8439) under a key that the host draws for each call.

let seedText = ''; // hexadecimal, until random numbers are wanted
let seed, counter, pool, used;

function setSeed(hex) {
  seedText = hex;
  seed = undefined;
  Math.random = random;
}

// refill computes the next block of 64 bytes.
function refill() {
  if (!seedText) throw new Error('Random bytes are not available while the connector is loaded: they would be the same in every call');
  if (!seed) {
    seed = new Uint32Array(hexDecode(seedText).buffer);
    counter = 0;
  }
  const start = new Uint32Array(16);
  start.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  start.set(seed, 4);
  start[12] = counter++;
  const x = start.slice();
  const quarter = (a, b, c, d) => {
    x[a] += x[b]; x[d] ^= x[a]; x[d] = x[d] << 16 | x[d] >>> 16;
    x[c] += x[d]; x[b] ^= x[c]; x[b] = x[b] << 12 | x[b] >>> 20;
    x[a] += x[b]; x[d] ^= x[a]; x[d] = x[d] << 8 | x[d] >>> 24;
    x[c] += x[d]; x[b] ^= x[c]; x[b] = x[b] << 7 | x[b] >>> 25;
  };
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
  }
  for (let i = 0; i < 16; i++) x[i] += start[i];
  pool = new Uint8Array(x.buffer);
  used = 0;
}

function randomFill(bytes) {
  for (let i = 0; i < bytes.length; i++) {
    if (!pool || used === 64) refill();
    bytes[i] = pool[used++];
  }
  return bytes;
}

// random replaces Math.random during an operation: the engine's own gives the same numbers in every call.
function random() {
  const b = randomFill(new Uint8Array(7));
  return (((b[0] & 0x1f) * 2 ** 48) + b[1] * 2 ** 40 + b[2] * 2 ** 32 + b[3] * 2 ** 24 + b[4] * 2 ** 16 + b[5] * 2 ** 8 + b[6]) / 2 ** 53;
}
