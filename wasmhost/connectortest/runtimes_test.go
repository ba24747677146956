package connectortest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// TestRuntimes: what the runtimes of languages need of WASI is there, and what the machine has is not.
func TestRuntimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		build func(*testing.T, string, string)
		end   string // of authValidation
	}{
		{"go", inPlainGo, "ended itself with status 3"},
		{"libc", inLibC, "ended itself with status 3"},
		{"std", inRust, "trapped"},
		{"wasi", inAssemblyScript("--use", "abort="), "ended itself with status 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c.build(t, c.name, filepath.Join(dir, c.name+".wasm"))
			if err := os.WriteFile(filepath.Join(dir, c.name+".json"), []byte(fmt.Sprintf(oauthManifest, c.name)), 0o600); err != nil {
				t.Fatal(err)
			}
			var log journal
			host, err := wasmhost.New(t.Context(), wasmhost.Config{
				CacheDir: filepath.Join(shared, "cache"), Deadline: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Setting: func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false },
				Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
					return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()
			f, err := host.Load(t.Context(), dir, "")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()

			call := func(operation string) (wasmhost.Answer, error) {
				return f.Call(context.Background(), crmgate.Platform(c.name), operation, "", []byte("{}"))
			}
			a, err := call("getUserInfo")
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				PlatformUserInfo struct {
					PlatformAdditionalInfo struct {
						Seconds                             int64
						Slept                               []int
						Random                              []string
						Variables, Home, File, Ready, Wrote int
					}
				}
			}
			if err := json.Unmarshal(a.Output, &got); err != nil {
				t.Fatal(err)
			}
			i := got.PlatformUserInfo.PlatformAdditionalInfo
			if d := time.Now().Unix() - i.Seconds; d < 0 || d > 60 {
				t.Errorf("its clock is %d s late", d)
			}
			for _, ms := range i.Slept {
				if ms < 10 || ms > 10_000 {
					t.Errorf("it slept %d ms, want 10", ms)
				}
			}
			if len(i.Slept) == 0 || len(i.Random) != 2 || i.Random[0] == i.Random[1] || i.Ready != 1 || i.Wrote != 1 {
				t.Errorf("it has not got what it needs: %s", a.Output)
			}
			if i.Variables != 0 || i.Home != 0 || i.File != 0 {
				t.Errorf("it sees the machine: %s", a.Output)
			}
			said := log.String()
			if printed, warned := strings.Index(said, "printed"), strings.Index(said, "warned"); printed < 0 || warned < printed {
				t.Errorf("it was heard as %.500s", said)
			}
			_, err = call("authValidation")
			if said = strings.TrimPrefix(log.String(), said); err == nil || !strings.Contains(err.Error(), c.end) || !strings.Contains(said, "on purpose") {
				t.Errorf("its end was %v, want %s; it was heard as %s", err, c.end, said)
			}
			if _, err := call("getUserInfo"); err != nil {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

// inPlainGo builds testdata/go.
func inPlainGo(t *testing.T, name, to string) { wasmtest.Go(t, to, ".", "./testdata/"+name) }

// inLibC builds testdata/c/NAME.c with the C library.
func inLibC(t *testing.T, name, to string) {
	wasmtest.C(t, to, "wasm32-wasi", filepath.Join("testdata", "c", name+".c"), "-mexec-model=reactor", "-O2", "-Wno-unused-function")
}

// inRust builds testdata/rust/NAME.rs.
func inRust(t *testing.T, name, to string) {
	wasmtest.Rust(t, to, wasmtest.RustWASI, filepath.Join("testdata", "rust", name+".rs"), "-O", "-C", "strip=symbols")
}

// journal keeps what was logged. Safe for concurrent use.
type journal struct {
	mu sync.Mutex
	b  strings.Builder // guarded by mu
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}
