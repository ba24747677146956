//go:build !linux

package guest

import "errors"

// image does not exist on this system.
type image struct{ size int }

func newImage(int64) (*image, error) { return nil, errors.ErrUnsupported }

func (*image) take([]byte) error          { return errors.ErrUnsupported }
func (*image) copyTo(*memory) error       { return errors.ErrUnsupported }
func (*image) restore(*memory, int) error { return errors.ErrUnsupported }
func (*image) kept() int64                { return 0 }
func (*image) rest()                      {}
func (*image) close()                     {}

// wakeMonitor is not needed: guests have no processes of their own on this system that run them on one processor.
func wakeMonitor() {}
