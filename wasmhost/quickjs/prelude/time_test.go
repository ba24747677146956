package prelude_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// times are connectors whose fetches a timer or a signal ends. fetches are the requests that the host sees, with their timeouts.
var times = []struct {
	name, connector string
	answers         []string
	output          string
	fetches         []string // the path of each, and whether its time is limited
	slept           time.Duration
}{
	{"a timer between", `exports.getUserInfo = async () => { await new Promise(r => setTimeout(r, 500)); await fetch('https://a.example/1'); await new Promise(r => setTimeout(r, 300)); return {} }`,
		nil, `{}`, []string{"/1"}, 800 * time.Millisecond},
	{"a controller that is not needed", `exports.getUserInfo = async () => { const c = new AbortController(); const t = setTimeout(() => c.abort(), 5000); const r = await fetch('https://a.example/1', {signal: c.signal}); clearTimeout(t); return {s: r.status, a: c.signal.aborted} }`,
		nil, `{"s":200,"a":false}`, []string{"/1 limited"}, 0},
	{"a controller that ends it", `exports.getUserInfo = async () => { const c = new AbortController(); setTimeout(() => c.abort(), 5000); try { await fetch('https://a.example/1', {signal: c.signal}) } catch (e) { return {e: e.name} } }`,
		[]string{`{"error":{"kind":"timeout","message":"no answer in time"}}`}, `{"e":"AbortError"}`, []string{"/1 limited"}, 0},
	{"a signal with a time", `exports.getUserInfo = async () => { try { await fetch('https://a.example/1', {signal: AbortSignal.timeout(5000)}) } catch (e) { return {e: e.name} } }`,
		[]string{`{"error":{"kind":"timeout","message":"no answer in time"}}`}, `{"e":"TimeoutError"}`, []string{"/1 limited"}, 0},
	{"a timer that does not abort", `exports.getUserInfo = async () => { const c = new AbortController(); setTimeout(() => {}, 5000); try { await fetch('https://a.example/1', {signal: c.signal}) } catch (e) { return {e: e.kind} } }`,
		[]string{`{"error":{"kind":"timeout","message":"no answer in time"}}`}, `{"e":"timeout"}`, []string{"/1 limited"}, 0},
	{"an interval limits nothing", `exports.getUserInfo = async () => { const i = setInterval(() => {}, 5000); await fetch('https://a.example/1', {signal: new AbortController().signal}); clearInterval(i); return {} }`,
		nil, `{}`, []string{"/1"}, 0},
	{"one after the other", `exports.getUserInfo = async () => ({all: await Promise.all(['1', '2', '3'].map(async p => (await fetch('https://a.example/' + p)).status))})`,
		nil, `{"all":[200,200,200]}`, []string{"/1", "/2", "/3"}, 0},
	{"an abort after the first answer", `exports.getUserInfo = async () => { const c = new AbortController(); const one = fetch('https://a.example/1').then(() => c.abort()); const two = fetch('https://a.example/2', {signal: c.signal}).catch(e => e.name); await one; return {two: await two} }`,
		nil, `{"two":"AbortError"}`, []string{"/1"}, 0},
	{"an aborted request is not sent", `exports.getUserInfo = async () => { const c = new AbortController(); const one = fetch('https://a.example/1').then(() => c.abort()); fetch('https://a.example/2', {signal: c.signal}).catch(() => {}); await one; await fetch('https://a.example/3'); return {} }`,
		nil, `{}`, []string{"/1", "/3"}, 0},
	{"an abort before", `exports.getUserInfo = async () => { const c = new AbortController(); const f = fetch('https://a.example/1', {signal: c.signal}); c.abort('why'); try { await f } catch (e) { return {e} } }`,
		nil, `{"e":"why"}`, nil, 0},
	{"an axios that is aborted", `exports.getUserInfo = async () => { const c = new AbortController(); const f = require('axios').get('https://a.example/1', {signal: c.signal}); setTimeout(() => c.abort(), 10); try { await f } catch (e) { return {e: e.code} } }`,
		[]string{`{"error":{"kind":"timeout","message":"no answer in time"}}`}, `{"e":"ERR_CANCELED"}`, []string{"/1 limited"}, 0},
	{"a race", `exports.getUserInfo = async () => ({r: await Promise.race([fetch('https://a.example/1').then(() => 'fetch'), new Promise(r => setTimeout(r, 50, 'timer'))])})`,
		nil, `{"r":"fetch"}`, []string{"/1"}, 0},
	{"intervals and fetches take turns", `exports.getUserInfo = async () => { let n = 0; const i = setInterval(() => n++, 1); await fetch('https://a.example/1'); while (n < 3) await new Promise(r => setTimeout(r, 1)); clearInterval(i); return {} }`,
		nil, `{}`, []string{"/1"}, -1},
}

func TestTime(t *testing.T) {
	t.Parallel()
	for i := range 2 * len(times) {
		c := times[i/2]
		s := newScript(t)
		s.frozen = i%2 == 1
		if err := s.load(c.connector); err != nil {
			t.Fatal(err)
		}
		var fetches []string
		got, err := s.run("getUserInfo", `{}`, `{}`, func(r request) any {
			var q struct {
				URL       string
				TimeoutMs float64
			}
			if err := json.Unmarshal([]byte(r.Document), &q); err != nil {
				t.Fatal(err)
			}
			fetch := strings.TrimPrefix(q.URL, "https://a.example")
			if q.TimeoutMs > 0 {
				fetch += " limited"
			}
			fetches = append(fetches, fetch)
			if len(fetches) <= len(c.answers) {
				return c.answers[len(fetches)-1]
			}
			return `{"status":200,"headers":{},"body":""}`
		})
		if err != nil || got.Output != c.output {
			t.Errorf("%s: got %+v, %v, want %s\n%s", c.name, got, err, c.output, &s.output)
		}
		if strings.Join(fetches, ", ") != strings.Join(c.fetches, ", ") {
			t.Errorf("%s: got the requests %q, want %q", c.name, fetches, c.fetches)
		}
		if c.slept >= 0 && s.slept != c.slept {
			t.Errorf("%s: slept %v, want %v", c.name, s.slept, c.slept)
		}
	}
}

// Timers that became due during a fetch run in their order, and none that another one has cleared.
func TestTimersAfterAFetch(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	err := s.load(`exports.getUserInfo = async () => {
  const order = [];
  setTimeout(() => order.push('c'), 30);
  setTimeout(() => { order.push('b'); clearTimeout(late); }, 20);
  setTimeout(() => order.push('a'), 10);
  const late = setTimeout(() => order.push('late'), 40);
  await fetch('https://a.example/');
  await new Promise(r => setTimeout(r, 0));
  return {order};
}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.run("getUserInfo", `{}`, `{}`, func(request) any {
		s.slept += time.Second
		return `{"status":200,"headers":{},"body":""}`
	})
	if want := `{"order":["a","b","c"]}`; err != nil || got.Output != want {
		t.Errorf("got %+v, %v, want %s", got, err, want)
	}
}

// The random numbers of an operation are the stream of ChaCha20 under the seed.
func TestRandom(t *testing.T) {
	t.Parallel()
	const numbers = `Buffer.concat([require('crypto').randomBytes(100), globalThis.crypto.getRandomValues(Buffer.alloc(50))]).toString('hex')`
	want := inNode(t, "", []string{`require('crypto').createCipheriv('chacha20', Buffer.from('0123456789abcdef'.repeat(4), 'hex'), Buffer.alloc(16)).update(Buffer.alloc(150)).toString('hex')`})
	if got := inEngine(t, "", []string{numbers}); got[0] != want[0] {
		t.Errorf("got  %s\nwant %s", got[0], want[0])
	}
	got := inEngine(t, "", []string{`[Math.random() !== Math.random(), Array.from({length: 200}, Math.random).every(n => n >= 0 && n < 1), Array.from({length: 200}, Math.random).some(n => n > 0.9)]`})
	if got[0] != "[true,true,true]" {
		t.Errorf("Math.random: got %s", got[0])
	}
}
