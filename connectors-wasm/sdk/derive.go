package sdk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// Derivation is the request of Derive: Base64 alone, or the other members.
type Derivation struct {
	Base64 *string `json:"base64,omitempty"` // text with handles, to be encoded

	HMAC     string `json:"hmac,omitempty"` // "sha256"
	Key      string `json:"key,omitempty"`  // text with handles
	Message  string `json:"message,omitempty"`
	Encoding string `json:"encoding,omitempty"` // "hex" or "base64"
}

// Derive has the server compute a value from handles, and returns the handle of the value. It may be sent where all the secrets in
// it may be sent. It returns false if the request has no handle, or the manifest has no "secrets": "handles".
func Derive(d Derivation) (string, bool) { return derive(encode(d)) }

// Base64 returns the base64 of a text, which may have handles. Then the result is a handle, too.
func Base64(text string) string {
	if handle, ok := Derive(Derivation{Base64: &text}); ok {
		return handle
	}
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// Basic returns the credentials of a Basic header, after "Basic ". Both may be or contain handles.
func Basic(user, password string) string { return Base64(user + ":" + password) }

// HMAC returns the HMAC-SHA-256 of a message. The key and the message may have handles. encoding is "hex" or "base64".
func HMAC(key, message, encoding string) string {
	if handle, ok := Derive(Derivation{HMAC: "sha256", Key: key, Message: message, Encoding: encoding}); ok {
		return handle
	}
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	if encoding == "hex" {
		return hex.EncodeToString(h.Sum(nil))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
