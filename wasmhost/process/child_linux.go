package process

import "syscall"

// attributes has a guest process in a group of its own, so that it does not get the terminal's signals, and has the system kill it
// when its server ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
