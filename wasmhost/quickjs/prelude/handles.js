// crmgate is what a connector finds that App Connect does not have.

// derive computes a value from handles, for connectors with "secrets": "handles" (ABI.md, Handles).
function derive(document) {
  return new NativePromise((resolve, reject) => {
    const text = toJSON(document);
    ask('derive', () => text, (handle) => {
      if (handle === undefined) reject(new Error('crmgate.derive: the host could not compute the value; the log says why'));
      else resolve(handle);
    });
  });
}

define({ crmgate: freeze({ derive }) });
