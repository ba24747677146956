package prelude_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/quickjs/prelude"
)

var update = flag.Bool("update", false, "write prelude.bin")

func TestBytecode(t *testing.T) {
	const compileOnly, bytecode, stripSource = 1 << 5, 1 << 0, 1 << 4
	s := newEngine(t)
	compiled := s.must(s.eval("crmgate:prelude", prelude.Source(), compileOnly))
	size := s.call("malloc", 4)
	p := s.call("JS_WriteObject", s.context, size, compiled, bytecode|stripSource)
	n, _ := s.module.Memory().ReadUint32Le(uint32(size))
	want, ok := s.module.Memory().Read(uint32(p), n)
	if p == 0 || !ok {
		t.Fatal("the engine did not write its bytecode")
	}
	if *update {
		if err := os.WriteFile("prelude.bin", want, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(prelude.Bytecode, want) {
		t.Error("prelude.bin is not what the engine makes of the files: run this test with -update")
	}
}
