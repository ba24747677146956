package wasmhost

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stage copies one connector into a folder that Load can read: its file, its manifest NAME.json and manifest.json. The connector's own
// folder may have other files, which would be other connectors to Load. edit, if it is not nil, changes the manifests.
func Stage(file, dir string, edit func([]byte) []byte) error {
	b, err := readModule(file)
	if err != nil {
		return err
	}
	name := filepath.Base(file)
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		return err
	}
	for _, json := range []string{strings.TrimSuffix(name, filepath.Ext(name)) + ".json", "manifest.json"} {
		b, err := readFile(filepath.Join(filepath.Dir(file), json), maxJSON)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Load says what is missing
		}
		if err == nil && edit != nil {
			b = edit(b)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, json), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
