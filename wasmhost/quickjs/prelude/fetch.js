// fetch, Request and Response of the Fetch standard, as far as a connector to an API uses them. Bodies are whole, never streams.

// bodyContent returns {body} or {bodyBase64} of a request, and the content type that the body implies.
function bodyContent(body) {
  if (body === undefined || body === null) return {};
  if (typeof body === 'string') return { body, type: 'text/plain;charset=UTF-8' };
  if (body instanceof URLSearchParams) return { body: body.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return { bodyBase64: base64Encode(bytesOf(body)) };
  if (typeof body === 'object' && getPrototypeOf(body) === Object.prototype) {
    throw new TypeError('The body of fetch is a plain object: pass JSON.stringify(object), or new URLSearchParams(object) for a form');
  }
  return { body: String(body), type: 'text/plain;charset=UTF-8' };
}

class Body {
  #content; // until it is read
  constructor(content) { this.#content = content; }
  get bodyUsed() { return this.#content === undefined; }
  #take() {
    const content = this.#content;
    if (content === undefined) throw new TypeError('The body has already been read: read it once, or clone first');
    this.#content = undefined;
    return content;
  }
  async text() { return contentText(this.#take()); }
  async json() { return parseBody(contentText(this.#take())); }
  async bytes() { return contentBytes(this.#take()); }
  async arrayBuffer() { return contentBytes(this.#take()).buffer; }

  // contentOf returns what a body has, which stays readable.
  static contentOf(body) {
    if (body.bodyUsed) throw new TypeError('The body has already been read: clone before reading it');
    return body.#content;
  }
}

const contentText = ({ body, bodyBase64 }) => (bodyBase64 === undefined ? body ?? '' : utf8Decode(base64Decode(bodyBase64)));
const contentBytes = ({ body, bodyBase64 }) => (bodyBase64 === undefined ? utf8Encode(body ?? '') : base64Decode(bodyBase64));

// parseBody says what came instead of JSON. It does not quote the answer, as the engine does: it can be a token.
function parseBody(text) {
  try {
    return parseJSON(text);
  } catch {
    const kind = /^\s*</.test(text) ? 'it looks like HTML' : text === '' ? 'it is empty' : `it has ${text.length} characters`;
    throw new SyntaxError(`The answer is not JSON: ${kind}`);
  }
}

class Request extends Body {
  constructor(input, init = {}) {
    const from = input instanceof Request ? input : undefined;
    const content = 'body' in init ? bodyContent(init.body) : from ? Body.contentOf(from) : {};
    super(content);
    this.url = from ? from.url : new URL(String(input)).href;
    this.method = upperMethod(init.method ?? from?.method ?? 'GET');
    this.headers = new Headers(init.headers ?? from?.headers);
    this.signal = init.signal ?? from?.signal;
    this.redirect = init.redirect ?? from?.redirect ?? 'follow';
    if (content.type && !this.headers.has('content-type')) this.headers.set('content-type', content.type);
  }
  clone() { return new Request(this); }
}

const upperMethod = (method) => (/^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : String(method));

const hostAnswer = Symbol('answer'); // in the init of a Response: an answer of the host

class Response extends Body {
  #headers; // made when they are wanted
  constructor(body, init = {}) {
    const answer = init[hostAnswer];
    super(answer ?? bodyContent(body));
    if (answer) {
      this.status = answer.status;
      this.#headers = answer.headers;
      this.url = init.url;
      return;
    }
    this.status = init.status ?? 200;
    this.url = '';
    const headers = this.#headers = new Headers(init.headers);
    const { type } = Body.contentOf(this);
    if (type && !headers.has('content-type')) headers.set('content-type', type);
    if (init.statusText) defineProperty(this, 'statusText', { value: init.statusText });
  }
  get ok() { return this.status >= 200 && this.status < 300; }
  get statusText() { return statusTexts[this.status] ?? ''; }
  get redirected() { return false; }
  get type() { return 'default'; }
  get headers() {
    if (!(this.#headers instanceof Headers)) this.#headers = Headers.fromAnswer(this.#headers ?? {});
    return this.#headers;
  }
  clone() { return new Response(null, { url: this.url, [hostAnswer]: { ...Body.contentOf(this), status: this.status, headers: this.headers.toJSON() } }); }
  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new Response(toJSON(data), { ...init, headers });
  }
  static error() { return new Response(null, { status: 0 }); }
}

const statusTexts = {
  200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified',
  307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found',
  405: 'Method Not Allowed', 409: 'Conflict', 410: 'Gone', 415: 'Unsupported Media Type', 422: 'Unprocessable Entity', 429: 'Too Many Requests',
  500: 'Internal Server Error', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout',
};

// A FetchError is a request without an answer. Its kind is that of the host: request, refused, timeout, connect or size.
class FetchError extends TypeError {
  constructor(kind, message) {
    super(message);
    this.name = 'FetchError';
    this.kind = kind;
  }
}

// send hands a request to the host. It resolves to what use makes of the answer, or rejects with a FetchError or the reason of the
// signal. The host can take the body out of the answer's document, so that it need not be parsed as a part of it.
function send(request, signal, use) {
  return new NativePromise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const wait = ask('fetch', () => {
      if (signal) limitTime(request, signal);
      return toJSON(request);
    }, (text, body) => {
      const answer = parseJSON(text);
      if (body !== undefined) answer.body = body;
      if (answer.error) {
        if (answer.error.kind === 'timeout' && signal) passTime(signal);
        reject(signal?.aborted ? signal.reason : new FetchError(answer.error.kind, answer.error.message));
        return;
      }
      noteAnswer(answer);
      try {
        resolve(use(answer));
      } catch (e) {
        reject(e);
      }
    });
    signal?.addEventListener('abort', () => {
      if (withdraw(wait)) reject(signal.reason);
    });
  });
}

// A connector bounds the time of a request by a timer that aborts its signal. No timer runs while the host waits for an answer. So
// the host gets the time until the signal can be aborted at the latest, and the timers run after that.
function limitTime(request, signal) {
  const deadline = min(signal.deadline, lastDue());
  if (deadline < Infinity) request.timeoutMs = max(1, min(request.timeoutMs ?? Infinity, deadline - time()));
}

function passTime(signal) {
  const deadline = min(signal.deadline, lastDue());
  if (deadline < Infinity) passUntil(deadline);
  runTimers();
}

// fetch is not async itself: each async function costs a step of the queue of jobs.
function fetch(input, init) {
  try {
    const request = hostRequest(input, init);
    const { url } = request;
    return send(request, init?.signal ?? input?.signal, (answer) => {
      if (init?.redirect === 'error' && answer.status >= 300 && answer.status < 400) throw new FetchError('refused', `The CRM answered with a redirect (${answer.status})`);
      return new Response(null, { url, [hostAnswer]: answer });
    });
  } catch (e) {
    return NativePromise.reject(e);
  }
}

// hostRequest returns the request of the ABI.
function hostRequest(input, init) {
  if (input instanceof Request || init?.headers instanceof Headers) {
    const request = new Request(input, init);
    return requestDocument(request.method, request.url, request.headers.toJSON(), Body.contentOf(request), request.redirect);
  }
  const url = normalURL(input);
  if (!init) return { method: 'GET', url };
  let headers = plainHeaders(init.headers);
  const content = bodyContent(init.body);
  if (content.type && !(headers && hasHeader(headers, 'content-type'))) headers = { ...headers, 'content-type': content.type };
  return requestDocument(init.method ? upperMethod(init.method) : 'GET', url, headers, content, init.redirect);
}

function requestDocument(method, url, headers, { body, bodyBase64 }, redirect) {
  const request = { method, url, headers };
  if (body !== undefined || bodyBase64 !== undefined) {
    if (method === 'GET' || method === 'HEAD') throw new TypeError(`A ${method} request cannot have a body`);
    request.body = body;
    request.bodyBase64 = bodyBase64;
  }
  if (redirect === 'manual' || redirect === 'error') request.redirect = 'manual';
  return request;
}

// plainHeaders returns an object of strings. The host checks it.
function plainHeaders(init) {
  if (!init) return undefined;
  if (init[Symbol.iterator]) return new Headers(init).toJSON();
  const headers = {};
  for (const name of keys(init)) headers[name] = String(init[name]);
  return headers;
}

const hasHeader = (headers, lower) => keys(headers).some((name) => name.toLowerCase() === lower);

define({ fetch, Request, Response });
