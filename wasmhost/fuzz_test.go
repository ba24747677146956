package wasmhost_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/crmgate/crmgate/wasmhost"
)

func FuzzAnswer(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("..", "connectors-wasm", "abi", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{`{}`, `null`, `[]`, `{"successful":true,"platformUserInfo":{"id":1e5}}`, `{"scopes":["a",null]}`, `{"scopes":null}`, strings.Repeat(`{"a":`, 20_000)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, b []byte) { wasmhost.DecodeAnswer(b) })
}

func FuzzFetchRequest(f *testing.F) {
	for _, s := range []string{
		`{"url":"https://a.example/x?y#z","headers":{"A":"b"},"body":"x"}`, `{"url":"https://u:p@a.example:444/","bodyBase64":"/wA="}`,
		`{"url":"https://a.example/","headers":{"X":"a\r\nHost: b"}}`, `{"method":"get","url":"//a.example"}`, `{"timeoutMs":-1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := wasmhost.DecodeFetch(t, b)
		if err != nil {
			return
		}
		// What is written must be one request of that method, and nothing smuggled in behind it.
		var wire bytes.Buffer
		if r.Write(&wire) != nil {
			return
		}
		head, _, _ := strings.Cut(wire.String(), "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		if !strings.HasSuffix(lines[0], " HTTP/1.1") || !strings.HasPrefix(lines[0], r.Method+" ") || strings.Count(lines[0], " ") != 2 {
			t.Errorf("the request line is %q", lines[0])
		}
		hosts := 0
		for _, l := range lines[1:] {
			if name, _, _ := strings.Cut(l, ":"); http.CanonicalHeaderKey(name) == "Host" {
				hosts++
			}
		}
		if hosts != 1 {
			t.Errorf("%d Host headers: %q", hosts, head)
		}
	})
}

// Metering a module keeps it a module: what wazero accepts before, it accepts after.
func FuzzPrepare(f *testing.F) {
	m := oauth(num(2))
	f.Add(m.bytes())
	m.table = []byte{1, 0x70, 0, 1}
	f.Add(m.bytes())
	m.table = []byte{2, 0x70, 1, 1, 9, 0x70, 0, 0x80, 0x01}
	f.Add(m.bytes())
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
	f.Cleanup(func() { _ = rt.Close(ctx) })
	f.Fuzz(func(t *testing.T, b []byte) {
		metered, err := wasmhost.Prepare(b)
		if err != nil {
			return
		}
		before, err := rt.CompileModule(ctx, b)
		if err != nil {
			return
		}
		_ = before.Close(ctx)
		after, err := rt.CompileModule(ctx, metered)
		if err != nil {
			t.Fatalf("metered, it is no module any more: %v", err)
		}
		_ = after.Close(ctx)
	})
}
