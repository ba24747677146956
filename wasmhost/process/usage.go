package process

import (
	"errors"
	"time"
)

// Usage is what a guest process uses of the machine.
type Usage struct {
	Memory int64         // bytes that it has written to and shares with no other process, and its template
	CPU    time.Duration // of all its threads, since its start
}

var errUsage = errors.New("the system does not say what a process uses")

// Kill ends the process. Its calls end with a *Died that says why.
func (p *Process) Kill(why error) { p.child.end(why) }
