package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() { instead["drill"], instead["compiles"] = drill, drill }

// parent is the number of the server's process. Behind the walls, a process does not learn it any more.
var parent = os.Getppid()

// attempts are what machine code that has escaped from the engine might try. Each returns nil if it succeeded.
var attempts = map[string]func(h hello) error{
	"read a file":            func(h hello) error { return opens(secretOf(h), os.O_RDONLY) },
	"write a file":           func(h hello) error { return opens(secretOf(h), os.O_WRONLY) },
	"list a folder":          func(h hello) error { _, err := os.ReadDir(filepath.Dir(secretOf(h))); return err },
	"write the machine code": func(h hello) error { return opens(filepath.Join(h.Dir, "new"), os.O_CREATE|os.O_WRONLY) },
	"read the machine code":  func(h hello) error { _, err := os.ReadDir(h.Dir); return err },
	"read /etc/passwd":       func(hello) error { return opens("/etc/passwd", os.O_RDONLY) },
	"the parent's memory":    func(hello) error { return opens(fmt.Sprintf("/proc/%d/mem", parent), os.O_RDONLY) },
	"the parent's variables": func(hello) error { return opens(fmt.Sprintf("/proc/%d/environ", parent), os.O_RDONLY) },
	"its own memory file":    func(hello) error { return opens("/proc/self/mem", os.O_RDWR) },
	"a device":               func(hello) error { return opens("/dev/null", os.O_RDONLY) },
	"remove a file":          func(h hello) error { return os.Remove(secretOf(h)) },
	"a new folder":           func(h hello) error { return os.Mkdir(filepath.Join(filepath.Dir(h.Dir), "made"), 0o700) },
	"a link":                 func(h hello) error { return os.Symlink("/etc/passwd", filepath.Join(filepath.Dir(h.Dir), "link")) },
	"change a mode":          func(h hello) error { return os.Chmod(h.Dir, 0o777) },
	"a memory file": func(hello) error {
		return raw(unix.SYS_MEMFD_CREATE, uintptr(unsafe.Pointer(&[]byte("x\x00")[0])), 0, 0)
	},
	"a pipe":                  func(hello) error { var fds [2]int; return unix.Pipe(fds[:]) },
	"shared memory":           func(hello) error { return raw(unix.SYS_SHMGET, 0, 4096, unix.IPC_CREAT|0o600) },
	"executable memory":       func(hello) error { return maps(4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE) },
	"executable and writable": func(hello) error { return protects(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC) },
	"mapped for all":          func(hello) error { return maps(4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED) },
	"broken memory": func(hello) error { // the kernel does not know this advice
		if err := raw(unix.SYS_MADVISE, 0, 0, 1000); err == unix.EPERM {
			return err
		}
		return nil
	},
	"much memory":            func(hello) error { return much(4 << 30) },
	"more open files":        func(hello) error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1000, Max: 1000}) },
	"core dumps":             func(hello) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) },
	"no filter":              func(hello) error { return raw(unix.SYS_SECCOMP, 0, 0, 0) },
	"another user":           func(hello) error { return raw(unix.SYS_SETUID, 65534, 0, 0) },
	"a name of the machine":  func(hello) error { return unix.Sethostname([]byte("mine")) },
	"another root":           func(hello) error { return unix.Chroot("/tmp") },
	"the kernel's log":       func(hello) error { return raw(unix.SYS_SYSLOG, 3, 0, 0) },
	"a thread":               func(hello) error { return raw(unix.SYS_CLONE, uintptr(newThread[0]), 0, 0) },
	"a namespace":            func(hello) error { return raw(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(syscall.SIGCHLD), 0, 0) },
	"fork by clone":          func(hello) error { return raw(unix.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0) },
	"fork by clone3":         func(hello) error { return raw(unix.SYS_CLONE3, 0, 0, 0) },
	"a timer for the parent": func(hello) error { return raw(unix.SYS_TGKILL, uintptr(parent), uintptr(parent), 0) },
	"a set of descriptors":   func(hello) error { return raw(unix.SYS_EPOLL_CREATE1, 0, 0, 0) },
	"a descriptor's flags":   func(hello) error { return raw(unix.SYS_FCNTL, 3, unix.F_SETFL, 0) },
	"control of a device":    func(hello) error { return raw(unix.SYS_IOCTL, 2, unix.TCGETS, 0) },
}

// ends are attempts that end the process.
var ends = map[string]func(h hello) error{
	"a socket":                func(hello) error { return raw(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM, 0) },
	"a datagram":              func(hello) error { return raw(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0) },
	"a local socket":          func(hello) error { _, err := net.Dial("unix", "/run/x"); return err },
	"exec":                    func(hello) error { return unix.Exec("/bin/true", []string{"true"}, nil) },
	"a signal":                func(hello) error { return unix.Kill(parent, 0) },
	"trace the parent":        func(hello) error { return unix.PtraceAttach(parent) },
	"a ring":                  func(hello) error { return raw(unix.SYS_IO_URING_SETUP, 1, 0, 0) },
	"a handle":                func(hello) error { return raw(unix.SYS_PIDFD_OPEN, uintptr(parent), 0, 0) },
	"the parent's words":      func(hello) error { return raw(unix.SYS_PROCESS_VM_READV, uintptr(parent), 0, 0) },
	"new namespaces":          func(hello) error { return unix.Unshare(unix.CLONE_NEWNS) },
	"a mount":                 func(hello) error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") },
	"a program of the kernel": func(hello) error { return raw(unix.SYS_BPF, 0, 0, 0) },
}

func raw(call, a, b, c uintptr) error {
	r, _, errno := unix.RawSyscall(call, a, b, c)
	if errno != 0 {
		return errno
	}
	if r == 0 && call == unix.SYS_CLONE { // the child of an escape
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

func opens(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0o600)
	if err == nil {
		_ = f.Close()
	}
	return err
}

func maps(size, prot, flags int) error {
	_, err := unix.Mmap(-1, 0, size, prot, flags|unix.MAP_ANON)
	return err
}

func protects(prot int) error {
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	return unix.Mprotect(b, prot)
}

func much(size int) error {
	if raceDetector {
		return errors.New("the race detector has no limit")
	}
	return maps(size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
}

// secretOf is a file beside the folder of a process.
func secretOf(h hello) string { return filepath.Join(filepath.Dir(h.Dir), "secret") }

// drill builds the walls as a guest process does, tries the attempts, and says what came of them. A name in the folder's name after
// "drill " is the one of ends that is tried.
func drill(s *server, h hello) {
	missing, err := confine(h)
	if err == nil {
		_ = s.sendJSON(kindReady, missing)
		_, _ = s.receive(s.next)
		if unix.Prlimit(parent, unix.RLIMIT_CORE, nil, &unix.Rlimit{}) == nil {
			err = errors.New("it can use the limits of its parent")
		}
		err = errors.Join(err, drop(threadsToRun))
	}
	if err != nil {
		_ = s.sendJSON(kindLoaded, loaded{Error: err.Error()})
		return
	}
	if _, name, ok := strings.Cut(filepath.Base(h.Dir), " "); ok {
		err := ends[name](h)
		_ = s.sendJSON(kindLoaded, loaded{Error: fmt.Sprintf("it survived: %v", err)})
		return
	}
	done := map[string]string{}
	for name, try := range attempts {
		if err := try(h); err == nil {
			done[name] = "succeeded"
		} else if os.IsNotExist(err) {
			done[name] = err.Error()
		}
	}
	b, _ := json.Marshal(done)
	_ = s.sendJSON(kindLoaded, loaded{Error: string(b)})
}

// TestEscape: machine code of ours runs where a guest's would, behind all walls.
func TestEscape(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := filepath.Join(base, "drill")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Mkdir(filepath.Join(base, "compiles"), 0o700), os.WriteFile(filepath.Join(base, "secret"), []byte("key ring"), 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Code: []byte("x"), Dir: dir, Limits: limits})
	if err == nil || err.Error() != "{}" {
		t.Errorf("behind the walls: %v", err)
	}
	// A process that compiles has the same walls, and no folder.
	_, err = Compile(t.Context(), Config{Code: []byte("x"), Dir: filepath.Join(base, "compiles"), Limits: limits}, io.Discard, io.Discard)
	if err == nil || err.Error() != "{}" {
		t.Errorf("behind the walls of a process that compiles: %v", err)
	}
	for name := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(base, "drill "+name)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := Start(t.Context(), Config{Code: []byte("x"), Dir: dir, Limits: limits})
			if !errors.As(err, new(*Died)) || !strings.Contains(err.Error(), "bad system call") {
				t.Errorf("got %v, want its end by SIGSYS", err)
			}
		})
	}
}

// TestInherits: a guest process has no variables and no descriptors but its pipes.
func TestInherits(t *testing.T) {
	t.Setenv("CRMGATE_TEST_SECRET", "secret")
	for name, keep := range map[string]func(){"now": keepInherited, "before Linux 5.11": keepEach} {
		t.Run(name, func(t *testing.T) { inherits(t, keep) })
	}
}

func inherits(t *testing.T, keep func()) {
	fd, err := unix.Open(os.Args[0], unix.O_RDONLY, 0) // it would be passed on
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	keep()
	p := mustStart(t, practice(t))
	dir := "/proc/" + strconv.Itoa(p.child.cmd.Process.Pid)
	if env, err := os.ReadFile(dir + "/environ"); err == nil && len(env) > 0 {
		t.Errorf("its variables are %q", env)
	}
	fds, err := os.ReadDir(dir + "/fd")
	for _, fd := range fds {
		to, _ := os.Readlink(dir + "/fd/" + fd.Name())
		// Go's runtime keeps the cgroup's limits open, and a template is in a file without a name.
		if strings.HasPrefix(to, "/") && to != "/dev/null" && !strings.HasPrefix(to, "/sys/fs/cgroup/") && !strings.HasPrefix(to, "/memfd:crmgate-template") {
			t.Errorf("it has %s open", to)
		}
	}
	if err != nil && os.Geteuid() == 0 {
		t.Error(err)
	}
}
