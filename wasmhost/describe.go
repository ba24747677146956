package wasmhost

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// Description is what a connector is, and what it does if it runs.
type Description struct {
	Platform     crmgate.Platform
	Module       string   // the hash of its module, in hexadecimal
	Size         int      // of the module, in bytes
	Language     string   // what the module says about itself
	Capabilities []string // see manifest.Capabilities
	Secrets      string   // see manifest.Sees

	// Only of a loaded folder:

	Pid      int   // of its process; 0 if it has none
	Memory   int64 // of its process, in bytes; 0 if it has none, or the system does not tell
	InMemory bool  // it is loaded, in a process or in this one
	Calls    uint64
	Failed   uint64        // calls that ended with an error
	P95      time.Duration // 95 of 100 calls were shorter; at most a quarter too long
}

// Describe describes the connectors of the folder that have a module, in the order of their names.
func (f *Folder) Describe() (all []Description) {
	for _, p := range f.Platforms() {
		m := f.module(p)
		if m == nil {
			continue
		}
		b, _ := m.content() // without it, size and language are not known
		d := describe(m.manifest, m.path, m.sum, b)
		d.Calls, d.Failed, d.P95 = m.stats.calls.Load(), m.stats.failed.Load(), m.stats.p95()
		d.Pid, d.Memory, d.InMemory = m.usage()
		all = append(all, d)
	}
	return all
}

func describe(m *manifest.Manifest, file string, sum [sha256.Size]byte, content []byte) Description {
	return Description{
		Platform: m.Platform, Module: fmt.Sprintf("%x", sum), Size: len(content), Language: languageOf(file, content), Capabilities: m.Capabilities(), Secrets: m.Sees(),
	}
}

// usage returns the process of a module and its memory.
func (m *module) usage() (pid int, memory int64, loaded bool) {
	m = m.runs()
	m.mu.Lock()
	l := m.loaded
	m.mu.Unlock()
	if l == nil {
		return 0, 0, false
	}
	p := l.room.process
	if p == nil {
		return 0, 0, true
	}
	u, _ := p.Usage() // it may just have ended
	return p.Pid(), u.Memory, true
}

// Survey describes the connectors of a folder that is not loaded, in the order of their names. It runs and compiles nothing. wrong has
// the platforms whose manifest or file cannot be read.
func Survey(dir, publicURL string) (all []Description, wrong map[crmgate.Platform]error, err error) {
	files, wrong, err := jsonFiles(dir)
	if err != nil {
		return nil, nil, err
	}
	set, err := manifest.Parse(files, publicURL)
	if err != nil {
		return nil, nil, err
	}
	for p, err := range set.LeftOut() {
		wrong[p] = err
	}
	entries, err := os.ReadDir(dir) // sorted by name
	for _, e := range entries {
		name, ok := connectorName(e.Name())
		m, known := set.Platform(crmgate.Platform(name))
		if !ok || !known {
			continue
		}
		b, err := readModule(filepath.Join(dir, e.Name()))
		if err != nil {
			wrong[m.Platform] = err
			continue
		}
		all = append(all, describe(m, e.Name(), sha256.Sum256(b), b))
	}
	for p, m := range set.Platforms() {
		if m.Data != nil {
			data := encode(m.Data)
			all = append(all, describe(m, string(p)+dataExt, dataSum(data), data))
		}
	}
	slices.SortFunc(all, func(a, b Description) int { return strings.Compare(string(a.Platform), string(b.Platform)) })
	return all, wrong, err
}
