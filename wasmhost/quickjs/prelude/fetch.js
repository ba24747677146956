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
  bodyUsed = false;
  #content;
  constructor(content) { this.#content = content; }
  #take() {
    if (this.bodyUsed) throw new TypeError('The body has already been read: read it once, or clone first');
    this.bodyUsed = true;
    return this.#content;
  }
  peek() { return this.#content; }
  async text() { return contentText(this.#take()); }
  async json() { return parseBody(contentText(this.#take())); }
  async bytes() { return contentBytes(this.#take()); }
  async arrayBuffer() { return contentBytes(this.#take()).buffer; }
}

const contentText = ({ body, bodyBase64 }) => (bodyBase64 === undefined ? body ?? '' : utf8Decode(base64Decode(bodyBase64)));
const contentBytes = ({ body, bodyBase64 }) => (bodyBase64 === undefined ? utf8Encode(body ?? '') : base64Decode(bodyBase64));

// parseBody says what came instead of JSON: the engine's message alone does not help.
function parseBody(text) {
  try {
    return parseJSON(text);
  } catch (e) {
    throw new SyntaxError(`The answer is not JSON (${text.length} characters, it begins with ${toJSON(text.slice(0, 20))}): ${e.message}`);
  }
}

class Request extends Body {
  constructor(input, init = {}) {
    const from = input instanceof Request ? input : undefined;
    const content = 'body' in init ? bodyContent(init.body) : from?.peek() ?? {};
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

class Response extends Body {
  constructor(body, init = {}) {
    const content = bodyContent(body);
    super(content);
    this.status = init.status ?? 200;
    this.statusText = init.statusText ?? '';
    this.headers = init.headers instanceof Headers ? init.headers : new Headers(init.headers);
    if (content.type && !this.headers.has('content-type')) this.headers.set('content-type', content.type);
    this.url = init.url ?? '';
    this.redirected = false;
    this.type = 'default';
  }
  get ok() { return this.status >= 200 && this.status < 300; }
  clone() {
    if (this.bodyUsed) throw new TypeError('The body has already been read: clone before reading it');
    return answerResponse({ ...this.peek(), status: this.status, headers: this.headers.toJSON() }, this.url);
  }
  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new Response(toJSON(data), { ...init, headers });
  }
  static error() { return new Response(null, { status: 0 }); }
}

// answerResponse makes a Response of an answer of the host.
function answerResponse(answer, url) {
  const response = new Response(null, { status: answer.status, headers: Headers.fromAnswer(answer.headers ?? {}), url });
  Object.assign(response.peek(), { body: answer.body, bodyBase64: answer.bodyBase64 });
  return response;
}

// A FetchError is a request without an answer. Its kind is that of the host: request, refused, timeout, connect or size.
class FetchError extends TypeError {
  constructor(kind, message) {
    super(message);
    this.name = 'FetchError';
    this.kind = kind;
  }
}

// send hands a request to the host. It resolves to the answer, or rejects with a FetchError or the reason of the signal.
function send(request, signal) {
  return new NativePromise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const wait = ask('fetch', () => {
      const deadline = min(signal ? signal.deadline : Infinity, signal ? lastDue() : Infinity);
      if (deadline < Infinity) request.timeoutMs = max(1, min(request.timeoutMs ?? Infinity, deadline - now()));
      return toJSON(request);
    }, (text) => {
      const answer = parseJSON(text);
      if (answer.error && answer.error.kind === 'timeout' && signal) {
        awake = max(awake, signal.deadline < Infinity ? signal.deadline : lastDue());
        runTimers();
      }
      if (signal?.aborted) reject(signal.reason);
      else if (answer.error) reject(new FetchError(answer.error.kind, answer.error.message));
      else {
        noteAnswer(answer);
        resolve(answer);
      }
    });
    signal?.addEventListener('abort', () => {
      if (withdraw(wait)) reject(signal.reason);
    });
  });
}

async function fetch(input, init) {
  let url, method, headers, content, signal, redirect;
  if (input instanceof Request || init?.headers instanceof Headers) {
    const request = new Request(input, init);
    ({ url, method, signal, redirect } = request);
    headers = request.headers.toJSON();
    content = request.peek();
  } else {
    init ??= {};
    url = normalURL(input);
    method = upperMethod(init.method ?? 'GET');
    headers = plainHeaders(init.headers);
    content = bodyContent(init.body);
    ({ signal, redirect } = init);
    if (content.type && !hasHeader(headers, 'content-type')) headers['content-type'] = content.type;
  }
  if (content.body !== undefined && (method === 'GET' || method === 'HEAD')) throw new TypeError(`A ${method} request cannot have a body`);
  const request = { method, url, headers, body: content.body, bodyBase64: content.bodyBase64, redirect: redirect === 'follow' ? undefined : redirect };
  return answerResponse(await send(request, signal), url);
}

// plainHeaders returns an object of strings.
function plainHeaders(init) {
  if (!init) return {};
  if (typeof init[Symbol.iterator] === 'function') return new Headers(init).toJSON();
  const headers = {};
  for (const name of keys(init)) {
    lowerName(name);
    headers[name] = headerValue(name, init[name]);
  }
  return headers;
}

const hasHeader = (headers, lower) => keys(headers).some((name) => name.toLowerCase() === lower);

define({ fetch, Request, Response });
