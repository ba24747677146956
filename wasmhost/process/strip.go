package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate/wasmhost/typescript"
)

// maxStripped is the maximum size of what is made of a script in TypeScript, and of its mappings, in bytes.
const maxStripped = 16 << 20

// Strip is typescript.Strip in a process of its own, which can open no file. The context bounds it. The error is a *Died if the process
// has ended, matches ErrNotStarted if there was none, and is otherwise the script's.
func Strip(ctx context.Context, file, source string) (s typescript.Script, err error) {
	var js, mappings bounded
	_, err = produce(ctx, Config{Code: []byte(source), typeScript: file}, []product{{kindInstrumented, &js}, {kindMachine, &mappings}})
	return typescript.Script{Source: js.String(), Mappings: mappings.String()}, err
}

// bounded is a buffer for at most maxStripped bytes.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(part []byte) (int, error) {
	if b.Len()+len(part) > maxStripped {
		return 0, fmt.Errorf("without its types it is larger than %d MB: split it", maxStripped>>20)
	}
	return b.Buffer.Write(part)
}

// strip is what a process that strips types does.
func (s *server) strip(file string) error {
	f, err := s.receive(s.next)
	if err != nil {
		return err
	}
	s.watchTime("stripping its types takes too long on this machine: split the file")
	if err := drop(threadsToCompile); err != nil {
		return fmt.Errorf("build the last wall: %w", err)
	}
	var said loaded
	script, err := typescript.Strip(file, string(f.body))
	if err != nil {
		said.Error = short(err)
	} else {
		s.must(errors.Join(s.sendFile(kindInstrumented, bytes.NewReader([]byte(script.Source))), s.sendFile(kindMachine, bytes.NewReader([]byte(script.Mappings)))))
	}
	return s.sendJSON(kindLoaded, said)
}
