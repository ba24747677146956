package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// inherited returns the pipes from and to the server. The runtime's poller starts here: once the last wall stands, it could not.
func inherited() (in, out *os.File) {
	_, _ = unix.SetNonblock(3, true), unix.SetNonblock(4, true)
	return os.NewFile(3, "in"), os.NewFile(4, "out")
}

// The system calls of a guest process. They are those that Go 1.26 and wazero 1.12 make, beside those that filter looks at closely.
var (
	whileRunning = []string{
		"read", "write", "pwrite64", "epoll_pwait", "futex", "nanosleep", "sched_yield", "madvise", "munmap", "close",
		"rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "sigaltstack", "gettid", "getpid", "exit", "exit_group",
		"sched_getaffinity", "clock_gettime", "getrandom", "restart_syscall", "set_robust_list", "rseq",
	}
	whileLoading = []string{
		"openat", "newfstatat", "fstat", "epoll_ctl", "seccomp", "prctl", "memfd_create", "ftruncate", "lseek",
	}
	whileCompiling = []string{"renameat", "unlinkat", "fsync", "mkdirat"}
	// newThread are the flags of clone when Go's runtime and a C library make a thread; not a process.
	newThread = []uint64{0xd0f00, 0x3d0f00}
	// never are those that only a stranger's machine code makes. The process is killed.
	never = []string{
		"execve", "execveat", "socket", "connect", "ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill", "pidfd_open",
		"pidfd_getfd", "pidfd_send_signal", "io_uring_setup", "bpf", "userfaultfd", "unshare", "setns", "mount", "perf_event_open", "keyctl",
	}
)

// Limits of a guest process, in bytes.
const (
	maxFile          = 64 << 20 // of the machine code of a module, or the file of a template
	dataToCompile    = 512 << 20
	secondsToCompile = 10
)

// confine builds the walls that stand while the process loads the module: it can read its folder, use a bounded amount of memory, and
// make the system calls that loading needs. missing names the walls that this system does not have.
func confine(h hello) (missing []string, err error) {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)          // they are for the server, which then closes the pipe
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("900"), 0) // the server should outlive its guests
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl", err)
	}
	if err := limit(h); err != nil {
		return nil, err
	}
	rights := landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir)
	if h.Compile {
		rights |= ll.AccessFSWriteFile | ll.AccessFSMakeReg | ll.AccessFSRemoveFile | ll.AccessFSMakeDir
	}
	if err := landlock.V7.BestEffort().Restrict(landlock.PathAccess(rights, h.Dir)); err != nil {
		return nil, fmt.Errorf("landlock: %w", err)
	}
	if f, err := os.Open("/proc/self/status"); err == nil { // best effort may be nothing, without a word
		_ = f.Close()
		missing = append(missing, "landlock")
	}
	if !seccomp.Supported() {
		return append(missing, "seccomp"), nil
	}
	calls := slices.Concat(whileRunning, whileLoading)
	if h.Compile {
		calls = slices.Concat(calls, whileCompiling)
	}
	return missing, filter(calls, nil, newThread, unix.SYS_UNAME)
}

// drop builds the last wall: what only loading needs is over.
func drop(h hello) error {
	if h.Compile || !seccomp.Supported() { // a process that compiles ends now
		return nil
	}
	makeThreads()
	return filter(whileRunning, never, nil, unix.SYS_FSTAT)
}

// threads is how many idle threads the runtime gets before the last wall, behind which it cannot make any. Only one of them runs the
// guests. The runtime needs another one for each that the system keeps in a call.
const threads = 16

// makeThreads has the runtime make threads, which it keeps.
func makeThreads() {
	var ready, ended sync.WaitGroup
	leave := make(chan struct{})
	ready.Add(threads)
	for range threads {
		ended.Go(func() {
			runtime.LockOSThread() // now no other goroutine can use the thread
			ready.Done()
			<-leave
			runtime.UnlockOSThread()
		})
	}
	ready.Wait()
	close(leave)
	ended.Wait()
}

// limit bounds what the process can use.
func limit(h hello) error {
	limits := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: 32, unix.RLIMIT_FSIZE: maxFile, unix.RLIMIT_MEMLOCK: 0, unix.RLIMIT_MSGQUEUE: 0}
	if !raceDetector {
		limits[unix.RLIMIT_DATA] = uint64(h.Data)
	}
	if h.Compile && !raceDetector { // it takes ten times as long with it
		limits[unix.RLIMIT_CPU], limits[unix.RLIMIT_DATA] = secondsToCompile, dataToCompile
	}
	for what, most := range limits {
		if err := unix.Setrlimit(what, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return os.NewSyscallError("setrlimit", err)
		}
	}
	return nil
}

// filter allows these system calls and no other, on all threads. Those in killed end the process. denied is a call that was allowed
// before, to see that the filter holds. clones are the flags that clone may have.
func filter(allowed, killed []string, clones []uint64, denied uintptr) error {
	is := func(i uint32, op seccomp.Operation, v uint64) seccomp.Condition {
		return seccomp.Condition{Argument: i, Operation: op, Value: v}
	}
	all := func(c ...seccomp.Condition) seccomp.ArgumentConditions { return c }
	policy := seccomp.Policy{DefaultAction: seccomp.ActionErrno, Syscalls: []seccomp.SyscallGroup{
		{Action: seccomp.ActionAllow, Names: known(allowed), NamesWithCondtions: []seccomp.NameWithConditions{
			// The flags of a file, but not who gets signals of it.
			{Name: "fcntl", Conditions: all(is(1, seccomp.Equal, unix.F_GETFL))},
			{Name: "fcntl", Conditions: all(is(1, seccomp.Equal, unix.F_GETFD))},
			{Name: "fcntl", Conditions: all(is(1, seccomp.Equal, unix.F_SETFD))},
			{Name: "fcntl", Conditions: all(is(1, seccomp.Equal, unix.F_DUPFD_CLOEXEC))},
			// Signals to its own threads: preemption, and the end by a crash.
			{Name: "tgkill", Conditions: all(is(0, seccomp.Equal, uint64(os.Getpid())))},
			// Memory that is shared with no one, and never writable and executable at once: wazero maps, writes, then protects.
			{Name: "mmap", Conditions: all(is(2, seccomp.BitsNotSet, unix.PROT_EXEC), is(3, seccomp.BitsNotSet, unix.MAP_SHARED|unix.MAP_GROWSDOWN|unix.MAP_HUGETLB|unix.MAP_LOCKED))},
			{Name: "mprotect", Conditions: all(is(2, seccomp.BitsNotSet, unix.PROT_EXEC))},
			{Name: "mprotect", Conditions: all(is(2, seccomp.Equal, unix.PROT_EXEC|unix.PROT_READ))},
		}},
		// A C library falls back to clone.
		{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
	}}
	for _, flags := range clones {
		policy.Syscalls[0].NamesWithCondtions = append(policy.Syscalls[0].NamesWithCondtions,
			seccomp.NameWithConditions{Name: "clone", Conditions: all(is(0, seccomp.Equal, flags))})
	}
	if len(killed) > 0 {
		policy.Syscalls = append(policy.Syscalls, seccomp.SyscallGroup{Action: seccomp.ActionKillProcess, Names: known(killed)})
	}
	runtime.LockOSThread() // no_new_privs is one thread's; the filter gives it to all
	defer runtime.UnlockOSThread()
	if err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy}); err != nil {
		return err
	}
	// The library takes a thread that did not get the filter for a success.
	if _, _, errno := unix.RawSyscall(denied, 0, 0, 0); errno != unix.EPERM {
		return errors.New("seccomp: the filter does not hold")
	}
	return nil
}

// known returns the names of system calls that this architecture has.
func known(names []string) []string {
	info, err := arch.GetInfo("")
	if err != nil {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := info.SyscallNames[name]; return !ok })
}
