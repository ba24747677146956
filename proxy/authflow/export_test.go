package authflow

import (
	"context"
	"encoding/json"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
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
	AuthURL = authURL
	Bearer  = bearer
	CheckID = checkID
)

// ReadForm is an API-key form as it is read: what goes to the connector, the key in it, and the required fields that are missing.
func ReadForm(r APIKeyRequest, fields []manifest.FormField) (info, key string, missing []string, err error) {
	f, err := readForm(r)
	if err != nil {
		return "", "", nil, err
	}
	return f.secret().Reveal(), f.text("apiKey"), f.missing(fields), nil
}

// Layer lays an organisation's settings over a person's, as they are read from bodies.
func Layer(org, own string) (string, error) {
	theirs, err := readObject("org", json.RawMessage(org), maxOrgSettings)
	if err != nil {
		return "", err
	}
	mine, err := readObject("own", json.RawMessage(own), maxUserSettings)
	if err != nil {
		return "", err
	}
	all, err := layer(theirs, mine)
	if err != nil {
		return "", err
	}
	b, err := encodeJSON(all)
	return string(b), err
}

// Truthy is what JavaScript takes JSON for in a condition.
func Truthy(b string) bool { return truthy(json.RawMessage(b)) }

// FillForm is a form with managed fields as it is filled in: what goes to the connector, and the submitted values that it kept.
func FillForm(r APIKeyRequest, fields []manifest.FormField, stored storage.Fields) (info string, own storage.Fields, err error) {
	f, err := readForm(r)
	if err != nil {
		return "", own, err
	}
	own, err = f.fill(fields, stored)
	return f.secret().Reveal(), own, err
}

// ReadFieldValues reads submitted values.
func ReadFieldValues(object string) (storage.FieldValues, error) {
	return readFieldValues(crmgate.NewSecret(object))
}

// BoundState is what a test may know of a state.
type BoundState struct {
	Platform crmgate.Platform
	Account  crmgate.AccountID
	Hostname string
}

// BindState makes a state parameter.
func (f *Flows) BindState(ctx context.Context, s BoundState, short bool) (param string, err error) {
	param, _, err = f.bindState(ctx, state{Platform: s.Platform, Account: s.Account, Hostname: s.Hostname}, short)
	return param, err
}

// OpenState opens a state parameter.
func (f *Flows) OpenState(ctx context.Context, param string) (BoundState, error) {
	s, err := f.openState(ctx, param)
	return BoundState{s.Platform, s.Account, s.Hostname}, err
}

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

// ReadID reads an id out of JSON.
func ReadID(text string) (string, error) {
	var id identity.ID
	err := json.Unmarshal([]byte(text), &id)
	return string(id), err
}

// WorkOff works off what is due in the queue of revocations and not paused, and returns when that is done.
func (f *Flows) WorkOff() {
	for {
		_, started := f.round()
		f.revocations.running.Wait()
		if started == 0 {
			return
		}
	}
}

// What tests of the queue must know.
const (
	RevokeAge          = revokeAge
	RevokeAtOnce       = revokeAtOnce
	RevokeFirstWait    = revokeFirstWait
	RevokeLongestPause = revokeLongestPause
)

// MaxWaiters is how many polls may wait.
const MaxWaiters = maxWaiters

// Waiters are the polls that wait.
type Waiters = waiters

var NewWaiters = newWaiters

func (w *waiters) Join(id string) (<-chan struct{}, func(), error) { return w.join(id) }
func (w *waiters) Wake(id string)                                  { w.wake(id) }
func (w *waiters) Count() int                                      { return w.count() }
