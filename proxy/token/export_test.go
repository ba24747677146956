package token

import (
	"time"

	"github.com/crmgate/crmgate"
)

// Normalise shows what is read out of an answer.
func Normalise(body []byte, m crmgate.TokenManifest, now time.Time) (access, code string, expiry time.Time, err error) {
	a, err := normalise(body, m, now)
	return a.access, a.errCode, a.expiry, err
}

var Preview = preview
