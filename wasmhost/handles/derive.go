package handles

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Limits of the derived values of a call. Each is searched for in a dozen encodings, in all that comes back.
const (
	MaxDerived      = 32
	MaxDerivedBytes = 64 << 10 // of all values
)

// derivedKind is the kind of a derived value's handle.
const derivedKind = "derived"

// derivation is the document that a guest passes to derive: {"base64"}, or {"hmac", "key", "message", "encoding"}.
type derivation struct {
	Base64   *string `json:"base64"`
	HMAC     string  `json:"hmac"`
	Key      string  `json:"key"`
	Message  string  `json:"message"`
	Encoding string  `json:"encoding"`
}

// Derive computes a value from handles, and returns its handle. It may be sent where all the secrets in it may be sent. The error
// is for the author of the connector.
func (s *Secrets) Derive(document []byte) (handle string, err error) {
	if !s.opaque() {
		return "", errors.New(`the manifest has no "secrets": "handles"`)
	}
	if s.derived == MaxDerived {
		return "", fmt.Errorf("it derives more than %d values in a call", MaxDerived)
	}
	var d derivation
	if json.Unmarshal(document, &d) != nil {
		return "", errors.New("the request is not the JSON object that derive takes")
	}
	var parts []string
	size := 0
	reveal := func(text string) string {
		if err != nil {
			return ""
		}
		text, err = s.replaced(text, &size, func(f found) (string, error) {
			parts = append(parts, f.secret.parts...)
			return f.secret.value, nil
		})
		return text
	}
	var value string
	switch {
	case d.Base64 != nil && d.HMAC == "":
		value = base64.StdEncoding.EncodeToString([]byte(reveal(*d.Base64)))
	case d.Base64 == nil && d.HMAC == "sha256" && (d.Encoding == "hex" || d.Encoding == "base64"):
		value = keyed(reveal(d.Key), reveal(d.Message), d.Encoding)
	default:
		return "", errors.New(`the request is neither {"base64"} nor {"hmac": "sha256", "key", "message", "encoding": "hex" or "base64"}`)
	}
	if err == nil && len(parts) == 0 {
		err = errors.New("the request has no handle: compute the value in the connector")
	}
	if err == nil && s.derivedBytes()+len(value) > MaxDerivedBytes {
		err = fmt.Errorf("the values that it derives in a call have more than %d bytes", MaxDerivedBytes)
	}
	if err != nil {
		return "", err
	}
	return s.addDerived(value, parts), nil
}

// derivedBytes returns the size of the derived values.
func (s *Secrets) derivedBytes() (n int) {
	for _, h := range s.hidden {
		if h.kind == derivedKind {
			n += len(h.value)
		}
	}
	return n
}

func keyed(key, message, encoding string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(message))
	if encoding == "hex" {
		return hex.EncodeToString(h.Sum(nil))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func (s *Secrets) addDerived(value string, parts []string) string {
	s.derived++
	slices.Sort(parts)
	return s.put(secret{kind: derivedKind, label: strconv.Itoa(s.derived), name: "a value derived from " + parts[0], value: value, parts: slices.Compact(parts)})
}
