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
	"github.com/crmgate/crmgate/wasmhost"
)

// BenchmarkCall measures the way into a guest and back. raw is an empty call of wazero's, the floor of the machine; brake
// is the same with wazero's own brake, which metering replaces; echo is a document of 1 KB there and back through a Go guest; userInfo is the
// practice connector's getUserInfo, its fetch answered at once; wait is 64 people on two instances.
func BenchmarkCall(b *testing.B) {
	b.Run("raw", func(b *testing.B) { empty(b, wazero.NewRuntimeConfig(), b.Context()) })
	b.Run("brake", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		empty(b, wazero.NewRuntimeConfig().WithCloseOnContextDone(true), ctx)
	})
	b.Run("echo", func(b *testing.B) {
		if err := build("echo", ".", "./testdata/echo"); err != nil {
			b.Fatal(err)
		}
		f := load(b, newHost(b, wasmhost.Config{}), map[string]string{"echo.wasm": string(guest(b, "echo")), "echo.json": manifest("echo", "")})
		c := connector(b, f, "echo")
		r := crmgate.UserRequest{AuthHeader: crmgate.NewSecret("Bearer " + strings.Repeat("x", 900))}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.LicenseStatus(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
	c := practice(b, 16)
	b.Run("userInfo", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if u, err := c.UserInfo(b.Context(), bearer("")); err != nil || u.ID != "1-practice" {
				b.Fatal(u, err)
			}
		}
	})
	few := practice(b, 2)
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

// practice is the practice connector, with a CRM that answers at once.
func practice(b *testing.B, instances int) crmgate.Connector {
	b.Helper()
	doc, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "practice", "practice.json"))
	if err != nil {
		b.Fatal(err)
	}
	h := newHost(b, wasmhost.Config{MaxInstances: instances, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(
			`{"id":1,"name":"Ada Lovelace","email":"ada@example.com","timezone":{"name":"Europe/London","offset":0}}`))}, nil
	}})
	return connector(b, load(b, h, map[string]string{"practice.wasm": string(guest(b, "practice")), "practice.json": string(doc)}), "practice")
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
