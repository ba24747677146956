package guest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/quickjs"
)

// diary is a host that keeps the log.
type diary struct {
	silent
	lines []string
}

func (d *diary) Log(_ context.Context, level slog.Level, line []byte) {
	d.lines = append(d.lines, fmt.Sprint(level, " ", string(line)))
}

// What a script prints is in the log, also that of a call that fails, with the stack of an exception that nothing catches.
func TestLogOfScript(t *testing.T) {
	t.Parallel()
	code, err := instrumented(quickjs.Engine())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), code, t.TempDir(), limits)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	d := &diary{}
	_, err = m.Start(t.Context(), d, &Script{Name: "x.js", Source: "console.log('first');\nfunction f() { throw new RangeError('no'); }\nf();"})
	var stop *Stop
	if !errors.As(err, &stop) || stop.How != "threw an error" || !strings.HasPrefix(stop.Trap, "RangeError: no at x.js:2:") || !stop.Starting {
		t.Errorf("got %#v", err)
	}
	if len(d.lines) < 4 || !strings.HasSuffix(d.lines[0], "first") || d.lines[1] != "ERROR RangeError: no" || !strings.Contains(d.lines[3], "x.js:3:") {
		t.Errorf("the log is %q", d.lines)
	}
}

// A guest that has written over the engine's memory gets errors, whatever is there: no address is trusted.
func TestDamagedEngine(t *testing.T) {
	t.Parallel()
	m := scripted(t, "exports.getAuthType = () => 'oauth';")
	for _, value := range []uint32{0, 1, 0x7fffffff, 0xfffffff0, 0xffffffff} {
		inst, err := m.instantiate(t.Context(), silent{})
		if err != nil {
			t.Fatal(err)
		}
		g := inst.engine(t.Context(), &call{module: m, host: silent{}})
		step := g.Call
		g.Call = func(name string, stack []uint64) error { // the engine returns other addresses
			length := uint32(stack[min(1, len(stack)-1)]) // where JS_ToCStringLen2 writes the length of a text
			err := step(name, stack)
			if slices.Contains([]string{"malloc", "JS_ToCStringLen2"}, name) && value != 1 {
				stack[0] = uint64(value)
			}
			if b, ok := g.Memory(length, 4); ok && name == "JS_ToCStringLen2" {
				binary.LittleEndian.PutUint32(b, value)
			}
			return err
		}
		_, _, err = inst.program.Run(g, quickjs.Host{}, quickjs.Call{Operation: "getAuthType", Input: "{}", Env: "{}", Seed: strings.Repeat("0", 64), MaxOutput: 1 << 20})
		if err == nil {
			t.Errorf("%x: no error", value)
		}
		inst.close()
	}
}

// Scripts that share the engine do not see each other, and closing one leaves the others alone.
func TestScriptsShareTheEngine(t *testing.T) {
	t.Parallel()
	code, err := instrumented(quickjs.Engine())
	if err != nil {
		t.Fatal(err)
	}
	first, err := Load(t.Context(), code, t.TempDir(), limits)
	if err != nil {
		t.Fatal(err)
	}
	start := func(m *Module, name string) {
		t.Helper()
		source := "const name = '" + name + "'; globalThis.all = (globalThis.all ?? '') + name; exports.getAuthType = () => ({ type: all += '!' })"
		if _, err := m.Start(t.Context(), silent{}, &Script{Name: name + ".js", Source: source}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(m *Module, want string) {
		t.Helper()
		for range 2 {
			got, err := m.Run(t.Context(), Call{Operation: "getAuthType", Input: []byte("{}"), Host: silent{}})
			if err != nil || string(got.Output) != want {
				t.Errorf("got %s, %v: want %s", got.Output, err, want)
			}
		}
	}
	start(first, "a")
	second, err := first.Another()
	if err != nil {
		t.Fatal(err)
	}
	start(second, "b")
	run(first, `{"type":"a!"}`)
	run(second, `{"type":"b!"}`)
	first.Close()
	run(second, `{"type":"b!"}`)
	third, err := second.Another()
	if err != nil {
		t.Fatal(err)
	}
	start(third, "c")
	run(third, `{"type":"c!"}`)
	for _, m := range []*Module{second, third} {
		if m.runtime.Module("wasi_snapshot_preview1") == nil {
			t.Error("the engine is gone while a module has it")
		}
		m.Close()
	}
	if first.runtime.Module("wasi_snapshot_preview1") != nil {
		t.Error("the engine is still there after its last module")
	}
}

// crm is a host that answers every fetch with a document.
type crm struct {
	silent
	answer string
}

func (c crm) Fetch(context.Context, []byte) []byte { return []byte(c.answer) }

// A script gets the same body whether it is taken out of the answer's document or parsed as a part of it.
func TestBodiesOfScript(t *testing.T) {
	t.Parallel()
	m := scripted(t, `exports.getUserInfo = async () => {
  const answer = await fetch('https://crm.example/');
  return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() };
};`)
	for _, body := range []string{`""`, `"{\"a\":\"\\\"\"}"`, `"\u0000 \u001f\u007f\b\f\n\r\t"`, `"é\u00e9 😀\u2028` + "\u2028" + `"`, `"\/ \ud83d\ude00 \ud800"`} {
		var outputs [2]string
		for i, document := range []string{`{"status":200,"headers":{"content-type":"x/y"},"body":` + body + `}`, `{"body": ` + body + `, "status": 200, "headers": {"content-type": "x/y"}}`} {
			got, err := m.Run(t.Context(), Call{Operation: "getUserInfo", Input: []byte("{}"), Host: crm{answer: document}})
			if err != nil || got.Code != 0 {
				t.Fatal(string(got.Output), err)
			}
			outputs[i] = string(got.Output)
		}
		if outputs[0] != outputs[1] || !strings.Contains(outputs[0], `"status":200,"type":"x/y"`) {
			t.Errorf("got %s, want %s", outputs[0], outputs[1])
		}
	}
}

// measure is a host that notes how long the last request was.
type measure struct {
	silent
	longest int
}

func (m *measure) Fetch(_ context.Context, request []byte) []byte {
	m.longest = len(request)
	return []byte(`{"status":200,"headers":{},"body":""}`)
}

// A request of a script is cut behind the limit, however long it is, and a longer output ends the call.
func TestLimitsOfScript(t *testing.T) {
	t.Parallel()
	m := scripted(t, `exports.getUserInfo = async ({ request, output }) => {
  await fetch('https://crm.example/', { method: 'POST', body: 'x'.repeat(request) });
  return { text: 'x'.repeat(output) };
};`)
	const limit = 1 << 20
	for _, tt := range []struct{ request, output, sent int }{{100, limit - 11, 0}, {limit, 0, limit + 1}, {5 * limit, 0, limit + 1}, {100, limit - 10, 0}, {100, 5 * limit, 0}} {
		h := &measure{}
		got, err := m.Run(t.Context(), Call{Operation: "getUserInfo", Input: fmt.Appendf(nil, `{"request":%d,"output":%d}`, tt.request, tt.output), Host: h})
		var stop *Stop
		if long := tt.output > limit-11; long != (errors.As(err, &stop) && stop.How == "wrote more output than the limit") || !long && (err != nil || len(got.Output) != tt.output+11) {
			t.Errorf("%+v: got %d bytes, %v", tt, len(got.Output), err)
		}
		if tt.sent > 0 && h.longest != tt.sent {
			t.Errorf("%+v: the host got %d bytes", tt, h.longest)
		}
	}
}
