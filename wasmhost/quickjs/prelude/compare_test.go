package prelude_test

import (
	"fmt"
	"testing"
)

// wrap puts each argument into a pattern.
func wrap(pattern string, arguments ...string) (all []string) {
	for _, a := range arguments {
		all = append(all, fmt.Sprintf(pattern, a))
	}
	return all
}

func join(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestURL(t *testing.T) {
	t.Parallel()
	parts := `(u => [u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, [...u.searchParams]])(%s)`
	compare(t, "", join(
		wrap(parts,
			`new URL('https://user:pa%20ss@App.Example.com:443/a/./b/../c%2fd/é?x=1&y=a b#h ash')`,
			`new URL('http://example.com')`, `new URL('HTTP://EXAMPLE.com:8080?q')`, `new URL('https://example.com/?#')`,
			`new URL('https://example.com/a b"<>{}|')`, "new URL('https://example.com/`?`\\'\"<>#`')", `new URL('https:example.com/x')`,
			`new URL('https:\\\\example.com\\x')`, `new URL('  https://example.com/\t\n ')`, `new URL('mailto:ada@example.com?subject=x')`,
			`new URL('data:text/plain,hi there')`, `new URL('https://[::1]:3000/')`, `new URL('https://example.com/%zz%41')`,
			`new URL('https://a.example/../../x')`, `new URL('https://a.example/b/..')`, `new URL('https://a.example/b/%2e%2E/c')`,
			`new URL('https://a.example:/')`, `new URL('ws://a.example:80/')`, `new URL('foo://Host/Path')`, `new URL('foo:/x')`, `new URL('foo:x')`,
			`new URL('https://ex%61mple.com/')`, `new URL('https://a@b@c.example/')`, `new URL('https://:pw@c.example/')`,
			`new URL('b/c?d#e', 'https://a.example/x/y?z')`, `new URL('/b', 'https://a.example/x')`, `new URL('//b.example/c', 'https://a.example')`,
			`new URL('?q=1', 'https://a.example/x?y#z')`, `new URL('#q', 'https://a.example/x?y#z')`, `new URL('', 'https://a.example/x?y#z')`,
			`new URL('../..', 'https://a.example/x/y/z/w')`, `new URL('https://b.example', 'https://a.example')`, `new URL('https:x', 'https://a.example/b/')`,
			`new URL(new URL('https://a.example/b'))`, `new URL('x', new URL('https://a.example/b/'))`, `new URL('https://a.example/emoji/😀?😀=\ud800')`,
		),
		wrap(`new URL(%s).href`,
			`'nonsense'`, `''`, `'/x'`, `'https://'`, `'https://a b.example/'`, `'https://a.example:99999/'`, `'https://a.example:x/'`, `'//a.example'`, `'x', '/y'`, `undefined`,
			`'https://[::1/'`, `'https://a%zz/'`, `'https://a.example/x', 'bad base'`, `'https://exa<mple/'`,
		),
		wrap(`(u => { %s; return [u.href, u.search] })(new URL('https://a.example:8080/p?x=1#h'))`,
			`u.searchParams.append('y', 'a b&c')`, `u.searchParams.set('x', 'é')`, `u.searchParams.delete('x')`, `u.search = 'q=1 2'`, `u.search = ''`,
			`u.search = '?z=1'; u.searchParams.append('w', 2)`, `u.hash = 'new'`, `u.hash = ''`, `u.pathname = '/é/../b'`, `u.pathname = 'c'`, `u.port = '443'`, `u.port = ''`,
			`u.port = 'x'`, `u.port = '90000'`, `u.host = 'b.example:9'`, `u.host = 'c.example'`, `u.hostname = 'd.example'`, `u.hostname = 'a b'`, `u.protocol = 'http'`, `u.protocol = 'foo:'`,
			`u.username = 'a:b'`, `u.password = 'é'`, `u.href = 'https://x.example/'`, `u.searchParams.sort()`,
		),
		[]string{
			`URL.canParse('https://a.example')`, `URL.canParse('x')`, `String(new URL('https://a.example'))`, `JSON.stringify({u: new URL('https://a.example')})`,
			`new URL('https://a.example') + 'x'`, `'' + new URL('https://a.example/?a=b c')`,
		},
	))
}

func TestURLSearchParams(t *testing.T) {
	t.Parallel()
	compare(t, "", join(
		wrap(`(p => [p.toString(), p.size, [...p], [...p.keys()], [...p.values()]])(new URLSearchParams(%s))`,
			``, `'a=1&b=2&a=3'`, `'?a=1'`, `'a'`, `'=x'`, `'a=b=c'`, `'&&a&&'`, `{a: 1, b: 'x y', c: true}`, `[['a', '1'], ['b', '2']]`, `new URLSearchParams('a=1')`, `new Map([['k', 'v']])`,
			`'a=%zz&b=%41+%2B&c=%F0%9F%98%80&d=%ff'`, `{q: "!'()*~-._ é😀%"}`, `{x: '\ud800'}`, `'a+b=c+d'`, `null`, `5`, `{u: undefined, n: null}`,
		),
		wrap(`(p => { const r = %s; return [r ?? null, p.toString()] })(new URLSearchParams('a=1&b=2&a=3'))`,
			`p.get('a')`, `p.get('x')`, `p.getAll('a')`, `p.has('a')`, `p.has('a', '3')`, `p.has('a', '4')`, `p.set('a', 9)`, `p.set('c', 9)`, `p.append('a', 9)`, `p.delete('a')`, `p.delete('a', '3')`, `p.sort()`,
			`Object.fromEntries(p)`, `(() => { const l = []; p.forEach((v, k) => l.push(k + v)); return l })()`,
		),
		[]string{`new URLSearchParams([['a']])`, `new URLSearchParams([['a', 'b', 'c']])`, `JSON.stringify(new URLSearchParams('a=1'))`},
	))
}

func TestHeadersRequestResponse(t *testing.T) {
	t.Parallel()
	compare(t, "", join(
		wrap(`[...new Headers(%s)]`, ``, `{A: '1', b: ' 2 '}`, `[['X', '1'], ['x', '2']]`, `new Headers({q: 'r'})`, `{'bad name': 'x'}`, `{a: 'b\nc'}`, `undefined`, `{n: 5}`),
		wrap(`(h => [%s, [...h]])(new Headers({A: '1', B: '2'}))`, `h.get('a')`, `h.get('x')`, `h.has('B')`, `h.append('a', 'x')`, `h.set('A', 'y')`, `h.delete('b')`, `[...h.keys()]`, `[...h.values()]`, `h.set('', 'x')`),
		[]string{
			`new Response('x').text()`, `new Response('{"a":1}').json()`, `new Response('{').json()`, `new Response('é').arrayBuffer().then(b => b.byteLength)`,
			`new Response('x', {status: 404}).ok`, `new Response('x', {status: 204 - 4}).ok`, `Response.json({a: 1}).headers.get('content-type')`, `Response.json({a: 1}).text()`,
			`(async r => { await r.text(); return r.text() })(new Response('x'))`, `(async r => { const c = r.clone(); return [await r.text(), await c.text()] })(new Response('x'))`,
			`(async r => { await r.text(); return r.bodyUsed })(new Response('x'))`, `new Response(new Uint8Array([104, 105])).text()`, `new Response(new URLSearchParams('a=b c')).text()`,
			`new Response('x').headers.get('content-type').toLowerCase()`, `new Response(new URLSearchParams('a=1')).headers.get('content-type').toLowerCase()`,
			`new Request('https://a.example').method`, `new Request('https://a.example/ x', {method: 'post'}).url`, `new Request('https://a.example', {method: 'patch'}).method`,
			`new Request('https://a.example', {method: 'POST', body: 'x'}).text()`, `new Request('nonsense')`, `new Request('https://a.example', {headers: {A: 'b'}}).headers.get('a')`,
			`fetch('nonsense')`, `fetch('https://a.example', {body: 'x'})`,
		},
	))
}

func TestText(t *testing.T) {
	t.Parallel()
	texts := []string{`''`, `'ada'`, `'é'`, `'€'`, `'😀'`, `'a\ud800b'`, `'\udc00'`, `'\ud83d'`, `'\u0000\u007f\u0080\u07ff\u0800\uffff'`, `'x'.repeat(9000) + '😀é'`, `5`, `null`}
	bytes := []string{
		`[]`, `[0x41]`, `[0xc3, 0xa9]`, `[0xe2, 0x82, 0xac]`, `[0xf0, 0x9f, 0x98, 0x80]`, `[0xff, 0x41]`, `[0xc3]`, `[0xc3, 0x41]`, `[0xe2, 0x82]`, `[0xe2, 0x82, 0x41]`, `[0xf0, 0x9f, 0x98]`,
		`[0xed, 0xa0, 0x80]`, `[0xc0, 0x80]`, `[0xe0, 0x80, 0x80]`, `[0xf0, 0x80, 0x80, 0x80]`, `[0xf4, 0x90, 0x80, 0x80]`, `[0xf5, 0x80]`, `[0x80, 0xbf]`, `[0xef, 0xbb, 0xbf, 0x41]`,
	}
	compare(t, "", join(
		wrap(`[...new TextEncoder().encode(%s)]`, texts...),
		wrap(`new TextDecoder().decode(new Uint8Array(%s))`, bytes...),
		wrap(`new TextDecoder('utf-8', {fatal: true}).decode(new Uint8Array(%s))`, bytes...),
		wrap(`Buffer.from(%s).toString()`, bytes...),
		wrap(`btoa(%s)`, `'ada'`, `''`, `'\u00ff'`, `'é€'`, `5`),
		wrap(`atob(%s)`, `'YWRh'`, `'YQ=='`, `'YQ'`, `' Y Q '`, `'*'`, `'Y'`, `''`),
		[]string{
			`new TextEncoder().encodeInto('aé', new Uint8Array(2))`, `new TextEncoder().encode().length`, `new TextDecoder().encoding`, `new TextDecoder().decode()`, `new TextDecoder().decode(new ArrayBuffer(2))`,
			`new TextDecoder().decode(new DataView(new Uint8Array([65, 66]).buffer, 1))`, `new TextDecoder('utf-8', {ignoreBOM: true}).decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x41])).length`,
			`new TextDecoder('x-nonsense')`, `new TextDecoder('UTF8').decode(new Uint8Array([0x41]))`, `new TextDecoder('latin1').decode(new Uint8Array([0xe9]))`,
		},
	))
}

func TestBuffer(t *testing.T) {
	t.Parallel()
	encodings := []string{`'utf8'`, `'UTF-8'`, `'hex'`, `'base64'`, `'base64url'`, `'latin1'`, `'binary'`, `'ascii'`, `undefined`}
	compare(t, "", join(
		wrap(`Buffer.from('aé😀~ÿ?>').toString(%s)`, encodings...),
		wrap(`[...Buffer.from('6869é+/-_YWRh==', %s)]`, encodings...),
		wrap(`Buffer.byteLength('6869é', %s)`, encodings...),
		wrap(`Buffer.isEncoding(%s)`, encodings...),
		wrap(`[...Buffer.from(%s)]`, `[1, 2, 257, -1]`, `new Uint8Array([1, 2])`, `new Uint8Array([1, 2, 3]).buffer`, `new Uint8Array([1, 2, 3]).buffer, 1`, `new Uint8Array([1, 2, 3]).buffer, 1, 1`,
			`Buffer.from('x')`, `{type: 'Buffer', data: [7]}`, `new String('ab')`, `'zz', 'hex'`, `'abc', 'hex'`, `'a', 'nonsense'`, `5`, `null`, `undefined`, `{}`, `'YQ', 'base64'`, `'YQ===x', 'base64'`, `' Y\nQ=', 'base64'`, `'Y', 'base64'`),
		[]string{
			`Buffer.concat([Buffer.from('a'), Buffer.from('bc')]).toString()`, `Buffer.concat([Buffer.from('abc')], 2).toString()`, `Buffer.concat([], 2).length`, `Buffer.concat([Buffer.from('a')], 3)`,
			`Buffer.isBuffer(Buffer.from(''))`, `Buffer.isBuffer(new Uint8Array(1))`, `Buffer.alloc(3, 'ab').toString()`, `Buffer.alloc(2)`, `JSON.stringify(Buffer.from('hi'))`, `Buffer.compare(Buffer.from('a'), Buffer.from('b'))`,
			`Buffer.from('abc').equals(Buffer.from('abc'))`, `Buffer.from('abc').slice(1).toString()`, `Buffer.from('abc').subarray(0, -1).toString()`, `Buffer.from('abcabc').indexOf('ca')`, `Buffer.from('abc').includes('z')`,
			`Buffer.from('abc').indexOf(98)`, `Buffer.from('abc').toString('utf8', 1, 2)`, `(b => [b.write('xy', 1), b.toString()])(Buffer.from('abcd'))`, `(b => [Buffer.from('xyz').copy(b, 1, 1), b.toString()])(Buffer.from('abcd'))`,
			`Buffer.from([1, 2, 3, 4]).readUInt32BE(0)`, `Buffer.from([1, 2, 3, 4]).readUInt16LE(1)`, `Buffer.from([255]).readInt8(0)`, `(b => [b.writeUInt32BE(258, 0), [...b]])(Buffer.alloc(4))`, `(s => { s[0] = 65; return String(s) })(Buffer.from('abc').slice(0, 2))`,
			`(b => { b.slice(1)[0] = 65; return String(b) })(Buffer.from('abc'))`, `Buffer.from('ab').map(b => b + 1).toString()`, `'' + Buffer.from('ab')`, `Buffer.from('ab') instanceof Uint8Array`, `[...Buffer.from('ab').entries()]`,
			`Buffer.from('a:b').toString('base64')`, `require('buffer').Buffer === Buffer`, `require('node:buffer').Buffer.from('x').length`,
		},
	))
}

func TestCrypto(t *testing.T) {
	t.Parallel()
	messages := []string{`''`, `'abc'`, `'é'.repeat(40)`, `'x'.repeat(55)`, `'x'.repeat(56)`, `'x'.repeat(63)`, `'x'.repeat(64)`, `'x'.repeat(119)`, `'x'.repeat(1000)`}
	var all []string
	for _, name := range []string{"sha1", "sha256", "md5", "SHA256", "SHA-256"} {
		all = append(all, wrap(`crypto.createHash('`+name+`').update(%s).digest('hex')`, messages...)...)
		all = append(all, wrap(`crypto.createHmac('`+name+`', %s).update('message').digest('base64')`, `'key'`, `''`, `'k'.repeat(64)`, `'k'.repeat(65)`, `Buffer.from([1, 2])`, `new Uint8Array([1, 2])`)...)
	}
	compare(t, "const crypto = require('crypto'), web = globalThis.crypto;", join(all, []string{
		`crypto.createHash('sha256').update('a').update('b').digest('base64url')`, `[...crypto.createHash('sha1').update(Buffer.from('a')).digest()]`, `crypto.createHash('sha256').update('6869', 'hex').digest('hex')`,
		`crypto.createHash('nonsense')`, `(h => { h.digest(); return h.digest() })(crypto.createHash('md5'))`, `crypto.createHash('md5').update(5)`,
		`crypto.randomBytes(16).length`, `Buffer.isBuffer(crypto.randomBytes(1))`, `/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())`, `crypto.randomUUID() === web.randomUUID()`,
		`crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a'))`, `crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('b'))`, `crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('ab'))`,
		`web.getRandomValues(new Uint8Array(8)).length`, `web.getRandomValues(new Uint32Array(4)).some(n => n > 0)`, `web.getRandomValues(new Uint8Array(70000))`, `web.getRandomValues([1])`,
		`(n => n >= 3 && n < 9)(crypto.randomInt(3, 9))`, `crypto.webcrypto.subtle !== undefined`,
		`web.subtle.digest('SHA-256', new TextEncoder().encode('abc')).then(b => Buffer.from(b).toString('hex'))`, `web.subtle.digest({name: 'sha-1'}, new Uint8Array(3).buffer).then(b => Buffer.from(b).toString('hex'))`,
		`web.subtle.digest('MD5', new Uint8Array(1))`,
		`web.subtle.importKey('raw', Buffer.from('key'), {name: 'HMAC', hash: 'SHA-256'}, false, ['sign']).then(k => web.subtle.sign('HMAC', k, Buffer.from('m'))).then(b => Buffer.from(b).toString('hex'))`,
		`web.subtle.importKey('raw', Buffer.from('key'), {name: 'HMAC', hash: {name: 'SHA-1'}}, false, ['sign', 'verify']).then(async k => web.subtle.verify('HMAC', k, await web.subtle.sign('HMAC', k, Buffer.from('m')), Buffer.from('m')))`,
		`web.subtle.importKey('raw', Buffer.from('key'), {name: 'HMAC', hash: 'SHA-1'}, false, ['verify']).then(async k => web.subtle.verify('HMAC', k, new Uint8Array(20), Buffer.from('m')))`,
	}))
}

func TestModules(t *testing.T) {
	t.Parallel()
	compare(t, "const url = require('url'), qs = require('querystring'), util = require('util');", []string{
		`qs.parse('a=1&b=x%20y&a=2&c')`, `qs.stringify({a: 1, b: ['x y', 'é'], c: true, d: undefined, e: null})`, `qs.escape("a b'é")`, `qs.unescape('a%20b')`, `qs.parse('a:1;b:2', ';', ':')`, `qs.stringify({a: 1, b: 2}, ';', ':')`,
		`(u => [u.protocol, u.host, u.pathname, u.query, u.search, u.path])(url.parse('https://a.example:8080/b/c?d=e#f'))`, `({...url.parse('https://a.example/?a=1&a=2', true).query})`, `(u => [u.protocol, u.host, u.pathname, u.query])(url.parse('/b?c=d'))`,
		`url.resolve('https://a.example/b/c', '../d')`, `url.format(new URL('https://a.example/x'))`, `url.URL === URL`, `util.format('%s is %d and %j', 'a', 5, {b: 1}, 'more')`, `util.inspect({a: [1, 'x', {b: null}], c: undefined})`,
		`util.promisify((a, done) => done(null, a + 1))(4)`, `util.promisify((done) => done(new TypeError('x')))()`, `require('util').types.isDate(new Date())`,
	})
}

func TestConsoleFormats(t *testing.T) {
	t.Parallel()
	values := []string{
		`'text'`, `5`, `-0`, `10n`, `true`, `null`, `undefined`, `Symbol('s')`, `[]`, `[1, 'a', [2]]`, `{}`, `{a: 1, 'b-c': "it's", d: {e: {f: 1}}}`, `new Date(0)`, `/x/g`, `new Map([['a', {b: 1}]])`, `new Set([1])`, `() => 1`, `function named() {}`,
		`new (class Point { x = 1 })()`, `Object.create(null)`, `new Uint8Array([1, 2])`, `(o => { o.self = [1]; return o })({})`, `new Date(NaN)`, `'%s', 'x'`, `'%d%%', 5`, `'%s', {a: 1}`, `'%s', {a: {b: 1}}`, `'%O', 'q'`, `'%j', {a: 1}`, `'%i', '5.9'`, `'%f', '5.9'`, `'a', 'b', 5`,
		`'%s'`, `'%x', 1`, `'%o'.length`, `'100%', 5`, `[undefined, null]`, `[['nested', {a: 'q'}]]`, `{u: undefined, s: Symbol('x')}`,
		`{a: {b: {c: {d: 1}}}}`, `[[[[1]]]]`, `{a: {b: {c: new Map([[1, 2]])}}}`,
	}
	compare(t, "const util = require('util');", wrap(`util.format(%s)`, values...))
}

func TestOtherGlobals(t *testing.T) {
	t.Parallel()
	compare(t, "", []string{
		`structuredClone({a: [1, {b: new Date(0)}], m: [...structuredClone(new Map([['k', 1]]))], s: [...structuredClone(new Set([1]))]})`, `(o => { o.o = o; const c = structuredClone(o); return c.o === c && c !== o })({})`,
		`structuredClone(() => 1)`, `structuredClone(Symbol('x'))`, `structuredClone(new TypeError('x')).message`, `[...structuredClone(new Uint8Array([1, 2]))]`, `structuredClone(/x/g).flags`, `structuredClone(Promise.resolve())`,
		`new Promise(r => setTimeout(r, 1, 'x'))`, `new Promise(r => setImmediate(r, 'y'))`, `new Promise(r => process.nextTick(r, 'z'))`, `new Promise(r => queueMicrotask(() => r('m')))`,
		`new Promise(r => { const l = []; setTimeout(() => l.push('b'), 20); setTimeout(() => l.push('a'), 10); setTimeout(() => r(l), 30) })`,
		`new Promise(r => { let n = 0; const i = setInterval(() => { if (++n === 3) { clearInterval(i); r(n) } }, 2) })`, `new Promise(r => { const t = setTimeout(() => r('no'), 1); clearTimeout(t); setTimeout(() => r('yes'), 5) })`,
		`setTimeout('text')`, `clearTimeout(undefined)`, `typeof globalThis.global`, `typeof performance.now()`,
		`(c => { const l = []; c.signal.addEventListener('abort', () => l.push(c.signal.aborted)); c.abort(); return [l, c.signal.reason.name] })(new AbortController())`, `AbortSignal.abort().aborted`, `(c => { const l = []; const f = () => l.push('f'); c.signal.onabort = () => l.push('on'); c.signal.addEventListener('abort', f); c.signal.addEventListener('abort', () => l.push('g'), {once: true}); c.signal.removeEventListener('abort', f); c.abort(); c.abort(); return l })(new AbortController())`,
		`AbortSignal.abort('r').reason`,
		`AbortSignal.abort().throwIfAborted()`, `AbortSignal.any([new AbortController().signal, AbortSignal.abort('q')]).reason`, `fetch('https://a.example', {signal: AbortSignal.abort()})`,
		`new Promise(r => AbortSignal.timeout(3).addEventListener('abort', e => r(e.target.reason.name)))`,
	})
}
