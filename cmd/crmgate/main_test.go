package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/project"
	"github.com/crmgate/crmgate/wasmhost/process"
)

func TestMain(m *testing.M) {
	process.Main()     // as main does
	keepFilesPrivate() // as main does; the tests call run
	testscript.Main(built{m}, map[string]func(){
		"tamper": tamper,
	})
}

// built builds the program and the connectors before the tests. The programs of the scripts skip this step.
type built struct{ m *testing.M }

func (b built) Run() int {
	preferDebianRust()
	return edgetest.Run(b.m)
}

// preferDebianRust has projects built by Debian's Rust if that of the path cannot compile to WebAssembly.
func preferDebianRust() {
	l, _ := project.LanguageOf("rust")
	if len(l.Missing()) > 0 {
		_ = os.Setenv("RUSTC", "/usr/bin/rustc")
	}
}

// needsTools skips a test if this machine cannot build projects in a language. It fails where all tests must run.
func needsTools(t *testing.T, lang string) {
	t.Helper()
	l, ok := project.LanguageOf(lang)
	switch missing := l.Missing(); {
	case !ok:
		t.Fatalf("there is no language %s", lang)
	case len(missing) > 0 && os.Getenv("CI") != "":
		t.Fatalf("this machine lacks %v", missing)
	case len(missing) > 0:
		t.Skipf("this machine lacks %v", missing)
	}
}

// runs runs the program, and returns what it prints.
func runs(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(args, &out, &errs); status != 0 {
		t.Fatalf("%q: status %d: %s", args, status, &errs)
	}
	return out.String()
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for want, args := range map[int][]string{0: {"version"}, 1: {"users", "list", "--data", "/nowhere/at/all"}, 2: {"serve", "--no-such-flag"}} {
		var out bytes.Buffer
		if got := run(args, &out, &out); got != want {
			t.Errorf("%v: status %d, want %d: %s", args, got, want, out.String())
		}
	}
}
