package main

import "errors"

// guestFlags are the flags of every command that runs connectors.
type guestFlags struct {
	Isolation string `help:"Whether connectors run in processes of their own, without privileges, or in this one: process or none." enum:"process,none" default:"process"`
	Processes int    `name:"guest-processes" help:"How many connectors can have a process at once (default ${default}). The one that was used least recently ends for another." default:"16" placeholder:"N"`
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
