package quickjs

import (
	"cmp"
	"strings"
)

// Exception is a JavaScript exception that nothing has caught.
type Exception struct {
	Message string // such as "TypeError: not a function"
	Stack   string // a line for each function, the innermost first; may be empty
	file    string
}

// Error returns the message, and the line of the connector where it was thrown.
func (e *Exception) Error() string {
	for line := range strings.Lines(e.Stack) {
		if at := strings.Index(line, e.file+":"); at >= 0 {
			return e.Message + " at " + strings.TrimRight(line[at:], ")\n ")
		}
	}
	return e.Message
}

// maxException is the maximum length of an exception's message and of its stack, in bytes.
const maxException = 4 << 10

// exception takes the pending exception, and returns it as an *Exception. What it asks the thrown value for can be code of the script,
// which can throw again: that is dropped.
func (m *machine) exception() (err error) {
	v, err := m.call("JS_GetException", uint64(m.ctx))
	if err != nil {
		return err
	}
	e := &Exception{file: m.file}
	if e.Message, err = m.text(v, maxException); err != nil {
		return err
	}
	isError, err := m.call("JS_IsError", v)
	if err != nil {
		return err
	}
	switch {
	case v == null, e.Message == "" && uint32(isError) != 0: // too little memory was left for the error, or for its text
		e.Message = errNoMemory.Message
	case e.Message == "": // a text without characters, a symbol, or an object that cannot be converted
		e.Message = "a value without a message was thrown: throw an Error"
	}
	if tagOf(v) == tagObject {
		if e.Stack, err = m.stackOf(v); err != nil {
			return err
		}
	}
	m.release(&err, v)
	return cmp.Or[error](err, e)
}

// stackOf returns an error's stack; empty if it has none.
func (m *machine) stackOf(v value) (s string, err error) {
	stack, err := m.property(v, "stack")
	if err != nil {
		return "", err
	}
	defer m.release(&err, stack)
	switch tagOf(stack) {
	case tagException:
		return "", m.drop()
	case tagString, tagRope:
		return m.text(stack, maxException)
	}
	return "", nil
}

// drop forgets the pending exception.
func (m *machine) drop() error {
	v, err := m.call("JS_GetException", uint64(m.ctx))
	if err == nil {
		m.release(&err, v)
	}
	return err
}
