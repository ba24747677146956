package authflow

import (
	"time"

	"github.com/crmgate/crmgate"
)

// What ReadCallback makes of a callback, for the table of shapes.
type ReadCallbackResult struct {
	Platform                    crmgate.Platform
	Hostname, State, Code, Bare string
	Agent                       bool
}

func ReadCallback(r CallbackRequest, redirectURI string) (ReadCallbackResult, error) {
	cb, err := readCallback(r, "https://gate.example")
	if err != nil {
		return ReadCallbackResult{}, err
	}
	code, err := cb.code(redirectURI)
	return ReadCallbackResult{cb.platform, cb.hostname, cb.state, code.Reveal(), cb.withoutCode, cb.agent}, err
}

var (
	AuthURL      = authURL
	MergeObjects = mergeObjects
)

// SessionTokens makes and checks session tokens at the time that now tells.
func SessionTokens(key string, now func() time.Time) (issue func(crmgate.UserKey, string) crmgate.Secret, good func(string) bool) {
	t := newSessionTokens(crmgate.NewSecret(key), now)
	return func(k crmgate.UserKey, sid string) crmgate.Secret {
			s, err := t.issue(k, sid)
			if err != nil {
				panic(err)
			}
			return s
		}, func(raw string) bool {
			_, err := t.verify(raw)
			return err == nil
		}
}
