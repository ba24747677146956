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

// Set is the manifests of a folder of connectors: the platforms, and the documents for clients. It is immutable.
type Set struct {
	docs      map[string]document
	platforms map[crmgate.Platform]*Manifest
	leftOut   map[crmgate.Platform]error
	notes     []byte
}

type document struct {
	public []byte // without the crmgate objects
	named  bool   // it has author.name, without which App Connect's server does not publish it
	// version is the top-level version; empty if there is none.
	version string
}

// Error is a mistake in a manifest: its place, and what was expected there.
type Error struct {
	File string // clio.json; "manifest.json with clio.json" if both describe the platform
	Path string // platforms.clio.auth.oauth.authUrl
	Want string // an absolute URL; if Got is empty, the whole message
	Got  string // "x", a number, nothing; never a value that may be a secret
}

func (e *Error) Error() string {
	where := e.File
	if e.Path != "" {
		where += ": " + e.Path
	}
	if e.Got == "" {
		return where + ": " + e.Want
	}
	return fmt.Sprintf("%s: expected %s, got %s", where, e.Want, e.Got)
}

// Parse reads the manifests of a folder. files maps a name to the content of NAME.json. The file "manifest" is the document
// "default": its platforms are the base, and NAME.json adds to the platform NAME. The file "releaseNotes" is not a manifest.
// publicURL replaces {publicUrl} in all of them.
//
// A platform whose manifest has a mistake is left out: see [Set.LeftOut]. The error, an *Error, is a mistake in releaseNotes or
// in manifest outside of its platforms.
func Parse(files map[string][]byte, publicURL string) (*Set, error) {
	ms := &Set{docs: map[string]document{}, platforms: map[crmgate.Platform]*Manifest{}, leftOut: map[crmgate.Platform]error{}, notes: []byte("{}")}
	trees := map[string]node{}
	names := slices.Sorted(maps.Keys(files)) // every start reports the same mistake
	for _, name := range names {
		b := files[name]
		b = bytes.TrimPrefix(b, []byte("\uFEFF")) // editors on Windows write it
		b = bytes.ReplaceAll(b, []byte("{publicUrl}"), []byte(publicURL))
		if name == releaseNotes {
			var err error
			if ms.notes, err = parseReleaseNotes(b); err != nil {
				return nil, err
			}
			continue
		}
		tree, doc, err := parseDocument(name+".json", b)
		switch {
		case err != nil && name == "manifest":
			return nil, err
		case err != nil:
			ms.leftOut[crmgate.Platform(name)] = err
			continue
		case name == "manifest":
			ms.docs["default"] = doc
		default:
			ms.docs[name] = doc
		}
		trees[name] = tree
	}
	base := trees["manifest"].at("platforms")
	for name, n := range base.members() {
		if _, own := files[name]; own && !OfFolder(name) {
			continue // read below, with its own file
		}
		ms.add(crmgate.Platform(name), n)
	}
	for _, name := range names {
		tree, ok := trees[name]
		if !ok || OfFolder(name) {
			continue
		}
		own := tree.at("platforms").at(name)
		if _, ok := own.value.(map[string]any); !ok {
			ms.leftOut[crmgate.Platform(name)] = own.wrong("an object for the platform that the file is named after")
			continue
		}
		ms.add(crmgate.Platform(name), merge(base.at(name), own))
	}
	return ms, nil
}

// OfFolder reports whether the file NAME.json is about the whole folder, and not about the platform NAME.
func OfFolder(name string) bool { return name == "manifest" || name == releaseNotes }

// merge returns own, which is an object, with the members of base replaced or added. The crmgate object stays own's. A base
// that is not an object is ignored.
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

// withoutCrmgate removes platforms.*.crmgate. A document without one is returned unchanged, byte for byte.
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

// add adds a platform, or leaves it out.
func (ms *Set) add(p crmgate.Platform, n node) {
	m, err := parseAll(p, n)
	if err != nil {
		ms.leftOut[p] = err
		return
	}
	ms.platforms[p] = m
}

// parseAll reads one platform with its overrides.
func parseAll(p crmgate.Platform, n node) (*Manifest, error) {
	if !p.Valid() || strings.EqualFold(string(p), "crmgate") {
		return nil, n.wrong("a platform name of letters and digits, other than crmgate")
	}
	m, err := parsePlatform(p, n)
	if err != nil {
		return nil, err
	}
	m.byHost, err = parseOverrides(p, n)
	return m, err
}

// parseOverrides returns the manifest for each host of an override with triggerType hostname.
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

// Platforms returns the manifests of all platforms. The caller may modify the map.
func (ms *Set) Platforms() map[crmgate.Platform]*Manifest { return maps.Clone(ms.platforms) }

// With returns a set in which one platform, and the document of its name, are those of another set.
func (ms *Set) With(p crmgate.Platform, from *Set) *Set {
	c := *ms
	c.docs, c.platforms, c.leftOut = maps.Clone(ms.docs), maps.Clone(ms.platforms), maps.Clone(ms.leftOut)
	delete(c.leftOut, p)
	delete(c.docs, string(p))
	delete(c.platforms, p)
	if doc, ok := from.docs[string(p)]; ok {
		c.docs[string(p)] = doc
	}
	if m, ok := from.platforms[p]; ok {
		c.platforms[p] = m
	}
	return &c
}

// LeftOut returns the platforms whose manifests have a mistake, and the first mistake of each, an *Error. Their documents are
// published as they were written, if they are JSON. The caller may modify the map.
func (ms *Set) LeftOut() map[crmgate.Platform]error { return maps.Clone(ms.leftOut) }

// Published returns the JSON document that clients get under a name; "" and "default" are manifest.json. ok is false if there
// is none, or if it does not name its author. Do not modify the bytes.
func (ms *Set) Published(name string) (doc []byte, ok bool) {
	if name == "" {
		name = "default"
	}
	d, ok := ms.docs[name]
	return d.public, ok && d.named
}

// Version returns the version of manifest.json. ok is false if there is no such file.
func (ms *Set) Version() (version string, ok bool) {
	d, ok := ms.docs["default"]
	return d.version, ok
}

// ReleaseNotes returns releaseNotes.json as a JSON object with the versions in the file's order; {} if there is no such file.
// Do not modify the bytes.
func (ms *Set) ReleaseNotes() []byte { return ms.notes }
