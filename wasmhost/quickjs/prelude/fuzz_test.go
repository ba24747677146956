package prelude_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAnswer gives a connector any text as the body of an answer and as a URL. The operation ends with an answer or with an error that
// has a message. The URL that is sent is the normal form of the URL standard, whichever way the prelude finds it, and is its own
// normal form.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"https://a.example/b?c=d", "https://a.example/./b", "https://a.example/%2e%2E/x", "https://a.example:443/", "https://A.example", "https://a.example/..", "{}", "null", "\x00", "https://1.2/", "https://a.example?x^|{}[]"} {
		f.Add(seed)
	}
	s := newScript(f)
	err := s.load(`const axios = require('axios'), qs = require('querystring'), url = require('url');
exports.getUserInfo = async ({username}) => {
  let normal = null;
  try { normal = new URL(username).href; } catch (e) { if (e.message.indexOf('Invalid URL') !== 0) throw e; }
  if (normal !== null && new URL(normal).href !== normal) throw new Error('not stable: ' + normal + ' and ' + new URL(normal).href);
  const list = [...new URLSearchParams(username)];
  if (JSON.stringify([...new URLSearchParams(new URLSearchParams(username).toString())]) !== JSON.stringify(list)) throw new Error('query');
  if (Buffer.from(username).toString() !== username.toWellFormed()) throw new Error('utf8');
  if (Buffer.from(Buffer.from(username).toString('base64'), 'base64').toString() !== username.toWellFormed()) throw new Error('base64');
  qs.parse(username); Buffer.from(username, 'base64'); Buffer.from(username, 'hex'); new TextDecoder().decode(Buffer.from(username, 'latin1'));
  try { url.parse(username) } catch {}
  const response = await fetch('https://crm.example/');
  const text = await response.clone().text();
  let data;
  try { data = await response.json() } catch (e) { data = e.message }
  if (normal !== null) await fetch(username);
  const {data: same} = await axios.get('https://crm.example/');
  return {normal, text, data, same};
};`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > 2000 {
			return
		}
		s.t = t
		s.output.Reset()
		input, _ := json.Marshal(map[string]string{"username": text})
		body, _ := json.Marshal(map[string]any{"status": 200, "headers": map[string]string{}, "body": text})
		var sent []string
		got, err := s.run("getUserInfo", string(input), `{}`, func(r request) any {
			var q struct{ URL string }
			_ = json.Unmarshal([]byte(r.Document), &q)
			sent = append(sent, q.URL)
			return string(body)
		})
		if err != nil || got.Result != 0 {
			t.Fatalf("%q: got %+v, %v\n%s", text, got, err, &s.output)
		}
		var answer struct {
			Normal *string
			Text   string
		}
		if err := json.Unmarshal([]byte(got.Output), &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Text != text {
			t.Errorf("the body %q became %q", text, answer.Text)
		}
		if answer.Normal != nil && (len(sent) < 2 || sent[1] != *answer.Normal) {
			t.Errorf("%q: sent %q, want %q", text, strings.Join(sent, " "), *answer.Normal)
		}
	})
}
