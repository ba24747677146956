package operator

import (
	"slices"

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
