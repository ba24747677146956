package project

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// templates has folders with what projects have in common: all, those of a type such as oauth, those of a language such as go, and those
// of both, go-oauth. In names and contents, acme stands for the name of the connector. The ending .txt is removed from names: Go does
// not embed a folder with a go.mod.
//
//go:embed all:_template
var templates embed.FS

// sdks has the sources of the SDKs of connectors-wasm. Files of another module cannot be embedded. A test compares the two:
// go test ./project -run SDKs -update writes this file.
//
//go:embed sdks.txtar
var sdks []byte

// New writes the project of a connector into a folder, which it makes if necessary. auth is how people sign in to the CRM. It returns the
// paths of the files. It writes nothing if one of them exists. An SDK is written into the folder sdk, and its files are not returned.
func New(dir, name string, l Language, auth manifest.AuthType) ([]string, error) {
	if p := crmgate.Platform(name); !p.Valid() || manifest.OfFolder(name) || strings.EqualFold(name, "crmgate") {
		return nil, fmt.Errorf("%q cannot be the name of a connector: use letters and digits, beginning with a letter, such as acme; manifest, releaseNotes and crmgate are taken", name)
	}
	own, err := files(name, l, auth)
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(own), sdkFiles(l)...)
	for _, f := range all {
		path := filepath.Join(dir, f.Name)
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("%s exists: name an empty folder with --dir", path)
		}
	}
	var names []string
	for i, f := range all {
		path := filepath.Join(dir, f.Name)
		if err := write(path, f.Data); err != nil {
			return names, err
		}
		if i < len(own) {
			names = append(names, path)
		}
	}
	return names, nil
}

// write writes a new file, which can be run if it is a script of the shell.
func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if strings.HasSuffix(path, ".sh") {
		mode = 0o755
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// files returns the files of a new project, apart from its SDK. The README has a part from each folder of templates.
func files(name string, l Language, auth manifest.AuthType) (own []txtar.File, err error) {
	folders := []string{"all", string(auth), l.Name, l.Name + "-" + string(auth)}
	if l.Name == Data.Name {
		folders = folders[2:] // the others are about code
	}
	for _, folder := range folders {
		more, err := templateOf(folder)
		if err != nil {
			return nil, err
		}
		for _, f := range more {
			if i := slices.IndexFunc(own, func(o txtar.File) bool { return o.Name == f.Name }); i >= 0 {
				own[i].Data = slices.Concat(own[i].Data, []byte("\n"), f.Data)
			} else {
				own = append(own, f)
			}
		}
	}
	named := strings.NewReplacer("acme.ext", name+l.Ending, "acme", name, "ACME", strings.ToUpper(name), "Acme", strings.ToUpper(name[:1])+name[1:])
	for i, f := range own {
		own[i] = txtar.File{Name: named.Replace(strings.TrimSuffix(f.Name, ".txt")), Data: []byte(named.Replace(string(f.Data)))}
	}
	return own, nil
}

// templateOf returns the files of a folder of templates.
func templateOf(folder string) (all []txtar.File, err error) {
	root := path.Join("_template", folder)
	err = fs.WalkDir(templates, root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := templates.ReadFile(name)
		all = append(all, txtar.File{Name: strings.TrimPrefix(name, root+"/"), Data: b})
		return err
	})
	return all, err
}

// sdkFiles returns the files of a language's SDK, in the folder sdk of a project.
func sdkFiles(l Language) (all []txtar.File) {
	for _, f := range txtar.Parse(sdks).Files {
		if rest, ok := strings.CutPrefix(f.Name, l.sdk+"/"); ok && l.sdk != "" {
			all = append(all, txtar.File{Name: path.Join("sdk", rest), Data: bytes.Clone(f.Data)})
		}
	}
	return all
}
