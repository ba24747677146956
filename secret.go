package crmgate

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every way of printing a Secret prints.
const redacted = "[secret]"

// Secret is a string that cannot print itself: fmt, log/slog and encoding/json show "[secret]", also when it lies in
// an unexported field, where fmt would ignore the methods below and print memory. Reveal is the only way to the
// value, so that a search for Reveal finds every place where a secret leaves.
//
// The zero value is the empty secret. A Secret is immutable and safe for concurrent use. It cannot be compared with ==; use Equal.
type Secret struct {
	_ [0]func() // not comparable: == would compare addresses, and in variable time if it did not
	v *string   // behind a pointer, because fmt prints a nested pointer as an address
}

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{v: &s}
}

// Reveal returns the value.
func (s Secret) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// IsZero reports whether the secret is empty. encoding/json's omitzero honours it.
func (s Secret) IsZero() bool { return s.v == nil }

// Equal reports whether both hold the same value, in time that depends on their lengths only.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// String returns "[secret]", and "" for the empty secret.
func (s Secret) String() string {
	if s.v == nil {
		return ""
	}
	return redacted
}

// Format prints String for every verb, so that %x and %q reveal nothing either.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is what log/slog shows.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON writes "[secret]". What must carry a secret over a boundary reveals it there, by name.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON takes a JSON string, or null for none.
func (s *Secret) UnmarshalJSON(b []byte) error {
	var v string
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*s = NewSecret(v)
	return nil
}
