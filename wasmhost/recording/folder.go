package recording

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
)

// The limits of a folder.
const (
	MaxFiles = 200
	MaxTotal = 64 << 20 // bytes
	MaxAge   = 7 * 24 * time.Hour
)

// sweepEvery is how often old recordings are looked for while no call fails.
const sweepEvery = time.Hour

// Label is what a file is sealed as.
const Label = "recording of a failed call"

// begins begins a file, before the sealed part.
const begins = "crmgate recording 1\n"

// suffix ends the names of files. Files with other names are left alone.
const suffix = ".recording"

// unknownPerson takes the place of the person's hash in a file's name, for a call before the person is known.
const unknownPerson = "unknown"

// FolderConfig configures a Folder. All fields are required.
type FolderConfig struct {
	Dir    string
	Seal   func(label string, plain []byte) ([]byte, error)
	Person func(crmgate.UserKey) string // a keyed hash of a person, in hex
	Logger *slog.Logger
	Now    func() time.Time
}

// Folder keeps recordings in files. It is safe for concurrent use.
type Folder struct {
	FolderConfig
	jobs chan func()
	done chan struct{}
	gone map[string]time.Time // owned by the goroutine of work; when people were forgotten, by their hash
}

// Open makes the folder, with mode 0700, and removes the recordings that are too old. An error says what is wrong with the folder. The
// caller closes it.
func Open(c FolderConfig) (*Folder, error) {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(c.Dir)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may look into %s (mode %04o): run chmod 700 %s", c.Dir, info.Mode().Perm(), c.Dir)
	}
	f := &Folder{FolderConfig: c, jobs: make(chan func(), 16), done: make(chan struct{}), gone: map[string]time.Time{}}
	if err := f.sweep(); err != nil {
		return nil, err
	}
	go f.work()
	return f, nil
}

// work writes and removes files, one after the other: a call does not wait for it.
func (f *Folder) work() {
	defer close(f.done)
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case job, ok := <-f.jobs:
			if !ok {
				return
			}
			job()
		case <-t.C:
			if err := f.sweep(); err != nil {
				f.Logger.Warn("could not remove old recordings", "err", err)
			}
		}
	}
}

// Close waits until what was kept is written. Nothing may be kept any more.
func (f *Folder) Close() {
	close(f.jobs)
	<-f.done
}

// Keep keeps a recording without the secrets. It returns at once: if that fails, or too much is being kept, the log says so. The
// recording belongs to the folder then. person is the zero UserKey if the person is not known yet.
func (f *Folder) Keep(r *Recording, person crmgate.UserKey, secrets []Secret) {
	select {
	case f.jobs <- func() {
		if err := f.write(r, person, secrets); err != nil {
			f.Refused(r.Platform, r.Operation, err)
		}
	}:
	default:
		f.Refused(r.Platform, r.Operation, errors.New("too many calls fail at once"))
	}
}

// Refused logs that a failed call is not recorded.
func (f *Folder) Refused(p crmgate.Platform, operation string, why error) {
	f.Logger.Warn("a failed call of a connector was not recorded", "platform", p, "operation", operation, "reason", why)
}

// TooLarge logs that a failed call is too large to be recorded.
func (f *Folder) TooLarge(p crmgate.Platform, operation string) { f.Refused(p, operation, errTooLarge) }

func (f *Folder) write(r *Recording, person crmgate.UserKey, secrets []Secret) error {
	hash := f.nameOf(person)
	if at, ok := f.gone[hash]; ok && !r.Time.After(at) {
		return nil // the person was deleted while the call ran
	}
	if err := r.Conceal(secrets); err != nil {
		return err
	}
	plain, err := r.encode()
	if err != nil {
		return err
	}
	sealed, err := f.Seal(Label, plain)
	if err != nil {
		return err
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	name := strings.Join([]string{r.Time.UTC().Format(nameTime), string(r.Platform), r.Operation, hash, hex.EncodeToString(random[:])}, "-") + suffix
	if err := writeFile(f.Dir, name, append([]byte(begins), sealed...)); err != nil {
		return err
	}
	f.Logger.Info("recorded a failed call of a connector", "platform", r.Platform, "operation", r.Operation, "file", name)
	return f.sweep()
}

// nameTime is the time in a file's name.
const nameTime = "20060102T150405.000000Z"

// nameOf returns the part of a file's name that finds a person's recordings.
func (f *Folder) nameOf(person crmgate.UserKey) string {
	if person.ID == "" {
		return unknownPerson
	}
	return shortHash(f.Person(person))
}

// shortHash is enough of a hash that two people do not share it.
func shortHash(hash string) string { return hash[:min(len(hash), 32)] }

// writeFile writes a file with mode 0600, completely or not at all.
func writeFile(dir, name string, content []byte) error {
	file, err := os.CreateTemp(dir, ".new-*"+suffix)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// Forget removes the recordings of a person, and those of calls on the platform whose person is not known. It returns when they are
// gone.
func (f *Folder) Forget(person crmgate.UserKey) error {
	result := make(chan error, 1)
	f.jobs <- func() {
		hash := f.nameOf(person)
		f.gone[hash], f.gone[unknownPerson] = f.Now(), f.Now()
		result <- Forget(f.Dir, person.Platform, f.Person(person))
	}
	return <-result
}

// Forget does what Folder.Forget does, in a folder that no server has open. It need not exist.
func Forget(dir string, p crmgate.Platform, hash string) error {
	all, err := list(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, k := range all {
		if k.unfinished() || k.platform == p && (k.person == shortHash(hash) || k.person == unknownPerson) {
			errs = append(errs, k.remove(dir))
		}
	}
	return errors.Join(errs...)
}

// kept is a file of a folder.
type kept struct {
	name     string
	time     time.Time
	platform crmgate.Platform
	person   string
	size     int64
}

// unfinished reports whether a crash has left the file. Its person is not known. No file is being written when this is asked: one
// goroutine writes and removes.
func (k kept) unfinished() bool { return k.platform == "" }

// remove removes the file. It may be gone: an operator can remove recordings, too.
func (k kept) remove(dir string) error {
	err := os.Remove(filepath.Join(dir, k.name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// list returns the recordings of a folder, the oldest first.
func list(dir string) (all []kept, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		parts := strings.Split(name, "-")
		info, err := e.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		k := kept{name: e.Name(), size: info.Size()}
		switch at, err := time.Parse(nameTime, parts[0]); {
		case strings.HasPrefix(name, ".new"): // see unfinished
		case err == nil && len(parts) == 5:
			k.time, k.platform, k.person = at, crmgate.Platform(parts[1]), parts[3]
		default:
			continue
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b kept) int { return a.time.Compare(b.time) })
	return all, nil
}

// share is what a platform has of a folder.
type share struct {
	files []kept // the oldest first
	size  int64  // of them all, in bytes
}

// sweep removes recordings that are too old or too many.
func (f *Folder) sweep() error {
	all, err := list(f.Dir)
	if err != nil {
		return err
	}
	var errs []error
	shares := map[crmgate.Platform]*share{}
	number, total := 0, int64(0)
	for _, k := range all {
		if f.expired(k) {
			errs = append(errs, k.remove(f.Dir))
			continue
		}
		s := shares[k.platform]
		if s == nil {
			s = &share{}
			shares[k.platform] = s
		}
		s.files, s.size = append(s.files, k), s.size+k.size
		number, total = number+1, total+k.size
	}
	for number > MaxFiles || total > MaxTotal {
		s := largest(shares, number > MaxFiles)
		k := s.files[0]
		s.files, s.size = s.files[1:], s.size-k.size
		number, total = number-1, total-k.size
		errs = append(errs, k.remove(f.Dir))
	}
	for hash, at := range f.gone {
		if f.Now().Sub(at) > sweepEvery { // no call runs that long
			delete(f.gone, hash)
		}
	}
	return errors.Join(errs...)
}

// expired reports whether a file is to be removed whatever else the folder has. A file of the future is: the clock was wrong when it was
// written, so its age is not known, and it would stay while newer ones go.
func (f *Folder) expired(k kept) bool {
	age := f.Now().Sub(k.time)
	return k.unfinished() || age > MaxAge || age < -sweepEvery
}

// largest returns the share with the most files, or with the most bytes. A connector that fails all the time therefore removes its own
// recordings, and not those of others. Of equal shares it is the one with the oldest file.
func largest(shares map[crmgate.Platform]*share, byNumber bool) (found *share) {
	for _, s := range shares {
		if len(s.files) == 0 {
			continue
		}
		if found == nil || s.compare(found, byNumber) > 0 {
			found = s
		}
	}
	return found
}

func (s *share) compare(other *share, byNumber bool) int {
	size := cmp.Compare(s.size, other.size)
	if byNumber {
		size = cmp.Compare(len(s.files), len(other.files))
	}
	return cmp.Or(size, other.files[0].time.Compare(s.files[0].time))
}

// Read reads the file of a recording. The error says what is wrong with the file.
func Read(path string, unseal func(label string, sealed []byte) ([]byte, error)) (*Recording, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s not found: name a file of the folder of serve --record-failures", path)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, 2*MaxSize))
	if err != nil {
		return nil, err
	}
	sealed, ok := bytes.CutPrefix(b, []byte(begins))
	if !ok {
		return nil, fmt.Errorf("%s is not a recording of crmgate", filepath.Base(path))
	}
	plain, err := unseal(Label, sealed)
	if err != nil {
		return nil, fmt.Errorf("%s does not open: it is damaged, or was recorded with another key ring (--keyset)", filepath.Base(path))
	}
	r, err := Decode(plain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return r, nil
}
