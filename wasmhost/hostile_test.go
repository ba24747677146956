package wasmhost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// hostile returns guests with the expected error. The getUserInfo of each guest misbehaves in one way.
func hostile() map[string]struct {
	body []byte
	more []fn
	want string
} {
	type h = struct {
		body []byte
		more []fn
		want string
	}
	big := int64(1) << 30
	return map[string]h{
		"trap":      {unreachable, nil, "trapped"},
		"latetrap":  {seq(answer(`{"successful":false}`, 0), drop, unreachable), nil, "trapped"},
		"loop":      {forever, nil, "ran past its deadline of 300ms"},
		"recursion": {invoke(fFirst + 2), nil, "recursed too deeply"},
		"exponential": {seq(num(0), []byte{0x28, 2, 0}, num(60), []byte{0x4e, 0x04, 0x40}, num(0), []byte{0x0f, 0x0b}, // return at depth 60
			counted(1), invoke(fFirst+2), drop, invoke(fFirst+2), drop, counted(-1), num(0)), nil, "ran past its deadline"},
		"fill":         {seq([]byte{0x03, 0x40}, num(0), num(7), num(131072), []byte{0xfc, 0x0b, 0, 0x0c, 0, 0x0b, 0}), nil, "ran past its deadline"},
		"logs":         {seq([]byte{0x03, 0x40}, invoke(fLog, 1, 0, 10), []byte{0x0c, 0, 0x0b, 0}), nil, "ran past its deadline"},
		"outputs":      {seq([]byte{0x03, 0x40}, invoke(fOutput, 0, 100_000), []byte{0x0c, 0, 0x0b, 0}), nil, "ran past its deadline"},
		"grow":         {seq([]byte{0x03, 0x40}, num(16), []byte{0x40, 0, 0x1a, 0x0c, 0, 0x0b, 0}), nil, "ran past its deadline"},
		"huge":         {seq(invoke(fOutput, 0, big), num(0)), nil, "wrote more output than the limit"},
		"silent":       {num(0), nil, "returned 0 without an output"},
		"silenterror":  {num(1), nil, "returned 1 without an output"},
		"odd":          {answer("{}", 7), nil, "returned 7"},
		"negative":     {answer("{}", -1), nil, "returned -1"},
		"outside":      {seq(invoke(fOutput, 131072, 10), num(0)), nil, "referred to memory out of bounds"},
		"minus":        {seq(invoke(fOutput, -4, 8), num(0)), nil, "referred to memory out of bounds"},
		"minuslength":  {seq(invoke(fOutput, 0, -1), num(0)), nil, "wrote more output than the limit"},
		"inputoutside": {seq(invoke(fInput, 131060, 131072), drop, num(0)), nil, "referred to memory out of bounds"},
		"logoutside":   {seq(invoke(fLog, 1, 131072, 10), num(0)), nil, "referred to memory out of bounds"},
		"logendless":   {seq(invoke(fLog, 1, 0, -1), num(0)), nil, "referred to memory out of bounds"},
		"fetchoutside": {seq(invoke(fFetch, 131072, 10), drop, num(0)), nil, "referred to memory out of bounds"},
		"confoutside":  {seq(invoke(fConfig, 0, -1), drop, num(0)), nil, "referred to memory out of bounds"},
		"randomlots":   {seq(invoke(fRandom, 0, 65537), num(0)), nil, "64 KB of random"},
		"nojson":       {answer("nonsense", 0), nil, "it is not a JSON object"},
		"nulljson":     {answer("null", 0), nil, "it is not a JSON object"},
		"listjson":     {answer("[]", 0), nil, "it is not a JSON object"},
		"emptyjson":    {seq(invoke(fOutput, 0, 0), num(0)), nil, "it is not a JSON object"},
		"nosuccess":    {answer("{}", 0), nil, "successful is missing"},
		"noid":         {answer(`{"successful":true,"platformUserInfo":{"name":"x"}}`, 0), nil, "platformUserInfo.id is missing"},
		"nouser":       {answer(`{"successful":true}`, 0), nil, "platformUserInfo.id is missing"},
		"objectid":     {answer(`{"successful":true,"platformUserInfo":{"id":{}}}`, 0), nil, "id has the wrong type"},
		"badinfo":      {answer(`{"successful":true,"platformUserInfo":{"id":1,"platformAdditionalInfo":[]}}`, 0), nil, "platformAdditionalInfo is not an object"},
		"badoffset":    {answer(`{"successful":true,"platformUserInfo":{"id":1,"timezoneOffset":{}}}`, 0), nil, "timezoneOffset is not a number or string"},
		"deep":         {seq(text(1024, `{"successful":`+strings.Repeat("[", 12_000)), invoke(fOutput, 1024, 12_014), num(0)), nil, "it is not a JSON object"},
		"nomessage":    {answer(`{"text":"x"}`, 1), nil, `an error without a "message"`},
		"storm":        {seq([]byte{0x03, 0x40}, invoke(fFetch, 0, 0), drop, []byte{0x0c, 0, 0x0b, 0}), nil, "made more fetches than the limit"},
		"randomget":    {seq(large(0), endless(invoke(fRandomGet, 0, 64<<20), drop)), nil, "ran past its deadline"},
		"vectors":      {seq(large(1), endless(invoke(fFdWrite, 1, 0, 100_000, 0), drop)), nil, "ran past its deadline"},
		"manyvectors":  {seq(large(1), endless(invoke(fFdWrite, 1, 0, 1024, 0), drop)), nil, "ran past its deadline"},
		"poll":         {seq(put64(8192+24, 3600e9), invoke(fPollOneoff, 8192, 4096, 1, 2048), drop, num(0)), nil, "ran past its deadline"},
		"polls":        {endless(invoke(fPollOneoff, 0, 0, -1<<31, 0), drop), nil, "ran past its deadline"},
		"yields":       {endless(invoke(fSchedYield), drop), nil, "ran past its deadline"},
		"clock":        {endless(num(1), long(0), invoke(fClockTimeGet, 0), drop), nil, "ran past its deadline"},
		"names":        {seq(large('a'), endless(invoke(fConfig, 0, 64<<20), drop)), nil, "ran past its deadline"},
		"documents":    {seq(large(' '), endless(invoke(fFetch, 0, 64<<20), drop)), nil, "made more fetches than the limit"},
		"leak":         {answer(`{"message":"no: top-secret-token"}`, 1), nil, "no: [secret]"},
	}
}

// counted adds n to the number at address 0.
func counted(n int64) []byte {
	return seq(num(0), num(0), []byte{0x28, 2, 0}, num(n), add, []byte{0x36, 2, 0})
}

// inTime repeats a call until it meets the deadline, which a busy machine can miss.
func inTime[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if !errors.Is(err, context.DeadlineExceeded) {
			return v, err
		}
	}
}

// A hostile guest gets an error, and does not affect the next call or another connector.
func TestHostileGuests(t *testing.T) {
	t.Parallel()
	files := map[string]string{"good.wasm": oauth(answer(`{"successful":true,"platformUserInfo":{"id":7}}`, 0)).String(), "good.json": manifestOf("good", "")}
	for name, g := range hostile() {
		files[name+".wasm"] = oauth(g.body, g.more...).String()
		files[name+".json"] = manifestOf(name, "")
	}
	atLeisure := load(t, newHost(t, wasmhost.Config{Deadline: time.Minute}), files)
	inHaste := load(t, newHost(t, wasmhost.Config{Deadline: short}), files)
	for name, g := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := atLeisure
			if strings.HasPrefix(g.want, "ran past") {
				f = inHaste
			}
			c, good := mustConnector(t, f, crmgate.Platform(name)), mustConnector(t, f, "good")
			_, err := c.UserInfo(t.Context(), bearer(""))
			wantError(t, err, g.want)
			var ce *crmgate.ConnectorError
			if errors.As(err, &ce) && (string(ce.Platform) != name || ce.Operation != "getUserInfo" || ce.Message == "") {
				t.Errorf("the error does not name the platform and operation: %+v", ce)
			}
			if strings.Contains(fmt.Sprint(err), "top-secret-token") {
				t.Errorf("the error contains a secret: %v", err)
			}
			if i, err := inTime(func() (connector.OAuthInfo, error) {
				return c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{})
			}); err != nil || i.ClientID != "fine" {
				t.Errorf("the next call: %+v, %v", i, err)
			}
			if u, err := inTime(func() (connector.UserInfo, error) {
				return good.UserInfo(t.Context(), bearer(""))
			}); err != nil || u.ID != "7" {
				t.Errorf("another connector: %+v, %v", u, err)
			}
		})
	}
}

// The last output counts, and optional members and exports may be missing.
func TestUnusualAnswersAreAccepted(t *testing.T) {
	t.Parallel()
	f := load(t, newHost(t, wasmhost.Config{}), map[string]string{
		"x.wasm": oauth(seq(answer("nonsense", 0), drop, answer(`{"successful":true,"platformUserInfo":{"id":"a"},"new":1}`, 0)),
			export("authValidation", num(2)), export("createCallLog", unreachable)).String(),
		"x.json": manifestOf("x", ""),
	})
	c := mustConnector(t, f, "x")
	if u, err := c.UserInfo(t.Context(), bearer("")); err != nil || u.ID != "a" {
		t.Errorf("two outputs: %+v, %v", u, err)
	}
	if _, err := c.AuthValidation(t.Context(), connector.UserRequest{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("result 2: %v", err)
	}
	if _, err := c.UnAuthorize(t.Context(), connector.UserRequest{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no export: %v", err)
	}
	if !c.Implements("createCallLog") || !c.Implements("authValidation") || c.Implements("unAuthorize") {
		t.Error("Implements does not follow the exports")
	}
}

// A guest can log a hundred lines per call, and its secrets are redacted.
func TestLogs(t *testing.T) {
	t.Parallel()
	var log wasmtest.LogBuffer
	line := "token top-secret-token config x-setting"
	flood := seq(text(1024, line), []byte{0x03, 0x40}, invoke(fLog, 9, 1024, int64(len(line))),
		// The counter is at address 0, and goes up to 10,000.
		num(0), num(0), []byte{0x28, 2, 0}, num(1), add, []byte{0x36, 2, 0},
		num(0), []byte{0x28, 2, 0}, num(10_000), []byte{0x48, 0x0d, 0, 0x0b},
		answer(`{"successful":false}`, 0))
	name := "X_SETTING"
	withConfig := seq(text(4096, name), invoke(fConfig, 4096, int64(len(name))), drop, flood)
	f := load(t, newHost(t, wasmhost.Config{
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
		Setting: func(string) (crmgate.Secret, bool) { return crmgate.NewSecret("x-setting"), true },
	}), map[string]string{"x.wasm": oauth(withConfig).String(), "x.json": manifestOf("x", `"config": ["X_SETTING"]`)})
	if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil {
		t.Fatal(err)
	}
	said := log.String()
	if n := strings.Count(said, "\n"); n != 100 || !strings.Contains(said, "logs too much") {
		t.Errorf("%d lines were logged, want 100, and the last one says that lines are missing", n)
	}
	if strings.Contains(said, "top-secret-token") || strings.Contains(said, "x-setting") || !strings.Contains(said, "token [secret] config [secret]") {
		t.Errorf("secrets in the log: %.300s", said)
	}
}

// A line is truncated after redaction, so that no part of a secret at its end is logged.
func TestLongLines(t *testing.T) {
	t.Parallel()
	const at, length = 4096, 9000
	line := seq(num(at), num('a'), num(length), []byte{0xfc, 11, 0}, text(at+8192-12, "top-secret-token"), text(at+length-1, "\n"))
	for name, say := range map[string][]byte{
		"logged":  invoke(fLog, 1, at, length),
		"printed": seq(put32(0, at), put32(4, length), invoke(fFdWrite, 1, 0, 1, 64), drop),
		"printed in two": seq(put32(0, at), put32(4, 8192-4), invoke(fFdWrite, 1, 0, 1, 64), drop,
			put32(0, at+8192-4), put32(4, length-8192+4), invoke(fFdWrite, 1, 0, 1, 64), drop),
	} {
		var log wasmtest.LogBuffer
		h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		f := load(t, h, map[string]string{"x.wasm": oauth(seq(line, say, num(2))).String(), "x.json": manifestOf("x", "")})
		_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
		if said := log.String(); !strings.Contains(said, "aaaa") || strings.Contains(said, "top-sec") {
			t.Errorf("%s: …%s", name, said[max(0, len(said)-80):])
		}
	}
}

// A guest gets a configuration value only if it is declared and set. An empty value is not the same as a missing one.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	// The id in the answer is the result of config plus 50.
	ask := func(name string) []byte {
		digits := func(at, div int64) []byte { // memory[at] = '0' + (n + 50) / div % 10
			return seq(num(at), num(0), []byte{0x28, 2, 0}, num(50), add, num(div), []byte{0x6d}, num(10), []byte{0x6f}, num('0'), add, []byte{0x3a, 0, 0})
		}
		const shape = `{"successful":true,"platformUserInfo":{"id":"__"}}`
		at := int64(1024 + strings.Index(shape, "__"))
		return seq(text(4096, name), num(0), invoke(fConfig, 4096, int64(len(name))), []byte{0x36, 2, 0},
			text(1024, shape), digits(at, 10), digits(at+1, 1), invoke(fOutput, 1024, int64(len(shape))), num(0))
	}
	for name, want := range map[string]crmgate.UserID{
		"X_FULL": "57", "X_EMPTY": "50", "X_UNSET": "49", "X_UNDECLARED": "49", "PATH": "49", "CRMGATE_SESSION_KEY": "49",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := load(t, newHost(t, wasmhost.Config{Setting: func(name string) (crmgate.Secret, bool) {
				v, ok := map[string]string{"X_FULL": "7 bytes", "X_EMPTY": "", "X_UNDECLARED": "x", "PATH": "x"}[name]
				return crmgate.NewSecret(v), ok
			}}), map[string]string{"x.wasm": oauth(ask(name)).String(), "x.json": manifestOf("x", `"config": ["X_FULL", "X_EMPTY", "X_UNSET"]`)})
			if u, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil || u.ID != want {
				t.Errorf("config returned %s - 50, want %s - 50 (%v)", u.ID, want, err)
			}
		})
	}
}

// A guest gets an error document for a request that is not allowed; it does not trap.
func TestRejectedRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ request, want string }{
		"not JSON":          {`GET /`, `"kind":"request"`},
		"no URL":            {`{}`, "not an absolute URL"},
		"relative":          {`{"url":"/x"}`, "not an absolute URL"},
		"host header":       {`{"url":"https://ok.example/","headers":{"hOsT":"evil.example"}}`, "must not set the header Host"},
		"length header":     {`{"url":"https://ok.example/","headers":{"content-length":"1"}}`, "must not set the header"},
		"transfer encoding": {`{"url":"https://ok.example/","headers":{"Transfer-Encoding":"chunked"}}`, "must not set the header"},
		"upgrade":           {`{"url":"https://ok.example/","headers":{"upgrade":"websocket"}}`, `"kind":"request","message":"a connector must not set the header Upgrade`},
		"TE":                {`{"url":"https://ok.example/","headers":{"TE":"trailers"}}`, `"kind":"request","message":"a connector must not set the header Te`},
		"expect":            {`{"url":"https://ok.example/","headers":{"Expect":"100-continue"}}`, `"kind":"request","message":"a connector must not set the header Expect`},
		"proxy's header":    {`{"url":"https://ok.example/","headers":{"proxy-authorization":"Basic eA=="}}`, `"kind":"request","message":"a connector must not set the header Proxy-Authorization`},
		"many headers":      {`{"url":"https://ok.example/","headers":{` + manyHeaders(101) + `}}`, `"kind":"request","message":"the request has 101 headers: expected at most 100"`},
		"a tunnel":          {`{"method":"connect","url":"https://ok.example/"}`, `"kind":"request","message":"the method CONNECT is for proxies"`},
		"header injection":  {`{"url":"https://ok.example/","headers":{"X":"a\r\nHost: evil"}}`, "line break"},
		"name injection":    {`{"url":"https://ok.example/","headers":{"X: a\r\nY":"b"}}`, "line break"},
		"method injection":  {`{"method":"GET / HTTP/1.1\r\nX: y\r\n","url":"https://ok.example/"}`, "malformed"},
		"URL injection":     {`{"url":"https://ok.example/\r\nX: y"}`, "not an absolute URL"},
		"too long":          {strings.Repeat(" ", 1999) + "{}", "the request has more than 2000 bytes"},
		"two bodies":        {`{"url":"https://ok.example/","body":"a","bodyBase64":"YQ=="}`, "both"},
		"other host":        {`{"url":"https://evil.example/"}`, `"kind":"refused"`},
		"suffix host":       {`{"url":"https://ok.example.evil.example/"}`, `"kind":"refused"`},
		"user info":         {`{"url":"https://ok.example@evil.example/"}`, `"kind":"refused"`},
		"file":              {`{"url":"file://ok.example/etc/passwd"}`, `"kind":"refused"`},
		"http":              {`{"url":"http://ok.example/"}`, `"kind":"refused"`},
		"other port":        {`{"url":"https://ok.example:8443/"}`, `"kind":"refused"`},
		"person's host":     {`{"url":"https://mine.example/"}`, `"kind":"connect"`}, // allowed, but the host does not answer
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log wasmtest.LogBuffer
			h := newHost(t, wasmhost.Config{MaxOutput: 2000, Logger: slog.New(slog.NewTextHandler(&log, nil)), Fetch: policyOnly})
			f := load(t, h, map[string]string{
				"x.wasm": oauth(fetching(c.request)).String(), "x.json": manifestOf("x", `"hosts": ["ok.example", "{hostname}"]`),
			})
			if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("mine.example")); !errors.Is(err, errors.ErrUnsupported) {
				t.Fatalf("fetch did not return: %v", err)
			}
			if said := strings.ReplaceAll(log.String(), `\"`, `"`); !strings.Contains(said, c.want) {
				t.Errorf("got %s, want %s", said, c.want)
			}
		})
	}
}

// The host rejects large headers before it sends them.
func TestLargeHeadersAreRejected(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]string{
		"value":    `"X":"` + strings.Repeat("x", 256<<10) + `"`,
		"name":     `"` + strings.Repeat("x", 256<<10) + `":""`,
		"together": `"A":"` + strings.Repeat("x", 40<<10) + `","B":"` + strings.Repeat("x", 40<<10) + `"`,
	} {
		_, err := wasmhost.ParseFetchRequest(t, []byte(`{"url":"https://ok.example/","headers":{`+headers+`}}`))
		var fe *crmgate.FetchError
		if !errors.As(err, &fe) || fe.Kind != crmgate.FetchRequest || !strings.Contains(fe.Message, "the headers have more than 65536 bytes") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

// Headers that a connector adds to a token request are checked in the same way.
func TestOverridingHeadersAreChecked(t *testing.T) {
	t.Parallel()
	m := oauth(num(2), export("getOverridingOAuthOption", answer(`{"headers":{"X-A":"b","upgrade":"h2c"}}`, 0)))
	f := load(t, newHost(t, wasmhost.Config{}), map[string]string{"x.wasm": m.String(), "x.json": manifestOf("x", "")})
	_, err := mustConnector(t, f, "x").OverridingOAuthOption(t.Context(), connector.OAuthOptionRequest{})
	wantError(t, err, "must not set the header Upgrade")
}

// manyHeaders returns n members of a headers object.
func manyHeaders(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"X-%d":""`, i)
	}
	return strings.Join(all, ",")
}

// policyOnly is a Fetch that checks the egress policy, and then fails to connect.
func policyOnly(r *http.Request, e crmgate.Egress) (*http.Response, error) {
	if err := e.Hosts.Allow(r.URL, e.Hostname); err != nil {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: err.Error()}
	}
	return nil, &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "connection refused"}
}
