package wasmhost_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// relayFiles returns the files of the relay guest under a name.
func relayFiles(t testing.TB, name, more string) map[string]string {
	return map[string]string{name + ".wasm": string(guest(t, "relay")), name + ".json": manifestOf(name, more)}
}

const relayManifest = `"hosts": ["relay.example"], "reveal": ["refreshToken"]`

func answering(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}
}

// A guest gets only the secrets that its manifest reveals.
func TestUnrevealedSecrets(t *testing.T) {
	t.Parallel()
	var seen sync.Map
	h := newHost(t, wasmhost.Config{Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		seen.Store(r.URL.Path, string(b))
		return answering(200, `{"accessToken":"new"}`), nil
	}})
	c := mustConnector(t, load(t, h, relayFiles(t, "shy", relayManifest)), "shy")
	app := connector.OAuthInfo{Application: crmgate.Application{ClientID: "id", ClientSecret: crmgate.NewSecret("client-secret")}, FailMessage: "not for others"}
	a, err := c.RefreshAccessToken(t.Context(), connector.RefreshRequest{OAuth: app, UserRequest: connector.UserRequest{RefreshToken: crmgate.NewSecret("refresh-token")}})
	if err != nil || a.AccessToken.Reveal() != "new" {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := c.OverridingOAuthOption(t.Context(), connector.OAuthOptionRequest{Code: crmgate.NewSecret("code"), OAuth: app}); err != nil {
		t.Fatal(err)
	}
	seen.Range(func(path, doc any) bool {
		if strings.Contains(doc.(string), "client-secret") || strings.Contains(doc.(string), "failMessage") {
			t.Errorf("%s: the guest was given %s", path, doc)
		}
		return true
	})
	if doc, _ := seen.Load("/checkAndRefreshAccessToken"); !strings.Contains(fmt.Sprint(doc), `"refreshToken":"refresh-token"`) {
		t.Errorf("the guest did not get the refresh token: %v", doc)
	}
}

// A guest reaches a real server through a real client, and only hosts that its manifest declares.
func TestFetchOverTheWire(t *testing.T) {
	t.Parallel()
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer top-secret-token" {
			w.WriteHeader(401)
			return
		}
		_, _ = io.WriteString(w, `{"id":12,"name":"Ada","timezone":{"name":"Europe/London","offset":1}}`)
	}))
	defer crm.Close()
	client := crm.Client()
	fetch := func(r *http.Request, e crmgate.Egress) (*http.Response, error) {
		if err := e.Hosts.Allow(r.URL, e.Hostname); err != nil {
			return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: err.Error()}
		}
		if e.UserAgent != "Practice/1" {
			t.Errorf("the User-Agent is %q, not the manifest's", e.UserAgent)
		}
		return client.Do(r)
	}
	b, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "practice", "practice.json"))
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte(`"hosts"`), []byte(`"userAgent": "Practice/1", "hosts"`), 1)
	address := strings.TrimPrefix(crm.URL, "http://")
	for _, at := range []string{address, "127.0.0.1:1"} { // the host in the manifest
		h := newHost(t, wasmhost.Config{Fetch: fetch, Setting: func(name string) (crmgate.Secret, bool) {
			return crmgate.NewSecret(crm.URL), name == "PRACTICE_URL"
		}})
		f := load(t, h, map[string]string{
			"practice.wasm": string(guest(t, "practice")), "practice.json": string(bytes.ReplaceAll(b, []byte("127.0.0.1:8081"), []byte(at))),
		})
		u, err := mustConnector(t, f, "practice").UserInfo(t.Context(), bearer(""))
		if at != address {
			wantError(t, err, "not on a host that the manifest declares")
			continue
		}
		if err != nil || !u.Successful || u.ID != "12-practice" || u.Name != "Ada" || string(u.TimezoneOffset) != "1" {
			t.Errorf("%+v, %v", u, err)
		}
		if u, err := mustConnector(t, f, "practice").UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer other")}); err != nil || u.Successful || u.Message == nil {
			t.Errorf("a wrong token: %+v, %v", u, err)
		}
	}
}

// The host reports that the CRM rejected a credential, if the rejected request contained it.
func TestRejectedCredentials(t *testing.T) {
	t.Parallel()
	status, header := 401, ""
	h := newHost(t, wasmhost.Config{Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		header = r.Header.Get("Authorization")
		return answering(status, `{"id":"12"}`), nil
	}, Setting: func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false }})
	b, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "practice", "practice.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := mustConnector(t, load(t, h, map[string]string{"practice.wasm": string(guest(t, "practice")), "practice.json": string(b)}), "practice")
	for _, step := range []struct {
		status int
		header string
		want   int
	}{{401, "Bearer top-secret-token", 1}, {401, "top-secret-token", 1}, {200, "Bearer top-secret-token", 0}, {403, "Bearer top-secret-token", 0}, {401, "", 0}} {
		status = step.status
		told := 0
		_, err := c.AuthValidation(t.Context(), connector.UserRequest{AuthHeader: crmgate.NewSecret(step.header), Rejected: func() { told++ }})
		if told != step.want || header != step.header {
			t.Errorf("status %d to %q: reported %d times, want %d (%v)", step.status, header, told, step.want, err)
		}
	}
}

// The answer of a refresh is reported before it is decoded: it may contain a rotated token even if it is invalid.
func TestRefreshIsReportedBeforeDecoding(t *testing.T) {
	t.Parallel()
	var body string
	h := newHost(t, wasmhost.Config{Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) { return answering(200, body), nil }})
	c := mustConnector(t, load(t, h, relayFiles(t, "told", relayManifest)), "told")
	for _, step := range []struct {
		body, wrong string
		seconds     int64
	}{
		{`{"accessToken":"new","expiresIn":3600.0}`, "", 3600}, {`{"accessToken":"new","expiresIn":"3600"}`, "", 3600}, {`{"accessToken":"new","expiresIn":""}`, "", 0},
		{`{"accessToken":"new","expiresIn":"soon"}`, "expiresIn has the wrong type", 0}, {`{"accessToken":"new","expiresIn":"NaN"}`, "expiresIn has the wrong type", 0},
		{`{"access_token":"new"}`, "accessToken is missing", 0},
	} {
		body = step.body
		var told crmgate.Secret
		a, err := c.RefreshAccessToken(t.Context(), connector.RefreshRequest{Answered: func(document crmgate.Secret) { told = document }})
		if told.Reveal() != body {
			t.Errorf("%s: reported %q", body, told.Reveal())
		}
		if step.wrong != "" {
			wantError(t, err, step.wrong)
		} else if err != nil || a.AccessToken.Reveal() != "new" || a.ExpiresIn != step.seconds {
			t.Errorf("%s: %+v, %v", body, a, err)
		}
	}
}

// Sixty-four concurrent callers on four instances each get their own answer.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{MaxRunning: 4, Deadline: time.Minute, Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		b, _ := io.ReadAll(r.Body)
		_, id, _ := strings.Cut(read(b).str("authHeader"), " ")
		return answering(200, `{"successful":true,"platformUserInfo":{"id":"`+id+`"}}`), nil
	}})
	c := mustConnector(t, load(t, h, relayFiles(t, "many", relayManifest)), "many")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 10 {
				id := fmt.Sprintf("person-%d-%d", i, j)
				u, err := c.UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer " + id)})
				if err != nil || string(u.ID) != id {
					t.Errorf("%s got %q, %v", id, u.ID, err)
				}
			}
		})
	}
	wg.Wait()
}

// A trap does not affect concurrent calls of the same connector.
func TestConcurrentTraps(t *testing.T) {
	t.Parallel()
	// getUserInfo traps if the request is longer than 200 bytes.
	body := seq(invoke(fInput, 0, 0), num(200), []byte{0x4a, 0x04, 0x40, 0x00, 0x0b}, answer(`{"successful":true,"platformUserInfo":{"id":"a"}}`, 0))
	f := load(t, newHost(t, wasmhost.Config{MaxRunning: 3, Deadline: time.Minute}), map[string]string{"x.wasm": oauth(body).String(), "x.json": manifestOf("x", "")})
	c := mustConnector(t, f, "x")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for range 10 {
				hostname := ""
				if i%2 == 0 {
					hostname = strings.Repeat("x", 200)
				}
				u, err := c.UserInfo(t.Context(), bearer(hostname))
				if hostname != "" {
					wantError(t, err, "trapped")
				} else if err != nil || u.ID != "a" {
					t.Errorf("%+v, %v", u, err)
				}
			}
		})
	}
	wg.Wait()
}

// One client cannot hold all instances, and neither can one host that a person chose.
func TestInstancesHaveShares(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		source     string // of the slow calls; empty for one each
		slow, host string // of the slow calls, and of the call that must not wait
	}{"of a client": {"203.0.113.7", "", ""}, "of a host": {"", "slow.example", "other.example"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leave := make(chan struct{})
			entered := make(chan struct{}, 100)
			h := newHost(t, wasmhost.Config{MaxCalls: 8, Deadline: time.Minute, Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
				b, _ := io.ReadAll(r.Body)
				if read(b).str("authHeader") == "Bearer slow" {
					entered <- struct{}{}
					<-leave
				}
				return answering(200, `{"successful":true,"platformUserInfo":{"id":"a"}}`), nil
			}})
			c := mustConnector(t, load(t, h, relayFiles(t, "shared", relayManifest)), "shared")
			call := func(address, token, hostname string) error {
				ctx := crmgate.WithTrace(t.Context(), &crmgate.Trace{Source: crmgate.SourceAt(netip.MustParseAddr(address))})
				_, err := c.UserInfo(ctx, connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer " + token), Hostname: hostname})
				return err
			}
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					if err := call(cmp.Or(tt.source, fmt.Sprint("203.0.113.", i)), "slow", tt.slow); err != nil {
						t.Error(err)
					}
				})
			}
			for range 4 {
				<-entered
			}
			if err := call("198.51.100.1", "quick", tt.host); err != nil {
				t.Error(err)
			}
			if n := len(entered); n != 0 {
				t.Errorf("%d slow calls run, want 4 of 8 instances", n+4)
			}
			close(leave)
			wg.Wait()
		})
	}
}

// A caller's context ends waiting for an instance, and a running call.
func TestContextsAreHonoured(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	h := newHost(t, wasmhost.Config{MaxCalls: 1, Deadline: time.Minute, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		entered <- struct{}{}
		<-leave
		return answering(200, `{"successful":false}`), nil
	}})
	c := mustConnector(t, load(t, h, relayFiles(t, "slow", relayManifest)), "slow")
	done := make(chan error)
	go func() {
		_, err := c.UserInfo(t.Context(), bearer(""))
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := c.UserInfo(ctx, bearer(""))
	wantError(t, err, "slow")
	if !errors.Is(err, limit.ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for an instance: %v", err)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Errorf("the call that held the instance: %v", err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	h = newHost(t, wasmhost.Config{Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) {
		cancel() // the guest is running
		return crmgate.Secret{}, false
	}})
	f := load(t, h, map[string]string{"x.wasm": oauth(seq(announce, forever)).String(), "x.json": manifestOf("x", announced)})
	_, err = mustConnector(t, f, "x").UserInfo(ctx, bearer(""))
	wantError(t, err, "was cancelled")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was cancelled: %v", err)
	}
}

// The CRM's answers are limited, and encoded as the ABI says.
func TestAnswersOfTheCRM(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		resp *http.Response
		err  error
		want string
	}{
		"text":      {&http.Response{StatusCode: 201, Header: http.Header{"X-Two": {"a", "b"}}, Body: io.NopCloser(strings.NewReader("ü"))}, nil, `{"status":201,"headers":{"x-two":"a, b"},"body":"ü"}`},
		"bytes":     {&http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("\xff\x00"))}, nil, `{"status":200,"headers":{},"bodyBase64":"/wA="}`},
		"empty":     {answering(204, ""), nil, `{"status":204,"headers":{},"body":""}`},
		"too large": {answering(200, strings.Repeat("x", 1001)), nil, `{"error":{"kind":"size","message":"the answer is larger than 1000 bytes"}}`},
		"broken":    {&http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader("x"), brokenReader{}))}, nil, `{"error":{"kind":"connect","message":"the request failed"}}`},
		"timeout":   {nil, &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "it took too long", Err: errors.New("10.1.2.3")}, `{"error":{"kind":"timeout","message":"it took too long"}}`},
		"other":     {nil, errors.New("dial tcp 10.1.2.3"), `{"error":{"kind":"connect","message":"the request failed"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log wasmtest.LogBuffer
			h := newHost(t, wasmhost.Config{MaxResponse: 1000, Logger: slog.New(slog.NewJSONHandler(&log, nil)), Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) { return c.resp, c.err }})
			f := load(t, h, map[string]string{"x.wasm": oauth(fetching(`{"url":"https://ok.example/"}`)).String(), "x.json": manifestOf("x", "")})
			if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
				t.Fatal(err)
			}
			if last := log.String()[strings.Index(log.String(), "\n")+1:]; read([]byte(last)).str("text") != c.want {
				t.Errorf("the guest got %s, want %s", read([]byte(last)).str("text"), c.want)
			}
		})
	}
}

// The log says why a connector could not reach its CRM, even if the connector does not. It does not quote the cause, which can
// contain an address.
func TestFailedConnectionsAreLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, message, want string }{
		{crmgate.FetchConnect, "could not connect to ok.example: x509: it has expired", `msg="a connector could not reach its CRM" platform=x operation=getUserInfo reason="could not connect to ok.example: x509: it has expired"`},
		{crmgate.FetchRefused, "ok.example has an address that is not allowed", `msg="a request of a connector was refused" platform=x operation=getUserInfo reason="ok.example has an address that is not allowed"`},
	} {
		var log wasmtest.LogBuffer
		h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
			return nil, &crmgate.FetchError{Kind: c.kind, Message: c.message, Err: errors.New("10.1.2.3")}
		}})
		const request = `{"url":"https://ok.example/"}`
		silent := seq(text(1024, request), invoke(fFetch, 1024, int64(len(request))), drop, answer(`{"message":"No."}`, 1))
		f := load(t, h, map[string]string{"x.wasm": oauth(silent).String(), "x.json": manifestOf("x", "")})
		_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
		wantError(t, err, "No.")
		if want := "level=WARN " + c.want; !strings.Contains(log.String(), want) || strings.Contains(log.String(), "10.1.2.3") {
			t.Errorf("got %s, want %s", log.String(), want)
		}
	}
}

// A connector's error without a status gets the status of its last fetch, if that is a failure.
func TestErrorsTakeTheStatusOfTheLastFetch(t *testing.T) {
	t.Parallel()
	const request = `{"url":"https://ok.example/"}`
	for name, c := range map[string]struct {
		answers []int // of the CRM, to one fetch each; 0 if there is none
		failure string
		want    int
	}{
		"refused":                {[]int{401}, `{"message":"No."}`, 401},
		"rate limited":           {[]int{200, 429}, `{"message":"No."}`, 429},
		"its own status":         {[]int{401}, `{"message":"No.","status":500}`, 500},
		"then a success":         {[]int{401, 200}, `{"message":"No."}`, 0},
		"then a redirect":        {[]int{399}, `{"message":"No."}`, 0},
		"then a lost connection": {[]int{401, 0}, `{"message":"No."}`, 0},
		"no fetch":               {nil, `{"message":"No."}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 0
			h := newHost(t, wasmhost.Config{Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
				if n++; c.answers[n-1] == 0 {
					return nil, errors.New("lost")
				}
				return answering(c.answers[n-1], ""), nil
			}})
			var steps [][]byte
			for range c.answers {
				steps = append(steps, text(1024, request), invoke(fFetch, 1024, int64(len(request))), drop)
			}
			f := load(t, h, map[string]string{"x.wasm": oauth(seq(append(steps, answer(c.failure, 1))...)).String(), "x.json": manifestOf("x", "")})
			_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
			var ce *crmgate.ConnectorError
			if !errors.As(err, &ce) || ce.Status != c.want {
				t.Errorf("got %v with status %d, want %d", err, ce.Status, c.want)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) {
	return 0, errors.New("read tcp 10.1.2.3: connection reset")
}

// An unused connector is unloaded, and loaded again for its next call. The test uses a fake clock.
func TestIdleConnectorsAreUnloaded(t *testing.T) {
	t.Parallel()
	files := map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")}
	synctest.Test(t, func(t *testing.T) {
		f := load(t, newHost(t, wasmhost.Config{Idle: time.Minute}), files)
		c := mustConnector(t, f, "x")
		for _, step := range []struct {
			wait   time.Duration
			loaded bool
		}{{0, false}, {30 * time.Second, true}, {50 * time.Second, true}, {61 * time.Second, false}, {time.Second, true}} {
			time.Sleep(step.wait)
			if loaded := f.Free("x") >= 0; loaded != step.loaded {
				t.Errorf("after %v: loaded is %v, want %v", step.wait, loaded, step.loaded)
			}
			if _, err := c.UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("after %v: %v", step.wait, err)
			}
		}
	})
}

// A module whose file changed since it was checked runs as it was checked, from the copy in the cache. A damaged copy does not run.
func TestChangedFileIsNotRun(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")})
	cache := t.TempDir()
	f, err := loadAll(t, newHost(t, wasmhost.Config{CacheDir: cache, Idle: time.Millisecond}), dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.WriteFile(filepath.Join(dir, "x.wasm"), oauth(unreachable).Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("from the copy: %v", err)
	}
	copies, err := filepath.Glob(filepath.Join(cache, "*", "module.wasm"))
	if err != nil || len(copies) != 1 {
		t.Fatal(copies, err)
	}
	if err := os.WriteFile(copies[0], oauth(unreachable).Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for mustFree := time.Now().Add(time.Minute); f.Free("x") >= 0 && time.Now().Before(mustFree); { // until it is unloaded
		time.Sleep(time.Millisecond)
	}
	_, err = mustConnector(t, f, "x").OAuthInfo(t.Context(), connector.OAuthInfoRequest{})
	wantError(t, err, "x.wasm was changed while it was loaded")
	if err := os.WriteFile(filepath.Join(dir, "x.wasm"), oauth(num(2)).Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mustConnector(t, f, "x").OAuthInfo(t.Context(), connector.OAuthInfoRequest{}); err != nil {
		t.Errorf("after it was put back: %v", err)
	}
}

// Close cancels running calls. Later calls return an error.
func TestClose(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	h := newHost(t, wasmhost.Config{Deadline: time.Minute, Setting: func(string) (crmgate.Secret, bool) {
		close(started)
		return crmgate.Secret{}, false
	}})
	dir := folder(t, map[string]string{"x.wasm": oauth(seq(announce, forever)).String(), "x.json": manifestOf("x", announced)})
	f, err := loadAll(t, h, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	c := mustConnector(t, f, "x")
	if _, err := c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := c.UserInfo(t.Context(), bearer(""))
		done <- err
	}()
	<-started
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wantError(t, <-done, "was cancelled")
	_, err = c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{})
	wantError(t, err, "being closed")
	if err := f.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// Every call is observed, with its outcome.
func TestObserve(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	h := newHost(t, wasmhost.Config{Observe: func(p crmgate.Platform, operation, outcome string, d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if seen[string(p)+" "+operation+" "+outcome]++; d < 0 {
			t.Errorf("%s took %v", operation, d)
		}
	}})
	f := load(t, h, map[string]string{"x.wasm": oauth(unreachable, export("authValidation", answer(`{"message":"no"}`, 1))).String(), "x.json": manifestOf("x", "")})
	c := mustConnector(t, f, "x")
	_, _ = c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{})
	_, _ = c.UserInfo(t.Context(), bearer(""))
	_, _ = c.AuthValidation(t.Context(), connector.UserRequest{})
	_, _ = c.UnAuthorize(t.Context(), connector.UserRequest{})
	for _, want := range []string{"x getOauthInfo ok", "x getUserInfo stopped", "x authValidation error", "x unAuthorize unsupported"} {
		if seen[want] != 1 {
			t.Errorf("%s was observed %d times: %v", want, seen[want], seen)
		}
	}
}

// The error of a connector that is left out does not contain the configuration that it was given.
func TestRejectedModulesKeepSecrets(t *testing.T) {
	t.Parallel()
	const secret = "very-secret-value"
	m := oauth(num(2))
	m.Funcs[0] = export("getAuthType", seq(announce, invoke(fTake, 1024, 64), drop, invoke(fOutput, 1024, int64(len(secret))), num(0)))
	h := newHost(t, wasmhost.Config{Setting: func(string) (crmgate.Secret, bool) { return crmgate.NewSecret(secret), true }})
	f, err := h.Load(t.Context(), folder(t, map[string]string{"x.wasm": m.String(), "x.json": manifestOf("x", announced)}), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.LeftOut()["x"]; err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "[secret]") {
		t.Errorf("got %v", err)
	}
}

// No part of a secret is logged where crmgate cuts it: at the end of a long line, of which the last 6,000 bytes are left out, and in the
// name of a configuration value.
func TestCutSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	secret := "secret-" + strings.Repeat("0123456789abcdef", 187)
	var log wasmtest.LogBuffer
	h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	// The input begins with the header of authorization. The guest copies the token six times, and logs that as one line.
	const before = int64(len(`{"authHeader":"Bearer `))
	size := int64(len(secret))
	body := seq(invoke(fInput, 1024, 32768), drop)
	for i := range int64(6) {
		body = seq(body, num(40000+i*size), num(1024+before), num(size), []byte{0xfc, 0x0a, 0, 0})
	}
	body = seq(body, invoke(fLog, 1, 40000, 6*size), invoke(fConfig, 40000, size), drop, num(2))
	f := load(t, h, map[string]string{"x.wasm": oauth(body).String(), "x.json": manifestOf("x", "")})
	_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer " + secret)})
	if said := log.String(); strings.Contains(said, "secret-0123") || strings.Count(said, "[secret]") != 4 || !strings.Contains(said, "requests a configuration value with a name of 2999 bytes") {
		t.Errorf("the log is %s", said)
	}
}

// A host name can have a secret in it, if the manifest has a wildcard. The log does not have it when that host cannot be reached.
func TestSecretInAHost(t *testing.T) {
	t.Parallel()
	var log wasmtest.LogBuffer
	h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "could not connect to " + r.URL.Host}
	}})
	f := load(t, h, map[string]string{
		"x.wasm": oauth(fetching(`{"url":"https://top-secret-token.ok.example/"}`)).String(), "x.json": manifestOf("x", `"hosts": ["*.ok.example"]`),
	})
	_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
	if said := log.String(); strings.Contains(said, "top-secret-token") || !strings.Contains(said, "could not connect to [secret].ok.example") {
		t.Errorf("the log is %s", said)
	}
}

// A connector says whether its redirects are followed. Other words are an error, and nothing is sent.
func TestRedirect(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"url":"https://ok.example/"}`:                         `5`,
		`{"url":"https://ok.example/","redirect":null}`:         `5`,
		`{"url":"https://ok.example/","redirect":"follow"}`:     `5`,
		`{"url":"https://ok.example/","redirect":"manual"}`:     `0`,
		`{"url":"https://ok.example/","redirect":"error"}`:      `{"error":{"kind":"request","message":"redirect is \"error\": use follow or manual"}}`,
		`{"url":"https://ok.example/","redirect":{"max":"20"}}`: `{"error":{"kind":"request","message":"the request is not the JSON object that fetch takes"}}`,
	} {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			var log wasmtest.LogBuffer
			h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Fetch: func(_ *http.Request, e crmgate.Egress) (*http.Response, error) {
				return answering(200, strconv.Itoa(e.Redirects)), nil
			}})
			f := load(t, h, map[string]string{"x.wasm": oauth(fetching(document)).String(), "x.json": manifestOf("x", `"hosts": ["ok.example"]`)})
			if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); !errors.Is(err, errors.ErrUnsupported) {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			got := read([]byte(lines[len(lines)-1])).str("text")
			if a := read([]byte(got)); a.str("body") != "" {
				got = a.str("body")
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
