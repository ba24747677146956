package recording

import (
	"encoding/json"
	"errors"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/mask"
)

// Secret is a value that a recording must not contain, and what takes its place. Handle is made of characters that JSON need not escape.
type Secret struct{ Handle, Value string }

// errConceal means that a secret could not be taken out.
var errConceal = errors.New("a secret in it could not be replaced")

// Conceal replaces the secrets in all texts of the recording: the ones it is given, and those that look like secrets by their names. After
// an error, some are still there.
func (r *Recording) Conceal(secrets []Secret) error {
	var masks mask.Masks
	for _, s := range append(secrets[:len(secrets):len(secrets)], r.looksSecret()...) {
		masks.Add(s.Value, s.Handle)
	}
	for i, line := range r.Log {
		if len(line.Text) >= guest.MaxLine {
			r.Log[i].Text = masks.ReplaceCut(line.Text)
		}
	}
	for _, text := range r.texts() {
		changed := masks.ReplacePlain(*text)
		if json.Valid([]byte(*text)) && !json.Valid([]byte(changed)) || masks.Finds(changed) || findsInBytes(&masks, changed) {
			return errConceal
		}
		*text = changed
	}
	return nil
}

// findsInBytes reports whether a document has a secret in bytes, which are base64 as a whole.
func findsInBytes(masks *mask.Masks, text string) bool {
	var doc struct {
		BodyBase64 []byte `json:"bodyBase64"`
	}
	return json.Unmarshal([]byte(text), &doc) == nil && len(doc.BodyBase64) > 0 && masks.Finds(string(doc.BodyBase64))
}

// texts are the texts that can contain secrets.
func (r *Recording) texts() []*string {
	all := []*string{&r.Input, &r.End.Output, &r.End.Problem, &r.End.Reason, &r.Call.Stack}
	for i := range r.Fetches {
		all = append(all, &r.Fetches[i].Request, &r.Fetches[i].Answer)
	}
	for i := range r.Config {
		all = append(all, &r.Config[i].Name, &r.Config[i].Value)
	}
	for i := range r.Derived {
		all = append(all, &r.Derived[i].Request, &r.Derived[i].Handle)
	}
	for i := range r.Log {
		all = append(all, &r.Log[i].Text)
	}
	return all
}
