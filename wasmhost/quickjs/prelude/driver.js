// The functions that the host's driver calls. What waits for the host is handed out one by one, so that a timer or an answer can
// withdraw what follows.

const operationNames = [
  'getAuthType', 'getOauthInfo', 'getOverridingOAuthOption', 'getBasicAuth', 'getUserInfo', 'authValidation', 'refreshUserInfo',
  'unAuthorize', 'postSaveUserInfo', 'getLicenseStatus', 'checkAndRefreshAccessToken', 'getManagedAuthOptions',
];

let first, last; // the queue of requests: each has the next one
let asked;        // the request that has been handed out
let outcome;      // how the operation has ended, as turn says it
let running = '';

// ask queues a request. document makes its text when it is handed out.
function ask(kind, document, answered) {
  if (!running) throw new Error(`${kind} is not possible while the connector is loaded: call it in an operation`);
  const request = { kind, document, answered, next: undefined, withdrawn: false, taken: false };
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
  outcome = output === undefined ? `result ${result}` : `result ${result}\n${output}`;
  if (takeRequest()) log('warn', [`${running} has ended without waiting for a fetch, which was not sent: await it`]);
}

// begin starts an operation. No other async function runs in every operation: each costs several microseconds.
async function begin(operation, input, envText, seed) {
  running = operation;
  outcome = asked = undefined;
  setSeed(seed);
  setEnvironment(envText);
  try {
    const found = exported(operation);
    if (!found) return finish(2); // unsupported: the host does the standard thing
    const { before, after } = adapters[operation];
    const args = before(parseJSON(input), input);
    finish(0, toJSON(after(await apply(found.f, found.self, args), args[0])));
  } catch (error) {
    log('error', [`${operation}:`, error]);
    finish(1, toJSON(errorDocument(error)));
  }
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
    if (isNative(error)) document.internal = true;
  } catch { // a getter of the connector
  }
  return document;
}

// The errors of JavaScript itself, such as "not a function", and those of the prelude about its use. They say nothing to people.
const nativeErrors = [EvalError, InternalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => type.prototype);
const isNative = (error) => nativeErrors.includes(getPrototypeOf(error));

// oauthError returns the error code of the body of an answer, if there is one (RFC 6749, section 5.2).
function oauthError(data) {
  return typeof data?.error === 'string' ? data.error : undefined;
}

// turn says what the operation waits for, or how it has ended: a word, with a number behind "result" and "sleep" (milliseconds). The
// document of a request, or the output, begins on the next line.
function turn() {
  if (outcome) return outcome;
  if (timers.length > 0 && runTimers()) return 'sleep 0';
  asked = takeRequest();
  if (asked) return `${asked.kind}\n${asked.document()}`;
  return timers.length > 0 ? `sleep ${ceil(timeToSleep())}` : 'stuck';
}

// settle answers the request that turn has handed out. See send for what the answer of a fetch is.
function settle(answer, body) {
  const { answered } = asked;
  asked = undefined;
  answered(answer, body);
}

const driver = { configure, load, isConfigured, operations, begin, turn, settle };
