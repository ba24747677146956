package wasmhost

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/net/publicsuffix"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/handles"
)

// The maximum sizes of files, in bytes.
const (
	maxModule = 16 << 20
	maxJSON   = 4 << 20 // App Connect's own manifest has 0.2 MB
)

// Folder is a loaded folder of connectors. It contains NAME.wasm or NAME.js with its manifest NAME.json, manifest.json (the manifest
// "default"), and releaseNotes.json. It is safe for concurrent use, except Keep, LeaveOut and Replace, which are for a folder that is
// not used yet.
type Folder struct {
	host       *Host
	manifests  *manifest.Set
	connectors map[crmgate.Platform]connector.Connector
	leftOut    map[crmgate.Platform]error
	kept       map[crmgate.Platform]error
	modules    []*module
	// interpreter runs the platforms that are their manifests alone; nil if there are none. It is one of modules.
	interpreter *module
}

// Load reads a folder, checks everything in it, and compiles the modules that are not in the cache, several at once. A line is logged
// when such a module is begun, and one when it is done. publicURL replaces {publicUrl} in manifests.
//
// A platform whose manifest or module is wrong is left out, and the others are loaded: see [Folder.LeftOut]. The error is about
// the folder itself, or about manifest.json.
func (h *Host) Load(ctx context.Context, dir, publicURL string) (*Folder, error) {
	return h.Reload(ctx, dir, publicURL, nil)
}

// Reload loads a folder as Load does, beside an earlier one, which it does not change. A module with the same content and manifest is
// the same in both, with its process. The caller has the result replace the earlier folder, or forgets it: it has no processes of its
// own yet. earlier may be nil.
func (h *Host) Reload(ctx context.Context, dir, publicURL string, earlier *Folder) (*Folder, error) {
	files, unreadable, err := jsonFiles(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{host: h, connectors: map[crmgate.Platform]connector.Connector{}, kept: map[crmgate.Platform]error{}}
	if f.manifests, err = manifest.Parse(files, publicURL); err != nil {
		return nil, err
	}
	f.manifests = f.manifests.Configured(h.Setting)
	f.leftOut = f.manifests.LeftOut()
	maps.Copy(f.leftOut, unreadable)
	platforms := f.manifests.Platforms()
	for p, m := range platforms {
		if err := cmp.Or(f.leftOut[p], CheckHosts(m)); err != nil {
			f.leftOut[p] = err
			continue
		}
		f.connectors[p] = manifestOnly{&hosted{&module{manifest: m}}}
	}
	if err := h.readModules(f, dir, platforms, earlier); err != nil {
		return nil, err
	}
	f.addData(platforms, earlier)
	fresh := slices.DeleteFunc(slices.Clone(f.modules), func(m *module) bool { return m.interpreter != nil || earlier.has(m) })
	errs := h.inspectAll(ctx, fresh)
	if ctx.Err() != nil { // the modules are not at fault
		return nil, ctx.Err()
	}
	for i, m := range fresh {
		f.add(m, errs[i])
	}
	return f, nil
}

// has reports whether a folder has a module. f may be nil.
func (f *Folder) has(m *module) bool { return f != nil && slices.Contains(f.modules, m) }

// readModules reads the modules of a folder. One that cannot be read is left out, and one that has not changed is the earlier one.
func (h *Host) readModules(f *Folder, dir string, platforms map[crmgate.Platform]*manifest.Manifest, earlier *Folder) error {
	names, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return err
	}
	for _, entry := range names {
		name, ok := connectorName(entry.Name())
		p := crmgate.Platform(name)
		if !ok || f.leftOut[p] != nil {
			continue
		}
		m := platforms[p]
		if m != nil && m.Data != nil {
			f.LeaveOut(p, fmt.Errorf("%s and crmgate.userInfo of its manifest are two connectors: remove the file, or the member", entry.Name()))
			continue
		}
		if f.read(p) != nil {
			f.LeaveOut(p, fmt.Errorf("%s are files of one connector: keep one of them, and remove the others", strings.Join(filesOf(name, names), ", ")))
			continue
		}
		if m == nil {
			f.LeaveOut(p, fmt.Errorf("%s %w: expected a file %s.json beside it, or the platform %s in manifest.json", entry.Name(), ErrNoManifest, p, p))
			continue
		}
		path := filepath.Join(dir, entry.Name())
		sum, err := hashModule(path)
		if err != nil {
			f.LeaveOut(p, err)
			continue
		}
		was := earlier.module(p)
		if was != nil && was.sum == sum && was.path == path && was.manifest.Equal(m) {
			f.use(was)
			continue
		}
		f.modules = append(f.modules, h.newModule(m, path, sum, was))
	}
	return nil
}

// filesOf returns the names of the files of a connector.
func filesOf(connector string, entries []os.DirEntry) (all []string) {
	for _, e := range entries {
		if name, ok := connectorName(e.Name()); ok && name == connector {
			all = append(all, e.Name())
		}
	}
	return all
}

// read returns the module of a platform that readModules has read; nil if there is none.
func (f *Folder) read(p crmgate.Platform) *module {
	i := slices.IndexFunc(f.modules, func(m *module) bool { return m.manifest.Platform == p })
	if i < 0 {
		return nil
	}
	return f.modules[i]
}

// newModule returns a module that is not loaded. It shares the places of the module that it replaces, because both are one connector.
func (h *Host) newModule(m *manifest.Manifest, path string, sum [sha256.Size]byte, was *module) *module {
	mod := &module{host: h, manifest: m, path: path, sum: sum}
	if was != nil {
		mod.places = was.places
	} else {
		mod.places = h.newPlaces()
	}
	mod.closing, mod.cancel = context.WithCancel(context.Background())
	return mod
}

// Version names the module of a platform: the beginning of its hash, "manifest" if it has only a manifest, and "" if there is no such
// platform.
func (f *Folder) Version(p crmgate.Platform) string {
	switch m := f.module(p); {
	case m != nil:
		return fmt.Sprintf("%x", m.sum[:6])
	case f.connectors[p] != nil:
		return "manifest"
	}
	return ""
}

// Sum returns the hash of a platform's module, in hexadecimal; ok is false if it has none.
func (f *Folder) Sum(p crmgate.Platform) (sum string, ok bool) {
	if m := f.module(p); m != nil {
		return fmt.Sprintf("%x", m.sum), true
	}
	return "", false
}

// Same reports whether a platform has the same module and manifest in both folders. f may be nil: then it has nothing.
func (f *Folder) Same(p crmgate.Platform, other *Folder) bool {
	if m := f.module(p); m != nil || f == nil {
		return m != nil && m == other.module(p)
	}
	a, ok := f.manifests.Platform(p)
	b, ok2 := other.manifests.Platform(p)
	return ok && ok2 && f.connectors[p] != nil && other.connectors[p] != nil && other.module(p) == nil && a.Equal(b)
}

// module returns the module of a platform, or nil if it has none. f may be nil.
func (f *Folder) module(p crmgate.Platform) *module {
	if f == nil {
		return nil
	}
	if c, ok := f.connectors[p].(*hosted); ok {
		return c.m
	}
	return nil
}

// use adds a module that is known to be right.
func (f *Folder) use(m *module) {
	f.modules = append(f.modules, m)
	f.connectors[m.manifest.Platform] = &hosted{m}
}

// add adds a module that was inspected, or leaves it out because of an error.
func (f *Folder) add(m *module, err error) {
	if m == f.interpreter {
		f.interpreted(err)
		return
	}
	if err == nil {
		if wrong := m.facts.checkManifest(m.manifest, m.isScript()); len(wrong) > 0 {
			err = wrong
		}
	}
	if err != nil {
		f.LeaveOut(m.manifest.Platform, fmt.Errorf("%s: %w", filepath.Base(m.path), err))
		return
	}
	f.connectors[m.manifest.Platform] = &hosted{m}
}

// ErrNoManifest is the cause if a platform is left out because it has a module and no manifest.
var ErrNoManifest = errors.New("has no manifest")

// LeaveOut leaves a platform out.
func (f *Folder) LeaveOut(p crmgate.Platform, err error) {
	f.drop(p)
	f.leftOut[p] = err
}

// drop removes a platform.
func (f *Folder) drop(p crmgate.Platform) {
	f.modules = slices.DeleteFunc(f.modules, func(m *module) bool { return m.manifest.Platform == p })
	delete(f.connectors, p)
	delete(f.leftOut, p)
	delete(f.kept, p)
}

// Keep keeps the connector and the manifest that a platform has in an earlier folder, because of an error in this one. It returns
// false, and does nothing, if the platform has no connector there.
func (f *Folder) Keep(p crmgate.Platform, earlier *Folder, err error) bool {
	conn, ok := earlier.connectors[p]
	if !ok {
		return false
	}
	f.drop(p)
	f.connectors[p] = conn
	if m := earlier.module(p); m != nil {
		f.modules = append(f.modules, m)
		if m.interpreter != nil && !f.has(m.interpreter) {
			f.interpret(m.interpreter)
		}
	}
	f.manifests = f.manifests.With(p, earlier.manifests)
	f.kept[p] = err
	return true
}

// Kept returns the platforms whose connector is that of an earlier folder, because of an error. The caller may modify the map.
func (f *Folder) Kept() map[crmgate.Platform]error { return maps.Clone(f.kept) }

// Replace ends the modules of an earlier folder that this one does not have, each when its last call has returned.
func (f *Folder) Replace(earlier *Folder) {
	for _, m := range earlier.modules {
		if !f.has(m) {
			m.retire()
		}
	}
}

// jsonName returns the name in a JSON file's; ok is false if Load does not read the file.
func jsonName(file string) (name string, ok bool) {
	name, ok = strings.CutSuffix(file, ".json")
	return name, ok && !hidden(name) && !strings.HasSuffix(name, ".vectors")
}

// jsonFiles reads the manifests and release notes of a folder. unreadable has the files of single platforms that cannot be read.
func jsonFiles(dir string) (files map[string][]byte, unreadable map[crmgate.Platform]error, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read the folder of connectors: %w", err)
	}
	files, unreadable = map[string][]byte{}, map[crmgate.Platform]error{}
	for _, e := range entries {
		name, ok := jsonName(e.Name())
		if !ok || e.IsDir() {
			continue
		}
		b, err := readFile(filepath.Join(dir, e.Name()), maxJSON)
		switch {
		case err == nil:
			files[name] = b
		case manifest.OfFolder(name):
			return nil, nil, err
		default:
			unreadable[crmgate.Platform(name)] = err
		}
	}
	return files, unreadable, nil
}

// hidden reports whether a file is not a connector's: editors and systems keep such files beside those that people edit.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// hashModule returns the hash of a module's file, without having it in memory.
func hashModule(path string) (sum [sha256.Size]byte, err error) {
	f, _, err := openFile(path, maxSize(path))
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	err = copyFile(h, f, maxSize(path))
	return [sha256.Size]byte(h.Sum(nil)), err
}

func readModule(path string) ([]byte, error) { return readFile(path, maxSize(path)) }

// maxSize is the maximum size of a connector's file, in bytes.
func maxSize(path string) int64 {
	if isScript(path) {
		return maxScript
	}
	return maxModule
}

// readFile returns the content of a file that has at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, size, err := openFile(path, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead) // the buffer would become twice as large
	err = copyFile(&b, f, limit)
	return b.Bytes(), err
}

// openFile opens a file that has at most limit bytes, and returns its size. Only a regular file is opened: opening a named pipe would
// wait for a writer, and a device such as /dev/zero has no end.
func openFile(path string, limit int64) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s: expected a file, got a folder", filepath.Base(path))
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s: expected a file, got %v", filepath.Base(path), info.Mode())
	case info.Size() > limit:
		err = tooLarge(f, limit)
	default:
		return f, info.Size(), nil
	}
	return nil, 0, errors.Join(err, f.Close())
}

// copyFile copies the content of a file. The error says if it has more than limit bytes now.
func copyFile(to io.Writer, f *os.File, limit int64) error {
	n, err := io.Copy(to, io.LimitReader(f, limit+1))
	if err == nil && n > limit {
		err = tooLarge(f, limit)
	}
	return err
}

func tooLarge(f *os.File, limit int64) error {
	return fmt.Errorf("%s: expected at most %d MB", filepath.Base(f.Name()), limit>>20)
}

// CheckHosts returns an error if a wildcard covers hosts of different owners, such as *.com or *.co.uk.
func CheckHosts(m *manifest.Manifest) error {
	hosts := m.Hosts
	if m.PersonHost() { // the environment lists its possible values
		hosts = slices.Concat(hosts, m.Environment)
	}
	for _, h := range hosts {
		if suffix, _ := publicsuffix.PublicSuffix(h.Host); h.Wildcard && suffix == h.Host {
			return fmt.Errorf("the manifest of %s: expected hosts of one owner, got %s, which is a public suffix", m.Platform, h)
		}
	}
	return nil
}

// Connector returns the connector of a platform. If the platform is not in the folder, the error is a *crmgate.Refusal that
// matches crmgate.ErrNotFound. If it has only a manifest, all operations of its connector return that error.
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

// Manifests returns the manifests of the folder.
func (f *Folder) Manifests() *manifest.Set { return f.manifests }

// LeftOut returns the platforms that were not loaded. Each error names the file that is wrong, and what was expected. The
// caller may modify the map.
func (f *Folder) LeftOut() map[crmgate.Platform]error { return maps.Clone(f.leftOut) }

// Err returns the errors of all platforms that were not loaded, in the order of their names; nil if there are none.
func (f *Folder) Err() error {
	var all []error
	for _, p := range slices.Sorted(maps.Keys(f.leftOut)) {
		all = append(all, f.leftOut[p])
	}
	return errors.Join(all...)
}

// Platforms returns the platforms, including those without a module.
func (f *Folder) Platforms() []crmgate.Platform { return slices.Sorted(maps.Keys(f.connectors)) }

// Close frees all modules, also those that the folder has replaced. It cancels running calls, and waits until they have returned.
func (f *Folder) Close() error {
	all := append(f.host.rooms.retired(), f.modules...)
	for _, m := range all { // first: a module may wait for what another one has
		m.cancel()
	}
	for _, m := range all {
		m.close()
	}
	return nil
}

// Answer is the answer of an operation: its result (0, 1 or 2) and its output, which is empty for 2.
type Answer struct {
	Result int32
	Output []byte
	// Derives lists the requests for derive that were answered with a handle.
	Derives [][]byte

	secrets *handles.Secrets
}

// Hide returns a text with handles for the secrets of the call, and for the values that the guest derived from them.
func (a Answer) Hide(text string) string {
	if a.secrets == nil {
		return text
	}
	return a.secrets.Strip(text)
}

// Credential returns what the server keeps as the credential of a text in an answer of getBasicAuth: the secrets in place of their handles.
// It returns a text without handles, and one whose handles must not be there, as it is.
func (a Answer) Credential(text string) string {
	if a.secrets == nil {
		return text
	}
	value, _, err := a.secrets.Resolve(text, manifest.AccessToken)
	if err != nil {
		return text
	}
	return value
}

// VectorNonce is the nonce of the handles in vectors, and of those that Call makes.
const VectorNonce = "NONCE"

// Call runs an operation with its request and answer as documents of the ABI. It is for checking connectors: the server uses
// Connector. hostname is the user's host.
//
// The error is a *crmgate.ConnectorError if the guest broke the ABI. A guest that returns an error did not break it: that is
// an Answer with the result 1. Only configuration values are redacted in the guest's log and messages. A guest with handles gets
// them for the secrets in the input, and they stay in the output.
func (f *Folder) Call(ctx context.Context, p crmgate.Platform, operation, hostname string, input []byte) (Answer, error) {
	conn, ok := f.connectors[p].(*hosted)
	if !ok {
		return Answer{}, notFound(p)
	}
	nonce := ""
	if conn.m.manifest.Handles {
		nonce = VectorNonce
	}
	c := conn.newCallWith(nonce, operation, hostname)
	c.input = c.hide(input)
	var a Answer
	c.derived = func(request []byte) { a.Derives = append(a.Derives, request) }
	out, err := conn.m.invoke(ctx, c)
	a.secrets = c.secrets
	if err == nil {
		_, err = c.readable(ctx, out)
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		a.Result = resultUnsupported
		return a, nil
	case c.answeredError:
		a.Result, a.Output = resultError, c.output
		return a, nil
	case err != nil:
		return Answer{}, err
	}
	if err := checkAnswer(operation, out); err != nil {
		return Answer{}, c.abiError("gave an invalid answer (" + err.Error() + ")")
	}
	a.Result, a.Output = resultAnswer, out
	return a, nil
}

// Restorable reports whether one instance of a connector can serve many calls. Otherwise each call needs a new instance.
func (f *Folder) Restorable(p crmgate.Platform) bool {
	conn, ok := f.connectors[p].(*hosted)
	return ok && conn.m.facts.Restorable
}
