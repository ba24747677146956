package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// CallSubject says what Call runs.
type CallSubject struct {
	// File is the connector's file, with its manifest in the same folder.
	File string
	// Operation is one that the connector has.
	Operation string
	// Input is the document that the operation gets, in JSON.
	Input []byte
}

// Call runs one operation of a connector, as a server runs it, and returns what happened. It needs the configuration's fields about
// connectors, apart from the folder; it opens no store. The cache is Config.Cache, and by default a temporary folder. The error says why
// the operation did not run; an operation that fails is not an error.
func Call(ctx context.Context, config Config, s CallSubject) (_ *wasmhost.Witnessed, err error) {
	in, err := readCallInput(s.Input)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "crmgate-call-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	cache := config.Cache
	config.Data, config.Connectors = work, filepath.Join(work, "connectors")
	config.Cache = cmp.Or(cache, filepath.Join(work, "cache"))
	config.PublicURL = cmp.Or(config.PublicURL, "http://127.0.0.1:8080")
	if err := os.Mkdir(config.Connectors, 0o700); err != nil {
		return nil, err
	}
	if err := wasmhost.Stage(s.File, config.Connectors, nil); err != nil {
		return nil, err
	}
	var got *wasmhost.Witnessed
	config.Witness = func(w wasmhost.Witnessed) { got = &w }
	c := newCore(config.withDefaults())
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.openConnectors(ctx); err != nil {
		return nil, err
	}
	folder := c.served.Load().folder
	p := crmgate.Platform(strings.TrimSuffix(filepath.Base(s.File), filepath.Ext(s.File)))
	if err := folder.LeftOut()[p]; err != nil {
		return nil, err
	}
	conn, err := folder.Connector(p)
	if err != nil {
		return nil, err
	}
	if !conn.Implements(s.Operation) {
		has := slices.DeleteFunc(wasmhost.Operations(), func(name string) bool { return !conn.Implements(name) })
		return nil, fmt.Errorf("%s has no operation %q: it has %s", filepath.Base(s.File), s.Operation, strings.Join(has, ", "))
	}
	_, err = folder.Call(ctx, p, s.Operation, in.hostname(), s.Input)
	if got != nil {
		return got, nil // it says how the call ended
	}
	return nil, err
}

// callInput is what Call reads of an input.
type callInput struct {
	Hostname  string
	User      struct{ Hostname string }
	OAuthInfo struct{ Hostname string }
}

func readCallInput(b []byte) (in callInput, err error) {
	if err := json.Unmarshal(b, &in); err != nil {
		return in, fmt.Errorf("the input is not a JSON object of an operation: %w", err)
	}
	return in, nil
}

// hostname is the person's host, as the server knows it for each operation.
func (in callInput) hostname() string {
	return cmp.Or(in.Hostname, in.User.Hostname, in.OAuthInfo.Hostname)
}
