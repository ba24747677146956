package project

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
)

// Project is the folder of a connector.
type Project struct {
	Dir  string
	Name crmgate.Platform
}

// endings are those of the files that a server loads. A build may make the first of those that are there from another.
var endings = []string{".wasm", ".js", ".ts"}

// Open finds the connector of a folder: NAME.json with NAME.wasm, NAME.js, NAME.ts or NAME.vectors.json, or alone if it needs no code.
func Open(dir string) (Project, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Project{}, fmt.Errorf("%w: name the folder of the connector", err)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if ok && crmgate.Platform(name).Valid() && (slices.ContainsFunc(append(endings, ".vectors.json"), func(ending string) bool { return has(name + ending) }) || (Project{dir, crmgate.Platform(name)}).withoutCode()) {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return Project{}, fmt.Errorf("there is no connector in %s: expected NAME.json with NAME.js, NAME.ts, NAME.wasm or NAME.vectors.json; crmgate connector new writes them", dir)
	case 1:
		return Project{dir, crmgate.Platform(names[0])}, nil
	}
	return Project{}, fmt.Errorf("there are several connectors in %s: %s; give each a folder of its own", dir, strings.Join(names, ", "))
}

// File returns the file that a server loads. It may not be there yet.
func (p Project) File() string {
	for _, ending := range endings {
		if file := p.path(ending); exists(file) {
			return file
		}
	}
	if p.withoutCode() {
		return p.Manifest()
	}
	return p.path(endings[0])
}

// withoutCode reports whether the manifest says all: ABI.md, Connectors without code. It may have mistakes, which the check reports.
func (p Project) withoutCode() bool {
	b, err := os.ReadFile(p.Manifest())
	var doc struct {
		Platforms map[crmgate.Platform]struct {
			Crmgate struct {
				UserInfo, ProxyConfig any
			}
		}
	}
	if err != nil || json.Unmarshal(b, &doc) != nil {
		return false
	}
	c := doc.Platforms[p.Name].Crmgate
	return c.UserInfo != nil || c.ProxyConfig != nil
}

// Manifest returns the file of the manifest.
func (p Project) Manifest() string { return p.path(".json") }

// Vectors returns the file of the vectors.
func (p Project) Vectors() string { return p.path(".vectors.json") }

// Recorded returns the file for vectors that Record writes, unless its caller names another.
func (p Project) Recorded() string { return p.path(".recorded.vectors.json") }

func (p Project) path(ending string) string { return filepath.Join(p.Dir, string(p.Name)+ending) }

func (p Project) script() string { return filepath.Join(p.Dir, "build.sh") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Build runs build.sh in the folder, if it is there. After an error, output is what it printed.
func (p Project) Build(ctx context.Context) (output string, err error) {
	script, err := os.ReadFile(p.script())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if bytes.Contains(script, []byte("\r\n")) { // the shell's own messages do not say so
		return "", errors.New("build.sh has line ends of Windows: save it with LF line ends")
	}
	c := exec.CommandContext(ctx, "sh", "build.sh")
	c.Dir, c.WaitDelay = p.Dir, time.Second
	b, err := c.CombinedOutput()
	if err != nil {
		return string(b), fmt.Errorf("build.sh: %w", err)
	}
	if !exists(p.File()) {
		return string(b), fmt.Errorf("build.sh did not write %s", filepath.Base(p.File()))
	}
	return "", nil
}

// walk calls f for each file and each folder that a build may read.
func (p Project) walk(f func(path string, e fs.DirEntry)) {
	built := "" // by build.sh, which would be run for it again
	if exists(p.script()) {
		built = p.path(".wasm")
	}
	_ = filepath.WalkDir(p.Dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case e == nil: // the project is gone
		case path != p.Dir && (path == built || ignored(path, e)):
			if e.IsDir() {
				return fs.SkipDir
			}
		case err == nil:
			f(path, e)
		}
		return nil
	})
}

// ignored reports whether a file or a folder is not the author's: hidden, made by a tool, or a database.
func ignored(path string, e fs.DirEntry) bool {
	name := e.Name()
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".o") || name == "node_modules" || name == "target" || exists(filepath.Join(path, "keyset.json"))
}

// folders returns the folders of sources.
func (p Project) folders() (all []string) {
	p.walk(func(path string, e fs.DirEntry) {
		if e.IsDir() {
			all = append(all, path)
		}
	})
	return all
}

// print describes the sources: their names, sizes and times. For the file that the server loads, it has the hash of the content: a build may
// write the same content again.
func (p Project) print() string {
	var b strings.Builder
	loaded := p.File()
	p.walk(func(path string, e fs.DirEntry) {
		info, err := e.Info()
		switch {
		case err != nil || e.IsDir():
		case path == loaded:
			content, _ := os.ReadFile(path) // the build or the server reports what is wrong
			fmt.Fprintf(&b, "%s %x\n", path, sha256.Sum256(content))
		default:
			fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		}
	})
	return b.String()
}

// errNoFile means that a connector was not built.
var errNoFile = errors.New("the file of the connector is missing: build it, or write build.sh, which crmgate connector dev runs")
