//go:build !linux

package process

// Usage returns an error: the system does not tell.
func (p *Process) Usage() (Usage, error) { return Usage{}, errUsage }
