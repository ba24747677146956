package sdk

import "encoding/base64"

// Derivation is the request of Derive: Base64 alone, or the other members.
type Derivation struct {
	Base64 *string `json:"base64,omitempty"` // text with handles, to be encoded

	HMAC     string `json:"hmac,omitempty"` // "sha256"
	Key      string `json:"key,omitempty"`  // text with handles
	Message  string `json:"message,omitempty"`
	Encoding string `json:"encoding,omitempty"` // "hex" or "base64"
}

func (d Derivation) write(w *writer) {
	if d.Base64 != nil {
		w.text("base64", *d.Base64)
	}
	w.optional("hmac", d.HMAC)
	w.optional("key", d.Key)
	w.optional("message", d.Message)
	w.optional("encoding", d.Encoding)
}

// Derive has the server compute a value from handles, and returns the handle of the value. It may be sent where all the secrets in
// it may be sent. It returns false if the request has no handle, or the manifest has no "secrets": "handles".
func Derive(d Derivation) (string, bool) {
	request, _ := encode(d) // a Derivation has nothing that cannot be written
	return derive(request)
}

// Base64 returns the base64 of a text, which may have handles. Then the result is a handle, too.
func Base64(text string) string {
	if handle, ok := Derive(Derivation{Base64: &text}); ok {
		return handle
	}
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// Basic returns the credentials of a Basic header, after "Basic ". Both may be or contain handles.
func Basic(user, password string) string { return Base64(user + ":" + password) }
