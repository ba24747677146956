package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// demoFolder makes a copy of a connectors folder, with manifests for a practice CRM at an address. The caller removes it.
func demoFolder(connectors, crm string) (dir string, err error) {
	from, err := filepath.Abs(connectors)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "crmgate-demo"); err != nil {
		return "", err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(dir, e.Name())
		if filepath.Ext(source) != ".json" {
			err = errors.Join(err, os.Symlink(source, target))
			continue
		}
		b, readErr := os.ReadFile(source)
		b = bytes.ReplaceAll(b, []byte(practicecrm.Addr), []byte(crm))
		err = errors.Join(err, readErr, os.WriteFile(target, b, 0o600))
	}
	return dir, err
}
