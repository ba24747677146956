package guest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/crmgate/crmgate/wasmhost/quickjs"
)

// Stop is the error of a guest that did not return. Its instance is gone.
type Stop struct {
	// How completes the sentence "The connector …": it trapped, exited or reached a limit.
	How string
	// Trap is the engine's text about a trap, which can quote the guest; empty for other stops.
	Trap string
	// Starting says that the guest was stopped while an instance was made, before its operation was called.
	Starting bool
}

func (s *Stop) Error() string {
	if s.Trap != "" {
		return s.Trap
	}
	return s.How
}

// limitError stops a guest at a limit. Its text is a Stop's How.
type limitError string

func (e limitError) Error() string { return string(e) }

// stopOf returns the error for what ended a guest: that of the context if it has ended, otherwise a *Stop.
func stopOf(ctx context.Context, err error) error {
	var stop *Stop
	var limit limitError
	var thrown *quickjs.Exception
	var exit *sys.ExitError
	switch {
	case errors.As(err, &stop):
		return stop
	case errors.As(err, &limit):
		return &Stop{How: string(limit)}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &thrown):
		return &Stop{How: "threw an error", Trap: thrown.Error()}
	case errors.Is(err, quickjs.ErrStuck):
		return &Stop{How: "waits for a promise that never settles"}
	case errors.Is(err, quickjs.ErrOutput):
		return &Stop{How: "wrote more output than the limit"}
	case errors.As(err, &exit):
		return &Stop{How: fmt.Sprintf("exited with status %d", exit.ExitCode())}
	}
	// The first line names the trap. The rest is the guest's stack trace.
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &Stop{How: "trapped", Trap: first[:min(len(first), MaxTrap)]}
}

// MaxTrap is the maximum length of the texts of a Stop, in bytes. A longer one is cut.
const MaxTrap = 4 << 10

// starting marks a Stop as one of an instance that was being made.
func starting(err error) error {
	var stop *Stop
	if errors.As(err, &stop) {
		stop.Starting = true
	}
	return err
}
