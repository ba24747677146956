package quickjs

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Guest is an instance of the engine in its sandbox.
type Guest struct {
	// Call calls an export. The stack has the parameters, and then the result. After an error the instance must not be used again.
	Call func(export string, stack []uint64) error
	// Memory returns a range of the memory; ok is false if it is out of bounds. It is valid until the next call.
	Memory func(at, size uint32) (b []byte, ok bool)
}

// value is a JSValue: the tag is in the upper half, and a number or an address in the lower one.
type value = uint64

// The tags of values that are used here.
const (
	tagString    = -7
	tagRope      = -6 // a string in parts
	tagModule    = -3
	tagObject    = -1
	tagBool      = 1
	tagNull      = 2
	tagUndefined = 3
	tagException = 6
)

const (
	isTrue    value = tagBool<<32 | 1
	null      value = tagNull << 32
	undefined value = tagUndefined << 32
	exception value = tagException << 32
)

func tagOf(v value) int32 { return int32(v >> 32) }

// ErrCorrupt means that the memory of the engine has no sense: the connector, or an error of the engine, has written over it.
var ErrCorrupt = errors.New("the memory of the JavaScript engine is damaged")

// machine calls the C API of one instance.
type machine struct {
	Guest
	runtime, ctx uint32
	scratch      uint32 // an address of scratchSize bytes: arguments and results
	file         string // the name of the connector's file
	stack        [6]uint64
}

const (
	maxArguments = 4
	scratchSize  = 8 * (maxArguments + 1)
	resultAt     = 8 * maxArguments // in scratch
)

// call calls a function of the C API.
func (m *machine) call(function string, parameters ...uint64) (uint64, error) {
	n := copy(m.stack[:], parameters)
	if err := m.Call(function, m.stack[:max(n, 1)]); err != nil {
		return 0, err
	}
	return m.stack[0], nil
}

// bytes returns a range of the memory.
func (m *machine) bytes(at, size uint32) ([]byte, error) {
	b, ok := m.Memory(at, size)
	if !ok {
		return nil, ErrCorrupt
	}
	return b, nil
}

// put copies texts to new memory, one behind the other, with a zero behind the last. The caller frees it.
func (m *machine) put(texts ...string) (at, size uint32, err error) {
	n := 0
	for _, s := range texts {
		n += len(s)
	}
	v, err := m.call("malloc", uint64(n+1))
	if err != nil {
		return 0, 0, err
	}
	if v == 0 {
		return 0, 0, errNoMemory
	}
	at = uint32(v)
	b, err := m.bytes(at, uint32(n+1))
	if err != nil {
		return 0, 0, err
	}
	for _, s := range texts {
		b = b[copy(b, s):]
	}
	b[0] = 0
	return at, uint32(n), nil
}

var errNoMemory = &Exception{Message: "InternalError: out of memory"}

// free frees memory of put. It is for defer: err is set unless there is an error.
func (m *machine) free(err *error, at uint32) {
	if _, wrong := m.call("free", uint64(at)); *err == nil {
		*err = wrong
	}
}

// release gives a value up. It is for defer: err is set unless there is an error.
func (m *machine) release(err *error, v value) {
	if tagOf(v) >= 0 { // not an address
		return
	}
	if _, wrong := m.call("JS_FreeValue", uint64(m.ctx), v); *err == nil {
		*err = wrong
	}
}

// thrown returns the pending exception if v says that there is one.
func (m *machine) thrown(v value, err error) (value, error) {
	if err == nil && v == exception {
		err = m.exception()
	}
	return v, err
}

// errTooLong means that a text is longer than its limit.
var errTooLong = errors.New("a text is too long")

// text returns a value as a text. A longer one than limit is cut in front of a word: a part of a secret could not be recognized. It is
// empty if the value cannot be converted.
func (m *machine) text(v value, limit int) (string, error) {
	s, err := m.wholeText(v, limit)
	if errors.Is(err, errTooLong) {
		s, err = s[:strings.LastIndexAny(s, " \n")+1]+"…", nil
	}
	return s, err
}

// wholeText returns a value as a text. The error is errTooLong if it is longer than limit, with the text up to there.
func (m *machine) wholeText(v value, limit int) (s string, err error) {
	at, err := m.call("JS_ToCStringLen2", uint64(m.ctx), uint64(m.scratch+resultAt), v, 0)
	if err != nil {
		return "", err
	}
	if at == 0 {
		return "", m.drop()
	}
	size, err := m.bytes(m.scratch+resultAt, 4)
	if err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint32(size)
	b, err := m.bytes(uint32(at), min(n, uint32(limit)))
	if err != nil {
		return "", err
	}
	s = strings.ToValidUTF8(string(b), "\uFFFD")
	if _, err := m.call("JS_FreeCString", uint64(m.ctx), at); err != nil {
		return "", err
	}
	if n > uint32(limit) {
		err = errTooLong
	}
	return s, err
}

// property returns a property of an object; exception if there is an exception.
func (m *machine) property(object value, name string) (v value, err error) {
	at, _, err := m.put(name)
	if err != nil {
		return 0, err
	}
	defer m.free(&err, at)
	return m.call("JS_GetPropertyStr", uint64(m.ctx), object, uint64(at))
}

// apply calls a JavaScript function. It gives the arguments up.
func (m *machine) apply(function value, arguments ...value) (v value, err error) {
	b, err := m.bytes(m.scratch, 8*maxArguments)
	if err != nil {
		return 0, err
	}
	for i, a := range arguments {
		binary.LittleEndian.PutUint64(b[8*i:], a)
	}
	v, err = m.thrown(m.call("JS_Call", uint64(m.ctx), function, undefined, uint64(len(arguments)), uint64(m.scratch)))
	if err != nil {
		return 0, err
	}
	for _, a := range arguments {
		m.release(&err, a)
	}
	return v, err
}

// strings returns values of texts.
func (m *machine) strings(texts ...string) (all []value, err error) {
	at, _, err := m.put(texts...)
	if err != nil {
		return nil, err
	}
	defer m.free(&err, at)
	for _, s := range texts {
		v, err := m.thrown(m.call("JS_NewStringLen", uint64(m.ctx), uint64(at), uint64(len(s))))
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		at += uint32(len(s))
	}
	return all, nil
}

// jobs runs what promises have to do, until nothing is left.
func (m *machine) jobs() error {
	for {
		n, err := m.call("JS_ExecutePendingJob", uint64(m.runtime), uint64(m.scratch+resultAt))
		switch {
		case err != nil:
			return err
		case int32(n) < 0:
			return m.exception()
		case n == 0:
			return nil
		}
	}
}
