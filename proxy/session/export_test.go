package session

import (
	"encoding/json"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
)

// SessionTokens issues and verifies session tokens at the time of now.
func SessionTokens(key string, now func() time.Time) (issue func(crmgate.UserKey, string) crmgate.Secret, good func(string) bool) {
	t := newSigner(crmgate.NewSecret(key), now)
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

// ReadID reads an id from JSON.
func ReadID(text string) (string, error) {
	var id identity.ID
	err := json.Unmarshal([]byte(text), &id)
	return string(id), err
}

// Bearer reads an Authorization header.
var Bearer = bearer
