package meter

import (
	"errors"
	"fmt"
)

// Error is the reason why Decode rejected a module. Its text names the function, the offset in the file and the instruction,
// where they are known.
type Error struct {
	// Function is the index of the function, counting imports, or -1 outside functions.
	Function int
	// Offset is the position of the fault in the file, or the file's length if the fault lies between sections.
	Offset int
	// Reason says what is wrong and, where useful, what to do.
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

// inFunction sets the function of an error that has none.
func inFunction(function uint32, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Function < 0 {
		e.Function = int(function)
	}
	return err
}
