package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// openRecordings opens the folder for recordings of failed calls, if there is one.
func (c *core) openRecordings() (err error) {
	if c.RecordFailures == "" {
		return nil
	}
	c.recordings, err = recording.Open(recording.FolderConfig{
		Dir: c.RecordFailures, Seal: c.ring.Seal, Person: c.db.Audit().HashOf, Logger: c.Logger, Now: c.Now,
	})
	if err != nil {
		return inField("RecordFailures", advice(err))
	}
	c.closers = append(c.closers, func() error { c.recordings.Close(); return nil })
	return nil
}

// forget removes a person as Sessions.Forget does, with the connectors that are served when it begins, and the recordings of their calls.
func (c *core) forget(ctx context.Context, key crmgate.UserKey) (revoke.Result, error) {
	told, err := c.sessions.Forget(c.hold(ctx), key)
	if err != nil || c.recordings == nil {
		return told, err
	}
	if err := c.recordings.Forget(key); err != nil {
		return told, fmt.Errorf("the person is deleted, but not the recordings in %s: remove them: %w", c.RecordFailures, err)
	}
	return told, nil
}

// ReplaySubject says what Replay runs again.
type ReplaySubject struct {
	// File is a file of the folder Config.RecordFailures.
	File string
	// Module is the file of the connector. Default PLATFORM.wasm, PLATFORM.js or PLATFORM.ts in Config.Connectors.
	Module string
}

// Replay runs a recorded call again, without a network. It needs the configuration's key ring, its fields about guest processes and,
// for the module, its folder of connectors; it opens no store. The cache is Config.Cache, and by default a temporary folder. The error
// says why the call cannot be run again.
func Replay(ctx context.Context, config Config, s ReplaySubject) (*recording.Recording, *wasmhost.Replayed, error) {
	cache := config.Cache
	config = config.withDefaults()
	if _, err := os.Stat(config.Keyset); err != nil { // else LoadKeyRing makes one
		return nil, nil, badField("Keyset", "%s not found: it opens the recording; name the key ring of the server that recorded it", config.Keyset)
	}
	ring, _, err := sealed.LoadKeyRing(config.Keyset)
	if err != nil {
		return nil, nil, err
	}
	r, err := recording.Read(s.File, ring.Unseal)
	if err != nil {
		return nil, nil, err
	}
	code, err := wasmhost.ReadCode(cmp.Or(s.Module, filepath.Join(config.Connectors, string(r.Platform))))
	if err != nil {
		return nil, nil, err
	}
	if cache == "" {
		if cache, err = os.MkdirTemp("", "crmgate-replay-"); err != nil {
			return nil, nil, err
		}
		defer os.RemoveAll(cache)
	}
	out, err := wasmhost.Replay(ctx, r, code, wasmhost.ReplayConfig{CacheDir: cache, Processes: config.GuestProcesses, Memory: config.GuestMemory})
	if errors.Is(err, context.Canceled) {
		err = errors.New("the replay was stopped")
	}
	return r, out, err
}
