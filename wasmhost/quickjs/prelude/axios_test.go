package prelude_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// axiosCalls are requests and what a CRM answers. Each is made with the real axios in Node, whose adapter answers, and with the prelude's.
var axiosCalls = []struct{ call, answer string }{
	{`axios.get('https://a.example/x')`, `{status: 200, body: '{"a":1}'}`},
	{`axios('https://a.example/x')`, `{status: 200, body: 'text'}`},
	{`axios('https://a.example/x', {method: 'POST', data: {a: 1}})`, `{status: 201, body: ''}`},
	{`axios({url: 'https://a.example/x', method: 'put', data: [1]})`, `{status: 200, body: '[1,2]'}`},
	{`axios.request({url: 'https://a.example/x'})`, `{status: 204, body: ''}`},
	{`axios.get('https://a.example/x?y=1#h', {params: {b: [1, 'x'], c: {d: null, e: new Date(0), f: {g: 1}}, h: 'a b:,[]$é&=', n: null, u: undefined, t: true}})`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/x', {params: new URLSearchParams({a: 'b c'})})`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/x', {params: {a: [1, 2]}, paramsSerializer: {indexes: null}})`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/x', {params: {a: [1, 2]}, paramsSerializer: {indexes: true}})`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/x', {params: {a: 1}, paramsSerializer: {serialize: p => 'q=' + p.a}})`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/x', {params: {a: [{b: 1}]}})`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/x', {headers: {Authorization: 'Bearer t', accept: 'text/csv', 'X-None': null, 'X-U': undefined}})`, `{status: 200, body: 'a,b'}`},
	{`axios.get('https://a.example/x', {auth: {username: 'ada', password: 'pä:ss'}, headers: {authorization: 'Bearer t'}})`, `{status: 200, body: '1'}`},
	{`axios.post('https://a.example/x', {a: {b: 'é'}})`, `{status: 200, body: 'true'}`},
	{`axios.post('https://a.example/x', new URLSearchParams({grant_type: 'refresh_token', x: 'a b'}))`, `{status: 200, body: '{}'}`},
	{`axios.post('https://a.example/x', 'a=1')`, `{status: 200, body: '{}'}`},
	{`axios.post('https://a.example/x', {a: 1, b: [1, 2], c: {d: 3}}, {headers: {'Content-Type': 'application/x-www-form-urlencoded'}})`, `{status: 200, body: '{}'}`},
	{`axios.post('https://a.example/x', '{"a":1}', {headers: {'content-type': 'application/json'}})`, `{status: 200, body: '{}'}`},
	{`axios.post('https://a.example/x', null)`, `{status: 200, body: '{}'}`},
	{`axios.post('https://a.example/x')`, `{status: 200, body: '{}'}`},
	{`axios.post('https://a.example/x', undefined, {params: {a: 1}})`, `{status: 200, body: '{}'}`},
	{`axios.delete('https://a.example/x', {data: {a: 1}})`, `{status: 200, body: '{}'}`},
	{`axios.patch('https://a.example/x', {a: 1}, {headers: {'X-A': 5}})`, `{status: 200, body: '{}'}`},
	{`axios.head('https://a.example/x')`, `{status: 200, body: ''}`},
	{`axios.get('https://a.example/x')`, `{status: 404, body: '{"error":"gone"}'}`},
	{`axios.get('https://a.example/x')`, `{status: 500, body: 'oops'}`},
	{`axios.get('https://a.example/x')`, `{status: 302, body: ''}`},
	{`axios.get('https://a.example/x', {validateStatus: s => s === 302, maxRedirects: 0})`, `{status: 302, body: '', headers: {location: 'https://a.example/y?code=1'}}`},
	{`axios.get('https://a.example/x', {validateStatus: null})`, `{status: 500, body: 'oops'}`},
	{`axios.get('https://a.example/x', {validateStatus: () => true})`, `{status: 404, body: '[]'}`},
	{`axios.get('https://a.example/x', {responseType: 'text'})`, `{status: 200, body: '{"a":1}'}`},
	{`axios.get('https://a.example/x', {responseType: 'json'})`, `{status: 200, body: '{"a":1}'}`},
	{`axios.get('https://a.example/x', {transformResponse: [d => d + '!']})`, `{status: 200, body: 'a'}`},
	{`axios.post('https://a.example/x', {a: 1}, {transformRequest: [(d, h) => { h.set('X-T', 'y'); return JSON.stringify({...d, b: 2}) }]})`, `{status: 200, body: '{}'}`},
	{`axios.create({baseURL: 'https://a.example/api/', headers: {'X-App': 'x', common: {'X-C': 'c'}}, params: {k: 1}, timeout: 500}).get('/users/me', {params: {l: 2}, headers: {'x-app': 'z'}})`, `{status: 200, body: '{}'}`},
	{`axios.create({baseURL: 'https://a.example/api'}).post('users', {a: 1})`, `{status: 200, body: '{}'}`},
	{`axios.create({baseURL: 'https://a.example/api'}).get('')`, `{status: 200, body: '{}'}`},
	{`axios.create({baseURL: 'https://a.example'})('https://b.example/y')`, `{status: 200, body: '{}'}`},
	{`axios.create({baseURL: 'https://a.example', auth: {username: 'k', password: ''}}).request({url: '/y'})`, `{status: 200, body: '{}'}`},
	{`(i => { i.defaults.headers.common['Authorization'] = 'Bearer q'; i.defaults.headers.post['X-P'] = 'p'; return i.post('/y', {}) })(axios.create({baseURL: 'https://a.example'}))`, `{status: 200, body: '{}'}`},
	{`(i => { i.interceptors.request.use(c => { c.headers['X-I'] = 'i'; return c }); i.interceptors.response.use(r => ({...r, data: 'changed'})); return i.get('https://a.example/') })(axios.create())`, `{status: 200, body: '{}'}`},
	{`(i => { i.interceptors.response.use(null, e => ({data: 'saved ' + e.response.status, status: 1, headers: {}, config: e.config})); return i.get('https://a.example/') })(axios.create())`, `{status: 401, body: '{}'}`},
	{`(i => { i.interceptors.response.eject(i.interceptors.response.use(() => 'no')); return i.get('https://a.example/') })(axios.create())`, `{status: 200, body: '5'}`},
	{`axios.post('https://a.example/x', Buffer.from('hi'))`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/a b?q=é')`, `{status: 200, body: '{}'}`},
	{`axios.get('https://a.example/x', {signal: AbortSignal.abort()})`, `{status: 200, body: '{}'}`},
	{`axios.postForm('https://a.example/x', {}).then(() => 1, () => 1).then(() => axios.get('https://a.example/x'))`, `{status: 200, body: '{}'}`},
}

// describeAxios is JavaScript that shows the outcome of a call: the response, or the error. sent is the request as it was sent.
const describeAxios = `const describe = async (call, sent) => {
  const config = (c) => c && [c.method, c.url, c.baseURL ?? null, c.timeout, typeof c.data === 'string' ? c.data : typeof c.data];
  const response = (r) => r && [typeof r.data === 'object' && r.data?.type ? 'bytes' : r.data, r.status, Object.keys(r.headers).length, config(r.config)];
  try {
    const r = await call();
    return {response: response(r), sent: sent()};
  } catch (e) {
    return {error: [e.name, e.message, e.code, e.isAxiosError === true, axios.isAxiosError(e), axios.isCancel(e), e.status ?? null], response: response(e.response), config: config(e.config), sent: sent()};
  }
};`

func TestAxios(t *testing.T) {
	t.Parallel()
	var inReal []string
	for _, c := range axiosCalls {
		inReal = append(inReal, fmt.Sprintf(`(() => { answer = %s; sent = null; return describe(() => %s, () => sent) })()`, c.answer, c.call))
	}
	want := inNode(t, `const axios = require('axios');
let answer, sent;
axios.defaults.adapter = async (config) => {
  if (config.signal?.aborted) throw new axios.CanceledError();
  const AxiosError = axios.AxiosError;
  const headers = {};
  for (const [name, value] of Object.entries(config.headers.toJSON())) if (value !== undefined && value !== null && value !== false) headers[name.toLowerCase()] = String(value);
  if (config.auth) headers.authorization = 'Basic ' + Buffer.from(config.auth.username + ':' + config.auth.password).toString('base64');
  if (config.data === undefined || config.data === null) delete headers['content-type'];
  sent = [config.method, new URL(axios.getUri(config).replace(/#.*/, '')).href, config.data ?? null, headers];
  if (Buffer.isBuffer(config.data) || config.data instanceof ArrayBuffer) sent[2] = Buffer.from(config.data).toString('base64');
  const response = {data: answer.body, status: answer.status, statusText: '', headers: answer.headers ?? {}, config};
  if (!config.validateStatus || config.validateStatus(answer.status)) return response;
  throw new AxiosError('Request failed with status code ' + answer.status, [AxiosError.ERR_BAD_REQUEST, AxiosError.ERR_BAD_RESPONSE][Math.floor(answer.status / 100) - 4], config, {}, response);
};
`+describeAxios, inReal)
	var calls, texts []string
	for _, c := range axiosCalls {
		calls = append(calls, "() => "+c.call)
		texts = append(texts, fmt.Sprintf("({headers: {}, ...%s})", c.answer))
	}
	answers := inEngine(t, "", texts)
	s := newScript(t)
	err := s.load(fmt.Sprintf(`const axios = require('axios');
%s
const calls = [%s];
exports.getUserInfo = async ({username}) => ({result: await describe(calls[username], () => 'SENT')});`, describeAxios, strings.Join(calls, ",\n")))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range axiosCalls {
		sent := "null"
		got, err := s.run("getUserInfo", fmt.Sprintf(`{"authHeader":"Bearer x","username":%d}`, i), `{}`, func(r request) any {
			sent = sentRequest(t, r.Document)
			return answers[i]
		})
		if err != nil || got.Result != 0 {
			t.Errorf("%s: %+v, %v\n%s", c.call, got, err, &s.output)
			continue
		}
		compareJSON(t, c.call, strings.Replace(strings.TrimSuffix(strings.TrimPrefix(got.Output, `{"result":`), "}"), `"SENT"`, sent, 1), want[i])
	}
}

// sentRequest shows a request of the ABI as the adapter in Node shows its own.
func sentRequest(t *testing.T, document string) string {
	t.Helper()
	var r struct {
		Method, URL      string
		Headers          map[string]string
		Body, BodyBase64 *string
	}
	if err := json.Unmarshal([]byte(document), &r); err != nil {
		t.Fatal(err)
	}
	headers := map[string]string{}
	for name, value := range r.Headers {
		headers[strings.ToLower(name)] = value
	}
	if r.Body == nil {
		r.Body = r.BodyBase64
	}
	b, _ := json.Marshal([]any{strings.ToLower(r.Method), r.URL, r.Body, headers})
	return string(b)
}

// compareJSON compares texts as JSON values.
func compareJSON(t *testing.T, name, got, want string) {
	t.Helper()
	normal := func(text string) string {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s: %v in %s", name, err, text)
		}
		b, _ := json.Marshal(v)
		return string(b)
	}
	if g, w := normal(got), normal(want); g != w {
		t.Errorf("%s\n  got  %s\n  want %s", name, g, w)
	}
}
