package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// Manifests is what a connectors folder declares: the published documents and the platforms in them. Immutable.
type Set struct {
	docs      map[string]document
	platforms map[crmgate.Platform]*Manifest
	notes     []byte
}

type document struct {
	public []byte // without the crmgate objects
	named  bool   // it has author.name, without which App Connect's server does not give it out
	// version is the top-level version; empty if there is none.
	version string
}

// ManifestError says where a manifest is wrong and what was expected there.
type Error struct {
	File string // clio.json; "manifest.json with clio.json" if both describe the platform
	Path string // platforms.clio.auth.oauth.authUrl
	Want string // an absolute URL
	Got  string // "x", a number, nothing
}

func (e *Error) Error() string {
	where := e.File
	if e.Path != "" {
		where += ": " + e.Path
	}
	return fmt.Sprintf("%s: expected %s, got %s", where, e.Want, e.Got)
}

// ParseManifests reads the manifests of a connectors folder. files maps a name to the bytes of NAME.json; the name
// "manifest" is the default document, whose platforms are the base that NAME.json adds to, and "releaseNotes" is no
// manifest but what it says. {publicUrl} in them stands for publicURL. The first thing found wrong is returned as a
// *ManifestError.
func Parse(files map[string][]byte, publicURL string) (*Set, error) {
	ms := &Set{docs: map[string]document{}, platforms: map[crmgate.Platform]*Manifest{}, notes: []byte("{}")}
	trees := map[string]node{}
	names := slices.Sorted(maps.Keys(files)) // the same fault is reported at every start
	for _, name := range names {
		b := files[name]
		b = bytes.TrimPrefix(b, []byte("\uFEFF")) // as editors on Windows leave it
		b = bytes.ReplaceAll(b, []byte("{publicUrl}"), []byte(publicURL))
		if name == releaseNotes {
			var err error
			if ms.notes, err = parseReleaseNotes(b); err != nil {
				return nil, err
			}
			continue
		}
		tree, doc, err := parseDocument(name+".json", b)
		if err != nil {
			return nil, err
		}
		if name == "manifest" {
			ms.docs["default"] = doc
		} else {
			ms.docs[name] = doc
		}
		trees[name] = tree
	}
	base := trees["manifest"].at("platforms")
	for name, n := range base.members() {
		if trees[name].present() && name != "manifest" {
			continue // it is read together with its own file
		}
		if err := ms.add(crmgate.Platform(name), n); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if name == "manifest" || name == releaseNotes {
			continue
		}
		own := trees[name].at("platforms").at(name)
		if _, ok := own.value.(map[string]any); !ok {
			return nil, own.wrong("an object: a file describes the platform that it is named after")
		}
		if err := ms.add(crmgate.Platform(name), merge(base.at(name), own)); err != nil {
			return nil, err
		}
	}
	return ms, nil
}

// merge lays base over own, save for the crmgate object, which is own's. Own is an object; a base that is none is left out.
func merge(base, own node) node {
	members, _ := base.value.(map[string]any)
	if members == nil {
		return own
	}
	all := maps.Clone(own.value.(map[string]any))
	for k, v := range members {
		if k != "crmgate" || all[k] == nil {
			all[k] = v
		}
	}
	return node{file: base.file + " with " + own.file, path: own.path, value: all}
}

func parseDocument(file string, b []byte) (node, document, error) {
	var d document
	n, err := parseJSON(file, b)
	if err != nil {
		return n, d, err
	}
	var r reader
	r.object(n.at("platforms"))
	r.check(n.at("platforms"), n.at("platforms").present(), "an object of platforms")
	d.version = r.text(n.at("version"))
	d.named = r.text(n.at("author").at("name")) != ""
	if r.err != nil {
		return n, d, r.err
	}
	d.public, err = withoutCrmgate(b)
	return n, d, err
}

// withoutCrmgate removes platforms.*.crmgate. A document without one stays as it is, byte for byte.
func withoutCrmgate(b []byte) ([]byte, error) {
	var top, platforms map[string]json.RawMessage
	if err := json.Unmarshal(b, &top); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(top["platforms"], &platforms); err != nil {
		return nil, err
	}
	found := false
	for name, raw := range platforms {
		var p map[string]json.RawMessage
		if json.Unmarshal(raw, &p) != nil || p["crmgate"] == nil {
			continue
		}
		found = true
		delete(p, "crmgate")
		platforms[name], _ = json.Marshal(p)
	}
	if !found {
		return b, nil
	}
	top["platforms"], _ = json.Marshal(platforms)
	return json.Marshal(top)
}

func (ms *Set) add(p crmgate.Platform, n node) error {
	if !p.Valid() || strings.EqualFold(string(p), "crmgate") {
		return n.wrong("a platform name of letters and digits, not crmgate")
	}
	m, err := parsePlatform(p, n)
	if err != nil {
		return err
	}
	m.byHost, err = parseOverrides(p, n)
	if err != nil {
		return err
	}
	ms.platforms[p] = m
	return nil
}

// parseOverrides returns, for each host that an override of triggerType hostname names, the manifest as it is there.
func parseOverrides(p crmgate.Platform, n node) (map[string]*Manifest, error) {
	var r reader
	trees := map[string]any{}
	for _, o := range r.list(n.at("override")) {
		if r.text(o.at("triggerType")) != "hostname" {
			continue // other triggers are for clients
		}
		host, err := crmgate.ParseHostname(r.text(o.at("triggerValue")))
		r.check(o.at("triggerValue"), err == nil, "a host")
		tree := trees[host]
		if tree == nil {
			tree = clone(n.value)
		}
		for _, v := range r.list(o.at("overrideObjects")) {
			path := r.text(v.at("path"))
			r.check(v.at("path"), set(tree, strings.Split(path, "."), v.at("value").value), "the path of a member")
		}
		trees[host] = tree
	}
	if r.err != nil {
		return nil, r.err
	}
	byHost := map[string]*Manifest{}
	for host, tree := range trees {
		m, err := parsePlatform(p, node{file: n.file, path: n.path + " (overridden for " + host + ")", value: tree})
		if err != nil {
			return nil, err
		}
		byHost[host] = m
	}
	return byHost, nil
}

// Platform returns the manifest of one platform.
func (ms *Set) Platform(p crmgate.Platform) (*Manifest, bool) {
	m, ok := ms.platforms[p]
	return m, ok
}

// Platforms returns all of them, in no order. The map is the caller's.
func (ms *Set) Platforms() map[crmgate.Platform]*Manifest { return maps.Clone(ms.platforms) }

// Published returns the JSON document to give out under a name; "" and "default" are manifest.json. ok is false if
// there is none or it names no author. The bytes are not to be modified.
func (ms *Set) Published(name string) (doc []byte, ok bool) {
	if name == "" {
		name = "default"
	}
	d, ok := ms.docs[name]
	return d.public, ok && d.named
}

// Version returns the version of manifest.json; ok is false if there is no such file.
func (ms *Set) Version() (version string, ok bool) {
	d, ok := ms.docs["default"]
	return d.version, ok
}

// ReleaseNotes returns releaseNotes.json as a JSON object with the versions in the file's order, {} if there is no such
// file. The bytes are not to be modified.
func (ms *Set) ReleaseNotes() []byte { return ms.notes }
