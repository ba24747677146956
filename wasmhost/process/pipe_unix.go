//go:build unix

package process

import (
	"io"
	"os"
	"syscall"
	"unsafe"
)

// pipe reads and writes a pipe that does not block, without telling the scheduler. Each time that the scheduler is told of a system
// call, it wakes the runtime's monitor, which took a fifth of the processor time of short calls.
type pipe struct{ raw syscall.RawConn }

func newPipe(f *os.File) pipe {
	raw, _ := f.SyscallConn() // fails only for a closed file
	return pipe{raw}
}

func (p pipe) Read(b []byte) (int, error) { return transfer(syscall.SYS_READ, p.raw.Read, b) }

// Write writes all of b.
func (p pipe) Write(b []byte) (done int, err error) {
	for n := 0; done < len(b) && err == nil; done += n {
		n, err = transfer(syscall.SYS_WRITE, p.raw.Write, b[done:])
	}
	return done, err
}

// transfer makes one system call, and waits until the pipe is ready for it.
func transfer(call uintptr, wait func(func(uintptr) bool) error, b []byte) (int, error) {
	var n uintptr
	var errno syscall.Errno
	err := wait(func(fd uintptr) bool {
		for {
			n, _, errno = syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
			if errno != syscall.EINTR {
				return errno != syscall.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}
