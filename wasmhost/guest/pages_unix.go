//go:build unix && !linux

package guest

import "golang.org/x/sys/unix"

func reservePages(size uint64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

func allowPages(b []byte) error { return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE) }

func freePages(b []byte) { _ = unix.Munmap(b) }
