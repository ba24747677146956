package project

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/connectortest"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// RecordConfig configures Record.
type RecordConfig struct {
	// Node and Practice are as in DevelopConfig. Node.Witness gets the calls, too.
	Node     edge.Config
	Practice string
	// Then has some of edge.Exercises, which are done in this order after a person has signed in.
	Then []string
	// Out is the file of the vectors, which must not exist. Required.
	Out string
	// Ready is called when the author can sign in. Required.
	Ready func(Addresses)
}

// Recorded is what Record has written.
type Recorded struct {
	Operations []string // of the cases, in the order of their first
	Failed     []string // which exercises failed, and calls that could not be written, with the reason
	// Results are those of a check of the written cases with the connector.
	Results []connectortest.Result
}

// unrecorded are operations without a case: the input has a code or a key, which is the secret itself.
var unrecorded = []string{"getOverridingOAuthOption", "getBasicAuth"}

// Record serves a project's connector on a local node until a person has signed in with their account at the CRM. Then it does some
// exercises with it, and writes what the connector and the CRM have said as vectors, without secrets.
func Record(ctx context.Context, p Project, c RecordConfig) (out *Recorded, err error) {
	if exists(c.Out) {
		return nil, fmt.Errorf("%s exists: name a new file", c.Out)
	}
	r := &record{also: c.Node.Witness}
	c.Node.Witness = r.witness
	if r.development, err = begin(ctx, p, c.Node, c.Practice); err != nil {
		return nil, err
	}
	defer r.end()
	defer func() { err = errors.Join(err, r.node.Close()) }()
	if output, err := r.Build(ctx); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	c.Ready(r.addresses())
	person, err := r.signedIn(ctx)
	if err != nil {
		return nil, err
	}
	for _, what := range c.Then {
		if err := r.node.Exercise(ctx, person, what); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			r.failed = append(r.failed, fmt.Sprintf("%s: %v", what, err))
		}
	}
	return r.write(ctx, c.Out)
}

// record is a recording of a project.
type record struct {
	*development
	also   func(wasmhost.Witnessed) // may be nil
	failed []string

	mu    sync.Mutex
	calls []wasmhost.Witnessed // guarded by mu
}

func (r *record) witness(w wasmhost.Witnessed) {
	if r.also != nil {
		r.also(w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(unrecorded, w.Recording.Operation) {
		r.calls = append(r.calls, w)
	}
}

// signedIn waits until a person has signed in.
func (r *record) signedIn(ctx context.Context) (crmgate.UserKey, error) {
	const look = 200 * time.Millisecond
	began := time.Now().Truncate(time.Second)
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		all, err := r.node.Directory().Entries(ctx)
		if err != nil {
			return crmgate.UserKey{}, err
		}
		for _, e := range all {
			if e.Platform == r.Name && !e.SignedIn.Before(began) {
				return e.Key(), nil
			}
		}
		select {
		case <-ctx.Done():
			return crmgate.UserKey{}, errors.New("stopped before a sign-in: nothing was recorded")
		case <-tick.C:
		}
	}
}

// write writes the vectors, and checks the connector with them.
func (r *record) write(ctx context.Context, file string) (*Recorded, error) {
	r.mu.Lock()
	calls := slices.Clone(r.calls)
	r.mu.Unlock()
	out := &Recorded{Failed: r.failed}
	var cases []recording.Case
	seen := map[string]bool{}
	for _, w := range calls {
		call := w.Recording
		same := fmt.Sprint(call.Operation, call.Input, call.Fetches, call.End)
		if seen[same] { // such as getOauthInfo, which is called often
			continue
		}
		seen[same] = true
		one, err := call.Case(call.Derived, call.Fetches, call.End)
		if err = errors.Join(w.Err, err); err != nil {
			out.Failed = append(out.Failed, fmt.Sprintf("%s was not written: %v", call.Operation, err))
			continue
		}
		cases = append(cases, one)
		if !slices.Contains(out.Operations, call.Operation) {
			out.Operations = append(out.Operations, call.Operation)
		}
	}
	b, err := recording.Vectors(cases, wasmhost.VectorNonce)
	if err != nil {
		return nil, err
	}
	if !r.handles() {
		b = plainSecrets(b)
	}
	if r.practice != nil { // the connector has this address without its configuration
		b = bytes.ReplaceAll(b, []byte(r.address), []byte(practicecrm.Addr))
	}
	if err := writePrivate(file, b); err != nil {
		return nil, err
	}
	out.Results, err = r.checkCases(ctx, b, filepath.Join(r.work, "check"))
	return out, err
}

// handles reports whether the connector gets handles for secrets.
func (r *record) handles() bool {
	m, ok := r.node.Manifests().Platform(r.Name)
	return ok && m.Handles
}

// handle is a handle in a recording.
var handle = regexp.MustCompile(`\{\{([A-Za-z][A-Za-z0-9_:-]*)\}\}`)

// plainSecrets replaces the handles in vectors of a connector that gets secrets: by texts that no encoding changes, so that it finds them
// in a request as it has sent them.
func plainSecrets(b []byte) []byte {
	return handle.ReplaceAllFunc(b, func(h []byte) []byte {
		name := strings.TrimSuffix(string(handle.FindSubmatch(h)[1]), ":"+wasmhost.VectorNonce)
		return []byte("recorded-" + strings.TrimPrefix(name, "secret:"))
	})
}

// writePrivate writes a new file that only its owner may read: it has data of a person.
func writePrivate(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// checkCases runs the cases with the connector, in a folder of their own. It returns their results only.
func (r *record) checkCases(ctx context.Context, vectors []byte, dir string) (all []connectortest.Result, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	copied := Project{dir, r.Name}
	err = errors.Join(wasmhost.Stage(r.File(), dir, nil), os.WriteFile(copied.Vectors(), vectors, 0o600))
	if err != nil {
		return nil, err
	}
	err = connectortest.Check(ctx, copied.File(), r.checkConfig(), func(c connectortest.Result) {
		if strings.HasPrefix(c.Case, "recorded: ") {
			all = append(all, c)
		}
	})
	return all, err
}
