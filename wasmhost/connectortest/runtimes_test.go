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
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// Language runtimes get the functions of WASI that they need, but nothing of the machine.
func TestRuntimes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		build func(*testing.T, string, string)
		end   string // the error of authValidation
	}{
		{"go", inPlainGo, "exited with status 3"},
		{"libc", inLibC, "exited with status 3"},
		{"std", inRust, "trapped"},
		{"wasi", inAssemblyScript("--use", "abort="), "exited with status 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c.build(t, c.name, filepath.Join(dir, c.name+".wasm"))
			if err := os.WriteFile(filepath.Join(dir, c.name+".json"), []byte(fmt.Sprintf(oauthManifest, c.name)), 0o600); err != nil {
				t.Fatal(err)
			}
			var log wasmtest.LogBuffer
			host, err := wasmhost.New(t.Context(), wasmhost.Config{
				CacheDir: shared, Deadline: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Setting: func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false },
				Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
					return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			f, err := host.Load(t.Context(), dir, "")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()

			call := func(operation string) (wasmhost.Answer, error) {
				return f.Call(context.Background(), crmgate.Platform(c.name), operation, "", []byte("{}"))
			}
			before := time.Now().Unix()
			a, err := call("getUserInfo")
			after := time.Now().Unix()
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
			if i.Seconds < before || i.Seconds > after {
				t.Errorf("the guest's clock is %d, want %d to %d", i.Seconds, before, after)
			}
			for _, ms := range i.Slept {
				if ms < 10 {
					t.Errorf("the guest slept %d ms, want at least 10", ms)
				}
			}
			if len(i.Slept) == 0 || len(i.Random) != 2 || i.Random[0] == i.Random[1] || i.Ready != 1 || i.Wrote != 1 {
				t.Errorf("the guest did not get what it needs: %s", a.Output)
			}
			if i.Variables != 1 || i.Home != 0 || i.File != 0 {
				t.Errorf("the guest sees the machine: %s", a.Output)
			}
			said := log.String()
			if printed, warned := strings.Index(said, "printed"), strings.Index(said, "warned"); printed < 0 || warned < printed {
				t.Errorf("the log is %.500s", said)
			}
			_, err = call("authValidation")
			if said = strings.TrimPrefix(log.String(), said); err == nil || !strings.Contains(err.Error(), c.end) || !strings.Contains(said, "on purpose") {
				t.Errorf("got the error %v, want %s; the log is %s", err, c.end, said)
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
