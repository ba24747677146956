// process.env has the configuration that the manifest declares and the operator has set. It is known during an operation only.

let environment = create(null);
let environmentText; // JSON, until it is wanted
let loading = true;
const readEarly = new Set(); // names that were read while the connector was loaded

function values() {
  if (environmentText !== undefined) {
    environment = setPrototypeOf(parseJSON(environmentText), null);
    environmentText = undefined;
  }
  return environment;
}

const env = new Proxy(create(null), {
  get(_, name) {
    if (loading && typeof name === 'string') readEarly.add(name);
    return values()[name];
  },
  has: (_, name) => name in values(),
  ownKeys: () => ownKeys(values()),
  getOwnPropertyDescriptor(_, name) {
    if (!(name in values())) return undefined;
    return { value: values()[name], writable: true, enumerable: true, configurable: true };
  },
  set(_, name) { throw new TypeError(`process.env is read-only: ${String(name)} was not set`); },
  defineProperty(_, name) { throw new TypeError(`process.env is read-only: ${String(name)} was not set`); },
  deleteProperty(_, name) { throw new TypeError(`process.env is read-only: ${String(name)} was not deleted`); },
});

// setEnvironment replaces what process.env has. A value that was wanted before is a mistake that is hard to find otherwise.
function setEnvironment(text) {
  loading = false;
  environmentText = text;
  for (const name of readEarly) {
    if (name in values()) log('warn', [`process.env.${name} was read while the connector was loaded, when it is not known yet: read it inside a function`]);
  }
}

define({
  process: {
    env, argv: [], platform: 'crmgate', version: 'v20.0.0', versions: {}, pid: 1,
    cwd: () => '/',
    nextTick: (f, ...args) => queueMicrotask(() => f(...args)),
    on() { return this; },
    hrtime: Object.assign(() => {
      const t = performance.now();
      return [floor(t / 1000), floor((t % 1000) * 1e6)];
    }, { bigint: () => BigInt(floor(performance.now() * 1e6)) }),
    uptime: () => performance.now() / 1000,
  },
});
