package wasmtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time that processes have used so far, in sum.
func CPU(t testing.TB, pids ...int) (sum time.Duration) {
	t.Helper()
	for _, pid := range pids {
		var used unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &used); err != nil { // the clock of a process: see clock_getcpuclockid(3)
			t.Fatal(err)
		}
		sum += time.Duration(used.Nano())
	}
	return sum
}

// Cheapest returns for each function the least processor time that a run of it took in some processes. The runs take turns, so that
// other work on the machine meets all functions alike.
func Cheapest(t testing.TB, rounds int, pids []int, runs ...func()) []time.Duration {
	t.Helper()
	least := make([]time.Duration, len(runs))
	for round := range rounds {
		for i, run := range runs {
			before := CPU(t, pids...)
			run()
			if used := CPU(t, pids...) - before; round == 0 || used < least[i] {
				least[i] = used
			}
		}
	}
	return least
}

// PSS returns the memory of processes in MB, in sum. Pages that several processes share count once.
func PSS(t testing.TB, pids ...int) (mb float64) {
	t.Helper()
	for _, pid := range pids {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil { // it has ended
			continue
		}
		_, after, _ := strings.Cut(string(rollup), "\nPss:")
		if fields := strings.Fields(after); len(fields) > 0 {
			kb, _ := strconv.Atoi(fields[0])
			mb += float64(kb) * 1024 / 1e6
		}
	}
	return mb
}

// Children returns the processes that a process has started and that run.
func Children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		b, _ := os.ReadFile(list) // a thread may have ended
		for field := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}
