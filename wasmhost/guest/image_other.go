//go:build !linux

package guest

import (
	"errors"
	"os"
)

// image does not exist on this system.
type image struct{ size int }

// TemplateFile returns an error that matches errors.ErrUnsupported.
func TemplateFile(Limits) (*os.File, error) { return nil, errors.ErrUnsupported }

func newImage(*os.File) *image { return nil }

func (*image) take([]byte) error          { return errors.ErrUnsupported }
func (*image) copyTo(*memory) error       { return errors.ErrUnsupported }
func (*image) restore(*memory, int) error { return errors.ErrUnsupported }
func (*image) kept() int64                { return 0 }
func (*image) rest()                      {}
func (*image) close()                     {}

// wakeMonitor is not needed: guests have no processes of their own on this system that run them on one processor.
func wakeMonitor() {}
