package main

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
)

// guestFlags are the flags of every command that runs connectors.
type guestFlags struct {
	Isolation string `help:"Whether connectors run in processes of their own, without privileges, or in this one: process or none." enum:"process,none" default:"process"`
	Processes int    `name:"guest-processes" help:"How many connectors can have a process at once (default ${default}). The one that was used least recently ends for another." default:"16" placeholder:"N"`
	Memory    size   `name:"guest-memory" help:"Memory that all connectors may use together, such as 512MB (default a quarter of the machine's, or of what this process may have)." placeholder:"SIZE"`
}

// Validate refuses a number of processes that is too small. Kong calls it.
func (g *guestFlags) Validate() error {
	if g.Processes < 1 {
		return errors.New("--guest-processes: expected at least 1; --isolation none runs connectors in this process")
	}
	return nil
}

// processes is how many connectors can have a process: 0 for none.
func (g *guestFlags) processes() int {
	if g.Isolation == "none" {
		return 0
	}
	return g.Processes
}

// size is a number of bytes; 0 if it is not given.
type size int64

// leastMemory is what a few calls of a connector in Go need, with their process.
const leastMemory = 64 << 20

// UnmarshalText reads a size such as 512MB or 1.5GiB.
func (s *size) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n > 1<<50 {
		return fmt.Errorf("expected a size such as 512MB or 2GB, got %q", text)
	}
	if n < leastMemory {
		return fmt.Errorf("expected at least %d MB, got %q", leastMemory>>20, text)
	}
	*s = size(n)
	return nil
}
