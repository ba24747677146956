package prelude_test

import (
	"strings"
	"testing"
)

const personInput = `{"user":{"id":"1-acme","platform":"acme","hostname":"eu.acme.example","tokenExpiry":"2026-03-01T12:00:00Z",` +
	`"platformAdditionalInfo":{"company":7,"old":"x","nested":{"a":[1]}}},"authHeader":"Bearer at-1"}`

const refreshInput = `{"user":{"id":"1-acme","platform":"acme","hostname":"","tokenExpiry":"2026-03-01T12:00:00Z","platformAdditionalInfo":{"tokenUrl":"https://acme.example/token"}},` +
	`"authHeader":"Bearer at-1","refreshToken":"rt-1","oauthInfo":{"clientId":"id","clientSecret":"s:1","accessTokenUri":"https://acme.example/token"}}`

const tokens = `{"status":200,"headers":{},"body":"{\"access_token\":\"at-2\",\"refresh_token\":\"rt-2\",\"expires_in\":3600,\"token_type\":\"Bearer\"}"}`
const refusal = `{"status":400,"headers":{},"body":"{\"error\":\"invalid_grant\"}"}`

// operations are connectors, each with a call, its outcome, and what the log has.
var operations = []struct {
	name, connector, operation, input string
	answer                            string // to each fetch
	result                            int
	output                            string
	log                               string // a part of it; "-" for none
}{
	{"a bare type", `exports.getAuthType = () => 'oauth'`, "getAuthType", `{}`, "", 0, `{"type":"oauth"}`, "-"},
	{"the ABI's type", `exports.getAuthType = async () => ({type: 'apiKey'})`, "getAuthType", `{}`, "", 0, `{"type":"apiKey"}`, "-"},
	{"an ES module", `export function getAuthType() { return 'oauth' }`, "getAuthType", `{}`, "", 0, `{"type":"oauth"}`, "-"},
	{"a default export", `export default {type: 'oauth', getAuthType() { return this.type }}`, "getAuthType", `{}`, "", 0, `{"type":"oauth"}`, "-"},
	{"a default export of CommonJS", `module.exports = {default: {getAuthType: () => 'oauth'}}`, "getAuthType", `{}`, "", 0, `{"type":"oauth"}`, "-"},
	{"an object of a class", `class C { getAuthType() { return this.t() } t() { return 'oauth' } } module.exports = new C()`, "getAuthType", `{}`, "", 0, `{"type":"oauth"}`, "-"},
	{"a module that awaits", `const t = await Promise.resolve('oauth'); export const getAuthType = () => t`, "getAuthType", `{}`, "", 0, `{"type":"oauth"}`, "-"},
	{"an import", `import axios, {isAxiosError} from 'axios'; import * as c from 'node:crypto'; export const getAuthType = () => typeof axios.get + isAxiosError(1) + typeof c.createHash + typeof c.default.createHash`,
		"getAuthType", `{}`, "", 0, `{"type":"functionfalsefunctionfunction"}`, "-"},
	{"an operation that is not there", `exports.getAuthType = () => 'oauth'`, "getUserInfo", `{}`, "", 2, "", "-"},
	{"no answer", `exports.getUserInfo = () => {}`, "getUserInfo", `{}`, "", 1, `{"message":"getUserInfo returned undefined: return an object","internal":true}`, "getUserInfo returned undefined"},
	{"a null answer", `exports.getUserInfo = () => null`, "getUserInfo", `{}`, "", 1, `{"message":"getUserInfo returned null: return an object","internal":true}`, ""},
	{"the query is always there", `exports.getUserInfo = ({query}) => ({successful: query.x === undefined})`, "getUserInfo", `{"authHeader":"Bearer x","hostname":""}`, "", 0, `{"successful":true}`, "-"},
	{"an application", `exports.getOauthInfo = ({hostname}) => ({clientId: process.env.ACME_ID, accessTokenUri: 'https://' + hostname, failMessage: undefined})`, "getOauthInfo", `{"hostname":"h"}`, "", 0,
		`{"clientId":"id","accessTokenUri":"https://h"}`, "-"},
	{"bare basic authentication", `exports.getBasicAuth = ({apiKey}) => Buffer.from(apiKey + ':').toString('base64')`, "getBasicAuth", `{"apiKey":"k"}`, "", 0, `{"basic":"azo="}`, "-"},
	{"the ABI's basic authentication", `exports.getBasicAuth = ({apiKey}) => ({header: 'Token ' + apiKey})`, "getBasicAuth", `{"apiKey":"k"}`, "", 0, `{"header":"Token k"}`, "-"},
	{"a header that is removed", `exports.getOverridingOAuthOption = ({code}) => ({headers: {Authorization: undefined, X: 'y'}, query: {code}})`, "getOverridingOAuthOption", `{"code":"c"}`, "", 0,
		`{"headers":{"Authorization":"","X":"y"},"query":{"code":"c"}}`, "-"},
	{"nothing to override", `exports.getOverridingOAuthOption = () => null`, "getOverridingOAuthOption", `{"code":"c"}`, "", 0, `{}`, "-"},
	{"a list of options", `exports.getManagedAuthOptions = ({fieldConst}) => [{value: fieldConst, label: 'L'}]`, "getManagedAuthOptions", `{"fieldConst":"f","accountValues":{}}`, "", 0,
		`{"options":[{"value":"f","label":"L"}]}`, "-"},
	{"the ABI's options", `exports.getManagedAuthOptions = () => ({options: []})`, "getManagedAuthOptions", `{}`, "", 0, `{"options":[]}`, "-"},
	{"a licence", `exports.getLicenseStatus = ({userId, platform, user}) => ({isLicenseValid: userId === user.id, licenseStatus: platform})`, "getLicenseStatus", personInput, "", 0, `{"isLicenseValid":true,"licenseStatus":"acme"}`, "-"},

	{"a user", `exports.authValidation = ({user}) => ({successful: true, returnMessage: {message: [user.accessToken, user.tokenExpiry instanceof Date, user.id, JSON.stringify(user)].join()}})`,
		"authValidation", personInput, "", 0, `{"successful":true,"returnMessage":{"message":"at-1,true,1-acme,{\"id\":\"1-acme\",\"platform\":\"acme\",\"hostname\":\"eu.acme.example\",\"tokenExpiry\":\"2026-03-01T12:00:00.000Z\",` +
			`\"platformAdditionalInfo\":{\"company\":7,\"old\":\"x\",\"nested\":{\"a\":[1]}},\"accessToken\":\"at-1\"}"}}`, "-"},
	{"a saved change", `exports.refreshUserInfo = async ({user}) => { user.platformAdditionalInfo.company = 8; user.platformAdditionalInfo.nested.a.push(2); user.platformAdditionalInfo.fresh = true; await user.save(); return {successful: true} }`,
		"refreshUserInfo", personInput, "", 0, `{"successful":true,"user":{"platformAdditionalInfo":{"company":8,"nested":{"a":[1,2]},"fresh":true}}}`, "-"},
	{"a change that was not saved", `exports.refreshUserInfo = async ({user}) => { user.platformAdditionalInfo.company = 8; return {successful: true} }`, "refreshUserInfo", personInput, "", 0, `{"successful":true}`, "-"},
	{"a change after saving", `exports.refreshUserInfo = async ({user}) => { user.platformAdditionalInfo.company = 8; await user.save(); user.platformAdditionalInfo.company = 9; return {successful: true} }`,
		"refreshUserInfo", personInput, "", 0, `{"successful":true,"user":{"platformAdditionalInfo":{"company":8}}}`, "-"},
	{"an update", `exports.refreshUserInfo = async ({user}) => { await user.update({platformAdditionalInfo: {...user.platformAdditionalInfo, old: undefined, company: 7}}); return {successful: true, user} }`,
		"refreshUserInfo", personInput, "", 0, `{"successful":true,"user":{"platformAdditionalInfo":{"old":null}}}`, "-"},
	{"a saved and a stated change", `exports.postSaveUserInfo = async ({user}) => { user.platformAdditionalInfo.a = 1; user.platformAdditionalInfo.b = 1; await user.save(); return {user: {platformAdditionalInfo: {b: 2}}} }`,
		"postSaveUserInfo", personInput, "", 0, `{"user":{"platformAdditionalInfo":{"a":1,"b":2}}}`, "-"},
	{"after saving, in App Connect's shape", `exports.postSaveUserInfo = async ({userInfo, oauthApp}) => { userInfo.platformAdditionalInfo.s = typeof oauthApp.createToken; await userInfo.save(); return userInfo }`,
		"postSaveUserInfo", personInput, "", 0, `{"user":{"platformAdditionalInfo":{"s":"function"}}}`, "-"},
	{"a logout in App Connect's style", `exports.unAuthorize = async ({user}) => { user.accessToken = ''; user.refreshToken = ''; await user.save(); return {returnMessage: {messageType: 'success', message: 'Logged out', ttl: 1000}} }`,
		"unAuthorize", personInput, "", 0, `{"returnMessage":{"messageType":"success","message":"Logged out","ttl":1000}}`, "-"},
	{"a logout that destroys", `exports.unAuthorize = async ({user}) => { await user.destroy() }`, "unAuthorize", personInput, "", 0, `{}`, "-"},
	{"a destroyed user elsewhere", `exports.postSaveUserInfo = async ({user}) => { await user.destroy() }`, "postSaveUserInfo", personInput, "", 0, `{}`, "only a logout removes a user"},
	{"a validation without an outcome", `exports.authValidation = () => {}`, "authValidation", personInput, "", 1, `{"message":"authValidation returned undefined: return an object","internal":true}`, ""},
	{"tokens that are set elsewhere", `exports.refreshUserInfo = async ({user}) => { user.accessToken = 'x'; await user.save(); return {successful: true} }`, "refreshUserInfo", personInput, "", 0, `{"successful":true}`, "warn: refreshUserInfo: user.save() keeps changes of platformAdditionalInfo only, not of accessToken\n"},

	{"refresh by the ABI", `exports.checkAndRefreshAccessToken = async ({user, refreshToken, oauthInfo}) => ({accessToken: refreshToken + oauthInfo.clientId, expiresIn: 60})`, "checkAndRefreshAccessToken", refreshInput, "", 0,
		`{"accessToken":"rt-1id","expiresIn":60}`, "-"},
	{"refresh by App Connect's application", `exports.checkAndRefreshAccessToken = async (oauthApp, user, tokenLockTimeout) => {
  const token = await oauthApp.createToken(user.accessToken, user.refreshToken).refresh();
  user.accessToken = token.accessToken; user.refreshToken = token.refreshToken; user.tokenExpiry = token.expires; user.platformAdditionalInfo.n = tokenLockTimeout;
  await user.save(); return user }`, "checkAndRefreshAccessToken", refreshInput, tokens, 0, `{"accessToken":"at-2","refreshToken":"rt-2","expiresIn":3600,"user":{"platformAdditionalInfo":{"n":20}}}`, "-"},
	{"refresh by hand", `const axios = require('axios'); exports.checkAndRefreshAccessToken = async (oauthApp, user) => {
  const {data} = await axios.post(user.platformAdditionalInfo.tokenUrl + '?refresh_token=' + user.refreshToken);
  user.accessToken = data.access_token; const date = new Date(); user.tokenExpiry = date.setSeconds(date.getSeconds() + data.expires_in); return user }`,
		"checkAndRefreshAccessToken", refreshInput, tokens, 0, `{"accessToken":"at-2","expiresIn":3600}`, "-"},
	{"a user that was not refreshed", `exports.checkAndRefreshAccessToken = async (oauthApp, user) => user`, "checkAndRefreshAccessToken", refreshInput, "", 0, `{"accessToken":"at-1"}`, "-"},
	{"a refusal that was swallowed", `const axios = require('axios'); exports.checkAndRefreshAccessToken = async (oauthApp, user) => { try { await axios.post('https://acme.example/token') } catch (e) { console.error('no') } return user }`,
		"checkAndRefreshAccessToken", refreshInput, refusal, 1, `{"message":"The CRM has refused the request for a token with status 400 (invalid_grant)","status":400,"code":"invalid_grant"}`, "error: no"},
	{"a refusal", `exports.checkAndRefreshAccessToken = async (oauthApp, user) => { await oauthApp.createToken(user.accessToken, user.refreshToken).refresh() }`,
		"checkAndRefreshAccessToken", refreshInput, refusal, 1, `{"message":"The CRM has refused the request for a token with status 400 (invalid_grant)","status":400,"code":"invalid_grant"}`, ""},
	{"a refusal to axios", `const axios = require('axios'); exports.checkAndRefreshAccessToken = async (oauthApp, user) => { await axios.post('https://acme.example/token') }`,
		"checkAndRefreshAccessToken", refreshInput, refusal, 1, `{"message":"Request failed with status code 400","status":400,"code":"invalid_grant"}`, ""},
	{"refresh without the secret", `exports.checkAndRefreshAccessToken = async (oauthApp, user) => { await oauthApp.createToken(user.accessToken, user.refreshToken).refresh() }`,
		"checkAndRefreshAccessToken", strings.Replace(refreshInput, `"clientSecret":"s:1",`, "", 1), "", 1,
		`{"message":"token.refresh() needs the client secret: add \"clientSecret\" to crmgate.reveal in the manifest, or do not export checkAndRefreshAccessToken: then the server refreshes"}`, ""},

	{"an error", `exports.getUserInfo = async () => { throw Object.assign(new Error('It broke'), {status: 503, code: 'slow'}) }`, "getUserInfo", `{}`, "", 1, `{"message":"It broke","status":503,"code":"slow"}`,
		"error: getUserInfo: Error: It broke\n    at <anonymous> (acme.js:1:121)\n"},
	{"an error with a line", "function f(x) {\n  return x.y();\n}\nexports.getUserInfo = async () => f({})", "getUserInfo", `{}`, "", 1, `{"message":"not a function","internal":true}`, "at f (acme.js:2:12)\n    at <anonymous> (acme.js:4:35)\n"},
	{"a text is thrown", `exports.getUserInfo = () => { throw 'no' }`, "getUserInfo", `{}`, "", 1, `{"message":"no"}`, ""},
	{"nothing is thrown", `exports.getUserInfo = () => { throw undefined }`, "getUserInfo", `{}`, "", 1, `{"message":"The connector failed without a message"}`, ""},
	{"an object is thrown", `exports.getUserInfo = () => { throw {get message() { throw 1 }} }`, "getUserInfo", `{}`, "", 1, `{"message":"The connector failed without a message"}`, ""},
	{"a status of axios", `exports.getUserInfo = () => require('axios').get('https://a.example/')`, "getUserInfo", `{}`, `{"status":429,"headers":{},"body":""}`, 1, `{"message":"Request failed with status code 429","status":429}`, "AxiosError: Request failed with status code 429"},
	{"an answer that is not JSON", `exports.getUserInfo = async () => (await fetch('https://a.example/')).json()`, "getUserInfo", `{}`, `{"status":200,"headers":{},"body":"<html>"}`, 1, "", "The answer is not JSON: it looks like HTML"},
	{"a token that is not JSON", `exports.getUserInfo = async () => (await fetch('https://a.example/')).json()`, "getUserInfo", `{}`, `{"status":200,"headers":{},"body":"token-123456"}`, 1, `{"message":"The answer is not JSON: it has 12 characters","internal":true}`, ""},
	{"an answer in a circle", `exports.getUserInfo = () => { const a = {}; a.a = a; return a }`, "getUserInfo", `{}`, "", 1, `{"message":"circular reference","internal":true}`, ""},
	{"a promise of another kind", `exports.getUserInfo = () => ({then(done) { done({successful: true}) }})`, "getUserInfo", `{}`, "", 0, `{"successful":true}`, "-"},
	{"no host", `exports.getUserInfo = () => fetch('https://a.example/')`, "getUserInfo", `{}`, `{"error":{"kind":"refused","message":"a.example is not declared"}}`, 1, `{"message":"a.example is not declared"}`, "FetchError: a.example is not declared"},
	{"no host for axios", `exports.getUserInfo = async () => { try { await require('axios').get('https://a.example/', {timeout: 5}) } catch (e) { return {e: [e.code, e.message, e.response === undefined, e.isAxiosError]} } }`,
		"getUserInfo", `{}`, `{"error":{"kind":"connect","message":"could not connect"}}`, 0, `{"e":["ERR_NETWORK","could not connect",true,true]}`, "-"},
	{"a timeout of axios", `exports.getUserInfo = async () => { try { await require('axios').get('https://a.example/', {timeout: 5}) } catch (e) { return {e: [e.code, e.message]} } }`,
		"getUserInfo", `{}`, `{"error":{"kind":"timeout","message":"no answer"}}`, 0, `{"e":["ECONNABORTED","timeout of 5ms exceeded"]}`, "-"},
	{"bytes", `exports.getUserInfo = async () => { const r = await fetch('https://a.example/'); const b = Buffer.from(await r.clone().arrayBuffer()); return {hex: b.toString('hex'), text: await r.text()} }`,
		"getUserInfo", `{}`, `{"status":200,"headers":{},"bodyBase64":"/0E="}`, 0, `{"hex":"ff41","text":"�A"}`, "-"},
	{"bytes of axios", `exports.getUserInfo = async () => { const r = await require('axios').get('https://a.example/', {responseType: 'arraybuffer'}); return {hex: r.data.toString('hex')} }`,
		"getUserInfo", `{}`, `{"status":200,"headers":{},"bodyBase64":"/0E="}`, 0, `{"hex":"ff41"}`, "-"},
	{"a response", `exports.getUserInfo = async () => { const r = await fetch('https://a.example/?a=1'); return {r: [r.ok, r.status, r.statusText, r.url, r.headers.get('X-Y'), [...r.headers].length, r.bodyUsed, r.redirected]} }`,
		"getUserInfo", `{}`, `{"status":404,"headers":{"x-y":"z"},"body":""}`, 0, `{"r":[false,404,"Not Found","https://a.example/?a=1","z",1,false,false]}`, "-"},

	{"configuration", `exports.getUserInfo = () => ({env: {...process.env}, has: 'ACME_ID' in process.env, none: process.env.NODE_ENV ?? null, keys: Object.keys(process.env)})`, "getUserInfo", `{}`, "", 0,
		`{"env":{"ACME_ID":"id"},"has":true,"none":null,"keys":["ACME_ID"]}`, "-"},
	{"configuration is read-only", `exports.getUserInfo = () => { process.env.ACME_ID = 'x'; return {} }`, "getUserInfo", `{}`, "", 1, `{"message":"process.env is read-only: ACME_ID was not set","internal":true}`, ""},
	{"configuration at the top level", `const id = process.env.ACME_ID ?? 'x', has = 'ACME_ID' in process.env, all = Object.keys(process.env); exports.getUserInfo = () => ({id, has, all})`, "getUserInfo", `{}`, "", 0, `{"id":"x","has":false,"all":[]}`, "warn: process.env.ACME_ID was read while the connector was loaded"},
	{"configuration read too early", `const id = process.env.ACME_ID, mode = process.env.NODE_ENV; exports.getUserInfo = () => ({id: id ?? null})`, "getUserInfo", `{}`, "", 0, `{"id":null}`, "warn: process.env.ACME_ID was read while the connector was loaded"},
	{"configuration kept", `const {env} = process; exports.getUserInfo = () => ({id: env.ACME_ID})`, "getUserInfo", `{}`, "", 0, `{"id":"id"}`, "-"},

	{"a timer", `exports.getUserInfo = async () => { await new Promise(r => setTimeout(r, 500)); return {} }`, "getUserInfo", `{}`, "", 0, `{}`, "-"},
	{"a timer that fails", `exports.getUserInfo = async () => { setTimeout(() => { throw new Error('late') }, 1); await new Promise(r => setTimeout(r, 5)); return {} }`, "getUserInfo", `{}`, "", 0, `{}`, "error: A timer has failed: Error: late"},
	{"too many timers", `exports.getUserInfo = async () => { for (;;) setTimeout(() => {}, 1) }`, "getUserInfo", `{}`, "", 1, `{"message":"There are more than 1000 timers","internal":true}`, ""},
	{"a fetch that nothing waits for", `exports.getUserInfo = () => { fetch('https://a.example/'); return {} }`, "getUserInfo", `{}`, "", 0, `{}`, "warn: getUserInfo has ended without waiting for a fetch, which was not sent"},
	{"derived values", `exports.getUserInfo = async () => ({v: [await crmgate.derive({base64: 'x'}), await crmgate.derive({sha256: 'y'})]})`, "getUserInfo", `{}`, `{{derived:1:NONCE}}`, 0, `{"v":["{{derived:1:NONCE}}","{{derived:1:NONCE}}"]}`, "-"},
	{"redirects", `exports.getUserInfo = async () => { const r = await fetch('https://a.example/', {redirect: 'manual'}); try { await fetch('https://a.example/', {redirect: 'error'}) } catch (e) { return {s: r.status, e: e.message} } }`,
		"getUserInfo", `{}`, `{"status":302,"headers":{},"body":""}`, 0, `{"s":302,"e":"The CRM answered with a redirect (302)"}`, "-"},
	{"built-ins that the connector has broken", `JSON.parse = JSON.stringify = Promise.prototype.then = Object.keys = Reflect.apply = () => { throw new Error('broken') };
Array.prototype.push = Array.prototype.filter = Array.prototype.slice = Map.prototype.get = undefined;
exports.getUserInfo = async () => { const r = await fetch('https://a.example/'); return {s: r.status} }`, "getUserInfo", `{}`, `{"status":200,"headers":{},"body":""}`, 0, `{"s":200}`, "-"},
	{"console", `exports.getUserInfo = () => { console.log('a', {b: [1]}, new Map([[1, 2]])); console.warn('w'); console.error(new Error('e')); console.debug('%s!', 'd'); console.assert(false, 'x'); console.log({get a() { throw 1 }}); return {} }`,
		"getUserInfo", `{}`, "", 0, `{}`, "a { b: [ 1 ] } Map(1) { 1 => 2 }\nwarn: w\nerror: Error: e\n    at <anonymous> (acme.js:1:175)\ndebug: d!\nerror: Assertion failed x\n(a value that cannot be shown: 1)\n"},
}

func TestOperations(t *testing.T) {
	t.Parallel()
	for _, c := range operations {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			if err := s.load(c.connector); err != nil {
				t.Fatal(err)
			}
			got, err := s.run(c.operation, c.input, `{"ACME_ID":"id"}`, func(request) any { return c.answer })
			if err != nil {
				t.Fatal(err)
			}
			if got.Result != c.result || got.Stuck || c.output != got.Output && !(c.output == "" && c.result == 1) {
				t.Errorf("got  %+v\nwant {Result:%d Output:%s}", got, c.result, c.output)
			}
			if log := s.output.String(); c.log == "-" && log != "" || c.log != "-" && !strings.Contains(log, c.log) {
				t.Errorf("the log is %q, want %q", log, c.log)
			}
		})
	}
}

// Connectors that cannot be loaded, with a part of the error.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ connector, want string }{
		"nothing is exported":           {`const x = 1`, "exports none of the operations"},
		"an export of another kind":     {`exports.getUserInfo = 'x'`, "exports getUserInfo, which must be a function but is string"},
		"an unknown package":            {"\nconst moment = require('moment')", "require(\"moment\"): this module is not here. Bundle it"},
		"its place":                     {"\nconst moment = require('moment')", "acme.js:2:"},
		"an unknown import":             {`import moment from 'moment'; export const getAuthType = () => 1`, "moment"},
		"an error":                      {"exports.getAuthType = () => 1;\nnull.x", "acme.js:2:"},
		"a fetch":                       {`exports.getAuthType = () => 1; crmgate.derive({})`, ""},
		"random bytes":                  {`exports.getAuthType = () => 1; crypto.randomUUID()`, "Random bytes are not available while the connector is loaded"},
		"a syntax error":                {"exports.getAuthType = () => 1;\nlet let = 1", "acme.js:2"},
		"an ES module without exports":  {`export const x = 1`, "exports none of the operations"},
		"an exported name that is null": {`exports.getAuthType = null`, "exports none of the operations"},
	} {
		err := newScript(t).load(c.connector)
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestListOfOperations(t *testing.T) {
	t.Parallel()
	for connector, want := range map[string]string{
		`exports.getUserInfo = exports.createCallLog = exports.getAuthType = () => 1; exports.x = 1`:                      `["getAuthType","getUserInfo"]`,
		`export function getAuthType() {} export const findContact = () => 1`:                                             `["getAuthType"]`,
		`export default {__esModule: true, default: {getAuthType() {}}}`:                                                  `["getAuthType"]`,
		`export default class { static getAuthType() {} }`:                                                                `["getAuthType"]`,
		`class C { getAuthType() {} unAuthorize() {} } module.exports = new C()`:                                          `["getAuthType","unAuthorize"]`,
		`Object.defineProperty(exports, '__esModule', {value: true}); exports.default = {getAuthType() {}, getList() {}}`: `["getAuthType"]`,
	} {
		s := newScript(t)
		if err := s.load(connector); err != nil {
			t.Errorf("%s: %v", connector, err)
			continue
		}
		if got, err := s.drive("operations"); got != want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", connector, got, err, want)
		}
	}
}

// A promise that never settles is reported, also behind a timer.
func TestStuck(t *testing.T) {
	t.Parallel()
	for _, connector := range []string{
		`exports.getUserInfo = () => new Promise(() => {})`,
		`exports.getUserInfo = async () => { await fetch('https://a.example/'); await new Promise(r => setTimeout(r, 5)); await new Promise(() => {}) }`,
	} {
		s := newScript(t)
		if err := s.load(connector); err != nil {
			t.Fatal(err)
		}
		got, err := s.run("getUserInfo", `{}`, `{}`, func(request) any { return `{"status":200,"headers":{},"body":""}` })
		if !got.Stuck || err != nil {
			t.Errorf("%s: got %+v, %v, want stuck", connector, got, err)
		}
	}
}
