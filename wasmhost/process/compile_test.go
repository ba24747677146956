package process

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// What is not a module is an error of the module, and its process ends.
func TestNotAModule(t *testing.T) {
	t.Parallel()
	_, err := Compile(t.Context(), Config{Code: []byte("not a module"), Limits: limits}, io.Discard, io.Discard)
	if err == nil || errors.As(err, new(*Died)) || !strings.Contains(err.Error(), "not a WebAssembly module") {
		t.Errorf("got %v", err)
	}
}

func init() {
	for name, lie := range compilers {
		instead[name] = func(s *server, _ hello) {
			_ = s.sendJSON(kindReady, []string{})
			_, _ = s.receive(s.next)
			lie.tell(s)
			time.Sleep(time.Minute)
		}
	}
}

// compilers are processes that compile, and lie.
var compilers = map[string]struct {
	want string // of the error
	tell func(*server)
}{
	"long-part":   {"kind 17 with 65537 bytes", func(s *server) { _ = s.send(kindInstrumented, 0, 0, make([]byte, maxPart+1)) }},
	"no-module":   {"kind 18 out of turn", func(s *server) { _ = s.send(kindMachine, 1, 0, []byte("x")) }},
	"more-module": {"kind 17 out of turn", func(s *server) { _ = errors.Join(s.send(kindInstrumented, 1, 0), s.send(kindInstrumented, 1, 0)) }},
	"no-code":     {"kind 10 out of turn", func(s *server) { _ = errors.Join(s.send(kindInstrumented, 1, 0), s.sendJSON(kindLoaded, loaded{})) }},
	"much-code":   {"kind 18, number 1025", func(s *server) { _ = errors.Join(s.send(kindInstrumented, 1, 0), s.sendFile(kindMachine, zeros{})) }},
	"another-name": {`the name "../../x"`, func(s *server) {
		_ = errors.Join(s.send(kindInstrumented, 1, 0), s.send(kindMachine, 1, 0), s.sendJSON(kindLoaded, loaded{Name: "../../x"}))
	}},
	"call": {"kind 14, number 1", func(s *server) { _ = s.send(kindFetch, 0, 0, []byte("{}")) }},
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// A process that compiles can send two files of a bounded size, under a name that is none of its choice.
func TestLyingCompilers(t *testing.T) {
	t.Parallel()
	for name, lie := range compilers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var written bytes.Buffer
			_, err := Compile(t.Context(), Config{Dir: "/tmp/" + name, Limits: limits}, io.Discard, &written)
			if !errors.As(err, new(*Died)) || !strings.Contains(err.Error(), lie.want) {
				t.Errorf("got %v, want %q", err, lie.want)
			}
			if written.Len() > maxFile {
				t.Errorf("it sent %d bytes", written.Len())
			}
		})
	}
}

// A process that runs a module does not compile it, which no limit is for: a process that compiles could leave the machine code out.
func TestNoMachineCode(t *testing.T) {
	t.Parallel()
	c := practice(t)
	c.Dir = t.TempDir()
	if _, err := guest.CodeFolder(t.Context(), c.Dir); err != nil {
		t.Fatal(err)
	}
	p, err := Start(t.Context(), c)
	if err == nil {
		p.Close()
	}
	if err == nil || errors.As(err, new(*Died)) || !strings.Contains(err.Error(), "not in the cache") {
		t.Errorf("got %v", err)
	}
}

// A writer that fails, as one to a full disk, ends the process, and is the error.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	module := wasmtest.Module{Funcs: []wasmtest.Func{{Name: "f", Body: wasmtest.Num(1)}}}
	full := errors.New("the disk is full")
	if _, err := Compile(t.Context(), Config{Code: module.Bytes(), Limits: limits}, io.Discard, failing{full}); !errors.Is(err, full) || errors.As(err, new(*Died)) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// slow is a writer that takes its time.
type slow struct{ bytes.Buffer }

func (s *slow) Write(b []byte) (int, error) {
	time.Sleep(300 * time.Millisecond)
	return s.Buffer.Write(b)
}

// What a process sends last is read, also if the process has exited by then.
func TestProcessExitsBeforeItIsHeard(t *testing.T) {
	t.Parallel()
	m := wasmtest.Module{Funcs: []wasmtest.Func{wasmtest.Export("rest", wasmtest.Num(0))}}
	var instrumented, machine slow
	if _, err := Compile(t.Context(), Config{Code: m.Bytes(), Limits: limits}, &instrumented, &machine); err != nil {
		t.Error(err)
	}
	if instrumented.Len() == 0 || machine.Len() == 0 {
		t.Errorf("got %d and %d bytes", instrumented.Len(), machine.Len())
	}
}
