package crmgate

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redacted is printed instead of a Secret.
const redacted = "[secret]"

// Secret is a string that is never printed: fmt, log/slog and encoding/json show "[secret]". That holds in unexported fields
// too, where fmt ignores methods and prints memory. Only Reveal returns the value, so a search for Reveal finds every
// place that uses one.
//
// The zero value is the empty secret. A Secret is immutable and safe for concurrent use. Compare secrets with Equal: == does
// not compile.
type Secret struct {
	_ [0]func() // not comparable: == would compare addresses
	v *string   // behind a pointer, because fmt prints a nested pointer as an address
}

// NewSecret returns s as a Secret.
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

// IsZero reports whether the secret is empty. encoding/json's omitzero calls it.
func (s Secret) IsZero() bool { return s.v == nil }

// Equal reports whether both have the same value, in a time that depends only on their lengths.
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

// Format prints String for every verb, including %x and %q.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns String for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON writes "[secret]". Code that sends a secret calls Reveal.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads a JSON string; null is the empty secret.
func (s *Secret) UnmarshalJSON(b []byte) error {
	var v string
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*s = NewSecret(v)
	return nil
}
