// The functions that the host's driver calls. What waits for the host is handed out one by one, so that a timer or an answer can
// withdraw what follows.

const operationNames = [
  'getAuthType', 'getOauthInfo', 'getOverridingOAuthOption', 'getBasicAuth', 'getUserInfo', 'authValidation', 'refreshUserInfo',
  'unAuthorize', 'postSaveUserInfo', 'getLicenseStatus', 'checkAndRefreshAccessToken', 'getManagedAuthOptions',
];

let first, last; // the queue of requests: each has the next one
let lastRequest = 0;
let asked;        // the request that has been handed out
let outcome;      // how the operation has ended
let running = '';

// ask queues a request. document makes its text when it is handed out.
function ask(kind, document, answered) {
  if (!running) throw new Error(`${kind} is not possible while the connector is loaded: call it in an operation`);
  const request = { id: ++lastRequest, kind, document, answered, next: undefined, withdrawn: false, taken: false };
  if (first) last.next = request;
  else first = request;
  return last = request;
}

// withdraw keeps a request from being handed out, and reports whether that was possible.
function withdraw(request) {
  request.withdrawn = true;
  return !request.taken;
}

// takeRequest removes and returns the first request, or undefined.
function takeRequest() {
  while (first) {
    const request = first;
    first = request.next;
    request.taken = true;
    if (!request.withdrawn) return request;
  }
  return undefined;
}

function finish(result, output) {
  if (outcome) return;
  outcome = output === undefined ? `{"result":${result}}` : `{"result":${result},"output":${toJSON(output)}}`;
  if (takeRequest()) log('warn', [`${running} has ended without waiting for a fetch, which was not sent: await it`]);
}

function begin(operation, input, envText, seed) {
  running = operation;
  outcome = asked = undefined;
  setSeed(seed);
  setEnvironment(envText);
  then(runOperation(operation, input), (output) => finish(0, output), (error) => {
    if (error === unsupported) return finish(2, undefined);
    log('error', [`${operation}:`, error]);
    finish(1, toJSON(errorDocument(error)));
  });
}

async function runOperation(operation, input) {
  const [f, self] = exported(operation);
  if (!f) throw unsupported;
  const { before, after } = adapters[operation];
  const args = before(parseJSON(input), input);
  return toJSON(after(await apply(f, self, args), args[0]));
}

// errorDocument is what the ABI says of an error.
function errorDocument(error) {
  const document = { message: 'The connector failed without a message' };
  try {
    const message = error?.message ?? error;
    if (message !== undefined && message !== null && String(message) !== '') document.message = String(message);
    const status = error?.response?.status ?? error?.status ?? error?.statusCode;
    if (Number.isInteger(status) && status >= 100 && status <= 599) document.status = status;
    const code = error?.isAxiosError ? oauthError(error.response?.data) : error?.code;
    if (typeof code === 'string' && code !== '') document.code = code;
  } catch { // a getter of the connector
  }
  return document;
}

// oauthError returns the error code of the body of an answer, if there is one (RFC 6749, section 5.2).
function oauthError(data) {
  return typeof data?.error === 'string' ? data.error : undefined;
}

function turn() {
  if (outcome) return outcome;
  if (asked) return '{"requests":[]}';
  if (timers.length > 0 && runTimers()) return '{"sleep":0}';
  asked = takeRequest();
  if (asked) {
    return `{"requests":[{"id":${asked.id},"import":"${asked.kind}","document":${toJSON(asked.document())}}]}`;
  }
  if (timers.length > 0) return toJSON({ sleep: timeToSleep() });
  return '{"stuck":true}';
}

function settle(id, text) {
  if (asked?.id !== id) throw new Error(`request ${id} does not wait for an answer`);
  const { answered } = asked;
  asked = undefined;
  answered(text);
}

const driver = { configure, load, isConfigured, operations, begin, turn, settle };
