// axios in the shape of its version 1, on top of the host's requests.

class AxiosError extends Error {
  constructor(message, code, config, request, response) {
    super(message);
    this.name = 'AxiosError';
    this.isAxiosError = true;
    this.code = code;
    this.config = config;
    this.request = request;
    if (response) {
      this.response = response;
      this.status = response.status;
    }
  }
  toJSON() { return { message: this.message, name: this.name, code: this.code, status: this.status ?? null }; }
  static from(error, code, config, request, response) {
    return Object.assign(new AxiosError(error.message, code, config, request, response), { cause: error });
  }
}
Object.assign(AxiosError, {
  ERR_BAD_REQUEST: 'ERR_BAD_REQUEST', ERR_BAD_RESPONSE: 'ERR_BAD_RESPONSE', ERR_NETWORK: 'ERR_NETWORK', ERR_CANCELED: 'ERR_CANCELED',
  ECONNABORTED: 'ECONNABORTED', ETIMEDOUT: 'ETIMEDOUT', ERR_BAD_OPTION: 'ERR_BAD_OPTION', ERR_INVALID_URL: 'ERR_INVALID_URL',
});

class CanceledError extends AxiosError {
  constructor(message, config) {
    super(message ?? 'canceled', 'ERR_CANCELED', config);
    this.name = 'CanceledError';
    this.__CANCEL__ = true;
  }
}

const encodeParam = (text) => encodeURIComponent(text).replace(/%3A/gi, ':').replace(/%24/g, '$').replace(/%2C/gi, ',').replace(/%20/g, '+');

// flatten calls add for each value of an object, with names such as a[b] and a[], as axios writes them.
function flatten(values, add, indexes = false, path = '') {
  for (const name of keys(values)) {
    const value = values[name];
    const full = path === '' ? name : `${path}[${name}]`;
    if (value === undefined || value === null) continue;
    if (value instanceof Date) {
      add(full, value.toISOString());
    } else if (isArray(value) && value.every((v) => typeof v !== 'object' || v === null || v instanceof Date)) {
      value.forEach((v, i) => {
        if (v !== undefined && v !== null) add(indexes === null ? full : indexes ? `${full}[${i}]` : `${full}[]`, v instanceof Date ? v.toISOString() : String(v));
      });
    } else if (typeof value === 'object') {
      flatten(value, add, indexes, full);
    } else {
      add(full, String(value));
    }
  }
}

function writeParams(params, serializer) {
  if (typeof serializer === 'function') return serializer(params);
  if (serializer?.serialize) return serializer.serialize(params, serializer);
  if (params instanceof URLSearchParams) return params.toString();
  const encode = serializer?.encode ? (text) => serializer.encode(text, encodeParam) : encodeParam;
  const parts = [];
  flatten(params, (name, value) => parts.push(`${encode(name)}=${encode(value)}`), serializer?.indexes);
  return parts.join('&');
}

function fullURL(config) {
  let url = String(config.url ?? '');
  if (config.baseURL && !/^([a-z][a-z\d+\-.]*:)?\/\//i.test(url)) {
    url = url ? `${config.baseURL.replace(/\/?\/$/, '')}/${url.replace(/^\/+/, '')}` : config.baseURL;
  }
  const query = config.params ? writeParams(config.params, config.paramsSerializer) : '';
  if (query === '') return url;
  const hash = url.indexOf('#');
  if (hash >= 0) url = url.slice(0, hash);
  return url + (url.includes('?') ? '&' : '?') + query;
}

// AxiosHeaders are the headers of a request or an answer, as members, with methods that do not mind the case.
class AxiosHeaders {
  #name(name) {
    const lower = name.toLowerCase();
    for (const own of keys(this)) {
      if (own === name || own.toLowerCase() === lower) return own;
    }
    return undefined;
  }
  get(name) { return this[this.#name(name)]; }
  has(name) { return this.#name(name) !== undefined; }
  delete(name) { return delete this[this.#name(name)]; }

  // set lays headers over those here. An undefined one changes nothing; null and false keep a header from being sent.
  set(name, value) {
    if (typeof name === 'object') {
      if (name instanceof Headers) name = name.toJSON();
      for (const each of keys(name ?? {})) this.set(each, name[each]);
    } else if (value !== undefined) {
      const old = this.#name(name);
      if (old !== undefined && old !== name) delete this[old];
      this[name] = value;
    }
    return this;
  }
  setContentType(value) { return this.set('Content-Type', value); }
  setAuthorization(value) { return this.set('Authorization', value); }
  getContentType() { return this.get('Content-Type'); }
  toJSON() { return { ...this }; }
}

const headerGroups = ['common', 'delete', 'get', 'head', 'post', 'put', 'patch', 'options'];
const isPlain = (value) => typeof value === 'object' && value !== null && getPrototypeOf(value) === Object.prototype;

// mergeConfig lays the configuration of a request or an instance over defaults, except headers.
function mergeConfig(base, config) {
  const merged = { ...base };
  for (const name of keys(config)) {
    const value = config[name];
    if (value === undefined) continue;
    merged[name] = (name === 'params' || name === 'auth') && isPlain(value) && isPlain(base[name]) ? { ...base[name], ...value } : value;
  }
  return merged;
}

// mergeDefaults returns the defaults of a new instance. It shares nothing that can be changed.
function mergeDefaults(base, config) {
  const headers = new AxiosHeaders().set(base.headers).set(config.headers);
  for (const group of headerGroups) headers[group] = { ...base.headers[group], ...config.headers?.[group] };
  return { ...mergeConfig(base, config), headers: { ...headers } };
}

// requestHeaders returns the headers of a request: the defaults of all methods, of its method, and of the instance, and its own.
function requestHeaders(defaults, own, method) {
  const headers = new AxiosHeaders().set(defaults.common).set(defaults[method]);
  for (const list of [defaults, own]) {
    if (!list) continue;
    if (list instanceof Headers) headers.set(list);
    else for (const name of keys(list)) if (typeof list[name] !== 'object' || list[name] === null) headers.set(name, list[name]);
  }
  return headers;
}

const isBytes = (data) => data instanceof ArrayBuffer || ArrayBuffer.isView(data);

function defaultRequestData(data, headers) {
  const type = String(headers.get('content-type') ?? '');
  const setType = (value) => { if (!type) headers.setContentType(value); };
  if (data instanceof URLSearchParams) {
    setType('application/x-www-form-urlencoded;charset=utf-8');
    return data.toString();
  }
  if (isBytes(data) || data === undefined) return data;
  if (typeof data === 'object' && data !== null) {
    if (type.includes('application/x-www-form-urlencoded')) {
      const form = new URLSearchParams();
      flatten(data, (name, value) => form.append(name, value));
      return form.toString();
    }
    setType('application/json');
    return toJSON(data);
  }
  if (type.includes('application/json') && typeof data !== 'string') return toJSON(data);
  return data;
}

function defaultResponseData(data) {
  if (typeof data !== 'string' || data === '' || (this.responseType && this.responseType !== 'json')) return data;
  try {
    return parseJSON(data);
  } catch {
    return data; // as axios does
  }
}

const transforms = (list) => (list === undefined || list === null ? [] : isArray(list) ? list : [list]);

function responseData(answer, responseType) {
  switch (responseType) {
    case 'arraybuffer': return asBuffer(contentBytes(answer));
    case 'stream': throw new AxiosError('responseType "stream" is not possible here: use "arraybuffer"', 'ERR_BAD_OPTION');
    default: return contentText(answer);
  }
}

async function dispatch(config) {
  const method = config.method;
  const headers = config.headers;
  let data = config.data;
  for (const transform of transforms(config.transformRequest)) data = transform.call(config, data, headers);
  if (data === undefined || data === null) headers.delete('content-type');
  else if (!headers.has('content-type') && /^(post|put|patch)$/.test(method)) headers.setContentType('application/x-www-form-urlencoded');
  config.data = data;
  if (config.auth) {
    const { username = '', password = '' } = config.auth;
    headers.set('Authorization', `Basic ${base64Encode(utf8Encode(`${username}:${password}`))}`);
  }
  const content = data === undefined || data === null ? {} : isBytes(data) ? bodyContent(data) : { body: String(data) };
  const request = {
    method: method.toUpperCase(), url: '', headers: {}, body: content.body, bodyBase64: content.bodyBase64,
    timeoutMs: config.timeout > 0 ? floor(config.timeout) : undefined, redirect: config.maxRedirects === 0 ? 'manual' : undefined,
  };
  for (const name of keys(headers)) {
    if (headers[name] !== null && headers[name] !== false) request.headers[name] = String(headers[name]);
  }
  let answer;
  try {
    request.url = normalURL(fullURL(config));
    answer = await send(request, config.signal, (a) => a);
  } catch (e) {
    throw noAnswer(e, config, request);
  }
  const response = {
    data: responseData(answer, config.responseType), status: answer.status, statusText: statusTexts[answer.status] ?? '',
    headers: setPrototypeOf(answer.headers ?? {}, AxiosHeaders.prototype), config, request,
  };
  for (const transform of transforms(config.transformResponse)) response.data = transform.call(config, response.data, response.headers, response.status);
  if (!config.validateStatus || config.validateStatus(answer.status)) return response;
  const code = { 4: 'ERR_BAD_REQUEST', 5: 'ERR_BAD_RESPONSE' }[floor(answer.status / 100)];
  throw new AxiosError(`Request failed with status code ${answer.status}`, code, config, request, response);
}

// noAnswer makes axios' error of a request without an answer.
function noAnswer(error, config, request) {
  if (config.signal?.aborted) return new CanceledError('canceled', config);
  if (error.code === 'ERR_INVALID_URL') return AxiosError.from(error, 'ERR_INVALID_URL', config, request);
  if (error.kind === 'timeout' && config.timeout > 0) {
    return new AxiosError(config.timeoutErrorMessage ?? `timeout of ${config.timeout}ms exceeded`, 'ECONNABORTED', config, request);
  }
  return AxiosError.from(error, error.kind === 'timeout' ? 'ETIMEDOUT' : 'ERR_NETWORK', config, request);
}

// Interceptors is interceptors.request or interceptors.response.
class Interceptors {
  handlers = [];
  use(fulfilled, rejected) { return this.handlers.push({ fulfilled, rejected }) - 1; }
  eject(id) { this.handlers[id] = null; }
  clear() { this.handlers = []; }
}

function createAxios(defaults) {
  const interceptors = { request: new Interceptors(), response: new Interceptors() };

  const request = (first, second) => {
    const given = typeof first === 'string' || first instanceof URL ? { ...second, url: String(first) } : first ?? {};
    const config = mergeConfig(instance.defaults, given);
    config.method = String(config.method ?? 'get').toLowerCase();
    config.headers = requestHeaders(instance.defaults.headers, given.headers, config.method);
    if (interceptors.request.handlers.length === 0 && interceptors.response.handlers.length === 0) return dispatch(config);
    const live = (list) => list.handlers.filter(Boolean);
    let promise = NativePromise.resolve(config);
    for (const { fulfilled, rejected } of live(interceptors.request).reverse()) promise = promise.then(fulfilled, rejected);
    promise = promise.then(dispatch);
    for (const { fulfilled, rejected } of live(interceptors.response)) promise = promise.then(fulfilled, rejected);
    return promise;
  };

  const instance = (first, second) => request(first, second);
  Object.assign(instance, { defaults, interceptors, request, getUri: (config) => fullURL(mergeConfig(instance.defaults, config ?? {})) });
  instance.create = (config) => createAxios(mergeDefaults(instance.defaults, config ?? {}));
  for (const method of ['get', 'delete', 'head', 'options']) {
    instance[method] = (url, config) => request({ ...config, method, url });
  }
  for (const method of ['post', 'put', 'patch']) {
    instance[method] = (url, data, config) => request({ ...config, method, url, data });
    instance[`${method}Form`] = (url, data, config) => request({ ...config, method, url, data, headers: { ...config?.headers, 'Content-Type': 'application/x-www-form-urlencoded' } });
  }
  return instance;
}

function newAxios() {
  const axios = createAxios({
    headers: { common: { Accept: 'application/json, text/plain, */*' }, delete: {}, get: {}, head: {}, post: {}, put: {}, patch: {}, options: {} },
    timeout: 0, transformRequest: [defaultRequestData], transformResponse: [defaultResponseData],
    validateStatus: (status) => status >= 200 && status < 300,
  });
  return Object.assign(axios, {
    AxiosError, CanceledError, Cancel: CanceledError, isAxiosError: (e) => e?.isAxiosError === true, isCancel: (e) => e?.__CANCEL__ === true,
    all: (promises) => NativePromise.all(promises), spread: (f) => (list) => f(...list), default: axios, axios, mergeConfig, AxiosHeaders,
    HttpStatusCode: {}, VERSION: '1.0.0',
  });
}

builtinModules.axios = newAxios;
