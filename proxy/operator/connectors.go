package operator

import (
	"slices"
	"time"

	"github.com/crmgate/crmgate"
)

// Reloaded is what a reload of the connectors has changed.
type Reloaded struct {
	// Platforms are those that changed, and those that are left out or kept, in the order of their names.
	Platforms []PlatformChange `json:"platforms"`
	Unchanged int              `json:"unchanged"` // the number of the others
}

// PlatformChange is what a reload did to one platform.
type PlatformChange struct {
	Platform crmgate.Platform `json:"platform"`
	Change   string           `json:"change"`
	Before   string           `json:"before,omitempty"` // the hash of the module, or "manifest" if there is none
	After    string           `json:"after,omitempty"`
	Reason   string           `json:"reason,omitempty"` // why it is left out or kept
}

// The changes of a platform.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
	LeftOut = "left out" // it is not served
	Kept    = "kept"     // the connector before is served
)

// Incomplete reports whether a platform is not served as the folder has it.
func (r Reloaded) Incomplete() bool {
	return slices.ContainsFunc(r.Platforms, func(p PlatformChange) bool { return p.Change == LeftOut || p.Change == Kept })
}

// Connector is a connector as the operator sees it.
type Connector struct {
	Platform     crmgate.Platform `json:"platform"`
	State        string           `json:"state"` // Served, LeftOut, Kept or NotRunning
	Reason       string           `json:"reason,omitempty"`
	Language     string           `json:"language"` // what the module says about itself
	Size         int              `json:"size"`     // bytes
	Module       string           `json:"module"`   // the hash of the module
	Capabilities []string         `json:"capabilities"`
	Secrets      string           `json:"secrets,omitempty"`  // which secrets it sees, such as "sees access tokens"
	Previous     *PreviousVersion `json:"previous,omitempty"` // nil if there was none
	Since        *time.Time       `json:"since,omitempty"`    // when this version was accepted
	Running      *RunningModule   `json:"running,omitempty"`  // nil without a server
}

// PreviousVersion is what a connector was before, and what has changed since.
type PreviousVersion struct {
	Module  string    `json:"module"`
	Since   time.Time `json:"since"`
	Added   []string  `json:"added"`   // capabilities that it did not have
	Removed []string  `json:"removed"` // capabilities that only it had
}

// RunningModule is what the module of a running server does.
type RunningModule struct {
	Isolation string  `json:"isolation"` // "process" or "none"
	PID       int     `json:"pid,omitempty"`
	Memory    int64   `json:"memory,omitempty"` // bytes of the process
	Loaded    bool    `json:"loaded"`
	Calls     uint64  `json:"calls"` // since the version was loaded
	Errors    uint64  `json:"errors"`
	P95       float64 `json:"p95Seconds"` // 95 of 100 calls were shorter
}

// States of a connector, besides LeftOut and Kept.
const (
	Served     = "served"
	NotRunning = "not running"
)
