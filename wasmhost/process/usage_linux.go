package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Usage returns what the process uses. The error says that the process has ended, or that the system does not tell.
func (p *Process) Usage() (Usage, error) {
	dir := fmt.Sprintf("/proc/%d/", p.Pid())
	statm, err1 := os.ReadFile(dir + "statm")
	stat, err2 := os.ReadFile(dir + "stat")
	select {
	case <-p.child.dead: // another process may have its number by now
		return Usage{}, errGone
	default:
	}
	if err := errors.Join(err1, err2); err != nil {
		return Usage{}, err
	}
	u, err := parseUsage(statm, stat, int64(os.Getpagesize()))
	if p.child.template != nil {
		if info, err := p.child.template.Stat(); err == nil {
			u.Memory += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
	}
	return u, err
}

var errGone = errors.New("the process has ended")

// tick is the unit of processor time in /proc.
const tick = time.Second / 100

// parseUsage reads /proc/PID/statm and /proc/PID/stat (proc_pid_statm(5), proc_pid_stat(5)).
func parseUsage(statm, stat []byte, page int64) (u Usage, err error) {
	number := func(fields [][]byte, i int) (n int64) {
		if i >= len(fields) {
			err = errUsage
			return 0
		}
		n, bad := strconv.ParseInt(string(fields[i]), 10, 64)
		err = errors.Join(err, bad)
		return n
	}
	pages := bytes.Fields(statm)
	u.Memory = (number(pages, 1) - number(pages, 2)) * page        // all pages without those of files
	times := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the name of a program may have spaces
	u.CPU = time.Duration(number(times, 11)+number(times, 12)) * tick
	return u, err
}
