package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkMemory measures the memory of the program and its guest processes in MB: 32 sign-ins at once over three connectors in Go,
// whose CRM takes three seconds to answer.
//
//	MB-ready   before the first sign-in
//	MB-peak    the most during the sign-ins, which are made twice
//	MB-after   right after them
//	MB-later   forty seconds later: instances that no call needs are kept for thirty seconds
func BenchmarkMemory(b *testing.B) {
	const platforms, people = 3, 32
	startSlowCRM(b, 3*time.Second)
	dir := b.TempDir()
	for n := range platforms {
		edgetest.Must(b, os.Link(filepath.Join(edgetest.Connectors(), "practicekey.wasm"), filepath.Join(dir, platform(n)+".wasm")))
		manifest, err := os.ReadFile(filepath.Join(edgetest.Connectors(), "practicekey.json"))
		edgetest.Must(b, err)
		own := strings.NewReplacer(`"practicekey"`, `"`+platform(n)+`"`, "PRACTICEKEY_", strings.ToUpper(platform(n))+"_").Replace(string(manifest))
		edgetest.Must(b, os.WriteFile(filepath.Join(dir, platform(n)+".json"), []byte(own), 0o600))
	}
	p := startProcess(b, edgetest.Program(), nil, "serve", "--listen=127.0.0.1:0", "--admin-listen=",
		"--data", filepath.Join(b.TempDir(), "data"), "--connectors", dir, "--allow-egress=127.0.0.0/8", "--trusted-proxies=127.0.0.0/8")
	defer p.kill()
	memory := func() float64 {
		return wasmtest.PSS(b, append(wasmtest.Children(p.cmd.Process.Pid), p.cmd.Process.Pid)...)
	}

	b.ReportMetric(memory(), "MB-ready")
	peak := 0.0
	for range 2 {
		signIns(b, p.addr, platforms, people, func() { peak = max(peak, memory()) })
	}
	b.ReportMetric(peak, "MB-peak")
	b.ReportMetric(memory(), "MB-after")
	time.Sleep(40 * time.Second)
	b.ReportMetric(memory(), "MB-later")
	b.ReportMetric(0, "ns/op")
}

func platform(n int) string { return fmt.Sprintf("practicekey%d", n) }

// startSlowCRM starts a CRM at the address that the practice connectors know. It takes a time to answer.
func startSlowCRM(b *testing.B, takes time.Duration) {
	b.Helper()
	l, err := net.Listen("tcp", edgetest.PracticeAddr)
	edgetest.Must(b, err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(takes)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":7,"name":"Ada","email":"ada@example.com","timezone":{"name":"Europe/London","offset":0}}`))
	}))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	b.Cleanup(s.Close)
}

// signIns makes sign-ins by API key at once, each from an address of its own, and calls meanwhile until they have ended.
func signIns(b *testing.B, addr string, platforms, people int, meanwhile func()) {
	b.Helper()
	var all sync.WaitGroup
	for n := range people {
		all.Go(func() {
			body := fmt.Sprintf(`{"platform":%q,"apiKey":%q}`, platform(n%platforms), practicecrm.APIKey)
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+addr+"/apiKeyLogin", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.113.%d", n+1))
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			defer resp.Body.Close()
			if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
				b.Errorf("a sign-in got %s: %s", resp.Status, answer)
			}
		})
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for {
		select {
		case <-ended:
			return
		case <-time.After(20 * time.Millisecond):
			meanwhile()
		}
	}
}
