package wasmhost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// maxModule bounds a module's file.
const maxModule = 16 << 20

// Folder is a loaded connectors folder: NAME.wasm with its manifest NAME.json, manifest.json, the manifest "default", and
// releaseNotes.json. Safe for concurrent use.
type Folder struct {
	manifests  *manifest.Set
	connectors map[crmgate.Platform]connector.Connector
	modules    []*module
}

// Load reads a folder, checks everything in it, and compiles what is not in the cache yet. {publicUrl} in manifests
// stands for publicURL. The error says which file is wrong, and what was expected.
func (h *Host) Load(ctx context.Context, dir, publicURL string) (*Folder, error) {
	files, err := jsonFiles(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{connectors: map[crmgate.Platform]connector.Connector{}}
	if f.manifests, err = manifest.Parse(files, publicURL); err != nil {
		return nil, err
	}
	platforms := f.manifests.Platforms()
	for p, m := range platforms {
		if err := CheckHosts(m); err != nil {
			return nil, err
		}
		f.connectors[p] = manifestOnly{m}
	}
	names, err := os.ReadDir(dir) // in the order of names
	if err != nil {
		return nil, err
	}
	for _, entry := range names {
		name, ok := strings.CutSuffix(entry.Name(), ".wasm")
		if !ok {
			continue
		}
		path, p := filepath.Join(dir, entry.Name()), crmgate.Platform(name)
		m := platforms[p]
		if m == nil {
			err = fmt.Errorf("%s has no manifest: expected a file %s.json beside it, or the platform %s in manifest.json", filepath.Base(path), p, p)
		} else {
			err = h.add(ctx, f, path, m)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

func jsonFiles(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the folder of connectors: %w", err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || e.IsDir() || strings.HasSuffix(name, ".vectors") { // a connector's vectors are for checking it
			continue
		}
		if files[name], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// add loads one module.
func (h *Host) add(ctx context.Context, f *Folder, path string, m *manifest.Manifest) error {
	file := filepath.Base(path)
	b, err := readModule(path)
	if err != nil {
		return err
	}
	mod := &module{host: h, manifest: m, path: path, sum: sha256.Sum256(b), slots: make(chan struct{}, h.MaxInstances)}
	mod.closing, mod.cancel = context.WithCancel(context.Background())
	f.modules = append(f.modules, mod)
	if mod.facts, err = h.factsOf(ctx, mod, b); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if wrong := mod.facts.checkManifest(m); len(wrong) > 0 {
		return fmt.Errorf("%s: %w", file, wrong)
	}
	f.connectors[m.Platform] = &hosted{mod}
	return nil
}

func readModule(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxModule {
		return nil, fmt.Errorf("%s: expected a module of at most %d MB, got %d", filepath.Base(path), maxModule>>20, info.Size()>>20)
	}
	return os.ReadFile(path)
}

// CheckHosts refuses hosts that are everybody's: *.com, *.co.uk.
func CheckHosts(m *manifest.Manifest) error {
	hosts := slices.Clone(m.Hosts)
	for _, h := range m.Hosts {
		if h.Person { // the environment says where that may be
			hosts = append(hosts, m.Environment...)
		}
	}
	for _, h := range hosts {
		if suffix, _ := publicsuffix.PublicSuffix(h.Host); h.Wildcard && suffix == h.Host {
			return fmt.Errorf("the manifest of %s: expected hosts of one owner, got %s, which is a public suffix", m.Platform, h)
		}
	}
	return nil
}

// Connector returns the connector of a platform. One that is not in the folder is a *crmgate.Refusal that
// matches crmgate.ErrNotFound; one that has only a manifest has a connector whose operations refuse in the same words.
func (f *Folder) Connector(p crmgate.Platform) (connector.Connector, error) {
	if c := f.connectors[p]; c != nil {
		return c, nil
	}
	return nil, notFound(p)
}

func notFound(p crmgate.Platform) error {
	name := string(p)
	if len(name) > 64 {
		name = name[:64] + "…"
	}
	r := crmgate.Refuse("Connector not found for platform: %s", strings.ToValidUTF8(name, "\uFFFD"))
	r.Err = crmgate.ErrNotFound
	return r
}

// Manifests returns what the folder declares.
func (f *Folder) Manifests() *manifest.Set { return f.manifests }

// Platforms lists the platforms, those without a module included.
func (f *Folder) Platforms() []crmgate.Platform { return slices.Sorted(maps.Keys(f.connectors)) }

// Close lets go of all modules. Calls under way end with an error, and Close waits for them.
func (f *Folder) Close() error {
	for _, m := range f.modules {
		m.close()
	}
	return nil
}

// Answer is what an operation left: its result, 0, 1 or 2, and its output, none with 2.
type Answer struct {
	Result int32
	Output []byte
}

// Call runs one operation with its request and answer as they cross the boundary. It is for checking connectors: the
// server asks by Connector. hostname is the person's. The error is a *crmgate.ConnectorError if the guest did not answer
// in order, or left out what ABI.md requires of the answer; a guest that answers an error does so in order. Secrets are
// not taken out of what it says, save configuration values.
func (f *Folder) Call(ctx context.Context, p crmgate.Platform, operation, hostname string, input []byte) (Answer, error) {
	conn, ok := f.connectors[p].(*hosted)
	if !ok {
		return Answer{}, notFound(p)
	}
	c := &call{module: conn.m, operation: operation, hostname: hostname, input: input}
	out, err := conn.m.invoke(ctx, c)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return Answer{Result: resultUnsupported}, nil
	case c.answeredError:
		return Answer{resultError, c.output}, nil
	case err != nil:
		return Answer{}, err
	}
	if err := checkAnswer(operation, out); err != nil {
		return Answer{}, c.abiError("gave an answer that is wrong (" + err.Error() + ")")
	}
	return Answer{resultAnswer, out}, nil
}

// MemorySize returns the bytes of memory of a connector's instances that run no call at the moment.
func (f *Folder) MemorySize(p crmgate.Platform) int64 {
	conn, ok := f.connectors[p].(*hosted)
	if !ok {
		return 0
	}
	return conn.m.memorySize()
}

// Renew has the connector's next call meet a new instance. It is for checking connectors.
func (f *Folder) Unload(p crmgate.Platform) {
	if conn, ok := f.connectors[p].(*hosted); ok {
		conn.m.unload()
	}
}
