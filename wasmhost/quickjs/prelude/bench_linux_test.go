package prelude_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

const userInfoConnector = `exports.getAuthType = () => 'oauth';
exports.getUserInfo = async ({authHeader, hostname}) => {
  const response = await fetch('https://api.example.com/v1/users/me', {headers: {Authorization: authHeader}});
  const {data} = await response.json();
  return {
    successful: true,
    platformUserInfo: {id: data.id + '-acme', name: data.name, platformAdditionalInfo: {companyId: data.company}},
    returnMessage: {messageType: 'success', message: 'Connected.', ttl: 1000},
  };
};`

const axiosConnector = `const axios = require('axios');
exports.getAuthType = () => 'oauth';
exports.getUserInfo = async ({authHeader, hostname}) => {
  const {data: {data}} = await axios.get('https://api.example.com/v1/users/me', {headers: {Authorization: authHeader}});
  return {
    successful: true,
    platformUserInfo: {id: data.id + '-acme', name: data.name, platformAdditionalInfo: {companyId: data.company}},
    returnMessage: {messageType: 'success', message: 'Connected.', ttl: 1000},
  };
};`

// userAnswer is an answer of a CRM with 2 KB of JSON.
func userAnswer() string {
	body, _ := json.Marshal(map[string]any{"data": map[string]any{"id": 42, "name": "Ada Lovelace", "company": 7, "notes": strings.Repeat("Analytical \"Engine\", ", 90)}})
	answer, _ := json.Marshal(map[string]any{"status": 200, "headers": map[string]string{"content-type": "application/json", "date": "Sun, 01 Mar 2026 12:00:00 GMT"}, "body": string(body)})
	return string(answer)
}

const userInfoInput = `{"authHeader":"Bearer abcdefghijklmnopqrstuvwxyz","hostname":"acme.example.com","platform":"acme"}`

// BenchmarkPrelude reports the least processor time of a few things: loading the prelude and a connector, and an operation with one
// fetch of 2 KB. The operation runs with the prelude, and with promises that the benchmark settles: the difference is what the prelude
// costs. The cost of driving the engine is in all of them.
func BenchmarkPrelude(b *testing.B) {
	answer := userAnswer()
	operation := func(source string) func() {
		s := newScript(b)
		if err := s.load(source); err != nil {
			b.Fatal(err)
		}
		env, seed := `{"ACME_CLIENT_ID":"id","ACME_CLIENT_SECRET":"secret"}`, strings.Repeat("0123456789abcdef", 4)
		return func() {
			last := s.steps([]any{"begin", "getUserInfo", userInfoInput, env, seed}, []any{"turn"}, []any{"settle", answer}, []any{"turn"})
			if !strings.HasPrefix(last, "result 0\n") {
				b.Fatal(last)
			}
		}
	}
	memory := uint32(0)
	load := func(prepare func(s *script)) func() {
		return func() {
			s := newEngine(b)
			prepare(s)
			memory = s.module.Memory().Size()
			_ = s.module.Close(b.Context())
		}
	}
	b.ReportAllocs()
	for b.Loop() {
	}
	pids := []int{os.Getpid()}
	calls := wasmtest.Cheapest(b, 2000, pids, operation(userInfoConnector), operation(axiosConnector), bareOperation(b, answer))
	loads := wasmtest.Cheapest(b, 30, pids, load(func(*script) {}), load(func(s *script) {
		s.evaluatePrelude()
		if err := s.load(userInfoConnector); err != nil {
			b.Fatal(err)
		}
	}))
	for i, name := range []string{"fetch", "axios", "bare"} {
		b.ReportMetric(float64(calls[i].Nanoseconds())/1e3, name+"-µs")
	}
	b.ReportMetric(float64((loads[1]-loads[0]).Nanoseconds())/1e6, "load-ms")
	b.ReportMetric(float64(memory)/1e6, "MB")
	b.ReportMetric(0, "ns/op")
}

// bareOperation returns an operation of the connector without the prelude.
func bareOperation(b *testing.B, answer string) func() {
	s := newEngine(b)
	driver := s.must(s.eval("bare", bareSource(), 0))
	for _, f := range []string{"begin", "settle", "turn"} {
		s.driver[f] = s.property(driver, f)
	}
	return func() {
		s.steps([]any{"begin", userInfoInput}, []any{"turn"}, []any{"settle", answer}, []any{"turn"})
	}
}

func bareSource() string {
	source := strings.NewReplacer("exports.getUserInfo", "const getUserInfo", "exports.getAuthType", "const getAuthType").Replace(userInfoConnector)
	return fmt.Sprintf(`(() => {
let settled, output;
const fetch = () => new Promise((resolve) => { settled = resolve; });
%s
return {
  begin(input) { getUserInfo(JSON.parse(input)).then((v) => { output = JSON.stringify(v); }); },
  settle(text) { const a = JSON.parse(text); settled({json: async () => JSON.parse(a.body)}); },
  turn: () => output,
};
})()`, source)
}

// steps calls functions of the driver, each with its arguments, and returns what the last one returns.
func (s *script) steps(all ...[]any) (last string) {
	for _, step := range all {
		var err error
		if last, err = s.drive(step[0].(string), step[1:]...); err != nil {
			s.t.Fatal(err)
		}
		s.jobs()
	}
	return last
}
