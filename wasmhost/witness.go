package wasmhost

import (
	"errors"
	"slices"
	"time"

	"github.com/crmgate/crmgate/wasmhost/recording"
)

// Witnessed is a call as Config.Witness gets it.
type Witnessed struct {
	// Recording has what the guest got and did. Secrets of six bytes or more are replaced by handles; shorter ones stay. It is
	// incomplete if Err is not nil.
	Recording *recording.Recording
	Took      time.Duration // from the first instruction of the call to its end
	Memory    int64         // of the guest's process, in bytes; 0 if it has none, or the system does not tell
	// Err says why the call cannot be shown: it is too large, or a secret in it could not be replaced.
	Err error
}

// errTooLarge means that a call has more texts than a recording may have.
var errTooLarge = errors.New("the call is too large to be shown")

// witnessed returns the call for the witness.
func (r *recorder) witnessed(end recording.End) Witnessed {
	shown := r.r // the folder gets its own
	shown.End, shown.Call = end, *r.world
	shown.Fetches, shown.Config = slices.Clone(r.r.Fetches), slices.Clone(r.r.Config)
	shown.Derived, shown.Log = slices.Clone(r.r.Derived), slices.Clone(r.r.Log)
	w := Witnessed{Recording: &shown, Took: time.Since(r.r.Time)}
	_, w.Memory, _ = r.call.module.usage()
	if !r.add(end.Output, end.Reason) {
		w.Err = errTooLarge
		return w
	}
	secrets, _, _ := r.secrets() // a short credential stays
	w.Err = shown.Conceal(secrets)
	return w
}
