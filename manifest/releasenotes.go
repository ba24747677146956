package manifest

import (
	"bytes"
	"encoding/json"
)

// releaseNotes is the name of a file that is not a manifest.
const releaseNotes = "releaseNotes"

// parseReleaseNotes reads releaseNotes.json, {version: {platform or "global": [note, …]}}. The result is compact, in the
// file's order, and has a list of global notes first in every version.
func parseReleaseNotes(b []byte) ([]byte, error) {
	const file = releaseNotes + ".json"
	top, err := parseJSON(file, b)
	if err != nil {
		return nil, err
	}
	var r reader
	for _, version := range top.members() {
		r.check(version, version.present(), "an object of platforms")
		r.object(version)
		for _, notes := range version.members() {
			r.check(notes, notes.present(), "a list")
			r.list(notes)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	versions, err := ordered(top, b)
	if err != nil {
		return nil, err
	}
	for i, v := range versions {
		notes, err := ordered(top.at(v.name), v.value)
		if err != nil {
			return nil, err
		}
		all := []member{{"global", []byte("[]")}}
		for _, n := range notes {
			if n.name == "global" {
				all[0] = n
			} else {
				all = append(all, n)
			}
		}
		versions[i].value = object(all)
	}
	return object(versions), nil
}

// member is a member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// ordered returns the members of an object in their order. b is its text, and n its place for errors. A duplicate member is
// an error.
func ordered(n node, b []byte) ([]member, error) {
	var all []member
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(b))
	_, err := d.Token() // the brace: b is an object
	for err == nil && d.More() {
		var name json.Token
		if name, err = d.Token(); err != nil {
			break
		}
		m := member{name: name.(string)}
		if seen[m.name] {
			return nil, &Error{File: n.file, Path: n.at(m.name).path, Want: "this member occurs twice: remove one"}
		}
		seen[m.name] = true
		err = d.Decode(&m.value)
		all = append(all, m)
	}
	return all, err
}

// object encodes members as a JSON object without spaces.
func object(all []member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(m.name) // a string always encodes
		b.Write(name)
		b.WriteByte(':')
		_ = json.Compact(&b, m.value) // it was parsed before
	}
	b.WriteByte('}')
	return b.Bytes()
}
