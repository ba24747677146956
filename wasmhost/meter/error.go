package meter

import (
	"errors"
	"fmt"
)

// Error says why Decode refused a module: a sentence that names the function, the offset in the file and the instruction, as
// far as there is one.
type Error struct {
	// Function is the index of the function, imports included, or -1 outside of functions.
	Function int
	// Offset is where in the file the fault is, or the file's length if it lies between sections.
	Offset int
	// Reason says what is wrong and, where that helps, what to do.
	Reason string
}

func (e *Error) Error() string {
	if e.Function < 0 {
		return fmt.Sprintf("at offset %#x: %s", e.Offset, e.Reason)
	}
	return fmt.Sprintf("in function %d at offset %#x: %s", e.Function, e.Offset, e.Reason)
}

func errorAt(offset int, format string, args ...any) error {
	return &Error{Function: -1, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// inFunction adds the function to an error.
func inFunction(function uint32, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Function < 0 {
		e.Function = int(function)
	}
	return err
}
