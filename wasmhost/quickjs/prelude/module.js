// Loading a connector: what it may require, and what it exports.

const builtinModules = create(null); // functions that return a module, by name: its file adds it

function require(name) {
  const short = String(name).replace(/^node:/, '');
  if (short in builtinModules) return required[short] ??= builtinModules[short]();
  throw new Error(`require(${toJSON(String(name))}): this module is not here. Bundle it into the connector's file, for example with `
    + `esbuild --bundle --format=cjs --platform=node --external:axios. Here without bundling: ${keys(builtinModules).join(', ')}`);
}

const required = create(null); // the modules that were required

let connector; // the objects that may have operations, first the exports, then the default export

function load(kind, value) {
  let exports = value;
  if (kind === 'commonjs') {
    const module = { exports: {}, id: '.', filename: '/connector.js', loaded: false, children: [], paths: [] };
    value.call(module.exports, module.exports, require, module, module.filename, '/');
    module.loaded = true;
    exports = module.exports;
  }
  connector = [exports];
  for (const inner of [exports?.default, exports?.default?.default]) { // bundlers nest a default export in another
    if (inner && (typeof inner === 'object' || typeof inner === 'function')) connector[connector.length] = inner;
  }
  for (let i = 0; i < operationNames.length; i++) {
    if (exported(operationNames[i])) return;
  }
  throw new Error('The connector exports none of the operations. Export functions with their names, such as getAuthType and getUserInfo: '
    + 'export function getAuthType() {…}, exports.getAuthType = …, or module.exports = {getAuthType, …}');
}

// exported returns the function of an operation and the object to call it on, or undefined.
function exported(name) {
  for (let i = 0; i < connector.length; i++) {
    const object = connector[i];
    const f = object?.[name];
    if (typeof f === 'function') return { f, self: object };
    if (f !== undefined && f !== null) throw new TypeError(`The connector exports ${name}, which must be a function but is ${isArray(f) ? 'an array' : typeof f}`);
  }
  return undefined;
}

// operations lists the operations that the connector exports.
const operations = () => toJSON(operationNames.filter((name) => exported(name)));

define({ require });
