package quickjs

import (
	"errors"
	"time"
)

// Call is a call of an operation.
type Call struct {
	Operation string
	Input     string
	Env       string // an object of texts, as JSON
	Seed      string // 64 hexadecimal digits
	MaxOutput int    // bytes of the output, and of a request
}

// Host does what operations wait for. Its functions are called one at a time. An error of theirs ends the call.
type Host struct {
	Fetch  func(request string) (answer string, err error)
	Derive func(request string) (handle string, ok bool, err error)
	Sleep  func(time.Duration) error
}

// ErrStuck means that nothing is left that could end an operation.
var ErrStuck = errors.New("a promise never settles")

// ErrOutput means that an operation's answer or request is longer than the limit.
var ErrOutput = errors.New("the output is too long")

// Run runs an operation in a copy of the instance in which the program was loaded. result and output are those of the ABI. After an error
// the instance must not be used again. An *Exception is the script's.
func (p *Program) Run(g Guest, h Host, c Call) (result int32, output string, err error) {
	m := &machine{Guest: g, runtime: p.runtime, ctx: p.ctx, scratch: p.scratch, file: p.file}
	arguments, err := m.strings(c.Operation, c.Input, c.Env, c.Seed)
	if err == nil {
		err = m.do(p.begin, arguments)
	}
	for err == nil {
		var t turn
		if t, err = m.turn(p, c.MaxOutput); err != nil {
			break
		}
		switch t.kind {
		case "result":
			if len(t.text) > c.MaxOutput {
				return 0, "", ErrOutput
			}
			return t.number, t.text, nil
		case "stuck":
			return 0, "", ErrStuck
		case "sleep":
			if err = h.Sleep(time.Duration(t.number) * time.Millisecond); err == nil {
				err = m.jobs() // those of the timers that turn has run
			}
		default:
			err = m.perform(p, h, t)
		}
	}
	return 0, "", err
}

// do calls a function that returns nothing, and runs the jobs that follow.
func (m *machine) do(function value, arguments []value) error {
	v, err := m.apply(function, arguments...)
	if err != nil {
		return err
	}
	m.release(&err, v)
	if err != nil {
		return err
	}
	return m.jobs()
}

// turn asks the prelude what the operation waits for.
func (m *machine) turn(p *Program, maxOutput int) (t turn, err error) {
	v, err := m.apply(p.turn)
	if err != nil {
		return t, err
	}
	defer m.release(&err, v)
	s, err := m.wholeText(v, maxOutput+maxHead)
	if err != nil && !errors.Is(err, errTooLong) { // the host refuses a long request, and Run a long output
		return t, err
	}
	return parseTurn(s)
}

// perform does what the operation waits for, and settles its promise.
func (m *machine) perform(p *Program, h Host, t turn) error {
	var answer []string // empty if a value could not be derived
	switch t.kind {
	case "fetch":
		document, err := h.Fetch(t.text)
		if err != nil {
			return err
		}
		answer = splitAnswer(document)
	case "derive":
		handle, ok, err := h.Derive(t.text)
		if err != nil {
			return err
		}
		if ok {
			answer = []string{handle}
		}
	}
	arguments, err := m.strings(answer...)
	if err != nil {
		return err
	}
	return m.do(p.settle, arguments)
}
