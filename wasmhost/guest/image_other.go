//go:build !linux

package guest

import (
	"errors"
	"os"
)

// image does not exist on this system.
type image struct{ size int }

// TemplateFile returns an error that matches errors.ErrUnsupported.
func TemplateFile(Limits, int) (*os.File, error) { return nil, errors.ErrUnsupported }

// ClearTemplate is not called: there are no such files.
func ClearTemplate(*os.File, Limits, int) error { return nil }

func newImage(*os.File, int64) *image { return nil }

func (*image) take([]byte) error          { return errors.ErrUnsupported }
func (*image) copyTo(*memory) error       { return errors.ErrUnsupported }
func (*image) restore(*memory, int) error { return errors.ErrUnsupported }
func (*image) kept() int64                { return 0 }
func (*image) rest()                      {}
func (*image) close()                     {}

// wakeMonitor is not needed: guests have no processes of their own on this system that run them on one processor.
func wakeMonitor() {}
