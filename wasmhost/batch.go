package wasmhost

import (
	"context"
	"crypto/sha256"
	"runtime"
	"sync"
	"time"
)

// batch is the inspection of the modules of a folder.
type batch struct {
	host *Host

	mu       sync.Mutex
	compiled int // guarded by mu
	missing  int // how many modules are not in the cache
}

// inspectAll gets the facts of modules, several at once, and returns the error of each. When the context ends, it returns as soon as
// the processes are gone.
func (h *Host) inspectAll(ctx context.Context, modules []*module) []error {
	h.compileEngine(ctx, modules)
	b := &batch{host: h}
	errs := make([]error, len(modules))
	same := map[[sha256.Size]byte][]int{} // modules with the same content are inspected one after the other: the cache has it then
	for i, m := range modules {
		if same[m.sum] == nil && !m.compiled() {
			b.missing++
		}
		same[m.sum] = append(same[m.sum], i)
	}
	places := make(chan struct{}, h.atOnce())
	var all sync.WaitGroup
	for i, m := range modules {
		if same[m.sum][0] != i {
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			for n, i := range same[m.sum] {
				errs[i] = b.inspect(ctx, modules[i], n == 0)
			}
		})
	}
	all.Wait()
	return errs
}

// atOnce is how many modules are compiled at once: one for each processor, and at least two, so that a small module does not wait for
// a large one. A module that waits for a process would only take memory.
func (h *Host) atOnce() int {
	n := max(2, runtime.GOMAXPROCS(0))
	if h.Processes > 0 {
		n = min(n, h.Processes)
	}
	return n
}

// inspect gets the facts of a module. It logs the first module with this content, if that is not in the cache.
func (b *batch) inspect(ctx context.Context, m *module, first bool) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !first || m.compiled() {
		return m.getFacts(ctx)
	}
	began := time.Now()
	b.host.Progress.Info("compiling a connector", "platform", m.manifest.Platform)
	err = m.getFacts(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.compiled++
	said := "compiled a connector"
	if err != nil { // Load reports it
		said = "a connector was not compiled, or failed its checks"
	}
	b.host.Progress.Info(said, "platform", m.manifest.Platform, "took", time.Since(began).Round(time.Millisecond).String(), "done", b.compiled, "of", b.missing)
	return err
}

// getFacts sets the facts of a module.
func (m *module) getFacts(ctx context.Context) error {
	content, err := m.content()
	if err != nil {
		return err
	}
	if m.facts, err = m.host.factsOf(ctx, m, content); err != nil {
		return err
	}
	m.keepContent(content)
	return nil
}
