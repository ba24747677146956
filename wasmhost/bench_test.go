package wasmhost_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
)

// BenchmarkCall measures calls of guests.
//
//	raw       an empty call in wazero, the minimum
//	stopping  the same with wazero's own checks, which package meter replaces
//	echo      a Go guest that returns its input of 1 KB
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
