package edge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// Listen opens a TCP listener on the address that a field of a configuration names. Its error says what to do.
func Listen(field, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, badField(field, "%s is taken by another program; choose another port, or end that program", addr)
	case errors.Is(err, syscall.EACCES):
		return nil, badField(field, "this user may not listen on %s; choose a port above 1023", addr)
	}
	return l, inField(field, err)
}

// controlSocket opens the unix socket that Client asks. The database is locked by now: a socket that exists already belongs
// to a node that has ended.
func controlSocket(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the control socket: %w", advice(err))
	}
	l, err := net.Listen("unix", path) // until its mode is set, the umask of the process keeps others out
	if err != nil && len(path) > 100 {
		return nil, badField("Data", "the path is too long for the control socket: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the control socket: %w", advice(err))
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	return l, nil
}

// maxConns leaves the store, connectors and CRMs their share of the files that this process may open. 0 means the limit of
// package proxy. Go has raised the soft limit to the hard one.
func maxConns() int {
	const most, share = 16 << 10, 256
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur >= most+share {
		return 0
	}
	if files.Cur < 2*share {
		return int(files.Cur / 2)
	}
	return int(files.Cur - share)
}
