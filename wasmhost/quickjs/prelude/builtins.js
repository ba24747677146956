// The built-ins that the prelude itself relies on. A connector may replace them later, by accident or through a polyfill.
const { parse: parseJSON, stringify: toJSON } = JSON;
const { apply, ownKeys } = Reflect;
const { create, defineProperty, freeze, getPrototypeOf, hasOwn, keys, setPrototypeOf } = Object;
const { fromCharCode } = String;
const { isArray } = Array;
const { ceil, floor, max, min } = Math;
const now = Date.now;
const nativeRandom = Math.random;
const NativePromise = Promise;
const printLine = global.print ?? (() => {});

// define adds globals the way built-ins are: they can be replaced, and do not show up in a list of the global object.
function define(values, target = global) {
  for (const name of ownKeys(values)) {
    defineProperty(target, name, { value: values[name], writable: true, enumerable: false, configurable: true });
  }
}

// Helpers of the engine that a connector must not find: they write past the console.
delete global.print;
delete global.scriptArgs;
