package process

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepInherited keeps the descriptors that this program was started with from the processes that it starts. Go's own are not passed
// on.
func keepInherited() { _ = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) } // Linux 5.11

// attributes has a guest process in a group of its own, so that it does not get the terminal's signals, and has the system kill it
// when its server ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
