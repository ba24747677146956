package wasmhost

import (
	"net/http"
	"testing"
)

// What strangers' bytes reach, for fuzzing without a guest around them.

// DecodeAnswer reads an answer of every operation.
func DecodeAnswer(b []byte) {
	if d, err := decode[oauthInfoDoc](b); err == nil {
		d.info()
	}
	if d, err := decode[userInfoOut](b); err == nil {
		d.info()
	}
	if d, err := decode[validationOut](b); err == nil {
		d.outcome()
	}
	if d, err := decode[outcomeOut](b); err == nil {
		d.outcome()
	}
	_, _ = decode[oauthOptionOut](b)
	_, _ = decode[basicAuthOut](b)
	_, _ = decode[licenseOut](b)
	_, _ = decode[refreshOut](b)
}

// DecodeFetch makes the HTTP request that a guest's document asks for.
func DecodeFetch(t *testing.T, b []byte) (*http.Request, error) {
	r, err := parseFetch(b)
	if err != nil {
		return nil, err
	}
	return r.request(t.Context())
}

// Prepare is what a module's bytes go through before wazero sees them.
func Prepare(b []byte) ([]byte, error) { return prepare(b) }
