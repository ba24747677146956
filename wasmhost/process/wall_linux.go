package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

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

// inheritedTemplate returns the file for the template, from the server.
func inheritedTemplate() *os.File { return os.NewFile(5, "template") }

// The system calls of a guest process. They are those that Go 1.26 and wazero 1.12 make, beside those that filter looks at closely.
var (
	whileRunning = []string{
		"read", "write", "pwrite64", "epoll_pwait", "futex", "nanosleep", "sched_yield", "munmap", "close",
		"rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "sigaltstack", "gettid", "getpid", "exit", "exit_group",
		"sched_getaffinity", "clock_gettime", "getrandom", "restart_syscall", "set_robust_list", "rseq",
	}
	whileLoading = []string{
		"openat", "newfstatat", "fstat", "epoll_ctl", "seccomp", "prctl", "lseek",
	}
	// newThread are the flags of clone when Go's runtime and a C library make a thread; not a process.
	newThread = []uint64{0xd0f00, 0x3d0f00}
	// never are those that only a stranger's machine code makes. The process is killed.
	never = []string{
		"execve", "execveat", "socket", "connect", "ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill", "pidfd_open",
		"pidfd_getfd", "pidfd_send_signal", "io_uring_setup", "bpf", "userfaultfd", "unshare", "setns", "mount", "perf_event_open", "keyctl",
	}
)

// Limits of a process that compiles, in seconds of processor time. Instrumenting takes up to 1.5 s on a server of 2025.
const (
	secondsToMeter = 5
	secondsAtMost  = 20
)

// allow limits what compiling may take, after what the process has used: two seconds, and twice the estimate, of which real modules take
// two thirds. So a module that compiles more slowly than its shape promises is ended soon. A process that is ended says so; if it
// cannot, the system kills it a second later.
func allow(estimate time.Duration) error {
	if raceDetector { // it takes ten times as long with it
		return nil
	}
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &used); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	most := time.Duration(used.Nano()) + 2*time.Second + 2*estimate
	seconds := min(uint64(math.Ceil(most.Seconds())), secondsAtMost-1)
	return limitTo(unix.RLIMIT_CPU, seconds, seconds+1)
}

// notifyLate has a channel receive when the processor time is over.
func notifyLate(c chan<- os.Signal) { signal.Notify(c, unix.SIGXCPU) }

// confine builds the walls that stand while the process loads or instruments the module: it can read its folder if it is to run the
// module, use a bounded amount of memory, and make the system calls that loading needs. missing names the walls that this system does not have.
func confine(h hello) (missing []string, err error) {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)          // they are for the server, which then closes the pipe
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("900"), 0) // the server should outlive its guests
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, os.NewSyscallError("prctl", err)
	}
	if err := limit(h); err != nil {
		return nil, err
	}
	var may []landlock.Rule
	if !h.Compile {
		may = append(may, landlock.PathAccess(ll.AccessFSReadFile|ll.AccessFSReadDir, h.Dir))
	}
	if err := landlock.V7.BestEffort().Restrict(may...); err != nil {
		return nil, fmt.Errorf("landlock: %w", err)
	}
	if f, err := os.Open("/proc/self/status"); err == nil { // best effort may be nothing, without a word
		_ = f.Close()
		missing = append(missing, "landlock")
	}
	if !seccomp.Supported() {
		return append(missing, "seccomp"), nil
	}
	var limits []seccomp.NameWithConditions
	if h.Compile { // see allow. Other processes have limits too, such as the server
		limits = append(limits, seccomp.NameWithConditions{Name: "prlimit64", Conditions: seccomp.ArgumentConditions{is(0, seccomp.Equal, 0)}})
	}
	return missing, filter(slices.Concat(whileRunning, whileLoading), nil, newThread, unix.SYS_UNAME, limits...)
}

// drop builds the last wall: what only loading needs is over. threads is how many threads the runtime keeps for it.
func drop(threads int) error {
	if !seccomp.Supported() {
		return nil
	}
	makeThreads(threads)
	return filter(whileRunning, never, nil, unix.SYS_FSTAT)
}

// makeThreads has the runtime make threads, which it keeps.
func makeThreads(threads int) {
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
	limits := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: 32, unix.RLIMIT_FSIZE: uint64(int64(h.Most) * h.Limits.Memory()), unix.RLIMIT_MEMLOCK: 0, unix.RLIMIT_MSGQUEUE: 0}
	if !raceDetector {
		limits[unix.RLIMIT_DATA] = uint64(h.Data)
	}
	if h.Compile {
		limits[unix.RLIMIT_FSIZE] = 0
	}
	if h.Compile && !raceDetector {
		limits[unix.RLIMIT_DATA] = dataToCompile
		debug.SetMemoryLimit(dataToCompile * 3 / 4) // collect garbage rather than reach the limit
		if err := limitTo(unix.RLIMIT_CPU, secondsToMeter, secondsAtMost); err != nil {
			return err
		}
	}
	for what, most := range limits {
		if err := limitTo(what, most, most); err != nil {
			return err
		}
	}
	return nil
}

func limitTo(what int, soft, hard uint64) error {
	return os.NewSyscallError("setrlimit", unix.Setrlimit(what, &unix.Rlimit{Cur: soft, Max: hard}))
}

// filter allows these system calls and no other, on all threads. Those in killed end the process. denied is a call that was allowed
// before, to see that the filter holds. clones are the flags that clone may have. more are allowed on conditions.
func filter(allowed, killed []string, clones []uint64, denied uintptr, more ...seccomp.NameWithConditions) error {
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
			// What a process wants of its own memory. Advice from 100 on is for administrators, who a server that runs as root is: it
			// takes memory from the whole machine, as if that were broken.
			{Name: "madvise", Conditions: all(is(2, seccomp.LessThan, unix.MADV_HWPOISON))},
			// Memory that is shared with no one, and never writable and executable at once: wazero maps, writes, then protects.
			{Name: "mmap", Conditions: all(is(2, seccomp.BitsNotSet, unix.PROT_EXEC), is(3, seccomp.BitsNotSet, unix.MAP_SHARED|unix.MAP_GROWSDOWN|unix.MAP_HUGETLB|unix.MAP_LOCKED))},
			{Name: "mprotect", Conditions: all(is(2, seccomp.BitsNotSet, unix.PROT_EXEC))},
			{Name: "mprotect", Conditions: all(is(2, seccomp.Equal, unix.PROT_EXEC|unix.PROT_READ))},
		}},
		// A C library falls back to clone.
		{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
	}}
	policy.Syscalls[0].NamesWithCondtions = append(policy.Syscalls[0].NamesWithCondtions, more...)
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

// is is a condition on an argument of a system call.
func is(argument uint32, op seccomp.Operation, v uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: op, Value: v}
}

// known returns the names of system calls that this architecture has.
func known(names []string) []string {
	info, err := arch.GetInfo("")
	if err != nil {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, ok := info.SyscallNames[name]; return !ok })
}
