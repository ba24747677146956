package process

import (
	"math"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepInherited keeps the descriptors that this program was started with from the processes that it starts. Go's own are not passed
// on.
func keepInherited() {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		keepEach()
	}
}

// keepEach does that before Linux 5.11, which has no call for it.
func keepEach() {
	all, _ := os.ReadDir("/proc/self/fd") // without it there are no walls either
	for _, fd := range all {
		if n, err := strconv.Atoi(fd.Name()); err == nil && n > 2 {
			unix.CloseOnExec(n)
		}
	}
}

// attributes has a guest process in a group of its own, so that it does not get the terminal's signals, and has the system kill it
// when its server ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
