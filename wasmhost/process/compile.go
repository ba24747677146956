package process

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/meter"
)

// maxPart is the size of a part of a file that a process sends, in bytes. maxFile bounds the file.
const (
	maxPart = 64 << 10
	maxFile = 64 << 20
)

// dataToCompile is how much memory a process that compiles can have, in bytes. A connector in Go takes 60 MB.
const dataToCompile = 384 << 20

// Compile instruments and compiles a module in a process of its own, which can open no file. It writes the instrumented module and the
// machine code, and returns the name of the file in guest.CodeFolder for the machine code. The context bounds it. The error is a *Died
// if the process has ended, matches ErrNotStarted if there was none, and is the error of a writer, or else the module's.
func Compile(ctx context.Context, c Config, instrumented, machine io.Writer) (name string, err error) {
	done, err := produce(ctx, c, []product{{kindInstrumented, instrumented}, {kindMachine, machine}})
	if raw, wrong := hex.DecodeString(done.Name); err == nil && (wrong != nil || len(raw) != 32) {
		err = &Died{Why: fmt.Errorf("%w: the name %q", errFrame, done.Name)}
	}
	return done.Name, err
}

// product is a file that a process makes.
type product struct {
	kind kind
	to   io.Writer
}

// produce has a process make files of c.Code, and returns what it says last.
func produce(ctx context.Context, c Config, files []product) (done loaded, err error) {
	p, err := begin(ctx, c, true)
	if err != nil {
		return done, err
	}
	defer p.end()
	defer context.AfterFunc(ctx, func() { p.child.end(errLate(ctx)) })()
	if err := p.send(kindModule, 0, 0, c.Code); err != nil {
		return done, p.gaveUp(ctx, err)
	}
	for _, file := range files {
		if err := p.take(ctx, file.kind, file.to); err != nil {
			return done, err
		}
	}
	f, err := p.receive(p.self.box)
	if err == nil {
		done, err = p.loaded(f)
	}
	if err != nil {
		return done, p.gaveUp(ctx, err)
	}
	return done, nil
}

// take writes the parts of a file as they arrive.
func (p *Process) take(ctx context.Context, k kind, to io.Writer) error {
	for {
		f, err := p.receive(p.self.box)
		if err == nil && f.kind == kindLoaded {
			var done loaded
			if done, err = p.loaded(f); err == nil && done.Error != "" {
				return errors.New(done.Error)
			}
		}
		if err == nil && f.kind != k {
			err = fmt.Errorf("%w: kind %d out of turn", errFrame, f.kind)
		}
		if err != nil {
			return p.gaveUp(ctx, err)
		}
		if _, err := to.Write(f.body); err != nil || f.flag == 1 {
			return err
		}
	}
}

// gaveUp is died for a process that compiles. It says how much memory there was if the Go runtime ended the process.
func (p *Process) gaveUp(ctx context.Context, err error) error {
	err = p.died(ctx, p.self, err)
	if ctx.Err() == nil && p.child.cmd.ProcessState.ExitCode() == 2 && p.strips {
		return fmt.Errorf("%w: stripping its types may take %d MB of memory: split the file, and nest less", err, dataToCompile>>20)
	}
	if ctx.Err() == nil && p.child.cmd.ProcessState.ExitCode() == 2 {
		return fmt.Errorf("%w: compiling may take %d MB of memory: split large functions, and leave out code that is not needed", err, dataToCompile>>20)
	}
	return err
}

// compile is what a process that compiles does. The compiler runs behind the same wall as a guest.
func (s *server) compile(h hello) error {
	f, err := s.receive(s.next)
	if err != nil {
		return err
	}
	s.watchTime("compiling it takes too long on this machine: split large functions, and leave out code that is not needed")
	var said loaded
	m, err := meter.Decode(f.body)
	var code []byte
	if err == nil {
		code, err = m.Instrument()
	}
	if err == nil {
		s.must(s.sendFile(kindInstrumented, bytes.NewReader(code)))
		if err := errors.Join(allow(m.CompileTime()), drop(threadsToCompile)); err != nil {
			return fmt.Errorf("build the last wall: %w", err)
		}
		err = guest.Compile(context.Background(), code, h.Limits, func(name string, machine io.Reader) error {
			said.Name = name
			return s.sendFile(kindMachine, machine)
		})
	}
	if err != nil {
		said.Error = short(err)
	}
	return s.sendJSON(kindLoaded, said)
}

// watchTime says that something took too long, and ends this process, when its processor time is over.
func (s *server) watchTime(late string) {
	over := make(chan os.Signal, 1)
	notifyLate(over)
	go func() {
		<-over
		s.must(s.sendJSON(kindLoaded, loaded{Error: late}))
		os.Exit(0)
	}()
}

// sendFile sends a file in parts.
func (s *server) sendFile(k kind, from io.Reader) error {
	part, last := make([]byte, maxPart), byte(0)
	for last == 0 {
		n, err := io.ReadFull(from, part)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			last, err = 1, nil
		}
		if err == nil {
			err = s.send(k, last, 0, part[:n])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
