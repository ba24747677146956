package guest

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The scheduler is not told of these system calls, which take some microseconds. Whenever the system delays one that it knows of, it
// hands the processor to another thread, and a guest process cannot make threads: with 200 calls at once it needed more than 16.

// reservePages returns memory that cannot be accessed yet.
func reservePages(size uint64) ([]byte, error) {
	p, _, errno := unix.RawSyscall6(unix.SYS_MMAP, 0, uintptr(size), unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE, ^uintptr(0), 0)
	if err := failed("mmap", errno); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), size), nil
}

// allowPages makes reserved memory accessible.
func allowPages(b []byte) error {
	_, _, errno := unix.RawSyscall(unix.SYS_MPROTECT, address(b), uintptr(len(b)), unix.PROT_READ|unix.PROT_WRITE)
	return failed("mprotect", errno)
}

// mapFile replaces memory by the content of a file from an offset. The memory gets its own copy of each page that is written.
func mapFile(b []byte, fd uintptr, from int) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_MMAP, address(b), uintptr(len(b)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED, fd, uintptr(from))
	return failed("mmap", errno)
}

// dropPages undoes all writes.
func dropPages(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, _, errno := unix.RawSyscall(unix.SYS_MADVISE, address(b), uintptr(len(b)), unix.MADV_DONTNEED)
	return failed("madvise", errno)
}

// freePages gives memory back.
func freePages(b []byte) { _, _, _ = unix.RawSyscall(unix.SYS_MUNMAP, address(b), uintptr(len(b)), 0) }

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func failed(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return os.NewSyscallError(call, errno)
}

// wakeMonitor makes a short system call that the scheduler is told of.
func wakeMonitor() { _, _, _ = unix.Syscall(unix.SYS_GETPID, 0, 0, 0) }
