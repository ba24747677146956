package wasmhost_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkCall measures calls of guests.
//
//	raw       an empty call in wazero, the minimum
//	stopping  the same with wazero's own checks, which package meter replaces
//	echo      a Go guest that returns its input of 1 KB
//	userInfo  getUserInfo of a connector in Go, C and AssemblyScript; its fetch is answered at once
//	wait      64 concurrent callers on two instances
func BenchmarkCall(b *testing.B) {
	b.Run("raw", func(b *testing.B) { empty(b, wazero.NewRuntimeConfig(), b.Context()) })
	b.Run("stopping", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		empty(b, wazero.NewRuntimeConfig().WithCloseOnContextDone(true), ctx)
	})
	b.Run("echo", func(b *testing.B) {
		f := load(b, newHost(b, wasmhost.Config{}), map[string]string{"echo.wasm": string(guest(b, "echo")), "echo.json": manifestOf("echo", "")})
		c := mustConnector(b, f, "echo")
		r := connector.UserRequest{AuthHeader: crmgate.NewSecret("Bearer " + strings.Repeat("x", 900))}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.LicenseStatus(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
	sources := filepath.Join("connectortest", "testdata")
	for name, make := range map[string]func(to string){
		"Go": func(to string) {
			if err := os.WriteFile(to, guest(b, "practice"), 0o600); err != nil {
				b.Fatal(err)
			}
		},
		"C": func(to string) {
			if err := os.WriteFile(to, goodC(b), 0o600); err != nil {
				b.Fatal(err)
			}
		},
		"AssemblyScript": func(to string) {
			wasmtest.AssemblyScript(b, to, filepath.Join(sources, "as", "retries.ts"), "-O", "--runtime", "incremental", "--use", "abort=")
		},
	} {
		b.Run("userInfo/"+name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "guest.wasm")
			make(path)
			wasm, err := os.ReadFile(path)
			if err != nil {
				b.Fatal(err)
			}
			c := answered(b, 16, string(wasm))
			b.ReportAllocs()
			for b.Loop() {
				if u, err := c.UserInfo(b.Context(), bearer("")); err != nil || !u.Successful {
					b.Fatal(u, err)
				}
			}
		})
	}
	few := answered(b, 2, string(guest(b, "practice")))
	b.Run("wait", func(b *testing.B) {
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := few.UserInfo(b.Context(), bearer("")); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// goodC returns a valid connector in C.
func goodC(b *testing.B) []byte {
	b.Helper()
	path := filepath.Join(b.TempDir(), "good.wasm")
	wasmtest.C(b, path, "wasm32", filepath.Join("connectortest", "testdata", "c", "good.c"), "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin",
		"-Wno-unused-function", "-Wl,--no-entry", "-Wl,--allow-undefined")
	wasm, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return wasm
}

// answered returns a connector for a CRM that answers at once, like the practice CRM.
func answered(b *testing.B, instances int, wasm string) connector.Connector {
	b.Helper()
	h := newHost(b, wasmhost.Config{MaxRunning: instances, MaxCalls: 64, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(
			`{"id":1,"name":"Ada Lovelace","email":"ada@example.com","timezone":{"name":"Europe/London","offset":0}}`))}, nil
	}})
	return mustConnector(b, load(b, h, map[string]string{"x.wasm": wasm, "x.json": manifestOf("x", `"hosts": ["127.0.0.1:8081"]`)}), "x")
}

func empty(b *testing.B, config wazero.RuntimeConfig, ctx context.Context) {
	rt := wazero.NewRuntimeWithConfig(ctx, config)
	defer rt.Close(context.Background())
	m := mod{Imports: []imported{}, Funcs: []fn{export("f", num(0))}}
	instance, err := rt.Instantiate(ctx, m.Bytes())
	if err != nil {
		b.Fatal(err)
	}
	f, stack := instance.ExportedFunction("f"), make([]uint64, 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := f.CallWithStack(ctx, stack); err != nil {
			b.Fatal(err)
		}
	}
}
