// process.env has the configuration that the manifest declares and the operator has set. While the connector is loaded, it has the values
// that stay the same.

let environment = create(null);
let environmentText; // JSON, until it is wanted
let loading = true;
const readEarly = new Set(); // names that were read while the connector was loaded, and had no value then
let known = create(null); // the values while the connector is loaded; null for a name without one
let configured = false; // one of these names was read, or they were listed

function values() {
  if (environmentText !== undefined) {
    environment = setPrototypeOf(parseJSON(environmentText), null);
    environmentText = undefined;
  }
  return environment;
}

// look notes that a name is looked at.
function look(name) {
  if (!loading || typeof name !== 'string') return;
  if (name in known) configured = true;
  if (!(name in values())) readEarly.add(name);
}

const env = new Proxy(create(null), {
  get(_, name) {
    look(name);
    return values()[name];
  },
  has(_, name) {
    look(name);
    return name in values();
  },
  ownKeys() {
    for (const name in known) look(name);
    return ownKeys(values());
  },
  getOwnPropertyDescriptor(_, name) {
    if (!(name in values())) return undefined;
    return { value: values()[name], writable: true, enumerable: true, configurable: true };
  },
  set(_, name) { throw new TypeError(`process.env is read-only: ${String(name)} was not set`); },
  defineProperty(_, name) { throw new TypeError(`process.env is read-only: ${String(name)} was not set`); },
  deleteProperty(_, name) { throw new TypeError(`process.env is read-only: ${String(name)} was not deleted`); },
});

// configure gives process.env its values while the connector is loaded.
function configure(text) {
  known = setPrototypeOf(parseJSON(text), null);
  for (const name in known) {
    if (known[name] !== null) environment[name] = known[name];
  }
}

// isConfigured reports whether what the connector is may depend on the configuration: it has looked at a declared name.
const isConfigured = () => configured;

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
