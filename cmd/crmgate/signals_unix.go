//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// stopSignals are the signals that stop the program in good order. Go's runtime ignores SIGUSR1 and SIGUSR2. SIGHUP reloads
// the connectors of a server without a terminal. Otherwise it stops the program too: that is how a terminal ends, unless nohup has it ignored.
func stopSignals(reloads bool) []os.Signal {
	stop := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !reloads && !signal.Ignored(syscall.SIGHUP) {
		stop = append(stop, syscall.SIGHUP)
	}
	return stop
}

// notifyReload sends the signals that reload the connectors of a server.
func notifyReload(to chan<- os.Signal) {
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(to, syscall.SIGHUP)
	}
}
