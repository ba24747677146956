package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// What a process uses is what the system says, whatever the name of the program.
func TestParseUsage(t *testing.T) {
	t.Parallel()
	const stat = ") R 1 2 3 4 5 6 7 8 9 10 300 25 0 0 20 0 6"
	for name, tt := range map[string]struct {
		statm, stat string
		want        Usage
		bad         bool
	}{
		"usual":             {"407000 2000 500 10 0 900 0\n", "42 (crmgate" + stat, Usage{1500 * 4096, 3250 * time.Millisecond}, false},
		"a name to trick":   {"407000 2000 500 10 0 900 0\n", "42 (a) R 1 (b" + stat, Usage{1500 * 4096, 3250 * time.Millisecond}, false},
		"an empty file":     {"", "42 (crmgate" + stat, Usage{}, true},
		"a file that ended": {"407000 2000 500", "42 (crmgate) R 1", Usage{}, true},
		"no numbers":        {"a b c", "42 (crmgate" + stat, Usage{}, true},
	} {
		got, err := parseUsage([]byte(tt.statm), []byte(tt.stat), 4096)
		if (err != nil) != tt.bad || !tt.bad && got != tt.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// A process that has run a guest has used memory and processor time.
func TestUsage(t *testing.T) {
	t.Parallel()
	p, h := mustStart(t, practice(t)), &crm{}
	if _, err := p.Start(t.Context(), h, nil); err != nil {
		t.Fatal(err)
	}
	u, err := p.Usage()
	if err != nil || u.Memory < 1<<20 || u.Memory > 1<<30 || u.CPU <= 0 || u.CPU > time.Minute {
		t.Errorf("got %+v, %v", u, err)
	}
	p.Close()
	if u, err := p.Usage(); err == nil {
		t.Errorf("after its end: %+v", u)
	}
}

// A template counts, although no memory maps it between calls.
func TestUsageOfATemplate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "large.wasm")
	const size = 48 << 20
	m := wasmtest.Module{Pages: size >> 16, Start: wasmtest.Seq(wasmtest.Num(0), wasmtest.Num(1), wasmtest.Num(size), []byte{0xfc, 0x0b, 0}), // memory.fill
		Funcs: []wasmtest.Func{wasmtest.Export("rest", wasmtest.Num(0))}}
	if err := os.WriteFile(path, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := mustStart(t, Config{Code: compile(t, path, dir), Dir: dir, Limits: limits})
	before, err := p.Usage()
	if err == nil {
		_, err = p.Start(t.Context(), &crm{}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if u, err := p.Usage(); err != nil || u.Memory-before.Memory < size/10*9 { // what loading left may have been given back
		t.Errorf("a template of %d MB adds %d MB, %v", size>>20, (u.Memory-before.Memory)>>20, err)
	}
}
